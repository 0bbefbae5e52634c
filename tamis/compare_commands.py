"""The commands that compare: ``diff`` two corpora, and ``what-if``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from enum import StrEnum
from itertools import chain
from typing import TYPE_CHECKING, Annotated

import typer

from tamis.console import err, out
from tamis.options import AsJson, Workspace

if TYPE_CHECKING:
    from manifests.diff import Diff
    from manifests.gate import Met
    from manifests.outline import OutlineDiff
    from tamis.tables import Section

MET = 3
"""Exit code when a condition of ``--fail-if`` is met."""


class Format(StrEnum):
    """How a diff is written."""

    table = "table"
    json = "json"
    markdown = "markdown"
    html = "html"


_SIDE = "A workspace, a manifest file, or REVISION:FILE of the git repository here."


def diff(
    before: Annotated[str, typer.Argument(help=_SIDE)],
    after: Annotated[str, typer.Argument(help=_SIDE)],
    form: Annotated[
        Format, typer.Option("--format", help="table, json, markdown or html.")
    ] = Format.table,
    fail_if: Annotated[
        list[str] | None,
        typer.Option(
            help="Exit with 3 when a change is met: 'share(domain=science) < -1pp',"
            " 'documents < -5%'. May be given often."
        ),
    ] = None,
    attribute: Annotated[
        bool, typer.Option(help="Say which part of the change comes from which cause.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Say what changed between two corpora: causes first, then effects, then the documents.

    Manifests of earlier builds lie in WORKSPACE/history/. A dataset file of DCLM or the stats.json
    of datatrove may be a side too: then what both count is compared.
    """
    from manifests.diff import diff_manifests
    from manifests.gate import GateError, check
    from pipeline.recipe import RecipeError
    from tamis.diff_tables import diff_sections, texts_of_moves
    from tamis.outlines import diff_with_others, outline_sections
    from tamis.revisions import find_manifest

    wanted = Format.json if as_json else form
    others = diff_with_others(before, after)
    if others is not None:
        if fail_if:
            raise RecipeError("--fail-if needs two manifests; one side is of another pipeline.")
        title = f"{others.before.name} → {others.after.name}"
        _write(wanted, title, others, lambda: outline_sections(others))
        return
    sides = (find_manifest(before), find_manifest(after))
    found = diff_manifests(*sides)
    if attribute and found.before != found.after:
        from tamis.attribution import attribution  # loads every stage

        found.attribution = attribution(*sides)
    try:
        met = check(found, fail_if or [])
    except GateError as error:
        raise RecipeError(str(error)) from None
    title = f"{found.before} → {found.after}"
    _write(
        wanted,
        title,
        found,
        lambda: chain(_conditions(met), diff_sections(found, texts_of_moves(found, sides))),
    )
    for one in met:
        if one.met:
            err.print(f"--fail-if {one.condition}: met, the change is {one.told}", markup=False)
    if any(one.met for one in met):
        raise typer.Exit(MET)


def _conditions(checked: Sequence[Met]) -> Iterator[Section]:
    """What was asked for with ``--fail-if``, so that it stands in a pull request too."""
    from tamis.tables import Section

    if checked:
        rows = [(one.condition, one.told, "met: fails" if one.met else "passes") for one in checked]
        yield Section("Conditions", ("fails if", "change", ""), rows, remarks=True)


def _write(
    form: Format, title: str, found: Diff | OutlineDiff, sections: Callable[[], Iterator[Section]]
) -> None:
    """Prints a diff in the form that was asked for."""
    from tamis.tables import as_markdown, show_sections

    if form is Format.json:
        out.print_json(json.dumps(asdict(found)))
    elif form is Format.markdown:
        typer.echo(as_markdown(sections()))
    elif form is Format.html:
        # the templates' engine is loaded by nobody who does not ask for a page
        from tamis.report_page.render import sections_page

        typer.echo(sections_page(title, sections()), nl=False)
    else:
        out.print(title, style="bold", markup=False, highlight=False)
        show_sections(out, sections())


def what_if(
    workspace: Workspace,
    setting: Annotated[
        list[str],
        typer.Option("--set", help="A threshold, or a setting of the balance. May be given often."),
    ],
    as_json: AsJson = False,
) -> None:
    """Say what other thresholds or another mixture would give, from the ledgers alone."""
    from manifests.manifest import load_manifest
    from tamis.suppose import what_if as answer

    found = answer(load_manifest(workspace), setting)
    if as_json:
        out.print_json(json.dumps(asdict(found)))
        return
    from tamis.tables import show_sections
    from tamis.what_if_tables import what_if_sections

    show_sections(out, what_if_sections(found))
