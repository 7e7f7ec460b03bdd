"""`python -m sql.serve`: the chDB engine of TIDEMARK_CLICKHOUSE behind ClickHouse's HTTP interface, on loopback.

Any ClickHouse client works: `curl`, clickhouse-connect, a dashboard's data source. Other processes of ours with the
same `chdb://FOLDER` find the engine here too. Ends with exit code 0 at Ctrl-C or SIGTERM.
"""

import signal
import sys
import threading
from pathlib import Path
from urllib.parse import quote

import msgspec
from msgspec import Struct

from schemas.errors import UsageError, WarehouseError
from schemas.settings import Settings
from sql import embedded
from sql.cli import Parser, run
from sql.dsn import DATABASE, Embedded, parse_dsn
from sql.embedded import Address
from sql.http_front import LOOPBACK


class Ready(Struct):
    """What `--json` prints as soon as requests are answered."""

    url: str
    user: str
    password: str
    dsn: str


def serve(folder: Path, port: int, password: str | None, *, as_json: bool) -> None:
    """Until a signal says stop. `password` None: a new random one."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    engine = embedded.attach(folder, share=False)
    if isinstance(engine, Address):
        where = f"{engine.url}, its password is the token in {embedded.address_file(folder)}"
        raise WarehouseError(f"chdb://{folder} is served already, by another process: {where}")
    try:
        address = engine.serve(port, () if password is None else (password,))
        _announce(folder, address, address.token if password is None else password, as_json)
        stop.wait()
    finally:
        embedded.release(engine)


def _announce(folder: Path, address: Address, password: str, as_json: bool) -> None:
    login = f"default:{quote(password, safe='')}@" if password else ""
    dsn = f"http://{login}127.0.0.1:{address.port}/{DATABASE}"
    if as_json:
        print(msgspec.json.encode(Ready(address.url, "default", password, dsn)).decode(), flush=True)
        return
    print(f"chdb://{folder} as a ClickHouse server: TIDEMARK_CLICKHOUSE={dsn}")
    key = f" -H 'X-ClickHouse-Key: {password}'" if password else ""
    print(f"curl{key} '{address.url}/?database={DATABASE}' -d 'SHOW TABLES'", flush=True)


def main(argv: list[str] | None = None) -> None:
    parser = Parser(prog="python -m sql.serve", description=__doc__.partition("\n\n")[0])
    parser.add_argument("--host", default="127.0.0.1", help="loopback only: put a real server before a network")
    parser.add_argument("--port", type=int, default=8123, help="0: any free one")
    secret = parser.add_mutually_exclusive_group()
    secret.add_argument("--password-file", type=Path, help="holds the password; without it a random one is printed")
    secret.add_argument("--open", action="store_true", help="no password: all users of this machine can do all you can")
    parser.add_argument("--json", action="store_true", help="print url, user, password and DSN as JSON when ready")
    arguments = parser.parse_args(argv)
    dsn = parse_dsn(Settings.from_env().clickhouse)
    if not isinstance(dsn, Embedded):
        raise UsageError(f"TIDEMARK_CLICKHOUSE is {dsn}: a server already; only chdb://FOLDER can be served")
    if arguments.host not in LOOPBACK:
        raise UsageError(f"--host {arguments.host}: only {', '.join(LOOPBACK)}; a network wants a real server")
    if not 0 <= arguments.port <= 65535:
        raise UsageError(f"--port {arguments.port}: a port is 0 to 65535")
    password = "" if arguments.open else _read_password(arguments.password_file)
    serve(dsn.folder, arguments.port, password, as_json=arguments.json)


def _read_password(file: Path | None) -> str | None:
    if file is None:
        return None
    try:
        password = file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--password-file {file}: {error}") from None
    if not password:
        raise UsageError(f"--password-file {file} is empty; --open serves without a password")
    return password


if __name__ == "__main__":
    sys.exit(run("sql.serve", main))
