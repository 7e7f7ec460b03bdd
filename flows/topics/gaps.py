"""Ranges of a topic that should be read and no longer exist."""

import logging

from schemas.errors import TopicGap

log = logging.getLogger(__name__)


def report_gap(topic: str, partition: int, lost: str, *, accept: bool) -> None:
    """Raise TopicGap for the range `lost`; where gaps are accepted, warn and return: the caller goes on behind it."""
    text = f"topic {topic}, partition {partition}: {lost} no longer there"
    if not accept:
        raise TopicGap(f"{text}; TIDEMARK_ACCEPT_GAP=1 goes on behind")
    log.warning("%s; going on behind, as TIDEMARK_ACCEPT_GAP says", text)
