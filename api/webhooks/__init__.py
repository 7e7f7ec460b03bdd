"""Where providers call back: verify, make durable, answer.

    request ─▶ door of its provider ─▶ body, bounded ─▶ signature ─▶ envelope ─▶ intake ─▶ topic webhook ─▶ 200
                    404 403 405 415         413            401                    503

An ASGI application of its own beside FastAPI (`beside`), or alone in as many processes as wanted
(`python -m api.webhooks --workers 4`). At-least-once: whatever was answered 2xx is in the topic; what was answered
otherwise may be, and comes again.
"""

from api.webhooks.beside import beside
from api.webhooks.receiver import Receiver

__all__ = ["Receiver", "beside"]
