"""What each provider's documented answers come to; an answer that no document knows never raises."""

import asyncio
import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.connectors import CONNECTORS, open_connector
from flows.connectors.http import HttpConnector, retry_after_s
from flows.connectors.smtp import refused
from flows.sending.outgoing import Reaction, Refused, Taken, Unknown
from tests.connectors.messages import CONNECTIONS, answer, message

HTTP = [name for name in CONNECTORS if name not in ("dry", "smtp")]


def connector(provider: str) -> HttpConnector:
    made = open_connector(provider, CONNECTIONS[provider], 5.0)
    assert isinstance(made, HttpConnector)
    return made


TAKEN: list[tuple[str, Any, str]] = [
    ("meta_whatsapp", answer(200, {"messages": [{"id": "wamid.1", "message_status": "accepted"}]}), "wamid.1"),
    ("gupshup", answer(200, {"messages": [{"id": "gs-1"}]}), "gs-1"),
    ("twilio", answer(201, {"sid": "SM1", "status": "queued", "error_code": None}), "SM1"),
    ("sendgrid", answer(202, x_message_id="14c5d75ce93"), "14c5d75ce93"),
    ("ses_sns", answer(200, {"MessageId": "0100"}), "0100"),
    ("fcm", answer(200, {"name": "projects/p/messages/0:1"}), "projects/p/messages/0:1"),
    ("apns", answer(200, apns_id="EABEAE54"), "EABEAE54"),
    ("web_push", answer(201, location="https://push.example/m/1"), "https://push.example/m/1"),
    ("infobip", answer(200, {"messages": [{"messageId": "i1", "status": {"groupId": 1}}]}), "i1"),
    ("vonage", answer(202, {"message_uuid": "u-1"}), "u-1"),
    ("http", answer(200, {"id": 17}), "17"),
]


@pytest.mark.parametrize(("provider", "given_answer", "identity"), TAKEN)
def test_taken(provider: str, given_answer: Any, identity: str) -> None:
    assert connector(provider).outcome(given_answer) == Taken(identity)


def _meta(code: int) -> dict[str, Any]:
    return {"error": {"message": f"(#{code}) m", "type": "OAuthException", "code": code, "fbtrace_id": "A"}}


def _fcm(code: str) -> dict[str, Any]:
    kind = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
    return {"error": {"code": 400, "status": "X", "message": "m", "details": [{"@type": kind, "errorCode": code}]}}


def _infobip(name: str) -> dict[str, Any]:
    status = {"groupId": 5, "groupName": "REJECTED", "id": 6, "name": name, "description": "d"}
    return {"messages": [{"messageId": "i1", "status": status}]}


REFUSED: list[tuple[str, Any, str, Reaction]] = [
    ("meta_whatsapp", answer(400, _meta(130429)), "130429", Reaction.THROTTLED),
    ("meta_whatsapp", answer(400, _meta(131026)), "131026", Reaction.FALLBACK),
    ("meta_whatsapp", answer(400, _meta(131050)), "131050", Reaction.SUPPRESS),
    ("meta_whatsapp", answer(400, _meta(132015)), "132015", Reaction.STOP),
    ("meta_whatsapp", answer(401, _meta(190)), "190", Reaction.PAGE),
    ("meta_whatsapp", answer(403, _meta(210)), "210", Reaction.PAGE),
    ("meta_whatsapp", answer(500, _meta(131000)), "131000", Reaction.RETRY),
    ("meta_whatsapp", answer(429), "429", Reaction.THROTTLED),
    ("twilio", answer(400, {"code": 21610, "message": "m", "status": 400}), "21610", Reaction.SUPPRESS),
    ("twilio", answer(400, {"code": 21211, "message": "m"}), "21211", Reaction.FALLBACK),
    ("twilio", answer(429, {"code": 20429, "message": "m"}), "20429", Reaction.THROTTLED),
    ("twilio", answer(401, {"code": 20003, "message": "m"}), "20003", Reaction.PAGE),
    ("sendgrid", answer(400, {"errors": [{"message": "bad", "field": "from", "help": None}]}), "400", Reaction.FAIL),
    ("sendgrid", answer(401, {"errors": []}), "401", Reaction.PAGE),
    ("sendgrid", answer(429, {"errors": []}), "429", Reaction.THROTTLED),
    (
        "ses_sns",
        answer(429, {"message": "m"}, x_amzn_errortype="TooManyRequestsException"),
        "TooManyRequestsException",
        Reaction.THROTTLED,
    ),
    ("ses_sns", answer(400, {"__type": "com.amazonaws#MessageRejected"}), "MessageRejected", Reaction.FAIL),
    (
        "ses_sns",
        answer(403, x_amzn_errortype="SendingPausedException:http://x"),
        "SendingPausedException",
        Reaction.PAGE,
    ),
    ("fcm", answer(404, _fcm("UNREGISTERED")), "UNREGISTERED", Reaction.SUPPRESS),
    ("fcm", answer(429, _fcm("QUOTA_EXCEEDED")), "QUOTA_EXCEEDED", Reaction.THROTTLED),
    ("fcm", answer(401, {"error": {"status": "UNAUTHENTICATED"}}), "UNAUTHENTICATED", Reaction.PAGE),
    ("apns", answer(410, {"reason": "Unregistered", "timestamp": 1}), "Unregistered", Reaction.SUPPRESS),
    ("apns", answer(429, {"reason": "TooManyRequests"}), "TooManyRequests", Reaction.THROTTLED),
    ("apns", answer(403, {"reason": "ExpiredProviderToken"}), "ExpiredProviderToken", Reaction.RETRY),
    ("web_push", answer(410), "410", Reaction.SUPPRESS),
    ("web_push", answer(429, retry_after="30"), "429", Reaction.THROTTLED),
    ("infobip", answer(200, _infobip("REJECTED_NOT_ENOUGH_CREDITS")), "REJECTED_NOT_ENOUGH_CREDITS", Reaction.PAGE),
    ("infobip", answer(200, _infobip("REJECTED_DESTINATION")), "REJECTED_DESTINATION", Reaction.FALLBACK),
    (
        "infobip",
        answer(401, {"requestError": {"serviceException": {"messageId": "UNAUTHORIZED", "text": "t"}}}),
        "UNAUTHORIZED",
        Reaction.PAGE,
    ),
    ("vonage", answer(422, {"title": "Invalid params", "detail": "to"}), "422", Reaction.FALLBACK),
    ("vonage", answer(402, {"title": "Low balance"}), "402", Reaction.PAGE),
    ("http", answer(400, {"error": {"code": "no_such_user"}}), "no_such_user", Reaction.FAIL),
    ("http", answer(503, {"code": "busy"}, retry_after="7"), "busy", Reaction.RETRY),
]


