"""What verifying SNS needs the network for: Amazon's certificates, and confirming a subscription to a topic of ours."""

import asyncio
import logging
import urllib.error
import urllib.request
from collections import OrderedDict
from collections.abc import Callable, Sequence
from http.client import HTTPException

import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from flows.providers import Signed, Verdict
from flows.providers.ses_sns import CONFIRMATIONS, Notification, certificate_url, is_amazons, key, notifications, verify

log = logging.getLogger(__name__)

Fetch = Callable[[str], bytes]
"""The body behind a URL; raises OSError or HTTPException."""

_WITHIN_S = 5.0
_LIMIT_BYTES = 64 * 1024
_KEYS_KEPT = 32
_FETCHES_AT_ONCE = 4


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A certificate that lies elsewhere would not be Amazon's."""

    def redirect_request(self, *_: object) -> None:
        return None


_opener = urllib.request.build_opener(_NoRedirect)


def fetch(url: str) -> bytes:
    with _opener.open(url, timeout=_WITHIN_S) as answer:
        body: bytes = answer.read(_LIMIT_BYTES)
        return body


class Amazon:
    """Judges what SNS posts, for topics of ours only: anybody can have Amazon sign, over a topic of theirs.

    The certificate's key is kept by its address, for good: Amazon gives each a new name.
    """

    def __init__(self, topics: Sequence[str], fetch: Fetch = fetch) -> None:
        self._topics = frozenset(topics)
        self._fetch = fetch
        self._keys: OrderedDict[str, RSAPublicKey] = OrderedDict()
        self._free = asyncio.Semaphore(_FETCHES_AT_ONCE)

    async def verify(self, signed: Signed) -> Verdict:
        """`UNSIGNED`, to be sent again, where the certificate can't be had."""
        notification = _notification(signed)
        url = certificate_url(notification) if notification else None
        if notification is None or url is None or notification.topic_arn not in self._topics:
            return Verdict.WRONG
        try:
            key = self._keys.get(url) or await self._fetched(url)
        except (OSError, HTTPException, ValueError) as error:
            log.warning("%s: %s", url, error)
            return Verdict.UNSIGNED
        return verify(signed, [key])

    async def _fetched(self, url: str) -> RSAPublicKey:
        async with self._free:
            found = self._keys.get(url) or key((await asyncio.to_thread(self._fetch, url)).decode())
        self._keys[url] = found
        while len(self._keys) > _KEYS_KEPT:
            self._keys.popitem(last=False)
        return found

    async def confirm(self, signed: Signed) -> bool:
        """False where a confirmation could not be given, so that Amazon asks again. Takes a request that was judged."""
        notification = _notification(signed)
        if notification is None or notification.type not in CONFIRMATIONS or not _is_ours(notification, self._topics):
            return True
        try:
            async with self._free:
                await asyncio.to_thread(self._fetch, notification.subscribe_url or "")
        except (OSError, HTTPException, ValueError) as error:
            log.warning("confirming %s: %s", notification.topic_arn, error)
            return False
        log.warning("subscribed to %s", notification.topic_arn)
        return True


def _is_ours(notification: Notification, topics: frozenset[str]) -> bool:
    """Whoever ends a subscription meant to: only a new one is confirmed."""
    is_new = notification.type == "SubscriptionConfirmation"
    return is_new and notification.topic_arn in topics and is_amazons(notification.subscribe_url or "")


def _notification(signed: Signed) -> Notification | None:
    try:
        return notifications.decode(signed.body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
