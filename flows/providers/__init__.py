"""The providers we understand: one file each, with a pure `parse`, a pure `verify` and a table of statuses.

    reader = BodyReader(PROVIDERS["meta_whatsapp"])
    reader.read(requests)
    reader.events()          # of all bodies read, as one frame

What a provider does not say, and what is the same for all (our echoed ids, bounds, the receipt), is in `events`.
"""

from flows.providers.bodies import MAX_BODY_BYTES, Reason
from flows.providers.canonical import CANONICAL
from flows.providers.events import NO_EVENTS, BodyReader, Events
from flows.providers.gupshup import GUPSHUP
from flows.providers.infobip import INFOBIP
from flows.providers.messagebird import MESSAGEBIRD
from flows.providers.meta_whatsapp import META_WHATSAPP
from flows.providers.provider import Provider, Reported, Request
from flows.providers.push import PUSH
from flows.providers.sendgrid import SENDGRID
from flows.providers.ses_sns import SES_SNS
from flows.providers.signing import Hook, Signed, Verdict
from flows.providers.twilio import TWILIO
from flows.providers.vonage import VONAGE

__all__ = [
    "MAX_BODY_BYTES",
    "NO_EVENTS",
    "PROVIDERS",
    "BodyReader",
    "Events",
    "Hook",
    "Provider",
    "Reason",
    "Reported",
    "Request",
    "Signed",
    "Verdict",
]

PROVIDERS = {
    provider.name: provider
    for provider in (
        META_WHATSAPP,
        TWILIO,
        SENDGRID,
        SES_SNS,
        INFOBIP,
        VONAGE,
        GUPSHUP,
        MESSAGEBIRD,
        PUSH,
        CANONICAL,
    )
}
