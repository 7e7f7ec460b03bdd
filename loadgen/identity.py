"""The names that a message goes by: ours, its recipient's and its provider's."""

from zlib import crc32

import numpy as np
import polars as pl

from loadgen.chance import scramble
from loadgen.plan import Plan

_DIALLED = {"NL": "316", "FR": "336", "ES": "346", "PL": "485"}
_NUMBERS = 10**8


def identified(plan: Plan, rows: pl.DataFrame) -> pl.DataFrame:
    """`rows` of statuses or records with `campaign_id`, `channel`, `digits`, `recipient`, `provider_message_id`.

    `digits` is the recipient's number, eleven digits; `recipient` what that becomes in the channel.
    """
    ids = {campaign.number: campaign.id for campaign in plan.campaigns}
    channels = {provider.name: provider.channel for provider in plan.mix}
    named = rows.with_columns(
        campaign_id=pl.col("campaign").replace_strict(ids, return_dtype=pl.String),
        channel=pl.col("provider").cast(pl.String).replace_strict(channels, return_dtype=pl.String),
        digits=_digits(),
        serial=_serials(plan, rows),
    )
    return named.with_columns(recipient=_recipient(), provider_message_id=_message_id(plan)).drop("serial")


def _digits() -> pl.Expr:
    number = (pl.col("key") * 48_271 + pl.col("campaign").cast(pl.Int64) * 7_919 + 12_345) % _NUMBERS
    dialled = pl.col("country").cast(pl.String).replace_strict(_DIALLED, return_dtype=pl.String)
    return dialled + number.cast(pl.String).str.zfill(8)


def _serials(plan: Plan, rows: pl.DataFrame) -> pl.Series:
    """A number of 64 bits for each attempt, unlike any other's, in other plans too, and telling nothing."""
    attempt = (pl.col("key") * 4 + pl.col("attempt")) * 8 + pl.col("campaign").cast(pl.Int64)
    ids = rows.select(attempt.cast(pl.UInt64)).to_series().to_numpy()
    run = np.uint64(crc32(plan.campaign_id.encode())) << np.uint64(32)  # an attempt takes the lower half
    return pl.Series(scramble(np.asarray(ids) | run)).cast(pl.String).str.zfill(20)


def _recipient() -> pl.Expr:
    channel = pl.col("channel")
    mail = pl.when(channel == "email").then(pl.concat_str(pl.lit("r"), "digits", pl.lit("@example.com")))
    return mail.when(channel == "push").then(pl.concat_str(pl.lit("device-"), "digits")).otherwise("digits")


def _message_id(plan: Plan) -> pl.Expr:
    """Meta's ids are base64 over a few length bytes, the recipient's number and a serial number in hexadecimal."""
    meta = [provider.name for provider in plan.mix if provider.body == "meta_whatsapp"]
    packed = pl.concat_str(
        pl.lit("\x1c\x18\x0b"), "digits", pl.lit("\x15\x02\x00\x11\x18\x16" + "3A"), "serial", pl.lit("\x00")
    )
    wamid = pl.lit("wamid.") + packed.str.encode("base64")
    return (
        pl.when(pl.col("provider").is_in(meta)).then(wamid).otherwise(pl.concat_str("provider", pl.lit("-"), "serial"))
    )
