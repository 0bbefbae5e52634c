"""Diff on a small real corpus: causes, their parts of the change, gates and formats."""

import json
import re
import shlex
import subprocess
from collections.abc import Sequence
from html.parser import HTMLParser
from io import StringIO
from itertools import pairwise
from pathlib import Path

import jsonschema
import pytest
import yaml
from click.testing import Result
from rich.console import Console
from typer.testing import CliRunner

import tamis
from manifests.attribution import Attribution
from manifests.diff import Diff, diff_manifests
from manifests.gate import GateError, check
from manifests.manifest import Manifest
from tamis.attribution import attribution
from tamis.cli import app
from tamis.diff_tables import diff_sections
from tamis.tables import as_markdown, show_sections
from tests.small_corpus import write_small_corpus

SCHEMA = Path(__file__).resolve().parents[2] / "manifests/diff.schema.json"
TIGHTER = ("stages.quality.min_prior=0.45", "stages.balance.weights={code: 0.5}")


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory, language_model: Path) -> Path:
    path = write_small_corpus(tmp_path_factory.mktemp("diff") / "small", language_model)
    content = yaml.safe_load(path.read_text())
    for sink in ("shard", "train"):
        del content["stages"][sink]
    content["stages"]["tokenize"] = {"tokenizer": "qwen"}
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def build(recipe: Path, workspace: str, given: Sequence[str] = ()) -> Manifest:
    place = recipe.parent / workspace
    return tamis.build(recipe, workspace=place, workers=1, settings=given).manifest


@pytest.fixture(scope="module")
def sides(recipe: Path) -> tuple[Manifest, Manifest]:
    """Two thresholds and one source apart, in workspaces of their own."""
    before = build(recipe, "before")
    extra = recipe.parent / "raw/code/more.py"
    extra.write_text((recipe.parent / "raw/code/heapq.py").read_text().replace("heap", "pile"))
    after = build(recipe, "after", TIGHTER)
    extra.unlink()
    return before, after


@pytest.fixture(scope="module")
def found(sides: tuple[Manifest, Manifest]) -> Diff:
    result = diff_manifests(*sides)
    result.attribution = attribution(*sides)
    return result


def sums(parts: Attribution, dimension: str | None, group: str | None) -> tuple[int, int, float]:
    chosen = [
        effect
        for effects in parts.effects
        for effect in effects
        if (effect.dimension, effect.group) == (dimension, group)
    ]
    return (
        sum(effect.documents for effect in chosen),
        sum(effect.tokens for effect in chosen),
        sum(effect.share or 0.0 for effect in chosen),
    )


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_causes_are_named_and_each_has_its_part(found: Diff) -> None:
    assert {cause.what for cause in found.causes} == {
        "input code",
        "stages.quality.min_prior",
        "stages.balance.weights",
    }
    assert found.attribution is not None
    steps = {step.causes: step for step in found.attribution.steps}
    assert steps["stages.quality.min_prior",].how == "derived"
    assert steps["stages.quality.min_prior",].exact
    assert steps["stages.balance.weights",].how == "derived"
    assert steps["input code",].how == "rest"


def test_the_parts_add_up_to_the_whole(found: Diff) -> None:
    assert found.attribution is not None
    assert found.kept_before is not None
    assert found.kept_after is not None
    documents, tokens, _ = sums(found.attribution, None, None)
    assert documents == found.kept_after.documents - found.kept_before.documents
    assert tokens == (found.kept_after.tokens or 0) - (found.kept_before.tokens or 0)
    for group in found.groups:
        documents, tokens, share = sums(found.attribution, group.dimension, group.group)
        assert documents == group.documents_after - group.documents_before
        assert tokens == group.tokens_after - group.tokens_before
        moved = (group.share_after or 0.0) - (group.share_before or 0.0)
        assert share == pytest.approx(100 * moved)


def test_a_derived_part_is_that_of_a_build(
    recipe: Path, sides: tuple[Manifest, Manifest], found: Diff
) -> None:
    alone = diff_manifests(sides[0], build(recipe, "alone", TIGHTER[:1]), moves=False)
    assert found.attribution is not None
    first = found.attribution.steps.index(
        next(s for s in found.attribution.steps if s.causes == ("stages.quality.min_prior",))
    )
    assert first == 0
    derived = {(e.dimension, e.group): e for e in found.attribution.effects[0]}
    for group in alone.groups:
        effect = derived[group.dimension, group.group]
        assert effect.documents == group.documents_after - group.documents_before
        assert effect.tokens == group.tokens_after - group.tokens_before


