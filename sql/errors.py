"""What clickhouse-connect and chDB raise, translated once into our tree."""

import re
from http.client import IncompleteRead

from clickhouse_connect.driver.exceptions import OperationalError

from schemas.errors import WarehouseDown, WarehouseError

AUTHENTICATION_FAILED = 516
UNKNOWN_TABLE = 60
UNKNOWN_DATABASE = 81
# ClickHouse's names for what may pass by itself: it is stopping or starting, the network, a full queue, memory or
# disk, replication. (https://github.com/ClickHouse/ClickHouse/blob/master/src/Common/ErrorCodes.cpp)
_PASSING = {
    75: "CANNOT_WRITE_TO_FILE_DESCRIPTOR",
    76: "CANNOT_OPEN_FILE",
    159: "TIMEOUT_EXCEEDED",
    173: "CANNOT_ALLOCATE_MEMORY",
    198: "DNS_ERROR",
    201: "QUOTA_EXCEEDED",
    202: "TOO_MANY_SIMULTANEOUS_QUERIES",
    203: "NO_FREE_CONNECTION",
    209: "SOCKET_TIMEOUT",
    210: "NETWORK_ERROR",
    225: "NO_ZOOKEEPER",
    236: "ABORTED",
    241: "MEMORY_LIMIT_EXCEEDED",
    242: "TABLE_IS_READ_ONLY",
    243: "NOT_ENOUGH_SPACE",
    252: "TOO_MANY_PARTS",
    279: "ALL_CONNECTION_TRIES_FAILED",
    285: "TOO_FEW_LIVE_REPLICAS",
    319: "UNKNOWN_STATUS_OF_INSERT",
    341: "UNFINISHED",
    394: "QUERY_WAS_CANCELLED",
    439: "CANNOT_SCHEDULE_TASK",
    745: "SERVER_OVERLOADED",
    904: "TOO_MANY_UNAVAILABLE_SHARDS",
    999: "KEEPER_EXCEPTION",
    1001: "STD_EXCEPTION",  # what the file system threw
}
_CODE = re.compile(r"\bCode: (\d+)\.")
_GATEWAY = re.compile(r"HTTP status (?:429|50[234])\b")
_NOISE = re.compile(
    r"""
      ^.*?(?=Code:[ ]\d+\.)                             # what clickhouse-connect puts before
    | \(version[ ][^()]*(?:\([^()]*\))?[^()]*\)       # the server's version
    | \(for[ ]url[ ][^)]*\)
    | DB::Exception:[ ]
    | Expected[ ]one[ ]of:[ ][^()]*                     # a page of grammar behind a syntax error
    """,
    re.VERBOSE | re.DOTALL,
)
_LONGEST = 400


def error_code(error: BaseException) -> int | None:
    """ClickHouse's code, or None where the failure was not ClickHouse's answer."""
    code = getattr(error, "code", None)
    if isinstance(code, int):
        return code
    found = _CODE.search(str(error))
    return int(found[1]) if found else None


def translate(error: Exception, where: object) -> WarehouseError:
    """`where` names the database without secrets. The result's message is one line."""
    code = error_code(error)
    text = one_line(str(error)) if code else _root_cause(error)
    if code == UNKNOWN_DATABASE:
        return WarehouseError(f"{where}: the database does not exist; run `python -m sql.migrate` ({text})")
    if code == UNKNOWN_TABLE:
        return WarehouseError(f"{where}: {text}; is the schema up to date? `python -m sql.migrate`")
    passing = code in _PASSING or (code is None and _is_transport(error))
    return (WarehouseDown if passing else WarehouseError)(f"{where}: {text}")


def _root_cause(error: BaseException) -> str:
    """The socket's own words, where clickhouse-connect and urllib3 wrapped them."""
    deepest: BaseException = error
    while cause := getattr(deepest, "reason", None) or deepest.__cause__ or deepest.__context__:
        if not isinstance(cause, BaseException):
            break
        deepest = cause
    if isinstance(deepest, OSError):
        return (deepest.strerror or str(deepest) or type(deepest).__name__).lower()
    if isinstance(deepest, IncompleteRead):
        return "connection lost in the middle of an answer"
    return one_line(str(error))


def _is_transport(error: Exception) -> bool:
    return isinstance(error, OperationalError | OSError) or bool(_GATEWAY.search(str(error)))


def one_line(text: str) -> str:
    line = " ".join(_NOISE.sub("", text).split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"
