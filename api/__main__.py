"""`python -m api`: reports and the page, on TIDEMARK_HTTP_PORT."""

import signal
import sys

from api.server import serve_until
from schemas.errors import TidemarkError
from schemas.settings import Settings
from sql.cli import Parser
from sql.migrate import migrate
from sql.telemetry.logs import set_up_logs
from sql.warehouse import Warehouse


def main() -> int:
    try:
        Parser(prog="python -m api", description=__doc__).parse_args()
        # Asked to end, uvicorn does, and then sends the process the same signal again: an end in order has code 0.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        settings = Settings.from_env()
        set_up_logs(settings.log)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        with Warehouse(settings.clickhouse, share=True, create=True) as warehouse:
            migrate(warehouse)
            serve_until(settings, lambda: False)
    except TidemarkError as error:
        print(f"api: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
