"""The manifest: what a corpus is made of, and what happened to every document, in numbers.

``manifest.json`` is written last, is equal to the byte for equal runs, and holds no times, host
names or paths of a machine; those go to ``run.json`` beside it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl

from manifests.checksum import fingerprint
from manifests.long_list import is_elsewhere, read_list
from manifests.schema import Json

FORMAT = 1
"""Version of the manifest's layout."""
SEALS = ("fingerprint", "checksum")
"""Keys of the manifest that are computed from the others."""
_UNTOLD = ("name", "recipe", "warnings")
"""Keys that say nothing about the corpus that the others do not."""
MANIFEST_FILE = "manifest.json"
RUN_FILE = "run.json"
FILES_FILE = "files.parquet"
HISTORY = "history"


class ManifestError(ValueError):
    """A manifest that is missing, damaged, or of another format."""


@dataclass(frozen=True)
class Manifest:
    """A manifest and the workspace that it describes."""

    content: Mapping[str, Json]
    workspace: Path
    path: Path

    @property
    def fingerprint(self) -> str:
        """The corpus fingerprint: over everything else in the manifest."""
        return str(self.content["fingerprint"])

    @property
    def stage_names(self) -> list[str]:
        """The stages in the order they ran."""
        return [stage["name"] for stage in self.content["stages"]]

    @property
    def synthesis(self) -> list[Mapping[str, Json]]:
        """Every maker of synthetic documents: its source's name, config, record and counts."""
        return list(self.content.get("synthesis", []))

    @property
    def sources(self) -> dict[str, Mapping[str, Json]]:
        """Counts of every source: records, documents, bytes, and by reason what was quarantined and
        skipped; those that were read first, then those that were made."""
        read = self.content["ingest"]["sources"]
        return {**read, **{maker["name"]: maker for maker in self.synthesis}}

    @cached_property
    def cube(self) -> pl.DataFrame:
        """Counts by source, dimensions and verdict. ``dropped_by`` is null for what was kept."""
        cube = self.content["cube"]
        columns = cube["columns"]
        numbers = set(cube["measures"])
        schema = {name: pl.Int64 if name in numbers else pl.String for name in columns}
        return pl.DataFrame(cube["rows"], schema=schema, orient="row")

    @cached_property
    def files(self) -> pl.DataFrame:
        """Every ledger, documents and shard file: stage, part, role, path, rows, bytes, sha256."""
        return pl.read_parquet(self.workspace / self.content["files"]["path"])

    @cached_property
    def published(self) -> dict[str, dict[str, Json]]:
        """Files meant for people, by name: ``artefact``, ``bytes``, ``sha256``."""
        published = self.content["published"]
        if not is_elsewhere(published):
            return dict(published)
        return {row.pop("name"): row for row in read_list(self.workspace, published)}

    @cached_property
    def quarantine(self) -> list[str]:
        """Files that list the records that ingest set aside, by workspace-relative path."""
        listed = self.content["quarantine"]
        if not is_elsewhere(listed):
            return list(listed)
        return [row["path"] for row in read_list(self.workspace, listed)]

    def stage(self, name: str) -> Mapping[str, Json]:
        """What the manifest says of one stage. Raises KeyError for another's name."""
        for stage in self.content["stages"]:
            if stage["name"] == name:
                return dict(stage)
        raise KeyError(name)


def sealed(content: Mapping[str, Json]) -> dict[str, Json]:
    """The content with its seals: ``fingerprint``, the corpus fingerprint, over all but the name of
    the corpus, the recipe as written (what they mean stands resolved beside them, files by
    checksum) and the warnings; and ``checksum``, over everything."""
    bare = {key: value for key, value in content.items() if key not in SEALS}
    told = {key: value for key, value in bare.items() if key not in _UNTOLD}
    return {**bare, "fingerprint": fingerprint(told), "checksum": fingerprint(bare)}


_ROWS = "the rows of the cube"


def manifest_text(content: Mapping[str, Json]) -> str:
    """The manifest as it is written: sorted keys, one space of indent, a newline at the end. A row
    of the cube is a line, so that two manifests can be compared line by line."""
    rows = content.get("cube", {}).get("rows")
    if not rows:
        return _indented(content)
    text = _indented({**content, "cube": {**content["cube"], "rows": _ROWS}})
    lines = ",\n".join(f"   {json.dumps(row, ensure_ascii=False)}" for row in rows)
    return text.replace(f'\n  "rows": "{_ROWS}"', f'\n  "rows": [\n{lines}\n  ]', 1)


def _indented(content: Mapping[str, Json]) -> str:
    return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def load_manifest(path: Path) -> Manifest:
    """The manifest of a workspace, or in a file.

    Raises ManifestError naming the file and the cure when there is none or it is damaged.
    """
    file = path / MANIFEST_FILE if path.is_dir() else path
    if not file.exists():
        raise ManifestError(
            f"{file}: there is no manifest. It is written last: run `tamis build` to its end."
        )
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise ManifestError(f"{file}: is damaged ({error}). Build again to rewrite it.") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ManifestError(f"{file}: is not a tamis manifest of format {FORMAT}.")
    seals = sealed(content)
    if any(seals[seal] != content.get(seal) for seal in SEALS):
        raise ManifestError(
            f"{file}: does not match its own checksum: it was changed by hand or damaged."
            " Build again to rewrite it."
        )
    workspace = file.parent.parent if file.parent.name == HISTORY else file.parent
    return Manifest(content, workspace, file)
