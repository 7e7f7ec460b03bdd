"""The dispatcher: an asyncio loop in a thread of its own that hands messages over, evenly, as fast as it may.

Run.queue ─▶ stage (screen, intent durable) ─▶ release (limits) ─▶ connector ─▶ settle (outcome durable)
                    ▲                                                  │
                    └────────────── later: retries, doubts ◀───────────┘
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

import uvloop

from flows.sending.desk import Desk
from flows.sending.message import Message
from flows.sending.outgoing import Outcome, Unknown
from flows.sending.records import lost
from flows.sending.releasing import RANKS, Releaser
from flows.sending.resolving import Resolver
from flows.sending.runs import Number, Run, Way
from flows.sending.screening import Screen
from flows.sending.settling import Settler
from flows.sending.staging import Stager
from flows.sending.traced import tell_answered
from schemas.errors import TidemarkError
from sql.telemetry.traces import Traces

T = TypeVar("T")
log = logging.getLogger(__name__)

_TICK_S = 0.002
_IDLE_S = 0.01
_FLUSH_S = 0.005
_LAST_ANSWERS_S = 5.0
"""What is in flight when the process is asked to end is waited for so long; then it is in doubt."""


class Dispatcher:
    """Start it, `add` runs, and `finish` it; all from other threads."""

    def __init__(self, desk: Desk, screen: Screen, traces: Traces | None = None) -> None:
        self.desk = desk
        self.runs: list[Run] = []
        self.resolver = Resolver(desk)
        self.settler = Settler(desk, self.resolver)
        self._stager = Stager(desk, screen, self.resolver)
        self._releaser = Releaser(desk, self._launch)
        self._traces = traces
        self._tasks: set[asyncio.Task[None]] = set()
        self._started = threading.Event()
        self._stops = False
        self._flushed_at = 0.0
        self.turned_s = 0.0
        """When it last looked for something to do, by the monotonic clock; 0: not yet."""
        self._thread = threading.Thread(target=self._run, name="dispatcher", daemon=True)
        self.failure: BaseException | None = None
        self._bug: Exception | None = None
        self.wound_up = threading.Event()
        """Nothing more will be handed over or confirmed."""

    def start(self) -> None:
        self._thread.start()
        self._started.wait()

    def add(self, run: Run) -> None:
        self.call(lambda: self._add(run))

    def _add(self, run: Run) -> None:
        self.runs = sorted([*self.runs, run], key=lambda one: RANKS[one.campaign.priority])

    def call(self, do: Callable[[], None]) -> None:
        """In the loop, which ends where it raises; nothing once it has ended."""
        loop = self.desk.loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._do, do)

    def _do(self, do: Callable[[], None]) -> None:
        """Only logged, as asyncio does, a message would stay open and its campaign never end."""
        try:
            do()
        except Exception as bug:  # noqa: BLE001 - raised by the next turn
            self._bug = bug

    def ask(self, what: Callable[[], T]) -> T:
        """Answered in the loop, where nothing changes meanwhile; once it has ended, here."""
        answer: Future[T] = Future()
        self.call(lambda: answer.set_result(what()))
        while not answer.done() and not self.wound_up.is_set():
            wait([answer], _IDLE_S)
        return answer.result() if answer.done() else what()

    def finish(self) -> None:
        """Hand over nothing more, wait a while for what is in flight, and tell what never left."""
        self._stops = True
        self._thread.join(_LAST_ANSWERS_S + 10)

    def _run(self) -> None:
        try:
            uvloop.run(self._work())
        except TidemarkError as error:
            self.failure = error
        except BaseException as error:  # a thread's own end would go unseen
            log.exception("the dispatcher broke")
            self.failure = error
        finally:
            self._started.set()
            self.wound_up.set()

    async def _work(self) -> None:
        self.desk.loop = asyncio.get_running_loop()
        self._started.set()
        try:
            while not self._stops:
                self._raise_broken()
                worked = self._turn()
                await asyncio.sleep(_TICK_S if worked else _IDLE_S)
            await self._wind_up()
        finally:  # uvloop waits for ever to close with connections open
            for run in self.runs:
                for way in run.ways:
                    await way.connector.close()

    def _raise_broken(self) -> None:
        if broken := self.desk.ledger.failure or self._bug:
            raise broken

    def _turn(self) -> bool:
        """Whether there is anything to do soon."""
        now = self.turned_s = self.desk.now()
        for limit in self.desk.limits.values():
            limit.climb(now)
        for run in self.runs:
            self._stager.stage(run, now)
        self._releaser.release(self.runs, now)
        if now - self._flushed_at >= _FLUSH_S:
            self._flushed_at = now
            self.desk.flush()
        return any(run.in_flight or run.queue or run.staged() for run in self.runs)

    def _launch(self, run: Run, way: Way, number: Number, message: Message) -> None:
        assert self.desk.loop is not None
        self._tasks.add(self.desk.loop.create_task(self._send(run, way, number, message)))

    async def _send(self, run: Run, way: Way, number: Number, message: Message) -> None:
        assert message.outgoing is not None
        outcome: Outcome
        began_ns = time.time_ns()
        try:
            outcome = await way.connector.send(message.outgoing)
        except Exception as bug:  # a bug in one connector costs one message, which is then in doubt
            log.exception("%s", way.reported)
            outcome = Unknown(f"{type(bug).__name__}: {bug}")
        if self._traces:
            tell_answered(self._traces, way.reported, way.route.channel, message, outcome, began_ns)
        self._do(lambda: self.settler.answered(run, way, number, message, outcome))
        task = asyncio.current_task()  # a callback when it is done would take another turn of the loop
        if task:
            self._tasks.discard(task)

    async def _wind_up(self) -> None:
        self.desk.flush()
        await self._written()  # so that what was being staged stands ready, to be taken back
        for run in self.runs:
            for way in run.ways:
                for number in way.numbers:
                    self._take_back(run, way, number)
        self.desk.flush()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_LAST_ANSWERS_S)
        self.desk.flush()
        await self._written()

    def _take_back(self, run: Run, way: Way, number: Number) -> None:
        now_ms = self.desk.now_ms()
        while number.ready:
            message = number.ready.popleft()
            number.staged -= 1
            if not message.repeats:
                self.desk.note(lost(run, way, message, now_ms))

    async def _written(self) -> None:
        """Until all that was noted is durable, and confirmed."""
        written = asyncio.Event()
        self.desk.stage([], written.set)
        try:
            await asyncio.wait_for(written.wait(), 1.5)
        except TimeoutError:
            log.warning("the ledger is not written to its end")


def own_failure(dispatcher: Dispatcher) -> TidemarkError | None:
    failure = dispatcher.failure
    if failure is None or isinstance(failure, TidemarkError):
        return failure
    return TidemarkError(f"the dispatcher broke: {failure}")
