"""One server for reports and webhooks: each request reaches the application that it is meant for."""

import asyncio
from pathlib import Path

from api.webhooks import Receiver, beside
from api.webhooks.answers import Receive, Scope, Send
from loadgen.signing import sign
from tests.webhooks.calling import heard, settings, taken

BODY = b'{"entry":[]}'


class Reports:
    """Stands in for the other application."""

    def __init__(self) -> None:
        self.lived: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            self.lived += [(await receive())["type"], (await receive())["type"]]
            return
        await send({"type": "http.response.start", "status": 299, "headers": []})
        await send({"type": "http.response.body", "body": scope["path"].encode()})


def test_webhooks_go_to_the_receiver_and_all_else_to_the_other(tmp_path: Path) -> None:
    """Starting and ending too; at the end the receiver has written what it took."""
    own = settings(tmp_path, webhook_secrets={"meta_whatsapp": ("s",)})
    reports = Reports()
    both = beside(reports, Receiver(own))
    messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive() -> dict[str, str]:
        return next(messages)

    async def scenario() -> list[tuple[int, str]]:
        url = "https://h/webhooks/meta_whatsapp"
        answers = [await heard(both, "GET", "https://h/api/campaigns")]
        answers.append(await heard(both, "POST", url, BODY, sign("meta_whatsapp", BODY, secret="s")))
        answers.append(await heard(both, "GET", "https://h/webhooks"))
        await both({"type": "lifespan"}, receive, receive)  # type: ignore[arg-type]
        return [(answer.status, answer.body) for answer in answers]

    assert asyncio.run(scenario()) == [(299, "/api/campaigns"), (200, ""), (299, "/webhooks")]
    assert reports.lived == ["lifespan.startup", "lifespan.shutdown"]
    assert len(taken(own)) == 1
