"""Load a webhook receiver, from a gentle rate to one it may not bear: `python -m loadgen.webhooks --rate 2000`.

The receiver is to be started with the secrets that `--secrets` prints. Providers are mixed, signatures real, posts as
large as providers send them; a request that finds no connection free waits, and its wait counts. The same load without
Python: `loadgen/k6/webhooks.js`.
"""

import argparse
import sys
from urllib.parse import urlsplit

import msgspec
import uvloop
from msgspec import Struct

from loadgen.command import parser, run
from loadgen.webhooks.client import Load, pace
from loadgen.webhooks.requests import Maker, Secrets, known_secrets, mixed
from schemas.errors import UsageError
from schemas.settings import PREFIX

_DISTINCT = 2_000
_RAMP = (0.25, 0.5, 0.75, 1.0)
_ERRORS = 1


class Step(Struct, kw_only=True):
    """One rate, held for a while."""

    rate: float
    requests_per_s: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    errors: int


def _parser() -> argparse.ArgumentParser:
    told = parser("loadgen.webhooks", __doc__)
    add = told.add_argument
    add("--url", default="http://127.0.0.1:8000", help="of the receiver (default: %(default)s)")
    add("--rate", type=float, default=2_000, help="requests/s at the top of the ramp (default: %(default)s)")
    add("--seconds", type=float, default=10, help="of each of four steps (default: %(default)s)")
    add("--connections", type=int, default=64, help="default: %(default)s")
    add("--secrets", action="store_true", help="print the variables that the receiver needs, and end")
    add("--json", action="store_true", help="end with one JSON object")
    return told


def command(arguments: list[str]) -> int:
    """The exit code: 1 where a request was not answered 2xx."""
    options = _parser().parse_args(arguments)
    if options.secrets:
        _print_secrets(known_secrets())
        return 0
    if min(options.rate, options.seconds, options.connections) <= 0:
        raise UsageError("--rate, --seconds and --connections: above 0")
    steps = [_step(options, options.rate * share) for share in _RAMP]
    print(msgspec.json.encode({"steps": steps}).decode() if options.json else _table(steps))
    return _ERRORS if any(step.errors for step in steps) else 0


def _print_secrets(secrets: Secrets) -> None:
    for provider, several in secrets.configured().items():
        print(f"{PREFIX}WEBHOOK_{provider.upper()}_SECRET='{','.join(several)}'")


def _step(options: argparse.Namespace, rate: float) -> Step:
    parts = urlsplit(options.url)
    if not parts.hostname or parts.scheme != "http":
        raise UsageError(f"--url {options.url}: expected http://HOST:PORT")
    requests = mixed(Maker(options.url.rstrip("/"), known_secrets()), _DISTINCT)
    going = pace(parts.hostname, parts.port or 80, requests, options.connections, rate, options.seconds)
    try:
        return step_of(rate, uvloop.run(going))
    except OSError as error:
        raise UsageError(f"{options.url}: {error.strerror or error}") from None


def step_of(rate: float, load: Load) -> Step:
    return Step(
        rate=rate,
        requests_per_s=round((load.requests - load.errors) / load.seconds, 1),
        p50_ms=round(load.quantile_ms(0.5), 2),
        p95_ms=round(load.quantile_ms(0.95), 2),
        p99_ms=round(load.quantile_ms(0.99), 2),
        errors=load.errors,
    )


def _table(steps: list[Step]) -> str:
    rows = ["   rate/s  answered/s   p50 ms   p95 ms   p99 ms   errors"]
    for step in steps:
        quantiles = f"{step.p50_ms:9.1f}{step.p95_ms:9.1f}{step.p99_ms:9.1f}"
        rows.append(f"{step.rate:9,.0f}{step.requests_per_s:12,.0f}{quantiles}{step.errors:9,}")
    return "\n".join(rows)


if __name__ == "__main__":
    sys.exit(run("loadgen.webhooks", lambda: command(sys.argv[1:])))
