"""One server for two applications: webhooks go to the receiver, all else to the other."""

from collections.abc import Awaitable, Callable

from api.webhooks.answers import Message, Receive, Scope, Send
from api.webhooks.receiver import PREFIX, Receiver

Application = Callable[[Scope, Receive, Send], Awaitable[None]]


def beside(application: Application, receiver: Receiver) -> Application:
    """`application` with the webhooks in front; the receiver starts and ends with it."""

    async def both(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await application(scope, _watched(receive, receiver), send)
        else:
            is_webhook = scope["type"] == "http" and scope["path"].startswith(PREFIX)
            await (receiver if is_webhook else application)(scope, receive, send)

    return both


def _watched(receive: Receive, receiver: Receiver) -> Receive:
    async def watched() -> Message:
        message = await receive()
        if message["type"] == "lifespan.shutdown":
            await receiver.stop()
        return message

    return watched
