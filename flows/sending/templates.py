"""Templates: minijinja over the columns of the audience; a missing variable is an error, never an empty place."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from minijinja import Environment, TemplateError

from schemas.campaign import Template

LARGEST_FILE_BYTES = 1 << 20
LONGEST_TEXT = 1 << 20
FUEL = 50_000
"""minijinja's own measure: it ends a loop that would run for seconds."""

Texts = Mapping[str, Mapping[str, str]]
"""By field (`text`, `subject`, `html`, `parameters[0]`, …), by language."""


class TemplateFault(Exception):
    """`field` of the campaign's template, and what is wrong with it."""

    def __init__(self, field: str, what: str) -> None:
        super().__init__(what)
        self.field = field
        self.what = what


class Unrenderable(Exception):
    """This row can't be rendered: a variable is missing, or what came out is too long."""


class Rendered(NamedTuple):
    """`language` is the variant that was used; `parameters` fill a template that the provider keeps."""

    language: str
    text: str
    subject: str
    html: str
    parameters: tuple[str, ...]


def template_texts(template: Template, folder: Path) -> dict[str, dict[str, str]]:
    """All texts of a template, parsed once to see whether they are any; raises TemplateFault."""
    given = {"text": template.text, "subject": template.subject, "html": template.html}
    texts = {name: _by_language(text, template.language) for name, text in given.items() if text is not None}
    if template.file is not None:
        files = _by_language(template.file, template.language)
        texts["text"] = {language: _read(folder / name) for language, name in files.items()}
    for place, parameter in enumerate(template.parameters):
        texts[f"parameters[{place}]"] = {template.language: parameter}
    for field, variants in texts.items():
        for language, text in variants.items():
            _parse(_named(template, field, language), text)
    return texts


def _by_language(text: str | dict[str, str], language: str) -> dict[str, str]:
    return {language: text} if isinstance(text, str) else text


def _named(template: Template, field: str, language: str) -> str:
    field = "file" if field == "text" and template.file is not None else field
    source = getattr(template, field, None)
    return f"{field}.{language}" if isinstance(source, dict) else field


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST_FILE_BYTES:
            raise TemplateFault("file", f"{path}: more than {LARGEST_FILE_BYTES} bytes")
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise TemplateFault("file", f"{path}: not UTF-8 at byte {error.start}") from None
    except OSError as error:
        raise TemplateFault("file", f"{path}: {error.strerror or error}") from None


def _environment() -> Environment:
    return Environment(undefined_behavior="strict", auto_escape_callback=_escapes, fuel=FUEL)


def _escapes(name: str) -> str | bool:
    return "html" if name.startswith("html") else False


def _parse(field: str, text: str) -> None:
    try:
        _environment().add_template(field, text)
    except TemplateError as error:
        raise TemplateFault(field, f"line {error.line}: {error.message}") from None


def variables(texts: Texts) -> set[str]:
    """All that a template asks for."""
    environment = _environment()
    return {
        name
        for variants in texts.values()
        for text in variants.values()
        for name in environment.undeclared_variables_in_str(text)
    }


class Renderer:
    """Renders rows; 3 µs a field."""

    def __init__(self, texts: Texts, language: str) -> None:
        self._environment = _environment()
        self._language = language
        self._fields = {field: frozenset(variants) for field, variants in texts.items()}
        self._parameters = sorted((field for field in texts if field.startswith("parameters[")), key=_place)
        for field, variants in texts.items():
            for variant, text in variants.items():
                self._environment.add_template(f"{field}.{variant}", text)

    def render(self, row: Mapping[str, object], language: str) -> Rendered:
        """In `language`, else in its main part (`pt` for `pt-BR`), else in the template's own; raises Unrenderable."""
        used = self._variant(language)
        try:
            return Rendered(
                used,
                self._field("text", used, row),
                self._field("subject", used, row),
                self._field("html", used, row),
                tuple(self._field(field, used, row) for field in self._parameters),
            )
        except TemplateError as error:
            raise Unrenderable(_in_a_line(error)) from None

    def _variant(self, language: str) -> str:
        known = self._fields.get("text") or self._fields.get("html") or frozenset()
        for variant in (language, language.partition("-")[0]):
            if variant in known:
                return variant
        return self._language

    def _field(self, field: str, language: str, row: Mapping[str, object]) -> str:
        variants = self._fields.get(field)
        if variants is None:
            return ""
        variant = language if language in variants else self._language
        text = self._environment.render_template(f"{field}.{variant}", **row)
        if len(text) > LONGEST_TEXT:
            raise Unrenderable(f"{field}: {len(text)} characters")
        return text


def _place(field: str) -> int:
    return int(field[len("parameters[") : -1])


def _in_a_line(error: TemplateError) -> str:
    where = (error.name or "").rpartition(".")[0]
    return f"{where}: {error.detail or error.message}" if where else str(error.message)
