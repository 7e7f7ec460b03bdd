"""Personal data under keyed hashes."""

import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from flows.identity import HashKey, hash_keys
from schemas.errors import UsageError
from schemas.settings import Settings

SECRET = bytes(range(16))
DIGITS = SECRET.hex()


def settings_of(text: str, recovery: Path = Path("recovery")) -> Settings:
    return Settings(hash_key=text, recovery=str(recovery))


def test_hashes_are_blake2b_of_128_bits_under_the_key() -> None:
    """The vectors are of `openssl mac -macopt hexkey:0001…0f -macopt size:16 BLAKE2BMAC`."""
    hashed = HashKey(1, SECRET).hashes(pl.Series("n", ["+4915112345678", "é", "", None]))
    assert hashed.name == "n"
    assert [digest.hex() for digest in hashed] == [
        "043c4d646be24007ce4be700de0abd5a",
        "0fcbdba75ec5c87228b3db1c018976d5",
        "",
        "",
    ]


def test_keys_are_taken_in_their_order() -> None:
    keys = hash_keys(settings_of(f"3:{'ab' * 16}, 2:{DIGITS}"))
    assert keys == [HashKey(3, b"\xab" * 16), HashKey(2, SECRET)]
    assert keys[0].hashes(pl.Series(["x"]))[0] != keys[1].hashes(pl.Series(["x"]))[0]


@pytest.mark.parametrize(
    "text",
    [
        "secret",
        DIGITS,
        f"1:{DIGITS}00",
        f"1:{DIGITS[2:]}",
        f"1:{'g' * 32}",
        f"0:{DIGITS}",
        f"256:{DIGITS}",
        f"-1:{DIGITS}",
        f"one:{DIGITS}",
        f"1:{DIGITS},",
        f"1:{DIGITS},1:{'ab' * 16}",
    ],
)
def test_a_wrong_key_is_a_usage_error_that_does_not_tell_it(text: str) -> None:
    with pytest.raises(UsageError, match="TIDEMARK_HASH_KEY: ") as caught:
        hash_keys(settings_of(text))
    assert DIGITS not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    (first,) = hash_keys(settings_of("", tmp_path / "data" / "recovery"))
    (again,) = hash_keys(settings_of("", tmp_path / "data" / "recovery"))
    assert first == again
    assert first.version == 1
    (made,) = (tmp_path / "data").iterdir()
    assert made.stat().st_mode & 0o777 == 0o600


def test_processes_that_start_at_once_agree_on_one_key(tmp_path: Path) -> None:
    program = "\n".join(
        [
            "import sys; from flows.identity import hash_keys; from schemas.settings import Settings",
            "print('ready', flush=True); sys.stdin.readline()",
            "print(hash_keys(Settings(recovery=sys.argv[1]))[0].secret.hex())",
        ]
    )
    command = [sys.executable, "-c", program, str(tmp_path / "recovery")]
    environment = {name: text for name, text in os.environ.items() if not name.startswith("TIDEMARK_")}
    pipe = subprocess.PIPE
    started = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment) for _ in range(4)]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    found = {process.communicate(timeout=60)[0] for process in started}
    (secret,) = found
    assert len(bytes.fromhex(secret.strip())) == 16
    assert [path.name for path in tmp_path.iterdir()] == ["hash_key"]


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\xff\xfe", b"1:00"])
def test_a_spoiled_key_file_is_a_usage_error_that_names_it(tmp_path: Path, content: bytes) -> None:
    """Not made anew: what was hashed under it would never be found again."""
    (tmp_path / "hash_key").write_bytes(content)
    with pytest.raises(UsageError, match=str(tmp_path / "hash_key")):
        hash_keys(settings_of("", tmp_path / "recovery"))
    assert (tmp_path / "hash_key").read_bytes() == content


def test_a_folder_that_cannot_be_made_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(UsageError, match="hash_key: "):
        hash_keys(settings_of("", tmp_path / "data" / "recovery"))
