"""Read a campaign file: every mistake is one line that names file, line and field."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from flows.sending.campaign_rules import FieldError, check_campaign
from flows.sending.yaml_lines import LARGEST_BYTES, Lines, YamlError, load_yaml
from schemas.campaign import Campaign
from schemas.errors import UsageError

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_AT = re.compile(r"^(?P<what>.*?)(?: - at `(?:key in )?(?P<path>\$.*)`)?$", re.DOTALL)
_WORDS = {
    r"^[0-9]{1,15}(ms|s|m|h|d)$": "expected a duration such as 250ms, 30s, 4h or 7d",
    r"^([01][0-9]|2[0-3]):[0-5][0-9]$": "expected a time of day such as 21:00",
    r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$": "expected 1 to 64 letters, digits, dots, dashes and underscores",
}


def load_campaign(path: Path, environ: Mapping[str, str] = os.environ) -> Campaign:
    """`${NAME}` under `connection` is taken from the environment, so that no secret stands in the file.

    Raises UsageError.
    """
    text = _read(path)
    try:
        value, lines = load_yaml(text)
    except YamlError as error:
        raise UsageError(f"{path}:{error.line}: {error.what}") from None
    try:
        campaign: Campaign = msgspec.convert(_with_environment(value, environ), Campaign)
        check_campaign(campaign, path.parent)
        return campaign
    except msgspec.ValidationError as error:
        raise _located(path, lines, *_parts(str(error))) from None
    except FieldError as error:
        raise _located(path, lines, error.what, error.path) from None


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise UsageError(f"{path}: more than {LARGEST_BYTES} bytes")
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8 at byte {error.start}") from None
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from None


def _with_environment(value: Any, environ: Mapping[str, str]) -> Any:
    if not isinstance(value, dict):
        raise FieldError("$", "expected fields, as in `id: autumn`")
    filled = dict(value)
    for where, owner in (("$.connection", filled), ("$.fallback.connection", _copied(filled, "fallback"))):
        connection = owner.get("connection")
        if isinstance(connection, dict):
            owner["connection"] = {name: _filled(f"{where}.{name}", text, environ) for name, text in connection.items()}
    return filled


def _copied(owner: dict[str, Any], name: str) -> dict[str, Any]:
    if isinstance(owner.get(name), dict):
        owner[name] = dict(owner[name])
        return owner[name]  # type: ignore[no-any-return]
    return {}


def _filled(path: str, text: Any, environ: Mapping[str, str]) -> Any:
    if not isinstance(text, str):
        return str(text) if isinstance(text, int | float) else text

    def look_up(match: re.Match[str]) -> str:
        if match[1] not in environ:
            raise FieldError(path, f"the environment has no {match[1]}")
        return environ[match[1]]

    return _VARIABLE.sub(look_up, text)


def _parts(message: str) -> tuple[str, str]:
    match = _AT.match(message)
    assert match
    what, path = match["what"], match["path"] or "$"
    for pattern, words in _WORDS.items():
        if repr(pattern)[1:-1] in what or pattern in what:
            what = words
    if missing := re.fullmatch(r"Object missing required field `(.+)`", what):
        what, path = "is missing", f"{path}.{missing[1]}"
    if unknown := re.fullmatch(r"Object contains unknown field `(.+)`", what):
        what, path = "no such field", f"{path}.{unknown[1]}"
    return what[:1].lower() + what[1:].replace(" | null`", "`"), path


def _located(path: Path, lines: Lines, what: str, field: str) -> UsageError:
    """Of a field that is not there, the line of what it is missing in."""
    known = field.replace("[...]", "")
    while known not in lines and len(known) > 1:
        known = known[: max(known.rfind("."), known.rfind("["), 1)]
    name = field.removeprefix("$").removeprefix(".")
    return UsageError(f"{path}:{lines.get(known, 1)}: {f'{name}: ' if name else ''}{what}")
