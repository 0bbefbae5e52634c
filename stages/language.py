"""Language: which one a document is in, how surely, and whether the recipe wants it."""

from __future__ import annotations

import shutil
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import field_validator

from classifiers.language import UNDETERMINED, Guess, LanguageModel, language_model
from manifests.schema import KEEP
from pipeline.compile import compiled
from pipeline.stage import (
    Artefacts,
    Batch,
    Stage,
    StageConfig,
    Verdicts,
    file_setting,
    setting,
    threshold,
)
from pipeline.text_buffers import text_buffers
from stages.kind import KINDS

if TYPE_CHECKING:
    from pipeline.corpus import Corpus
    from pipeline.task import Receipt, Task, TaskRun

Bytes = np.ndarray[Any, np.dtype[np.uint8]]
Offsets = np.ndarray[Any, np.dtype[np.int64]]

MODEL_FILE = "model"
_DECIMALS = 4
_DEFAULT_THRESHOLDS: dict[str, float | None] = {
    "prose": 0.65,
    "code": None,
    "math": None,
    "list": None,
    "markup": 0.65,
}


class LanguageConfig(StageConfig):
    """Which model reads how much of a document, and what is kept."""

    model: str = file_setting(about="fastText weights: lid.176.ftz, or any with language labels")
    pieces: int = setting(8, ge=1, le=64, about="Pieces read of a document, spread over it evenly")
    piece_bytes: int = setting(
        64,
        ge=16,
        about="Bytes of a piece, cut between characters. A document of no more than"
        " pieces x piece_bytes is read whole",
        source="docs/language.md: 8 x 64 decides as the whole text does in 99 % of pages",
    )
    undetermined_below: float = setting(
        0.25,
        ge=0,
        le=1,
        about="Documents of less confidence are `und`: the model has no answer for them",
        source="docs/language.md",
    )
    thresholds: dict[str, float | None] = threshold(
        default_factory=lambda: dict(_DEFAULT_THRESHOLDS),
        about="Least confidence by kind; null: the kind is not judged by language at all. A kind"
        " that is not named keeps its default",
        source="FineWeb, arXiv 2406.17557 (prose); code, mathematics and lists are not judged,"
        " since .65 discards 81 % of code",
    )
    language_thresholds: dict[str, float] = threshold(
        default_factory=dict,
        about="Least confidence by language, before `thresholds`, for kinds that are judged."
        " FineWeb2 uses max(.3, min(.9, median - standard deviation)) of each language",
    )
    languages: tuple[str, ...] | None = threshold(
        None, about="Languages to keep, of the kinds that are judged; null keeps all"
    )

    @field_validator("thresholds")
    @classmethod
    def _known_kinds(cls, thresholds: dict[str, float | None]) -> dict[str, float | None]:
        unknown = sorted(set(thresholds) - set(KINDS))
        if unknown:
            raise ValueError(f"there is no kind {', '.join(unknown)}. Kinds: {', '.join(KINDS)}.")
        _check_shares(thresholds)
        return {kind: thresholds.get(kind, _DEFAULT_THRESHOLDS[kind]) for kind in KINDS}

    @field_validator("language_thresholds")
    @classmethod
    def _shares(cls, thresholds: dict[str, float]) -> dict[str, float]:
        _check_shares(thresholds)
        return thresholds


def _check_shares(thresholds: Mapping[str, float | None]) -> None:
    for key, value in thresholds.items():
        if value is not None and not 0 <= value <= 1:
            raise ValueError(f"{key}: {value} is no probability; give a number from 0 to 1")


class Language(Stage[LanguageConfig]):
    """``language`` (the model's code, or ``und``) with its probability, and the runner-up with its
    own. ``rule_kind`` is the kind that the thresholds are chosen by; without a kind stage, prose.
    """

    name: ClassVar[str] = "language"
    version: ClassVar[int] = 1
    libraries = ("fasttext-community",)
    Config: ClassVar[type[StageConfig]] = LanguageConfig
    summary: ClassVar[str] = "names the language with fastText and keeps the sure and the wanted"
    may_read: ClassVar[tuple[str, ...]] = ("kind.kind",)
    dimensions: ClassVar[tuple[str, ...]] = ("language",)
    columns: ClassVar[pa.Schema] = pa.schema(
        [
            pa.field("language", pa.string()),
            pa.field("confidence", pa.float64()),
            pa.field("second_language", pa.string()),
            pa.field("second_confidence", pa.float64()),
            pa.field("rule_kind", pa.string()),
        ]
    )

    def rounds(self, corpus: Corpus) -> Generator[list[Task], list[Receipt], Artefacts]:
        """Checks the model and copies it into the workspace."""
        external = corpus.externals[self.config.model]
        [receipt] = yield [
            corpus.task(
                "stages.language:copy_model",
                "model",
                {"sha256": external.sha256},
                label="language model",
                locations={"model": external.location},
            )
        ]
        return Artefacts(
            shared={"model": receipt.path(MODEL_FILE)},
            record={"model": {"sha256": external.sha256, "languages": receipt.value["languages"]}},
        )

    def annotate(self, batch: Batch) -> pa.Table:
        """Languages and probabilities of each document, rounded to four decimals."""
        table = batch.table
        rows = table.num_rows
        model = language_model(batch.artefacts["model"])
        lines, owners = cut_pieces(table["text"], self.config.pieces, self.config.piece_bytes)
        columns = _columns_of(
            model.identify(lines.to_pylist()), owners, rows, self.config.undetermined_below
        )
        kinds = (
            table["kind.kind"].cast(pa.string())
            if "kind.kind" in table.column_names
            else pa.array(["prose"] * rows, pa.string())
        )
        return pa.table([*columns, kinds], schema=self.columns)

    def decide(self, annotations: pa.Table) -> Verdicts:
        """Drops what is below its threshold, then what is in no wanted language."""
        language = annotations["language"]
        confidence = annotations["confidence"].to_numpy()
        limit = _lookup(annotations["rule_kind"], self.config.thresholds)
        judged = ~np.isnan(limit)
        own = _lookup(language, self.config.language_thresholds)
        limit = np.where(judged & ~np.isnan(own), own, limit)
        below = judged & (confidence < limit)
        unwanted = np.zeros(len(judged), bool)
        if self.config.languages is not None:
            wanted = pc.is_in(language, pa.array(self.config.languages, pa.string())).to_numpy()
            unwanted = judged & ~below & ~wanted
        verdict = np.select(
            [below, unwanted], ["language_below_threshold", "language_not_wanted"], KEEP
        )
        return Verdicts(
            pa.array(verdict, pa.string()),
            pa.array(np.where(judged, confidence, np.nan), from_pandas=True),
            pa.array(np.where(judged, limit, np.nan), from_pandas=True),
        )


