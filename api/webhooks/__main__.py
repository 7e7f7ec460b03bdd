"""The webhook receiver alone, in several processes on one port: `python -m api.webhooks --workers 4`."""

import sys

from api.webhooks.processes import receive
from schemas.settings import Settings
from sql.cli import Parser, run


def main() -> int:
    parser = Parser(prog="python -m api.webhooks", description=__doc__)
    parser.add_argument("--workers", type=int, default=1, help="processes (default: %(default)s)")
    parser.add_argument("--host", help="address to listen on; default: TIDEMARK_HTTP_HOST")
    parser.add_argument("--port", type=int, help="default: TIDEMARK_HTTP_PORT")
    options = parser.parse_args()
    settings = Settings.from_env()
    port = settings.http_port if options.port is None else options.port
    return receive(settings, options.host or settings.http_host, port, options.workers)


if __name__ == "__main__":
    sys.exit(run("api.webhooks", main))
