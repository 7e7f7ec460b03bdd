"""The client for HTTP/1.1 against a server that behaves, and against ones that don't."""

import asyncio
import contextlib
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flows.connectors.calls import Answer, Call, NoAnswerError, NotSentError
from flows.connectors.http1 import Http1Client

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Id: 7\r\n\r\nhi"


@contextlib.asynccontextmanager
async def served(serve: Serve, context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """The address of a server that handles each connection so."""

    serving: set[asyncio.Task[None]] = set()

    async def each(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        serving.add(task)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await serve(reader, writer)
        with contextlib.suppress(ConnectionError):
            writer.close()
            await writer.wait_closed()

    server = await asyncio.start_server(each, "127.0.0.1", 0, ssl=context)
    try:
        yield f"{'https' if context else 'http'}://localhost:{server.sockets[0].getsockname()[1]}/send"
    finally:
        server.close()
        await asyncio.gather(*serving)


async def asked(reader: asyncio.StreamReader) -> bytes:
    """One request, its body included."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next((int(line[16:]) for line in head.split(b"\r\n") if line.startswith(b"content-length: ")), 0)
    return head + await reader.readexactly(length)


def saying(*pieces: bytes, requests: int = 1) -> Serve:
    """Answers each request of a connection so, and hangs up after the last."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(requests):
            await asked(reader)
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)

    return serve


async def answer_of(serve: Serve, timeout_s: float = 5.0) -> Answer:
    client = Http1Client(timeout_s, 5.0)
    async with served(serve) as url:
        try:
            return await client.exchange(Call(url, b"{}"))
        finally:
            await client.close()


def test_the_request_is_as_rfc_9112_has_it() -> None:
    seen = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await asked(reader))
        writer.write(OK)

    async def one() -> str:
        client = Http1Client(5.0, 5.0)
        async with served(serve) as url:
            address = url.replace("//", "//me:p%40ss@") + "?a=b"
            await client.exchange(Call(address, b"{}", (("idempotency-key", "k-1"),)))
            await client.close()
            return url.split("/")[2]

    host = asyncio.run(one())
    head = (
        f"POST /send?a=b HTTP/1.1\r\nhost: {host}\r\nuser-agent: tidemark/0.1\r\naccept: */*\r\n"
        "authorization: Basic bWU6cEBzcw==\r\nidempotency-key: k-1\r\ncontent-length: 2\r\n\r\n{}"
    )
    assert seen == [head.encode()]


ANSWERS = {
    "with a length": (OK, Answer(200, {"content-length": "2", "x-id": "7"}, b"hi")),
    "in chunks": (
        b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n1\r\ni\r\n0\r\n\r\n",
        Answer(201, {"transfer-encoding": "chunked"}, b"hi"),
    ),
    "after an interim one": (
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n",
        Answer(202, {"content-length": "0"}, b""),
    ),
    "ended by the connection": (b"HTTP/1.1 200 OK\r\nX-Id: 7\r\n\r\nhi", Answer(200, {"x-id": "7"}, b"hi")),
    "without a body": (b"HTTP/1.1 204 No Content\r\n\r\n", Answer(204, {}, b"")),
}


@example(cuts=[1, 2, 3])
@given(cuts=st.lists(st.integers(1, 80), max_size=6))
def test_an_answer_is_the_same_however_it_is_cut(cuts: list[int]) -> None:
    async def every() -> None:
        for told, due in ANSWERS.values():
            places = sorted({0, len(told), *(cut for cut in cuts if cut < len(told))})
            pieces = [told[start:end] for start, end in pairwise(places)]
            assert await answer_of(saying(*pieces)) == due

    asyncio.run(every())


