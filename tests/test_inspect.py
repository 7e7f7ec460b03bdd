"""`python -m flows.inspect` shows a body's events, or one line that says what is wrong, and exit code 2."""

import hmac
import json
import subprocess
import sys
from pathlib import Path

import pytest

from flows.inspect import main
from flows.providers import MAX_BODY_BYTES, PROVIDERS

SAMPLES = Path(__file__).parent / "providers" / "samples"
BATCH = SAMPLES / "meta_whatsapp" / "batch.json"


def run(*arguments: str, body: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "flows.inspect", *arguments], input=body, capture_output=True, timeout=60, check=False
    )


@pytest.mark.parametrize("from_stdin", [False, True])
def test_prints_the_events_of_a_captured_body(from_stdin: bool) -> None:
    """From a file or from standard input, under the contract's names."""
    done = run("meta_whatsapp", "-" if from_stdin else str(BATCH), body=BATCH.read_bytes() if from_stdin else b"")
    assert (done.returncode, done.stderr) == (0, b"")
    first, *rest = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rest) == 5
    assert first == {
        "provider": "meta_whatsapp",
        "provider_message_id": "wamid.A1",
        "status": "sent",
        "event_time": 1793400060000,
        "recipient": "16505551234",
        "error_code": None,
        "raw_status": "sent",
        "provider_event_id": None,
        "campaign_id": "autumn-sale",
        "message_key": 1234,
        "attempt": 2,
        "sent_at": 1793400000000,
    }


def test_body_without_time_shows_none(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["meta_whatsapp", str(SAMPLES / "meta_whatsapp" / "without_time.json")]) == 0
    assert json.loads(capfdbinary.readouterr().out)["event_time"] is None


def test_event_of_our_own_format_shows_whatever_it_says(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["canonical", str(SAMPLES / "canonical" / "full.json")]) == 0
    event = json.loads(capfdbinary.readouterr().out)
    assert {"channel", "sender", "template", "country"} <= event.keys()


def test_query_and_form_from_standard_input() -> None:
    """What a file's name would tell, the content type says."""
    body = (SAMPLES / "twilio" / "failed.form").read_bytes()
    done = run("twilio", "-", "--content-type", "application/x-www-form-urlencoded", body=body)
    assert json.loads(done.stdout)["error_code"] == "21610"


MESSAGE = b"POST /webhooks/meta_whatsapp HTTP/1.1\r\nHost: h.example.com\r\nX-Hub-Signature-256: sha256=%s\r\n\r\n%s"


def test_saved_request_shows_its_events_if_its_signature_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """An HTTP message and an envelope; the secret is one of several."""
    body = BATCH.read_bytes()
    signature = hmac.digest(b"new", body, "sha256").hex()
    envelope = {"receipt_id": "r", "provider": "meta_whatsapp", "received_at": 1, "body": body.decode()}
    envelope["headers"] = {"x-hub-signature-256": f"sha256={signature}"}
    monkeypatch.setenv("TIDEMARK_WEBHOOK_META_WHATSAPP_SECRET", "old,new")
    for saved in (MESSAGE % (signature.encode(), body), json.dumps(envelope).encode()):
        file = tmp_path / "request"
        file.write_bytes(saved)
        assert main(["meta_whatsapp", str(file), "--verify"]) == 0
        assert capfdbinary.readouterr().out.count(b"\n") == 6


def test_saved_request_with_a_wrong_signature_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "request"
    file.write_bytes(MESSAGE % (b"0" * 64, BATCH.read_bytes()))
    monkeypatch.setenv("TIDEMARK_WEBHOOK_META_WHATSAPP_SECRET", "new")
    assert main(["meta_whatsapp", str(file), "--verify"]) == 1
    assert_one_line(capsys, "the signature does not hold")


def test_verifying_needs_a_secret_and_a_request(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["meta_whatsapp", str(BATCH), "--verify"]) == 2
    assert_one_line(capsys, "neither an HTTP request nor an envelope")
    monkeypatch.setenv("TIDEMARK_WEBHOOK_SENDGRID_SECRET", "no key")
    file = SAMPLES.parent / "message.http"
    assert main(["sendgrid", str(file), "--verify"]) == 2
    assert_one_line(capsys, "message.http")


def test_body_without_events_prints_nothing(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["meta_whatsapp", str(SAMPLES / "meta_whatsapp" / "inbound.json")]) == 0
    assert capfdbinary.readouterr() == (b"", b"")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "invalid_json"),
        (b"\xff", "invalid_utf8"),
        (b"[]", "wrong_shape"),
        (b" " * (MAX_BODY_BYTES + 5), "too_large"),
        (b'{"status":"sent","provider_message_id":"m","campaign_id":"c\\n","message_key":1}', "out_of_range"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wrong_body_is_one_line(body: bytes, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The reason a dead letter would have."""
    file = tmp_path / "body"
    file.write_bytes(body)
    provider = "canonical" if said == "out_of_range" else "meta_whatsapp"
    assert main([provider, str(file)]) == 2
    assert_one_line(capsys, f"{file}: {said}: ")


@pytest.mark.parametrize("name", ["does-not-exist", ".", "nul\0byte"])
def test_file_that_cannot_be_read_is_one_line(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["meta_whatsapp", name]) == 2
    assert_one_line(capsys, name if name.isprintable() else "null byte")


def test_unknown_provider_lists_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pigeon", "does-not-exist"]) == 2
    assert_one_line(capsys, "pigeon", *PROVIDERS)


@pytest.mark.parametrize("arguments", [[], ["meta_whatsapp"], ["meta_whatsapp", "a", "b"]])
def test_wrong_arguments_say_how(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert_one_line(capsys, "argument")


def test_help_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert "PROVIDER FILE" in capsys.readouterr().out


def test_reader_that_leaves_early_is_no_error(tmp_path: Path) -> None:
    """As in `… | head -1`: more than a pipe holds is written to one that nobody reads."""
    event = {"status": "sent", "provider_message_id": "m" * 500}
    file = tmp_path / "body"
    file.write_text(json.dumps([event] * 2000))
    command = [sys.executable, "-m", "flows.inspect", "canonical", str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def assert_one_line(capsys: pytest.CaptureFixture[str], *said: str) -> None:
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert printed.err.endswith("\n")
    assert all(part in printed.err for part in said)
