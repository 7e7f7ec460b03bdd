"""Kill a sender at random moments, and see whether anyone was sent to twice or left out:
`python -m loadgen.sends.kills --kills 30 --messages 100000 --mode hold`.

Modes: `hold` (a doubt is left to webhooks, else to a person), `lookup` (the provider is asked), `resend` (the same
again under the same idempotency key). The simulator's ledger is the judge; `flows.status` then lands
everything, and the accounting line must close.
"""

import argparse
import random
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from flows.sources import make_topics
from loadgen.command import INEXACT, parser, run, scratch
from loadgen.processes import Flow, end, variables, wait_until_read
from loadgen.provider.ledger import Entry
from loadgen.sends.mailbox import Mailbox
from loadgen.sends.scene import CAMPAIGN, eligible, skipped, write_audience, write_campaign
from loadgen.sends.simulated import Provider, Sending
from schemas.errors import TidemarkError, UsageError
from schemas.settings import Settings
from schemas.topics import OUTBOUND, STATUS_TOPICS, WEBHOOK
from sql.migrate import migrate
from sql.warehouse import Warehouse

_DOUBTS = """
SELECT
    uniqExactIf(message_key, type = 'in_doubt') AS doubted,
    uniqExactIf(message_key, type = 'settled' AND outcome = 'sent') AS settled
FROM outbound WHERE campaign_id = {campaign_id:String}
"""
MODES = ("hold", "lookup", "resend")
_STARTS_WITHIN_S = 30.0
_ENDS_WITHIN_S = 300.0
_READ_WITHIN_S = 120.0


class Report(Struct, kw_only=True):
    """What `--json` prints.

    `doubted`: messages that were in doubt at some time; `settled`: of these found sent by webhooks or look-ups.
    `repeated_requests` carry the key of a request before them.
    """

    mode: str
    messages: int
    eligible: int
    kills: int
    sent_once: int
    sent_twice: int
    repeated_requests: int
    doubted: int
    settled: int
    in_doubt: int
    left_out: int
    overdrawn: int
    accounting: dict[str, int]
    exit_code: int
    seconds: float
    wrong: list[str]


class Plan(Struct, kw_only=True):
    mode: str
    messages: int
    kills: int
    rate: float
    seed: int
    settle: str = "20s"


def run_kills(settings: Settings, folder: Path, plan: Plan) -> Report:
    """Raises TidemarkError."""
    started = time.monotonic()
    make_topics(settings, OUTBOUND, WEBHOOK, *STATUS_TOPICS)
    write_audience(folder / "people.csv", plan.messages)
    mailbox = Mailbox(settings)
    webhooks = ("--webhooks", mailbox.url) if plan.mode == "hold" else ()
    provider = Provider("--latency-ms", "40", "--spread", "0.3", *webhooks, log=folder / "provider.log")
    flows = [Flow(["-m", "flows.route"], variables(settings), folder / "route.log")] if plan.mode == "hold" else []
    try:
        path = write_campaign(folder, provider.url, **_fields(plan, provider.url))
        kills, code = _send(settings, folder, path, plan, provider)
        ledger = provider.ledger()
        accounting, doubts = _account(settings, folder, flows)
    finally:
        for flow in flows:
            flow.kill()
        provider.close()
        mailbox.close()
    return _judge(plan, kills, ledger, doubts, accounting, code, time.monotonic() - started)


def _fields(plan: Plan, url: str) -> dict[str, Any]:
    connection = {"url": f"{url}/send"}
    if plan.mode == "lookup":
        connection["lookup_url"] = f"{url}/send/{{key}}"
    doubt = "resend" if plan.mode == "resend" else "hold"
    return {"connection": connection, "in_doubt": doubt, "rates": {"campaign": plan.rate}, "settle": plan.settle}


def _send(settings: Settings, folder: Path, path: Path, plan: Plan, provider: Provider) -> tuple[int, int]:
    """Kill it in the midst of its work, or while it starts, and let the last one end by itself: how many were killed,
    as none is once the campaign is done, and its exit code."""
    chance, kills = random.Random(plan.seed), 0
    pause_s = plan.messages / plan.rate / (plan.kills + 1)
    for kill in range(plan.kills):
        sending = Sending([str(path), "--json"], variables(settings), folder / f"send-{kill}.log")
        taken = provider.taken()
        if chance.random() > 0.2:
            _wait_until_at_work(sending, provider, taken)
            time.sleep(chance.uniform(0, 1.6) * pause_s)
        else:
            time.sleep(chance.uniform(0, 3))
        if not sending.running():
            break
        sending.kill()
        kills += 1
    last = Sending([str(path), "--json"], variables(settings), folder / "send-last.log")
    return kills, last.wait(_ENDS_WITHIN_S)


def _wait_until_at_work(sending: Sending, provider: Provider, taken: int) -> None:
    deadline_s = time.monotonic() + _STARTS_WITHIN_S
    while provider.taken() == taken and sending.running() and time.monotonic() < deadline_s:
        time.sleep(0.05)


