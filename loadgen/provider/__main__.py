"""A provider simulator: `python -m loadgen.provider --port 8900 --latency-ms 80 --webhooks http://127.0.0.1:8000/webhooks`.

It answers what the sender's connectors ask of WhatsApp, Twilio, SendGrid, SES, Infobip, Vonage, Gupshup, FCM and any
HTTP API (`POST /send`, `GET /send/{key}`), keeps a ledger of every request, and posts signed webhooks back. While it
runs: `GET /_ledger` (requests), `/_told` (statuses), `/_pending`, `/_counts`, `/_pace?limit=4000`; `POST /_conduct`
with JSON changes latency, limits, failures and outages at once.
"""

import argparse
import asyncio
import gc
import signal
import sys
from pathlib import Path

import msgspec
import uvloop

from loadgen.command import parser
from loadgen.provider.conduct import Behaviour, Conduct
from loadgen.provider.habits import HABITS
from loadgen.provider.postman import Mail, Postman
from loadgen.provider.server import serve
from loadgen.provider.simulator import Simulator
from schemas.errors import UsageError
from sql.cli import run

_SECRET = "c2ltdWxhdG9y"


def _parser() -> argparse.ArgumentParser:
    told = parser("loadgen.provider", __doc__)
    add = told.add_argument
    add("--host", default="127.0.0.1", help="default: %(default)s")
    add("--port", type=int, default=8900, help="0: any that is free (default: %(default)s)")
    add("--latency-ms", type=float, default=20.0, help="median (default: %(default)s)")
    add("--spread", type=float, default=0.0, help="sigma of a lognormal latency; 0: always the same")
    add("--number-per-s", type=float, default=0.0, help="what each number takes; beyond it the provider's own 429")
    add("--fail", action="append", default=[], metavar="[PROVIDER/]CODE=SHARE", help="repeatable")
    add("--swallow", type=float, default=0.0, help="a share that is taken and never answered")
    add("--webhooks", default="", help="where statuses are posted to, as in http://127.0.0.1:8000/webhooks")
    add(
        "--secret",
        action="append",
        default=[],
        metavar="[PROVIDER=]SECRET",
        help=f"that webhooks are signed with, base64, since some take it so; repeatable (default: {_SECRET})",
    )
    add("--duplicates", type=float, default=0.1, help="share of webhooks posted again (default: %(default)s)")
    add("--delay-ms", type=float, default=500.0, help="median until delivered (default: %(default)s)")
    add("--seed", type=int, default=1, help="default: %(default)s")
    add("--ledger", type=Path, help="write the ledger here, as NDJSON, when it ends")
    return told


def main(arguments: list[str] | None = None) -> int:
    """The exit code: 0 after SIGTERM or SIGINT, 2 for wrong arguments."""
    return run("loadgen.provider", lambda: _serve(_parser().parse_args(arguments)))


def _conduct(options: argparse.Namespace) -> Conduct:
    failures = {}
    for text in options.fail:
        code, _, share = text.partition("=")
        failures[code] = share
    told = {name: getattr(options, name) for name in ("latency_ms", "spread", "number_per_s", "swallow")}
    try:
        return msgspec.convert({**told, "failures": failures}, Conduct, strict=False)
    except msgspec.ValidationError as error:
        raise UsageError(str(error)) from None


def _secrets(told: list[str]) -> dict[str, str]:
    """By provider; a text that begins with none of their names is the secret of all."""
    secrets = {"": _SECRET}
    for text in told:
        name, equals, secret = text.partition("=")
        secrets |= {name: secret} if equals and name in HABITS else {"": text}
    return secrets


def _serve(options: argparse.Namespace) -> int:
    conduct = _conduct(options)
    if options.webhooks and not all(options.secret):
        raise UsageError("--secret: empty; it is what the receiver of the webhooks verifies them with")
    mail = Mail(options.webhooks, _secrets(options.secret), options.duplicates, options.delay_ms, options.seed)
    uvloop.run(_work(options, conduct, mail))
    return 0


async def _work(options: argparse.Namespace, conduct: Conduct, mail: Mail) -> None:
    # What the ledger holds stays: to look through it again and again costs milliseconds of everyone's latency.
    gc.disable()
    ends = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ends.set)
    postman = Postman(mail)
    simulator = Simulator(Behaviour(conduct, options.seed), postman)
    try:
        server = await serve(simulator.answer, options.host, options.port)
    except OSError as error:
        raise UsageError(f"--port {options.port}: {error.strerror or error}") from None
    port = server.sockets[0].getsockname()[1]
    print(msgspec.json.encode({"url": f"http://{options.host}:{port}"}).decode(), flush=True)
    posting = asyncio.create_task(postman.work())
    await ends.wait()
    posting.cancel()
    server.close()
    if options.ledger:
        options.ledger.write_bytes(simulator.ledger.lines())


if __name__ == "__main__":
    sys.exit(main())
