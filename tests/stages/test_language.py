"""The language stage with the real model: what is read, what is written, what is decided."""

import gzip
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.corpus import Corpus, External
from pipeline.stage import Artefacts
from pipeline.store import Store
from pipeline.task import execute
from stages.language import Language, LanguageConfig, cut_pieces
from tests.stages.driving import annotate, reasons, row_by_row, table_of

ENGLISH = "The parliament debated the new law on fisheries until late in the night. " * 30
GERMAN = "Der Bundestag beriet bis spät in die Nacht über das neue Gesetz zur Fischerei. " * 30
JAPANESE = "国会は深夜まで漁業に関する新しい法律を審議した。議員たちは長い議論を続けた。" * 30


def stage_of(**config: object) -> Language:
    return Language(LanguageConfig.model_validate({"model": "lid.176.ftz", **config}))


def test_rounds_copy_the_model_into_the_workspace(language_weights: Path, tmp_path: Path) -> None:
    stage = stage_of()
    store = Store(tmp_path)
    checksum = "a" * 64
    externals = {"lid.176.ftz": External(str(language_weights), checksum)}
    corpus = Corpus(
        stage="language",
        version=1,
        parts=[],
        verdicts=[],
        annotations=[],
        artefacts={},
        externals=externals,
        recipe={},
        store=store,
    )
    rounds = stage.rounds(corpus)
    [task] = next(rounds)
    assert str(language_weights) not in json.dumps(dict(task.arguments))
    with pytest.raises(StopIteration) as stop:
        rounds.send(execute(task, store))
    artefacts: Artefacts = stop.value.value
    model = store.path(artefacts.shared["model"])
    assert model.read_bytes() == language_weights.read_bytes()
    assert artefacts.record["model"] == {"sha256": checksum, "languages": 176}
    found = annotate(stage, table_of([GERMAN]), {"model": model})
    assert found["language"].to_pylist() == ["de"]


def test_names_and_rounds(language_weights: Path) -> None:
    stage = stage_of()
    table = table_of([ENGLISH, GERMAN, JAPANESE, "", "12 + 34 = 46", "\n\n"])
    found = annotate(stage, table, {"model": language_weights}).to_pydict()
    assert found["language"] == ["en", "de", "ja", "und", "und", "und"]
    assert found["confidence"][3:] == [0, 0, 0]
    assert all(round(value, 4) == value for value in found["confidence"])
    assert found["rule_kind"] == ["prose"] * 6


def test_each_row_stands_alone(language_weights: Path) -> None:
    stage = stage_of()
    table = table_of([ENGLISH, "kurz", GERMAN, JAPANESE, "x", "ok then"])
    artefacts = {"model": language_weights}
    together = annotate(stage, table, artefacts)
    assert together.combine_chunks() == row_by_row(stage, table, artefacts)
    assert annotate(stage, table.slice(2, 2), artefacts).to_pylist() == together.to_pylist()[2:4]


def test_pieces_decide_as_the_whole_text_does(language_weights: Path, shared_data: Path) -> None:
    """On the Universal Declaration in the languages that the model knows."""
    path = shared_data / "research_only/langid/udhr.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in lines][::6]
    artefacts = {"model": language_weights}
    some = annotate(stage_of(), table_of(texts), artefacts)
    whole = annotate(stage_of(pieces=1, piece_bytes=1 << 20), table_of(texts), artefacts)
    agree = np.mean(
        (some["confidence"].to_numpy() >= 0.65) == (whole["confidence"].to_numpy() >= 0.65)
    )
    assert agree >= 0.85
    sure = whole["confidence"].to_numpy() >= 0.9
    same = np.array(some["language"].to_pylist()) == np.array(whole["language"].to_pylist())
    assert same[sure].mean() >= 0.95


def test_code_is_kept_and_unsure_prose_is_not(language_weights: Path) -> None:
    code = "for (i = 0; i < n; i++) { x[i] += y[i] * z; }\n" * 20
    table = table_of([code, code, ENGLISH], kind__kind=["code", "prose", "prose"])
    stage = stage_of()
    found = annotate(stage, table, {"model": language_weights})
    assert reasons(stage, found) == ["keep", "language_below_threshold", "keep"]
    verdicts = stage.decide(found)
    assert verdicts.threshold.to_pylist() == [None, 0.65, 0.65]
    assert verdicts.score.to_pylist()[0] is None


def annotations(rows: list[tuple[str, float, str]]) -> pa.Table:
    return pa.table(
        {
            "language": [row[0] for row in rows],
            "confidence": [row[1] for row in rows],
            "second_language": pa.nulls(len(rows), pa.string()),
            "second_confidence": [0.0] * len(rows),
            "rule_kind": [row[2] for row in rows],
        },
        schema=Language.columns,
    )


def test_decisions() -> None:
    table = annotations(
        [("en", 0.65, "prose"), ("en", 0.6499, "prose"), ("sw", 0.5, "prose"), ("de", 0.9, "math")]
    )
    assert reasons(stage_of(), table) == [
        "keep",
        "language_below_threshold",
        "language_below_threshold",
        "keep",
    ]
    relaxed = stage_of(language_thresholds={"sw": 0.4, "en": 0.7})
    assert reasons(relaxed, table) == [
        "language_below_threshold",
        "language_below_threshold",
        "keep",
        "keep",
    ]
    only = stage_of(languages=["sw"], thresholds={"prose": 0.3})
    assert reasons(only, table) == ["language_not_wanted", "language_not_wanted", "keep", "keep"]
    strict = stage_of(languages=["en"], thresholds={"math": 0.5})
    assert reasons(strict, table)[3] == "language_not_wanted"


def test_thresholds_do_not_measure_anything_again() -> None:
    one = stage_of()
    other = stage_of(languages=["en"], thresholds={"prose": 0.1}, language_thresholds={"de": 0.5})
    assert one.measured_config() == other.measured_config()
    assert one.decision_config() != other.decision_config()
    assert one.measured_config() != stage_of(pieces=4).measured_config()


def test_bad_configs() -> None:
    with pytest.raises(ValidationError, match="there is no kind poetry"):
        stage_of(thresholds={"poetry": 0.5})
    with pytest.raises(ValidationError, match="no probability"):
        stage_of(language_thresholds={"de": 65})


@settings(deadline=None)  # the first call compiles
@given(st.lists(st.text(max_size=400), max_size=6), st.integers(1, 8), st.integers(16, 64))
def test_pieces_are_whole_characters_of_the_text(
    texts: list[str], pieces: int, piece_bytes: int
) -> None:
    lines, owners = cut_pieces(pa.array(texts, pa.large_string()), pieces, piece_bytes)
    found = lines.to_pylist()  # raises on a cut character
    assert owners == sorted(set(owners))
    assert len(found) == len(owners)
    for line, row in zip(found, owners, strict=True):
        assert "\n" not in line
        assert len(line.encode()) <= pieces * (piece_bytes + 1)
        assert set(line) <= set(texts[row]) | {" "}
        if len(texts[row].encode()) <= pieces * piece_bytes:
            assert line == "".join(" " if c < " " else c for c in texts[row])
    silent = set(range(len(texts))) - set(owners)
    letters = {c for row in silent for c in texts[row] if c.isascii() and c.isalpha()}
    assert not letters or any(len(texts[row].encode()) > pieces * piece_bytes for row in silent)
