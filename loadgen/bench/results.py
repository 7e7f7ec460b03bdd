"""What the pipeline's benchmark says: medians of the rounds, and ratios between them."""

import argparse
import statistics

from msgspec import Struct

from loadgen.bench import profile
from loadgen.bench.arena import Arena, Round
from loadgen.bench.contender import Measured
from loadgen.bench.inputs import Inputs
from loadgen.bench.profile import Profile
from loadgen.bench.systems import OURS

FLOOR = "floor"


class SystemReport(Struct, kw_only=True):
    """One system: medians, but the greatest of the peaks; exact if every round was."""

    events_per_s: float
    cpu_us_per_event: float
    peak_rss_mb: float
    exact: bool
    events_per_record: int
    rates: list[float]


class Report(Struct, kw_only=True):
    """What `--json` prints. Rates in events/s, processor time in microseconds an event.

    `ratios`: Tidemark's rate to each peer's; `floor`: its processor time to the sum of the floor's stages.
    """

    source: str
    events: int
    rounds: int
    systems: dict[str, SystemReport]
    floor: dict[str, float]
    ratios: dict[str, float]
    left_out: dict[str, str]
    profile: Profile | None = None


def report(
    options: argparse.Namespace, inputs: Inputs, arena: Arena, left_out: dict[str, str], profiled: Profile | None
) -> Report:
    events = inputs.events
    systems = {name: _system(rounds, events) for name, rounds in arena.rounds.items() if rounds}
    floor = {f"{stage}_us": round(_cpu_us(rounds, events), 3) for stage, rounds in arena.floor.items()}
    return Report(
        source=options.source,
        events=events,
        rounds=options.rounds,
        systems=systems,
        floor=floor,
        ratios=_ratios(systems, sum(floor.values())),
        left_out=left_out | arena.failed,
        profile=profiled,
    )


def _system(rounds: list[Round], events: int) -> SystemReport:
    measured = [one.measured for one in rounds]
    rates = [round(events / one.seconds, 1) for one in measured]
    return SystemReport(
        events_per_s=statistics.median(rates),
        cpu_us_per_event=round(_cpu_us(measured, events), 2),
        peak_rss_mb=round(max(one.peak_rss_mb for one in measured), 1),
        exact=all(one.exact for one in rounds),
        events_per_record=rounds[0].events_per_record,
        rates=rates,
    )


def _cpu_us(measured: list[Measured], events: int) -> float:
    return 1e6 * statistics.median(one.cpu_s for one in measured) / events


def _ratios(systems: dict[str, SystemReport], floor_us: float) -> dict[str, float]:
    ours = systems.get(OURS.name)
    if ours is None:
        return {}
    peers = {name: peer for name, peer in systems.items() if peer is not ours}
    ratios = {name: round(ours.events_per_s / peer.events_per_s, 2) for name, peer in peers.items()}
    return ratios | {FLOOR: round(ours.cpu_us_per_event / floor_us, 2)}


def in_words(done: Report) -> str:
    lines = [f"{done.events:,} events from {done.source}, medians of {done.rounds} rounds"]
    for name, system in done.systems.items():
        times = f", {done.ratios[name]:.1f} times slower than Tidemark" if name in done.ratios else ""
        verdict = "exact" if system.exact else "NOT exact"
        lines.append(
            f"{name:20} {system.events_per_s:10,.0f} events/s, {system.cpu_us_per_event:6.2f} µs CPU an event,"
            f" {system.peak_rss_mb:6,.0f} MB, {system.events_per_record} a record, {verdict}{times}"
        )
    stages = ", ".join(f"{stage.removesuffix('_us')} {us:.2f}" for stage, us in done.floor.items())
    times = f"; Tidemark takes {done.ratios[FLOOR]:.2f} times their sum" if FLOOR in done.ratios else ""
    lines.append(f"the floor, µs CPU an event, each alone: {stages}{times}")
    if done.profile:
        lines.append(profile.in_words(done.profile))
    return "\n".join(lines + [f"left out: {name}, {why}" for name, why in done.left_out.items()])
