"""Diffs with records of other pipelines: real stats of datatrove, DCLM's dataset files."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import Result
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.filters import LambdaFilter
from datatrove.pipeline.filters.base_filter import BaseFilter
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter
from typer.testing import CliRunner

from manifests.datatrove_stats import CHARACTERS, read_stats
from manifests.dclm import is_dclm, read_dclm
from manifests.manifest import Manifest
from manifests.outline import DOCUMENTS, TOKENS, diff_outlines, outline_of
from tamis.cli import app

SCHEMA = json.loads(
    (Path(__file__).resolve().parents[2] / "manifests/diff.schema.json").read_text()
)
TEXTS = [f"word {number} " * (number % 9 + 1) for number in range(60)]
SHORT = 20

# As DCLM's tools write them (exp_data/datasets/tokenized): a mixture of two, one read twice.
DCLM: dict[str, Any] = {
    "uuid": "6a5d0b5e-0000-4000-8000-000000000001",
    "name": "web_and_code",
    "creation_date": "2024_05_06-22_26_34",
    "dataset_url": "s3://somewhere/web_and_code",
    "manifest_url": "s3://somewhere/web_and_code/manifest.jsonl",
    "sources": [
        {"uuid": "6a5d0b5e-0000-4000-8000-000000000002", "name": "web"},
        {"uuid": "6a5d0b5e-0000-4000-8000-000000000003", "name": "code"},
        {"uuid": "6a5d0b5e-0000-4000-8000-000000000003", "name": "code"},
    ],
    "tokenized": True,
    "tokenizer": "EleutherAI/gpt-neox-20b",
    "num_tokens": 4_488_566_758,
    "size": 11_584_654_236,
    "dcnlp_commit_hash": "f39fae7cdeefab921b83b379b4ee64fce910ad7d",
    "dcnlp_diff": "diff --git a/x b/x",
    "data_key": "json.gz",
    "sampling_yaml": None,
}
RAW = {
    "uuid": "6a5d0b5e-0000-4000-8000-000000000004",
    "name": "crawl",
    "creation_date": "2024-03-06 17:39:28",
    "sources": "s3://somewhere/paths.txt.gz",
    "tokenized": False,
    "tokenizer": None,
    "size": 664_080_608,
    "dcnlp_diff": "",
}


class Length(BaseFilter):
    """Drops short texts, and says so."""

    name = "📏 Length"

    def filter(self, doc: Any) -> bool | tuple[bool, str]:
        return len(doc.text) > SHORT or (False, "too_short")


@pytest.fixture(scope="module")
def stats(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stats of a pipeline of datatrove, run here by two tasks."""
    folder = tmp_path_factory.mktemp("datatrove")
    (folder / "in").mkdir()
    for task in range(2):
        lines = [json.dumps({"text": text, "id": str(n)}) for n, text in enumerate(TEXTS[task::2])]
        (folder / f"in/{task}.jsonl").write_text("\n".join(lines) + "\n")
    pipeline = [
        JsonlReader(str(folder / "in")),
        Length(),
        LambdaFilter(lambda doc: "word 1" not in doc.text),
        JsonlWriter(str(folder / "out")),
    ]
    logs = folder / "logs"
    LocalPipelineExecutor(pipeline, tasks=2, workers=1, logging_dir=str(logs)).run()
    return logs / "stats.json"


