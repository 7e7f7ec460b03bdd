"""docker-compose.yml, Dockerfile and what they mount: valid, complete, and nothing in them that is not there."""

import importlib.util
import os
import shutil
import subprocess
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from flows.identity import hash_keys
from flows.providers import PROVIDERS
from flows.sending.campaign_file import load_campaign
from flows.sending.forecast import check
from schemas.settings import PREFIX, Settings
from sql.dsn import Server, parse_dsn
from tests.operations.compose import FILE, ROOT, SECRETS, Service, example, services, variables
from tests.parts import lacking

OURS = [service for service in services().values() if service.is_ours]
SET = [service for service in OURS if service.environment]
"""All but the simulated provider, which takes no settings."""
PROFILES = sorted({profile for service in services().values() for profile in service.profiles})


def compose(*arguments: str, env_file: Path) -> subprocess.CompletedProcess[str]:
    if not shutil.which("docker-compose"):
        lacking("docker-compose", "apt-get install docker-compose")
    named = [f"--profile={profile}" for profile in PROFILES]
    command = ["docker-compose", "--env-file", str(env_file), "--file", str(FILE), *named, *arguments]
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def env_file(folder: Path, without: str = "") -> Path:
    filled = example() | {name: text for name, text in SECRETS.items() if name != without}
    path = folder / "env"
    path.write_text("".join(f"{name}={text}\n" for name, text in filled.items()))
    return path


def test_it_fits_the_compose_specification(tmp_path: Path) -> None:
    done = compose("config", env_file=env_file(tmp_path))
    assert done.returncode == 0, done.stderr
    read = yaml.safe_load(done.stdout)["services"]
    for service in SET:
        assert read[service.name]["environment"] == service.environment, "our reading is compose's"


@pytest.mark.parametrize("secret", SECRETS)
def test_it_refuses_to_start_without_a_secret(tmp_path: Path, secret: str) -> None:
    done = compose("config", "--quiet", env_file=env_file(tmp_path, without=secret))
    assert done.returncode != 0
    assert "set it in .env" in done.stderr


def test_the_example_names_every_variable_and_no_secret() -> None:
    assert set(example()) == variables()
    empty = {name for name, text in example().items() if not text}
    assert {name for name in empty if f"{{{name}:?" in FILE.read_text()} == set(SECRETS)
    assert all(name.startswith("TIDEMARK_") for name in empty - set(SECRETS))
    assert "password" not in {text.lower() for text in example().values()}


@pytest.mark.parametrize("service", OURS, ids=lambda service: service.name)
def test_commands_are_modules(service: Service) -> None:
    spec = importlib.util.find_spec(service.command[0])
    assert spec is not None, service.command
    if spec.submodule_search_locations:
        assert importlib.util.find_spec(f"{service.command[0]}.__main__") is not None


@pytest.mark.parametrize("service", SET, ids=lambda service: service.name)
def test_settings_are_ours(service: Service) -> None:
    settings = Settings.from_env({name: text for name, text in service.environment.items() if name.startswith(PREFIX)})
    assert isinstance(parse_dsn(settings.clickhouse), Server)
    assert hash_keys(settings)[0].version == 1


@pytest.mark.parametrize("service", SET, ids=lambda service: service.name)
def test_addresses_are_those_of_services(service: Service) -> None:
    """Broker, database and health check name a service and a port that it listens on."""
    settings = Settings.from_env({name: text for name, text in service.environment.items() if name.startswith(PREFIX)})
    every = services()
    assert settings.broker == "kafka://kafka:9092"
    assert ":9092" in every["kafka"].environment["KAFKA_LISTENERS"]
    server = parse_dsn(settings.clickhouse)
    assert isinstance(server, Server)
    assert (server.host, server.port, server.user) == ("clickhouse", 8123, "tidemark")
    assert server.password == every["clickhouse"].environment["CLICKHOUSE_PASSWORD"]
    if service.healthcheck:
        module, url, *status = service.healthcheck[3:]
        assert importlib.util.find_spec(module) is not None
        assert urlsplit(url).port in (settings.metrics_port, settings.http_port, _port_of(service.command))
        assert status == ["404"] or urlsplit(url).path == "/healthz"


def _port_of(command: list[str]) -> int | None:
    return int(command[command.index("--port") + 1]) if "--port" in command else None


def test_the_sender_shares_its_limits_over_redis() -> None:
    sender = services()["send"]
    assert urlsplit(sender.environment["TIDEMARK_REDIS"]).hostname in sender.after
    assert urlsplit(sender.environment["TIDEMARK_REDIS"]).port == 6379


