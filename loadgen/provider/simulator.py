"""The simulator itself: each request read as its provider would, judged, written into the ledger, answered."""

from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

from loadgen.provider.conduct import Behaviour, Conduct
from loadgen.provider.ledger import Entry, Ledger, clock, in_lines
from loadgen.provider.postman import Postman
from loadgen.provider.server import Asked, Reply
from loadgen.provider.shapes import Sent, Shape, new_id, shape_of

_HANGS_S = 3600.0
_MALFORMED = (ValueError, KeyError, TypeError, IndexError, msgspec.DecodeError)


class Simulator:
    """`answer` handles one request; idempotency keys are kept: the same key again gets the first answer's id."""

    def __init__(self, behaviour: Behaviour, postman: Postman) -> None:
        self.behaviour = behaviour
        self.ledger = Ledger()
        self._postman = postman

    def answer(self, asked: Asked) -> Reply:
        path = urlsplit(asked.path)
        if path.path.startswith("/_"):
            return self._command(asked, path.path, parse_qs(path.query))
        if asked.method == "GET" and path.path.startswith("/send/"):
            return self._look_up(unquote(path.path.removeprefix("/send/")))
        found = shape_of(path.path)
        if found is None or asked.method != "POST":
            return Reply(404)
        shape, match = found
        try:
            sent = shape.read(asked, match)
        except PermissionError:
            return Reply(401)
        except _MALFORMED:
            return Reply(400)
        return self._judge(shape, sent)

    def _judge(self, shape: Shape, sent: Sent) -> Reply:
        at, now = clock()
        behaviour = self.behaviour
        outage = behaviour.outage(now)
        if outage:
            reply = {"refuse": Reply(503), "drop": Reply(0), "hang": Reply(503, after_s=_HANGS_S)}[outage]
            self._enter(sent, at, now, 0 if outage != "refuse" else 503, outage, "")
            return reply
        if not behaviour.takes(f"{sent.provider}/{sent.sender}", now):
            self._enter(sent, at, now, shape.throttle.status, "throttled", "")
            return self._later(shape.throttle)
        if code := behaviour.failure(sent.provider):
            reply = shape.refuse(code)
            self._enter(sent, at, now, reply.status, code, "")
            return self._later(reply)
        return self._take(shape, sent, at, now)

    def _take(self, shape: Shape, sent: Sent, at: int, now: float) -> Reply:
        before = self.ledger.by_key.get(sent.key) if sent.key else None
        identity = before.message_id if before else new_id(sent.provider)
        reply = shape.accept(identity)
        self._enter(sent, at, now, reply.status, "repeat" if before else "", identity)
        if before is None:
            self._postman.taken(sent, identity, at)
        if self.behaviour.swallows():
            return Reply(503, after_s=_HANGS_S)
        return self._later(reply)

    def _later(self, reply: Reply) -> Reply:
        latency_s = self.behaviour.latency_s()
        return Reply(reply.status, reply.body, reply.headers, latency_s) if latency_s else reply

    def _enter(self, sent: Sent, at: int, now: float, status: int, code: str, identity: str) -> None:
        campaign, key, attempt, _ = sent.ids()
        self.ledger.add(
            Entry(
                at, now, sent.provider, sent.sender, sent.to, campaign, key, attempt, sent.key, status, code, identity
            )
        )

    def _look_up(self, key: str) -> Reply:
        entry = self.ledger.by_key.get(key)
        return Reply(200, msgspec.json.encode({"id": entry.message_id})) if entry else Reply(404)

    def _command(self, asked: Asked, path: str, query: dict[str, list[str]]) -> Reply:
        if path == "/_ledger":
            return Reply(200, self.ledger.lines())
        if path == "/_counts":
            return Reply(200, msgspec.json.encode(self.ledger.counts()))
        if path == "/_told":
            return Reply(200, in_lines(self._postman.told))
        if path == "/_pending":
            return Reply(200, msgspec.json.encode(self._postman.pending()))
        if path == "/_pace":
            try:
                limit = float(query["limit"][0])
            except (KeyError, ValueError):
                return Reply(400)
            return Reply(200, msgspec.json.encode(self.ledger.pace(limit)))
        if path == "/_conduct" and asked.method == "POST":
            return self._change(asked.body)
        return Reply(404)

    def _change(self, body: bytes) -> Reply:
        try:
            told = msgspec.json.decode(body)
            now_fields = msgspec.structs.asdict(self.behaviour.conduct)
            self.behaviour.change(msgspec.convert(now_fields | told, Conduct), clock()[1])
        except (msgspec.MsgspecError, TypeError) as error:
            return Reply(400, str(error).encode())
        return Reply(200, b"{}")
