"""The panel of the judge: how far it can be trusted, by its report card."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from manifests.manifest import Manifest
from manifests.schema import Json
from tamis.report_page.figures import BEFORE, KEPT, dumbbells
from tamis.report_page.numbers import count
from tamis.report_page.parts import Chart, Panel
from tamis.tables import Section

_MEASURES = ("auc", "auc_among_like_length", "spearman")


def quality_panels(manifest: Manifest) -> Iterator[Panel]:
    """A panel for every stage that put a report card on record."""
    for number, stage in enumerate(manifest.content["stages"]):
        card = stage["record"].get("report_card")
        if not card:
            continue
        record = stage["record"]
        yield Panel(
            f"judge-{number}",
            f"Report card: {stage['name']}",
            str(record.get("why", "")),
            [_chart(number, card, record.get("used"))],
            tables=_facts(record),
        )


def _chart(number: int, card: Mapping[str, Mapping[str, float]], used: str | None) -> Chart:
    names = sorted(card, key=lambda name: (-card[name]["auc"], name))
    shown = [f"{name} (used)" if name == used else name for name in names]
    points: list[tuple[str, list[float | None], str, str]] = [
        (
            "among texts of like length",
            [card[name]["auc_among_like_length"] for name in names],
            BEFORE,
            "diamond",
        ),
        ("among all texts", [card[name]["auc"] for name in names], KEPT, "circle"),
    ]
    drawn = dumbbells(shown, points, "AUC against people's labels (0.5 is chance)", ".3f")
    drawn["layout"]["shapes"] = [
        {
            "type": "line",
            "x0": 0.5,
            "x1": 0.5,
            "yref": "paper",
            "y0": 0,
            "y1": 1,
            "line": {"color": "var(--ink)", "width": 1.5, "dash": "dash"},
        }
    ]
    rows = [
        (text, *(f"{card[name].get(measure, 0):.3f}" for measure in _MEASURES))
        for name, text in zip(names, shown, strict=True)
    ]
    headers = ("scorer", "AUC", "AUC among like length", "Spearman")
    return Chart(
        f"judge-{number}",
        "Does it tell good texts from bad ones?",
        "AUC of every scorer against people's labels, among all texts and among texts of like"
        " length.",
        {"": drawn},
        Section("Report card", headers, rows),
    )


def _facts(record: Mapping[str, Json]) -> list[Section]:
    judge, student = record.get("judge"), record.get("student")
    rows = []
    if judge:
        grades = judge["grades"]
        rows += [
            ("judge: model", judge["model"]),
            ("judge: documents graded", count(judge["documents"])),
            ("judge: median grade", f"{grades['median']:.3f}"),
            ("judge: lowest grade", f"{grades['lowest']:.3f}"),
            ("judge: highest grade", f"{grades['highest']:.3f}"),
        ]
    agreement = (student or {}).get("agreement_with_judge")
    if agreement:
        rows += [
            ("student: documents held out", count(agreement["documents"])),
            ("student: AUC against the judge", f"{agreement['auc']:.3f}"),
            ("student: Spearman with the judge", f"{agreement['spearman']:.3f}"),
        ]
    return [Section("Judge and student", ("what", "value"), rows)] if rows else []
