"""A campaign's watcher is asked from the thread of a live topic and from those of requests."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from api.live.watcher import Watcher


def test_a_report_reads_all_anew_though_a_tick_is_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """What that tick had read is older than the question."""
    asked, under_way, go_on = [], threading.Event(), threading.Event()

    def ask_slow(_: Watcher) -> Callable[[], int]:
        asked.append(len(asked))
        under_way.set()
        go_on.wait(60)
        return lambda: asked[-1]

    def rows(*_: Any) -> Future[list[Any]]:
        answered: Future[list[Any]] = Future()
        answered.set_result([])
        return answered

    monkeypatch.setattr(Watcher, "_ask_slow", ask_slow)
    monkeypatch.setattr(Watcher, "_rows", rows)
    monkeypatch.setattr(Watcher, "fast", lambda _: None)
    monkeypatch.setattr(Watcher, "_compose", lambda _, __, slow, ___: slow)
    with ThreadPoolExecutor(2) as threads:
        watcher = Watcher(None, "a", threads)  # type: ignore[arg-type]
        tick = threads.submit(watcher.snapshot)
        assert under_way.wait(60)
        page = threads.submit(watcher.page)
        while not page.running():
            pass
        threading.Event().wait(0.1)  # until it waits for the tick
        go_on.set()
        assert (tick.result(60), page.result(60)) == (0, 1)
        assert (watcher.snapshot(), len(asked)) == (1, 2)
