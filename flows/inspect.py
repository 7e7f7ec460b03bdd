"""Show what a captured provider body would become: `python -m flows.inspect PROVIDER FILE` (or `-`).

Prints one status event a line, as it would go to the lane topics. Nothing is sent anywhere.
"""

import base64
import os
import sys
from collections.abc import Sequence

import msgspec

from flows.providers import MAX_BODY_BYTES, PROVIDERS, BodyReader, Request
from schemas.errors import BadRecord, TidemarkError, UsageError
from schemas.events import StatusEvent
from schemas.times import wall_clock

RECEIPT_ID = "inspect"
_USAGE = "usage: python -m flows.inspect PROVIDER FILE; FILE holds a body as captured, - is standard input"


def inspect_body(provider: str, body: bytes, received_at: int) -> bytes:
    """The events of one body as NDJSON, as if received at `received_at` (UTC ms). `provider` is one of `PROVIDERS`.

    Raises BadRecord with the `Reason` that its dead letter would have.
    """
    reader = BodyReader(PROVIDERS[provider])
    reader.read([_request(provider, body, received_at)])
    frame, refused = reader.events()
    for bad, *_ in refused.values():
        raise bad
    events = [msgspec.convert(row, StatusEvent) for row in frame.iter_rows(named=True)]
    return msgspec.json.Encoder().encode_lines(events)


def _request(provider: str, body: bytes, received_at: int) -> Request:
    return Request(
        receipt_id=RECEIPT_ID,
        provider=provider,
        received_at=received_at,
        body_base64=base64.b64encode(body).decode(),
    )


def main(arguments: Sequence[str]) -> int:
    """The command; returns its exit code."""
    try:
        if set(arguments) & {"-h", "--help"}:
            print(_USAGE)
            return 0
        provider, name = _provider_and_file(arguments)
        _print(inspect_body(provider, _read(name), wall_clock()))
    except BadRecord as bad:
        print(f"inspect: {name}: {bad.reason}: {bad.detail}", file=sys.stderr)
        return UsageError.exit_code
    except TidemarkError as error:
        print(f"inspect: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _provider_and_file(arguments: Sequence[str]) -> tuple[str, str]:
    if len(arguments) != 2:
        raise UsageError(_USAGE)
    provider, name = arguments
    if provider not in PROVIDERS:
        raise UsageError(f"no provider is called {provider!r}; there are {', '.join(PROVIDERS)}")
    return provider, name


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
