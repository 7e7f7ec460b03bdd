"""What the fields of a campaign must fulfil together."""

from pathlib import Path
from zoneinfo import available_timezones

from flows.connectors import CONNECTORS, check_connection
from flows.sending.templates import TemplateFault, template_texts
from schemas.campaign import Campaign, Route, Template, seconds
from schemas.errors import UsageError

LONGEST_EXPIRY_S = 31 * 86_400


class FieldError(Exception):
    """`path` as in `$.rates.campaign`."""

    def __init__(self, path: str, what: str) -> None:
        super().__init__(what)
        self.path = path
        self.what = what


def check_campaign(campaign: Campaign, folder: Path) -> None:
    """Raises FieldError; `folder` is where files are named from."""
    if (campaign.audience.file is None) == (campaign.audience.query is None):
        raise FieldError("$.audience", "either file or query")
    _check_route(campaign, "$", folder)
    if campaign.fallback:
        _check_route(campaign.fallback, "$.fallback", folder)
        if not campaign.fallback.when:
            raise FieldError("$.fallback.when", "at least one of outage, rejected")
        if campaign.fallback.channel == campaign.channel and campaign.fallback.provider == campaign.provider:
            raise FieldError("$.fallback", "the same channel and provider as the campaign itself")
    _check_times(campaign)
    _check_retry(campaign)
    for country in campaign.prices:
        if country and not (len(country) == 2 and country.isascii() and country.isupper()):
            raise FieldError(
                f"$.prices.{country}", "a country is two capitals, as in DE; all others are the empty text"
            )


def _check_route(route: Route, path: str, folder: Path) -> None:
    known = CONNECTORS.get(route.provider)
    if known is None:
        raise FieldError(f"{path}.provider", f"{route.provider!r} is none of {', '.join(CONNECTORS)}")
    if route.channel not in known.channels:
        raise FieldError(f"{path}.channel", f"{route.provider} sends {', '.join(known.channels)}")
    ids = [sender.id for sender in route.senders]
    for place, number in enumerate(ids):
        if number in ids[:place]:
            raise FieldError(f"{path}.senders[{place}].id", f"{number!r} stands here twice")
    _check_template(route.template, f"{path}.template", folder)
    try:
        check_connection(route.provider, route.connection)
    except UsageError as error:
        raise FieldError(f"{path}.connection", str(error)) from None


def _check_template(template: Template, path: str, folder: Path) -> None:
    if template.text is not None and template.file is not None:
        raise FieldError(f"{path}.file", "either text or file")
    if not (template.text or template.file or template.html or template.name):
        raise FieldError(path, "a text, a file, html or the name of a provider's template")
    if isinstance(template.text or template.file, dict) and template.language not in (
        template.text or template.file or ""
    ):
        raise FieldError(f"{path}.language", f"no text in {template.language!r}, which all others fall back to")
    try:
        template_texts(template, folder)
    except TemplateFault as fault:
        raise FieldError(f"{path}.{fault.field}", fault.what) from None


def _check_times(campaign: Campaign) -> None:
    window, quiet = campaign.window, campaign.quiet_hours
    if window.opens and window.closes and window.opens >= window.closes:
        raise FieldError("$.window.closes", "not after it opens")
    if quiet and quiet.begin == quiet.end:
        raise FieldError("$.quiet_hours.end", "the same as begin: no hour would be left")
    if quiet and quiet.timezone not in available_timezones():
        raise FieldError("$.quiet_hours.timezone", f"{quiet.timezone!r} is no timezone, as in Europe/Berlin")


def _check_retry(campaign: Campaign) -> None:
    retry = campaign.retry
    if seconds(retry.first_wait) > seconds(retry.longest_wait):
        raise FieldError("$.retry.first_wait", "longer than longest_wait")
    if campaign.expires and not 0 < seconds(campaign.expires) <= LONGEST_EXPIRY_S:
        raise FieldError("$.expires", "from 1ms to 31d")
