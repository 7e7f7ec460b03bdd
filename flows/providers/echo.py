"""Our ids, in the field that a provider echoes: `campaign~key~attempt~sent_at`, as in `autumn~1234~1~1793400000000`."""

import polars as pl

from flows.providers.bounds import beyond_contract, pattern_of
from schemas.columns import STATUS_COLUMNS

_IDS = ("campaign_id", "message_key", "attempt", "sent_at")
_OURS = rf"^({pattern_of('campaign_id')})~([0-9]{{1,19}})~([0-9]{{1,3}})~([0-9]{{1,16}})$"
_NOT_OURS = pl.any_horizontal(pl.col(name).is_null() | beyond_contract(name) for name in _IDS[1:])


def ids_of(echo: pl.Series) -> pl.DataFrame:
    """Columns campaign_id, message_key, attempt and sent_at, all four null where an echo is not ours.

    Other people put their own text into the same field: that is no error.
    """
    parts = echo.str.extract_groups(_OURS).struct.unnest().get_columns()
    ids = pl.DataFrame(
        [part.cast(STATUS_COLUMNS[name], strict=False).alias(name) for name, part in zip(_IDS, parts, strict=True)]
    )
    not_ours = ids.select(_NOT_OURS).to_series()
    return ids.select(pl.when(~not_ours).then(pl.col(name)).alias(name) for name in _IDS) if not_ours.any() else ids
