"""Every setting, from the environment: names start with `TIDEMARK_`, `python -m schemas.settings` prints the table."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_type_hints

import msgspec
from msgspec import Meta, Struct

from schemas.errors import UsageError
from schemas.statuses import Lane
from schemas.times import DAY_MS, HOUR_MS, LATEST_MS, MINUTE_MS, SECOND_MS, Clock, fixed_clock, wall_clock

PREFIX = "TIDEMARK_"
_UNITS_MS = {"ms": 1, "s": SECOND_MS, "m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS}
_MOST_SLICES = 10_000
_LONGEST_NUMBER = 15
DedupMode = Literal["drop", "observe", "off"]
LogFormat = Literal["text", "json"]
Access = Literal["keys", "open"]


class Slice(Struct, frozen=True):
    """This process takes the partitions p with `p % of == index`."""

    index: int
    of: int

    def __str__(self) -> str:
        return f"{self.index}-of-{self.of}"


def _about(text: str, least: int | None = None, most: int | None = None) -> Meta:
    return Meta(extra={"about": text}, ge=least, le=most)


class Settings(Struct, frozen=True, kw_only=True):
    """What a process was told. Durations are milliseconds, sizes bytes, whatever unit the environment used."""

    broker: Annotated[str, _about("where topics live: `file://FOLDER` or `kafka://HOST:PORT[,HOST:PORT]`")] = (
        "file://data/topics"
    )
    clickhouse: Annotated[
        str, _about("`chdb://FOLDER` (the engine in this process) or `http[s]://USER:PASSWORD@HOST:PORT/DATABASE`")
    ] = "chdb://data/clickhouse"
    lanes: Annotated[tuple[Lane, ...], _about("lanes of `flows.status` in this process, comma-separated")] = tuple(Lane)
    slice: Annotated[Slice, _about("`I/N`: of N processes with the same lanes this is number I")] = Slice(0, 1)
    partitions: Annotated[int, _about("partitions of a topic that does not exist yet")] = 4
    recovery: Annotated[str, _about("folder of the flows' snapshots")] = "data/recovery"
    epoch: Annotated[int, _about("time between snapshots")] = 5 * SECOND_MS
    window: Annotated[int, _about("length of the dedup window")] = 6 * HOUR_MS
    window_mb: Annotated[
        int, _about("memory of the dedup window in a process; beyond it the oldest hours go", 1, 1 << 20)
    ] = 2048
    dedup: Annotated[DedupMode, _about("`drop` repeats, `observe` (count them, pass them) or `off`")] = "drop"
    accept_gap: Annotated[bool, _about("`1`: go on behind a range of a topic that no longer exists")] = False
    hash_key: Annotated[
        str, _about("`VERSION:HEX[,…]`: 128-bit keys that hash personal data, newest first; made if unset")
    ] = ""
    redis: Annotated[str, _about("`redis://HOST:PORT[/DATABASE]`: limits that sender processes share")] = ""
    senders: Annotated[
        int, _about("sender processes that share limits; each may have rate / N alone; 0: as many as slices", 0, 1000)
    ] = 0
    http_host: Annotated[
        str, _about("address to listen on; `0.0.0.0` in a container, behind a proxy that ends TLS")
    ] = "127.0.0.1"
    http_port: Annotated[int, _about("port of the page", 0, 65_535)] = 8000
    metrics_port: Annotated[
        int, _about("port of `/metrics`, `/healthz` and `/readyz`, one for each process; 0: none", 0, 65_535)
    ] = 0
    traces: Annotated[
        str, _about("`http[s]://HOST:PORT` of a collector that takes spans by OTLP/HTTP; unset: none are made")
    ] = ""
    traces_one_in: Annotated[
        int, _about("of so many messages one is traced, in every process the same", 1, 1_000_000_000)
    ] = 1000
    log: Annotated[LogFormat, _about("`text` for people or `json`, an object a line")] = "text"
    access: Annotated[Access, _about("`keys`: the API wants one; `open`: it answers everybody on this machine")] = (
        "keys"
    )
    rate: Annotated[int, _about("requests a minute that the API takes from one address", 1, 10_000_000)] = 3_000
    link_secret: Annotated[str, _about("signs share links and sessions, 32 characters or more; made if unset")] = ""
    fsync: Annotated[bool, _about("`1`: file topics and window logs survive power loss, not only kill -9")] = False
    clock: Annotated[
        int, _about("fixed time for seeded campaigns, ms since the epoch; 0: the wall clock", 0, LATEST_MS)
    ] = 0
    public_url: Annotated[
        str, _about("`https://HOST[/PATH]` that providers know the webhooks by, where a proxy stands in between")
    ] = ""
    webhook_ses_sns_topics: Annotated[
        tuple[str, ...], _about("ARNs of the SNS topics that SES may post from, comma-separated")
    ] = ()
    webhook_secrets: Annotated[
        dict[str, tuple[str, ...]],
        _about("a provider's secrets, comma-separated, old and new; `insecure-no-verification` takes anything"),
    ] = {}
    kafka: Annotated[dict[str, str], _about("`TIDEMARK_KAFKA_<OPTION>`: a librdkafka option, `_` for `.`")] = {}

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """Read the environment; raises UsageError that names the variable, also for a name that is none of ours."""
        environ = with_files(environ)
        values: dict[str, Any] = {}
        kafka: dict[str, str] = {}
        secrets: dict[str, tuple[str, ...]] = {}
        for variable, text in environ.items():
            if variable.startswith(_KAFKA_PREFIX):
                kafka[variable.removeprefix(_KAFKA_PREFIX).lower().replace("_", ".")] = text
            elif variable.startswith(_WEBHOOK_PREFIX) and variable.endswith(_SECRET_SUFFIX):
                provider = variable.removeprefix(_WEBHOOK_PREFIX).removesuffix(_SECRET_SUFFIX).lower()
                secrets |= {provider: found} if (found := _listed(text)) else {}
            elif variable.startswith(PREFIX) and text:
                name = variable.removeprefix(PREFIX).lower()
                values[name] = _parse(variable, name, text)
        return cls(**values, kafka=kafka, webhook_secrets=secrets)

    def now(self) -> Clock:
        return fixed_clock(self.clock) if self.clock else wall_clock


def with_files(environ: Mapping[str, str]) -> dict[str, str]:
    """`TIDEMARK_X_FILE=/run/secrets/x` stands for `TIDEMARK_X` with what the file holds. Raises UsageError."""
    found = dict(environ)
    for variable, path in environ.items():
        if not (variable.startswith(PREFIX) and variable.endswith(_FILE_SUFFIX) and path):
            continue
        name = variable.removesuffix(_FILE_SUFFIX)
        if environ.get(name):
            raise UsageError(f"{variable} and {name} are both set: which is meant?")
        try:
            found[name] = Path(path).read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{variable}={path}: {error}") from None
        del found[variable]
    return found


_FILE_SUFFIX = "_FILE"
_KAFKA_PREFIX = f"{PREFIX}KAFKA_"
_WEBHOOK_PREFIX, _SECRET_SUFFIX = f"{PREFIX}WEBHOOK_", "_SECRET"
_MANY = {"kafka": "KAFKA_<OPTION>", "webhook_secrets": "WEBHOOK_<PROVIDER>_SECRET"}
"""Settings that are families of variables."""
_DURATIONS = {"window": (MINUTE_MS, 31 * DAY_MS), "epoch": (10, HOUR_MS)}
"""From, to."""


def _parse(variable: str, name: str, text: str) -> Any:
    if name not in Settings.__struct_fields__ or name in _MANY:
        raise UsageError(f"{variable}: no such setting; `python -m schemas.settings` lists them")
    try:
        if name in _DURATIONS:
            return _parse_duration(text, *_DURATIONS[name])
        if name == "slice":
            return _parse_slice(text)
        if name == "webhook_ses_sns_topics":
            return _listed(text)
        if name == "lanes":
            return tuple(lane for lane in Lane if lane in _parse_lanes(text))
        return msgspec.convert(text, get_type_hints(Settings, include_extras=True)[name], strict=False)
    except (ValueError, msgspec.ValidationError) as error:
        raise UsageError(f"{variable}={text}: {error}") from None


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _parse_duration(text: str, least_ms: int, most_ms: int) -> int:
    duration_ms = parse_duration_ms(text)
    if not least_ms <= duration_ms <= most_ms:
        raise ValueError(f"from {least_ms} ms to {most_ms} ms")
    return duration_ms


def parse_duration_ms(text: str) -> int:
    """`250ms`, `5s`, `30m`, `6h`, `7d`; raises ValueError."""
    number = text.rstrip("abcdefghijklmnopqrstuvwxyz")
    unit = _UNITS_MS.get(text[len(number) :])
    if unit is None or not _is_number(number) or int(number) == 0:
        raise ValueError("a duration is a whole number above 0 and one of ms, s, m, h, d, as in 6h")
    return int(number) * unit


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER


def _parse_slice(text: str) -> Slice:
    index, _, of = text.partition("/")
    if not (_is_number(index) and _is_number(of) and int(index) < int(of) <= _MOST_SLICES):
        raise ValueError("a slice is I/N with I from 0 to N-1, as in 0/4")
    return Slice(int(index), int(of))


def _parse_lanes(text: str) -> set[Lane]:
    return {Lane(lane.strip()) for lane in text.split(",")}


def settings_table() -> str:
    """Every setting as a Markdown table; the README holds it, a test compares."""
    defaults = Settings()
    hints = get_type_hints(Settings, include_extras=True)
    rows = ["| Variable | Default | What |", "|---|---|---|"]
    for name in Settings.__struct_fields__:
        about = next(meta.extra["about"] for meta in get_args(hints[name]) if isinstance(meta, Meta) and meta.extra)
        variable = PREFIX + _MANY.get(name, name.upper())
        rows.append(f"| `{variable}` | {_shown(name, getattr(defaults, name))} | {about} |")
    return "\n".join(rows)


def _shown(name: str, value: Any) -> str:
    if name in _DURATIONS:
        return f"`{value // HOUR_MS}h`" if value % HOUR_MS == 0 else f"`{value // SECOND_MS}s`"
    if name == "slice":
        return f"`{value.index}/{value.of}`"
    if name == "lanes":
        return f"`{','.join(value)}`"
    if value in ("", (), {}):
        return ""
    return f"`{int(value) if isinstance(value, bool) else value}`"


def settings_page() -> str:
    """docs/configuration.md."""
    return f"{_PAGE_HEAD}\n{settings_table()}\n"


_PAGE_HEAD = """# Configuration

Settings come from the environment; a name that is none of these is refused. `TIDEMARK_X_FILE=PATH` reads a setting from
a file, as secrets are mounted. This page is made by `python -m schemas.settings`.
"""


if __name__ == "__main__":
    print(settings_page(), end="")
