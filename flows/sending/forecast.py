"""Before anything is sent: checks and a dry run."""

from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
from msgspec import Struct

from flows.identity import hash_keys
from flows.sending.audience import COUNTRY, LANGUAGE, SKIP, TO, WHY, judge, read_audience
from flows.sending.suppression import Suppressions
from flows.sending.templates import Renderer, Unrenderable, template_texts, variables
from flows.sending.watch import read_all
from schemas.campaign import Campaign, Route
from schemas.errors import TidemarkError, UsageError
from schemas.settings import Settings
from schemas.topics import SEND_SUPPRESSIONS

SAMPLES = 3
_EXAMPLES = 5


class Forecast(Struct, kw_only=True):
    """What a dry run says; `cost` in the unit of the prices, `seconds` None where nothing limits the rate."""

    campaign_id: str
    audience: int
    sends: int
    skips: dict[str, int]
    invalid_examples: list[str]
    unrenderable_examples: list[str]
    countries: dict[str, int]
    cost: float
    limit_per_s: float | None
    seconds: float | None
    samples: list[dict[str, Any]]


Campaigns = list[tuple[Campaign, Path]]


def check(settings: Settings, campaigns: Campaigns, *, as_json: bool) -> int:
    """Also whether the audience can be read and has what the templates ask for; raises UsageError."""
    for campaign, folder in campaigns:
        frame = read_audience(settings, campaign, folder)
        for route in campaign.routes():
            _check_variables(route, folder, frame)
        if not as_json:
            print(f"{campaign.id}: {len(frame):,} rows, nothing is wrong")
    if as_json:
        print(msgspec.json.encode({"campaigns": [campaign.id for campaign, _ in campaigns], "wrong": []}).decode())
    return 0


def _check_variables(route: Route, folder: Path, frame: pl.DataFrame) -> None:
    missing = sorted(variables(template_texts(route.template, folder)) - set(frame.columns))
    if missing:
        raise UsageError(f"template: {', '.join(missing)}: no such column; the audience has {', '.join(frame.columns)}")


def dry_run(settings: Settings, campaigns: Campaigns, *, as_json: bool) -> int:
    forecasts = [forecast(settings, campaign, folder) for campaign, folder in campaigns]
    if as_json:
        print(msgspec.json.encode({"campaigns": forecasts}).decode())
    else:
        print("\n\n".join(map(_in_words, forecasts)))
    return 0


def forecast(settings: Settings, campaign: Campaign, folder: Path) -> Forecast:
    """Raises UsageError; writes nothing."""
    frame = judge(campaign, read_audience(settings, campaign, folder))
    frame = frame.with_columns(_suppressed(settings, campaign, frame))
    renderer = Renderer(template_texts(campaign.template, folder), campaign.template.language)
    rows = frame.with_row_index("_seq")
    faults, samples = _render_all(renderer, rows)
    bad = set(faults)
    skips = Counter(reason for reason in frame[SKIP].to_list() if reason)
    if bad:
        skips["unrenderable"] = len(bad)
    sent = rows.filter((pl.col(SKIP) == "") & ~pl.col("_seq").is_in(sorted(bad)))
    countries = dict(Counter(sent[COUNTRY].to_list()).most_common())
    limit = campaign.limit_per_s()
    invalid = rows.filter(pl.col(SKIP) == "invalid").head(_EXAMPLES)
    return Forecast(
        campaign_id=campaign.id,
        audience=len(frame),
        sends=len(sent),
        skips=dict(skips),
        invalid_examples=[f"row {seq}: {to!r}: {why}" for seq, to, why in invalid.select("_seq", TO, WHY).iter_rows()],
        unrenderable_examples=[f"row {seq}: {why}" for seq, why in list(faults.items())[:_EXAMPLES]],
        countries=countries,
        cost=round(sum(_price(campaign, country) * count for country, count in countries.items()), 4),
        limit_per_s=limit,
        seconds=round(len(sent) / limit, 1) if limit else None,
        samples=samples,
    )


def _suppressed(settings: Settings, campaign: Campaign, frame: pl.DataFrame) -> pl.Series:
    suppressions = Suppressions(hash_keys(settings))
    try:
        read_all(settings, SEND_SUPPRESSIONS, suppressions.read).close()
    except TidemarkError:
        return frame[SKIP]  # no sender has run yet
    skips = [
        skip or ("suppressed" if suppressions.holds(to, campaign.channel) else "")
        for skip, to in zip(frame[SKIP].to_list(), frame[TO].to_list(), strict=True)
    ]
    return pl.Series(SKIP, skips, dtype=pl.String)


def _render_all(renderer: Renderer, rows: pl.DataFrame) -> tuple[dict[int, str], list[dict[str, Any]]]:
    """Faults by row, and the first few that went well."""
    faults: dict[int, str] = {}
    samples: list[dict[str, Any]] = []
    for row in rows.filter(pl.col(SKIP) == "").iter_rows(named=True):
        given = {name: value for name, value in row.items() if not name.startswith("_")}
        try:
            rendered = renderer.render(given, row[LANGUAGE])
        except Unrenderable as fault:
            faults[row["_seq"]] = str(fault)
            continue
        if len(samples) < SAMPLES:
            samples.append({"to": row[TO], **{name: value for name, value in rendered._asdict().items() if value}})
    return faults, samples


def _price(campaign: Campaign, country: str) -> float:
    return campaign.prices.get(country, campaign.prices.get("", 0.0))


def _in_words(told: Forecast) -> str:
    duration = "as fast as it goes" if told.seconds is None else f"{told.seconds / 60:,.1f} minutes"
    lines = [
        f"{told.campaign_id}: {told.audience:,} rows, {told.sends:,} would be sent, cost {told.cost:,.2f}, {duration}",
        *(f"  not sent, {reason}: {count:,}" for reason, count in told.skips.items()),
        *(f"  {example}" for example in (*told.invalid_examples, *told.unrenderable_examples)),
    ]
    for sample in told.samples:
        lines.append(f"  to {sample['to']} ({sample.get('language', '')}):")
        lines += [f"    {name}: {value}" for name, value in sample.items() if name not in ("to", "language")]
    return "\n".join(lines)
