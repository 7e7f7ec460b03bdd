"""Our ids in the field that a provider gives back with every status of a message.

    campaign~key~attempt~sent_at        autumn~1234~1~1793400000000

The key is `seq` for our own sender, `sent_at` UTC milliseconds. Where it travels, and what fits there:

| Provider | Field of the send request | Comes back as | Room |
|---|---|---|---|
| meta_whatsapp | `biz_opaque_callback_data` | the same, in each status | 512 characters |
| gupshup, v3 only | `biz_opaque_callback_data` | the same, in each status | 512 characters |
| twilio | `StatusCallback` with `?tidemark=` | the callback's URL | a URL |
| sendgrid | custom argument `tidemark` | a field of each event | 10,000 bytes for all |
| ses_sns | message tag `tidemark`, as `write_tag` writes it | `mail.tags` | 256 characters of `A-Z a-z 0-9 _ -` |
| infobip | `callbackData` | the same, in each result | 4,000 characters |
| vonage, SMS | `callback` with `?tidemark=`, or `client-ref` | the URL, or the same field | a URL; 100 characters |
| vonage, Messages | `webhook_url` with `?tidemark=`, or `client_ref` | the same | a URL; 100 characters |
| messagebird | `reference`, or `reportUrl` with `?tidemark=` | the same | 255 characters; a URL |
| push, FCM | `fcm_options.analytics_label` | the export's column | 50 characters |
| push, replies | the sender writes it beside the reply | `request.echo` | |
| canonical | | fields of their own | |

What finds no room travels without: the status is then matched by the provider's message id. Gupshup's v2 and SMS events
give back nothing of ours, and are always matched so.
"""

import re

import msgspec
from msgspec import Struct

from schemas.events import Attempt, CampaignId, MessageKey, Milliseconds

ECHO_NAME = "tidemark"
"""What the field is called where its name is ours to choose."""

_TEXT = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]{0,63})~([0-9]{1,19})~([0-9]{1,3})~([0-9]{1,16})")
_ESCAPES = {"_": "__", ".": "_d", "~": "_t"}
_CHARACTERS = {escape: character for character, escape in _ESCAPES.items()}
_ESCAPED = re.compile("_[_dt]")


class Echo(Struct, frozen=True, gc=False):
    """Which message, which attempt at it, and when that was sent."""

    campaign_id: CampaignId
    message_key: MessageKey
    attempt: Attempt
    sent_at: Milliseconds


def write_echo(campaign_id: str, message_key: int, attempt: int, sent_at: int) -> str:
    """The text for the provider; the values are within the bounds of `Echo`."""
    return f"{campaign_id}~{message_key}~{attempt}~{sent_at}"


def read_echo(text: str) -> Echo | None:
    """None for a text that is not ours: others put their own into the same field."""
    match = _TEXT.fullmatch(text)
    if not match:
        return None
    campaign, *numbers = match.groups()
    try:
        return msgspec.convert(dict(zip(Echo.__struct_fields__, (campaign, *map(int, numbers)), strict=True)), Echo)
    except msgspec.ValidationError:
        return None


def write_tag(echo: str) -> str:
    """`echo` in letters, digits and underscores: `autumn_t1234_t1_t1793400000000`."""
    return "".join(_ESCAPES.get(character, character) for character in echo)


def read_tag(tag: str) -> str:
    """The text that `write_tag` was given; any other tag comes out as some text that is no echo, or as it was."""
    return _ESCAPED.sub(lambda match: _CHARACTERS[match[0]], tag)
