"""`flows.route` as it was when its WhatsApp parser took failed for delivered: for tests of what mends that."""

import sys

import msgspec

from flows.providers import PROVIDERS
from flows.route import build, topics
from flows.running import run_flow
from schemas.statuses import Status

right = PROVIDERS["meta_whatsapp"]
PROVIDERS["meta_whatsapp"] = msgspec.structs.replace(right, statuses={**right.statuses, "failed": Status.DELIVERED})
sys.exit(run_flow("route", build, topics))