def test_a_build_of_the_history_stands_between(recipe: Path) -> None:
    before = build(recipe, "steps")
    first = "stages.near_dedupe.min_jaccard=0.99"
    build(recipe, "steps", [first])
    both = [first, "stages.near_dedupe.number_weight=1"]
    after = build(recipe, "steps", both)
    old = tamis.load_manifest(before.workspace / f"history/{before.fingerprint}.json")
    parts = attribution(old, after)
    assert ("stages.near_dedupe.min_jaccard",) in [
        step.causes for step in parts.steps if step.how == "built"
    ]
    whole = diff_manifests(old, after, moves=False)
    assert whole.kept_before is not None
    assert whole.kept_after is not None
    assert sums(parts, None, None)[0] == whole.kept_after.documents - whole.kept_before.documents


def test_waterfall_and_reasons_agree_with_the_manifests(
    sides: tuple[Manifest, Manifest], found: Diff
) -> None:
    for stage in found.stages:
        for side, came, kept in zip(
            sides,
            (stage.in_before, stage.in_after),
            (stage.kept_before, stage.kept_after),
            strict=True,
        ):
            counts = side.stage(stage.stage)
            assert came is not None
            assert kept is not None
            assert counts["in"] == {"documents": came.documents, "bytes": came.bytes}
            assert counts["kept"] == {"documents": kept.documents, "bytes": kept.bytes}
    low = next(reason for reason in found.reasons if reason.reason == "low_quality")
    assert low.documents_after == sides[1].stage("quality")["dropped"]["low_quality"]["documents"]


def test_shares_sum_to_one_and_the_most_moved_comes_first(found: Diff) -> None:
    for dimension in {group.dimension for group in found.groups}:
        groups = [group for group in found.groups if group.dimension == dimension]
        assert sum(group.share_after or 0.0 for group in groups) == pytest.approx(1)
        moved = [abs((g.share_after or 0.0) - (g.share_before or 0.0)) for g in groups]
        assert moved == sorted(moved, reverse=True)


@pytest.mark.parametrize(
    ("condition", "met"),
    [
        ("documents < -1", True),
        ("documents > 0", False),
        ("documents < -99%", False),
        ("tokens<-1%", True),
        ("share(kind=code) < -99pp", False),
        ("share( kind = prose ) >= -100pp", True),
        ("dropped(reason=low_quality) > 5", True),
        ("dropped(stage=quality) > 5", True),
        ("dropped(stage=kind) > 0", False),
        ("documents(source=code) < 0", True),
    ],
)
def test_conditions(found: Diff, condition: str, met: bool) -> None:
    (result,) = check(found, [condition])
    assert result.met is met


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        ("documents", "Write MEASURE SIGN NUMBER"),
        ("documents == 3", "Signs: < <= > >="),
        ("share(kind=code) < -1%", "only shares|they alone"),
        ("share < -1pp", "of which group"),
        ("pages < 1", "no measure `pages`"),
        ("share(topic=STEM) < -1pp", "no dimension `topic`. There are: .*domain"),
        ("share(domain=STEM) < -1pp", "no domain `STEM`. There are: .*code"),
        ("dropped(reason=nothing) > 1", "no reason `nothing`"),
    ],
)
def test_conditions_that_cannot_be(found: Diff, condition: str, told: str) -> None:
    with pytest.raises(GateError, match=told):
        check(found, [condition])


def test_exit_codes_and_json(sides: tuple[Manifest, Manifest]) -> None:
    places = [side.workspace for side in sides]
    shown = call("diff", *places, "--json", "--fail-if", "documents < -1")
    assert shown.exit_code == 3
    content = json.loads(shown.stdout)
    jsonschema.validate(content, json.loads(SCHEMA.read_text()))
    assert content["moves"]
    assert call("diff", *places, "--no-attribute", "--fail-if", "documents > 9").exit_code == 0
    conditions = ("--fail-if", "documents < -1", "--fail-if", "share(kind=code) < -99pp")
    gated = call("diff", *places, "--no-attribute", *conditions, "--format", "markdown")
    fate = {row.split("|")[1].strip(): row for row in gated.stdout.splitlines() if "|" in row}
    assert "met: fails" in fate["documents &lt; -1"]
    assert re.search(r"[+-]\d+\.\d\d pp \| passes", fate["share(kind=code) &lt; -99pp"])
    assert call("diff", *places, "--no-attribute", "--fail-if", "nonsense").exit_code == 2


