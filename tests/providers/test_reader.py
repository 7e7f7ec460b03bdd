"""What a provider's small file needs to declare is enough, and its bugs cost only the bodies that show them."""

from urllib.parse import parse_qs, urlsplit

import msgspec
import polars as pl

from flows.providers import NO_EVENTS, BodyReader, Provider, Reason, Reported, Request
from schemas.events import Envelope
from schemas.statuses import Status
from tests.providers.bodies import RECEIVED_AT, frame_of, outcome_of, request


def parse_form(request: Request) -> list[Reported]:
    """A form, as SMS gateways post it; our ids in the callback's URL."""
    form = {name: values[0] for name, values in parse_qs(request.body).items()}
    echo = parse_qs(urlsplit(request.url).query).get("id", [None])[0]
    return [Reported(form["Status"], None, form["Sid"], recipient=form.get("To"), echo=echo)]


FORM = Provider(name="form", statuses={"queued": Status.ACCEPTED}, parse=parse_form)


def test_form_without_time_with_ids_in_the_url() -> None:
    """The plain way to write a provider: one function to `Reported`, one table."""
    reader = BodyReader(FORM)
    reader.read([request("form", "Status=queued&Sid=SM1&To=%2B1", url="/webhooks/form?id=c~7~2~5")])
    [event] = reader.events().frame.to_dicts()
    assert {name: value for name, value in event.items() if value is not None} == {
        "campaign_id": "c",
        "message_key": 7,
        "attempt": 2,
        "sent_at": 5,
        "status": "accepted",
        "raw_status": "queued",
        "event_time": RECEIVED_AT,
        "received_at": RECEIVED_AT,
        "provider": "form",
        "provider_message_id": "SM1",
        "recipient": "+1",
        "receipt_id": "receipt-1",
    }


def test_no_bodies_no_events() -> None:
    assert BodyReader(FORM).events().frame.equals(NO_EVENTS)


def test_bug_in_parse_costs_its_body() -> None:
    """A field that the parser takes for granted is missing in one body."""
    frame, reasons = outcome_of(FORM, "Status=a&Sid=1", "Sid=2", "Status=c&Sid=3")
    assert frame["provider_message_id"].to_list() == ["1", "3"]
    assert reasons == {1: Reason.PARSER_FAILED}


def test_bug_in_columns_costs_its_bodies() -> None:
    """A report of the wrong type is found among many by halving, wherever it lies."""

    wrong = {"none": [], "number": [Reported("s", None, 7)], "huge": [Reported("s", 2**70, "h")]}
    provider = Provider(
        name="p", statuses={}, parse=lambda body: wrong.get(body.body, [Reported("s", None, body.body)])
    )
    bodies = ["number", "a", "none", "b", "c", "huge", "d", "number"]
    frame, reasons = outcome_of(provider, *bodies)
    assert frame["provider_message_id"].to_list() == ["a", "b", "c", "d"]
    assert set(reasons) == {0, 5, 7}


def test_each_event_has_the_receipt_of_its_body() -> None:
    """Bodies with no, one and several reports, some refused, keep their own receipt and receive time."""

    def parse(request: Request) -> list[Reported]:
        return [Reported("s", None, f"{request.receipt_id}/{n}") for n in range(int(request.body or ""))]

    reader = BodyReader(Provider(name="p", statuses={}, parse=parse))
    for number, body in enumerate(["2", "0", "x", "3", "1"]):
        reader.read([Request(receipt_id=f"r{number}", provider="p", received_at=number, body=body)])
    frame, refused = reader.events()
    assert frame["provider_message_id"].to_list() == ["r0/0", "r0/1", "r3/0", "r3/1", "r3/2", "r4/0"]
    assert frame.select(pl.col("provider_message_id").str.starts_with(pl.col("receipt_id")).all()).item()
    assert frame["received_at"].to_list() == [0, 0, 3, 3, 3, 4]
    assert [(refusal.received_at, refusal.receipt_id) for refusal in refused.values()] == [(2, "r2")]


def test_status_looked_up_by_another_name() -> None:
    """Where `columns` gives `status`, the table is asked for it, and the raw status is kept as it is."""
    provider = Provider(
        name="p",
        statuses={"GROUP_OK": Status.DELIVERED},
        parse=lambda request: [request.body],
        columns=lambda bodies: {"raw_status": bodies, "status": ["GROUP_OK" for _ in bodies]},
    )
    frame = frame_of(provider, "HANDSET")
    assert frame.select("raw_status", "status").row(0) == ("HANDSET", "delivered")


def test_request_is_part_of_the_envelope() -> None:
    """Same names, types and defaults: parsing reads what the receiver wrote."""
    envelope = {field.name: field for field in msgspec.structs.fields(Envelope)}
    for field in msgspec.structs.fields(Request):
        assert (field.type, field.default) == (envelope[field.name].type, envelope[field.name].default)
