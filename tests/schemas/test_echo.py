"""What the sender writes into a provider's field is what comes back out of it, in whichever alphabet."""

import re

import msgspec
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.providers.echo import ids_of
from schemas.echo import Echo, read_echo, read_tag, write_echo, write_tag

ECHOES = st.builds(
    Echo,
    campaign_id=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True),
    message_key=st.integers(0, 2**63 - 1),
    attempt=st.integers(1, 255),
    sent_at=st.integers(0, 2**53),
)


def text_of(echo: Echo) -> str:
    return write_echo(echo.campaign_id, echo.message_key, echo.attempt, echo.sent_at)


@given(ECHOES)
def test_whatever_is_written_is_read(echo: Echo) -> None:
    assert read_echo(text_of(echo)) == echo


@given(ECHOES)
def test_tag_holds_what_ses_allows_and_gives_it_back(echo: Echo) -> None:
    """https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_MessageTag.html: characters and length."""
    tag = write_tag(text_of(echo))
    assert re.fullmatch("[A-Za-z0-9_-]{1,256}", tag)
    assert read_tag(tag) == text_of(echo)


@given(st.text(alphabet="a0-_.~"))
def test_tags_are_reversible_for_any_text(text: str) -> None:
    assert read_tag(write_tag(text)) == text


@given(st.text() | st.from_regex(r"[a-z.]{1,3}~[0-9]{1,20}~[0-9]{1,3}~[0-9]{1,17}"))
def test_row_and_column_readers_agree(text: str) -> None:
    """`flows.providers.echo` reads a column of them at once."""
    columns = ids_of(pl.Series([text], dtype=pl.String)).row(0)
    echo = read_echo(text)
    assert columns == ((None,) * 4 if echo is None else msgspec.structs.astuple(echo))


@pytest.mark.parametrize("text", ["", "order 7", "c~1~0~1", "c~1~256~1", f"c~{2**63}~1~1", "c~1~1~1\n", "c~٣~1~1"])
def test_text_of_others_is_none_of_ours(text: str) -> None:
    assert read_echo(text) is None
