"""What people had senders do, in the audit log: who started which campaign, who changed its rate or stopped it.

Orders and campaigns go first: they stand in topics, and wait for no database. Where the log can't be written, one line
on standard error says what is missing from it.
"""

import sys
from collections.abc import Mapping
from threading import Thread
from typing import Any

from flows.sending.control import Order
from flows.sending.opening import Planned
from schemas.errors import TidemarkError
from schemas.settings import Settings
from sql import audit
from sql.dsn import Embedded, parse_dsn
from sql.warehouse import Warehouse


def note_order(settings: Settings, order: Order) -> None:
    subject = order.campaign_id or " ".join(filter(None, (order.provider, order.channel)))
    details = {"per_s": order.per_s} if order.action == "rate" else {"why": order.why}
    _note(settings, order.action, subject, details)


def note_start(settings: Settings, planned: list[Planned]) -> Thread:
    """Writes while the campaigns are under way already: to be joined when they are done."""

    def write() -> None:
        for campaign, _, frozen in planned:
            providers = sorted({route.provider for route in campaign.routes()})
            _note(settings, "send", campaign.id, {"audience": frozen.rows, "providers": providers})

    thread = Thread(target=write, name="audit", daemon=True)
    thread.start()
    return thread


def _note(settings: Settings, action: str, subject: str, details: Mapping[str, Any]) -> None:
    dsn = parse_dsn(settings.clickhouse)
    try:
        if isinstance(dsn, Embedded) and not dsn.folder.exists():
            raise TidemarkError(f"{dsn} does not exist")
        with Warehouse(settings.clickhouse) as warehouse:
            audit.record(warehouse, action, subject, details)
    except TidemarkError as error:
        print(f"flows.send: not in the audit log: {action} {subject}: {error}", file=sys.stderr, flush=True)
