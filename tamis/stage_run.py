"""`tamis run STAGE`: one stage over a few files, and what it did with them."""

from __future__ import annotations

import json
from contextlib import closing
from typing import Any

from rich.console import Console

from pipeline.recipe import Recipe
from tamis.api import build
from tamis.benchmarks_option import sample_benchmarks
from tamis.progress import observer_for
from tamis.reports import TestSideReport, Wishes, reports_on
from tamis.story import show_story, stories_data, stories_of_stage
from tamis.summary import show_build, show_places

SHOWN = 20
"""Documents that are shown where nobody says how many."""


def run_stage(
    console: Console,
    recipe: Recipe,
    stage: str,
    wishes: Wishes,
    rows: int | None,
    as_json: bool,
    places: bool,
) -> None:
    """Builds the recipe of a stage over a few files, and shows what the stage reports and ``rows``
    documents with its verdicts (``SHOWN``, or none where it has a report). ``places``: also where
    the files of the workspace lie."""
    # read before the build, so that a benchmark that is not there is told at once
    looked_for = sample_benchmarks(recipe, stage) if wishes.asks_test_side else {}
    with closing(observer_for()) as observer:
        built = build(recipe, engine="local", workers=1, observer=observer)
    manifest = built.manifest
    answers = reports_on(manifest, stage, wishes)
    if wishes.asks_test_side:
        answers.append(TestSideReport(manifest, looked_for, wishes, before=stage))
    if rows is None:
        rows = 0 if answers else SHOWN
    stories = stories_of_stage(manifest, stage, rows)
    if as_json:
        data: dict[str, Any] = {"stage": manifest.stage(stage)}
        for answer in answers:
            data |= answer.data()
        data["documents"] = stories_data(stories)
        console.print_json(json.dumps(data, default=str))
        return
    show_build(console, manifest, built.steps, built.seconds)
    if places:
        show_places(console, manifest)
    for answer in answers:
        answer.show(console)
    for story in stories:
        show_story(console, story)
