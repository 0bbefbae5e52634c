"""Contamination shown: every hit with its two texts aligned, and a table by benchmark."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import pyarrow as pa
from rapidfuzz.distance import LCSseq
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from manifests.contamination import (
    CONTEXT,
    BenchmarkHits,
    Contamination,
    Hit,
    find_contamination,
)
from manifests.manifest import Manifest, ManifestError
from stages.catalog import CATALOG
from stages.decontaminate.stage import Decontaminate
from stages.words import hash_words
from tamis.printable import one_line, without_colours

_RUN = 40
"""Words of a common or a differing stretch that are shown; of longer ones the two ends."""


def contamination_of(manifest: Manifest, stage: str, most: int | None = 20) -> Contamination:
    """What a decontamination stage found by its rule and thresholds; see ``manifests``.

    Raises ManifestError when the ledger was written by another version of the stage.
    """
    about = manifest.stage(stage)
    found = CATALOG.stage(about["use"])
    deciding = found(found.Config.model_validate(about["config"]))
    if not isinstance(deciding, Decontaminate):
        raise TypeError(f"{stage} is a {about['use']}: it has no rule for matches")
    if about["version"] != deciding.version:
        raise ManifestError(
            f"{manifest.path}: {stage} was run by version {about['version']} of the stage, this is"
            f" {deciding.version}: its matches cannot be read. Build again."
        )
    return find_contamination(manifest, stage, deciding.over, most)


def show_contamination(console: Console, found: Contamination) -> None:
    """The hits, then the table by benchmark."""
    for hit in found.hits:
        _show_hit(console, hit)
    if len(found.hits) < found.pairs:
        console.print(
            f"… and {found.pairs - len(found.hits):,} more pairs of document and item"
            " (--hits shows more)",
            style="dim",
        )
    if found.benchmarks:
        console.print(_benchmarks_table(found.benchmarks))
    else:
        console.print(f"{found.stage}: was given no benchmarks, so it looked for nothing.")


def _benchmarks_table(benchmarks: Sequence[BenchmarkHits]) -> Table:
    """A row a benchmark; with a column of items that are too short where there are any."""
    table = Table(box=box.SIMPLE_HEAD, title="Benchmark items in the documents")
    table.title_justify = table.caption_justify = "left"
    short = any(row.items_too_short for row in benchmarks)
    if short:
        table.caption = (
            "too short: no text of the item has words enough to be looked for (`short_words`);"
            " whether a document holds it is not known"
        )
    table.add_column("benchmark")
    for name in ("items", *["too short"] * short, "items hit", "share", "documents", "MB"):
        table.add_column(name, justify="right")
    for row in benchmarks:
        looked_for = row.items - row.items_too_short
        table.add_row(
            escape(row.benchmark),
            f"{row.items:,}",
            *[f"{row.items_too_short:,}"] * short,
            f"{row.items_hit:,}",
            f"{100 * row.items_hit / row.items:.1f} %" if looked_for > 0 else "not known",
            f"{row.documents:,}",
            f"{row.bytes / 1e6:,.3f}",
        )
    return table


def _show_hit(console: Console, hit: Hit) -> None:
    grams = "n-gram" if hit.ngram_hits == 1 else "n-grams"
    strays = f" ({hit.span_lcs:,} of them here)" if hit.span_lcs < hit.lcs else ""
    others = hit.ngram_documents
    elsewhere = f", its rarest n-gram in {others:,} other documents" if others else ""
    console.print(
        Text.assemble(
            (f"{hit.benchmark} {hit.item}", "bold red"),
            f" ({hit.sequence}) in ",
            (hit.id, "bold"),
            f" {one_line(f'{hit.source}: {hit.locator}', 80)}  ",
            (hit.outcome, "yellow" if hit.outcome == "masked" else "red"),
        )
    )
    console.print(
        f"  {hit.lcs:,} of the item's {hit.item_words:,} words in order{strays}, ratio"
        f" {hit.ratio:g}, {hit.ngram_hits:,} {grams}, document characters"
        f" {hit.start:,}-{hit.end:,}, item characters {hit.item_start:,}-{hit.item_end:,}"
        f"{elsewhere}",
        style="dim",
        highlight=False,
    )
    for line in aligned_lines(hit, console.width, without_colours(console)):
        console.print(line, no_wrap=True, overflow="crop")
    console.print()


@dataclass(frozen=True)
class _Cell:
    """A column of the alignment: what stands in the document and in the item. ``common`` words are
    in the common subsequence; ``aside`` is text around it."""

    document: str
    item: str
    common: bool = False
    aside: bool = False

    @property
    def width(self) -> int:
        return max(cell_len(self.document), cell_len(self.item))


def aligned_lines(hit: Hit, width: int, marked: bool) -> Iterator[Text]:
    """The document's window above, the item below, word under word, in lines of at most ``width``.

    Words of the common subsequence are green, or, where there are no colours (``marked``), stand
    above and below ``=``.
    """
    row: list[_Cell] = []
    room = width - len("  document  ")
    used = 0
    for cell in _cells(hit):
        if row and used + cell.width > room:
            yield from _row(row, marked)
            row, used = [], 0
        row.append(cell)
        used += cell.width + 1
    if row:
        yield from _row(row, marked)


def _row(cells: list[_Cell], marked: bool) -> Iterator[Text]:
    document, marks, item = Text("  document  "), Text("            "), Text("  item      ")
    for cell in cells:
        style = "dim" if cell.aside else "" if marked or not cell.common else "green"
        for line, word in ((document, cell.document), (item, cell.item)):
            line.append(word + " " * (cell.width - cell_len(word) + 1), style=style)
        marks.append(("=" if cell.common else " ") * cell.width + " ")
    lines = [document]
    if any(cell.item for cell in cells):
        lines += [marks, item] if marked else [item]
    for line in lines:
        line.rstrip()
        yield line


def _cells(hit: Hit) -> Iterator[_Cell]:
    """Context, then the words of both texts in columns, then context."""
    old, old_words = _words(hit.text)
    new, new_words = _words(hit.item_text)
    before, after = one_line(hit.before).split(" "), one_line(hit.after).split(" ")
    # at their limit they begin and end inside a word
    yield from _aside(before[1:] if len(hit.before) == CONTEXT else before)
    at = (0, 0)
    for block in LCSseq.opcodes(old, new).as_matching_blocks():
        yield from _changed(old_words[at[0] : block.a], new_words[at[1] : block.b])
        common = [
            _Cell(old_words[block.a + i], new_words[block.b + i], common=True)
            for i in range(block.size)
        ]
        yield from _shortened(common, "in common")
        at = (block.a + block.size, block.b + block.size)
    yield from _aside(after[:-1] if len(hit.after) == CONTEXT else after)


def _aside(words: list[str]) -> Iterator[_Cell]:
    return (_Cell(word, "", aside=True) for word in words if word)


def _changed(old: list[str], new: list[str]) -> Iterator[_Cell]:
    """Words that are not in common: side by side as far as they go."""
    longer = max(len(old), len(new))
    pad = [""] * longer
    cells = [_Cell(a, b) for a, b in zip((old + pad)[:longer], (new + pad)[:longer], strict=True)]
    yield from _shortened(cells, "that differ")


def _shortened(cells: list[_Cell], what: str) -> Iterator[_Cell]:
    left_out = len(cells) - _RUN
    if left_out <= _RUN // 4:
        yield from cells
        return
    note = f"… ({left_out:,} words {what}) …"
    yield from cells[: _RUN // 2]
    yield _Cell(note, note, aside=True)
    yield from cells[-_RUN // 2 :]


def _words(text: str) -> tuple[array[int], list[str]]:
    """Hashes of the words that the stage compares, and how each stands in the text, with the
    punctuation up to the next word."""
    words = hash_words(pa.array([text], pa.large_string()))
    data = text.encode()
    starts = [0, *words.starts[1:].tolist(), len(data)] if len(words.starts) else []
    shown = [one_line(data[a:b].decode(errors="replace"), 60) for a, b in pairwise(starts)]
    return array("Q", words.hashes.tolist()), shown
