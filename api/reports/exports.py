"""Counts and messages as files, streamed: memory holds a page of rows, whatever the campaign's size."""

import io
from collections.abc import Iterator
from typing import Literal

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from api.access import CanExport
from api.context import Asking, CampaignId, Context
from api.keys import Key
from api.noted import note_or_refuse
from api.problems import documented
from api.reports.plan import read_plan
from api.reports.rows import Choice, read_page
from api.reports.timeline import FAR_S

router = APIRouter(
    prefix="/api/campaigns/{campaign_id}/export", tags=["exports"], dependencies=[CanExport], responses=documented(404)
)
What = Literal["counts", "messages"]
PAGE_ROWS = 10_000
"""A page of messages takes some 2 MB while it is written."""
_TYPES = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}


@router.get(
    "/{what}.csv",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {}}, "description": "Rows"}},
)
def export_csv(asking: Asking, campaign_id: CampaignId, what: What, key: Key = CanExport) -> StreamingResponse:
    """`counts`: messages by status and minute. `messages`: when each first reached each status. No personal data."""
    read_plan(asking, campaign_id)
    return _file(_as_csv(_noted(asking, key, campaign_id, what, "csv")), campaign_id, what, "csv")


@router.get(
    "/{what}.parquet",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/vnd.apache.parquet": {}}, "description": "Rows"}},
)
def export_parquet(asking: Asking, campaign_id: CampaignId, what: What, key: Key = CanExport) -> StreamingResponse:
    """The same as Parquet, a row group a page."""
    read_plan(asking, campaign_id)
    return _file(_as_parquet(_noted(asking, key, campaign_id, what, "parquet")), campaign_id, what, "parquet")


def _noted(context: Context, key: Key, campaign_id: str, what: What, ending: str) -> Iterator[pl.DataFrame]:
    """The pages, once the audit log has as many rows as there are now: who goes away in the middle may see fewer."""
    pages = _pages(context, campaign_id, what)
    if what == "counts":
        only = next(pages)
        rows, pages = len(only), iter([only])
    else:
        rows = int(context.ask("messages_held", campaign_id=campaign_id).item())
    note_or_refuse(context, key, "export", campaign_id, what=what, format=ending, rows=rows)
    return pages


def _file(body: Iterator[bytes], campaign_id: str, what: What, ending: str) -> StreamingResponse:
    name = f"{campaign_id}-{what}.{ending}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(body, headers=headers, media_type=_TYPES[ending])


def _pages(context: Context, campaign_id: str, what: What) -> Iterator[pl.DataFrame]:
    """At least one, so that an empty file has its columns."""
    if what == "counts":
        yield context.ask("timeline_steps", campaign_id=campaign_id, step_s=60, since=0, before=FAR_S)
        return
    after = -1
    while True:
        page = read_page(context, campaign_id, Choice(), after, PAGE_ROWS)
        yield page.rows
        if page.after is None:
            return
        after = page.after


def _as_csv(pages: Iterator[pl.DataFrame]) -> Iterator[bytes]:
    is_first = True
    for page in pages:
        yield page.write_csv(include_header=is_first, datetime_format="%Y-%m-%dT%H:%M:%S%.3fZ").encode()
        is_first = False


def _as_parquet(pages: Iterator[pl.DataFrame]) -> Iterator[bytes]:
    out = _Outlet()
    writer: pq.ParquetWriter | None = None
    for page in pages:
        table = page.to_arrow(compat_level=pl.CompatLevel.oldest())
        if writer is None:
            writer = pq.ParquetWriter(pa.PythonFile(out, mode="w"), table.schema, compression="zstd")
        writer.write_table(table)
        yield out.take()
    if writer:
        writer.close()
    yield out.take()


class _Outlet(io.RawIOBase):
    """A file that is only written to, emptied as it fills."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []
        self._written = 0

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        part = bytes(memoryview(data))  # type: ignore[arg-type]  # whatever has a buffer
        self._parts.append(part)
        self._written += len(part)
        return len(part)

    def tell(self) -> int:
        return self._written

    def take(self) -> bytes:
        parts, self._parts = b"".join(self._parts), []
        return parts
