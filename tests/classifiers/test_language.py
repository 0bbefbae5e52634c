"""The language model: real weights, real texts in many languages."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from classifiers.language import LanguageModel, language_model

LANGUAGES = frozenset(
    (
        "ar",
        "bg",
        "cs",
        "da",
        "en",
        "es",
        "fi",
        "fr",
        "he",
        "hi",
        "hu",
        "it",
        "ja",
        "ko",
        "nl",
        "pl",
        "pt",
        "ru",
        "sv",
        "th",
        "tr",
        "uk",
        "vi",
    )
)


def test_names_languages_of_real_texts(language_weights: Path, shared_data: Path) -> None:
    path = shared_data / "research_only/langid/udhr.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    known = [r for r in records if r["bcp47"] in LANGUAGES]
    guesses = language_model(language_weights).identify(
        [" ".join(r["text"].split())[:2000] for r in known]
    )
    right = [g.languages[0] == r["bcp47"] for g, r in zip(guesses, known, strict=True)]
    assert len(known) >= 20
    assert sum(right) >= 0.95 * len(known)


def test_answers_do_not_depend_on_the_batch(language_weights: Path) -> None:
    model = language_model(language_weights)
    lines = ["The committee met again on Monday.", "Das Wetter wird morgen schön.", "", "12 34"]
    together = model.identify(lines)
    assert together == [model.identify([line])[0] for line in lines]
    assert together == model.identify(lines)
    assert together[0].languages[0] == "en"
    assert together[1].languages[0] == "de"
    for guess in together:
        assert list(guess.probabilities) == sorted(guess.probabilities, reverse=True)
        assert all(0 <= probability <= 1 for probability in guess.probabilities)


def test_a_newline_is_refused(language_weights: Path) -> None:
    with pytest.raises(ValueError, match="line 1 holds a newline"):
        language_model(language_weights).identify(["one", "two\nthree"])


@pytest.mark.parametrize("load", [LanguageModel, language_model])
def test_bad_files_are_named(load: Callable[[Path], LanguageModel], tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"lid\.176\.ftz"):
        load(tmp_path / "missing.ftz")
    broken = tmp_path / "broken.ftz"
    broken.write_bytes(b"not a model at all")
    with pytest.raises(ValueError, match=r"broken\.ftz: not a fastText model"):
        load(broken)


def test_the_model_is_loaded_once(language_weights: Path) -> None:
    assert language_model(language_weights) is language_model(language_weights)
