"""What-if against the build that follows it, on a small real corpus."""

from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tamis
from manifests.manifest import Manifest
from pipeline.recipe import RecipeError
from tamis.derive import derive
from tamis.recount import recount
from tamis.suppose import changed_entries, stage_entries, what_if
from tests.small_corpus import write_small_corpus

FIXED = ("stages.tokenize.tokenizer=qwen",)
"""A tokenizer that is not made of the corpus."""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory, language_model: Path) -> Path:
    path = write_small_corpus(tmp_path_factory.mktemp("what-if") / "small", language_model)
    content = yaml.safe_load(path.read_text())
    for sink in ("shard", "train"):  # they decide nothing
        del content["stages"][sink]
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


@pytest.fixture(scope="module")
def manifest(recipe: Path) -> Manifest:
    workspace = recipe.parent / "w"
    return tamis.build(recipe, workspace=workspace, workers=1, settings=FIXED).manifest


def built(recipe: Path, given: list[str]) -> Manifest:
    """The build that follows, in a workspace where what stays the same is there already."""
    workspace = recipe.parent / "then"
    return tamis.build(recipe, workspace=workspace, workers=1, settings=[*FIXED, *given]).manifest


def check(recipe: Path, manifest: Manifest, given: list[str]) -> bool:
    """Whether the answer is exact; then every count is that of the build, else bounds hold."""
    answer = what_if(manifest, given)
    then = built(recipe, given)
    entries = stage_entries(manifest)
    cube = recount(derive(manifest, entries, changed_entries(entries, given)))
    kept = then.content["stages"][-1]["kept"]["documents"]
    assert answer.documents.at_least <= kept <= answer.documents.at_most
    for stage in answer.stages:
        counts = then.stage(stage.stage)
        assert stage.at_least <= counts["kept"]["documents"] <= stage.at_most
    if answer.exact:
        assert cube.sort(cube.columns).equals(then.cube.select(cube.columns).sort(cube.columns))
        assert answer.documents.known == kept
        for stage in answer.stages:
            dropped = then.stage(stage.stage)["dropped"]
            assert stage.dropped == {why: n["documents"] for why, n in dropped.items()}
        record = then.stage("balance")["record"]
        assert answer.effective_tokens == record["effective_tokens"]
        assert answer.tokens == record["reached_tokens"]
    return answer.exact


@settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    prior=st.sampled_from([0.0, 0.12, 0.3, 0.45, 0.6, 0.8]),
    lcs=st.sampled_from([13, 40, 500]),
    code=st.sampled_from([0.0, 0.25, 1.0, 3.0]),
    tokens=st.sampled_from(["all", "50000", "400000"]),
    temperature=st.sampled_from([None, 1.0, 5.0]),
)
def test_what_if_is_the_build_that_follows(
    recipe: Path,
    manifest: Manifest,
    prior: float,
    lcs: int,
    code: float,
    tokens: str,
    temperature: float | None,
) -> None:
    mixture = f"weights={{code: {code}}}" if temperature is None else f"temperature={temperature}"
    given = [
        f"stages.quality.min_prior={prior}",
        f"stages.decontaminate.min_lcs={lcs}",
        f"stages.balance.{mixture}",
        f"stages.balance.tokens={tokens}",
    ]
    exact = check(recipe, manifest, given)
    assert exact or lcs > 13  # a leaked document that comes alive has no tokens yet


@pytest.mark.parametrize(
    "given",
    [
        "stages.language.thresholds.prose=0.9",
        "stages.language.languages=[en]",
        "stages.heuristics.rules.prose=[]",
        "stages.heuristics.rules.prose=[gopher_quality, c4]",
    ],
)
def test_bounds_hold_before_a_deduplication(recipe: Path, manifest: Manifest, given: str) -> None:
    exact = check(recipe, manifest, [given])
    assert exact == (given != "stages.heuristics.rules.prose=[]")


def test_nothing_changed_is_the_corpus_itself(manifest: Manifest) -> None:
    answer = what_if(manifest, ["stages.quality.min_prior=0.12"])
    assert answer.exact
    assert answer.tokens_exact
    assert answer.changes == []
    assert answer.documents.known == answer.documents_before
    assert answer.effective_tokens == answer.effective_tokens_before


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("stages.near_dedupe.min_jaccard=0.5", "is no threshold"),
        ("stages.kind.nothing=1", "no such key"),
        ("ingest.part_bytes=1", "other keys need a build"),
        ("stages.nothing.x=1", "Possible here: stages.language.thresholds"),
        ("stages.tokenize.vocabulary_size=2000", "every key of stages.balance"),
    ],
)
def test_what_ledgers_cannot_say_is_refused(manifest: Manifest, given: str, told: str) -> None:
    with pytest.raises(RecipeError, match=told):
        what_if(manifest, [given])


def test_a_trained_tokenizer_makes_tokens_inexact(recipe: Path) -> None:
    workspace = recipe.parent / "trained"
    trained = tamis.build(recipe, workspace=workspace, workers=1).manifest
    answer = what_if(trained, ["stages.quality.min_prior=0.6"])
    assert not answer.tokens_exact
    assert any(doubt.startswith("tokenize: tokens are counted") for doubt in answer.doubts)
    given = ["stages.quality.min_prior=0.6"]
    then = tamis.build(recipe, workspace=workspace, workers=1, settings=given).manifest
    before_balance = next(stage for stage in answer.stages if stage.stage == "tokenize")
    assert before_balance.at_least == then.stage("tokenize")["kept"]["documents"]
    # what weights of 1 and more read is read whatever it counts in tokens
    whole = "stages.balance.weights={code: 2, boilerplate: 0}"
    partly = "stages.balance.weights={code: 2, technology: 0.4}"
    for weights, exact in ((whole, True), (partly, False)):
        answer = what_if(trained, [*given, weights])
        assert answer.exact is exact
        then = tamis.build(
            recipe, workspace=workspace, workers=1, settings=[*given, weights]
        ).manifest
        kept = then.stage("balance")["kept"]["documents"]
        assert 0 < answer.documents.at_least <= kept <= answer.documents.at_most
