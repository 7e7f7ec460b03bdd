"""Personal data under keyed hashes: recipients, and provider message ids (a WhatsApp id contains the number).

BLAKE2b with a key (RFC 7693), 128 bits. Numbers are few, so a hash without a secret key is no secret.
"""

import os
import secrets
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa

from schemas.errors import UsageError
from schemas.settings import Settings

HASH_BYTES = 16


class HashKey(NamedTuple):
    """A secret and the number that stands beside what it hashed."""

    version: int
    secret: bytes

    def hashes(self, texts: pl.Series) -> pl.Series:
        """16 bytes each; none for a null or an empty text."""
        filled = texts.is_not_null() & (texts != "")
        hashed = self._digests(texts.filter(filled).cast(pl.Binary).to_list())
        ends = np.append(0, np.cumsum(filled.to_numpy(), dtype=np.int64) * HASH_BYTES)
        parts = [None, pa.py_buffer(ends), pa.py_buffer(hashed)]
        return pl.Series(texts.name, pa.Array.from_buffers(pa.large_binary(), len(texts), parts))

    def _digests(self, texts: list[bytes]) -> bytes:
        """One behind the other."""
        keyed, digests = blake2b(key=self.secret, digest_size=HASH_BYTES), []
        for text in texts:
            hashing = keyed.copy()  # takes in the key once, not for each text
            hashing.update(text)
            digests.append(hashing.digest())
        return b"".join(digests)


def older_hashes(frame: pl.DataFrame, older: Sequence[HashKey]) -> list[pl.Series]:
    """Column `older_hashes`: message id and recipient by each older key; no column where there are none."""
    pairs = [
        pl.struct(
            key.hashes(frame["provider_message_id"]).alias("id"),
            key.hashes(frame["recipient"]).alias("recipient"),
            eager=True,
        )
        for key in older
    ]
    return [pl.select(pl.concat_list(pairs).alias("older_hashes")).to_series()] if pairs else []


def hash_keys(settings: Settings) -> list[HashKey]:
    """The kept keys, newest first; made beside the recovery folder where none are set. Raises UsageError."""
    if settings.hash_key:
        return _parse_all(settings.hash_key, "TIDEMARK_HASH_KEY")
    path = Path(settings.recovery).parent / "hash_key"
    try:
        return _parse_all(_kept_key(path), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {error}") from None


def _parse_all(text: str, where: str) -> list[HashKey]:
    try:
        keys = [_parse(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(f"{where}: VERSION:HEX[,…], a version from 1 to 255 and 32 hex digits") from None
    if len({key.version for key in keys}) < len(keys):
        raise UsageError(f"{where}: two keys of the same version")
    return keys


def _parse(part: str) -> HashKey:
    version, _, digits = part.strip().partition(":")
    key = HashKey(int(version), bytes.fromhex(digits))
    if not 1 <= key.version <= 255 or len(key.secret) != HASH_BYTES:
        raise ValueError(part)
    return key


def _kept_key(path: Path) -> str:
    """The file's key; two processes that start at once agree on whose was first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made = path.with_suffix(f".{os.getpid()}")
    if not path.exists():
        made.touch(mode=0o600)
        made.write_text(f"1:{secrets.token_hex(HASH_BYTES)}")
        try:
            os.link(made, path)
        except FileExistsError:
            pass
        finally:
            made.unlink()
    return path.read_text().strip()
