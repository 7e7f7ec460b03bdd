"""Send campaigns: `python -m flows.send campaign.yaml [another.yaml …]`.

    audience.parquet ─▶ screen, render ─▶ queue (bounded) ─▶ dispatcher (a thread) ─HTTP─▶ providers
     (frozen; the            └─ not sent, and why ─┐           │ intent before, outcome after
      checkpoint moves                             ▼           ▼
      over outcomes only)                         topic outbound: the ledger, read again after a crash

Each message is handed over once, as far as anyone can know: an intent is durable before the request. After a crash an
intent without an outcome is in doubt, and never sent again unless the campaign says so.

Other commands: check, dry runs and test sends as options; rate, pause, resume, cancel, kill, lift, suppress, doubts,
settle and replay as words, each with a `--help`.
"""

import sys

import bytewax.operators as op
from bytewax.dataflow import Dataflow

from flows.sending.session import Session
from flows.sending.source import AudienceSource, QueueSink
from flows.stopping import Stop


def build(session: Session, stop: Stop) -> Dataflow:
    """The flow of one campaign, not started."""
    flow = Dataflow("send")
    rows = op.input("audience", flow, AudienceSource(session, stop))
    messages = op.map("prepare", rows, session.prepare)
    op.output("queue", op.key_on("key", messages, lambda _batch: "0"), QueueSink(session))
    return flow


if __name__ == "__main__":
    from flows.sending.command import main

    sys.exit(main(sys.argv[1:], build))
