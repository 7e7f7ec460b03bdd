"""A test send: one real message to a colleague."""

import asyncio
import time
from pathlib import Path

import msgspec

from flows.connectors import open_connector
from flows.sending.addresses import read_address
from flows.sending.audience import read_audience
from flows.sending.forecast import Campaigns
from flows.sending.outgoing import Outgoing, Refused, Taken
from flows.sending.templates import Renderer, Unrenderable, template_texts
from schemas.campaign import Campaign, seconds
from schemas.errors import TidemarkError, UsageError
from schemas.settings import Settings


def send_trial(settings: Settings, campaigns: Campaigns, to: str, *, as_json: bool) -> int:
    """The first row's message to `to`; neither audience nor ledger know of it. Raises TidemarkError."""
    for campaign, folder in campaigns:
        address = read_address(campaign.channel, to)
        if address.wrong:
            raise UsageError(f"--test {to}: {address.wrong}")
        row = read_audience(settings, campaign, folder).row(0, named=True)
        outcome = asyncio.run(_send_one(campaign, folder, address.text, row))
        if not isinstance(outcome, Taken):
            detail = f"{outcome.code} {outcome.detail}" if isinstance(outcome, Refused) else str(outcome)
            raise TidemarkError(f"{campaign.id}: not taken: {detail}")
        told = {"campaign_id": campaign.id, "to": address.text, "provider_message_id": outcome.provider_message_id}
        print(
            msgspec.json.encode(told).decode() if as_json else f"{campaign.id}: taken as {outcome.provider_message_id}"
        )
    return 0


async def _send_one(campaign: Campaign, folder: Path, to: str, row: dict[str, str]) -> object:
    renderer = Renderer(template_texts(campaign.template, folder), campaign.template.language)
    try:
        rendered = renderer.render(row, row.get(campaign.audience.language or "", ""))
    except Unrenderable as fault:
        raise UsageError(f"the first row: {fault}") from None
    connector = open_connector(campaign.provider, campaign.connection, seconds(campaign.timeout))
    message = Outgoing(
        campaign_id=f"{campaign.id[:58]}.test",
        seq=0,
        attempt=1,
        sent_at=time.time_ns() // 1_000_000,
        to=to,
        sender=campaign.senders[0].id,
        template=campaign.template.name or "",
        language=rendered.language,
        text=rendered.text,
        subject=rendered.subject,
        html=rendered.html,
        parameters=rendered.parameters,
    )
    try:
        return await connector.send(message)
    finally:
        await connector.close()
