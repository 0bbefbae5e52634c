"""Reports on deduplication and decontamination, as the command line gives them."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

import tamis
from manifests.contamination import Hit
from manifests.documents import find_documents
from manifests.manifest import Manifest, load_manifest
from tamis.contamination_tables import aligned_lines, contamination_of
from tests.small_corpus import problems
from tests.tamis.duplicates import NAMES, page, write_duplicates
from tests.tamis.test_cli import call


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_duplicates(tmp_path_factory.mktemp("duplicates")).parent


@pytest.fixture(scope="module")
def workspace(folder: Path) -> Path:
    built = tamis.build(folder / "duplicates.yaml", workspace=folder / "w", workers=1)
    return built.manifest.workspace


@pytest.fixture(scope="module")
def manifest(workspace: Path) -> Manifest:
    return load_manifest(workspace)


def answer(*arguments: object) -> Any:
    result = call(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_clusters_name_the_kept_and_the_dropped(workspace: Path) -> None:
    (cluster,) = answer("clusters", workspace, "--stage", "near_dedupe")["near_dedupe"]["clusters"]
    assert (cluster["size"], cluster["sources"]) == (5, {"mirror": 4, "pages": 1})
    (kept,) = [member for member in cluster["members"] if member["witness"] is None]
    dropped = [member for member in cluster["members"] if member["witness"] is not None]
    assert cluster["kept"] == 1
    assert {member["witness"] for member in dropped} == {kept["id"]}
    likeness = [member["jaccard"] for member in dropped]
    assert likeness == sorted(likeness)
    for member in dropped:
        story = tamis.explain(workspace, member["id"])[0]
        assert story.steps[-1].witness == kept["id"]
        assert story.steps[-1].annotations["cluster_size"] == 5
        assert story.steps[-1].score == pytest.approx(member["jaccard"], abs=1e-4)


def test_copies_are_a_cluster_too(workspace: Path) -> None:
    (cluster,) = answer("clusters", workspace)["exact_dedupe"]["clusters"]
    kept, dropped = cluster["members"]
    assert (cluster["size"], dropped["witness"], dropped["jaccard"]) == (2, kept["id"], 1.0)
    assert kept["first"].startswith(page(NAMES[1])[:100])


def test_how_many_clusters_and_members_is_an_option(workspace: Path) -> None:
    told = answer("clusters", workspace, "--members", 2)["near_dedupe"]["clusters"][0]["members"]
    assert sum(member["witness"] is not None for member in told) == 2
    assert answer("clusters", workspace, "--clusters", 0)["near_dedupe"]["clusters"] == []
    shown = call("clusters", workspace, "--members", 1).output
    assert "a cluster of 5 documents, 1 kept (mirror 4, pages 1)" in shown
    assert "and 3 more dropped documents" in shown


def test_differences_stand_below_the_dropped(workspace: Path) -> None:
    plain = call("clusters", workspace, "--stage", "near_dedupe").output
    compared = call("clusters", workspace, "--stage", "near_dedupe", "--differences").output
    assert "[-e3-]" not in plain
    assert "[-e3-] {+" in compared
    for edits in answer("clusters", workspace, "--differences")["near_dedupe"]["clusters"][0][
        "members"
    ]:
        if edits["witness"]:
            changes = {piece["change"] for piece in edits["differences"]["pieces"]}
            assert changes == {"same", "removed", "added"}


def test_a_sample_of_a_reason_is_the_same_each_time(workspace: Path) -> None:
    asked = ("explain", workspace, "--reason", "near_duplicate", "--sample", 3)
    stories = answer(*asked)
    assert len({story["id"] for story in stories}) == 3
    assert stories == answer(*asked)
    assert {story["outcome"] for story in stories} == {"dropped by near_dedupe: near_duplicate"}
    everything = answer("explain", workspace, "--reason", "near_duplicate", "--sample", 99)
    assert len(everything) == 4
    seeds = [answer(*asked, "--seed", seed) for seed in range(1, 9)]
    assert any({s["id"] for s in other} != {s["id"] for s in stories} for other in seeds)
    shown = call(*asked, "--differences").output
    assert shown.count("only in the kept") == 3
    assert "survivor: " in shown


def test_a_reason_may_be_named_without_its_benchmark(workspace: Path) -> None:
    (story,) = answer("explain", workspace, "--reason", "contaminated")
    assert story["outcome"] == "dropped by decontaminate: contaminated.humaneval"
    wrong = call("explain", workspace, "--reason", "nonsense")
    assert wrong.exit_code == 2
    assert "contaminated.humaneval, exact_duplicate, near_duplicate" in wrong.output
    assert call("explain", workspace).exit_code == 2
    assert call("explain", workspace, "a", "--reason", "b").exit_code == 2


def test_contamination_shows_both_texts(manifest: Manifest, workspace: Path) -> None:
    told = answer("contamination", workspace)["decontaminate"]["contamination"]
    assert told["benchmarks"] == [
        {
            "benchmark": "humaneval",
            "items": 3,
            "items_too_short": 0,
            "items_hit": 1,
            "documents": 1,
            "bytes": told["benchmarks"][0]["bytes"],
        }
    ]
    (hit,) = told["hits"]
    document = find_documents(manifest, [hit["id"]])[hit["id"]]
    assert (hit["item"], hit["verdict"]) == ("HumanEval/0", "contaminated.humaneval")
    assert document.text[hit["start"] : hit["end"]] == hit["text"]
    assert document.n_bytes == told["benchmarks"][0]["bytes"]
    _, prompt, solution = problems()[0]
    assert hit["item_text"] in prompt + solution
    shown = call("contamination", workspace).output
    assert "humaneval HumanEval/0" in shown
    assert "words in order, ratio 1" in shown
    assert "====" in shown


def test_aligned_words_are_the_common_subsequence(manifest: Manifest) -> None:
    (hit,) = contamination_of(manifest, "decontaminate").hits
    lines = [line.plain for line in aligned_lines(hit, 80, marked=True)]
    assert max(map(len, lines)) <= 80
    marks = [line.split() for line in lines if set(line.strip()) == {"=", " "}]
    (left_out,) = re.findall(r"\((\d+) words in common\)", " ".join(lines[::3]))
    assert sum(map(len, marks)) + int(left_out) == hit.lcs
    coloured = list(aligned_lines(hit, 80, marked=False))
    assert not any(set(line.plain.strip()) == {"=", " "} for line in coloured)
    green = [
        line.plain[s.start : s.end] for line in coloured for s in line.spans if s.style == "green"
    ]
    assert len(green) == 2 * sum(map(len, marks))


def test_the_test_side_lists_items_and_the_clean_rest(workspace: Path, folder: Path) -> None:
    held, clean = folder / "held.jsonl", folder / "clean.jsonl"
    pages = folder / "pages.jsonl"
    named = ("--benchmarks", f"humaneval={folder / 'HumanEval.jsonl'}")
    asked = ("run", "decontaminate", pages, "--recipe", folder / "duplicates.yaml")
    shown = call(*asked, *named, "--contained", held, "--clean", clean)
    assert shown.exit_code == 0, shown.output
    (record,) = [json.loads(line) for line in held.read_text().splitlines()]
    assert (record["benchmark"], record["item"], record["words"]) == (
        "humaneval",
        "HumanEval/0",
        13,
    )
    assert record["locator"].endswith("pages.jsonl#13")
    rest = [json.loads(line)["item"] for line in clean.read_text().splitlines()]
    assert rest == ["HumanEval/1", "HumanEval/2"]
    told = answer(*asked, *named, "--test-side")["test_side"]["benchmarks"]["humaneval"]
    assert told == {"items": 3, "contained": 1, "clean": 2, "too_short": 0}
    # what decontamination dropped is not in the corpus any more
    after = answer("contamination", workspace, "--test-side", *named)["kept"]["test_side"]
    assert after["benchmarks"]["humaneval"]["contained"] == 0


def test_run_prints_clusters_and_contamination(folder: Path) -> None:
    recipe = ("--recipe", folder / "duplicates.yaml")
    files = (folder / "pages.jsonl", folder / "mirror.jsonl")
    shown = call("run", "near_dedupe", *files, *recipe, "--clusters", 1, "--differences")
    assert shown.exit_code == 0, shown.output
    assert "near_dedupe: a cluster of 5 documents" in shown.output
    assert "only in the kept" in shown.output
    told = answer("run", "near_dedupe", *files, *recipe, "--rows", 2)
    assert len(told["documents"]) == 2
    assert told["stage"]["name"] == "near_dedupe"
    assert told["clusters"][0]["size"] == 5
    found = call("run", "decontaminate", *files, *recipe, "--benchmarks", folder)
    assert found.exit_code == 0, found.output
    assert "humaneval HumanEval/0" in found.output
    assert "Left out, no benchmark by its name" in found.output


def test_masked_documents_are_counted_too(folder: Path) -> None:
    recipe = ("--recipe", folder / "duplicates.yaml")
    told = answer("run", "decontaminate", folder / "pages.jsonl", *recipe, "--set", "action=mask")
    (row,) = told["contamination"]["benchmarks"]
    assert (row["items_hit"], row["documents"]) == (1, 1)
    (hit,) = told["contamination"]["hits"]
    assert hit["verdict"] == "keep"
    assert Hit(**hit).outcome == "masked"


def test_what_cannot_be_looked_for_is_not_clean(folder: Path) -> None:
    (folder / "words.jsonl").write_text('{"q": "Why?"}\n{"q": "Who?"}\n')
    (folder / "half.jsonl").write_text('{"q": "How?"}\n{"q": "What is it that they look for?"}\n')
    named = ", ".join(
        f"{name}: {{path: {folder / name}.jsonl, question: q}}" for name in ("words", "half")
    )
    recipe = ("--recipe", folder / "duplicates.yaml")
    asked = ("run", "decontaminate", folder / "pages.jsonl", *recipe, "--set")
    told = answer(*asked, f"benchmarks={{{named}}}")["contamination"]["benchmarks"]
    assert [(row["benchmark"], row["items"], row["items_too_short"]) for row in told] == [
        ("half", 2, 1),
        ("words", 2, 2),
    ]
    shown = " ".join(call(*asked, f"benchmarks={{{named}}}").output.split())
    assert "words 2 2 0 not known" in shown
    assert "half 2 1 0 0.0 %" in shown
    assert "WARNING decontaminate cannot look for words: none of its 2 items has a text" in shown
    assert "cannot look for half" not in shown
    nothing = call(*asked, "benchmarks={}").output
    assert "WARNING decontaminate has no benchmarks, so it looked for nothing." in nothing
    assert "Benchmark items in the documents" not in nothing


def test_faults_name_the_cure(workspace: Path, folder: Path) -> None:
    recipe = ("--recipe", folder / "duplicates.yaml")
    pages = folder / "pages.jsonl"
    for arguments, said in (
        (("clusters", workspace, "--stage", "nope"), "There is exact_dedupe, near_dedupe."),
        (("contamination", workspace, "--test-side"), "name them with --benchmarks"),
        (("contamination", workspace, "--benchmarks", folder), "goes with --test-side"),
        (("clusters", folder), "there is no manifest"),
        (("run", "exact_dedupe", pages, *recipe, "--test-side"), "a question to decontaminate"),
        (
            ("run", "decontaminate", pages, *recipe, "--benchmarks", f"nope={pages}"),
            "there is no ready definition of a benchmark `nope`",
        ),
        (
            ("run", "decontaminate", pages, *recipe, "--benchmarks", "gsm8k=none.jsonl"),
            "there is no such file",
        ),
    ):
        result = call(*arguments)
        assert result.exit_code == 2, result.output
        assert said in " ".join(result.output.split())


def test_a_corpus_without_the_stage_says_so(folder: Path) -> None:
    (folder / "plain.yaml").write_text(
        "sources: [{name: pages, path: pages.jsonl}]\nstages: {kind: }\n"
    )
    tamis.build(folder / "plain.yaml", workspace=folder / "plain", workers=1)
    for command in ("clusters", "contamination"):
        result = call(command, folder / "plain")
        assert result.exit_code == 2
        assert "Add the stage to the recipe" in result.output


def test_the_summary_warns_of_a_source_that_lost_most(workspace: Path, folder: Path) -> None:
    shown = " ".join(call("show", workspace).output.split())
    assert "WARNING near_dedupe drops 80.0 % of the documents of mirror (4 of 5)" in shown
    assert "5 documents pages: pages.jsonl#1" in shown
    before = load_manifest(workspace)
    assert before.content["warnings"] == [
        {
            "stage": "near_dedupe",
            "source": "mirror",
            "documents_in": 5,
            "documents_dropped": 4,
            "limit": 0.5,
        }
    ]
    quiet = call(
        "build",
        folder / "duplicates.yaml",
        "--workspace",
        folder / "quiet",
        "--set",
        "warnings.source_loss=0.8",
    )
    assert "WARNING" not in quiet.output
    after = load_manifest(folder / "quiet")
    assert after.fingerprint == before.fingerprint
    assert after.content["recipe"]["warnings"] == {"source_loss": 0.8}
    wrong = call("build", folder / "duplicates.yaml", "--set", "warnings.source_los=0.8")
    assert wrong.exit_code == 2
    assert "Did you mean `source_loss`?" in wrong.output
