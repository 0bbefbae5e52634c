"""The command that writes a report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tamis.console import out
from tamis.options import Workspace

REPORT_FILE = "report.html"


def report(
    workspace: Workspace,
    output: Annotated[
        Path | None,
        typer.Option("--out", help=f"Where the page goes. Default: WORKSPACE/{REPORT_FILE}."),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            help="Tell what changed since another corpus: a workspace, a manifest file, or"
            " REVISION:FILE of the git repository here."
        ),
    ] = None,
) -> None:
    """Write a report on the corpus: one HTML page that needs no network.

    The flow through the stages, the mixture, scores and thresholds, samples of what was dropped,
    duplicates, contamination, and what the corpus was made from.
    """
    from manifests.manifest import load_manifest
    from tamis.report_page.page import report_page
    from tamis.revisions import find_manifest

    manifest = load_manifest(workspace)
    page = report_page(manifest, find_manifest(against) if against else None)
    place = output or manifest.workspace / REPORT_FILE
    place.write_text(page, encoding="utf-8")
    out.print(f"{place}: {len(page.encode()) / 1e6:.1f} MB", markup=False, highlight=False)