def copy_model(run: TaskRun) -> dict[str, int]:
    """Task: the model's file into the workspace, after opening it."""
    source = Path(run.locations["model"])
    model = LanguageModel(source)
    shutil.copyfile(source, run.output / MODEL_FILE)
    return {"languages": len(model.languages)}


def _columns_of(
    guesses: Sequence[Guess], owners: Sequence[int], rows: int, undetermined_below: float
) -> tuple[list[str], list[float], list[str | None], list[float]]:
    """Language, probability, runner-up and its probability, of all rows from those with guesses."""
    language = [UNDETERMINED] * rows
    confidence = [0.0] * rows
    second: list[str | None] = [None] * rows
    second_confidence = [0.0] * rows
    for row, guess in zip(owners, guesses, strict=True):
        ranked = [
            (name, round(probability, _DECIMALS))
            for name, probability in zip(guess.languages, guess.probabilities, strict=True)
        ]
        if ranked:
            confidence[row] = ranked[0][1]
            if ranked[0][1] >= undetermined_below:
                language[row] = ranked[0][0]
        if len(ranked) > 1:
            second[row], second_confidence[row] = ranked[1]
    return language, confidence, second, second_confidence


def _lookup(
    column: pa.ChunkedArray, values: Mapping[str, float | None]
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The value of each row's word; NaN where the mapping has none or null."""
    if not values:
        return np.full(len(column), np.nan)
    places = pc.index_in(column, pa.array(list(values), pa.string())).fill_null(len(values))
    numbers = [np.nan if value is None else value for value in values.values()]
    found: np.ndarray[Any, np.dtype[np.float64]] = np.array([*numbers, np.nan])[places.to_numpy()]
    return found


def cut_pieces(
    texts: pa.ChunkedArray | pa.Array, pieces: int, piece_bytes: int
) -> tuple[pa.Array, list[int]]:
    """One line for each text that has a letter, and the row that each line is from (rising).

    A text of up to ``pieces * piece_bytes`` is read whole; of a longer one that many pieces, spread
    evenly, parted by spaces. Pieces begin after a space where one is near, and never inside a
    character; control characters become spaces.
    """
    text, bounds = text_buffers(texts)
    rows = len(texts)
    lines = np.zeros(int(np.minimum(np.diff(bounds), pieces * (piece_bytes + 1)).sum()), np.uint8)
    ends = np.zeros(rows + 1, np.int64)
    owners = np.zeros(rows, np.int64)
    count = _cut(text, bounds, pieces, piece_bytes, lines, ends, owners)
    buffers = [None, pa.py_buffer(ends[: count + 1]), pa.py_buffer(lines[: ends[count]])]
    return pa.Array.from_buffers(pa.large_string(), count, buffers), owners[:count].tolist()


@compiled
def _cut(
    data: Bytes,
    offsets: Offsets,
    pieces: int,
    piece_bytes: int,
    lines: Bytes,
    ends: Offsets,
    owners: Offsets,
) -> int:
    count = 0
    written = 0
    for row in range(len(offsets) - 1):
        start = offsets[row]
        end = offsets[row + 1]
        whole = end - start <= pieces * piece_bytes
        wanted = 1 if whole else pieces
        begun = written
        letters = False
        for piece in range(wanted):
            low = start
            high = end
            if not whole:
                if pieces > 1:
                    low = start + piece * (end - start - piece_bytes) // (pieces - 1)
                high = min(low + piece_bytes, end)
                low = _after_space(data, low, high) if low > start else low
                while high < end and high > low and data[high] & 0xC0 == 0x80:
                    high -= 1
            if piece > 0 and written > begun:
                lines[written] = 0x20
                written += 1
            for place in range(low, high):
                byte = data[place]
                small = byte | 0x20
                letters = letters or byte >= 0x80 or (small >= 0x61 and small <= 0x7A)
                lines[written] = byte if byte > 0x1F else 0x20
                written += 1
        if not letters:
            written = begun
            continue
        owners[count] = row
        count += 1
        ends[count] = written
    return count


@compiled
def _after_space(data: Bytes, low: int, high: int) -> int:
    """Where a piece begins: at a space in its first half, else at a whole character."""
    place = low
    middle = low + (high - low) // 2
    while place < middle and data[place] > 0x20:
        place += 1
    if place < middle:
        return place
    while low < high and data[low] & 0xC0 == 0x80:
        low += 1
    return low
