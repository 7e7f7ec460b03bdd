"""Raw WhatsApp bodies for a benchmark of `flows.route`, in the topic `webhook`."""

from typing import NamedTuple

from flows.topics import Producer, list_partitions, open_reader
from loadgen.bodies import envelopes
from loadgen.plan import Plan
from loadgen.providers import WHATSAPP
from loadgen.run import steps
from schemas.settings import Settings
from schemas.topics import STATUS_TOPICS, WEBHOOK

BODIES_PER_RECORD = 50
_STATUSES_PER_MESSAGE = 2.4


class Written(NamedTuple):
    """What stands in the topic."""

    bodies: int
    statuses: int


def bodies_plan(statuses: int, per_body: float, start_ms: int) -> Plan:
    """Some `statuses` in bodies that hold `per_body`: each that many if 1 or 50, else half of the bodies hold one."""
    return Plan(
        messages=max(100, int(statuses / _STATUSES_PER_MESSAGE)),
        start_ms=start_ms,
        providers=(WHATSAPP,),
        statuses_per_body=per_body,
        exact_bodies=per_body in (1, 50),
        corrupt=0.0,
    )


def write_bodies(producer: Producer, plan: Plan) -> Written:
    """Durable when it returns. Raises TopicError."""
    partitions, bodies, statuses, records = producer.partitions(WEBHOOK), 0, 0, 0
    for step in steps(plan, "webhook"):
        lines = envelopes(plan, step.postings)
        bodies, statuses = bodies + len(lines), statuses + int(lines["events"].sum())
        for part in lines["line"].to_frame().iter_slices(BODIES_PER_RECORD):
            producer.append(WEBHOOK, records % partitions, "".join(f"{line}\n" for line in part["line"]).encode())
            records += 1
    producer.flush()
    return Written(bodies, statuses)


def count_routed(settings: Settings) -> int:
    """The events in the lanes' topics."""
    return sum(_count_lines(settings, topic) for topic in STATUS_TOPICS)


def _count_lines(settings: Settings, topic: str) -> int:
    reader = open_reader(settings, topic, list_partitions(settings, topic), {}, "bench")
    try:
        count = 0
        while any(reader.lag().values()):
            count += sum(len(record.value.splitlines()) for record in reader.poll(1 << 24, 0.5))
        return count
    finally:
        reader.close()
