"""Amazon SES over SNS: an envelope with one SES event, as text within JSON, for one or several recipients.

Formats: https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html,
https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html,
https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
(MessageId, recipient) names an event. What needs the network, certificates and confirmation, is the receiver's part.
"""

import base64
import re
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm
from cryptography.x509 import load_pem_x509_certificate
from msgspec import Struct

from flows.providers.bodies import Reason, body_text, decode_json
from flows.providers.fields import iso_ms
from flows.providers.provider import Provider, Reported, Request, Resolved, reported_columns
from flows.providers.signing import JSON, TEXT, Hook, Signed, Verdict, verdict
from schemas.echo import ECHO_NAME, read_tag
from schemas.errors import BadRecord
from schemas.statuses import Status

NOTIFICATION = "Notification"
CONFIRMATIONS = frozenset({"SubscriptionConfirmation", "UnsubscribeConfirmation"})
_HOST = re.compile(r"sns\.[a-z0-9-]{3,}\.amazonaws\.com(?:\.cn)?")


class Notification(Struct, gc=False, rename="pascal"):
    """The SNS envelope."""

    type: str
    message_id: str = ""
    topic_arn: str = ""
    message: str = ""
    timestamp: str = ""
    signature_version: str = "1"
    signature: str = ""
    subject: str | None = None
    token: str | None = None
    signing_cert_url: str = msgspec.field(default="", name="SigningCertURL")
    subscribe_url: str | None = msgspec.field(default=None, name="SubscribeURL")


class _Recipient(Struct, gc=False, rename="camel"):
    email_address: str | None = None
    status: str | None = None


class _Preferences(Struct, gc=False, rename="camel"):
    unsubscribe_all: bool = False


class _Detail(Struct, gc=False, rename="camel"):
    """The object that an event's own type names; each type has some of these."""

    timestamp: str | None = None
    recipients: list[str] | None = None
    bounced_recipients: list[_Recipient] | None = None
    complained_recipients: list[_Recipient] | None = None
    delayed_recipients: list[_Recipient] | None = None
    bounce_type: str = "Undetermined"
    bounce_sub_type: str = "Undetermined"
    complaint_feedback_type: str | None = None
    delay_type: str | None = None
    reason: str | None = None
    new_topic_preferences: _Preferences | None = None

    def people(self) -> list[_Recipient] | None:
        if self.recipients is not None:
            return [_Recipient(address) for address in self.recipients]
        for people in (self.bounced_recipients, self.complained_recipients, self.delayed_recipients):
            if people is not None:
                return people
        return None


class _Mail(Struct, gc=False, rename="camel"):
    message_id: str
    timestamp: str | None = None
    destination: list[str] = []
    tags: dict[str, list[str]] | None = None


class _Event(Struct, gc=False, rename="camel"):
    mail: _Mail | None = None
    event_type: str | None = None
    notification_type: str | None = None
    delivery: _Detail | None = None
    bounce: _Detail | None = None
    complaint: _Detail | None = None
    reject: _Detail | None = None
    failure: _Detail | None = None
    open: _Detail | None = None
    click: _Detail | None = None
    send: _Detail | None = None
    delivery_delay: _Detail | None = None
    subscription: _Detail | None = None


_OBJECTS = {
    "Send": "send",
    "Delivery": "delivery",
    "Bounce": "bounce",
    "Complaint": "complaint",
    "Reject": "reject",
    "Rendering Failure": "failure",
    "Open": "open",
    "Click": "click",
    "DeliveryDelay": "delivery_delay",
    "Subscription": "subscription",
}
# One message went to all of them; that somebody opened it doesn't say who.
_OF_SOMEBODY = frozenset({"Open", "Click", "Subscription"})
_DIGESTS: dict[str, HashAlgorithm] = {"1": SHA1(), "2": SHA256()}
notifications = msgspec.json.Decoder(Notification)
_events = msgspec.json.Decoder(_Event)


def parse(request: Request) -> list[Reported]:
    """One status a recipient; confirmations, and the text that SES tries a topic with, give none. Raises BadRecord."""
    notification = decode_json(notifications, body_text(request))
    if notification.type in CONFIRMATIONS or not notification.message.lstrip().startswith("{"):
        return []
    event = decode_json(_events, notification.message)
    kind = event.event_type or event.notification_type
    if not kind or (event.mail is None and kind not in _OBJECTS):
        return []
    if event.mail is None:
        raise BadRecord(Reason.WRONG_SHAPE, "mail is missing in Message")
    detail = getattr(event, _OBJECTS.get(kind, ""), None) or _Detail()
    return list(_reported(kind, detail, event.mail, notification.message_id or None))


