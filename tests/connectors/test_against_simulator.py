"""Connectors over real HTTP, and SMTP: what they send is what the simulator, which knows none of their code, reads."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from flows.connectors import open_connector
from flows.sending.outgoing import Outcome, Reaction, Refused, Taken
from loadgen.sends.simulated import Provider
from tests.connectors.messages import CONNECTIONS, message
from tests.parts.kafka import free_port

SIMULATED = {
    "meta_whatsapp": "130429",
    "gupshup": "130429",
    "twilio": "20429",
    "sendgrid": "429",
    "ses_sns": "TooManyRequestsException",
    "infobip": "TOO_MANY_REQUESTS",
    "vonage": "429",
    "http": "429",
}
"""With the code of a request too many."""


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    provider = Provider("--latency-ms", "0", log=tmp_path_factory.mktemp("provider") / "log")
    yield provider
    provider.close()


def send(provider: str, url: str, seq: int) -> Outcome:
    async def one() -> Outcome:
        connection = CONNECTIONS[provider] | {"url": f"{url}/send" if provider == "http" else url}
        connector = open_connector(provider, connection, 5.0)
        try:
            sender = "106540352242922" if provider == "meta_whatsapp" else "us@c.example"
            return await connector.send(message(seq=seq, sender=sender, subject="S", to="+491701234567"))
        finally:
            await connector.close()

    return asyncio.run(one())


@pytest.mark.parametrize("provider", SIMULATED)
def test_taken_with_our_ids_and_throttled_with_the_providers_own_code(simulator: Provider, provider: str) -> None:
    simulator.conduct(latency_ms=0, number_per_s=0)
    before = len(simulator.ledger())
    outcome = send(provider, simulator.url, before)
    entry = simulator.ledger()[-1]
    assert isinstance(outcome, Taken)
    assert outcome.provider_message_id == entry.message_id
    assert (entry.campaign_id, entry.message_key, entry.attempt) == ("autumn", before, 2)
    simulator.conduct(number_per_s=0.001)
    outcomes = [send(provider, simulator.url, before + place) for place in range(2)]
    throttled = outcomes[-1]
    assert isinstance(throttled, Refused)
    assert (throttled.code, throttled.reaction) == (SIMULATED[provider], Reaction.THROTTLED)


def test_the_same_key_again_is_the_same_message_and_can_be_looked_up(simulator: Provider) -> None:
    simulator.conduct(latency_ms=0, number_per_s=0, failures={})
    first, second = (send("http", simulator.url, 777_777) for _ in range(2))
    assert first == second
    connection = {"url": f"{simulator.url}/send", "lookup_url": f"{simulator.url}/send/{{key}}"}

    async def look_up(seq: int) -> Any:
        connector = open_connector("http", connection, 5.0)
        try:
            return await connector.look_up(message(seq=seq))
        finally:
            await connector.close()

    assert asyncio.run(look_up(777_777)) == first
    assert isinstance(asyncio.run(look_up(777_778)), Refused)


class _Mailbox:
    """Takes mail; refuses one recipient."""

    def __init__(self) -> None:
        self.mails: list[Envelope] = []

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address.startswith("nobody@"):
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - likewise
        self.mails.append(envelope)
        return "250 OK queued"


def test_smtp_over_kept_connections() -> None:
    mailbox = _Mailbox()
    controller = Controller(mailbox, hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        port = controller.server.sockets[0].getsockname()[1]

        async def three() -> list[Outcome]:
            connector = open_connector("smtp", {"host": "127.0.0.1", "port": str(port), "tls": "none"}, 5.0)
            try:
                people = ("ada@b.example", "nobody@b.example", "grace@b.example")
                return [await connector.send(message(to=to, sender="us@c.example", subject="S")) for to in people]
            finally:
                await connector.close()

        first, second, third = asyncio.run(three())
    finally:
        controller.stop()
    assert isinstance(first, Taken)
    assert isinstance(third, Taken)
    assert isinstance(second, Refused)
    assert (second.code, second.reaction) == ("550", Reaction.FALLBACK)
    assert [mail.rcpt_tos for mail in mailbox.mails] == [["ada@b.example"], ["grace@b.example"]]
    assert first.provider_message_id.encode() in (mailbox.mails[0].content or b"")


def test_what_the_simulator_does_not_know_is_not_found(simulator: Provider) -> None:
    outcome = send("http", f"{simulator.url}/nowhere", 1)
    assert isinstance(outcome, Refused)
    assert outcome.reaction is Reaction.STOP