def test_tables_fit_a_terminal(found: Diff) -> None:
    """Of 80 columns: every change stands in one line, and none is cut."""
    text = StringIO()
    show_sections(Console(file=text, width=80), diff_sections(found))
    lines = text.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    dimensions = {group.dimension for group in found.groups}
    for group in found.groups:
        if group.dimension == "kind" and group.share_before != group.share_after:
            share = f"{100 * (group.share_before or 0):.2f} → {100 * (group.share_after or 0):.2f}"
            assert any(line.split()[:1] == [group.group] and share in line for line in lines)
    assert "kind" in dimensions
    told = as_markdown(diff_sections(found)).replace("\\", "")
    assert "quality: min_prior 0.12 → 0.45 (derived)" in told


class Balanced(HTMLParser):
    """Tags that are open, and the words of the page."""

    def __init__(self) -> None:
        super().__init__()
        self.tables = 0
        self.words = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag != "script" or "src" not in dict(attrs), "the page needs no network"
        self.tables += tag == "table"

    def handle_endtag(self, tag: str) -> None:
        self.tables -= tag == "table"

    def handle_data(self, data: str) -> None:
        self.words += data


def test_markdown_and_html(sides: tuple[Manifest, Manifest]) -> None:
    places = [side.workspace for side in sides]
    text = call("diff", *places, "--format", "markdown").output
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert any("stages.quality.min\\_prior" in row for row in rows)
    page = Balanced()
    page.feed(call("diff", *places, "--format", "html").output)
    assert page.tables == 0
    assert "stages.quality.min_prior" in page.words
    assert "Which part comes from which cause" in page.words


def test_a_git_revision_of_a_manifest(
    sides: tuple[Manifest, Manifest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*arguments: str) -> None:
        names = ("-c", "user.name=t", "-c", "user.email=t@t.invalid")
        subprocess.run(["git", *names, *arguments], cwd=tmp_path, check=True, capture_output=True)

    git("init", "-q")
    (tmp_path / "corpus").mkdir()
    for side in sides:
        (tmp_path / "corpus/manifest.json").write_bytes(side.path.read_bytes())
        git("add", ".")
        git("commit", "-q", "-m", side.fingerprint)
    monkeypatch.chdir(tmp_path)
    arguments = ("diff", "HEAD~1:corpus/manifest.json", "corpus/manifest.json")
    content = json.loads(call(*arguments, "--json").stdout)
    assert (content["before"], content["after"]) == tuple(side.fingerprint for side in sides)
    assert content["moves"] is None
    assert content["attribution"]["steps"][0]["how"] == "rest"
    failed = call("diff", "HEAD~7:corpus/manifest.json", "corpus/manifest.json")
    assert failed.exit_code == 2


PAGE = Path(__file__).resolve().parents[2] / "docs/diff.md"


def fault_of(found: Diff, condition: str) -> str:
    try:
        check(found, [condition])
    except GateError as error:
        return str(error)
    return ""


def test_conditions_and_the_workflow_of_the_docs_are_as_they_should_be(found: Diff) -> None:
    page = PAGE.read_text()
    cells = re.findall(r"^\| (`.*?[<>].*?) \|", page, re.MULTILINE)
    conditions = [one for cell in cells for one in re.findall(r"`(.+?)`", cell)]
    assert len(conditions) == 7
    told = {condition: fault_of(found, condition) for condition in conditions}
    # all can be read; this small corpus has not every group of them
    assert all("There are:" in fault for fault in told.values() if fault)
    assert not told["documents < -5%"]
    workflow = yaml.load(re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)[0], yaml.BaseLoader)
    assert workflow["on"] == {"pull_request": {"paths": ["corpus/manifest.json"]}}
    (job,) = workflow["jobs"].values()
    command = shlex.split(job["steps"][-1]["run"])
    assert command[:2] == ["tamis", "diff"]
    assert command[command.index("--format") + 1] == "markdown"
    assert [w for before, w in pairwise(command) if before == "--fail-if"] == [
        "share(domain=science) < -1pp",
        "tokens < -5%",
    ]
