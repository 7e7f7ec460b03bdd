"""Echoed ids are ours only in our exact shape and within the contract's bounds; all else means no ids."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.providers.echo import ids_of

NO_IDS = {"campaign_id": None, "message_key": None, "attempt": None, "sent_at": None}


def ids(echo: str | None) -> dict[str, object]:
    return ids_of(pl.Series([echo], dtype=pl.String)).row(0, named=True)


@given(
    campaign=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True),
    key=st.integers(0, 2**63 - 1),
    attempt=st.integers(1, 255),
    sent_at=st.integers(0, 2**53),
)
def test_whatever_we_write_we_read(campaign: str, key: int, attempt: int, sent_at: int) -> None:
    assert ids(f"{campaign}~{key}~{attempt}~{sent_at}") == {
        "campaign_id": campaign,
        "message_key": key,
        "attempt": attempt,
        "sent_at": sent_at,
    }


@pytest.mark.parametrize(
    "echo",
    [
        None,
        "",
        "c",
        "~~~",
        "c~1~1",
        "c~1~1~1~",
        "c~1~1~1~1",
        " c~1~1~1",
        "c~1~1~1\n",
        "c\n~1~1~1",
        "-c~1~1~1",
        "é~1~1~1",
        "c" * 65 + "~1~1~1",
        "c~~1~1",
        "c~-1~1~1",
        "c~+1~1~1",
        "c~1.0~1~1",
        "c~٣~1~1",
        f"c~{2**63}~1~1",
        "c~99999999999999999999~1~1",
        "c~1~0~1",
        "c~1~256~1",
        f"c~1~1~{2**53 + 1}",
        "\0",
    ],
    ids=repr,
)
def test_not_ours(echo: str | None) -> None:
    assert ids(echo) == NO_IDS


def test_ours_and_others_side_by_side() -> None:
    """Each row is judged by itself."""
    found = ids_of(pl.Series(["a~1~1~5", "theirs", "b~2~300~5", "c~3~3~5"])).to_dict(as_series=False)
    assert found == {
        "campaign_id": ["a", None, None, "c"],
        "message_key": [1, None, None, 3],
        "attempt": [1, None, None, 3],
        "sent_at": [5, None, None, 5],
    }


@given(st.text())
def test_no_text_is_an_error(echo: str) -> None:
    assert set(ids(echo)) == set(NO_IDS)
