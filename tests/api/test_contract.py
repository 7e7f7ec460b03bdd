"""The API against its own OpenAPI: no 5xx, no undocumented answer (schemathesis); and that it reads well."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema

from tests.api.conftest import Served


def test_schemathesis_finds_no_5xx_and_no_undocumented_answer(served: Served, tmp_path: Path) -> None:
    """Streams never end, so they are asked for elsewhere."""
    checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
    command = [
        sys.executable, "-m", "schemathesis.cli", "run", f"{served.url}/api/openapi.json", "--checks", checks,
        "--phases", "examples,coverage,fuzzing", "--max-examples", "4", "--exclude-path-regex", "/live$",
        "--generation-deterministic", "--request-timeout", "30", "--workers", "2",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-1000:]


def test_every_operation_reads_well(client: httpx.Client, served: Served) -> None:
    """A sentence, a tag, typed answers and problems for each."""
    schema = client.get(f"{served.url}/api/openapi.json").json()
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            where = f"{method} {path}"
            assert operation.get("tags"), where
            if path.startswith("/api/"):
                assert operation["description"], where
                assert {"401", "429", "503"} <= set(operation["responses"]), where
    fields = schema["components"]["schemas"]["Funnel"]["properties"]
    assert "description" in fields["sent"]


def test_every_field_has_an_example_that_fits_it(client: httpx.Client, served: Served) -> None:
    """But those whose own fields have some."""
    schema = client.get(f"{served.url}/api/openapi.json").json()
    models = schema["components"]["schemas"]
    fields = [(f"{name}.{field}", told) for name, model in models.items() for field, told in properties(model)]
    plain = [(where, told) for where, told in fields if "#/components" not in str(told)]
    assert len(plain) > 200
    assert [where for where, told in plain if not told.get("examples")] == []
    for where, told in plain:
        for example in told["examples"]:
            assert jsonschema.Draft202012Validator(told).is_valid(example), (where, example)


def properties(model: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from model.get("properties", {}).items()
