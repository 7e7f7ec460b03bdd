"""Take a person out of the tables; what was counted stays counted.

    hashes (all kept keys) ─▶ erased_recipients ─▶ their messages ─▶ erased_messages ─▶ their ids ─▶ erased_ids
                                                         │
                     outbound: recipient and id blanked ◀┴▶ outbound_ids, waiting, unkeyed: rows deleted

The lists come first, so that flows that run let nothing of it in again; then what they had under way has landed, and
the tables are cleared once more. Interrupted, the same command does all of it again.
"""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import polars as pl
from msgspec import Struct

from flows.erasures import REFRESH_S
from flows.identity import HashKey
from schemas.errors import WarehouseError
from schemas.times import wall_clock
from sql import audit
from sql.warehouse import Warehouse

SETTLE_S = 5 * REFRESH_S
"""By then every running flow has read the lists, and landed what it had read before."""
_ERASED = "(SELECT campaign_id, message_key FROM erased_messages)"
_PEOPLE = "(SELECT toString(recipient) FROM erased_recipients)"
_CLEARED = (
    "ALTER TABLE outbound UPDATE recipient = '', provider_message_id = ''"
    f" WHERE (campaign_id, message_key) IN {_ERASED} AND (recipient != '' OR provider_message_id != '')",
    f"ALTER TABLE outbound_ids DELETE WHERE (campaign_id, message_key) IN {_ERASED}",
    f"ALTER TABLE waiting DELETE WHERE recipient IN {_PEOPLE}",
    f"ALTER TABLE unkeyed DELETE WHERE recipient IN {_PEOPLE}",
)
_TIME = pl.Datetime("ms", "UTC")


class Erasure(Struct):
    """What was found and done; `person` is the newest key's hash."""

    person: str
    messages: int
    ids: int


def spellings(recipient: str) -> list[str]:
    """How one address may stand in records: with or without `+`, a channel before it, an e-mail in small letters."""
    plain = recipient.strip().rpartition(":")[2] if recipient.strip().startswith("whatsapp:") else recipient.strip()
    if "@" in plain:
        return list(dict.fromkeys([recipient, plain, plain.lower()]))
    digits = plain.lstrip("+").replace(" ", "").replace("-", "")
    forms = [recipient, plain, digits, f"+{digits}", f"00{digits}", f"whatsapp:+{digits}"]
    return list(dict.fromkeys(forms if digits.isdigit() else [recipient, plain]))


def erase(
    warehouse: Warehouse,
    recipient: str,
    keys: Sequence[HashKey],
    actor: str = "",
    settle: Callable[[], None] = lambda: time.sleep(SETTLE_S),
) -> Erasure:
    """Raises WarehouseError; what the result says is durable, and in the audit log."""
    hashes = [(key.version, digest) for key in keys for digest in key.hashes(pl.Series(spellings(recipient)))]
    _list_people(warehouse, hashes)
    messages, ids = _clear(warehouse, hashes)
    settle()
    more_messages, more_ids = _clear(warehouse, hashes)
    left = warehouse.ask("erasable_left").row(0, named=True)
    if any(left.values()):
        raise WarehouseError(f"not everything is gone, run it again: {left}")
    done = Erasure(hashes[0][1].hex(), max(messages, more_messages), max(ids, more_ids))
    audit.record(warehouse, "erase", done.person, {"messages": done.messages, "ids": done.ids}, actor)
    return done


def _list_people(warehouse: Warehouse, hashes: list[tuple[int, bytes]]) -> None:
    rows = pl.DataFrame(hashes, schema={"hash_version": pl.UInt8, "recipient": pl.Binary}, orient="row")
    warehouse.insert("erased_recipients", rows.with_columns(at=_now()))


def _clear(warehouse: Warehouse, hashes: list[tuple[int, bytes]]) -> tuple[int, int]:
    """How many messages and ids were the person's, as far as that still stood."""
    messages = warehouse.ask("erasable_messages", hashes=[digest.hex() for _, digest in hashes])
    warehouse.insert("erased_messages", messages.with_columns(at=_now()))
    ids = warehouse.ask("erasable_ids").with_columns(pl.col("provider_message_id", "recipient").str.decode("hex"))
    warehouse.insert("erased_ids", ids.with_columns(at=_now()))
    for statement in _CLEARED:
        warehouse.command(f"{statement} SETTINGS mutations_sync = 2")
    return len(messages), len(ids)


def _now() -> pl.Expr:
    return pl.lit(datetime.fromtimestamp(wall_clock() / 1000, UTC)).cast(_TIME)
