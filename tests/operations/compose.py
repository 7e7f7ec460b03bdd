"""docker-compose.yml as compose reads it: merged, with variables filled in from .env.example and secrets of ours."""

import re
from pathlib import Path
from typing import Any

import yaml
from msgspec import Struct

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
_VARIABLE = re.compile(r"\$\{([A-Z_]+)(:-([^}]*)|:\?[^}]*)?\}")
SECRETS = {
    "CLICKHOUSE_PASSWORD": "secret",
    "GRAFANA_PASSWORD": "secret",
    "TIDEMARK_HASH_KEY": "1:" + "ab" * 16,
}
"""What a user fills in."""


class Service(Struct):
    """`image` of ours: `command` is `python -m` of its parts. With `profiles` it starts only where one is named."""

    name: str
    image: str
    command: list[str]
    environment: dict[str, str]
    healthcheck: list[str]
    ports: list[str]
    volumes: list[str]
    after: list[str]
    limits: dict[str, str]
    profiles: list[str]

    @property
    def is_ours(self) -> bool:
        return self.image.startswith("tidemark:")


def example() -> dict[str, str]:
    """The variables of .env.example."""
    lines = (ROOT / ".env.example").read_text().splitlines()
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name: value for name, _, value in pairs}


def variables() -> set[str]:
    """All that the file asks the environment for."""
    return {found[1] for found in _VARIABLE.finditer(FILE.read_text())}


def services() -> dict[str, Service]:
    values = example() | SECRETS
    document = yaml.safe_load(FILE.read_text())
    return {name: _service(name, _filled(told, values)) for name, told in document["services"].items()}


def _filled(value: Any, values: dict[str, str]) -> Any:
    if isinstance(value, str):
        return _VARIABLE.sub(lambda found: values.get(found[1]) or found[3] or "", value)
    if isinstance(value, dict):
        return {name: _filled(part, values) for name, part in value.items()}
    return [_filled(part, values) for part in value] if isinstance(value, list) else value


def _service(name: str, told: dict[str, Any]) -> Service:
    return Service(
        name,
        told["image"],
        [*told.get("entrypoint", [])[2:], *told.get("command", [])],  # behind python -m, as in the image
        {variable: str(value) for variable, value in told.get("environment", {}).items()},
        told.get("healthcheck", {}).get("test", []),
        told.get("ports", []),
        told.get("volumes", []),
        list(told.get("depends_on", {})),
        told.get("deploy", {}).get("resources", {}).get("limits", {}),
        told.get("profiles", []),
    )


def start_order(all_services: dict[str, Service]) -> list[Service]:
    """As compose starts them: each behind what it depends on, else in the order of the file."""
    ordered: list[Service] = []

    def add(service: Service) -> None:
        for before in service.after:
            add(all_services[before])
        if service not in ordered:
            ordered.append(service)

    for service in all_services.values():
        add(service)
    return ordered
