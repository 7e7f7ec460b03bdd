"""What the tables say against what the generator knows, cell by cell."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from loadgen.expected import Expected, Figures
from sql.warehouse import Warehouse

CHECKS = Path(__file__).parents[2] / "sql" / "checks"
COUNTS = ("sent", "delivered", "delivered_inferred", "read", "clicked", "failed")
_DIMENSIONS = ("channel", "sender", "template", "country")
_LINES = {
    "handed over": "handed_over",
    "in doubt": "in_doubt",
    "in flight": "in_flight",
    "rejected for good": "rejected",
    "queued": "queued",
}


def counts(warehouse: Warehouse, campaign_id: str) -> dict[str, int]:
    """The funnel, by the names of COUNTS."""
    return warehouse.ask("funnel", campaign_id=campaign_id).select(COUNTS).row(0, named=True)


def differences(warehouse: Warehouse, *runs: Expected) -> list[str]:
    """One line for each figure that is off and each check that found something; none when exact."""
    campaigns = [campaign for run in runs for campaign in run.campaigns.items()]
    found = [line for name, figures in campaigns for line in _campaign(warehouse, name, figures)]
    unmatched = int(warehouse.ask("unmatched")["statuses"].sum())
    found += _unequal("unmatched statuses", sum(run.unmatched for run in runs), unmatched)
    return found + list(_checks(warehouse))


def _campaign(warehouse: Warehouse, name: str, figures: Figures) -> Iterator[str]:
    funnel = warehouse.ask("funnel", campaign_id=name).row(0, named=True)
    for count in (*COUNTS, "failed_ever", "rejected", "complained", "unsubscribed"):
        yield from _unequal(f"{name} {count}", figures.counts.get(count, 0), funnel[count])
    for query, wanted in (("timeline", figures.timeline), ("latency", figures.latency)):
        yield from unequal(f"{name} {query}", wanted, cells(warehouse.ask(query, campaign_id=name)))
    failures = warehouse.ask("failures", campaign_id=name).group_by("error_code").agg(pl.col("messages").sum())
    yield from unequal(f"{name} failures", {"failed": figures.failures}, {"failed": dict(failures.iter_rows())})
    for dimension in _DIMENSIONS:
        yield from _split(warehouse, name, dimension, figures)
    yield from unequal(f"{name} accounting", {"": figures.accounting}, {"": _accounting(warehouse, name)})


def cells(frame: pl.DataFrame) -> dict[str, dict[str, int]]:
    """(status, cell, messages) as the generator names its cells; a cell in which no message was first is none."""
    found: dict[str, dict[str, int]] = {}
    if "minute" in frame.columns:
        frame = frame.with_columns(pl.col("minute").dt.epoch("ms"))
    for status, cell, messages in frame.filter(pl.col("messages") > 0).iter_rows():
        found.setdefault(status, {})[str(cell)] = messages
    return found


def _split(warehouse: Warehouse, name: str, dimension: str, figures: Figures) -> Iterator[str]:
    found = warehouse.ask("splits", campaign_id=name, dimension=dimension)
    names = [column for column in found.columns if column != "value"]
    expected = {
        value: {count: row.get(count, 0) for count in names}
        for value, row in figures.splits.get(dimension, {}).items()
        if row.get("sent")
    }
    rows = {row.pop("value"): row for row in found.iter_rows(named=True)}
    yield from unequal(f"{name} by {dimension}", expected, rows)


def _accounting(warehouse: Warehouse, name: str) -> dict[str, int]:
    lines = accounting(warehouse, name).items()
    return {_LINES.get(what, what.replace("screened: ", "screened_")): messages for what, messages in lines}


def accounting(warehouse: Warehouse, name: str) -> dict[str, int]:
    """Messages by where they are; lines without any are left out."""
    rows = warehouse.ask("accounting", campaign_id=name).select("what", "messages").iter_rows()
    return {what: messages for what, messages in rows if messages}


def unequal(what: str, expected: object, found: object) -> Iterator[str]:
    """One line for each number that differs; what is left out on one side is 0."""
    if not (isinstance(expected, dict) and isinstance(found, dict)):
        yield from _unequal(what, expected or 0, found or 0)
        return
    for key in sorted({str(key) for key in expected} | {str(key) for key in found}):
        wanted, got = ({str(k): v for k, v in side.items()}.get(key) for side in (expected, found))
        empty: object = {} if isinstance(wanted or got, dict) else 0
        yield from unequal(f"{what} {key}".rstrip(), wanted or empty, got or empty)


def _unequal(what: str, expected: object, found: object) -> list[str]:
    return [] if expected == found else [f"{what}: {found} where {expected} is due"]


def _checks(warehouse: Warehouse) -> Iterator[str]:
    for check in sorted(CHECKS.glob("*.sql")):
        wrong = warehouse.query(check.read_text())
        if len(wrong):
            yield f"check {check.stem}: {len(wrong)} rows, the first {wrong.row(0, named=True)}"
