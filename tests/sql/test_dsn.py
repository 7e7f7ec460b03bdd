"""Every wrong DSN is one clear line, before anything is opened."""

from pathlib import Path

import pytest

from schemas.errors import UsageError
from sql.dsn import Embedded, Server, parse_dsn
from sql.warehouse import Warehouse


@pytest.mark.parametrize(
    "dsn",
    [
        "",
        "clickhouse",
        "data/clickhouse",
        "chdb://",
        "chdb://:memory:",
        "chdb://data/ch?mode=ro",
        "file://data/clickhouse",
        "clickhouse://host/db",
        "http://",
        "http:///tidemark",
        "http://user:secret@host:99999/tidemark",
        "http://user:secret@host:port/tidemark",
        "http://user:secret@[::1/tidemark",
        "http://user:secret@host/bad-name",
        "http://user:secret@host/two/names",
        "http://user:secret@host/db`; DROP",
        "http://user:secret@host/db?unknown=1",
        "http://user:secret@host/db?verify=perhaps",
        "http://user:secret@host/db?connect_timeout=soon",
    ],
)
def test_a_bad_dsn_is_refused_in_one_line_without_its_password(dsn: str) -> None:
    with pytest.raises(UsageError, match="TIDEMARK_CLICKHOUSE") as caught:
        Warehouse(dsn)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_server_dsn_is_taken_apart_and_printed_without_its_password() -> None:
    server = parse_dsn("https://us%40er:p%2Fw@ch.example/db_1?verify=0&connect_timeout=3")
    assert server == Server(
        "https", "ch.example", 8443, "us@er", "p/w", "db_1", {"verify": False, "connect_timeout": 3}
    )
    assert str(server) == "https://ch.example:8443/db_1"
    assert parse_dsn("http://[::1]:81") == Server("http", "::1", 81, "default", "", "tidemark")


def test_one_folder_has_one_spelling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """chDB compares paths by their letters."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path)
    for spelling in ("data/ch", "./data//ch/", f"{tmp_path}/data/ch", "link/data/../data/ch"):
        assert parse_dsn(f"chdb://{spelling}") == Embedded(tmp_path / "data" / "ch")
