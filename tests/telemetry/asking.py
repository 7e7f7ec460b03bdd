"""Ask a process what it tells of itself."""

import json
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families


def get(port: int, path: str) -> tuple[int, str]:
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except URLError:  # not started yet
        return 0, '{"state":"unreachable"}'


def samples(port: int) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """By name and labels."""
    _, text = get(port, "/metrics")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(port: int, name: str, **labels: str) -> float:
    """The sum over the samples that have these labels."""
    found = samples(port).items()
    return sum(number for (of, has), number in found if of == name and set(labels.items()) <= set(has))


def health(port: int, path: str) -> tuple[int, dict[str, Any]]:
    code, text = get(port, path)
    return code, json.loads(text)
