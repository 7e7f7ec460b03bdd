"""Share the chDB engine of one folder between processes.

    first process:  lock FOLDER.lock ─▶ engine ─▶ HTTP front on loopback ─▶ FOLDER.address (port, token; mode 0600)
    every other:    lock is taken    ─▶ reads FOLDER.address ─▶ HTTP, the token being ClickHouse's password

The lock is the truth: the system drops it however its holder ends, and the next one to ask becomes the holder. The
address is a hint; one left behind by a killed holder leads to a closed port, or to a front that refuses its token.
"""

import atexit
import fcntl
import os
import secrets
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

from schemas.errors import UsageError, WarehouseDown, WarehouseError
from sql.errors import one_line, translate
from sql.http_front import FrontServer, HttpFront
from sql.spreading import Tables

PATIENCE_S = 10.0
"""How long to wait for a process that holds a folder without serving it: a short command, or one starting or ending."""

_POLL_S = 0.05
_TABLES = "store"  # ClickHouse's name for where it keeps them
_importing = threading.Lock()


class Address(Struct, frozen=True):
    """Where another process serves the engine. `token` is the password of any user."""

    port: int
    token: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def _chdb() -> Any:
    """Loaded when an engine is opened: it takes 210 MB, which whoever asks a neighbour or a server does without."""
    with _staying():
        import chdb

    return chdb


@contextmanager
def _staying() -> Iterator[None]:
    """chDB's import goes to its own folder for half a second and back. It needs not, and the working directory is
    every thread's: a flow that opened its topics meanwhile did not find `data/`.
    """
    with _importing:
        change = os.chdir
        os.chdir = lambda path: None  # noqa: ARG005 - as it is called
        try:
            yield
        finally:
            os.chdir = change


def address_file(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.address")


def read_address(folder: Path) -> Address | None:
    """What the last holder left: it may be gone."""
    try:
        return msgspec.json.decode(address_file(folder).read_bytes(), type=Address)
    except (OSError, msgspec.DecodeError):
        return None


class Engine:
    """The engine at `folder`, held by this process until every user has let go of it."""

    def __init__(self, folder: Path, lock: IO[bytes]) -> None:
        self.folder = folder
        self.users = 0
        self._lock = lock
        self._server: FrontServer | None = None
        self._tables = Tables(folder / _TABLES)
        address_file(folder).unlink(missing_ok=True)
        # One handle that stays open: the engine lives as long as any does.
        self._anchor = _chdb().connect(str(folder))
        self._handles: weakref.WeakSet[Any] = weakref.WeakSet()

    def handle(self, **settings: str | int) -> AbstractContextManager[Any]:
        """A connection of its own, with `settings` (`database` is one) until it is closed. One query at a time."""
        self._tables.spread()
        handle = _chdb().connect(f"{self.folder}?{urlencode(settings)}" if settings else str(self.folder))
        self._handles.add(handle)
        return closing(handle)

    def serve(self, port: int = 0, passwords: tuple[str, ...] = ()) -> Address:
        """Open the HTTP front and leave its address. If it is open already, that address. Raises UsageError."""
        if self._server is None:
            token = secrets.token_urlsafe(32)
            server = FrontServer(port)
            timezone = self._anchor.query("SELECT timezone()", "TabSeparatedRaw").bytes().decode().strip()
            server.start(HttpFront(self.folder, self.handle, timezone, (token, *passwords)))
            self._server, self._address = server, Address(server.port, token)
            _write_private(address_file(self.folder), msgspec.json.encode(self._address))
        return self._address

    def close(self) -> None:
        """Address, front, engine, lock, in this order: nobody finds a front without an engine. Never raises."""
        address_file(self.folder).unlink(missing_ok=True)
        if self._server:
            self._server.stop_accepting()
            self._kill_queries()
            self._server.stop()
        for handle in (*self._handles, self._anchor):
            handle.close()
        self._lock.close()

    def _kill_queries(self) -> None:
        """What still runs for others would hold up the end; they ask the next holder again."""
        try:
            self._anchor.query("KILL QUERY WHERE query_id != queryID() ASYNC")
        except Exception:  # noqa: BLE001 - nothing depends on it
            return


# chDB holds one engine a process: the one piece of state here that is the process's own.
_held: Engine | None = None
_guard = threading.RLock()


@atexit.register
def _close_at_exit() -> None:
    """chDB complains, or worse, when the interpreter goes with an engine open."""
    if _held:
        _held.close()


def attach(folder: Path, *, share: bool) -> Engine | Address:
    """The engine at `folder` if this process holds it or can take it, else where another one serves it.

    `share`: this process lives long, so serve the engine to others. Let go of an Engine with `release`. Raises
    WarehouseDown if it is held by a process that doesn't serve it within `PATIENCE_S`, WarehouseError if this
    process holds another folder, UsageError if the folder can't be used at all.
    """
    deadline = time.monotonic() + PATIENCE_S
    while True:
        engine = _take(folder, share)
        if engine:
            return engine
        address = read_address(folder)
        if address:
            return address
        if time.monotonic() > deadline:
            raise WarehouseDown(f"chdb://{folder} is held by {_holder(folder)}, which does not serve it")
        time.sleep(_POLL_S)


def release(engine: Engine) -> None:
    """The last user's release closes the engine. Never raises."""
    global _held
    with _guard:
        engine.users -= 1
        if engine.users == 0:
            _held = None
            engine.close()


def _take(folder: Path, share: bool) -> Engine | None:
    global _held
    with _guard:
        if _held is None:
            _held = _open(folder)
        if _held is None:
            return None
        if _held.folder != folder:
            raise WarehouseError(f"chdb://{folder}: this process holds chdb://{_held.folder}, and can hold only one")
        engine = _held
        engine.users += 1
        try:
            if share:
                engine.serve()
        except BaseException:
            release(engine)
            raise
        return engine


def _open(folder: Path) -> Engine | None:
    lock = _lock(folder)
    if lock is None:
        return None
    try:
        return Engine(folder, lock)
    except Exception as error:  # noqa: BLE001 - chDB raises RuntimeError itself, translated here
        lock.close()
        if "Cannot lock file" in str(error):
            raise WarehouseDown(f"chdb://{folder} is open in a program of somebody else's") from None
        raise translate(error, f"chdb://{folder}") from None


def _lock(folder: Path) -> IO[bytes] | None:
    """The folder's lock, None while another process has it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = open(_lock_file(folder), "a+b")  # noqa: SIM115 - open for the engine's life
    except OSError as error:
        raise UsageError(f"chdb://{folder}: {error.strerror}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    lock.truncate(0)
    lock.write(str(os.getpid()).encode())
    lock.flush()
    return lock


def _lock_file(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lock")


def _holder(folder: Path) -> str:
    try:
        return f"process {one_line(_lock_file(folder).read_text())}"
    except (OSError, UnicodeDecodeError):
        return "another process"


def _write_private(path: Path, content: bytes) -> None:
    """Appears whole, and readable for us alone from its first moment."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with open(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        file.write(content)
    os.replace(draft, path)
