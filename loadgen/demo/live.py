"""A campaign sent live by `flows.send` to the provider simulator, whose signed webhooks come back to the page's server.

campaign.yaml ─▶ flows.send ─HTTP─▶ loadgen.provider ─signed webhooks─▶ api ─▶ flows.route ─▶ flows.status ─▶ page
   (a process of its own each)            └─ its books: what every figure must come to    (all three in this one)
"""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from flows.topics import open_producer
from loadgen.demo.books import Books
from loadgen.demo.compare import differences
from loadgen.demo.flows_run import Flows
from loadgen.demo.sale import FAILURES, SWALLOWED, Sale
from loadgen.expected import Expected
from loadgen.plan import earlier_plans
from loadgen.processes import behind, variables
from loadgen.sends.simulated import Provider, Sending
from loadgen.signing import sendgrid_keys
from loadgen.writing import Run, write
from schemas.errors import TidemarkError
from schemas.settings import Settings
from schemas.times import wall_clock
from sql.migrate import migrate
from sql.warehouse import Warehouse

_SECRET = "ZGVtbw=="
_MAIL_KEY, MAIL_SECRET = sendgrid_keys(1)
SECRETS = {"meta_whatsapp": (_SECRET,), "sendgrid": (MAIL_SECRET,)}
"""That the receiver checks the simulator's webhooks with."""
_LATENCY_MS = 60
_LOOK_EVERY_S = 0.2
_SETTLE_S = 1.0
_PATIENCE_S = 120.0
_ENDS_WITHIN_S = 15.0
_INTERRUPTED_WITHIN_S = 5.0
"""uvicorn gives what is under way two seconds before it returns."""
_BROKE = (1, 2)


class Show:
    """One demo; `folder` is for what its processes say. Raises TidemarkError."""

    def __init__(self, settings: Settings, folder: Path, sale: Sale, tell: Callable[[str], None]) -> None:
        self._settings = settings
        self._folder = folder
        self._sale = sale
        self._tell = tell
        self._ended = threading.Event()
        self._flows = Flows(settings, ends=False)

    def play(self, serve: Callable[[Callable[[], bool]], None]) -> None:
        """Until Ctrl-C, or until `serve`, which runs the page in this thread, returns."""
        with Warehouse(self._settings.clickhouse, share=True, create=True) as warehouse:
            migrate(warehouse)
            player = threading.Thread(target=self._play, args=(warehouse,), name="player")
            self._flows.start()
            player.start()
            try:
                serve(self._flows.failed)
            finally:
                self._ended.set()
                player.join()
                self._flows.stop()
                self._flows.wait()

    def _play(self, warehouse: Warehouse) -> None:
        """A player that breaks takes the flows along; Ctrl-C ends its processes too, a moment before this one."""
        try:
            self._run(warehouse)
        except TidemarkError as error:
            if not self._ended.wait(_INTERRUPTED_WITHIN_S):
                self._flows.fail(error)

    def _run(self, warehouse: Warehouse) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        provider = Provider(*self._conduct(), log=self._folder / "provider.log")
        try:
            path = self._sale.write(self._folder, provider.url)
            sending = Sending([str(path)], variables(self._settings), self._folder / "send.log")
            try:
                earlier = self._write_earlier()
                self._wait(lambda: not sending.running(), None)
            finally:
                code = _end(sending)
            if code in _BROKE:
                raise TidemarkError(f"flows.send ended with {code}: {sending.said()[-1000:]}")
            self._wait(lambda: not provider.pending(), _PATIENCE_S)
            self._judge(warehouse, provider, earlier)
        finally:
            provider.close()

    def _conduct(self) -> list[str]:
        url = f"http://127.0.0.1:{self._settings.http_port}/webhooks"
        told = ["--webhooks", url, "--secret", _SECRET, "--secret", f"sendgrid={_MAIL_KEY}"]
        told += ["--latency-ms", str(_LATENCY_MS), "--spread", "0.4", "--delay-ms", str(self._sale.delay_ms)]
        told += ["--swallow", str(SWALLOWED)]
        return told + [part for code, share in FAILURES.items() for part in ("--fail", f"{code}={share}")]

    def _write_earlier(self) -> list[Expected]:
        """What the live campaign is compared with, flat out."""
        producer = open_producer(self._settings)
        try:
            plans = earlier_plans(wall_clock(), self._sale.messages)
            runs = [Run(plan, "webhook", producer.partitions) for plan in plans]
            for run in runs:
                write(run, producer)
            return [run.expected() for run in runs]
        finally:
            producer.close()

    def _wait(self, condition: Callable[[], bool], patience_s: float | None) -> None:
        """Until it holds, the demo is to end, or patience does."""
        deadline_s = None if patience_s is None else time.monotonic() + patience_s
        while not condition() and (deadline_s is None or time.monotonic() < deadline_s):
            if self._ended.wait(_LOOK_EVERY_S):
                return

    def _judge(self, warehouse: Warehouse, provider: Provider, earlier: list[Expected]) -> None:
        """Once all has landed; the last statuses without ids may still be looking for their message."""
        sale = self._sale
        self._wait(lambda: not behind(self._settings), _PATIENCE_S)
        books = Books(sale.id, sale.messages, sale.accounting(), provider.ledger(), provider.told())
        wrong: list[str] = []
        deadline_s = time.monotonic() + _PATIENCE_S
        while not self._ended.wait(_SETTLE_S):
            wrong = [*books.differences(warehouse), *differences(warehouse, *earlier)]
            if not wrong or time.monotonic() > deadline_s:
                break
        if self._ended.is_set():
            return
        counted = msgspec.json.encode(books.counts()).decode()
        exact = f"every figure is exact: {counted}"
        self._tell(exact if not wrong else f"{len(wrong)} figures are off, the first: {wrong[0]}")


def _end(sending: Sending) -> int:
    """Its exit code."""
    if sending.running():
        sending.ask_to_end()
    return sending.wait(_ENDS_WITHIN_S)
