"""The campaign that docs/campaigns.md shows is one."""

from pathlib import Path

from flows.connectors import CONNECTORS
from flows.sending.campaign_file import load_campaign
from flows.sending.orders_command import WORDS
from schemas.campaign import Campaign

DOCS = (Path(__file__).parents[2] / "docs" / "campaigns.md").read_text()


def test_the_example_is_a_campaign_with_every_field(tmp_path: Path) -> None:
    path = tmp_path / "campaign.yaml"
    path.write_text(DOCS.split("```yaml\n")[1].split("```")[0])
    campaign = load_campaign(path, {"WHATSAPP_TOKEN": "t", "TWILIO_SID": "AC1", "TWILIO_TOKEN": "t"})
    shown = path.read_text()
    assert campaign.connection == {"token": "t"}
    assert campaign.limit_per_s() == 150
    missing = [name for name in Campaign.__struct_fields__ if f"\n{name}:" not in f"\n{shown}"]
    assert missing == ["concurrency", "timeout"]


def test_every_provider_and_word_is_named() -> None:
    assert [name for name in CONNECTORS if name not in DOCS] == []
    assert [word for word in WORDS if f"`{word}" not in DOCS and f"flows.send {word}" not in DOCS] == []
