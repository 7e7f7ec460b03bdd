"""What docs/webhooks.md tells an operator to type works, for every provider."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from flows.providers import PROVIDERS
from loadgen.signing import sendgrid_keys
from schemas.settings import Settings
from tests.parts import lacking
from tests.webhooks.calling import taken
from tests.webhooks.serving import SECRET, Served, serving

PAGE = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text()
SECTIONS = {found[1]: found[2] for found in re.finditer(r"^## ([a-z_]+)\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S)}
PRIVATE, PUBLIC = sendgrid_keys()
SECRETS = {
    "meta_whatsapp": SECRET,
    "twilio": "auth token",
    "sendgrid": PUBLIC,
    "ses_sns": "insecure-no-verification",
    "infobip": "user:password",
    "vonage": "signature secret",
    "gupshup": "secret-path",
    "messagebird": "signing key",
    "push": "user:password",
    "canonical": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
}


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("docs")
    (folder / "key.pem").write_text(PRIVATE)
    secrets = {name: (secret,) for name, secret in SECRETS.items()}
    with serving(Settings(broker=f"file://{folder / 'topics'}", webhook_secrets=secrets)) as served:
        yield served


def test_every_provider_has_its_section_and_its_row() -> None:
    assert set(SECTIONS) == set(PROVIDERS)
    assert all(f"| [{name}](#{name}) |" in PAGE for name in PROVIDERS)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_one_curl_is_taken(provider: str, receiver: Served) -> None:
    """Signed by openssl, which shares no code with us."""
    for tool in ("curl", "openssl"):
        if not shutil.which(tool):
            lacking(tool, f"apt-get install {tool}")
    [command] = re.findall(r"```sh\n(.*?)```", SECTIONS[provider], re.S)
    key = Path(receiver.settings.broker.removeprefix("file://")).parent / "key.pem"
    told = {"URL": f"http://{receiver.host}:{receiver.port}", "SECRET": SECRETS[provider], "KEY": str(key)}
    done = subprocess.run(
        ["bash", "-euc", command], env=os.environ | told, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr) == ("200\n", "")
    assert provider in {envelope.provider for envelope in taken(receiver.settings)}


def test_limits_that_are_told_are_kept() -> None:
    """3 MB of Meta, 768 KB of SendGrid."""
    assert PROVIDERS["meta_whatsapp"].hook.max_body_bytes >= 3_000_000
    assert PROVIDERS["sendgrid"].hook.max_body_bytes >= 768 * 1024
    assert msgspec.structs.asdict(PROVIDERS["twilio"].hook)["signs_url"]
