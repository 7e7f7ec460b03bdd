"""`python -m loadgen.chaos.skewed FILE MODULE`: MODULE as the main program, its clock off by the milliseconds in FILE.

The file may be replaced while the module runs: its clock jumps within a fifth of a second. Only what asks Python
for the time is fooled, which is all that decides by a clock; timeouts go by the monotonic one.
"""

import runpy
import sys
import threading
import time
from pathlib import Path

_LOOK_EVERY_S = 0.2


def skew(file: Path) -> None:
    """Shift `time.time` and `time.time_ns` by what `file` says, from now on."""
    true_time, true_ns = time.time, time.time_ns
    offset_ms = _read(file)

    def watch() -> None:
        nonlocal offset_ms
        while True:
            time.sleep(_LOOK_EVERY_S)
            offset_ms = _read(file)

    time.time = lambda: true_time() + offset_ms / 1000
    time.time_ns = lambda: true_ns() + offset_ms * 1_000_000
    threading.Thread(target=watch, name="skew", daemon=True).start()


def _read(file: Path) -> int:
    return int(file.read_text())


def main() -> None:
    file, module = sys.argv[1:3]
    skew(Path(file))
    sys.argv = sys.argv[2:]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
