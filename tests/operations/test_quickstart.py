"""docs/quickstart.md, typed as a newcomer would: every command, and below it what the page says that it prints."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.operations.compose import ROOT
from tests.parts import lacking
from tests.parts.kafka import free_port

_BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
_SET_UP = ("make setup", "export PATH=")
"""Done before any test."""
PATIENCE_S = 90.0


class Step(NamedTuple):
    """`printed` with `…` for what differs."""

    command: str
    printed: str


def steps(text: str) -> list[Step]:
    found = []
    for block in _BLOCK.findall(text):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, printed = part.partition("\n")
            found.append(Step(command, printed.strip()))
    return [step for step in found if not step.command.startswith(_SET_UP)]


class Shell:
    """Remembers what was exported, and what runs behind it."""

    def __init__(self, folder: Path, **environment: str) -> None:
        inherited = {name: text for name, text in os.environ.items() if not name.startswith("TIDEMARK_")}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self._environment = inherited | {"PATH": path} | environment
        self._folder = folder
        self._behind: list[subprocess.Popen[bytes]] = []

    def type(self, step: Step) -> None:
        if step.command.startswith("export "):
            self._environment |= dict(pair.split("=", 1) for pair in shlex.split(step.command)[1:])
        elif step.command.endswith("&"):
            self._start(step.command.removesuffix("&"))
        else:
            self._run(step)

    def _start(self, command: str) -> None:
        with (self._folder / f"{len(self._behind)}.log").open("wb") as log:
            self._behind.append(
                subprocess.Popen(
                    shlex.split(command), cwd=self._folder, env=self._environment, stdout=log, stderr=subprocess.STDOUT
                )
            )

    def _run(self, step: Step) -> None:
        """What asks is asked again until it is answered so: a reader would wait a moment, too."""
        wanted = ".*".join(map(re.escape, step.printed.split("…")))
        deadline_s = time.monotonic() + PATIENCE_S
        while True:
            done = subprocess.run(
                ["bash", "-c", step.command], cwd=self._folder, env=self._environment, capture_output=True, text=True,
                timeout=PATIENCE_S, check=False,
            )  # fmt: skip
            if re.fullmatch(wanted, done.stdout.strip(), re.DOTALL):
                return
            asks = step.command.startswith("curl") and "--data" not in step.command
            waits = asks and time.monotonic() < deadline_s
            assert waits, (step, done.stdout, done.stderr, self.said())
            time.sleep(0.2)

    def said(self) -> list[str]:
        """By what runs behind it."""
        return [path.read_text()[-500:] for path in sorted(self._folder.glob("*.log"))]

    def end(self) -> list[int]:
        for process in self._behind:
            process.send_signal(signal.SIGTERM)
        return [process.wait(40) for process in self._behind]

    def close(self) -> None:
        for process in self._behind:
            process.kill()
            process.wait()


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    (tmp_path / "deploy").symlink_to(ROOT / "deploy")
    shell = Shell(tmp_path)
    yield shell
    shell.close()


def test_what_the_page_says_is_what_happens(shell: Shell) -> None:
    """On ports that are free here; what was started ends in order."""
    for tool in ("bash", "curl", "openssl"):
        if not shutil.which(tool):
            lacking(tool, f"apt-get install {tool}")
    text = (ROOT / "docs" / "quickstart.md").read_text()
    ports = {"8000": str(free_port()), "8900": str(free_port())}
    typed = re.sub(r"\b(8000|8900)\b", lambda found: ports[found[1]], text)
    shell.type(Step(f"export TIDEMARK_HTTP_PORT={ports['8000']}", ""))
    found = steps(typed)
    assert len(found) > 10
    for step in found:
        shell.type(step)
    assert shell.end() == [0, 0, 0, 0]
