"""What senders did, in the audit log: who started which campaign, changed its rate or stopped it; and what they stopped
of their own accord.

Orders and campaigns go first: they stand in topics, and wait for no database. Where the log can't be written, one line
on standard error says what is missing from it.
"""

from threading import Thread

from flows.sending.control import Order
from flows.sending.opening import Planned
from schemas.settings import Settings
from sql.audit import note

_PROCESS = "flows.send"


def note_order(settings: Settings, order: Order, actor: str = "") -> None:
    subject = order.campaign_id or " ".join(filter(None, (order.provider, order.channel)))
    details = {"per_s": order.per_s} if order.action == "rate" else {"why": order.why}
    note(settings.clickhouse, _PROCESS, order.action, subject, details, actor)


def note_own(settings: Settings, order: Order) -> None:
    """An order that the sender gave itself, a provider's refusals being the cause; who sends goes on meanwhile."""
    Thread(target=note_order, args=(settings, order, _PROCESS), name="audit").start()


def note_start(settings: Settings, planned: list[Planned]) -> Thread:
    """Writes while the campaigns are under way already: to be joined when they are done."""

    def write() -> None:
        for campaign, _, frozen in planned:
            providers = sorted({route.provider for route in campaign.routes()})
            told = {"audience": frozen.rows, "providers": providers}
            note(settings.clickhouse, _PROCESS, "send", campaign.id, told)

    thread = Thread(target=write, name="audit", daemon=True)
    thread.start()
    return thread