def test_the_sandbox_takes_the_example_campaign_and_posts_back_what_is_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its address stands in the campaign, the receiver's in its command; both hold one secret."""
    monkeypatch.setitem(SECRETS, "TIDEMARK_WEBHOOK_CANONICAL_SECRET", "c2VjcmV0")
    every = services()
    told = dict(part.removeprefix("--").split("=", 1) for part in every["provider"].command[1:])
    receiver = every["webhooks"]
    assert told["webhooks"] == f"http://webhooks:{_port_of(receiver.command)}/webhooks"
    assert told["secret"] == receiver.environment["TIDEMARK_WEBHOOK_CANONICAL_SECRET"]
    assert every["provider"].healthcheck[-1] == f"http://127.0.0.1:{told['port']}/_counts"
    folder = ROOT / every["send"].volumes[1].partition(":")[0]
    campaign = load_campaign(folder / "sandbox.yaml", every["send"].environment)
    assert campaign.connection == {"url": f"http://provider:{told['port']}/send"}
    assert check(Settings(), [(campaign, folder)], as_json=False) == 0


def test_the_collector_of_the_example_is_a_service_and_off_until_it_is_named() -> None:
    assert "http://jaeger:4318" in (ROOT / ".env.example").read_text()
    assert services()["jaeger"].profiles == ["traces"]
    assert {service.environment["TIDEMARK_TRACES"] for service in SET} == {""}


def test_what_runs_by_itself_has_no_profile() -> None:
    assert {service.name: service.profiles for service in OURS if service.profiles} == {
        "send": ["send"],
        "provider": ["sandbox"],
    }


def test_every_provider_can_be_given_its_secret() -> None:
    named = {f"TIDEMARK_WEBHOOK_{name.upper()}_SECRET" for name in PROVIDERS if name != "ses_sns"}
    assert named | {"TIDEMARK_WEBHOOK_SES_SNS_TOPICS"} <= services()["webhooks"].environment.keys()


def test_every_service_has_limits_a_restart_policy_and_logs_that_end() -> None:
    document = yaml.safe_load(FILE.read_text())["services"]
    for name, service in services().items():
        assert set(service.limits) == {"cpus", "memory"}, name
        assert document[name]["restart"] in ("unless-stopped", "no"), name
        assert document[name]["logging"]["options"]["max-size"], name


def test_what_lasts_has_a_health_check() -> None:
    """All but what ends by itself, and Jaeger, whose image has nothing to ask with."""
    without = {name for name, service in services().items() if not service.healthcheck}
    assert without == {"migrate", "send", "jaeger"}


def test_paths_that_are_mounted_exist_and_volumes_are_declared() -> None:
    declared = set(yaml.safe_load(FILE.read_text())["volumes"])
    used = set()
    for service in services().values():
        for volume in service.volumes:
            source = volume.partition(":")[0]
            if source.startswith("."):
                assert (ROOT / source).is_dir(), source
            else:
                used.add(source)
    assert used == declared


def test_ports_of_this_machine_differ_and_stay_on_it() -> None:
    ports = [port for service in services().values() for port in service.ports]
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert len({port.split(":")[1] for port in ports}) == len(ports)


def test_prometheus_scrapes_what_exports_metrics() -> None:
    config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    scraped = {
        target
        for job in config["scrape_configs"]
        for part in job.get("static_configs", [])
        for target in part["targets"]
    }
    named = [part for job in config["scrape_configs"] for part in job.get("dns_sd_configs", [])]
    scraped |= {f"{name}:{part['port']}" for part in named for name in part["names"]}
    exporting = {
        f"{service.name}:{service.environment['TIDEMARK_METRICS_PORT']}"
        for service in OURS
        if service.name not in ("migrate", "provider")  # which ends, or is none of ours
    }
    assert scraped == exporting
    assert [(ROOT / "deploy/prometheus" / name).is_file() for name in config["rule_files"]] == [True]


def test_the_image_holds_every_package_and_runs_as_nobody() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    roots = {name.rstrip("*") for name in setuptools["packages"]["find"]["include"]}
    copied = {line.split()[1] for line in lines if line.startswith("COPY ") and "--from" not in line}
    assert roots <= copied
    allowed = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines()}
    for name in [*roots, "requirements.lock", "pyproject.toml", "README.md"]:
        assert (ROOT / name).exists()
        assert name in allowed, f".dockerignore keeps {name} out"
    assert "USER 65532:65532" in lines
    assert lines[-2:] == ['ENTRYPOINT ["/opt/tidemark/bin/python", "-m"]', 'CMD ["api"]']