def _reported(kind: str, detail: _Detail, mail: _Mail, event_id: str | None) -> Iterator[Resolved]:
    for person in _people(kind, detail, mail):
        yield Resolved(
            raw_status=_raw_status(kind, detail),
            status="unsubscribed" if _has_left(detail) else kind,
            event_time=iso_ms(detail.timestamp, "timestamp") or iso_ms(mail.timestamp, "mail.timestamp"),
            provider_message_id=mail.message_id,
            recipient=person.email_address,
            error_code=_error_code(kind, detail, person),
            provider_event_id=event_id,
            echo=_echo(mail),
        )


def _people(kind: str, detail: _Detail, mail: _Mail) -> list[_Recipient]:
    people = detail.people()
    if people is None:
        nobody_knows = kind in _OF_SOMEBODY and len(mail.destination) > 1
        people = [] if nobody_knows else [_Recipient(address) for address in mail.destination]
    return people or [_Recipient()]


def _raw_status(kind: str, detail: _Detail) -> str:
    return f"Bounce:{detail.bounce_type}/{detail.bounce_sub_type}" if kind == "Bounce" else kind


def _has_left(detail: _Detail) -> bool:
    """All topics; who leaves one of them stays subscribed."""
    return detail.new_topic_preferences is not None and detail.new_topic_preferences.unsubscribe_all


def _error_code(kind: str, detail: _Detail, person: _Recipient) -> str | None:
    if kind == "Bounce":
        return person.status or f"{detail.bounce_type}/{detail.bounce_sub_type}"
    if kind == "DeliveryDelay":
        return person.status or detail.delay_type
    return detail.complaint_feedback_type if kind == "Complaint" else detail.reason


def _echo(mail: _Mail) -> str | None:
    tags = (mail.tags or {}).get(ECHO_NAME)
    return read_tag(tags[0]) if tags else None


def key(certificate: str) -> RSAPublicKey:
    """The key in Amazon's certificate, PEM; raises ValueError."""
    loaded = load_pem_x509_certificate(certificate.encode()).public_key()
    if not isinstance(loaded, RSAPublicKey):
        raise ValueError("no RSA key in the certificate")
    return loaded


def certificate_url(notification: Notification) -> str | None:
    """Where the certificate lies, if that is Amazon's: else anybody could sign. None where it is not.

    https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
    """
    return notification.signing_cert_url if is_amazons(notification.signing_cert_url, ".pem") else None


def is_amazons(url: str, suffix: str = "") -> bool:
    """Whether `url` leads, by https and on its usual port, to a host of SNS, with a path that ends in `suffix`."""
    try:
        parts = urlsplit(url)
        return parts.scheme == "https" and bool(_HOST.fullmatch(parts.netloc)) and parts.path.endswith(suffix)
    except ValueError:
        return False


def verify(signed: Signed, keys: Sequence[RSAPublicKey]) -> Verdict:
    """RSA over the envelope's fields, with SHA-1 (`SignatureVersion` 1) or SHA-256 (2).

    Raw message delivery has neither envelope nor signature, and is refused.
    """
    try:
        notification = notifications.decode(signed.body)
        if not certificate_url(notification):
            return Verdict.WRONG
        signature = base64.b64decode(notification.signature, validate=True)
        said = canonical(notification)
    except (ValueError, RecursionError, msgspec.MsgspecError):
        return Verdict.WRONG
    digest = _DIGESTS.get(notification.signature_version)
    return verdict(digest is not None and any(_signed_by(key, signature, said, digest) for key in keys))


def canonical(notification: Notification) -> bytes:
    """Each field's name and value on lines of their own, in byte order, as SNS signs them."""
    common = {"Message": notification.message, "MessageId": notification.message_id}
    common |= {"Timestamp": notification.timestamp, "TopicArn": notification.topic_arn, "Type": notification.type}
    if notification.type == NOTIFICATION:
        common |= {} if notification.subject is None else {"Subject": notification.subject}
    else:
        common |= {"SubscribeURL": notification.subscribe_url or "", "Token": notification.token or ""}
    return "".join(f"{name}\n{common[name]}\n" for name in sorted(common)).encode()


def _signed_by(key: RSAPublicKey, signature: bytes, said: bytes, digest: HashAlgorithm) -> bool:
    try:
        key.verify(signature, said, PKCS1v15(), digest)
    except InvalidSignature:
        return False
    return True


SES_SNS = Provider(
    name="ses_sns",
    statuses={
        "Send": Status.ACCEPTED,
        "Delivery": Status.DELIVERED,
        "DeliveryDelay": Status.DEFERRED,
        "Open": Status.READ,
        "Click": Status.CLICKED,
        "Bounce": Status.FAILED,
        "Reject": Status.FAILED,
        "Rendering Failure": Status.FAILED,
        "Complaint": Status.COMPLAINED,
        "unsubscribed": Status.UNSUBSCRIBED,
    },
    parse=parse,
    columns=reported_columns,
    hook=Hook(verify=verify, key=key, headers=("x-amz-sns-message-type",), content_types=(TEXT, JSON)),
)
