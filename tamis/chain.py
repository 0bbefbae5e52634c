"""The chain behind a synthetic document, shown: seed, prompts, models, verdict, reward."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.text import Text

from manifests.schema import Json
from tamis.printable import one_line

_CHECKSUM = 12
"""Hexadecimal digits shown of a checksum."""
_VALUE = 120
"""Characters shown of a value."""


def chain_lines(metadata: Mapping[str, Json]) -> Iterator[Text]:
    """Lines about a document's chain; none for a document that was not made."""
    chain = metadata.get("synthesis")
    if not isinstance(chain, Mapping):
        return
    yield _line("made by", str(chain["maker"]))
    yield _line("seed", _facts(chain["seed"]))
    for step in chain["steps"]:
        template, model = step["template"], step["model"]
        yield _line(step["made"], f"{_named(template)} → {_named(model)}")
        yield _line("", _facts({k: v for k, v in model.items() if k not in ("name", "sha256")}))
        yield _line("", f"{_facts(step['sampling'])}; {step['tokens']} tokens, {step['finish']}")
        yield _line("", f"recorded as {step['key']}")
    for name, content in chain.items():
        if name not in ("maker", "seed", "steps"):
            yield _line(name, _facts(content))


def _line(name: str, told: str) -> Text:
    return Text.assemble((f"  {name:<16}", "bold cyan"), told)


def _named(thing: Mapping[str, Json]) -> str:
    """A template or a model: its name and the beginning of its checksum."""
    return f"{one_line(str(thing['name']), _VALUE)} (sha256 {str(thing['sha256'])[:_CHECKSUM]}…)"


def _facts(content: Json) -> str:
    if not isinstance(content, Mapping):
        return one_line(str(content), _VALUE)
    told = []
    for name, value in content.items():
        if name.endswith("sha256"):
            value = f"{str(value)[:_CHECKSUM]}…"
        elif isinstance(value, Mapping):
            value = f"({_facts(value)})"
        told.append(f"{name} {one_line(str(value), _VALUE)}")
    return ", ".join(told)
