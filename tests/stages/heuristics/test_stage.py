"""The stage: rules by kind, numbers from the recipe, verdicts like datatrove's."""

import gzip
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from stages.heuristics.rules import PUBLISHED, RULE_SETS, rule_names
from stages.heuristics.stage import Heuristics, HeuristicsConfig
from stages.kind import KINDS
from tests.stages.driving import annotate, reasons, row_by_row, table_of

GOOD = (
    "The keeper of the light wrote a letter to the council every spring. He asked for oil, for"
    " rope and for paint, and he told them what the winter had done to the tower. They read it"
    " with care. Most years they sent him half of what he had asked for. He never complained, and"
    " the lamp was never dark for a single night.\n"
)
CODE = "int total = 0;\nfor (int i = 0; i < n; i++) {\n    total += values[i];\n}\n" * 12


def stage_of(**config: object) -> Heuristics:
    return Heuristics(HeuristicsConfig.model_validate(config))


def test_rules_are_chosen_by_kind() -> None:
    stage = stage_of()
    texts = [GOOD, CODE, CODE, CODE, "short", "short"]
    kinds = ["prose", "prose", "code", "list", "prose", "code"]
    found = annotate(stage, table_of(texts, kind__kind=kinds))
    words = reasons(stage, found)
    assert words[0] == "keep"
    assert words[1].startswith("gopher_repetition.")
    assert words[2] == "keep"
    assert words[3] == "gross.dup_line_chars"
    assert words[4] == "gopher_repetition.top_2_gram" or words[4] == "gopher_quality.few_words"
    assert words[5] == "keep"


def test_the_first_rule_in_the_recipes_order_is_the_reason() -> None:
    table = table_of([CODE])
    for order in (["fineweb", "c4"], ["c4", "fineweb"]):
        stage = stage_of(rules={"prose": order})
        [reason] = reasons(stage, annotate(stage, table))
        assert reason.startswith(f"{order[0]}.")


def test_scores_and_thresholds_are_what_was_compared() -> None:
    stage = stage_of(rules={"prose": ["gopher_quality"]})
    verdicts = stage.decide(annotate(stage, table_of(["of the few words", GOOD])))
    assert verdicts.verdict.to_pylist() == ["gopher_quality.few_words", "keep"]
    assert verdicts.score.to_pylist() == [4.0, None]
    assert verdicts.threshold.to_pylist() == [50.0, None]


def test_a_value_at_the_threshold_passes() -> None:
    stage = stage_of(rules={"prose": ["gopher_quality"]})
    table = pa.table(
        {
            "rule_kind": ["prose", "prose"],
            "rule_language": pa.nulls(2, pa.string()),
            "failed_rules": pa.array([0, 0], pa.int32()),
            **{
                name: [0.0, 0.0]
                for name in Heuristics.columns.names
                if name not in ("rule_kind", "rule_language", "failed_rules")
            },
            "words": [50.0, 49.5],
            "mean_word_length": [10.0, 5.0],
            "hashes_per_word": [0.1, 0.0],
            "alphabetic_words": [0.8, 1.0],
            "stop_words": [2.0, 2.0],
        }
    ).select(Heuristics.columns.names)
    assert reasons(stage, table) == ["keep", "gopher_quality.few_words"]


def test_stop_words_are_asked_in_english_only() -> None:
    text = "Das Licht brannte die ganze Nacht und niemand wusste warum es so lange hell war. " * 8
    for languages, expected in (
        ({"language__language": ["en"]}, "gopher_quality.stop_words"),
        ({"language__language": ["de"]}, "keep"),
        ({}, "gopher_quality.stop_words"),
    ):
        stage = stage_of(rules={"prose": ["gopher_quality"]})
        assert reasons(stage, annotate(stage, table_of([text], **languages))) == [expected]


