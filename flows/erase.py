"""Forget a person: `python -m flows.erase +4915112345678` (or an e-mail address, or - to read it from standard input).

Their hashes go from the tables, message keys stay: every figure is as it was. What is read again later, by a replay or
a restart, stays without personal data; statuses without our ids that still come are counted as erased, no more. The
hash stays as a suppression. Raw webhooks, archives and the frozen audience hold raw data until their retention ends.
"""

import argparse
import sys

import msgspec

from flows.erasing import erase
from flows.identity import hash_keys
from schemas.errors import UsageError
from schemas.settings import Settings
from sql.cli import Parser, progress, run
from sql.warehouse import Warehouse

_LONGEST = 512


def _recipient(told: str) -> str:
    recipient = sys.stdin.readline(_LONGEST + 2).strip() if told == "-" else told.strip()
    if not 3 <= len(recipient) <= _LONGEST:
        raise UsageError(f"RECIPIENT: from 3 to {_LONGEST} characters")
    return recipient


def main(argv: list[str] | None = None) -> None:
    about = argparse.RawDescriptionHelpFormatter
    parser = Parser(prog="python -m flows.erase", description=__doc__, formatter_class=about)
    parser.add_argument("recipient", metavar="RECIPIENT", help="as senders write it; - : from standard input")
    parser.add_argument("--actor", default="", help="who asks for it, for the audit log (default: user@host)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    told = parser.parse_args(argv)
    settings, recipient = Settings.from_env(), _recipient(told.recipient)
    with Warehouse(settings.clickhouse, share=True) as warehouse:
        progress("erasing; it takes some ten seconds, so that flows that run have landed what they had read")
        done = erase(warehouse, recipient, hash_keys(settings), told.actor)
    if told.json:
        print(msgspec.json.encode(done).decode())
    else:
        print(f"erased: {done.messages} messages, {done.ids} provider ids; person {done.person}")


if __name__ == "__main__":
    sys.exit(run("flows.erase", main))
