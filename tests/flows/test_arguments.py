"""What the flows' command line refuses, before anything is started."""

import pytest

from flows.arguments import Arguments, parse_arguments
from schemas.errors import UsageError


def parse(monkeypatch: pytest.MonkeyPatch, *words: str) -> Arguments:
    monkeypatch.setattr("sys.argv", ["flows.route", *words])
    return parse_arguments("route")


def test_alone_and_in_a_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    assert parse(monkeypatch) == Arguments()
    two = ["localhost:2101", "localhost:2102"]
    assert parse(monkeypatch, "-w", "2", "-i", "1", "-a", ";".join(two)) == Arguments(2, 1, two)


@pytest.mark.parametrize(
    "words",
    [
        ["-w", "0"],
        ["-w", "3000"],
        ["-w", "two"],
        ["-i", "1"],
        ["-a", "localhost:2101"],
        ["-i", "-1", "-a", "localhost:2101"],
        ["-i", "2", "-a", "localhost:2101;localhost:2102"],
        ["-i", "0", "-a", ""],
        ["-i", "0", "-a", "localhost"],
        ["-i", "0", "-a", "localhost:99999"],
        ["-i", "0", "-a", "localhost:2101;"],
    ],
)
def test_what_makes_no_cluster_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch, words: list[str]) -> None:
    with pytest.raises(UsageError) as refused:
        parse(monkeypatch, *words)
    assert "\n" not in str(refused.value)