@pytest.mark.parametrize(("provider", "given_answer", "code", "reaction"), REFUSED)
def test_refused(provider: str, given_answer: Any, code: str, reaction: Reaction) -> None:
    outcome = connector(provider).outcome(given_answer)
    assert isinstance(outcome, Refused)
    assert (outcome.code, outcome.reaction) == (code, reaction)


@pytest.mark.parametrize("provider", HTTP)
@pytest.mark.parametrize("status", [500, 502, 504])
def test_a_gateways_error_leaves_it_open_whether_the_message_was_taken(provider: str, status: int) -> None:
    assert isinstance(connector(provider).outcome(answer(status, b"<html>Bad Gateway</html>")), Unknown)


@pytest.mark.parametrize("provider", HTTP)
def test_a_yes_without_an_id_is_a_doubt(provider: str) -> None:
    status = next(given.status for name, given, _ in TAKEN if name == provider)
    assert isinstance(connector(provider).outcome(answer(status, {})), Unknown)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "code", "messages", "id", "status", "details", "requestError", "message", "sid"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@given(provider=st.sampled_from(HTTP), status=st.integers(100, 599), body=json_values | st.binary(max_size=40))
def test_no_answer_makes_a_connector_raise(provider: str, status: int, body: Any) -> None:
    outcome = _connectors[provider].outcome(answer(status, body, x_amzn_errortype="?", retry_after="soon"))
    assert isinstance(outcome, Taken | Refused | Unknown)


_connectors = {name: connector(name) for name in HTTP}


def test_retry_after_in_seconds_is_believed_and_bounded() -> None:
    assert retry_after_s("30") == 30.0
    assert retry_after_s("999999") == 3600.0
    assert retry_after_s("Fri, 31 Dec 1999 23:59:59 GMT") == 0.0


def test_smtp_replies() -> None:
    assert refused(550, "no such user").reaction is Reaction.FALLBACK
    assert refused(421, "too many").reaction is Reaction.THROTTLED
    assert refused(459, "?").reaction is Reaction.RETRY
    assert refused(599, "?").reaction is Reaction.FAIL


def test_a_port_where_nobody_listens_was_not_sent_to() -> None:
    """Refused, not unknown: the request never left."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/send"
        made = open_connector("http", {"url": url}, 2.0)
        outcome = asyncio.run(made.send(message()))
    assert isinstance(outcome, Refused)
    assert (outcome.code, outcome.ails) == ("not_connected", True)


def test_a_connection_that_is_cut_after_the_request_is_a_doubt() -> None:
    async def cut() -> object:
        async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(100)
            writer.transport.abort()

        server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/send"
        made = open_connector("http", {"url": url}, 2.0)
        try:
            return await made.send(message())
        finally:
            await made.close()
            server.close()

    assert isinstance(asyncio.run(cut()), Unknown)
