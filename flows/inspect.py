"""Show what a captured provider body would become: `python -m flows.inspect PROVIDER FILE` (or `-`).

Prints one status event a line, as it would go to the lane topics; `event_time` is null where the body has no time.
Nothing is sent anywhere. With `--verify` FILE is a whole saved request, an HTTP message or an envelope of topic
`webhook`, and its signature is checked with TIDEMARK_WEBHOOK_<PROVIDER>_SECRET (SES: `--certificate`).
"""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any

import msgspec

from flows.captured import NEVER_MS, Captured, bare_body, saved_request
from flows.providers import MAX_BODY_BYTES, PROVIDERS, BodyReader, Request, Verdict
from schemas.columns import STATUS_COLUMNS
from schemas.errors import BadRecord, TidemarkError, UsageError
from schemas.settings import PREFIX, Settings
from schemas.times import wall_clock
from sql.cli import Parser, run

_ALWAYS = (
    "provider",
    "provider_message_id",
    "status",
    "event_time",
    "recipient",
    "error_code",
    "raw_status",
    "provider_event_id",
    "campaign_id",
    "message_key",
    "attempt",
    "sent_at",
)
_RECEIVERS = ("received_at", "receipt_id")
"""Only the receiver knows them."""


def inspect_request(request: Request) -> bytes:
    """The events of one request as NDJSON; its provider is one of `PROVIDERS`.

    Raises BadRecord with the `Reason` that its dead letter would have.
    """
    reader = BodyReader(PROVIDERS[request.provider])
    reader.read([request])
    frame, refused = reader.events()
    for bad, *_ in refused.values():
        raise bad
    return msgspec.json.Encoder().encode_lines([_shown(row) for row in frame.iter_rows(named=True)])


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    """What every event may say, null where it doesn't; whatever else it says."""
    others = [name for name in STATUS_COLUMNS if name not in (*_ALWAYS, *_RECEIVERS) and row[name] is not None]
    return {name: row[name] for name in (*_ALWAYS, *others)} | {
        "event_time": None if row["event_time"] == NEVER_MS else row["event_time"]
    }


def _parser() -> argparse.ArgumentParser:
    told = Parser(
        prog="python -m flows.inspect", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = told.add_argument
    add("provider", metavar="PROVIDER", help=", ".join(PROVIDERS))
    add("file", metavar="FILE", help="a body as captured: .json, .ndjson, .form or .query; - is standard input")
    add("--content-type", default="", help="of the body; without it the file's name tells, else the body itself")
    add("--verify", action="store_true", help="FILE is a saved request: check its signature first")
    add("--certificate", metavar="FILE", help="with --verify: Amazon's certificate for ses_sns, PEM")
    return told


def main(arguments: Sequence[str]) -> int:
    """The command; returns its exit code."""
    return run("inspect", lambda: _inspect(_parser().parse_args(arguments)))


def _inspect(options: argparse.Namespace) -> None:
    if options.provider not in PROVIDERS:
        raise UsageError(f"no provider is called {options.provider!r}; there are {', '.join(PROVIDERS)}")
    data = _read(options.file)
    try:
        _print(inspect_request(_verified(options, data) if options.verify else _bare(options, data)))
    except BadRecord as bad:
        raise UsageError(f"{options.file}: {bad.reason}: {bad.detail}") from None


def _bare(options: argparse.Namespace, data: bytes) -> Request:
    return bare_body(options.provider, options.file, data, options.content_type)


def _verified(options: argparse.Namespace, data: bytes) -> Request:
    settings = Settings.from_env()
    try:
        captured = saved_request(options.provider, data, settings.public_url, wall_clock())
    except UsageError as error:
        raise UsageError(f"{options.file}: {error}") from None
    if _verdict(options, captured, settings) is not Verdict.VALID:
        raise TidemarkError(f"{options.file}: the signature does not hold")
    return captured.request


def _verdict(options: argparse.Namespace, captured: Captured, settings: Settings) -> Verdict:
    variable = f"{PREFIX}WEBHOOK_{options.provider.upper()}_SECRET"
    secrets = settings.webhook_secrets.get(options.provider, ())
    if options.certificate:
        variable, secrets = "--certificate", (_read(options.certificate).decode(errors="replace"),)
    if not secrets:
        raise UsageError(f"--verify needs {'--certificate' if options.provider == 'ses_sns' else variable}")
    hook = PROVIDERS[options.provider].hook
    try:
        return hook.verify(captured.signed, [hook.key(secret) for secret in secrets])
    except ValueError as error:
        raise UsageError(f"{variable}: {error}") from None


def _read(name: str) -> bytes:
    """One byte more than a body may have, at most: the parser says what is wrong then."""
    try:
        if name == "-" and sys.stdin is None:
            raise ValueError("standard input is closed")
        if name == "-":
            return sys.stdin.buffer.read(MAX_BODY_BYTES + 1)
        with open(name, "rb") as file:
            return file.read(MAX_BODY_BYTES + 1)
    except (OSError, ValueError) as error:
        raise UsageError(f"{name}: {getattr(error, 'strerror', None) or error}") from None


def _print(lines: bytes) -> None:
    try:
        sys.stdout.buffer.write(lines)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        # Whoever read, as `head` does, has enough. Python would flush once more at exit, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
