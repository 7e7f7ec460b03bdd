"""What a flow's command line says of workers and of the cluster that the process is part of."""

import os
import socket
from typing import NamedTuple

from flows.sources import PARTS
from flows.topics.names import is_address
from schemas.errors import UsageError
from sql.cli import Parser


class Arguments(NamedTuple):
    """`process_id` is the place in `addresses` of this process; both None where it is alone."""

    workers: int = 1
    process_id: int | None = None
    addresses: list[str] | None = None


ALONE = Arguments()


def parse_arguments(name: str) -> Arguments:
    """Raises UsageError."""
    parser = Parser(prog=f"python -m flows.{name}", description="Settings come from the environment.")
    parser.add_argument(
        "-w",
        "--workers",
        type=int,
        choices=range(1, PARTS + 1),
        default=1,
        metavar="N",
        help=f"worker threads in this process, up to {PARTS}: a topic has no more parts",
    )
    parser.add_argument("-i", "--process-id", type=int, help="which of the addresses is this process, from 0")
    parser.add_argument("-a", "--addresses", help="HOST:PORT;… of all processes of a cluster")
    told = parser.parse_args()
    if (told.process_id is None) != (told.addresses is None):
        raise UsageError("-i and -a come together")
    if told.addresses is None:
        return Arguments(told.workers)
    addresses = told.addresses.split(";")
    for address in addresses:
        _check_address(address)
    if not 0 <= told.process_id < len(addresses):
        raise UsageError(f"-i {told.process_id}: from 0 to {len(addresses) - 1}, as many as there are addresses")
    return Arguments(told.workers, told.process_id, addresses)


def _check_address(address: str) -> None:
    if not is_address(address):
        raise UsageError(f"-a: {address!r} is no HOST:PORT")
    host, _, port = address.rpartition(":")
    try:
        socket.getaddrinfo(host, int(port))
    except OSError as error:
        raise UsageError(f"-a: {address}: {error.strerror or error}") from None


def bytewax_process() -> int | None:
    """Which process of a cluster this is, as `python -m bytewax.run` was told."""
    parser = Parser(add_help=False)
    parser.add_argument("-i", "--process-id", type=int, default=os.environ.get("BYTEWAX_PROCESS_ID"))
    told: int | None = parser.parse_known_args()[0].process_id
    return told
