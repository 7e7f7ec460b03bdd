"""Who a campaign is sent to, and who each of them is to the providers."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loadgen.chance import Ids
from loadgen.plan import PILOT_LEAD_MS, Campaign, Plan
from loadgen.scene import Scene
from schemas.outbound import ScreenReason
from schemas.times import SECOND_MS

TEMPLATES = ("sale_2for1", "sale_reminder", "sale_vip")
COUNTRIES = ("NL", "FR", "ES", "PL")
SENDERS = ("sender-a", "sender-b", "sender-c")
REASONS: tuple[ScreenReason, ...] = (
    "suppressed", "capped", "expired", "invalid", "duplicate", "unrenderable", "cancelled",
)  # fmt: skip


def audience(scene: Scene, first: int, last: int) -> pl.DataFrame:
    """The messages `first` up to, not including, `last` that the sender got to, one a row, in the order of sending.

    `key`, `provider`, `template`, `country`, `sender`, `planned_at` (when its turn came, UTC ms), `screened` (why it
    was not sent, else null), `echoes`, `tells_sent_at`, `recorded` (flags as in `Provider` and `Campaign`).
    """
    keys = np.arange(first, min(last, sent_to(scene.campaign)), dtype=np.uint64)
    pick, happens = scene.chance.pick, scene.chance.happens
    provider = _providers(scene, keys)
    return pl.DataFrame(
        {
            "key": keys.astype(np.int64),
            "provider": provider,
            "template": pick("template", keys, TEMPLATES, [5, 3, 1]).cast(pl.Enum(TEMPLATES)),
            "country": pick("country", keys, COUNTRIES, [6, 3, 2, 1]).cast(pl.Enum(COUNTRIES)),
            "sender": pick("sender", keys, SENDERS, [4, 2, 1]).cast(pl.Enum(SENDERS)),
            "planned_at": _planned_at(scene, keys),
            "screened": _screened(scene, keys),
            "echoes": scene.happens("echoes", keys, provider) & scene.campaign.keyed,
            "tells_sent_at": scene.happens("tells_sent_at", keys, provider),
            "recorded": happens("recorded", keys, scene.campaign.recorded),
        }
    ).with_columns(pl.col("recorded") | (~pl.col("echoes") & (scene.campaign.recorded > 0)))


def sent_to(campaign: Campaign) -> int:
    """How many of the audience the sender got to."""
    return max(1, int(campaign.messages * campaign.reached))


def turn_ms(plan: Plan, campaign: Campaign, key: int) -> int:
    """The earliest moment at which the sender may come to `key`, UTC ms."""
    return plan.start_ms + key * plan.sending_ms // campaign.messages


def _providers(scene: Scene, keys: Ids) -> pl.Series:
    names = scene.campaign.providers
    shares = [provider.share for provider in scene.plan.mix if provider.name in names]
    return scene.chance.pick("provider", keys, names, shares).cast(scene.provider_type)


def _planned_at(scene: Scene, keys: Ids) -> NDArray[np.int64]:
    plan, campaign = scene.plan, scene.campaign
    after_turn = scene.chance.uniform("turn", keys) * (plan.sending_ms / campaign.messages)
    key = keys.astype(np.int64)
    turn = plan.start_ms + key * plan.sending_ms // campaign.messages + after_turn.astype(np.int64)
    pilot = plan.start_ms - PILOT_LEAD_MS + key * SECOND_MS
    return np.where(key < campaign.pilot, pilot, turn)


def _screened(scene: Scene, keys: Ids) -> pl.Series:
    reasons = scene.chance.pick("reason", keys, REASONS, [9, 4, 1, 3, 2, 1, 1])
    screened = pl.Series(scene.chance.happens("screened", keys, scene.campaign.screened))
    return reasons.zip_with(screened, pl.Series([None], dtype=pl.String))
