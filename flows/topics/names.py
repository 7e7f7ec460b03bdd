"""What `settings.broker`, topics and groups may be called."""

import re
from pathlib import Path

from schemas.errors import UsageError

_ADDRESS = re.compile(r"[A-Za-z0-9._-]+:([0-9]{1,5})")
_HIGHEST_PORT = 65_535
# Kafka's own rule; it also keeps a name from leaving its folder.
_NAME = re.compile(r"(?!\.\.?$)[A-Za-z0-9._-]{1,249}")


def parse_broker(dsn: str) -> Path | str:
    """The folder of a `file://` address, or the host:port list of a `kafka://` one; raises UsageError."""
    kind, _, rest = dsn.partition("://")
    if kind == "file" and rest and "\0" not in rest:
        return Path(rest)
    if kind == "kafka" and all(map(is_address, rest.split(","))):
        return rest
    raise UsageError(f"TIDEMARK_BROKER={dsn}: expected file://FOLDER or kafka://HOST:PORT[,HOST:PORT]")


def is_address(text: str) -> bool:
    """Whether it is `HOST:PORT`."""
    found = _ADDRESS.fullmatch(text)
    return found is not None and 0 < int(found[1]) <= _HIGHEST_PORT


def check_name(kind: str, name: str) -> None:
    """`kind` is what the name is for, as in "topic"; raises UsageError."""
    if not _NAME.fullmatch(name):
        raise UsageError(f"{kind} {name!r}: expected up to 249 letters, digits, dots, dashes and underscores")
