"""The vulnerability audit: pip-audit as a process, against a service of the test's own that speaks OSV's protocol."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests import audit
from tests.audit import EXCEPTIONS, Borne, Package, Report, Vulnerability, judge, main, read_borne
from tests.parts.kafka import free_port

FLAWED = {"id": "PYSEC-2026-1", "aliases": ["CVE-2026-1"], "summary": "It lets everybody in.", "affected": [
    {"package": {"name": "flawed", "ecosystem": "PyPI"}, "ranges": [
        {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.1"}]}]}]}  # fmt: skip
TODAY = date(2026, 11, 21)


class _Osv(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        """https://google.github.io/osv.dev/post-v1-query/"""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        known = asked["package"]["name"] == "flawed" and asked["version"] == "1.0"
        body = json.dumps({"vulns": [FLAWED]} if known else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def osv() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Osv)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1/query"
    server.shutdown()
    server.server_close()


def lock(folder: Path, *pins: str) -> Path:
    path = folder / "requirements.lock"
    path.write_text("".join(f"{pin} \\\n    --hash=sha256:{'ab' * 32}\n" for pin in pins))
    return path


def test_what_is_flawed_fails_and_is_named(tmp_path: Path, osv: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(lock(tmp_path, "sound==2.0", "flawed==1.0"), f"--osv-url={osv}") == 1
    said = capsys.readouterr()
    assert said.err == "audit: flawed 1.0: CVE-2026-1, PYSEC-2026-1: mended in 1.1\n"
    assert said.out == "audit: 2 packages, 1 to see to, 0 borne\n"


def test_a_service_that_is_away_is_said_and_fails_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    away = f"--osv-url=http://127.0.0.1:{free_port()}/v1/query"
    assert main(lock(tmp_path, "flawed==1.0"), away) == 0
    said = capsys.readouterr()
    assert said.out.startswith("audit: not done, the advisory service can't be reached: ")
    assert len(said.out.splitlines()) == 1


def test_what_is_no_network_failure_is_not_taken_for_one(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        audit.ask(lock(tmp_path, "flawed=1.0"))


@pytest.mark.parametrize(("until", "fails"), [(date(2026, 11, 21), 0), (date(2026, 11, 20), 1)])
@pytest.mark.parametrize("name", ["PYSEC-2026-1", "CVE-2026-1"])
def test_what_is_borne_fails_again_past_its_day(until: date, fails: int, name: str) -> None:
    flaw = Vulnerability("PYSEC-2026-1", ["CVE-2026-1"])
    report = Report([Package("flawed", "1.0", [flaw]), Package("sound", "2.0")])
    assert len(judge(report, [Borne(name, "flawed", until, "")], TODAY)) == fails
    assert len(judge(report, [Borne(name, "sound", until, "")], TODAY)) == 1, "of another package"


def test_what_was_left_out_fails() -> None:
    assert judge(Report([Package("odd", skip_reason="no version")]), [], TODAY) == ["odd: not looked at: no version"]


def test_what_is_borne_has_a_day_and_a_reason() -> None:
    for one in read_borne(EXCEPTIONS):
        assert one.why
        assert (one.until - datetime.now(UTC).date()).days < 120, "no exception is for good"