def test_thresholds_can_be_changed_and_switched_off_without_measuring() -> None:
    usual = stage_of()
    found = annotate(usual, table_of(["of the few words and that is all"]))
    for number, keep in ((5, True), (None, True), (30, False)):
        stage = stage_of(
            rules={"prose": ["gopher_quality"]},
            thresholds={"prose": {"gopher_quality.few_words": number}},
        )
        assert stage.measured_config() == usual.measured_config()
        assert (reasons(stage, found) == ["keep"]) is keep


def test_marks_count_as_words_only_when_the_recipe_says_so() -> None:
    text = 'Winter, wind, and, of course, the "harbour": nobody, again, went; to sea, (yet). ' * 12
    table = table_of([text])
    for marks_are_words, reason in ((False, "keep"), (True, "gopher_quality.alphabetic_words")):
        stage = stage_of(rules={"prose": ["gopher_quality"]}, marks_are_words=marks_are_words)
        assert reasons(stage, annotate(stage, table)) == [reason]


def test_bad_configs_say_what_there_is() -> None:
    with pytest.raises(ValidationError, match=r"no rule set gofer.*gopher_quality"):
        stage_of(rules={"prose": ["gofer"]})
    with pytest.raises(ValidationError, match="no kind poetry"):
        stage_of(rules={"poetry": []})
    with pytest.raises(ValidationError, match=r"no rule c4\.lines.*c4\.few_sentences"):
        stage_of(thresholds={"prose": {"c4.lines": 3}})


def test_every_rule_has_a_statistic_and_a_name_of_its_own() -> None:
    for rules in RULE_SETS.values():
        assert {rule.statistic for rule in rules} <= set(Heuristics.columns.names)
    assert len(rule_names()) == sum(map(len, RULE_SETS.values()))


@settings(deadline=None)  # the first call compiles
@given(st.lists(st.text(max_size=150), min_size=1, max_size=5), st.sampled_from(KINDS))
def test_each_row_stands_alone(texts: list[str], kind: str) -> None:
    stage = stage_of()
    table = table_of([*texts, GOOD], kind__kind=[kind] * (len(texts) + 1))
    together = annotate(stage, table)
    assert together.combine_chunks() == row_by_row(stage, table)
    assert reasons(stage, together)[:1] == reasons(stage, together.slice(0, 1))


def kappa(one: np.ndarray, other: np.ndarray) -> float:
    """Cohen's kappa of two boolean arrays."""
    agree = float(np.mean(one == other))
    chance = float(one.mean() * other.mean() + (1 - one.mean()) * (1 - other.mean()))
    return (agree - chance) / (1 - chance)


@pytest.mark.slow
def test_verdicts_agree_with_datatrove_on_real_pages(shared_data: Path) -> None:
    pytest.importorskip("spacy", reason="spaCy is an extra: pip install tamis[bench]")
    filters = pytest.importorskip("datatrove.pipeline.filters")
    from datatrove.data import Document

    texts: list[str] = []
    for name in (
        "web/dolma_cc_en_head",
        "web/datajuicer_domain_mix",
        "quality/dclm_human_majority_only",
    ):
        with gzip.open(shared_data / f"open/{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
            texts += [json.loads(line)["text"] for line in lines]
    texts = [text[:20_000] for text in texts if text]
    pairs = {
        "gopher_repetition": (filters.GopherRepetitionFilter(), False),
        "gopher_quality": (filters.GopherQualityFilter(), False),
        "c4": (filters.C4QualityFilter(), True),
        "fineweb": (filters.FineWebQualityFilter(), False),
    }
    assert tuple(pairs) == PUBLISHED
    for group, (theirs, terminal_only) in pairs.items():
        stage = stage_of(
            rules={"prose": [group]}, c4_terminal_only=terminal_only, marks_are_words=True
        )
        ours = np.array(reasons(stage, annotate(stage, table_of(texts)))) != "keep"
        answers = [theirs.filter(Document(text=text, id="")) for text in texts]
        dropped = np.array([answer is not True for answer in answers])
        assert kappa(ours, dropped) >= 0.95, group
