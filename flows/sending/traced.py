"""What the sender tells of sampled messages: the attempt, and the provider's answer to it."""

import time

from flows.sending.message import Message
from flows.sending.outgoing import Outcome, Refused, Unknown
from sql.telemetry.sampling import span_id, trace_id
from sql.telemetry.traces import Kind, Span, Traces, dispatch_id, harmless, message_attributes


@harmless
def tell_answered(
    traces: Traces, provider: str, channel: str, message: Message, outcome: Outcome, began_ns: int
) -> None:
    """An attempt begins with its intent, the request at `began_ns`; handed over again it is the same attempt.

    Each attempt begins a trace anew, under the message's id: the one before it may never have left, and not be told of.
    """
    outgoing = message.outgoing
    assert outgoing is not None
    campaign, key, attempt = outgoing.campaign_id, outgoing.seq, outgoing.attempt
    if not traces.sampling.takes(campaign, key):
        return
    trace, ended_ns = trace_id(campaign, key), time.time_ns()
    own = dispatch_id(trace, attempt)
    attributes = message_attributes(campaign, key, attempt, provider) | {"tidemark.channel": channel}
    if not message.repeats:
        intent_ns = min(outgoing.sent_at * 1_000_000, began_ns)
        traces.put(Span("dispatch", trace, own, None, intent_ns, ended_ns, attributes))
    answer = attributes | {"tidemark.outcome": type(outcome).__name__.lower()} | _code(outcome)
    request = span_id(trace, "provider", attempt, message.tries)
    traces.put(Span("provider", trace, request, own, began_ns, ended_ns, answer, Kind.CLIENT, _failure(outcome)))


def _code(outcome: Outcome) -> dict[str, str | int]:
    return {"tidemark.error_code": outcome.code} if isinstance(outcome, Refused) else {}


def _failure(outcome: Outcome) -> str:
    """No more than its kind: a provider's words may hold an address."""
    return "unknown" if isinstance(outcome, Unknown) else "refused" if isinstance(outcome, Refused) else ""
