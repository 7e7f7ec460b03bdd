"""HTTP/2, and proxies, by pyreqwest (Rust)."""

from datetime import timedelta

from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import BuilderError, ConnectError, PoolTimeoutError, PyreqwestError

from flows.connectors.calls import Answer, Call, NoAnswerError, NotSentError

_CONNECTIONS = 2000


class Http2Client:
    """As `flows.connectors.calls.Client`. HTTP/1.1 where the other side speaks no HTTP/2."""

    def __init__(self, timeout_s: float, connects_within_s: float) -> None:
        self._client = _built(timeout_s, min(timeout_s, connects_within_s))

    async def exchange(self, call: Call) -> Answer:
        try:
            request = self._client.request(call.method, call.url).headers(call.headers)
            response = await request.body_bytes(call.body).build().send()
            body = await response.bytes()
            return Answer(response.status, response.headers, bytes(body))
        except (ConnectError, PoolTimeoutError) as error:
            if _never_left(error):
                raise NotSentError(_told(error)) from None
            raise NoAnswerError(_told(error)) from None
        except BuilderError as error:
            raise ValueError(_told(error)) from None
        except PyreqwestError as error:
            raise NoAnswerError(_told(error)) from None

    async def close(self) -> None:
        await self._client.close()


def _built(timeout_s: float, connects_within_s: float) -> Client:
    builder = ClientBuilder().max_connections(None).pool_max_idle_per_host(_CONNECTIONS)
    builder = builder.timeout(timedelta(seconds=timeout_s)).connect_timeout(timedelta(seconds=connects_within_s))
    return builder.follow_redirects(False).tcp_nodelay(True).user_agent("tidemark/0.1").http2(True).build()


def _never_left(error: PyreqwestError) -> bool:
    """A reset of a kept connection is a ConnectError too: only one of connecting says that nothing was sent."""
    if isinstance(error, PoolTimeoutError):
        return True
    causes = error.args[1].get("causes", []) if len(error.args) > 1 and isinstance(error.args[1], dict) else []
    return any("(Connect)" in cause.get("message", "") for cause in causes)


def _told(error: PyreqwestError) -> str:
    return str(error.args[0] if error.args else error)
