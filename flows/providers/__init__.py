"""The providers we understand: one file each, with a pure `parse` and a table of statuses, listed here.

    reader = BodyReader(PROVIDERS["meta_whatsapp"])
    reader.read(requests)
    reader.events()          # of all bodies read, as one frame

What a provider does not say, and what is the same for all (our echoed ids, bounds, the receipt), is in `events`.
"""

from flows.providers.bodies import MAX_BODY_BYTES, Reason
from flows.providers.canonical import CANONICAL
from flows.providers.events import NO_EVENTS, BodyReader, Events
from flows.providers.meta_whatsapp import META_WHATSAPP
from flows.providers.provider import Provider, Reported, Request

__all__ = [
    "MAX_BODY_BYTES",
    "NO_EVENTS",
    "PROVIDERS",
    "BodyReader",
    "Events",
    "Provider",
    "Reason",
    "Reported",
    "Request",
]

PROVIDERS = {provider.name: provider for provider in (META_WHATSAPP, CANONICAL)}
