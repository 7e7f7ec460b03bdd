"""clickhouse-connect's HTTP client works against `sql.serve` unchanged: the engine is real, and so is the protocol."""

from collections.abc import Iterator
from itertools import count
from urllib.parse import urlsplit

import clickhouse_connect
import polars as pl
import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, StreamFailureError

from sql.serve import Ready

_numbers = count()


@pytest.fixture(params=["lz4", "zstd", "gzip", False])
def client(request: pytest.FixtureRequest, clickhouse_server: Ready) -> Iterator[Client]:
    """In a session, as by default, with each compression in both directions."""
    parts = urlsplit(clickhouse_server.url)
    client = clickhouse_connect.get_client(
        host=parts.hostname,
        port=parts.port,
        username="default",
        password=clickhouse_server.password,
        compress=request.param,
    )
    database = f"client_{next(_numbers)}"
    client.command(f"CREATE DATABASE {database}")
    client.database = database
    client.command("CREATE TABLE t (n Int64, s String, d Nullable(Float64)) ENGINE = MergeTree ORDER BY n")
    yield client
    client.close()


def test_insert_and_query(client: Client) -> None:
    summary = client.insert("t", [[1, "a'b", 0.5], [2, "\N{SNOWMAN}", None]], column_names=["n", "s", "d"])
    assert summary.written_rows == 2
    result = client.query("SELECT * FROM t WHERE n < {n:Int64} ORDER BY n", parameters={"n": 3})
    assert result.result_rows == [(1, "a'b", 0.5), (2, "\N{SNOWMAN}", None)]
    assert result.column_names == ("n", "s", "d")
    assert client.command("SELECT count() FROM t") == 2


def test_arrow_and_frames(client: Client) -> None:
    frame = pl.DataFrame({"n": range(100_000), "s": ["text"] * 100_000, "d": [1.5] * 100_000})
    client.insert_arrow("t", frame.to_arrow())
    client.insert_df_arrow("t", frame)
    table = client.query_arrow("SELECT n, s, d FROM t WHERE n < 50000")
    assert isinstance(table, pa.Table)
    assert table.num_rows == 100_000
    polars = client.query_df_arrow("SELECT sum(n) AS n FROM t", dataframe_library="polars")
    assert polars["n"].to_list() == [2 * 4_999_950_000]


def test_streaming(client: Client) -> None:
    with client.query_row_block_stream("SELECT number, toString(number) FROM numbers(300000)") as blocks:
        assert sum(len(block) for block in blocks) == 300_000
    with client.query_arrow_stream("SELECT number FROM numbers(1000)") as tables:
        assert sum(table.num_rows for table in tables) == 1000
    raw = client.raw_stream("SELECT number FROM numbers(200000)", fmt="CSV").read()
    assert raw.count(b"\n") == 200_000


def test_an_empty_result_has_its_columns(client: Client) -> None:
    assert client.query("SELECT n, s FROM t WHERE 0").column_names == ("n", "s")
    assert client.query("SELECT n, s FROM t LIMIT 0").column_names == ("n", "s")


def test_settings_hold_for_one_request(client: Client) -> None:
    sql = "SELECT getSetting('max_block_size')"
    assert client.query(sql, settings={"max_block_size": 123}).first_row == (123,)
    assert client.query(sql).first_row != (123,)


def test_parameters_too_long_for_a_url_come_as_a_form(client: Client) -> None:
    text = "it's \N{SNOWMAN} \\ \r\n" * 2_000
    assert client.query("SELECT {text:String}", parameters={"text": text}).first_row == (text,)


@pytest.mark.parametrize(
    ("sql", "code"),
    [("SELECT * FROM missing", 60), ("SELEC", 62), ("SELECT missing()", 46), ("SELECT 1; SELECT 2", 62)],
)
def test_errors_have_their_codes(client: Client, sql: str, code: int) -> None:
    with pytest.raises(DatabaseError) as caught:
        client.query(sql)
    assert caught.value.code == code


def test_an_error_behind_the_first_rows_is_not_an_end(client: Client) -> None:
    """Streamed rows were sent with status 200 already: the text of the error ends them."""
    sql = "SELECT throwIf(number = 2000000, 'far behind') FROM numbers(3000000)"
    with pytest.raises(StreamFailureError, match="far behind"), client.query_row_block_stream(sql) as blocks:
        for _ in blocks:
            pass


def test_a_failed_insert_says_why_and_keeps_nothing(client: Client) -> None:
    client.command("CREATE MATERIALIZED VIEW v ENGINE = MergeTree ORDER BY n AS SELECT n + throwIf(n = 13) AS n FROM t")
    with pytest.raises(DatabaseError) as caught:
        client.insert("t", [[13, "", None]], column_names=["n", "s", "d"])
    assert caught.value.code == 395
    with pytest.raises(DatabaseError) as caught:
        client.raw_insert("t", ["n"], b"1\n2\nthree\n", fmt="CSV")
    assert caught.value.code == 117
    assert client.command("SELECT count() FROM t WHERE n < 13") == 0


def test_ping(client: Client) -> None:
    assert client.ping()
