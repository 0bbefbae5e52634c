"""The report on a corpus, put together: from manifest and ledgers to one page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from manifests.effects import kept_amount
from manifests.manifest import Manifest
from manifests.report.mixture import mixtures_of
from tamis.printable import one_line
from tamis.report_page.changes import changes_panel
from tamis.report_page.documents import clusters_panel, contamination_panel, dropped_panel
from tamis.report_page.flow import flow_panel
from tamis.report_page.mixture import groups_panel, mixture_panels
from tamis.report_page.numbers import count, megabytes, percent
from tamis.report_page.origin import aside_panel, cuts_panel, provenance_panel, synthesis_panels
from tamis.report_page.parts import Headline, Page, Panel
from tamis.report_page.quality import quality_panels
from tamis.report_page.render import render
from tamis.report_page.scores import scores_panel


def report_page(manifest: Manifest, against: Manifest | None = None) -> str:
    """The report as one HTML page that needs nothing else.

    Equal manifests give equal bytes (with the same version of plotly). Where a workspace's ledgers
    are gone, what only they know is left out, and the page says so.
    """
    content = manifest.content
    return render(
        Page(
            name=content["name"],
            description=content["recipe"].get("description") or "",
            fingerprint=manifest.fingerprint,
            version=content["tamis"],
            headlines=headlines(manifest),
            warnings=[_warning(loss) for loss in content["warnings"]],
            panels=list(_panels(manifest, against)),
        )
    )


def _panels(manifest: Manifest, against: Manifest | None) -> Iterator[Panel]:
    if against is not None:
        yield changes_panel(against, manifest)
    yield flow_panel(manifest)
    yield from mixture_panels(manifest)
    yield groups_panel(manifest)
    for title, panels in _FROM_LEDGERS:
        yield from _if_there(title, manifest, panels)
    yield from quality_panels(manifest)
    yield from synthesis_panels(manifest)
    yield from cuts_panel(manifest)
    yield from aside_panel(manifest)
    yield provenance_panel(manifest)


def _one(make: Callable[[Manifest], Panel]) -> Callable[[Manifest], Iterable[Panel]]:
    return lambda manifest: [make(manifest)]


_FROM_LEDGERS: Sequence[tuple[str, Callable[[Manifest], Iterable[Panel]]]] = (
    ("Scores and thresholds", _one(scores_panel)),
    ("What was dropped", _one(dropped_panel)),
    ("Duplicates", clusters_panel),
    ("Contamination", contamination_panel),
)


def _if_there(
    title: str, manifest: Manifest, panels: Callable[[Manifest], Iterable[Panel]]
) -> Iterator[Panel]:
    """Panels that are made from ledgers; one that says so where these are gone."""
    try:
        yield from list(panels(manifest))
    except FileNotFoundError:
        told = "The ledgers of this corpus are no longer in its workspace: build again to see this."
        yield Panel(title.split()[0].lower(), title, told)


def headlines(manifest: Manifest) -> list[Headline]:
    """The strip on top: documents, text, tokens."""
    documents = sum(counts["documents"] for counts in manifest.sources.values())
    size = sum(counts["bytes"] for counts in manifest.sources.values())
    kept = kept_amount(manifest.cube)
    shown = [
        Headline("Documents in", count(documents), f"{megabytes(size)} MB of text"),
        Headline(
            "Documents kept",
            count(kept.documents),
            f"{percent(kept.documents, documents)}, {megabytes(kept.bytes)} MB of text",
        ),
    ]
    if kept.tokens is None:
        return shown
    for mixture in mixtures_of(manifest)[-1:]:
        unique = sum(group.unique_tokens for group in mixture.groups.values())
        shown += [
            Headline("Tokens", count(unique), "each counted once"),
            Headline(
                "Tokens read",
                count(kept.tokens),
                f"{kept.tokens / max(1, unique):.2f} epochs on average",
            ),
            Headline("Effective tokens", count(mixture.effective_tokens), "repeats count for less"),
        ]
        return shown
    return [*shown, Headline("Tokens", count(kept.tokens), "")]


def _warning(loss: dict[str, float | str]) -> str:
    dropped, came = int(loss["documents_dropped"]), int(loss["documents_in"])
    return (
        f"{loss['stage']} drops {percent(dropped, came)} of the documents of"
        f" {one_line(str(loss['source']))} ({count(dropped)} of {count(came)}), more than"
        f" {percent(float(loss['limit']))} (warnings.source_loss)."
    )
