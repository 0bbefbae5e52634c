"""Masking: what is left passes the rule, and nothing else is cut."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests.schema import CUTS, KEEP
from pipeline.cuts import SPANS, cut_texts, union
from stages.decontaminate.mask import Span, mask_spans
from tests.stages.decontaminate.running import Running, write_lines

TULIPS = (
    "A gardener plants 14 rows of tulips with 23 bulbs each, then digs up 9 bulbs that a mole has"
    " eaten. How many bulbs are left in the garden?"
)
BAKERS = (
    "Überall bäckt ein Bäcker 48 Brötchen am Tag und 17 Brezeln, verkauft davon 39, und verschenkt"
    " den Rest an die Nachbarn in seiner Straße; wie viele sind das?"
)
SHORT = "Who digs holes in lawns at night?"
NOISE = ("The weather was mild — wie im März — that week. ", "Nobody thought of 冬天 yet, ", "\n")


@pytest.fixture(scope="module")
def masking(tmp_path_factory: pytest.TempPathFactory) -> Running:
    folder = tmp_path_factory.mktemp("masking")
    items = [{"q": TULIPS}, {"q": BAKERS}, {"q": SHORT}]
    path = write_lines(folder / "items.jsonl", items)
    return Running(
        folder,
        benchmarks={"garden": {"path": path, "question": "q"}},
        action="mask",
        mode="hardened",
    )


def masked(running: Running, texts: list[str]) -> list[str | None]:
    """What is left of texts; None for those that are dropped."""
    verdicts = running.decide(running.annotate(texts))
    assert verdicts.cuts is not None
    spans = pa.array(
        [
            [{"start": cut["start"], "end": cut["end"]} for cut in row or []]
            for row in verdicts.cuts.to_pylist()
        ],
        SPANS,
    )
    left = cut_texts(pa.chunked_array([pa.array(texts, pa.large_string())]), union([spans]))
    kept = verdicts.verdict.to_pylist()
    return [
        text if verdict == KEEP else None
        for text, verdict in zip(left.to_pylist(), kept, strict=True)
    ]


def test_the_span_is_cut_and_nothing_else(masking: Running) -> None:
    texts = [f"{NOISE[0]}{TULIPS} {NOISE[1]}", "".join(NOISE), f"Ärger: {BAKERS}\n{SHORT} Not me."]
    assert masked(masking, texts) == [
        f"{NOISE[0]}? {NOISE[1]}",
        "".join(NOISE),
        "Ärger: ?\n? Not me.",
    ]
    annotations = masking.annotate(texts)
    verdicts = masking.decide(annotations)
    assert verdicts.cuts is not None
    assert verdicts.cuts.type == CUTS
    cuts = verdicts.cuts.to_pylist()
    assert cuts[1] is None
    start = len(NOISE[0].encode())
    assert cuts[0] == [
        {"start": start, "end": start + len(TULIPS) - 1, "reason": "contaminated.garden"}
    ]
    (match,) = annotations["matches"][0].as_py()
    assert (match["byte_start"], match["byte_end"]) == (start, start + len(TULIPS) - 1)
    assert match["start"] == len(NOISE[0])


def test_an_item_that_stands_at_ten_places_is_cut_ten_times(masking: Running) -> None:
    (left,) = masked(masking, [f"{NOISE[0]}{TULIPS}" * 10])
    assert left == f"{NOISE[0]}?" * 10


def test_a_collection_of_items_is_dropped_and_takes_bounded_time(masking: Running) -> None:
    assert masked(masking, [f"{TULIPS} {BAKERS} " * 5000]) == [None]


def test_what_is_found_later_is_recorded_too(tmp_path: Path) -> None:
    """A question stands inside of another one: only when it is cut out is the other one whole."""
    words = TULIPS.split()[:24]
    path = write_lines(tmp_path / "items.jsonl", [{"q": " ".join(words)}, {"q": BAKERS}])
    running = Running(
        tmp_path, benchmarks={"garden": {"path": path, "question": "q"}}, action="mask"
    )
    around = (" ".join(words[:12]), " ".join(words[12:]))
    texts = [f"Ä {around[0]} {BAKERS} {around[1]}.", BAKERS, NOISE[0]]
    annotations = running.annotate(texts)
    matches = annotations["matches"].to_pylist()
    assert [[match["mask_round"] for match in row] for row in matches] == [[0, 1], [0], []]
    first, second = matches[0]
    for match in (first, second):
        data = texts[0].encode()[match["byte_start"] : match["byte_end"]]
        assert data.decode() == texts[0][match["start"] : match["end"]]
    assert texts[0][second["start"] : second["end"]] == texts[0][2:-1]
    assert (second["item"], second["lcs"], second["item_words"]) == ("0", 24, 24)
    assert (second["ngram_hits"], second["ratio"]) == (12, 1.0)
    assert second["item_text"] == " ".join(words)
    assert annotations["best_lcs"][0].as_py() == first["lcs"]
    (cut,) = annotations["masked"][0].as_py()
    assert (cut["start"], cut["end"]) == (second["byte_start"], second["byte_end"])


def test_a_benchmark_has_its_own_action(tmp_path: Path) -> None:
    garden = write_lines(tmp_path / "garden.jsonl", [{"q": TULIPS}])
    bakery = write_lines(tmp_path / "bakery.jsonl", [{"q": BAKERS}])
    benchmarks = {
        "garden": {"path": garden, "question": "q", "action": "mask"},
        "bakery": {"path": bakery, "question": "q"},
    }
    texts = [f"{NOISE[0] * 9}{TULIPS}", BAKERS, f"{TULIPS} {BAKERS}", f"{NOISE[0]}{TULIPS}"]
    running = Running(tmp_path, benchmarks=benchmarks)
    assert running.stage.may_cut()
    verdicts = running.decide(running.annotate(texts))
    assert verdicts.verdict.to_pylist() == [
        KEEP,
        "contaminated.bakery",
        "contaminated.bakery",
        KEEP,
    ]
    assert verdicts.cuts is not None
    assert [cuts is None for cuts in verdicts.cuts.to_pylist()] == [False, True, True, False]
    # the other way round: the stage masks, one benchmark drops
    benchmarks["garden"]["action"] = "drop"
    running = Running(tmp_path / "other", benchmarks=benchmarks, action="mask")
    assert running.reasons(texts) == [
        "contaminated.garden",
        KEEP,
        "contaminated.garden",
        "contaminated.garden",
    ]
    benchmarks["bakery"]["action"] = "drop"
    assert not Running(tmp_path / "none", benchmarks=benchmarks, action="mask").stage.may_cut()


def test_the_action_asks_for_no_other_index(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "garden.jsonl", [{"q": TULIPS}])
    one = {"path": path, "question": "q"}
    plain = Running(tmp_path, benchmarks={"garden": one})
    masking = Running(tmp_path, benchmarks={"garden": {**one, "action": "mask"}})
    assert plain.artefacts.shared == masking.artefacts.shared
    assert plain.stage.measured_config() != masking.stage.measured_config()


def test_dropping_gives_no_cuts(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "items.jsonl", [{"q": TULIPS}])
    running = Running(tmp_path, benchmarks={"garden": {"path": path, "question": "q"}})
    verdicts = running.decide(running.annotate([TULIPS]))
    assert verdicts.cuts is None
    assert verdicts.verdict.to_pylist() == ["contaminated.garden"]


def test_masks_depend_on_the_thresholds(masking: Running) -> None:
    """They are made until a text passes the rule, so the rule is part of what is measured."""
    assert masking.stage.measured_config()["min_lcs"] == 13
    dropping = type(masking.stage)(masking.stage.config.model_copy(update={"action": "drop"}))
    assert "min_lcs" not in dropping.measured_config()
    assert masking.stage.may_cut()
    assert not dropping.may_cut()


PIECES = st.sampled_from(
    [TULIPS, BAKERS, SHORT, *NOISE, TULIPS[:60], TULIPS[60:], BAKERS[:70], BAKERS[70:], "漢", " "]
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(PIECES, max_size=12).map("".join), min_size=1, max_size=4))
def test_what_is_left_passes_the_rule(masking: Running, texts: list[str]) -> None:
    left = [text for text in masked(masking, texts) if text is not None]
    again = masking.decide(masking.annotate(left))
    assert again.verdict.to_pylist() == [KEEP] * len(left)
    assert again.cuts is not None
    assert again.cuts.null_count == len(left)


@settings(deadline=None)
@given(st.lists(st.sampled_from(["ab", "ba", "c", "é"]), max_size=14).map("".join))
def test_spans_are_moved_back_to_where_they_stood(text: str) -> None:
    """Cutting out ``aa`` and ``bb`` until there are none, as a slow function does."""

    def search(left: pa.ChunkedArray) -> list[list[Span]]:
        found = []
        for one in left.to_pylist():
            data = one.encode()
            places = [i for i in range(len(data) - 1) if data[i : i + 2] in (b"aa", b"bb")]
            found.append([Span(i, i + 2, "x", 0) for i in places[:1]])
        return found

    slow = text
    while pair := re.search("aa|bb", slow):
        slow = slow[: pair.start()] + slow[pair.end() :]
    column = pa.chunked_array([pa.array([text], pa.large_string())])
    (mask,) = mask_spans(column, search(column), search)
    assert mask is not None
    data = text.encode()
    gone = {byte for span in mask.cuts for byte in range(span.start, span.end)}
    assert bytes(data[i] for i in range(len(data)) if i not in gone).decode() == slow
