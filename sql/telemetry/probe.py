"""`python -m sql.telemetry.probe URL [STATUS]`: exit code 0 where it answers so, by default 200.

For health checks in images without curl.
"""

import sys
from collections.abc import Sequence
from urllib.error import HTTPError
from urllib.request import urlopen

_TIMEOUT_S = 4.0


def main(arguments: Sequence[str]) -> int:
    """Prints what was answered, or why there was nothing."""
    match arguments:
        case [url]:
            wanted = "200"
        case [url, wanted]:
            pass
        case _:
            url = wanted = ""
    if not url.startswith("http://"):
        print("sql.telemetry.probe: http://HOST:PORT/PATH, and the status that it should answer", file=sys.stderr)
        return 2
    try:
        status, text = _ask(url)
    except OSError as error:
        print(f"sql.telemetry.probe: {url}: {error}", file=sys.stderr)
        return 1
    print(status, text)
    return 0 if str(status) == wanted else 1


def _ask(url: str) -> tuple[int, str]:
    try:
        with urlopen(url, timeout=_TIMEOUT_S) as answer:
            return answer.status, answer.read(1_000).decode(errors="replace").strip()
    except HTTPError as error:
        with error:
            return error.code, error.read(1_000).decode(errors="replace").strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
