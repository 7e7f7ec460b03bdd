"""`make peers`: each peer that Tidemark is measured beside, into an environment of its own under `.cache/peers`.

One that cannot be installed is told in a line, and the others are installed all the same.
"""

import subprocess
import sys
import venv
from pathlib import Path

from loadgen.bench.systems import SYSTEMS, System
from loadgen.kafka_broker import Lacking, fetch_jars

_WITHIN_S = 1800


def install(system: System) -> str:
    """Why it could not be installed; nothing where it could, or was before."""
    if system.ready:
        return ""
    venv.create(system.folder, with_pip=True, clear=True)
    command = [system.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *system.requirements]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_WITHIN_S, check=False)
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["pip failed"])[-1]
    try:
        if system.pom:
            fetch_jars(Path(__file__).with_name("peers") / system.pom, system.jars)
    except Lacking as lack:
        return str(lack)
    (system.folder / "ready").touch()
    return ""


def main() -> int:
    """The exit code: 1 where one is missing."""
    missing = {system.name: why for system in SYSTEMS.values() if (why := install(system))}
    for name, why in missing.items():
        print(f"{name}: {why}", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
