"""Manifests by what a person names them: a workspace, a file, or a file in a git revision."""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

from manifests.manifest import MANIFEST_FILE, Manifest, ManifestError, load_manifest


def find_manifest(name: str) -> Manifest:
    """The manifest of a workspace or in a file, or ``REVISION:PATH`` of the git repository around
    the working directory. The ledgers of a revision are looked for where the path lies now.

    Raises ManifestError when there is none.
    """
    path = Path(name)
    revision, colon, file = name.partition(":")
    if path.exists() or not colon:
        return load_manifest(path)
    shown = _git("show", f"{revision}:./{file}", failed=name)
    with tempfile.TemporaryDirectory(prefix="tamis-revision-") as folder:
        copy = Path(folder) / MANIFEST_FILE
        copy.write_bytes(shown)
        try:
            manifest = load_manifest(copy)
        except ManifestError as error:
            raise ManifestError(str(error).replace(str(copy), name)) from None
    place = Path.cwd() / file
    return replace(manifest, workspace=place.parent, path=place)


def _git(*arguments: str, failed: str) -> bytes:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, check=False)
    except FileNotFoundError:
        raise ManifestError(
            f"{failed}: there is no such file, and no git for a revision."
        ) from None
    if done.returncode:
        told = done.stderr.decode(errors="replace").strip()
        raise ManifestError(
            f"{failed}: neither a file nor a revision of one: git says `{told}`. Write"
            " REVISION:PATH, with the path from here: HEAD~1:corpus/manifest.json."
        )
    return done.stdout
