"""Content-Encoding in both directions: gzip, lz4 (frames) and zstd, a piece at a time."""

import gzip
import io
import zlib
from typing import BinaryIO, Protocol, cast

import lz4.frame  # type: ignore[import-untyped]  # ships no types
import zstandard

from sql.http_exchange import CHUNK_BYTES, Body
from sql.http_refusal import UNKNOWN_COMPRESSION_METHOD, Refusal

DECODE_ERRORS = (EOFError, OSError, RuntimeError, zlib.error, zstandard.ZstdError)
"""What reading a body that is not what its Content-Encoding says raises; RuntimeError is lz4's."""


class Encoder(Protocol):
    def compress(self, data: bytes) -> bytes: ...
    def flush(self) -> bytes: ...


def decoded(body: Body, encoding: str) -> BinaryIO:
    """`body` as it was before encoding. What is read is bounded by the reader, whatever the encoding swells to."""
    buffered = io.BufferedReader(body, CHUNK_BYTES)
    match encoding.strip().lower():
        case "" | "identity":
            return buffered
        case "gzip":
            return cast(BinaryIO, gzip.GzipFile(fileobj=buffered))
        case "lz4":
            return cast(BinaryIO, lz4.frame.LZ4FrameFile(buffered))
        case "zstd":
            reader = zstandard.ZstdDecompressor().stream_reader(buffered, read_across_frames=True)
            return cast(BinaryIO, io.BufferedReader(cast(io.RawIOBase, reader), CHUNK_BYTES))
    raise Refusal(UNKNOWN_COMPRESSION_METHOD, f"Unknown compression method: {encoding}")


def encoder(accepted: str) -> tuple[str, Encoder] | None:
    """The first encoding of an Accept-Encoding header that we have."""
    for entry in accepted.split(","):
        name, _, quality = entry.strip().lower().partition(";")
        if quality.replace(" ", "") in ("q=0", "q=0.0"):
            continue
        match name.strip():
            case "lz4":
                return "lz4", _Lz4()
            case "zstd":
                return "zstd", zstandard.ZstdCompressor(level=1).compressobj()
            case "gzip":
                return "gzip", zlib.compressobj(3, zlib.DEFLATED, wbits=16 + zlib.MAX_WBITS)
    return None


class _Lz4:
    def __init__(self) -> None:
        self._frame = lz4.frame.LZ4FrameCompressor()
        self._header = self._frame.begin()

    def compress(self, data: bytes) -> bytes:
        header, self._header = self._header, b""
        return cast(bytes, header + self._frame.compress(data))

    def flush(self) -> bytes:
        header, self._header = self._header, b""
        return cast(bytes, header + self._frame.flush())
