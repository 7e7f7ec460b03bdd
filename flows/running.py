"""Run a flow as a process: settings, recovery folder, signals, one line for what went wrong."""

import atexit
import fcntl
import gc
import logging
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import IO, Protocol

from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.run import cli_main

from flows.arguments import ALONE, Arguments, bytewax_process, parse_arguments
from flows.sources import make_topics
from flows.stopping import Stop, end_in_time, tell
from schemas.errors import RecoveryError, TidemarkError, TopicDown
from schemas.settings import Settings
from sql.telemetry.logs import set_up_logs

log = logging.getLogger(__name__)

SNAPSHOTS = "snapshots"
_BEGUN = "begun"
_SQLITE = re.compile(r'SqliteFailure\(.*Some\("(.*?)"\)')
_OBJECTS_BETWEEN_COLLECTIONS = 100_000
"""A body's statuses live for one poll and form no cycles: to look through them more often takes a tenth of the time."""
_TRY_AGAIN_S = 1.0


class Companions(Protocol):
    """Threads that work beside a flow."""

    def start(self) -> None: ...

    def finish(self) -> None:
        """End them; what can still be done is done first."""


Build = Callable[[Settings, Stop], tuple[Dataflow, Companions]]


def run_flow(name: str, build: Build, topics: Callable[[Settings], Sequence[str]]) -> int:
    """The exit code: 0 after SIGTERM or SIGINT, 1 when something broke, 2 for wrong settings."""
    stop = Stop()
    try:
        arguments = parse_arguments(name)
        settings = Settings.from_env()
        set_up_logs(settings.log)
        stop.on_signals()
        end_in_time(name, stop, threading.Event())
        with recovery_lock(settings, name, arguments.process_id):
            if not _wait_for_topics(settings, topics(settings), stop):
                return 0
            flow, companions = build(settings, stop)
            run(flow, companions, settings, name, stop, arguments)
    except TidemarkError as error:
        return tell(name, error)
    return 0


def companied(name: str, build: Build, topics: Callable[[Settings], Sequence[str]]) -> Dataflow:
    """A flow for `python -m bytewax.run`, its companions running until the process ends."""
    stop = Stop()
    try:
        settings = Settings.from_env()
        stop.on_signals()
        lock = recovery_lock(settings, name, bytewax_process())
        if not _wait_for_topics(settings, topics(settings), stop):
            sys.exit()
        flow, companions = build(settings, stop)
        with _disk_errors(recovery_folder(settings, name)) as folder:
            (folder / _BEGUN).touch()
        companions.start()
    except TidemarkError as error:
        sys.exit(tell(name, error))

    def finish() -> None:
        companions.finish()
        lock.close()
        if stop.failure:  # Bytewax may have taken it for the end of the input
            os._exit(tell(name, stop.failure))

    atexit.register(finish)
    return flow


def run(
    flow: Dataflow,
    companions: Companions,
    settings: Settings,
    name: str,
    stop: Stop,
    arguments: Arguments = ALONE,
) -> None:
    """Until the input ends; raises the TidemarkError that ended it otherwise."""
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    os.environ.setdefault("RUST_BACKTRACE", "0")  # Bytewax unwinds by panics: our one line says more than its frames
    companions.start()
    try:
        cli_main(
            flow,
            workers_per_process=arguments.workers,
            process_id=arguments.process_id,
            addresses=arguments.addresses,
            epoch_interval=timedelta(milliseconds=settings.epoch),
            recovery_config=recovery(settings, name),
        )
    except BaseException as error:
        # Bytewax wraps what a callback raised, and a cluster loses it: what we raised ourselves says all there is.
        stop.failure = stop.failure or _ours(error) or _of_the_store(error, recovery_folder(settings, name))
        if stop.failure is None:
            raise
    finally:
        companions.finish()
    if stop.failure:
        raise stop.failure


def _ours(error: BaseException | None) -> TidemarkError | None:
    """What of ours caused it."""
    while error is not None and not isinstance(error, TidemarkError):
        error = error.__cause__ or error.__context__
    return error


def _of_the_store(error: BaseException, folder: Path) -> RecoveryError | None:
    """What SQLite said, of a full disk say: it comes as the text of a panic, with the frames of two languages."""
    said = _SQLITE.search(str(error))
    return RecoveryError(f"{folder / SNAPSHOTS}: {said[1]}") if said else None


def recovery_folder(settings: Settings, name: str) -> Path:
    """Each share of the work has a folder of its own: two processes never share one, unless they are one cluster."""
    lanes = "-".join(settings.lanes) if name == "status" else "all"
    return Path(settings.recovery) / name / lanes / str(settings.slice)


def has_run(settings: Settings, name: str) -> bool:
    """Whether the flow was started before, be it for a moment; asked before it starts."""
    folder = recovery_folder(settings, name)
    return (folder / SNAPSHOTS).exists() or (folder / _BEGUN).exists()


def recovery(settings: Settings, name: str) -> RecoveryConfig:
    """Raises RecoveryError."""
    with _disk_errors(recovery_folder(settings, name) / SNAPSHOTS) as folder:
        folder.mkdir(parents=True, exist_ok=True)
    if not any(folder.glob("part-*.sqlite3")):
        init_db_dir(folder, 1)
    return RecoveryConfig(str(folder))


def recovery_lock(settings: Settings, name: str, process: int | None = None) -> IO[str]:
    """Held while the file is open; raises RecoveryError when another process holds it, or there can't be one."""
    with _disk_errors(recovery_folder(settings, name)) as folder:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / f"lock-{process or 0}").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise RecoveryError(
            f"{folder} is in use by another process; give each a TIDEMARK_SLICE or TIDEMARK_LANES"
        ) from None
    return file


@contextmanager
def _disk_errors(folder: Path) -> Iterator[Path]:
    """What the disk refuses in `folder`, as RecoveryError."""
    try:
        yield folder
    except OSError as error:
        raise RecoveryError(f"{error.filename or folder}: {error.strerror or error}") from None


def _wait_for_topics(settings: Settings, topics: Sequence[str], stop: Stop) -> bool:
    """A broker that is down is waited for; false if asked to end meanwhile."""
    while not stop():
        try:
            make_topics(settings, *topics)
        except TopicDown as down:
            log.warning("waiting for the broker: %s", down)
            stop.wait(_TRY_AGAIN_S)
        else:
            return True
    return False
