"""ClickHouse's HTTP interface as `curl` and any HTTP library use it."""

import gzip
import json
import shutil
import subprocess
from collections.abc import Iterator
from itertools import count

import httpx
import pytest

from sql.serve import Ready
from tests.parts import lacking

_numbers = count()


@pytest.fixture
def http(clickhouse_server: Ready) -> Iterator[httpx.Client]:
    """With the password, in a database of its own that has the table t."""
    key = {"X-ClickHouse-Key": clickhouse_server.password}
    database = f"curl_{next(_numbers)}"
    with httpx.Client(base_url=clickhouse_server.url, headers=key, timeout=30) as client:
        client.post("/", content=f"CREATE DATABASE {database}").raise_for_status()
        client.params = client.params.set("database", database)
        client.post("/", content="CREATE TABLE t (n Int64, s String) ENGINE = MergeTree ORDER BY n").raise_for_status()
        yield client


def rows(http: httpx.Client) -> str:
    return http.post("/", content="SELECT n, s FROM t ORDER BY n").text


def test_a_query_in_the_url_in_the_body_and_in_both(http: httpx.Client) -> None:
    assert http.get("/", params={"query": "SELECT 1"}).text == "1\n"
    assert http.post("/", content="SELECT 2").text == "2\n"
    assert http.post("/", params={"query": "SELECT 3"}, content="+ 4").text == "7\n"


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ("INSERT INTO t FORMAT CSV", b'1,"a"\n2,"b"\n'),
        ("INSERT INTO t (n, s) FORMAT JSONEachRow", b'{"n":1,"s":"a"}\n{"s":"b","n":2}'),
        ("INSERT INTO t VALUES", b"(1, 'a'), (2, lower('B'))"),
        ("", b"INSERT INTO t FORMAT TSV\n1\ta\n2\tb\n"),
        ("", b"INSERT INTO t SETTINGS async_insert = 0 FORMAT TSV\r\n1\ta\n2\tb\n"),
        ("", b"INSERT INTO t (s, n) VALUES ('a', 1), ('b', 2);"),
        ("", b"INSERT INTO t SELECT number + 1, ['a', 'b'][number + 1] FROM numbers(2)"),
        ("INSERT INTO t", b"SELECT number + 1, ['a', 'b'][number + 1] FROM numbers(2)"),
    ],
)
def test_every_way_to_insert(http: httpx.Client, query: str, body: bytes) -> None:
    response = http.post("/", params={"query": query}, content=body)
    assert (response.status_code, response.text) == (200, "")
    assert json.loads(response.headers["X-ClickHouse-Summary"])["written_rows"] == "2"
    assert rows(http) == "1\ta\n2\tb\n"


def test_a_large_body_comes_in_pieces(http: httpx.Client) -> None:
    """10 MB without a length, the statement cut by the first piece."""

    def pieces() -> Iterator[bytes]:
        yield b"INSERT INTO t FOR"
        yield b"MAT CSV\n"
        for number in range(200):
            yield b"".join(b"%d,%040d\n" % (number * 1000 + line, line) for line in range(1000))

    assert http.post("/", content=pieces()).status_code == 200
    assert http.post("/", content="SELECT count(), uniqExact(n) FROM t").text == "200000\t200000\n"


def test_a_body_that_breaks_off_inserts_nothing(http: httpx.Client) -> None:
    def torn() -> Iterator[bytes]:
        yield b"INSERT INTO t FORMAT CSV\n1,a\n"
        yield b"2,b\n" * 100_000
        raise ConnectionAbortedError

    with pytest.raises(ConnectionAbortedError):
        http.post("/", content=torn())
    assert rows(http) == ""


def test_a_compressed_body_and_one_that_is_not_what_it_says(http: httpx.Client) -> None:
    query, encoding = {"query": "INSERT INTO t FORMAT CSV"}, {"Content-Encoding": "gzip"}
    assert http.post("/", params=query, headers=encoding, content=gzip.compress(b"1,a\n")).status_code == 200
    refused = http.post("/", params=query, headers=encoding, content=b"2,b\n")
    assert (refused.status_code, refused.headers["X-ClickHouse-Exception-Code"]) == (400, "271")
    unknown = http.post("/", params=query, headers={"Content-Encoding": "br"}, content=b"2,b\n")
    assert unknown.headers["X-ClickHouse-Exception-Code"] == "89"
    assert rows(http) == "1\ta\n"


def test_formats_by_statement_parameter_and_header(http: httpx.Client) -> None:
    by_statement = http.post("/", content="SELECT 1 AS a FORMAT JSONEachRow")
    assert by_statement.text == '{"a":1}\n'
    assert by_statement.headers["X-ClickHouse-Format"] == "JSONEachRow"
    assert by_statement.headers["Content-Type"].startswith("application/x-ndjson")
    assert http.post("/", params={"default_format": "CSVWithNames"}, content="SELECT 1 AS a").text == '"a"\n1\n'
    assert http.post("/", headers={"X-ClickHouse-Format": "CSV"}, content="SELECT 'x'").text == '"x"\n'


