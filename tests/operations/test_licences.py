"""Everything that is installed with us may be: each package's licence is one that we take."""

import re
from importlib.metadata import Distribution, distribution

from tests.operations.compose import ROOT

_MIT_IN_FULL = "Permission is hereby granted, free of charge"
TAKEN = re.compile(
    rf"MIT|{_MIT_IN_FULL}|BSD|Apache|ISC|PSF|Python Software Foundation"
    r"|MPL|Mozilla Public|Unlicense|Zlib|zlib|HPND|CC0|0BSD|BSL|Zope"
)
"""Permissive, or weak copyleft on files that we don't change."""
KNOWN = {"axe-playwright-python": "MIT", "bytewax": "Apache-2.0", "pyreqwest": "Apache-2.0"}
"""Packages that tell no licence in a form that can be read, and what was found by looking."""


def locked() -> list[str]:
    return re.findall(r"^([a-z0-9._-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE)


def licence(package: Distribution) -> str:
    told = package.metadata
    classifiers = [text for text in told.get_all("Classifier", []) if text.startswith("License ::")]
    return "; ".join([told.get("License-Expression", ""), (told.get("License") or "")[:200], *classifiers])


def test_every_package_has_a_licence_that_we_take() -> None:
    refused = {}
    for name in locked():
        try:
            package = distribution(name)
        except ModuleNotFoundError:  # of another platform
            continue
        told = KNOWN.get(name) or licence(package)
        if not TAKEN.search(told):
            refused[name] = told
    assert refused == {}