def write(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path


def diff(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["diff", *map(str, arguments)])


def test_stats_of_datatrove_are_counts_of_its_documents(stats: Path) -> None:
    outline = read_stats(json.loads(stats.read_text()), "stats.json")
    long = [text for text in TEXTS if len(text) > SHORT]
    kept = [text for text in long if "word 1" not in text]
    reader, length, words, writer = outline.steps
    assert [step.name for step in outline.steps] == [
        "READER: Jsonl",
        "FILTER: Length",
        "FILTER: Lambda",
        "WRITER: Jsonl",
    ]
    assert (reader.came, reader.kept) == (len(TEXTS), len(TEXTS))
    assert length.dropped == {"too_short": len(TEXTS) - len(long)}
    assert (length.came, length.kept) == (len(TEXTS), len(long))
    assert words.dropped == {"": len(long) - len(kept)}
    assert (writer.came, writer.kept) == (len(kept), len(kept))
    assert outline.numbers == {DOCUMENTS: len(kept), CHARACTERS: sum(map(len, kept))}
    assert any("tokens" in reason for reason in outline.missing)


def test_datasets_of_dclm_say_tokens_and_parents() -> None:
    outline = read_dclm(DCLM)
    assert outline.numbers[TOKENS] == DCLM["num_tokens"]
    assert outline.sources == ("web", "code", "code")
    assert outline.facts["tokenizer"] == "EleutherAI/gpt-neox-20b"
    assert any("changes that its commit does not have" in reason for reason in outline.missing)
    raw = read_dclm(RAW)
    assert TOKENS not in raw.numbers
    assert raw.sources == ("s3://somewhere/paths.txt.gz",)
    assert "says no num_tokens" in raw.missing


def test_only_what_both_say_is_compared(noted: Manifest, stats: Path) -> None:
    ours = outline_of(noted)
    with_dclm = diff_outlines(read_dclm(DCLM), ours)
    assert [change.what for change in with_dclm.numbers] == [TOKENS]
    assert with_dclm.numbers[0].after == ours.numbers[TOKENS] > 0
    assert {(c.what, c.before, c.after) for c in with_dclm.sources} >= {("code", 2, 0)}
    assert any("Only noted says: documents" in reason for reason in with_dclm.missing)
    with_stats = diff_outlines(read_stats(json.loads(stats.read_text()), "s"), ours)
    assert [change.what for change in with_stats.numbers] == [DOCUMENTS]
    assert with_stats.sources == []
    assert any("Shares" in reason for reason in with_stats.missing)


def test_diff_recognises_them(noted: Manifest, stats: Path, tmp_path: Path) -> None:
    dclm = write(tmp_path / "dclm.json", DCLM)
    shown = diff(dclm, noted.workspace)
    assert shown.exit_code == 0, shown.output
    assert "4,488,566,758" in shown.output
    assert "What cannot be compared" in shown.output
    assert "cut out" not in shown.output
    both = json.loads(diff(stats, noted.path, "--json").output)
    assert both["before"]["made_by"] == "datatrove"
    assert both["after"]["numbers"][DOCUMENTS] == noted.stage("shard")["kept"]["documents"]
    page = diff(stats, dclm, "--format", "markdown")
    assert "FILTER: Length" in page.output
    assert "Both say no number in common" in page.output


def test_their_json_keeps_to_the_schema(noted: Manifest, stats: Path, tmp_path: Path) -> None:
    dclm, raw = write(tmp_path / "dclm.json", DCLM), write(tmp_path / "raw.json", RAW)
    sides = [(dclm, noted.path), (noted.workspace, stats), (stats, dclm), (raw, dclm)]
    for pair in sides:
        content = json.loads(diff(*pair, "--json").stdout)
        jsonschema.validate(content, SCHEMA)
        for place in (content, content["before"], *content["sources"], *content["after"]["steps"]):
            place["never_heard_of"] = 1
            with pytest.raises(jsonschema.ValidationError):
                jsonschema.validate(content, SCHEMA)
            del place["never_heard_of"]
        for key in list(content):
            with pytest.raises(jsonschema.ValidationError):
                jsonschema.validate({k: v for k, v in content.items() if k != key}, SCHEMA)


def test_a_gate_needs_manifests(noted: Manifest, tmp_path: Path) -> None:
    dclm = write(tmp_path / "dclm.json", DCLM)
    refused = diff(dclm, noted.workspace, "--fail-if", "tokens < -5%")
    assert refused.exit_code == 2
    assert "two manifests" in refused.output


@pytest.mark.parametrize("content", [{"name": "x"}, [], [{"name": "x"}], {"uuid": "x", "size": 1}])
def test_other_json_is_no_record(noted: Manifest, tmp_path: Path, content: object) -> None:
    assert not is_dclm(content)
    refused = diff(write(tmp_path / "other.json", content), noted.workspace)
    assert refused.exit_code == 2
    assert "not a tamis manifest" in refused.output
