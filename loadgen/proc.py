"""What Linux tells of a process, proc(5); OSError once it has ended."""

import os
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int, *, with_ended: bool = False) -> float:
    """Its user and system time so far; `with_ended`: and that of its children that ended and were waited for."""
    behind_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, behind_name[11 : 15 if with_ended else 13])) / TICKS_PER_S


def rss_mb(pid: int) -> float:
    """Memory that it holds now."""
    return _status_mb(pid, "VmRSS")


def peak_rss_mb(pid: int) -> float:
    """The most memory that it held. Of a child `getrusage` gives the peak of who started it."""
    return _status_mb(pid, "VmHWM")


def catches(pid: int, number: int) -> bool:
    """Whether it has a handler for a signal; false of a process that has ended and was not waited for."""
    return any(int(mask, 16) >> (number - 1) & 1 for mask in _status(pid, "SigCgt"))


def _status_mb(pid: int, name: str) -> float:
    """0 of a process that has ended and was not waited for."""
    return sum(int(kib) / 1024 for kib in _status(pid, name))


def _status(pid: int, name: str) -> list[str]:
    """What stands behind `name:`, without its unit."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return [line.split()[1] for line in lines if line.startswith(f"{name}:")]
