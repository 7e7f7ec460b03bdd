"""The audience: read from files or a query, judged row by row, frozen as Parquet. What was planned is a fact.

    file or query ─▶ texts ─▶ addresses, consent, duplicates ─▶ audience.parquet      seq = row, dense from 0

Columns beginning with `_` are ours, all others the audience's own, as texts.
"""

import glob
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from flows.sending.addresses import Address, known_zone, read_address
from schemas.campaign import Campaign, Route
from schemas.errors import UsageError, WarehouseError
from schemas.settings import Settings
from sql.warehouse import Warehouse

ROWS_PER_GROUP = 10_000
MOST_ROWS = 200_000_000
TO, COUNTRY, ZONE, LANGUAGE = "_to", "_country", "_zone", "_language"
SKIP, WHY = "_skip", "_why"
OTHER_TO, OTHER_SKIP = "_other_to", "_other_skip"
_YES = ("1", "true", "yes", "y", "t", "on")


class Frozen(NamedTuple):
    """The frozen audience of a campaign."""

    path: Path
    rows: int
    frozen_at: int

    def batches(self, first: int = 0) -> Iterator[pl.DataFrame]:
        """Rows from `first` on with `_seq`, a row group at a time."""
        with pq.ParquetFile(self.path) as file:
            for group in range(first // ROWS_PER_GROUP, file.num_row_groups):
                frame = self._group(file, group)
                yield frame.filter(pl.col("_seq") >= first) if group == first // ROWS_PER_GROUP else frame

    def rows_at(self, seqs: list[int]) -> pl.DataFrame:
        """Those of these rows that there are, in order: keys come from webhooks and from a shared topic too."""
        wanted = sorted(seq for seq in seqs if 0 <= seq < self.rows)
        groups = sorted({seq // ROWS_PER_GROUP for seq in wanted}) or [0]
        with pq.ParquetFile(self.path) as file:
            frames = [self._group(file, group).filter(pl.col("_seq").is_in(wanted)) for group in groups]
        return pl.concat(frames)

    @staticmethod
    def _group(file: pq.ParquetFile, group: int) -> pl.DataFrame:
        frame = pl.from_arrow(file.read_row_group(group))
        assert isinstance(frame, pl.DataFrame)
        first = group * ROWS_PER_GROUP
        return frame.with_columns(pl.int_range(first, first + len(frame), dtype=pl.Int64).alias("_seq"))


def frozen_path(settings: Settings, campaign_id: str) -> Path:
    return Path(settings.recovery).parent / "audiences" / f"{campaign_id}.parquet"


def freeze(settings: Settings, campaign: Campaign, folder: Path, now_ms: int) -> Frozen:
    """What was frozen before holds; else now, under the name only once it is whole. Raises UsageError."""
    path = frozen_path(settings, campaign.id)
    if not path.exists():
        judged = judge(campaign, read_audience(settings, campaign, folder))
        table = judged.to_arrow().replace_schema_metadata({"frozen_at": str(now_ms), "campaign": campaign.id})
        try:
            _write(table, path)
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror or _first_line(error)}") from None
    return open_frozen(path)


def _write(table: pa.Table, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}.new")
    try:
        pq.write_table(table, draft, row_group_size=ROWS_PER_GROUP, compression="zstd")
        with suppress(FileExistsError):
            os.link(draft, path)  # two processes that start at once agree on whose was first
    finally:
        draft.unlink(missing_ok=True)


def open_frozen(path: Path) -> Frozen:
    """Raises UsageError."""
    try:
        meta = pq.read_metadata(path)
        return Frozen(path, meta.num_rows, int((meta.metadata or {}).get(b"frozen_at", b"0")))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: {str(error).splitlines()[0]}") from None


def read_audience(settings: Settings, campaign: Campaign, folder: Path) -> pl.DataFrame:
    """All rows as texts, nulls empty; raises UsageError."""
    audience = campaign.audience
    frame = _read_files(folder, audience.file) if audience.file else _ask(settings, audience.query or "")
    if len(frame) > MOST_ROWS:
        raise UsageError(f"audience: {len(frame)} rows; at most {MOST_ROWS}")
    if frame.is_empty():
        raise UsageError(f"audience: {audience.file or 'the query'} has no rows")
    for name in frame.columns:
        if name.startswith("_"):
            raise UsageError(f"audience: column {name!r}: names that begin with _ are ours")
    for name in _mapped(campaign):
        if name not in frame.columns:
            raise UsageError(f"audience: no column {name!r}; there are {', '.join(frame.columns)}")
    return frame.select(_as_text(frame, name) for name in frame.columns)


def _as_text(frame: pl.DataFrame, name: str) -> pl.Expr:
    column = pl.col(name)
    if frame.schema[name].is_nested() or frame.schema[name] == pl.Binary:
        raise UsageError(f"audience: column {name!r} holds {frame.schema[name]}; texts, numbers and dates are read")
    return column.cast(pl.String).fill_null("")


def _mapped(campaign: Campaign) -> list[str]:
    audience = campaign.audience
    named = [audience.language, audience.timezone, audience.country]
    for route in campaign.routes():
        named += [route.to, route.consent]
    return [name for name in named if name]


def _read_files(folder: Path, pattern: str) -> pl.DataFrame:
    paths = sorted(glob.glob(str(folder / pattern)))
    if not paths:
        raise UsageError(f"audience: no file {folder / pattern}")
    frames = [_read_file(Path(path)) for path in paths]
    try:
        return pl.concat(frames, how="vertical_relaxed") if len(frames) > 1 else frames[0]
    except pl.exceptions.PolarsError as error:
        raise UsageError(f"audience: {pattern}: the files differ: {_first_line(error)}") from None


def _read_file(path: Path) -> pl.DataFrame:
    try:
        match path.suffix:
            case ".csv":
                return pl.read_csv(path, infer_schema=False)
            case ".tsv":
                return pl.read_csv(path, infer_schema=False, separator="\t")
            case ".ndjson" | ".jsonl":
                return pl.read_ndjson(path, infer_schema_length=None)
            case ".parquet":
                return pl.read_parquet(path)
    except pl.exceptions.NoDataError:
        raise UsageError(f"audience: {path} is empty") from None
    except (pl.exceptions.PolarsError, OSError) as error:
        raise UsageError(f"audience: {path}: {_first_line(error)}") from None
    raise UsageError(f"audience: {path}: expected .csv, .tsv, .ndjson, .jsonl or .parquet")


def _ask(settings: Settings, query: str) -> pl.DataFrame:
    try:
        with Warehouse(settings.clickhouse) as warehouse:
            return warehouse.query(query)
    except WarehouseError as error:
        raise UsageError(f"audience: query: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]


def judge(campaign: Campaign, frame: pl.DataFrame) -> pl.DataFrame:
    """With our columns: addresses as providers want them, and whom we don't send to and why."""
    main = _addresses(frame, campaign, campaign)
    ours = [
        main.get_column("text").alias(TO),
        main.get_column("country").alias(COUNTRY),
        _zones(campaign, frame, main),
        (frame[campaign.audience.language] if campaign.audience.language else _empty(frame)).alias(LANGUAGE),
    ]
    judged = frame.with_columns(*ours, main.get_column("wrong").alias(WHY), _skips(campaign, frame, main).alias(SKIP))
    judged = judged.with_columns(_repeats())
    if campaign.fallback:
        other = _addresses(frame, campaign, campaign.fallback)
        refused = _skips(campaign.fallback, frame, other)
        judged = judged.with_columns(other.get_column("text").alias(OTHER_TO), refused.alias(OTHER_SKIP))
    return judged


def _empty(frame: pl.DataFrame) -> pl.Series:
    return pl.repeat("", len(frame), eager=True)


def _addresses(frame: pl.DataFrame, campaign: Campaign, route: Route) -> pl.DataFrame:
    countries = frame[campaign.audience.country] if campaign.audience.country else _empty(frame)
    found = [
        read_address(route.channel, text, country)
        for text, country in zip(frame[route.to].to_list(), countries.to_list(), strict=True)
    ]
    return pl.DataFrame(found, schema=dict.fromkeys(Address._fields, pl.String), orient="row")


def _zones(campaign: Campaign, frame: pl.DataFrame, main: pl.DataFrame) -> pl.Series:
    """The audience's word where it is a zone, else what the number tells."""
    if campaign.audience.timezone is None:
        return main.get_column("timezone").alias(ZONE)
    said = frame[campaign.audience.timezone]
    known = pl.Series([zone for zone in said.unique().to_list() if known_zone(zone)], dtype=pl.String)
    taken = pl.DataFrame({"said": said, "told": main.get_column("timezone")})
    return taken.select(pl.when(pl.col("said").is_in(known.implode())).then("said").otherwise("told").alias(ZONE))[ZONE]


def _skips(route: Route, frame: pl.DataFrame, addresses: pl.DataFrame) -> pl.Series:
    """A reason of `schemas.outbound.ScreenReason`, or an empty text; a consent that is no yes is none."""
    wrong = addresses.get_column("wrong") != ""
    if route.consent is None:
        consents = pl.repeat(True, len(frame), eager=True)
    else:
        consents = frame[route.consent].str.strip_chars().str.to_lowercase().is_in(list(_YES))
    table = pl.DataFrame({"wrong": wrong, "consents": consents})
    return table.select(
        pl.when("wrong")
        .then(pl.lit("invalid"))
        .when(~pl.col("consents"))
        .then(pl.lit("suppressed"))
        .otherwise(pl.lit(""))
    ).to_series()


def _repeats() -> pl.Expr:
    """Of rows with one address the first that would be sent counts."""
    sendable = pl.col(SKIP) == ""
    again = sendable & ~pl.struct(TO, sendable.alias("s")).is_first_distinct()
    return pl.when(again).then(pl.lit("duplicate")).otherwise(SKIP).alias(SKIP)
