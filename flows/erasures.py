"""Who was erased, as the flows consult it: what is read again stays without personal data.

    erased_recipients · erased_messages · erased_ids ─▶ Erased ─▶ outbound records: blanked, or left out

Records of a message that was erased, and records of an erased person from before the erasure, lose their recipient and
their provider's id; where only that id could tell their message, they are left out: the message is counted already.
"""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

import polars as pl

from flows.identity import HashKey
from flows.stopping import Stop
from schemas.errors import WarehouseDown
from sql.retry import retrying
from sql.warehouse import Warehouse

REFRESH_S = 2.0
_Mask = list[bool]


class Erased(NamedTuple):
    """Hashes are by any of the kept keys; `recipients` tells when each was erased (UTC ms)."""

    recipients: dict[bytes, int]
    messages: frozenset[tuple[str, int]]
    ids: dict[tuple[str, bytes], frozenset[bytes]]
    """Of a provider's id the recipients that were erased under it; b"" where the record named none."""

    def __bool__(self) -> bool:
        return bool(self.recipients or self.messages)

    def blank(self, keyed: pl.DataFrame, keys: Sequence[HashKey]) -> tuple[pl.DataFrame, int]:
        """Outbound records with our key, raw, those of erased people without recipient and id; and how many."""
        persons = self._persons(keyed, keys)
        known = zip(keyed["campaign_id"], keyed["message_key"], strict=True)
        mask = [person or message in self.messages for person, message in zip(persons, known, strict=True)]
        if not any(mask):
            return keyed, 0
        blanked = pl.when(pl.Series(mask)).then(None).otherwise
        columns = ("recipient", "provider_message_id")
        return keyed.with_columns(blanked(pl.col(name)).alias(name) for name in columns), sum(mask)

    def leave_out(self, unkeyed: pl.DataFrame, keys: Sequence[HashKey]) -> tuple[pl.DataFrame, int]:
        """Outbound records without our key, raw, less those that only an erased id could tell; and how many."""
        mask = [False] * len(unkeyed)
        for key in keys:
            ids, people = key.hashes(unkeyed["provider_message_id"]), key.hashes(unkeyed["recipient"])
            rows = zip(unkeyed["provider"], ids, people, strict=True)
            mask = [was or self._is_erased_id(*row) for was, row in zip(mask, rows, strict=True)]
        return unkeyed.filter(~pl.Series(mask, dtype=pl.Boolean)), sum(mask)

    def _persons(self, frame: pl.DataFrame, keys: Sequence[HashKey]) -> _Mask:
        """Rows of an erased person, from before the erasure: what comes later is a new matter."""
        mask = [False] * len(frame)
        for key in keys:
            rows = zip(mask, key.hashes(frame["recipient"]), frame["at"], strict=True)
            mask = [was or at <= self.recipients.get(person, -1) for was, person, at in rows]
        return mask

    def _is_erased_id(self, provider: str | None, id_: bytes, person: bytes) -> bool:
        people = self.ids.get((provider or "", id_))
        return people is not None and (not person or b"" in people or person in people)


NOBODY = Erased({}, frozenset(), {})


def load_erased(warehouse: Warehouse) -> Erased:
    """Raises WarehouseError. In hex: ClickHouse's strings come as text, and hashes are none."""
    people = warehouse.query("SELECT hex(recipient), toUnixTimestamp64Milli(max(at)) FROM erased_recipients GROUP BY 1")
    messages = warehouse.query("SELECT DISTINCT campaign_id, message_key FROM erased_messages")
    ids = warehouse.query(
        "SELECT provider, hex(provider_message_id), groupUniqArray(hex(recipient)) FROM erased_ids GROUP BY 1, 2"
    )
    from_hex = bytes.fromhex
    return Erased(
        {from_hex(person): int(at) for person, at in people.rows()},
        frozenset((campaign, int(key)) for campaign, key in messages.rows()),
        {(provider, from_hex(id_)): frozenset(map(from_hex, people)) for provider, id_, people in ids.rows()},
    )


class ErasureList:
    """What `load_erased` gave lately, at most `REFRESH_S` ago; kept for as long as the database is down."""

    def __init__(self, connect: Callable[[], Warehouse], stop: Stop) -> None:
        self._connect = connect
        self._stop = stop
        self._loaded = threading.Event()
        self._erased = NOBODY
        self._thread = stop.thread("erasures", self._run)

    def start(self) -> None:
        self._thread.start()

    def finish(self) -> None:
        """After the stop was asked: its connection may be what holds an embedded engine."""
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def current(self) -> Erased:
        """Waits until it was loaded once: a replay right after a start must not bring anyone back.

        Raises TidemarkError where it can't be loaded, and WarehouseDown where it isn't by the end.
        """
        while not self._loaded.wait(0.1):
            if self._stop.presses():
                raise self._stop.failure or WarehouseDown("the database does not answer: who was erased is not known")
        return self._erased

    def _run(self) -> None:
        with self._connect() as warehouse, suppress(WarehouseDown):  # raised when stopping only
            while True:
                self._erased = retrying(lambda: load_erased(warehouse), self._stop.presses, lambda _line: None)
                self._loaded.set()
                if self._stop.wait(REFRESH_S):
                    return
