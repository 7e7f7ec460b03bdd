"""When rows of known keys first came back from a SELECT."""

import time

import numpy as np

from schemas.statuses import Status
from sql.warehouse import Warehouse

_SEEN = """
SELECT message_key, _part AS part FROM status_events
WHERE campaign_id = {campaign:String} AND message_key >= {first:UInt64} AND status = {status:String}
    AND toUInt64(splitByChar('_', _part)[3]) > {block:UInt64}
"""
"""Reads the parts that came, or were merged, since the block that was seen last (a part is called
partition_first_last_level, by its blocks): over all parts, asking took a third of the processor time of what is asked
about."""


class Sightings:
    """Of a campaign's messages of one status, whose keys are `first` and the `count - 1` behind it; one writer's, whose
    blocks become visible in their order.

    `seen_at` is the monotonic time of the first answer that held a key, 0 before.
    """

    def __init__(self, warehouse: Warehouse, campaign: str, status: Status, count: int, first: int = 0) -> None:
        self._warehouse = warehouse
        self._asked = {"campaign": campaign, "status": status.value}
        self._first = first
        self._unseen_from = 0
        self._block = 0
        self.seen_at = np.zeros(count)

    def look(self) -> bool:
        """Whether all were seen."""
        asked = self._asked | {"first": self._first + self._unseen_from, "block": self._block}
        found = self._warehouse.query(_SEEN, asked)
        now, places = time.monotonic(), found["message_key"].to_numpy().astype(np.int64) - self._first
        self.seen_at[places[self.seen_at[places] == 0]] = now
        self._block = max((int(part.split("_")[2]) for part in found["part"].unique()), default=self._block)
        unseen = np.flatnonzero(self.seen_at[self._unseen_from :] == 0)
        self._unseen_from = self._unseen_from + int(unseen[0]) if len(unseen) else len(self.seen_at)
        return not len(unseen)
