"""Raw bodies as providers send them, in envelopes as the receiver takes them.

Meta's shape is that of its Cloud API's webhooks (versions 23 and 24); solidus escaped, as Meta does it.
"""

import polars as pl

from loadgen.identity import identified
from loadgen.plan import Plan
from loadgen.wire import event_columns, raw_status, receipt_id

_META_START = (
    '{"object":"whatsapp_business_account","entry":[{"id":"102290129340398","changes":[{"value":'
    '{"messaging_product":"whatsapp","metadata":{"display_phone_number":"15550783881",'
    '"phone_number_id":"106540352242922"},'
)
_META_STATUSES = '"statuses":['
_META_END = ']},"field":"messages"}]}]}'
_META_NEXT_CHANGE = (
    ']},"field":"messages"},{"value":{"messaging_product":"whatsapp","metadata":'
    '{"display_phone_number":"15550783881","phone_number_id":"106540352242922"},' + _META_STATUSES
)
_META_NEXT_ENTRY = ']},"field":"messages"}]},' + _META_START.partition('"entry":[')[2] + _META_STATUSES
_META_PRICING = ',"pricing":{"billable":true,"pricing_model":"PMP","type":"regular","category":"marketing"}'
_META_EXTRA = {
    "sent": ',"conversation":{"id":"72b14d6bd5407799e66f64d1b338e567","expiration_timestamp":"1750116480",'
    '"origin":{"type":"marketing"}}' + _META_PRICING,
    "delivered": _META_PRICING,
}
_META_HREF = r"\/documentation\/business-messaging\/whatsapp\/support\/error-codes"


def envelopes(plan: Plan, postings: pl.DataFrame) -> pl.DataFrame:
    """One line of the topic `webhook` a posting: `arrives_at`, `events` (statuses in it), `line`; in order."""
    if not len(postings):
        return pl.DataFrame(schema={"arrives_at": pl.Int64, "events": pl.Int64, "line": pl.String})
    named = identified(plan, postings).with_columns(receipt_id=receipt_id())
    is_meta = pl.col("provider").is_in([provider.name for provider in plan.mix if provider.body == "meta_whatsapp"])
    bodies = pl.concat([_meta_bodies(named.filter(is_meta)), _canonical_bodies(named.filter(~is_meta))])
    line = pl.struct("receipt_id", "provider", "received_at", "content_type", "body").struct.json_encode()
    lines = bodies.with_columns(content_type=pl.lit("application/json")).with_columns(line=line)
    return lines.sort("arrives_at", "receipt_id", maintain_order=True).select("arrives_at", "events", "line")


def _meta_bodies(named: pl.DataFrame) -> pl.DataFrame:
    """Some of the statuses begin another change, or another entry; contacts come unless the first status failed."""
    is_first = pl.struct("body", "repeat").is_first_distinct()
    scattered = pl.col("id").hash(0) % 32
    start = pl.when(pl.col("status") == "failed").then(pl.lit(_META_START + _META_STATUSES)).otherwise(_meta_head())
    between = (
        pl.when(scattered == 0).then(pl.lit(_META_NEXT_ENTRY))
        .when(scattered < 4).then(pl.lit(_META_NEXT_CHANGE))
        .otherwise(pl.lit(","))
    )  # fmt: skip
    texts = named.with_columns(text=pl.concat_str(pl.when(is_first).then(start).otherwise(between), _meta_status()))
    joined = _joined(texts, "")
    return joined.with_columns(provider=pl.lit("meta_whatsapp"), body=pl.col("body") + _META_END)


def _meta_head() -> pl.Expr:
    return pl.concat_str(
        pl.lit(_META_START + '"contacts":[{"profile":{"name":"Reader"},"wa_id":"'), "digits",
        pl.lit('","user_id":"'), "country", pl.lit("."), "digits", pl.lit('"}],' + _META_STATUSES),
    )  # fmt: skip


def _meta_status() -> pl.Expr:
    return pl.concat_str(
        pl.lit('{"id":"'), "provider_message_id", pl.lit('","status":"'), raw_status(), pl.lit('","timestamp":"'),
        pl.col("event_time") // 1000, pl.lit('",'), _meta_recipient(), _meta_echo(), _meta_extra(), pl.lit("}"),
    )  # fmt: skip


def _meta_recipient() -> pl.Expr:
    """Where Meta hides the number there is only an id of the person."""
    hidden = pl.concat_str(pl.lit('"recipient_user_id":"'), "country", pl.lit("."), "digits", pl.lit('"'))
    shown = pl.concat_str(pl.lit('"recipient_id":"'), "digits", pl.lit('"'))
    return pl.when(pl.col("key") % 29 == 0).then(hidden).otherwise(shown)


def _meta_echo() -> pl.Expr:
    """Our ids in the field that Meta gives back: `campaign~key~attempt~sent_at`."""
    echo = pl.concat_str(
        pl.lit(',"biz_opaque_callback_data":"'), "campaign_id", pl.lit("~"), "key", pl.lit("~"), "attempt",
        pl.lit("~"), "sent_at", pl.lit('"'),
    )  # fmt: skip
    return pl.when("echoes").then(echo).otherwise(pl.lit(""))


def _meta_extra() -> pl.Expr:
    error = pl.concat_str(
        pl.lit(',"errors":[{"code":'), "error_code", pl.lit(',"title":"Message undeliverable","message":'
        '"Message undeliverable","error_data":{"details":"Message undeliverable."},"href":"' + _META_HREF + '"}]'),
    )  # fmt: skip
    extra = pl.col("status").cast(pl.String).replace_strict(_META_EXTRA, default="", return_dtype=pl.String)
    return pl.when(pl.col("error_code").is_not_null()).then(error).otherwise(extra)


def _canonical_bodies(named: pl.DataFrame) -> pl.DataFrame:
    """One event stands alone, half of the time; others in an array or under `events`."""
    columns = [name for name in event_columns() if name not in ("receipt_id", "received_at")]
    texts = named.with_columns(**event_columns()).with_columns(text=pl.struct(columns).struct.json_encode())
    joined = _joined(texts, ",")
    how = pl.col("receipt_id").hash(0) % 4
    array = pl.concat_str(pl.lit("["), "body", pl.lit("]"))
    wrapped = pl.concat_str(pl.lit('{"events":['), "body", pl.lit("]}"))
    alone = (pl.col("events") == 1) & (how < 2)
    body = pl.when(alone).then("body").when(how % 2 == 0).then(array).otherwise(wrapped)
    return joined.with_columns(provider=pl.lit("canonical"), body=body)


def _joined(texts: pl.DataFrame, separator: str) -> pl.DataFrame:
    """The `text`s of each posting as one `body`."""
    return texts.group_by("body", "repeat", maintain_order=True).agg(
        pl.col("arrives_at", "receipt_id", "received_at").first(),
        events=pl.len().cast(pl.Int64),
        text=pl.col("text").str.join(separator),
    ).select("arrives_at", "receipt_id", "received_at", "events", body="text")  # fmt: skip
