"""What people took out or let others see by the API, in the audit log: noted before it leaves, or nothing does.

Who it was is the id and label of their key (`python -m api.keys list`), `local` on a machine that is open to itself.
"""

from typing import Any

from api.context import Context
from api.keys import Key
from sql import audit


def note_or_refuse(context: Context, key: Key, action: str, campaign_id: str, **details: Any) -> None:
    """Raises WarehouseError, so that nothing leaves of which the log can't tell."""
    audit.record(context.warehouse, action, campaign_id, details, actor_of(key))


def actor_of(key: Key) -> str:
    return f"key {key.key_id} {key.label}"
