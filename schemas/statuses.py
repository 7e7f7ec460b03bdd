"""How far a message got: the statuses, and the lane that each travels in."""

from enum import StrEnum


class Lane(StrEnum):
    """A status class with its own topic, window, sink, batch size and lag; listed in order of precedence."""

    DELIVERED = "delivered"
    OTHER = "other"
    READ = "read"

    @property
    def topic(self) -> str:
        return f"status.{self.value}"


class Status(StrEnum):
    """A delivery status after normalising what providers call it."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    SENT = "sent"
    DEFERRED = "deferred"
    DELIVERED = "delivered"
    READ = "read"
    CLICKED = "clicked"
    FAILED = "failed"
    COMPLAINED = "complained"
    UNSUBSCRIBED = "unsubscribed"
    RESUBSCRIBED = "resubscribed"
    UNKNOWN = "unknown"

    @property
    def lane(self) -> Lane:
        return _LANES.get(self, Lane.OTHER)


_LANES = {Status.DELIVERED: Lane.DELIVERED, Status.READ: Lane.READ, Status.CLICKED: Lane.READ}

# Place in this tuple + 1 is the status's number in tables and in the window's ids: append only.
STATUS_NUMBERS = {status.value: number for number, status in enumerate(Status, start=1)}

# The cohort that rates are measured against: whatever the provider took, however far it got.
SENT_COHORT = (
    Status.ACCEPTED,
    Status.SENT,
    Status.DEFERRED,
    Status.DELIVERED,
    Status.READ,
    Status.CLICKED,
    Status.COMPLAINED,
    Status.FAILED,
)