def test_parameters_and_settings(http: httpx.Client) -> None:
    asked = {"param_n": "5", "max_block_size": "77", "session_id": "any"}
    answer = http.post("/", params=asked, content="SELECT {n:Int64}, getSetting('max_block_size')")
    assert answer.text == "5\t77\n"
    assert (
        http.post("/", params={"no_such_setting": "1"}, content="SELECT 1").headers["X-ClickHouse-Exception-Code"]
        == "115"
    )


def test_what_the_headers_tell(http: httpx.Client) -> None:
    answer = http.post("/", params={"query_id": "mine", "wait_end_of_query": "1"}, content="SELECT * FROM numbers(3)")
    assert answer.headers["X-ClickHouse-Query-Id"] == "mine"
    assert answer.headers["X-ClickHouse-Timezone"]
    assert json.loads(answer.headers["X-ClickHouse-Summary"])["read_rows"] == "3"


@pytest.mark.parametrize("path", ["/ping", "/replicas_status", "/"])
def test_health(http: httpx.Client, path: str) -> None:
    assert http.get(path).text == "Ok.\n"
    head = http.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert http.get("/elsewhere").status_code == 404


def test_get_reads_only(http: httpx.Client) -> None:
    refused = http.get("/", params={"query": "INSERT INTO t VALUES (1, 'a')"})
    assert refused.headers["X-ClickHouse-Exception-Code"] == "164"
    escape = http.get("/", params={"query": "INSERT INTO t SETTINGS readonly = 0 VALUES (1, 'a')"})
    assert escape.headers["X-ClickHouse-Exception-Code"] == "164"
    asked = http.post("/", params={"readonly": "1"}, content="TRUNCATE TABLE t")
    assert asked.headers["X-ClickHouse-Exception-Code"] == "164"


def test_passwords(clickhouse_server: Ready) -> None:
    url, password = clickhouse_server.url, clickhouse_server.password
    for way in (
        {"headers": {"X-ClickHouse-User": "any", "X-ClickHouse-Key": password}},
        {"auth": ("any", password)},
        {"params": {"user": "any", "password": password}},
    ):
        assert httpx.post(url, content="SELECT 1", **way).text == "1\n"
    for way in ({}, {"auth": ("default", "wrong")}, {"params": {"password": ""}}):
        refused = httpx.post(url, content="SELECT 1", **way)
        assert refused.headers["X-ClickHouse-Exception-Code"] == "516"
        assert refused.status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "attacker.example"},
        {"Host": "attacker.example:8123"},
        {"Host": "127.0.0.1.attacker.example"},
        {"Origin": "https://attacker.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
    ],
)
def test_what_a_web_page_could_send_is_refused(http: httpx.Client, headers: dict[str, str]) -> None:
    """A foreign Host means a name was rebound to loopback, a foreign Origin that a page sent this."""
    for path in ("/?query=SELECT+1", "/ping"):
        refused = http.get(path, headers=headers)
        assert refused.status_code == 403
        assert "\n" not in refused.text.strip()


def read_into(received: bytearray, response: httpx.Response) -> None:
    for chunk in response.iter_bytes():
        received.extend(chunk)


def test_an_error_halfway_ends_the_text_and_tears_the_response(http: httpx.Client) -> None:
    received = bytearray()
    sql = "SELECT throwIf(number = 3000000, 'far behind') FROM numbers(4000000)"
    with http.stream("POST", "/", content=sql) as response:
        assert response.status_code == 200
        with pytest.raises(httpx.RemoteProtocolError):
            read_into(received, response)
    assert received.startswith(b"0\n0\n")
    assert b"far behind" in received[-2000:]


@pytest.mark.parametrize(
    ("parameters", "status"),
    [
        ({"compress": "1"}, 501),
        ({"default_format": "a b"}, 400),
        ({"bad-name": "1"}, 400),
        ({f"s{number}": "1" for number in range(1001)}, 400),
    ],
)
def test_a_bad_request_is_refused(http: httpx.Client, parameters: dict[str, str], status: int) -> None:
    assert http.post("/", params=parameters, content="SELECT 1").status_code == status


def test_a_statement_that_never_ends_is_refused(http: httpx.Client) -> None:
    refused = http.post("/", content=b"SELECT '" + b"x" * (17 << 20))
    assert (refused.status_code, refused.headers["X-ClickHouse-Exception-Code"]) == (413, "229")


def test_curl_itself(clickhouse_server: Ready) -> None:
    if shutil.which("curl") is None:
        lacking("curl", "apt-get install curl")
    command = ["curl", "-sS", "--fail-with-body", "-u", f"default:{clickhouse_server.password}", clickhouse_server.url]
    asked = subprocess.run([*command, "-d", "SELECT 'it works'"], capture_output=True, text=True, check=True)
    assert asked.stdout == "it works\n"
