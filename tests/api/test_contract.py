"""The API against its own OpenAPI: no 5xx, no undocumented answer (schemathesis); and that it reads well."""

import subprocess
import sys
from pathlib import Path

import httpx

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