def _account(settings: Settings, folder: Path, flows: list[Flow]) -> tuple[dict[str, int], dict[str, int]]:
    """The accounting line, and what became of doubts, once everything has landed."""
    with Warehouse(settings.clickhouse, create=True) as warehouse:
        migrate(warehouse)
    status = Flow(["-m", "flows.status"], variables(settings), folder / "status.log")
    try:
        wait_until_read(settings, [*flows, status], _READ_WITHIN_S)
        codes = end([*flows, status])
        if any(codes):
            raise TidemarkError(f"the flows ended with {codes}: {status.said()[-1000:]}")
    finally:
        status.kill()
    with Warehouse(settings.clickhouse) as warehouse:
        rows = warehouse.ask("accounting", campaign_id=CAMPAIGN)
        doubts = warehouse.query(_DOUBTS, {"campaign_id": CAMPAIGN}).row(0, named=True)
    return dict(zip(rows["what"].to_list(), rows["messages"].to_list(), strict=True)), doubts


def _judge(
    plan: Plan,
    kills: int,
    ledger: list[Entry],
    told: dict[str, int],
    accounting: dict[str, int],
    code: int,
    seconds: float,
) -> Report:
    taken = [entry for entry in ledger if 200 <= entry.status < 300]
    requests = Counter(entry.message_key for entry in taken)
    accepted = Counter(entry.message_key for entry in taken if entry.code != "repeat")
    wanted, doubts = eligible(plan.messages), accounting.get("in doubt", 0)
    missing = wanted - set(requests)
    wrong = []
    twice = [seq for seq, count in accepted.items() if count > 1]
    if twice:
        wrong.append(f"{len(twice)} taken twice, as {twice[:5]}")
    if plan.mode != "resend" and any(count > 1 for count in requests.values()):
        wrong.append(f"handed over twice: {[seq for seq, count in requests.items() if count > 1][:5]}")
    if set(requests) - wanted:
        wrong.append(f"sent to who is not eligible: {sorted(set(requests) - wanted)[:5]}")
    if plan.mode == "hold" and len(missing) > doubts:
        wrong.append(f"{len(missing)} left out, {doubts} in doubt")
    if plan.mode != "hold" and missing:
        wrong.append(f"{len(missing)} left out, as {sorted(missing)[:5]}")
    if plan.mode != "hold" and doubts:
        wrong.append(f"{doubts} in doubt")
    if sum(count for what, count in accounting.items() if what != "overdrawn") != plan.messages:
        wrong.append(f"the accounting line does not close: {accounting}")
    if accounting.get("overdrawn"):
        wrong.append(f"overdrawn by {accounting['overdrawn']}")
    for reason, count in Counter(filter(None, map(skipped, range(plan.messages)))).items():
        if accounting.get(f"screened: {reason}", 0) != count:
            wrong.append(f"screened as {reason}: {accounting.get(f'screened: {reason}', 0)} instead of {count}")
    return Report(
        mode=plan.mode,
        messages=plan.messages,
        eligible=len(wanted),
        kills=kills,
        sent_once=sum(count == 1 for count in accepted.values()),
        sent_twice=len(twice),
        repeated_requests=sum(requests.values()) - len(requests),
        doubted=told["doubted"],
        settled=told["settled"],
        in_doubt=doubts,
        left_out=len(missing),
        overdrawn=accounting.get("overdrawn", 0),
        accounting=accounting,
        exit_code=code,
        seconds=round(seconds, 1),
        wrong=wrong,
    )


def _parser() -> argparse.ArgumentParser:
    told = parser("loadgen.sends.kills", __doc__)
    add = told.add_argument
    add("--messages", type=int, default=100_000, help="audience of the campaign (default: %(default)s)")
    add("--kills", type=int, default=30, help="how many (default: %(default)s)")
    add("--mode", choices=MODES, default="hold", help="default: %(default)s")
    add("--rate", type=float, default=2_000, help="messages a second (default: %(default)s)")
    add("--seed", type=int, default=1, help="another seed, other moments (default: %(default)s)")
    add("--json", action="store_true", help="end with one JSON object")
    return told


def main(arguments: list[str] | None = None) -> int:
    """The exit code: 0, 1 for anything wrong, 2 for wrong arguments."""
    return run("loadgen.sends.kills", lambda: _command(_parser().parse_args(arguments)))


def _command(options: argparse.Namespace) -> int:
    if options.kills < 0 or options.messages < 100 or options.rate <= 0:
        raise UsageError("--kills: from 0 on; --messages: from 100 on; --rate: above 0")
    plan = Plan(mode=options.mode, messages=options.messages, kills=options.kills, rate=options.rate, seed=options.seed)
    with scratch(0, EPOCH="1s") as (settings, folder):
        report = run_kills(settings, folder, plan)
    print(msgspec.json.encode(report).decode() if options.json else _in_words(report))
    return INEXACT if report.wrong else 0


def _in_words(report: Report) -> str:
    verdict = "\n".join(report.wrong) if report.wrong else "no one twice, no one left out unseen"
    return (
        f"{report.eligible:,} of {report.messages:,} eligible, {report.kills} kills, mode {report.mode}:"
        f" {report.sent_once:,} sent once, {report.sent_twice} twice, {report.in_doubt} in doubt"
        f" ({report.settled} of {report.doubted} settled); {report.accounting}\n{verdict}"
    )


if __name__ == "__main__":
    sys.exit(main())
