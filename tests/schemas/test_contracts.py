"""The contracts hold together: types, columns, JSON Schemas, partitions, tables."""

import re
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import msgspec
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.columns import OUTBOUND_COLUMNS, STATUS_COLUMNS, columns_of
from schemas.errors import UsageError
from schemas.events import StatusEvent
from schemas.export import FOLDER, documents
from schemas.latency import LATENCY_BOUNDS_MS
from schemas.outbound import AnyOutbound, Screened
from schemas.settings import Settings, Slice, parse_duration_ms, settings_table
from schemas.statuses import SENT_COHORT, STATUS_NUMBERS, Lane, Status
from schemas.times import EARLIEST_MS, LATEST_MS, fixed_clock, ms_of
from schemas.topics import partition_column, partition_of

MIGRATIONS = Path(__file__).parents[2] / "sql" / "migrations"


@given(st.integers(EARLIEST_MS, LATEST_MS))
def test_milliseconds_come_back_from_a_time_as_they_were(at_ms: int) -> None:
    """As a float some would come back one less."""
    assert ms_of(datetime.fromtimestamp(at_ms / 1000, UTC)) == at_ms


def test_json_schemas_are_current() -> None:
    for name, document in documents().items():
        assert (FOLDER / name).read_bytes() == document, "run `make generate`"


def test_columns_are_the_fields_in_their_order() -> None:
    assert tuple(STATUS_COLUMNS) == StatusEvent.__struct_fields__
    assert STATUS_COLUMNS["message_key"] == pl.Int64
    assert STATUS_COLUMNS["status"] == pl.String
    assert next(iter(OUTBOUND_COLUMNS)) == "type"
    assert OUTBOUND_COLUMNS["final"] == pl.Boolean


def test_columns_of_refuses_what_no_column_holds() -> None:
    class Nested(msgspec.Struct):
        inner: dict[str, int]

    with pytest.raises(TypeError, match="no column type"):
        columns_of(Nested)


def test_every_status_has_a_lane_and_a_number() -> None:
    assert {status.lane for status in Status} == set(Lane)
    assert [status for status in Status if status.lane is Lane.DELIVERED] == [Status.DELIVERED]
    assert [status for status in Status if status.lane is Lane.READ] == [Status.READ, Status.CLICKED]
    assert sorted(STATUS_NUMBERS.values()) == list(range(1, len(Status) + 1))


def test_the_tables_number_statuses_as_the_contract_does() -> None:
    enum = ", ".join(f"'{name}' = {number}" for name, number in STATUS_NUMBERS.items())
    assert f"Enum8({enum})" in (MIGRATIONS / "001_status_events.sql").read_text()
    assert f"Enum8({enum})" in (MIGRATIONS / "003_rollups.sql").read_text()


def test_the_tables_count_latencies_in_the_cells_of_the_contract() -> None:
    cells = re.search(r"\[([\d,\s]+)\]", (MIGRATIONS / "001_status_events.sql").read_text())
    assert cells
    assert tuple(int(cell) for cell in cells[1].split(",")) == LATENCY_BOUNDS_MS


def test_queries_measure_against_the_cohort_of_the_contract() -> None:
    left_out = ", ".join(f"'{status}'" for status in Status if status not in SENT_COHORT)
    for name in ("migrations/014_stages", "queries/providers", "checks/stages"):
        assert f"status NOT IN ({left_out})" in (MIGRATIONS.parent / f"{name}.sql").read_text()
    for name in ("funnel", "splits", "accounting", "campaigns"):
        assert "stage = 'sent'" in (MIGRATIONS.parent / "queries" / f"{name}.sql").read_text()


def test_latency_cells_are_a_sixth_apart_at_most() -> None:
    bounds = LATENCY_BOUNDS_MS
    assert list(bounds) == sorted(set(bounds))
    assert all(upper <= 1.17 * lower for lower, upper in pairwise(bounds[11:]))


names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


@given(
    rows=st.lists(
        st.tuples(st.one_of(st.none(), names), st.one_of(st.none(), st.integers(0, 2**63 - 1)), names, names),
        min_size=1,
    ),
    partitions=st.integers(1, 64),
)
def test_frames_and_single_events_go_to_the_same_partition(
    rows: list[tuple[str | None, int | None, str, str]], partitions: int
) -> None:
    columns = ["campaign_id", "message_key", "provider", "provider_message_id"]
    schema = {name: STATUS_COLUMNS[name] for name in columns}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    found = frame.select(partition_column(partitions)).to_series().to_list()
    assert found == [
        partition_of(campaign, key, partitions)
        if campaign is not None and key is not None
        else partition_of(f"{provider}\0{reference}", 0, partitions)
        for campaign, key, provider, reference in rows
    ]


def test_an_outbound_record_says_by_its_type_what_it_is() -> None:
    line = b'{"type":"screened","at":1,"campaign_id":"c","message_key":5,"reason":"capped"}'
    assert msgspec.json.decode(line, type=AnyOutbound) == Screened(
        at=1, campaign_id="c", message_key=5, reason="capped"
    )


def test_settings_come_from_the_environment() -> None:
    settings = Settings.from_env(
        {
            "TIDEMARK_LANES": "read,delivered",
            "TIDEMARK_SLICE": "1/4",
            "TIDEMARK_WINDOW": "90m",
            "TIDEMARK_FSYNC": "1",
            "TIDEMARK_CLOCK": "1793400000000",
            "TIDEMARK_KAFKA_SASL_MECHANISM": "PLAIN",
            "PATH": "ignored",
        }
    )
    assert settings.lanes == (Lane.DELIVERED, Lane.READ), "in their precedence, however they were named"
    assert settings.slice == Slice(1, 4)
    assert settings.window == 90 * 60_000
    assert settings.fsync is True
    assert settings.kafka == {"sasl.mechanism": "PLAIN"}
    assert settings.now()() == 1793400000000


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("TIDEMARK_BROKERS", "x"),
        ("TIDEMARK_LANES", "delivered,sent"),
        ("TIDEMARK_SLICE", "4/4"),
        ("TIDEMARK_SLICE", "1"),
        ("TIDEMARK_WINDOW", "6"),
        ("TIDEMARK_WINDOW", "0h"),
        ("TIDEMARK_WINDOW", "1ms"),
        ("TIDEMARK_EPOCH", "99999999999999d"),
        ("TIDEMARK_EPOCH", "²s"),
        ("TIDEMARK_SLICE", "0/100000"),
        ("TIDEMARK_WINDOW_MB", "-1"),
        ("TIDEMARK_HTTP_PORT", "99999"),
        ("TIDEMARK_CLOCK", "-5"),
        ("TIDEMARK_PARTITIONS", "many"),
        ("TIDEMARK_DEDUP", "maybe"),
        ("TIDEMARK_KAFKA", "x"),
    ],
)
def test_a_wrong_setting_is_refused_in_one_line_that_names_it(variable: str, text: str) -> None:
    with pytest.raises(UsageError) as refused:
        Settings.from_env({variable: text})
    assert variable in str(refused.value)
    assert "\n" not in str(refused.value)


def test_durations_have_units() -> None:
    assert [parse_duration_ms(text) for text in ("250ms", "5s", "30m", "6h", "7d")] == [
        250, 5_000, 1_800_000, 21_600_000, 604_800_000,
    ]  # fmt: skip


def test_the_readme_holds_the_table_of_settings() -> None:
    assert settings_table() in (Path(__file__).parents[2] / "README.md").read_text()


def test_a_fixed_clock_stands_still() -> None:
    clock = fixed_clock(7)
    assert (clock(), clock()) == (7, 7)
