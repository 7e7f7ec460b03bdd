"""Processor time and memory of a process, as Linux tells them."""

import os
import resource
import subprocess
import sys

import pytest

from loadgen.proc import cpu_s, peak_rss_mb, rss_mb


def test_figures_of_this_process_are_those_of_getrusage() -> None:
    """Ticks are hundredths of a second; memory may grow between two looks, and falls below its peak."""
    before = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    told = cpu_s(os.getpid())
    after = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    assert before - 0.05 <= told <= after + 0.05
    assert 0 < rss_mb(os.getpid()) <= peak_rss_mb(os.getpid()) + 1


def test_what_ended_children_used_counts_only_where_it_is_asked_for() -> None:
    own_s = cpu_s(os.getpid())
    subprocess.run([sys.executable, "-c", "sum(range(3_000_000))"], check=True)
    assert cpu_s(os.getpid(), with_ended=True) > cpu_s(os.getpid()) >= own_s


def test_a_process_that_is_gone_has_no_figures() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
    with pytest.raises(OSError, match="No such file"):
        cpu_s(child.pid)
