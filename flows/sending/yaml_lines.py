"""YAML with the line of every value: a mistake is told where it stands.

The subset that bears no surprises: `NO` is Norway and `21:00` is a text (YAML 1.2, core schema), no anchors, no
tags, no key twice.
"""

import re
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

LARGEST_BYTES = 1 << 20
_DEEPEST = 30
_INT = re.compile(r"[-+]?[0-9]{1,15}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}

Lines = dict[str, int]
"""Line, from 1, by path, as in `$.rates.campaign` or `$.senders[0].id`."""


class YamlError(Exception):
    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.line = line
        self.what = what


def load_yaml(text: str) -> tuple[Any, Lines]:
    """The value and its lines; raises YamlError."""
    try:
        _refuse_aliases(text)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise YamlError(mark.line + 1 if mark else 1, error.problem or "no YAML") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise YamlError(1, " ".join(str(error).split())) from None
    if node is None:
        raise YamlError(1, "the file is empty")
    lines: Lines = {}
    return _value(node, "$", lines), lines


def _refuse_aliases(text: str) -> None:
    for token in yaml.scan(text, Loader=yaml.SafeLoader):
        if isinstance(token, yaml.AliasToken | yaml.AnchorToken):
            raise YamlError(token.start_mark.line + 1, "anchors and aliases are not supported")
        if isinstance(token, yaml.TagToken):
            raise YamlError(token.start_mark.line + 1, "tags are not supported")


def _value(node: Node, path: str, lines: Lines, depth: int = 0) -> Any:
    lines[path] = node.start_mark.line + 1
    if depth > _DEEPEST:
        raise YamlError(lines[path], "nested too deeply")
    if isinstance(node, MappingNode):
        return _mapping(node, path, lines, depth)
    if isinstance(node, SequenceNode):
        return [_value(item, f"{path}[{place}]", lines, depth + 1) for place, item in enumerate(node.value)]
    assert isinstance(node, ScalarNode)
    return _scalar(node)


def _mapping(node: MappingNode, path: str, lines: Lines, depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, ScalarNode):
            raise YamlError(line, "a key is a text")
        if key.value in found:
            raise YamlError(line, f"{key.value} stands here twice")
        found[key.value] = _value(value, f"{path}.{key.value}", lines, depth + 1)
        lines[f"{path}.{key.value}"] = line
    return found


def _scalar(node: ScalarNode) -> Any:
    text = node.value
    if node.style is not None:  # quoted
        return text
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if _INT.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text
