"""What is done to a campaign while it is sent, and waited for."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from flows.sending.control import Order, encode_order
from flows.sending.opening import Planned
from flows.topics import open_producer
from schemas.times import wall_clock
from schemas.topics import OUTBOUND, SEND_CONTROL, partition_of
from tests.sending.conftest import Office, Running


def write(office: Office, topic: str, line: bytes) -> None:
    producer = open_producer(office.settings)
    producer.partitions(topic)
    producer.append(topic, 0, line)
    producer.flush()
    producer.close()


def append(office: Office, records: list[bytes]) -> None:
    """Behind what the ledger holds, each to the partition of its message."""
    producer = open_producer(office.settings)
    for record in records:
        told = msgspec.json.decode(record)
        place = partition_of(told["campaign_id"], told.get("message_key", 0), producer.partitions(OUTBOUND))
        producer.append(OUTBOUND, place, record)
    producer.flush()
    producer.close()


def order(office: Office, **fields: Any) -> None:
    write(office, SEND_CONTROL, encode_order(Order(at=wall_clock(), **fields)))


def sent(running: Running, at_least: int) -> Any:
    return lambda: sum(session.run.counts.sent for session in running.sender.sessions) >= at_least


def half_asleep(office: Office, name: str) -> Planned:
    """200 people; those in even rows sleep."""
    now = datetime.now(UTC)
    awake, asleep = (f"Etc/GMT{-shift:+d}" for shift in (12 - now.hour, 2 - now.hour + (24 if now.hour > 14 else 0)))
    people = office.folder / "zones.csv"
    people.write_text("to,name,tz\n" + "".join(f"z{n},R{n},{awake if n % 2 else asleep}\n" for n in range(200)))
    audience = {"file": "zones.csv", "timezone": "tz"}
    quiet = {"begin": "22:00", "end": "06:00"}
    changes: dict[str, Any] = {"audience": audience, "quiet_hours": quiet, "template": {"text": "x"}, "consent": None}
    return office.campaign(name, 200, **changes)
