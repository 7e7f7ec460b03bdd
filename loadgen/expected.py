"""What must come out of a run, to the last message. DESIGN section 2 has the definitions; here they are exact."""

from msgspec import Struct

Cells = dict[str, dict[int, int]]
"""Messages by status and lower bound of the cell."""


class Passage(Struct, frozen=True, kw_only=True):
    """Status events of one kind on their way; `events == unique + repeats`.

    Two events are the same if campaign, message, attempt, status and error code are (of `unknown` also the raw status).
    `repeats` are all but the first to arrive. `repeats_in_window` are those with an event time from six hours before
    the run's end up to it. Of these, `must_pass` say an earlier time than all of the same that arrived before: no
    window may hold them back. Arrival is the order of the generated lines, which lane topics keep for each message; of
    bodies, dealt out to partitions in turn, some overtake others, so there `must_pass` may be off by as many.
    """

    events: int = 0
    unique: int = 0
    repeats: int = 0
    repeats_in_window: int = 0
    must_pass: int = 0


class Figures(Struct, frozen=True, kw_only=True):
    """One campaign's figures; statuses without ids count for the message that they are truly of.

    `counts`, of messages: `sent` (reached any of accepted, sent, deferred, delivered, read, clicked, complained,
    failed), `delivered`, `delivered_inferred` (read or clicked, not delivered), `read`, `clicked`, `failed` (neither
    delivered nor read nor clicked), `failed_ever`, `rejected` (not sent), `rejected_ever`, and for each other status
    those that ever had it. An outbound record `accepted` or `rejected` is that status at its `at`.

    `timeline`: by status and minute (UTC ms of its start), each message once a status, in the minute of its earliest
    event time over repeats and attempts. `latency`: by status and cell (`LATENCY_BOUNDS_MS`), each message once a
    status by its smallest `event_time - sent_at` over repeats and attempts, below 0 as 0; `sent_at` is the attempt's
    as the event itself tells it or, where that carries no ids, as the outbound record of its provider's id does;
    events that tell ids but no `sent_at` have no latency. `failures`: by error code ("" for none), a message under each
    of its codes. `splits`: dimension, value ("unknown" without an outbound record), then as `counts`.

    `accounting`: each message of the audience in the first that holds of `handed_over` (sent as above, or a doubt
    settled as `sent`), `in_doubt` (an attempt in doubt that is neither settled nor answered), `in_flight` (an attempt
    with an intent and nothing else), `screened_<reason>`, `rejected` (for good), `queued`.
    """

    audience: int
    counts: dict[str, int]
    timeline: Cells
    latency: Cells
    failures: dict[str, int]
    splits: dict[str, dict[str, dict[str, int]]]
    accounting: dict[str, int]


class Expected(Struct, frozen=True, kw_only=True):
    """Of a whole run; `events_in == events_unique + repeats + dead_letters`.

    `passage` is by campaign, of `own` events (that carry our ids) and `foreign` (that don't), records that amount to
    a status included: `foreign` where the sender numbers nothing. The campaign `elsewhere` is nobody's: its statuses
    stay `unmatched` (distinct also by event time, as no message tells that they are the same), and it has no figures.
    Keys of a sender that numbers nothing are places in
    the topic, so nothing here names them.
    """

    seed: int
    start_ms: int
    end_ms: int
    events_in: int
    events_unique: int
    repeats: int
    repeats_in_window: int
    must_pass: int
    dead_letters: int
    dead_letters_by_kind: dict[str, int]
    unmatched: int
    bodies: int
    """Postings: lines of the topic `webhook` that hold statuses."""
    outbound_records: int
    """About messages, good ones."""
    passage: dict[str, dict[str, Passage]]
    campaigns: dict[str, Figures]
