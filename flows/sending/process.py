"""A sender process: its dispatcher, ledger and watch, and a flow for each campaign in a thread of its own."""

import logging
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import IO

from bytewax.dataflow import Dataflow

from flows.identity import hash_keys
from flows.running import recovery_lock, run
from flows.sending.audited import note_own
from flows.sending.caps import Caps
from flows.sending.desk import Desk
from flows.sending.dispatcher import Dispatcher, own_failure
from flows.sending.leases import Lease, Leases, Wanted
from flows.sending.ledger_writer import LedgerWriter
from flows.sending.limits import Limit
from flows.sending.opening import Planned
from flows.sending.pulse import Pulse, PulseTaker
from flows.sending.releasing import RANKS
from flows.sending.runs import Run
from flows.sending.screening import Screen
from flows.sending.sender_metrics import Pace, SenderCollector, sender_verdict
from flows.sending.session import Session
from flows.sending.suppression import Suppressions
from flows.sending.watch import Watch
from flows.stopping import Stop, end_in_time
from flows.topics import open_producer
from flows.topics.presence import asking_broker
from schemas.campaign import Campaign
from schemas.errors import TidemarkError
from schemas.settings import Settings, parse_duration_ms
from sql.telemetry.health import Verdict
from sql.telemetry.server import TelemetryServer, new_registry
from sql.telemetry.traces import open_traces
from sql.telemetry.watch import Watch as Presence

log = logging.getLogger(__name__)

_SWITCH_S = 0.0005
"""Of the interpreter's lock: with its default of 5 ms, rendering delayed messages until 100 ms held 120 % of theirs."""

Build = Callable[[Session, Stop], Dataflow]


class Companion:
    """The flows' companions are the process's own, and end after the last flow."""

    def start(self) -> None:
        """They run already."""

    def finish(self) -> None:
        """They go on."""


