"""What SES posts over SNS: only from topics of ours, with Amazon's certificate, fetched once; only those confirmed."""

import json
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from api.webhooks.sns import Amazon
from tests.providers.signed import CERTIFICATE_URL, TOPIC, certificate, sns_envelope
from tests.webhooks.calling import calling, settings, taken

URL = "https://hooks.example.com/webhooks/ses_sns"
CONFIRM_URL = "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&Token=t"
KEY = rsa.generate_private_key(65537, 2048)
PEM = certificate(KEY)
TEXT = {"content-type": "text/plain; charset=UTF-8"}


class Fetched:
    """Stands in for the network, and remembers what it was asked for."""

    def __init__(self, fails: Callable[[str], bool] = lambda _: False) -> None:
        self.urls: list[str] = []
        self._fails = fails

    def __call__(self, url: str) -> bytes:
        self.urls.append(url)
        if self._fails(url):
            raise OSError("no route to host")
        return PEM.encode()


def body(**changes: str) -> bytes:
    return json.dumps(sns_envelope(KEY, **changes)).encode()


def confirmation(**changes: str) -> bytes:
    return body(**{"Type": "SubscriptionConfirmation", "Token": "t", "SubscribeURL": CONFIRM_URL} | changes)


def test_genuine_notification_is_taken_and_its_certificate_fetched_once(tmp_path: Path) -> None:
    own, fetch = settings(tmp_path, webhook_ses_sns_topics=(TOPIC,)), Fetched()
    with calling(own, amazon=Amazon([TOPIC], fetch)) as caller:
        assert [caller.post(URL, body(), TEXT).status for _ in range(3)] == [200] * 3
    assert fetch.urls == [CERTIFICATE_URL]
    assert len(taken(own)) == 3


@pytest.mark.parametrize(
    "forged",
    [
        body(TopicArn="arn:aws:sns:eu-central-1:999999999999:theirs"),
        body(SigningCertURL="https://evil.example/a.pem"),
        body().replace(b"a@example.org", b"b@example.org"),
        json.dumps({"eventType": "Delivery", "mail": {"messageId": "m"}}).encode(),
        b"{",
        b"\xff",
        b"[" * 100_000,
    ],
    ids=["topic", "certificate", "message", "raw delivery", "torn", "bytes", "deep"],
)
def test_forged_notification_is_refused(forged: bytes, tmp_path: Path) -> None:
    """Amazon signs for everybody: that it signed proves nothing unless the topic is ours."""
    own = settings(tmp_path, webhook_ses_sns_topics=(TOPIC,))
    with calling(own, amazon=Amazon([TOPIC], Fetched())) as caller:
        assert caller.post(URL, forged, TEXT).status == 401
    assert taken(own) == []


def test_nothing_is_fetched_for_topics_that_are_not_ours(tmp_path: Path) -> None:
    """Else anybody could have us ask Amazon."""
    fetch = Fetched()
    with calling(settings(tmp_path, webhook_ses_sns_topics=(TOPIC,)), amazon=Amazon([TOPIC], fetch)) as caller:
        caller.post(URL, body(TopicArn="arn:aws:sns:eu-central-1:999999999999:theirs"), TEXT)
    assert fetch.urls == []


def test_without_topics_nobody_comes_in(tmp_path: Path) -> None:
    with calling(settings(tmp_path)) as caller:
        assert caller.post(URL, body(), TEXT).status == 403


def test_certificate_that_cannot_be_had_means_later(tmp_path: Path) -> None:
    """Amazon posts it again."""
    down = [True]
    fetch = Fetched(lambda _: down[0])
    with calling(settings(tmp_path, webhook_ses_sns_topics=(TOPIC,)), amazon=Amazon([TOPIC], fetch)) as caller:
        heard = caller.post(URL, body(), TEXT)
        assert (heard.status, heard.headers["retry-after"]) == (503, "5")
        down[0] = False
        assert caller.post(URL, body(), TEXT).status == 200


def test_subscription_to_a_topic_of_ours_is_confirmed(tmp_path: Path) -> None:
    fetch = Fetched()
    with calling(settings(tmp_path, webhook_ses_sns_topics=(TOPIC,)), amazon=Amazon([TOPIC], fetch)) as caller:
        assert caller.post(URL, confirmation(), TEXT).status == 200
    assert fetch.urls == [CERTIFICATE_URL, CONFIRM_URL]


@pytest.mark.parametrize(
    "changes",
    [
        {"TopicArn": "arn:aws:sns:eu-central-1:999999999999:theirs"},
        {"SubscribeURL": "https://evil.example/?Action=ConfirmSubscription"},
        {"Type": "UnsubscribeConfirmation"},
    ],
)
def test_other_subscriptions_are_not_confirmed(changes: dict[str, str], tmp_path: Path) -> None:
    """Signed by Amazon, every one of them."""
    fetch = Fetched()
    with calling(settings(tmp_path, webhook_ses_sns_topics=(TOPIC,)), amazon=Amazon([TOPIC], fetch)) as caller:
        caller.post(URL, confirmation(**changes), TEXT)
    assert not [url for url in fetch.urls if "Confirm" in url]


def test_confirmation_that_fails_is_asked_for_again(tmp_path: Path) -> None:
    own, fetch = settings(tmp_path, webhook_ses_sns_topics=(TOPIC,)), Fetched(lambda url: "Confirm" in url)
    with calling(own, amazon=Amazon([TOPIC], fetch)) as caller:
        assert caller.post(URL, confirmation(), TEXT).status == 503
    assert taken(own) == []


def test_certificate_that_is_none_means_later(tmp_path: Path) -> None:
    def garbage(_: str) -> bytes:
        raise HTTPException("truncated")

    with calling(settings(tmp_path, webhook_ses_sns_topics=(TOPIC,)), amazon=Amazon([TOPIC], garbage)) as caller:
        assert caller.post(URL, body(), TEXT).status == 503
    with calling(
        settings(tmp_path, webhook_ses_sns_topics=(TOPIC,)), amazon=Amazon([TOPIC], lambda _: b"<html>")
    ) as caller:
        assert caller.post(URL, body(), TEXT).status == 503
