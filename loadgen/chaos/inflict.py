"""Faults carried out on the parts, and undone where they last."""

import signal
from collections.abc import Callable
from contextlib import suppress

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions

from loadgen.chaos.faults import FLOWS, Fault, Kind
from loadgen.chaos.load import Load
from loadgen.chaos.parts import GIVES_UP_S, Parts
from schemas.times import HOUR_MS
from schemas.topics import STATUS_TOPICS, WEBHOOK

Undo = Callable[[], None]

_LATER_THAN_PATIENCE_S = 1.5
_STORM_TIMES = 3
_POISON_LINES = 16
_JUMP_MS = 5 * HOUR_MS


class Inflictor:
    """`inflict` does one fault; what it returns undoes it."""

    def __init__(self, parts: Parts, load: Load) -> None:
        self._parts = parts
        self._load = load
        self._admin = AdminClient({"bootstrap.servers": parts.broker.address, "log_level": 0})

    def inflict(self, fault: Fault) -> Undo:
        parts, target = self._parts, fault.target
        match fault.kind:
            case Kind.KILL:
                parts.kill(target)
            case Kind.PAUSE:
                parts.signal(target, signal.SIGSTOP)
                return lambda: parts.signal(target, signal.SIGCONT)
            case Kind.RESTART_BROKER:
                parts.restart("broker")
            case Kind.CUT_INSERT:
                parts.proxy.cut_inserts(3)
            case Kind.LATE_ANSWER:
                parts.proxy.delay_answers(1, GIVES_UP_S + _LATER_THAN_PATIENCE_S)
            case Kind.DISK_FULL:
                parts.fill_disk(target)
                return lambda: parts.free_disk(target)
            case Kind.CLOCK_JUMP:
                parts.set_clock(target, int(fault.size * _JUMP_MS))
                return lambda: parts.set_clock(target, 0)
            case Kind.STORM:
                self._load.storm(_STORM_TIMES)
            case Kind.POISON:
                self._load.poison(_POISON_LINES)
            case Kind.PARTITIONS:
                self._add_partitions()
        return lambda: None

    def _add_partitions(self) -> None:
        """Readers first, so that nothing stands where nobody looks; a broker that is down gets none."""
        with suppress(KafkaException):
            known = self._admin.list_topics(timeout=5).topics
            more = [NewPartitions(topic, len(known[topic].partitions) + 1) for topic in (WEBHOOK, *STATUS_TOPICS)]
            for added in self._admin.create_partitions(more, request_timeout=5).values():
                added.result()
        for name in reversed(FLOWS):
            self._parts.restart(name)
        self._load.reopen()
