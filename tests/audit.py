"""Known vulnerabilities in what is installed with us: `python -m tests.audit`, as `make audit` and CI run it.

pip-audit asks OSV about each package of requirements.lock. A finding fails, unless .ci/vulnerabilities.toml bears it
until a day that has not passed. Where OSV can't be reached one line says so, and nothing fails: a network that is down
says nothing about our packages, and tomorrow's run asks again.
"""

import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import msgspec
from msgspec import Struct

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements.lock"
EXCEPTIONS = ROOT / ".ci" / "vulnerabilities.toml"
_ASKS_FOR_S = 300
_UNREACHABLE = re.compile(r"requests\.exceptions\.|pip_audit\._service\.|Could not connect|Tried to connect")
"""In what pip-audit says before it ends, where it was the network's or the service's fault."""


class Vulnerability(Struct):
    id: str
    aliases: list[str] = []
    fix_versions: list[str] = []


class Package(Struct):
    """As pip-audit reports it; one that it left out has no version."""

    name: str
    version: str = ""
    vulns: list[Vulnerability] = []
    skip_reason: str = ""


class Report(Struct):
    dependencies: list[Package]


class Borne(Struct, forbid_unknown_fields=True):
    """A vulnerability that is known and left as it is, up to and with a day; `why` it can't hurt here until then."""

    id: str
    package: str
    until: date
    why: str


class Unreachable(Exception):
    """OSV gave no answer."""


def read_borne(path: Path) -> list[Borne]:
    return msgspec.convert(tomllib.loads(path.read_text()).get("borne", []), list[Borne])


def judge(report: Report, borne: Sequence[Borne], today: date) -> list[str]:
    """A line for each finding that fails; none: all is well."""
    lines = []
    for package in report.dependencies:
        if package.skip_reason:
            lines.append(f"{package.name}: not looked at: {package.skip_reason}")
        for found in package.vulns:
            lines += _failing(package, found, borne, today)
    return lines


def _failing(package: Package, found: Vulnerability, borne: Sequence[Borne], today: date) -> list[str]:
    names = {found.id, *found.aliases}
    until = max((one.until for one in borne if one.package == package.name and one.id in names), default=None)
    if until and until >= today:
        return []
    remedy = f"mended in {', '.join(found.fix_versions)}" if found.fix_versions else "not mended anywhere yet"
    passed = f"; borne until {until}, which has passed" if until else ""
    return [f"{package.name} {package.version}: {', '.join(sorted(names))}: {remedy}{passed}"]


def ask(lock: Path, *options: str) -> Report:
    """Raises Unreachable, and RuntimeError where pip-audit breaks otherwise."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pip_audit", "--requirement", str(lock), "--require-hashes", "--disable-pip"]
        command += ["--vulnerability-service=osv", "--format=json", f"--output={path}", "--progress-spinner=off"]
        try:
            done = subprocess.run(
                [*command, *options], capture_output=True, text=True, timeout=_ASKS_FOR_S, check=False
            )
        except subprocess.TimeoutExpired:
            raise Unreachable(f"no answer within {_ASKS_FOR_S} s") from None
        if path.exists():
            return msgspec.json.decode(path.read_bytes(), type=Report)
    last = done.stderr.strip().rpartition("\n")[2]
    raise (Unreachable if _UNREACHABLE.search(done.stderr) else RuntimeError)(last[:100])


def main(lock: Path = LOCK, *options: str) -> int:
    borne = read_borne(EXCEPTIONS)
    try:
        report = ask(lock, *options)
    except Unreachable as why:
        print(f"audit: not done, the advisory service can't be reached: {why}", flush=True)
        return 0
    failing = judge(report, borne, datetime.now(UTC).date())
    for line in failing:
        print(f"audit: {line}", file=sys.stderr)
    print(f"audit: {len(report.dependencies)} packages, {len(failing)} to see to, {len(borne)} borne")
    return 1 if failing else 0


if __name__ == "__main__":
    sys.exit(main())
