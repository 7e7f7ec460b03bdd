"""What a person sees while campaigns run: a table on a terminal, a line a second and campaign in a pipe."""

import sys
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from flows.sending.pulse import Pulse
from flows.sending.session import Session

LINES_APART_S = 10


class Display:
    """Plain lines; `choose` gives the table where there is a terminal."""

    @staticmethod
    def choose() -> "Display":
        return Screen() if sys.stderr.isatty() else Display()

    def __init__(self) -> None:
        self._shown = 0

    def __enter__(self) -> "Display":
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        """Nothing is open."""

    def show(self, sessions: list[Session], pulses: list[Pulse]) -> None:
        """Once a second; a pipe gets every tenth."""
        if self._shown % LINES_APART_S == 0:
            for session, pulse in zip(sessions, pulses, strict=True):
                print(line(session.campaign.id, pulse), file=sys.stderr, flush=True)
        self._shown += 1


class Screen(Display):
    def __init__(self) -> None:
        super().__init__()
        self._live = Live(console=Console(stderr=True), refresh_per_second=4, transient=False)

    def __enter__(self) -> "Screen":
        self._live.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, sessions: list[Session], pulses: list[Pulse]) -> None:
        self._live.update(table(sessions, pulses))


def line(campaign_id: str, pulse: Pulse) -> str:
    slower = f" ({pulse.slower_because})" if pulse.slower_because else ""
    return (
        f"{campaign_id}: {pulse.settled:,} of {pulse.total:,}, {pulse.achieved_per_s:,.0f}/s of {_rate(pulse)}{slower},"
        f" queue {pulse.queue:,}, in flight {pulse.in_flight:,}, later {pulse.later:,}, failed {pulse.failed:,},"
        f" in doubt {pulse.doubts:,}, {_eta(pulse)}"
    )


def table(sessions: list[Session], pulses: list[Pulse]) -> Table:
    shown = Table(box=None, pad_edge=False)
    names = ("campaign", "", "sent of total", "rate / limit", "slower because", "queue", "in flight", "failed")
    for name in (*names, "in doubt", "left"):
        shown.add_column(name, justify="left" if name in ("campaign", "", "slower because") else "right")
    for session, pulse in zip(sessions, pulses, strict=True):
        shown.add_row(
            session.campaign.id,
            ProgressBar(max(pulse.total, 1), pulse.settled, width=24),
            f"{pulse.sent:,} / {pulse.total:,}",
            f"{pulse.achieved_per_s:,.0f} / {_rate(pulse)}",
            pulse.slower_because[:40],
            f"{pulse.queue:,}",
            f"{pulse.in_flight:,}",
            f"{pulse.failed:,}",
            f"{pulse.doubts:,}",
            _eta(pulse),
        )
    return shown


def _rate(pulse: Pulse) -> str:
    return "no limit" if pulse.allowed_per_s is None else f"{pulse.allowed_per_s:,.0f}/s"


def _eta(pulse: Pulse) -> str:
    eta_s = pulse.eta_s()
    if eta_s is None:
        return "standing"
    hours, rest = divmod(int(eta_s), 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02} left"