class Sender:
    """Start it, ask for pulses each second until `ended`, then `finish`."""

    def __init__(self, settings: Settings, planned: list[Planned], build: Build, stop: Stop) -> None:
        self._settings = settings
        self.stop = stop
        self._build = build
        self._ledger = LedgerWriter(lambda: open_producer(settings))
        suppressions = Suppressions(hash_keys(settings))
        self._desk = Desk(self._ledger, suppressions, settings.senders or settings.slice.of)
        self._desk.ordered = lambda order: note_own(settings, order)
        self._traces = open_traces(settings, "flows.send")
        caps = _caps([one.campaign for one in planned])
        self._dispatcher = Dispatcher(self._desk, Screen(suppressions, caps), self._traces)
        self._watch = Watch(settings, suppressions, caps, self._ledger, stop, self._ordered)
        self._locks: list[IO[str]] = []
        self.sessions = [Session(settings, one, self._dispatcher) for one in planned]
        runs = [session.run for session in self.sessions]
        self._takers = [PulseTaker(self._desk, run, runs) for run in runs]
        self._paces: list[Pace] = []
        self._telemetry = ExitStack()
        self._threads: list[threading.Thread] = []
        self._finished = threading.Event()
        self._leases = Leases(settings.redis, self._wants, self._granted) if settings.redis else None

    def start(self) -> None:
        """Raises TidemarkError."""
        if self._settings.metrics_port:
            self._telemetry.enter_context(
                self._served(self._telemetry.enter_context(Presence(asking_broker(self._settings))))
            )
        sys.setswitchinterval(_SWITCH_S)
        for session in self.sessions:
            self._locks.append(recovery_lock(self._settings, _name(session)))
        self._watch.catch_up(self._desk.orders)
        self._ledger.start()
        self._dispatcher.start()
        self._apply()
        self._watch.start()
        if self._leases:
            self._leases.start()
        end_in_time("send", self.stop, self._finished)
        threading.Thread(target=self._end, name="end", daemon=True).start()
        for session in self.sessions:
            thread = threading.Thread(target=self._flow, args=(session,), name=_name(session), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _served(self, broker: Presence) -> TelemetryServer:
        registry, settings = new_registry(), self._settings
        registry.register(SenderCollector(self._desk, [session.run for session in self.sessions]))

        def health() -> Verdict:
            failure = self.stop.failure or self._dispatcher.failure or self._ledger.failure
            return sender_verdict(failure, broker.why, self._dispatcher.turned_s, self._paces)

        return TelemetryServer(registry, health, settings.metrics_port, settings.http_host)

    def _flow(self, session: Session) -> None:
        try:
            run(self._build(session, self.stop), Companion(), self._settings, _name(session), self.stop)
        except TidemarkError as error:
            self.stop.fail(error)
        except BaseException as error:  # a thread's own end would go unseen
            log.exception("%s", _name(session))
            self.stop.fail(TidemarkError(f"{_name(session)} broke: {error}"))

    def _end(self) -> None:
        """Once asked to: the dispatcher first, then the sources' last snapshots."""
        while not self.stop.wait(1):
            pass
        self._dispatcher.finish()

    def ended(self) -> bool:
        return not any(thread.is_alive() for thread in self._threads)

    def finish(self) -> None:
        """Raises the TidemarkError that ended it."""
        for thread in self._threads:
            thread.join()
        self._dispatcher.finish()
        if self._leases:
            self._leases.close()
        self._watch.close()
        self._ledger.finish()
        if self._traces:
            self._traces.close()
        for lock in self._locks:
            lock.close()
        self._telemetry.close()
        self._finished.set()
        failure = self.stop.failure or own_failure(self._dispatcher) or self._ledger.failure
        if failure:
            raise failure

    def pulses(self) -> list[Pulse]:
        """The last second of each campaign, written to the ledger too."""
        taken = [taker.take() for taker in self._takers]
        self._paces = [
            Pace(session.campaign.id, pulse.allowed_per_s, pulse.achieved_per_s, pulse.slower_because)
            for pulse, session in zip(taken, self.sessions, strict=True)
        ]
        records = [pulse.record(session.campaign.id) for pulse, session in zip(taken, self.sessions, strict=True)]
        self._ledger.put([self._ledger.line(record) for record in records])
        for session in self.sessions:
            if session.rows.gate.verdict and not session.run.paused:
                why = session.rows.gate.verdict
                self._dispatcher.call(lambda run=session.run, why=why: self._dispatcher.settler.pause(run, why))  # type: ignore[misc]
        return taken

    def _ordered(self, value: bytes) -> None:
        self._dispatcher.call(lambda: self._take(value))

    def _take(self, value: bytes) -> None:
        if self._desk.orders.read(value):
            self._apply()

    def _apply(self) -> None:
        """What holds now."""
        orders, now = self._desk.orders, self._desk.now()
        for session in self.sessions:
            run, name = session.run, session.campaign.id
            paused = orders.paused.get(name, "")
            if run.paused and not paused:
                run.failures.forget()
                session.rows.gate.verdict = ""
            run.paused, run.cancelled = paused, name in orders.cancelled
            if name in orders.rates:
                limit = self._desk.limits[f"campaign:{name}"]
                if limit.per_s != orders.rates[name]:
                    limit.set_rate(orders.rates[name], now)

    def _wants(self) -> list[Wanted]:
        """In the leases' thread; what is read may be a moment old."""
        demands: dict[int, list[float]] = {}
        for session in self.sessions:
            run = session.run
            for limit in {limit for way in run.ways for number in way.numbers for limit in number.path}:
                demand = demands.setdefault(id(limit), [0.0, 0.0, 0.0])
                demand[RANKS[run.campaign.priority]] += _demand(run, limit)
        return [
            Wanted(name, limit.per_s, limit.of, (found[0], found[1], found[2]))
            for name, limit in list(self._desk.limits.items())
            if limit.per_s is not None and (found := demands.get(id(limit)))
        ]

    def _granted(self, leases: list[Lease]) -> None:
        self._dispatcher.call(lambda: self._take_leases(leases))

    def _take_leases(self, leases: list[Lease]) -> None:
        now = self._desk.now()
        for lease in leases:
            self._desk.limits[lease.name].lease(lease.per_s, lease.until, now)


def _caps(campaigns: list[Campaign]) -> Caps | None:
    """For the longest of their spans; None where none has a cap."""
    spans_ms = [parse_duration_ms(one.frequency_cap.per) for one in campaigns if one.frequency_cap]
    return Caps(max(spans_ms)) if spans_ms else None


def _demand(run: Run, limit: Limit) -> float:
    """All of it while messages wait, else nothing."""
    waits = bool(run.queue) or run.staged() > 0
    return (limit.per_s or 0.0) if waits and not run.paused and not run.cancelled else 0.0


def _name(session: Session) -> str:
    return f"send/{session.campaign.id}"
