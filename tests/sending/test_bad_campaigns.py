"""Every wrong campaign file, audience and template gets one line that says what and where."""

import re
from errno import ENOSPC
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest

from flows.sending.audience import freeze, judge, read_audience
from flows.sending.campaign_file import load_campaign
from flows.sending.forecast import check
from flows.sending.templates import Renderer, Unrenderable
from schemas.errors import UsageError
from schemas.settings import Settings
from tests.sending.making import MINIMAL, write

BASE = Path(__file__).parent
NUMBER = {"id": "Shop"}
FALLBACK = {"channel": "email", "provider": "dry", "senders": [NUMBER], "template": {"text": "x"}, "to": "mail"}

TEXTS = [
    ("", "1: the file is empty"),
    ("id: [", "1: "),
    ("just a text", "1: expected fields"),
    ("id: a\nid: b\n", "2: id stands here twice"),
    ("id: &a autumn\nname: *a\n", "1: anchors and aliases are not supported"),
    ("id: !!python/object:os.system x\n", "1: tags are not supported"),
    ("? [a]\n: b\n", "1: a key is a text"),
    ("id: autumn\n\taudience: x\n", "2: "),
    ("id: " + "[" * 200 + "]" * 200, "1: nested too deeply"),
]


@pytest.mark.parametrize(("text", "message"), TEXTS)
def test_a_file_that_is_no_campaign(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "campaign.yaml"
    path.write_text(text)
    assert f"{path}:{message}" in _refusal(path)


FIELDS: list[tuple[dict[str, Any], str]] = [
    ({"id": None}, "id: is missing"),
    ({"audience": None}, "audience: is missing"),
    ({"senders": None}, "senders: is missing"),
    ({"id": "no spaces"}, "id: expected 1 to 64 letters, digits, dots, dashes and underscores"),
    ({"id": 7}, "id: expected `str`, got `int`"),
    ({"prority": "bulk"}, "prority: no such field"),
    ({"priority": "urgent"}, "priority: invalid enum value 'urgent'"),
    ({"audience": {}}, "audience: either file or query"),
    ({"audience": {"file": "a.csv", "query": "SELECT 1"}}, "audience: either file or query"),
    ({"audience": {"files": "a.csv"}}, "audience.files: no such field"),
    ({"channel": "pigeon"}, "channel: invalid enum value 'pigeon'"),
    ({"channel": "sms", "provider": "meta_whatsapp"}, "channel: meta_whatsapp sends whatsapp"),
    ({"provider": "acme"}, "provider: 'acme' is none of meta_whatsapp"),
    ({"provider": "http"}, "connection: url is missing"),
    ({"provider": "http", "connection": {"url": "ftp://x"}}, "connection: url: 'ftp://x' is no http(s) address"),
    ({"connection": {"speed": "1"}}, "connection: speed: dry knows latency_ms, reports_as"),
    ({"connection": {"latency_ms": "soon"}}, "connection: latency_ms: from 0 to 99999"),
    ({"connection": {"latency_ms": "${NO_SUCH}"}}, "connection.latency_ms: the environment has no NO_SUCH"),
    ({"provider": "twilio", "connection": {"account_sid": "AC"}}, "connection: auth_token is missing"),
    ({"senders": []}, "senders: expected `array` of length >= 1"),
    ({"senders": [NUMBER, dict(NUMBER)]}, "senders[1].id: 'Shop' stands here twice"),
    ({"senders": [{"id": "Shop", "per_s": 0}]}, "senders[0].per_s: expected `float` > 0.0"),
    ({"senders": [{"id": "Shop", "per_s": "many"}]}, "senders[0].per_s: expected `float`, got `str`"),
    ({"senders": [{"per_s": 5}]}, "senders[0].id: is missing"),
    ({"template": {}}, "template: a text, a file, html or the name of a provider's template"),
    ({"template": {"text": "x", "file": "y"}}, "template.file: either text or file"),
    ({"template": {"text": "Hi {{ name"}}, "template.text: line 1: syntax error: unexpected end of input"),
    ({"template": {"text": "{% if x %}never ended"}}, "template.text: line 1: syntax error: unexpected end of input"),
    ({"template": {"text": {"en": "Hi", "de": "{{ |"}}}, "template.text.de: line 1"),
    ({"template": {"text": {"de": "Hallo"}}}, "template.language: no text in 'en'"),
    ({"template": {"file": "missing.txt"}}, "template.file: "),
    ({"template": {"name": "offer", "parameters": ["{{ a", "b"]}}, "template.parameters[0]: line 1"),
    ({"rates": {"campaign": -1}}, "rates.campaign: expected `float` > 0.0"),
    ({"rates": {"hourly": 5}}, "rates.hourly: no such field"),
    ({"expires": "tomorrow"}, "expires: expected a duration such as 250ms, 30s, 4h or 7d"),
    ({"expires": "90d"}, "expires: from 1ms to 31d"),
    ({"sla_p95": 10}, "sla_p95: expected `str`, got `int`"),
    ({"quiet_hours": {"begin": "21:00"}}, "quiet_hours.end: is missing"),
    ({"quiet_hours": {"begin": "9pm", "end": "08:00"}}, "quiet_hours.begin: expected a time of day"),
    ({"quiet_hours": {"begin": "08:00", "end": "08:00"}}, "quiet_hours.end: the same as begin"),
    (
        {"quiet_hours": {"begin": "21:00", "end": "08:00", "timezone": "Mars/Base"}},
        "quiet_hours.timezone: 'Mars/Base' is no timezone",
    ),
    ({"window": {"opens": "2026-11-21T08:00:00"}}, "window.opens: expected `datetime` with a timezone"),
    (
        {"window": {"opens": "2026-11-22T08:00:00Z", "closes": "2026-11-21T08:00:00Z"}},
        "window.closes: not after it opens",
    ),
    ({"prices": {"Germany": 0.1}}, "prices.Germany: a country is two capitals"),
    ({"prices": {"DE": -0.1}}, "prices"),
    ({"canary": {"share": 5}}, "canary.share: expected `float` <= 1.0"),
    ({"stop": {"failures": 0.3, "over": 3}}, "stop.over: expected `int` >= 10"),
    ({"retry": {"attempts": 0}}, "retry.attempts: expected `int` >= 1"),
    ({"retry": {"first_wait": "1h", "longest_wait": "1s"}}, "retry.first_wait: longer than longest_wait"),
    ({"in_doubt": "guess"}, "in_doubt: invalid enum value 'guess'"),
    ({"fallback": {**FALLBACK, "channel": "sms"}}, "fallback: the same channel and provider"),
    ({"fallback": {**FALLBACK, "when": []}}, "fallback.when: at least one of outage, rejected"),
    ({"fallback": {**FALLBACK, "provider": "x"}}, "fallback.provider: 'x' is none of"),
    ({"concurrency": 0}, "concurrency: expected `int` >= 1"),
    ({"frequency_cap": {"messages": 1}}, "frequency_cap.per: is missing"),
]


@pytest.mark.parametrize(("changes", "message"), FIELDS)
def test_a_wrong_field(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = write(tmp_path, changes)
    refusal = _refusal(path)
    assert message in refusal
    assert "\n" not in refusal
    number, field = re.fullmatch(rf"{path}:(\d+): ([^:]+): .*", refusal).groups()  # type: ignore[union-attr]
    named = path.read_text().splitlines()[int(number) - 1]
    if "is missing" not in refusal and not field.endswith(("]", ".when", ".language")):
        assert field.rpartition(".")[2] in named, "the line that is named holds the field"


def _refusal(path: Path) -> str:
    with pytest.raises(UsageError) as refused:
        load_campaign(path)
    return str(refused.value)


def test_the_line_is_the_fields_own(tmp_path: Path) -> None:
    path = tmp_path / "campaign.yaml"
    path.write_text('id: a\nname: "x"\nsenders:\n  - id: A\n    per_s: 5\n  - id: B\n    per_s: none\n')
    assert _refusal(path).startswith(f"{path}:7: senders[1].per_s: expected `float`")


def test_a_file_too_large_missing_or_no_text(tmp_path: Path) -> None:
    large, binary = tmp_path / "large.yaml", tmp_path / "binary.yaml"
    large.write_text("#" * (1 << 20) + "\n#")
    binary.write_bytes(b"id: \xff")
    assert "more than 1048576 bytes" in _refusal(large)
    assert "not UTF-8 at byte 4" in _refusal(binary)
    assert "No such file" in _refusal(tmp_path / "none.yaml")


def test_norway_and_half_past_nine_are_texts(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.write_text(path.read_text() + "quiet_hours: {begin: 21:30, end: 08:00}\nprices: {NO: 0.05}\n")
    campaign = load_campaign(path)
    assert campaign.quiet_hours is not None
    assert campaign.quiet_hours.begin == "21:30"
    assert campaign.prices == {"NO": 0.05}


AUDIENCES: list[tuple[str, str, dict[str, Any], str]] = [
    ("people.csv", "", {}, "is empty"),
    ("people.csv", "to,name\n", {}, "has no rows"),
    ("people.csv", "phone,name\n+491,A\n", {}, "no column 'to'; there are phone, name"),
    ("people.csv", "to,_seq\n+491,1\n", {}, "column '_seq': names that begin with _ are ours"),
    ("people.csv", "to,name\na,b,c,d\n", {}, "people.csv: "),
    ("people.txt", "to\n", {"audience": {"file": "people.txt"}}, "expected .csv, .tsv, .ndjson, .jsonl or .parquet"),
    ("people.parquet", "no parquet", {"audience": {"file": "people.parquet"}}, "people.parquet: "),
    ("people.ndjson", '{"to":', {"audience": {"file": "people.ndjson"}}, "people.ndjson: "),
    ("people.ndjson", '{"to":["a"],"name":"x"}\n', {"audience": {"file": "people.ndjson"}}, "column 'to' holds List"),
    ("people.csv", "to,name\na,b\n", {"audience": {"file": "none*.csv"}}, "no file"),
    ("people.csv", "to,name\na,b\n", {"audience": {"file": "people.csv", "timezone": "tz"}}, "no column 'tz'"),
    ("people.csv", "to,name\na,b\n", {"template": {"text": "{{ surname }}"}}, "template: surname: no such column"),
]


@pytest.mark.parametrize(("name", "content", "changes", "message"), AUDIENCES)
def test_a_wrong_audience(tmp_path: Path, name: str, content: str, changes: dict[str, Any], message: str) -> None:
    campaign = load_campaign(write(tmp_path, changes, people=None))
    (tmp_path / name).write_text(content)
    with pytest.raises(UsageError) as refused:
        check(Settings(), [(campaign, tmp_path)], as_json=False)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_audience_that_cannot_be_frozen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    campaign = load_campaign(write(tmp_path))
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "audiences" / "autumn.parquet"
    with pytest.raises(UsageError, match=f"^{path}: Not a directory$"):
        freeze(Settings(recovery=f"{tmp_path}/file/recovery"), campaign, tmp_path, 1)

    def full(*_: object, **__: object) -> None:
        raise OSError(ENOSPC, "No space left on device")

    monkeypatch.setattr(pq, "write_table", full)
    with pytest.raises(UsageError, match="No space left on device"):
        freeze(Settings(recovery=f"{tmp_path}/recovery"), campaign, tmp_path, 1)


ROWS = [
    ("sms", "", "empty"),
    ("sms", "+49", "did not seem to be a phone number"),
    ("sms", "0170 1234567", "Missing or invalid default region"),
    ("sms", "+49 170 123", "no such phone number"),
    ("sms", "call me", "did not seem to be a phone number"),
    ("email", "ada", "must have an @-sign"),
    ("email", "ada@", "something after the @-sign"),
    ("email", "a b@example.com", "contains invalid characters"),
    ("push", "short", "no device token"),
    ("webpush", '{"endpoint":"http://x"}', "no push subscription"),
    ("in_app", "a\x00b", "unprintable characters"),
    ("in_app", "x" * 600, "too long"),
]


@pytest.mark.parametrize(("channel", "to", "why"), ROWS)
def test_a_wrong_recipient_is_screened_out_with_its_reason(tmp_path: Path, channel: str, to: str, why: str) -> None:
    (tmp_path / "people.ndjson").write_text("")
    campaign = load_campaign(write(tmp_path, {"channel": channel}))
    judged = judge(campaign, pl.DataFrame({"to": [to], "name": ["A"]}))
    assert judged["_skip"].to_list() == ["invalid"]
    assert why in judged["_why"][0]


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{{ missing }}", "text: `missing` is undefined"),
        ("{{ name.first.second }}", "text: `name.first` is undefined"),
        ("{{ 1 // (zero|int) }}", "text: "),
        ("{% for i in range(100000) %}{{ i }}{% endfor %}", "text: "),
        ("{{ name - 3 }}", "text: "),
    ],
)
def test_a_row_that_cannot_be_rendered_says_why(template: str, why: str) -> None:
    renderer = Renderer({"text": {"en": template}}, "en")
    with pytest.raises(Unrenderable) as fault:
        renderer.render({"name": "Ada", "zero": "0"}, "en")
    assert why in str(fault.value)
    assert "\n" not in str(fault.value)


def test_there_are_more_than_forty_cases() -> None:
    assert len(TEXTS) + len(FIELDS) + len(AUDIENCES) + len(ROWS) > 40
    assert MINIMAL["id"] == "autumn"


def test_a_good_audience_is_read(tmp_path: Path) -> None:
    campaign = load_campaign(write(tmp_path))
    assert read_audience(Settings(), campaign, tmp_path)["name"].to_list() == ["Ada", "Grace"]
