"""Prompt templates, one file each: what the model is, a line of ``---``, and what it is asked.

Without that line the whole file is what is asked. ``{name}`` stands for a value.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources

_PLACE = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Template:
    """A template that ships with this version, with the checksum that provenance names."""

    name: str
    system: str
    user: str
    sha256: str

    def messages(self, **values: str) -> tuple[dict[str, str], ...]:
        """The conversation that a model is given. Values are put in as they are: braces inside them
        are text. Raises KeyError for a place without a value."""
        content = _PLACE.sub(lambda place: values[place[1]], self.user)
        asked = {"role": "user", "content": content}
        return ({"role": "system", "content": self.system}, asked) if self.system else (asked,)


@cache
def load_template(name: str) -> Template:
    """The template in ``<name>.md``."""
    raw = resources.files("stages.synthesize.prompts").joinpath(f"{name}.md").read_bytes()
    system, _, user = raw.decode("utf-8").rpartition("\n---\n")
    return Template(name, system.strip(), user.strip(), hashlib.sha256(raw).hexdigest())


def template_checksums(names: Iterable[str]) -> dict[str, str]:
    """The checksums of templates by name: an argument of tasks that write requests, so that another
    wording asks anew."""
    return {name: load_template(name).sha256 for name in names}
