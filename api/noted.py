"""What people took out or let others see by the API, in the audit log: noted before it leaves, or nothing does.

Who it was is the id of their key (`python -m api.keys list`), `local` on a machine that is open to itself.
"""

from typing import Any

from api.context import Context
from api.keys import Key
from sql import audit


def note(context: Context, key: Key, action: str, campaign_id: str, **details: Any) -> None:
    """Raises WarehouseError."""
    audit.record(context.warehouse, action, campaign_id, details, actor=f"api key {key.key_id}")
