"""What ends a flow is told in one line, also where the disk refuses, or the end takes too long."""

import os
import threading
from pathlib import Path

import pytest

from flows import stopping
from flows.running import recovery, recovery_lock
from flows.stopping import Stop, end_in_time
from schemas.errors import RecoveryError, TidemarkError, UsageError
from schemas.settings import Settings


def test_a_recovery_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings = Settings(recovery=f"{tmp_path}/file/recovery")
    for ask in (recovery_lock, recovery):
        with pytest.raises(RecoveryError) as refused:
            ask(settings, "route")
        assert str(refused.value).startswith(f"{tmp_path}/file/recovery/route/all/0-of-1")
        assert str(refused.value).endswith(": Not a directory")


@pytest.mark.parametrize(
    ("failure", "code", "said"),
    [
        (None, 1, ""),
        (TidemarkError("the disk is full"), 1, "flows.send: the disk is full\n"),
        (UsageError("wrong"), 2, "flows.send: wrong\n"),
    ],
)
def test_who_does_not_end_in_time_still_says_what_it_failed_of(
    failure: TidemarkError | None,
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stop, codes, exited = Stop(), list[int](), threading.Event()

    def leave(number: int) -> None:
        codes.append(number)
        exited.set()

    monkeypatch.setattr(stopping, "GRACE_S", 0.0)
    monkeypatch.setattr(os, "_exit", leave)
    stop.failure = failure
    end_in_time("send", stop, threading.Event())
    stop.ask()
    assert exited.wait(20)
    assert codes == [code]
    assert capsys.readouterr().err == said
