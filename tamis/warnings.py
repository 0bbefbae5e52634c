"""What a person should hear of a finished build, in sentences."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from manifests.manifest import Manifest
from tamis.printable import one_line

_WARNING = ("WARNING ", "bold yellow")


def warnings_of(manifest: Manifest) -> Iterator[Text]:
    """Benchmarks that were not looked for, and sources that lost most of their documents."""
    yield from _not_looked_for(manifest)
    yield from _emptied_sources(manifest)


def _not_looked_for(manifest: Manifest) -> Iterator[Text]:
    """Decontaminations without benchmarks, and benchmarks that none of them can find."""
    for stage in manifest.content["stages"]:
        benchmarks = stage["record"].get("benchmarks")
        if benchmarks is None:
            continue
        if not benchmarks:
            yield Text.assemble(
                _WARNING,
                f"{stage['name']} has no benchmarks, so it looked for nothing. Name them:"
                " benchmarks: {gsm8k: {path: test.jsonl}}, or take the stage out.",
            )
        for name, about in benchmarks.items():
            if about["items"] == about.get("items_too_short"):
                yield Text.assemble(
                    _WARNING,
                    f"{stage['name']} cannot look for {one_line(name)}: none of its"
                    f" {about['items']:,} items has a text of"
                    f" {stage['config'].get('short_words', 5)} words. That it is not found says"
                    " nothing. Check which field holds the question.",
                )


def _emptied_sources(manifest: Manifest) -> Iterator[Text]:
    for loss in manifest.content.get("warnings", []):
        dropped, came = loss["documents_dropped"], loss["documents_in"]
        yield Text.assemble(
            _WARNING,
            f"{loss['stage']} drops {100 * dropped / came:.1f} % of the documents of"
            f" {one_line(loss['source'])} ({dropped:,} of {came:,}), more than"
            f" {100 * loss['limit']:g} % (warnings.source_loss). `tamis clusters WORKSPACE --stage"
            f" {loss['stage']} --differences` shows what they have in common.",
        )
