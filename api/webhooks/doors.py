"""Each provider's door: who may come in, with what, and how large."""

import logging
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from api.webhooks.answers import Answer, answer
from flows.providers import PROVIDERS, Hook
from schemas.errors import UsageError
from schemas.settings import PREFIX, Settings

log = logging.getLogger(__name__)

INSECURE = "insecure-no-verification"
SES = "ses_sns"


class Door(Struct, frozen=True, eq=False, kw_only=True):
    """`keys` are what signatures are checked with, none for SES; `is_open` lets everybody in, `is_shut` nobody."""

    provider: str
    hook: Hook
    keys: tuple[Any, ...]
    is_open: bool
    is_shut: bool
    headers: tuple[tuple[bytes, str], ...]
    content_types: frozenset[bytes]
    wrong_method: Answer


def doors(settings: Settings) -> Mapping[str, Door]:
    """By provider; raises UsageError that names the variable, never the secret."""
    for name in settings.webhook_secrets.keys() - PROVIDERS.keys():
        raise UsageError(f"{_variable(name)}: no such provider; there are {', '.join(PROVIDERS)}")
    return {name: _door(name, provider.hook, settings) for name, provider in PROVIDERS.items()}


def _door(name: str, hook: Hook, settings: Settings) -> Door:
    secrets = settings.webhook_secrets.get(name, ())
    is_open = INSECURE in secrets
    if is_open:
        log.warning("%s: whatever comes to /webhooks/%s is taken for genuine", _variable(name), name)
    elif name == SES and secrets:
        raise UsageError(f"{_variable(name)}: SES has no secret but topics, {PREFIX}WEBHOOK_SES_SNS_TOPICS")
    keys = _keys(name, hook, secrets)
    return Door(
        provider=name,
        hook=hook,
        keys=() if is_open else keys,
        is_open=is_open,
        is_shut=not (is_open or keys or (name == SES and settings.webhook_ses_sns_topics)),
        headers=tuple((header.encode(), header) for header in hook.headers),
        content_types=frozenset([b"", *(known.encode() for known in hook.content_types)]),
        wrong_method=answer(405, headers=[(b"allow", ", ".join(hook.methods).encode())]),
    )


def _keys(name: str, hook: Hook, secrets: tuple[str, ...]) -> tuple[Any, ...]:
    try:
        return tuple(hook.key(secret) for secret in secrets if secret != INSECURE)
    except ValueError:
        raise UsageError(f"{_variable(name)}: one of its secrets is no key of this provider") from None


def _variable(name: str) -> str:
    return f"{PREFIX}WEBHOOK_{name.upper()}_SECRET"
