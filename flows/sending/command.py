"""The command line of `flows.send`."""

import argparse
import logging
from pathlib import Path
from time import monotonic, sleep

import msgspec

from flows.sending.audience import freeze
from flows.sending.audited import note_start
from flows.sending.campaign_file import load_campaign
from flows.sending.display import Display
from flows.sending.forecast import check, dry_run
from flows.sending.opening import Planned
from flows.sending.orders_command import WORDS
from flows.sending.process import Build, Sender
from flows.sending.summary import Summary, exit_code, summarise
from flows.sending.trial import send_trial
from flows.sources import make_topics
from flows.stopping import Stop
from schemas.campaign import Campaign
from schemas.errors import UsageError
from schemas.settings import Settings
from schemas.times import wall_clock
from schemas.topics import DLQ_SEND, OUTBOUND, SEND_CONTROL, SEND_SUPPRESSIONS, STATUS_TOPICS
from sql.cli import Parser, run
from sql.telemetry.logs import set_up_logs

ABOUT = """Send campaigns.

Exit codes: 0 everything settled; 1 something broke; 2 a wrong file or argument; 3 some messages are in doubt, or not
sent yet; 4 paused (by a person or by its own rule); 5 cancelled.
"""

_NOTES_WITHIN_S = 5.0
"""A database that is gone holds the end up no longer."""


def main(arguments: list[str], build: Build) -> int:
    if arguments and arguments[0] in WORDS:
        return run("flows.send", lambda: WORDS[arguments[0]](arguments[1:]))
    return run("flows.send", lambda: _send(_parser().parse_args(arguments), build))


def _parser() -> Parser:
    parser = Parser(
        prog="python -m flows.send", description=ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("files", nargs="+", metavar="campaign.yaml", help=f"campaigns, or one of: {', '.join(WORDS)}")
    add("--check", action="store_true", help="say what is wrong with the files, and send nothing")
    add(
        "--dry-run", action="store_true", help="audience, skips by reason, cost, duration, three samples; sends nothing"
    )
    add("--test", metavar="TO", help="send one message, to this recipient, as the first row would get it")
    add("--no-wait", action="store_true", help="end, with exit code 4, when all campaigns are paused")
    add("--json", action="store_true", help="end with one JSON object")
    return parser


def _send(options: argparse.Namespace, build: Build) -> int:
    settings = Settings.from_env()
    set_up_logs(settings.log, logging.WARNING)
    campaigns = [(load_campaign(Path(name)), Path(name).parent) for name in options.files]
    _refuse_twice([campaign for campaign, _ in campaigns])
    if options.check:
        return check(settings, campaigns, as_json=options.json)
    if options.dry_run:
        return dry_run(settings, campaigns, as_json=options.json)
    if options.test:
        return send_trial(settings, campaigns, options.test, as_json=options.json)
    make_topics(settings, OUTBOUND, *STATUS_TOPICS, DLQ_SEND, SEND_CONTROL, SEND_SUPPRESSIONS)
    planned = [
        Planned(campaign, folder, freeze(settings, campaign, folder, wall_clock())) for campaign, folder in campaigns
    ]
    stop = Stop()
    stop.on_signals()
    noted = note_start(settings, planned)
    summary = send(Sender(settings, planned, build, stop), Display.choose(), no_wait=options.no_wait)
    noted.join(_NOTES_WITHIN_S)
    if options.json:
        print(msgspec.json.encode(summary).decode(), flush=True)
    return exit_code(summary)


def send(sender: Sender, display: Display, *, no_wait: bool) -> Summary:
    """Until all is settled, or asked to end; raises TidemarkError."""
    sender.start()
    with display:
        _watch(sender, display, no_wait=no_wait)
    sender.finish()
    return summarise(sender)


def _watch(sender: Sender, display: Display, *, no_wait: bool) -> None:
    due = monotonic() + 1
    while not sender.ended():
        sleep(0.05)
        if monotonic() < due:
            continue
        due += 1
        display.show(sender.sessions, sender.pulses())
        if no_wait and all(session.run.paused and not session.run.in_flight for session in sender.sessions):
            sender.stop.ask()


def _refuse_twice(campaigns: list[Campaign]) -> None:
    ids = [campaign.id for campaign in campaigns]
    for place, name in enumerate(ids):
        if name in ids[:place]:
            raise UsageError(f"campaign {name} is given twice")
