"""The manifests fit Kubernetes' own schema, and say what docker-compose.yml says: same roles, commands, settings."""

import warnings
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from schemas.settings import PREFIX, Settings
from tests.operations.compose import ROOT, SECRETS, services

FOLDER = ROOT / "deploy" / "kubernetes"
FOLDERS = [FOLDER, FOLDER / "campaign"]
RESOURCES: list[Path] = [
    folder / name
    for folder in FOLDERS
    for name in yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
]
MANIFESTS: list[dict[str, Any]] = [manifest for path in RESOURCES for manifest in yaml.safe_load_all(path.read_text())]
WORKLOADS = [manifest for manifest in MANIFESTS if manifest["kind"] in ("Deployment", "StatefulSet", "Job")]
CONFIG = next(manifest["data"] for manifest in MANIFESTS if manifest["kind"] == "ConfigMap")


def named(manifest: dict[str, Any]) -> str:
    return f"{manifest['kind']}-{manifest['metadata']['name']}"


def container(workload: dict[str, Any]) -> dict[str, Any]:
    (found,) = workload["spec"]["template"]["spec"]["containers"]
    return dict(found)


@pytest.mark.parametrize("manifest", MANIFESTS, ids=named)
def test_it_fits_the_schema(manifest: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the validator's own dependencies deprecate
        kubernetes_validate.validate(manifest, "1.33", strict=True)


def test_every_file_is_applied() -> None:
    there = {path for folder in FOLDERS for path in folder.glob("*.yaml") if path.name != "kustomization.yaml"}
    assert there == set(RESOURCES)


def test_roles_and_commands_are_those_of_compose() -> None:
    roles = {workload["metadata"]["name"]: container(workload)["args"] for workload in WORKLOADS}
    lasting = [service for service in services().values() if service.is_ours and not service.profiles]
    told = {service.name: service.command for service in lasting}
    assert roles == told | {"send": ["flows.send", "campaign.yaml"]}


@pytest.mark.parametrize("workload", WORKLOADS, ids=named)
def test_settings_are_ours_and_slices_cover_all_partitions(workload: dict[str, Any]) -> None:
    own = {entry["name"]: entry.get("value", "") for entry in container(workload).get("env", ())}
    replicas = workload["spec"].get("replicas", 1)
    for index in range(replicas):
        told = {name: text.replace("$(POD_INDEX)", str(index)) for name, text in (CONFIG | own).items()}
        settings = Settings.from_env({name: text for name, text in told.items() if name.startswith(PREFIX)})
        if workload["kind"] == "StatefulSet":
            assert (settings.slice.index, settings.slice.of) == (index, replicas)
            assert settings.partitions >= replicas


@pytest.mark.parametrize("workload", WORKLOADS, ids=named)
def test_pods_run_as_nobody_read_only_and_end_in_time(workload: dict[str, Any]) -> None:
    pod, one = workload["spec"]["template"]["spec"], container(workload)
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["terminationGracePeriodSeconds"] > 10
    assert not pod["automountServiceAccountToken"]
    assert one["securityContext"]["readOnlyRootFilesystem"]
    assert one["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert set(one["resources"]["requests"]) == {"cpu", "memory"}
    ports = {port["name"] for port in one.get("ports", ())}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        if workload["kind"] != "Job" or probe in one:
            asked = one[probe].get("httpGet") or one[probe]["tcpSocket"]
            assert asked["port"] in ports


def test_no_secret_stands_in_a_file() -> None:
    text = "".join(path.read_text() for path in RESOURCES)
    assert SECRETS["TIDEMARK_HASH_KEY"] not in text
    assert "kind: Secret" not in text
    for name in ("TIDEMARK_CLICKHOUSE", "TIDEMARK_HASH_KEY"):
        assert name not in CONFIG, "belongs into the secret"
