"""`make demo`: a campaign of 200,000 messages sent live to a simulated provider, its counts on a page.

`--once --messages N --json` instead writes N messages' webhooks first, runs both hops over them flat out, compares
every figure with what the generator knows and prints one JSON object. TIDEMARK_BROKER and TIDEMARK_CLICKHOUSE choose
other parts; what they name must be empty. Without them everything stands in `data/demo`, made anew each time.
"""

import argparse
import logging
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from api.server import serve_until
from loadgen.command import INEXACT, parser
from loadgen.demo.live import SECRETS, Show
from loadgen.demo.once import Report, run_once
from loadgen.demo.sale import Sale
from loadgen.plan import Plan, default_start_ms
from schemas.errors import TidemarkError
from schemas.settings import PREFIX, Settings
from schemas.times import wall_clock
from sql.embedded import read_address
from sql.telemetry.logs import set_up_logs

FOLDER = Path("data/demo")
_CHECKED_PER_S = 12_000
"""Google's metadata for phone numbers take 59 µs each, and one in four has an e-mail address."""
_LOCAL = {
    "BROKER": f"file://{FOLDER}/topics",
    "CLICKHOUSE": f"chdb://{FOLDER}/clickhouse",
    "RECOVERY": f"{FOLDER}/recovery",
    "ACCESS": "open",
}


def main() -> int:
    """The exit code: 0, 1 for figures that are off, 2 for wrong arguments."""
    try:
        options = _parser().parse_args()
        shutil.rmtree(FOLDER, ignore_errors=True)
        os.environ |= {PREFIX + name: value for name, value in _LOCAL.items() if PREFIX + name not in os.environ}
        return _once(options) if options.once else _live(options)
    except TidemarkError as error:
        print(f"loadgen.demo: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 0


def _parser() -> argparse.ArgumentParser:
    told = parser("loadgen.demo", __doc__)
    add = told.add_argument
    add("--once", action="store_true", help="flat out, without a page")
    add("--seconds", type=int, default=180, help="how long the live campaign takes (default: %(default)s)")
    add("--messages", type=int, default=200_000, help="audience of the campaign (default: %(default)s)")
    add("--seed", type=int, default=1, help="with --once: another seed, another campaign (default: %(default)s)")
    add("--json", action="store_true", help="with --once: end with one JSON object")
    return told


def _once(options: argparse.Namespace) -> int:
    plan = Plan(seed=options.seed, messages=options.messages, start_ms=default_start_ms(wall_clock()))
    settings = msgspec.structs.replace(Settings.from_env(), clock=plan.end_ms)
    set_up_logs(settings.log, logging.WARNING)
    report = run_once(settings, plan)
    print(msgspec.json.encode(report).decode() if options.json else _in_words(report))
    return 0 if report.exact else INEXACT


def _in_words(report: Report) -> str:
    verdict = "every figure is exact" if report.exact else "\n".join(["NOT exact:", *report.differences[:20]])
    return (
        f"{report.events_in:,} events in {report.seconds:.1f} s ({report.events_per_s:,.0f}/s):"
        f" {report.events_unique:,} unique, {report.duplicates_dropped:,} repeats dropped,"
        f" {report.duplicates_passed:,} passed,"
        f" {report.dead_letters:,} dead letters\n{report.counts}\n{verdict}"
    )


def _live(options: argparse.Namespace) -> int:
    settings = Settings.from_env()
    set_up_logs(settings.log, logging.WARNING)
    settings = msgspec.structs.replace(settings, webhook_secrets=settings.webhook_secrets | SECRETS)
    sale = Sale(messages=options.messages, seconds=options.seconds)

    def serve(failed: Callable[[], bool]) -> None:
        _say_where(settings, sale)
        serve_until(settings, failed)

    Show(settings, FOLDER, sale, lambda line: print(line, flush=True)).play(serve)
    return 0


def _say_where(settings: Settings, sale: Sale) -> None:
    print(
        f"{sale.messages:,} messages, {sale.per_s:,.0f} a second: http://127.0.0.1:{settings.http_port}/"
        "  (Ctrl-C ends it)\n"
        f"first its audience is read, checked and frozen, {_CHECKED_PER_S:,} a second or fewer"
    )
    name = f"{PREFIX}BROKER"
    python = os.path.relpath(sys.executable)
    print(f"{name}={settings.broker} {python} -m flows.send rate {sale.id} {sale.per_s * 2:.0f}")
    address = read_address(Path(settings.clickhouse.removeprefix("chdb://")).resolve())
    if address:
        query = "SELECT status, uniqExact(message_key) FROM v_events GROUP BY status"
        print(f'curl -s "{address.url}/?database=tidemark&password={address.token}" -d "{query}"', flush=True)


if __name__ == "__main__":
    sys.exit(main())
