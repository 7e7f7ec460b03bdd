"""Cutting lines into records."""

from hypothesis import given, settings
from hypothesis import strategies as st

from flows.topics.lines import RECORD_BYTES, count_lines, cut_records
from schemas.topics import MAX_LINES_PER_RECORD

line_runs = st.lists(st.tuples(st.integers(0, RECORD_BYTES + 10), st.integers(1, 3)), min_size=1, max_size=6)
many_short_lines = st.lists(
    st.tuples(st.integers(0, 3), st.integers(1, 2 * MAX_LINES_PER_RECORD)), min_size=1, max_size=4
)


@given(st.one_of(line_runs, many_short_lines))
@settings(max_examples=60, deadline=None)
def test_records_are_whole_lines_within_their_bounds_and_nothing_is_lost(runs: list[tuple[int, int]]) -> None:
    lines = b"".join((b"x" * size + b"\n") * count for size, count in runs)
    records = list(cut_records(lines))
    assert b"".join(records) == lines
    for record in records:
        assert record.endswith(b"\n")
        assert count_lines(record) == record.count(b"\n") <= MAX_LINES_PER_RECORD
        assert len(record) <= RECORD_BYTES or count_lines(record) == 1


def test_short_lines_fill_records() -> None:
    lines = (b"x" * 299 + b"\n") * 5_000
    assert len(list(cut_records(lines))) == -(-len(lines) // (RECORD_BYTES // 300 * 300))
