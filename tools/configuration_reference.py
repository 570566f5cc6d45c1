"""Writes docs/configuration.md from the settings model: ``python -m tools.configuration_reference``.

Each setting's meaning, bounds and default stand once, in the model; a test says when the page is no longer theirs.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic.fields import FieldInfo

from lumen_assets.environment import ENVIRONMENT, FOREIGN_SECRETS, SECRETS
from lumen_assets.settings import Configuration, Hold, KeepAt, LocalDestination
from lumen_assets.settings.alerts import TIME_OF_DAY
from lumen_assets.settings.section import Section

PAGE: Final = Path(__file__).parents[1] / "docs" / "configuration.md"

HEAD: Final = """# Configuration

<!-- Made by `make docs` from the settings model (lumen_assets/settings). Do not edit. -->

`lumen.yaml` is looked for at `LUMEN_CONFIG`, then in the working folder; where there is none, the one that ships
([`lumen_assets/lumen.yaml`](../lumen_assets/lumen.yaml), with every default and a comment) holds. What is left out has
its default. A wrong value or an unknown name stops at start, naming the setting, the problem and the fix, never a
secret. No secret stands in `lumen.yaml`: they come from the environment.

Times of day are in KST. A unit, where there is one, is the end of the name: `spread_minutes`, `rate_hz`,
`part_size_mib`. `NAME` is yours to choose, as often as there are things to be named.
"""

ENVIRONMENT_HEAD: Final = """
## Environment

Each variable also works as `NAME_FILE`, with the path of a file that holds the value; both at once is refused. A
*secret* is taken out of every log, alert and error. [`configs/ci.env.example`](../configs/ci.env.example) has them all
to be filled in. Besides these: whatever variables `alerts` names for its addresses.

| variable | secret | meaning |
|---|---|---|
"""

FOREIGN: Final = """
Libraries read these by themselves: `AWS_ACCESS_KEY_ID`, {foreign}, `AWS_DEFAULT_REGION` and the rest of
[boto3's chain](destinations/s3.md); `HTTPS_PROXY`, `NO_PROXY`, `REQUESTS_CA_BUNDLE` and `SSL_CERT_FILE` for
connections; `XDG_DATA_HOME` for where `LUMEN_HOME` is by default.
"""


def page() -> str:
    """The whole page."""
    parts = [HEAD, *_section("At the top", "", Configuration), ENVIRONMENT_HEAD]
    for name, meaning in ENVIRONMENT.items():
        parts.append(f"| `{name}` | {'yes' if name in SECRETS else ''} | {_cell(meaning)} |\n")
    parts.append(FOREIGN.format(foreign=", ".join(f"`{name}`" for name in FOREIGN_SECRETS)))
    return "".join(parts)


def _section(title: str, prefix: str, section: type[Section], words: str = "") -> Iterator[str]:
    """A heading, the section's own words, a table of its settings, then the sections in it."""
    yield f"\n## {title}\n\n{' '.join((section.__doc__ or '').split())}{words}\n"
    fields = dict(sorted(section.model_fields.items(), key=lambda item: (item[0] != "type", not item[1].is_required())))
    simple = {name: field for name, field in fields.items() if not list(_inner(field.annotation))}
    nested = {name: field for name, field in fields.items() if name not in simple}
    if simple:
        yield "\n| setting | value | default | meaning |\n|---|---|---|---|\n"
    for name, field in simple.items():
        value, default = _kind(field.annotation, field.metadata), _default(field)
        meaning = field.description or ("which kind it is" if name == "type" else "")
        yield f"| `{prefix}{name}` | {value} | {default} | {_cell(meaning)} |\n"
    for name, field in nested.items():
        path = f"{prefix}{name}.NAME" if get_origin(field.annotation) is dict else f"{prefix}{name}"
        inner = list(_inner(field.annotation))
        if inner == [KeepAt] and section is not LocalDestination:
            continue  # every destination has it, and it is said once
        for one in inner:
            of_type = f" of type `{_literal(one)}`" if len(inner) > 1 else ""
            optional = " (optional)" if type(None) in get_args(field.annotation) else ""
            yield from _section(f"`{path}`{of_type}{optional}", f"{path}.", one, _by_default(field, one))


def _by_default(field: FieldInfo, section: type[Section]) -> str:
    """Which of these there are where nothing is set."""
    made = field.get_default(call_default_factory=True) if field.default_factory else {}
    names = [f"`{name}`" for name, value in made.items() if isinstance(value, section)]
    return f" By default there are {', '.join(names)}." if names else ""


def _literal(section: type[Section]) -> str:
    return str(get_args(section.model_fields["type"].annotation)[0])


def _inner(annotation: Any) -> Iterator[type[Section]]:
    """The sections that a setting's value is made of; none for a plain value."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    elif get_origin(annotation) in (dict, Union, types.UnionType, Annotated):
        for argument in get_args(annotation):
            yield from _inner(argument)


def _kind(annotation: Any, metadata: list[Any]) -> str:
    """What may stand there, in words."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f"`{item}`" for item in arguments)
    if origin is Annotated:
        annotation, metadata = arguments[0], [*metadata, *arguments[1:]]
    if origin in (Union, types.UnionType):
        return "; or ".join("none" if item is type(None) else _kind(item, metadata) for item in arguments)
    if origin is dict:
        return f"{_kind(arguments[1], [])} by name"
    if origin is tuple:
        return f"list of {_kind(arguments[0], [])}"
    if any(getattr(item, "pattern", None) == TIME_OF_DAY for item in metadata):
        return "`HH:MM`"
    words = {
        bool: "`true` or `false`",
        str: "text",
        int: "whole number",
        float: "number",
        date: "day, `YYYY-MM-DD`",
        Path: "path",
        Hold: "days",
    }
    return words[annotation] + _bounds(metadata)


def _bounds(metadata: list[Any]) -> str:
    low = next((item.ge for item in metadata if isinstance(item, Ge)), None)
    above = next((item.gt for item in metadata if isinstance(item, Gt)), None)
    high = next((item.le for item in metadata if isinstance(item, Le)), None)
    if any(isinstance(item, Lt) for item in metadata):
        raise NotImplementedError("say what an upper bound that is excluded is to look like")
    if low is not None and high is not None:
        return f", {low} to {high}"
    said = [f"above {above}"] if above is not None else [f"{low} or more"] if low is not None else []
    said += [f"at most {high}"] if high is not None else []
    said += [f"at least {item.min_length} characters" for item in metadata if _least(item) > 1]
    return "".join(f", {item}" for item in said)


def _least(item: Any) -> int:
    return item.min_length if isinstance(item, MinLen) else 0


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "(needed)"
    value = field.default
    if value is None:
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return ", ".join(f"`{item}`" for item in value) or "empty"
    return f"`{value}`" if str(value) else "empty"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
