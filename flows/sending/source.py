"""The frozen audience as a Bytewax source whose checkpoint moves only over confirmed outcomes."""

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from flows.sending.dispatcher import own_failure
from flows.sending.message import Message
from flows.sending.session import NOTHING, Session
from flows.stopping import Stop
from schemas.errors import TidemarkError

_IDLE = timedelta(milliseconds=10)
_ALONE = ["0"]

State = dict[str, Any]


class AudienceSource(FixedPartitionedSource[pl.DataFrame, State]):
    """Rows that may be sent now, some 10,000 at a time.

    At-least-once by itself: a restart reads again what no durable outcome covers. What the ledger knows of those rows
    then decides: settled ones are left out, doubtful ones never sent twice unless the campaign says so.
    """

    def __init__(self, session: Session, stop: Stop) -> None:
        self._session = session
        self._stop = stop

    def list_parts(self) -> list[str]:
        return _ALONE

    def build_part(self, _step_id: str, _for_part: str, resume_state: State | None) -> "_AudiencePart":
        state = resume_state or NOTHING
        try:
            self._session.begin(state, self._stop)
        except TidemarkError as error:
            self._stop.fail(error)
        return _AudiencePart(self._session, self._stop, state)


class _AudiencePart(StatefulSourcePartition[pl.DataFrame, State]):
    def __init__(self, session: Session, stop: Stop, state: State) -> None:
        self._session = session
        self._stop = stop
        self._state = state
        self._awake: datetime | None = None

    def next_batch(self) -> list[pl.DataFrame]:
        self._awake = datetime.now(UTC) + _IDLE
        if self._stop():
            if self._session.dispatcher.wound_up.is_set() or self._stop.failure:
                raise StopIteration
            return []
        failure = own_failure(self._session.dispatcher)
        if failure:
            self._stop.fail(failure)
            return []
        self._session.look()
        if self._session.ended():
            raise StopIteration
        frame = self._session.next_frame()
        if frame is None or frame.is_empty():
            return []
        self._awake = None
        return [frame]

    def next_awake(self) -> datetime | None:
        return self._awake

    def snapshot(self) -> State:
        if self._stop.failure is None:
            self._state = self._session.state()
        return self._state

    def close(self) -> None:
        self._session.close()


class QueueSink(FixedPartitionedSink[list[Message], None]):
    """Rendered messages into the dispatcher's queue.

    Guarantees nothing and need not: the source's checkpoint waits for outcomes.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def list_parts(self) -> list[str]:
        return _ALONE

    def build_part(self, _step_id: str, _for_part: str, _resume_state: None) -> "_QueuePart":
        return _QueuePart(self._session)


class _QueuePart(StatefulSinkPartition[list[Message], None]):
    def __init__(self, session: Session) -> None:
        self._session = session

    def write_batch(self, values: list[list[Message]]) -> None:
        for messages in values:
            self._session.put(messages)

    def snapshot(self) -> None:
        """Nothing is kept here."""
