"""A campaign made ready to run in this process: its ways out, their limits and breakers, its share of the audience."""

from collections import deque
from pathlib import Path
from typing import NamedTuple

from flows.connectors import CONNECTORS, open_connector
from flows.sending.audience import Frozen
from flows.sending.desk import Desk
from flows.sending.runs import Number, Run, Way
from flows.sending.templates import Renderer, template_texts
from schemas.campaign import Campaign, Route, seconds
from schemas.settings import Slice, parse_duration_ms


class Planned(NamedTuple):
    """A campaign, the folder its file lies in, its frozen audience."""

    campaign: Campaign
    folder: Path
    frozen: Frozen


def open_run(planned: Planned, share: Slice, desk: Desk) -> Run:
    """Connects to nothing yet."""
    campaign, frozen = planned.campaign, planned.frozen
    starts_ms = frozen.frozen_at
    if campaign.window.opens:
        starts_ms = max(starts_ms, int(campaign.window.opens.timestamp() * 1000))
    deadline_ms = starts_ms + parse_duration_ms(campaign.expires) if campaign.expires else 0
    ways = [_open_way(planned, route, share, desk) for route in campaign.routes()]
    rows = len(range(share.index, frozen.rows, share.of))
    return Run(campaign, ways, rows, deadline_ms, share.of, share.index)


def _open_way(planned: Planned, route: Route, share: Slice, desk: Desk) -> Way:
    campaign, kind = planned.campaign, CONNECTORS[route.provider]
    connector = open_connector(route.provider, route.connection, seconds(campaign.timeout))
    renderer = Renderer(template_texts(route.template, planned.folder), route.template.language)
    overall = desk.limit("overall", campaign.rates.overall)
    provider = desk.limit(f"provider:{route.provider}", campaign.rates.provider)
    own = desk.limit(f"campaign:{campaign.id}", campaign.rates.campaign, share.of)
    numbers = []
    for sender in route.senders:
        name = f"{route.provider}/{sender.id}"
        limit = desk.limit(f"number:{name}", sender.per_s)
        numbers.append(Number(sender.id, [overall, provider, limit, own], desk.breaker(name)))
    return Way(route, kind, kind.reported(route.connection), connector, renderer, numbers, deque())
