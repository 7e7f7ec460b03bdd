"""What we sign for browsers: share links and sessions (itsdangerous; HMAC-SHA256, each with a salt of its own)."""

import os
import secrets
from hashlib import sha256
from pathlib import Path
from typing import Any

from itsdangerous import BadData, URLSafeSerializer

from schemas.errors import UsageError
from schemas.settings import Settings
from schemas.times import Clock

_LEAST = 32


def link_secret(settings: Settings) -> str:
    """As set, or made beside the recovery folder, readable for us alone. Raises UsageError."""
    if settings.link_secret:
        if len(settings.link_secret) < _LEAST:
            raise UsageError(f"TIDEMARK_LINK_SECRET: at least {_LEAST} characters")
        return settings.link_secret
    path = Path(settings.recovery).parent / "link_secret"
    try:
        return _kept(path)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {error}") from None


def _kept(path: Path) -> str:
    """Two processes that start at once agree on whose was first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        made = path.with_suffix(f".{os.getpid()}")
        made.touch(mode=0o600)
        made.write_text(secrets.token_urlsafe(_LEAST))
        try:
            os.link(made, path)
        except FileExistsError:
            pass
        finally:
            made.unlink()
    return path.read_text().strip()


class Signer:
    """Signs small objects that end at a time; `purpose` keeps one kind from passing as another."""

    def __init__(self, secret: str, purpose: str, clock: Clock) -> None:
        self._serializer = URLSafeSerializer(
            secret, salt=f"tidemark {purpose}", signer_kwargs={"key_derivation": "hmac", "digest_method": sha256}
        )
        self._clock = clock

    def sign(self, content: dict[str, Any], until_ms: int) -> str:
        return str(self._serializer.dumps([until_ms, content]))

    def read(self, text: str) -> dict[str, Any] | None:
        """None for what is not ours, was changed, or has ended."""
        try:
            until_ms, content = self._serializer.loads(text)
        except (BadData, ValueError, TypeError):
            return None
        return content if isinstance(content, dict) and until_ms > self._clock() else None
