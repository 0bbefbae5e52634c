"""The command ``manifest``: a corpus described for people and for other software."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tamis.console import err

if TYPE_CHECKING:
    from manifests.manifest import Manifest
    from manifests.provenance import Provenance


class Form(StrEnum):
    """How a manifest is written."""

    card = "card"
    croissant = "croissant"
    json = "json"


def manifest(
    workspace: Annotated[
        str,
        typer.Argument(
            help="A workspace, a manifest file, or REVISION:FILE of the git repository here."
        ),
    ],
    form: Annotated[
        Form,
        typer.Option(
            "--format",
            help="card: a dataset card in Hugging Face's format; croissant: Croissant metadata;"
            " json: the manifest itself.",
        ),
    ] = Form.card,
    place: Annotated[
        Path | None, typer.Option("--out", help="Write a file in place of the terminal.")
    ] = None,
) -> None:
    """Describe a corpus: a dataset card, Croissant metadata, or the manifest.

    The card is a draft of README.md beside the shards: what the manifest cannot know, it says.
    """
    from tamis.revisions import find_manifest

    found = find_manifest(workspace)
    text = _written(found, form)
    if place is None:
        typer.echo(text, nl=False)
    else:
        place.write_text(text, encoding="utf-8")
        err.print(f"wrote {place}", markup=False, highlight=False)


def _written(found: Manifest, form: Form) -> str:
    from manifests.croissant import croissant
    from manifests.manifest import ManifestError, manifest_text
    from tamis.card.card import dataset_card

    if form is Form.json:
        return manifest_text(found.content)
    provenance = _provenance(found)
    if form is Form.card:
        return dataset_card(found, provenance)
    try:
        metadata = croissant(found, provenance)
    except ValueError as error:
        raise ManifestError(f"{found.workspace}: {error}") from None
    return json.dumps(metadata, indent=1, ensure_ascii=False) + "\n"


def _provenance(found: Manifest) -> Provenance | None:
    """What the documents say of themselves; None where the workspace is gone."""
    from manifests.provenance import find_provenance

    try:
        return find_provenance(found)
    except FileNotFoundError:
        return None