NO_ANSWERS = {
    "hangs up at once": (b"", "the connection was lost"),
    "hangs up amid the head": (b"HTTP/1.1 200 OK\r\nContent-", "the connection was lost"),
    "hangs up amid the body": (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi", "the connection was lost"),
    "hangs up amid a chunk": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nh",
        "the connection was lost",
    ),
    "speaks no HTTP": (b"SSH-2.0-OpenSSH_9.2\r\n", "no HTTP"),
    "says too much": (b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n" + bytes(2 << 20), "too long"),
    "has endless headers": (b"HTTP/1.1 200 OK\r\n" + b"X-Id: 7\r\n" * 200_000, "too long"),
}


@pytest.mark.parametrize("case", NO_ANSWERS)
def test_what_is_no_answer_leaves_the_message_in_doubt(case: str) -> None:
    told, why = NO_ANSWERS[case]
    with pytest.raises(NoAnswerError, match=why):
        asyncio.run(answer_of(saying(told)))


def test_an_answer_that_does_not_come_is_not_waited_for_forever() -> None:
    async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    with pytest.raises(NoAnswerError, match=r"no answer within 0\.1 s"):
        asyncio.run(answer_of(silent, timeout_s=0.1))


def test_connections_are_kept_and_one_that_was_closed_meanwhile_is_not_used() -> None:
    connections = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        await saying(OK, requests=3)(reader, writer)

    async def work() -> list[int]:
        client, opened = Http1Client(5.0, 5.0), []
        async with served(serve) as url:
            for _ in range(4):
                assert (await client.exchange(Call(url, b"{}"))).body == b"hi"
                opened.append(len(connections))
                await asyncio.sleep(0.05)  # for the end of the third to arrive
            await client.close()
        return opened

    assert asyncio.run(work()) == [1, 1, 1, 2]


@pytest.mark.parametrize("more", [OK, OK[:20], OK[:-1]])
def test_an_answer_too_many_is_nobodys(more: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            body = (await asked(reader)).rpartition(b"\r\n\r\n")[2]
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n%b" % body + more)

    async def work() -> list[bytes]:
        client = Http1Client(5.0, 5.0)
        async with served(serve) as url:
            answers = [await client.exchange(Call(url, body)) for body in (b"1", b"2", b"3")]
            await client.close()
            return [answer.body for answer in answers]

    assert asyncio.run(work()) == [b"1", b"2", b"3"]


def test_many_at_once_get_each_their_own_answer() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            body = (await asked(reader)).rpartition(b"\r\n\r\n")[2]
            await asyncio.sleep(int(body) % 7 / 1000)
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))

    async def work() -> list[bytes]:
        client = Http1Client(5.0, 5.0)
        async with served(echo) as url:
            asking = (client.exchange(Call(url, b"%d" % number)) for number in range(200))
            answers = await asyncio.gather(*asking)
            await client.close()
            return [answer.body for answer in answers]

    assert asyncio.run(work()) == [b"%d" % number for number in range(200)]


@pytest.mark.parametrize(
    "call",
    [
        Call("http://localhost/a b"),
        Call("http://localhost/a\r\nx: y"),
        Call("ftp://localhost/"),
        Call("http:///send"),
        Call("http://localhost:99999/"),
        Call("http://localhost/", headers=(("a", "b\r\nhost: c"),)),
        Call("http://localhost/", headers=(("a", "é"),)),
    ],
)
def test_what_is_no_request_is_never_sent(call: Call) -> None:
    with pytest.raises(ValueError, match=r".+"):
        asyncio.run(Http1Client(1.0, 1.0).exchange(call))


def test_a_name_that_nobody_has_is_not_connected() -> None:
    with pytest.raises(NotSentError):
        asyncio.run(Http1Client(5.0, 5.0).exchange(Call("http://nobody.invalid/send")))


def test_over_tls_only_with_a_certificate_that_is_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", tmp_path / "key", "-out", tmp_path / "certificate"],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate", tmp_path / "key")

    async def one() -> Answer:
        client = Http1Client(5.0, 5.0)
        async with served(saying(OK), context) as url:
            try:
                return await client.exchange(Call(url, b"{}"))
            finally:
                await client.close()

    with pytest.raises(NotSentError, match="CERTIFICATE_VERIFY_FAILED"):
        asyncio.run(one())
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate"))
    assert asyncio.run(one()).body == b"hi"
