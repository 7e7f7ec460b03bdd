"""Somebody who got a message, as the topic `outbound` names them."""

import json

from flows.topics import list_partitions, open_reader
from tests.api.conftest import CAMPAIGN, Served


def some_person(served: Served) -> tuple[int, str, str]:
    """Key, recipient and provider's id of one accepted message."""
    reader = open_reader(served.settings, "outbound", list_partitions(served.settings, "outbound"), None, "test")
    try:
        for record in reader.poll(1 << 24, 0.5):
            for line in record.value.splitlines():
                if found := _person(line):
                    return found
    finally:
        reader.close()
    raise AssertionError("nobody got a message")


def _person(line: bytes) -> tuple[int, str, str] | None:
    try:
        told = json.loads(line)
    except ValueError:
        return None
    if not isinstance(told, dict) or told.get("type") != "accepted" or told.get("campaign_id") != CAMPAIGN:
        return None
    if not (told.get("recipient") and told.get("provider_message_id")):
        return None
    return told["message_key"], told["recipient"], told["provider_message_id"]
