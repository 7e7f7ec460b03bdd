"""What the tables must say of a campaign that was sent, by the simulator's own books: what it took, what it told."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator

from loadgen.demo.compare import COUNTS, accounting, cells, unequal
from loadgen.provider.ledger import Entry, Told
from schemas.latency import LATENCY_BOUNDS_MS
from schemas.times import MINUTE_MS
from sql.warehouse import Warehouse

_TIMED = ("sent", "delivered", "read", "clicked", "failed")
"""Those whose every time the simulator tells; `accepted` is the sender's."""
_CHANNELS = {"meta_whatsapp": "whatsapp", "sendgrid": "email"}
_NEVER_SENT = ("queued", "screened: cancelled", "screened: expired")
Cells = dict[str, dict[str, int]]


class Books:
    """Of one campaign; `skipped`: whom the sender must leave out, by the lines of the accounting."""

    def __init__(
        self, campaign_id: str, audience: int, skipped: dict[str, int], ledger: Iterable[Entry], told: Iterable[Told]
    ) -> None:
        self._campaign_id = campaign_id
        self._audience = audience
        self._skipped = skipped
        entries = [entry for entry in ledger if entry.campaign_id == campaign_id]
        self._taken = {entry.message_key for entry in entries if 200 <= entry.status < 300}
        self._refused = {entry.message_key for entry in entries} - self._taken
        self._asked: dict[str, dict[str, set[int]]] = {"channel": defaultdict(set), "sender": defaultdict(set)}
        for entry in entries:
            self._asked["channel"][_CHANNELS[entry.provider]].add(entry.message_key)
            self._asked["sender"][entry.sender].add(entry.message_key)
        self._reached: dict[str, set[int]] = defaultdict(set)
        self._failed: dict[str, set[int]] = defaultdict(set)
        self._first: dict[tuple[str, int], int] = {}
        self._quickest: dict[tuple[str, int], int] = {}
        for status in told:
            if status.campaign_id == campaign_id:
                self._add(status)

    def _add(self, told: Told) -> None:
        self._reached[told.status].add(told.message_key)
        if told.status == "failed":
            self._failed[told.code].add(told.message_key)
        if told.status in _TIMED:
            place, latency = (told.status, told.message_key), max(told.at - told.sent_at, 0)
            self._first[place] = min(self._first.get(place, told.at), told.at)
            self._quickest[place] = min(self._quickest.get(place, latency), latency)

    def counts(self) -> dict[str, int]:
        """The funnel, by the names of COUNTS."""
        sets = self._stages()
        inferred = (sets["read"] | sets["clicked"]) - sets["delivered"]
        return {name: len(inferred if name == "delivered_inferred" else sets[name]) for name in COUNTS}

    def _stages(self) -> dict[str, set[int]]:
        reached = {name: self._reached[name] for name in ("delivered", "read", "clicked")}
        lost = self._reached["failed"] - reached["delivered"] - reached["read"] - reached["clicked"]
        return {"sent": self._taken, **reached, "failed": lost}

    def differences(self, warehouse: Warehouse) -> Iterator[str]:
        """One line for each figure that is off."""
        name = self._campaign_id
        funnel = warehouse.ask("funnel", campaign_id=name).row(0, named=True)
        wanted = self.counts() | {"failed_ever": len(self._reached["failed"]), "rejected": len(self._refused)}
        yield from unequal(name, wanted, {count: funnel[count] for count in wanted})
        for query, expected in (("timeline", self._timeline()), ("latency", self._latency())):
            found = cells(warehouse.ask(query, campaign_id=name))
            yield from unequal(f"{name} {query}", expected, {status: found.get(status, {}) for status in expected})
        failures = dict(warehouse.ask("failures", campaign_id=name).select("error_code", "messages").iter_rows())
        yield from unequal(f"{name} failures", {code: len(keys) for code, keys in self._failed.items()}, failures)
        for dimension, asked in self._asked.items():
            rows = warehouse.ask("splits", campaign_id=name, dimension=dimension).iter_rows(named=True)
            found = {row.pop("value"): row for row in rows}
            yield from unequal(f"{name} by {dimension}", self._split(asked), found)
        yield from self._accounting(accounting(warehouse, name))

    def _split(self, asked: dict[str, set[int]]) -> Cells:
        stages = self._stages()
        split = {value: {stage: len(keys & of) for stage, of in stages.items()} for value, keys in asked.items()}
        return {value: counts for value, counts in split.items() if counts["sent"]}

    def _timeline(self) -> Cells:
        return _counted((status, at // MINUTE_MS * MINUTE_MS) for (status, _), at in self._first.items())

    def _latency(self) -> Cells:
        bounds = LATENCY_BOUNDS_MS
        return _counted(
            (status, bounds[bisect_right(bounds, latency) - 1]) for (status, _), latency in self._quickest.items()
        )

    def _accounting(self, found: dict[str, int]) -> Iterator[str]:
        """A campaign that somebody cancelled, or let expire, has a rest that was never sent."""
        wanted = self._skipped | {"handed over": len(self._taken), "rejected for good": len(self._refused)}
        wanted["never sent"] = self._audience - sum(wanted.values())
        found = dict(found)
        found["never sent"] = sum(found.pop(line, 0) for line in _NEVER_SENT)
        yield from unequal(f"{self._campaign_id} accounting", wanted, found)


def _counted(places: Iterable[tuple[str, int]]) -> Cells:
    cells: Cells = defaultdict(lambda: defaultdict(int))
    for status, cell in places:
        cells[status][str(cell)] += 1
    return cells
