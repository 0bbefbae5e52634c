"""Repeated substrings against a slow search, a suffix array, and by what must stay."""

import random
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError
from pydivsufsort import divsufsort, kasai

from manifests.schema import EMPTY_AFTER_CUTS, KEEP
from stages.dedupe import windows
from stages.dedupe.substrings import ExactSubstrings, ExactSubstringsConfig
from tests.stages.small_corpus import SmallWalk, entry, walk_over

LENGTH = 8


def document(text: str, number: int, source: str = "web", suffix: str = "po") -> dict[str, Any]:
    """A document of prose: told by the extension. Ids rise with the numbers."""
    return {
        "text": text,
        "source": source,
        "locator": f"{source}/{number}.{suffix}",
        "id": number.to_bytes(16, "big"),
    }


class Cleaned:
    """A walk over parts of documents, and what became of each of them."""

    def __init__(self, root: Path, parts: list[list[dict[str, Any]]], **config: Any) -> None:
        config = {"words": LENGTH, **config}
        stages = [entry("kind"), entry("exact_substrings", **config)]
        self.walk: SmallWalk = walk_over(root, parts, stages)
        tables = [pq.read_table(self.walk.store.path(paths[-1])) for paths in self.walk.verdicts]
        verdicts = [row for table in tables for row in table.to_pylist()]
        raw = {d["id"]: d["text"].encode() for part in parts for d in part}
        self.verdicts = {row["id"]: row["verdict"] for row in verdicts}
        ledger = self.walk.ledger("exact_substrings").to_pylist()
        self.spans = {row["id"]: row["spans"] for row in ledger}
        self.share = {row["id"]: row["repeated_share"] for row in ledger}
        self.texts: dict[bytes, str] = {}
        for row in verdicts:
            text = raw[row["id"]]
            for cut in reversed(row["cuts"] or []):
                assert cut["reason"] == "repeated_substring"
                text = text[: cut["start"]] + text[cut["end"] :]
            self.texts[row["id"]] = text.decode()


def sentence(seed: int, words: int = 12) -> str:
    """Words that no other seed has."""
    return " ".join(f"w{seed}x{word}" for word in range(words)) + "."


def random_corpus(seed: int) -> list[dict[str, Any]]:
    """Documents out of few words and shared passages, so that runs of many lengths repeat."""
    draw = random.Random(seed)
    passages = [draw.choices("abc", k=draw.randint(5, 30)) for _ in range(6)]
    documents = []
    for number in range(40):
        words: list[str] = []
        for _ in range(draw.randint(0, 4)):
            passage = draw.choice(passages)
            first = draw.randint(0, 5)
            words += passage[first : len(passage) - draw.randint(0, 5)] + draw.choices("abcde", k=6)
        documents.append(document(" ".join(words), number, draw.choice(["one", "two"])))
    return documents


def slow_cuts(documents: list[dict[str, Any]], priority: list[str]) -> dict[bytes, list[str]]:
    """Words that stay: all but those of a window that stands before, and is not itself the first
    of others."""

    def rank(d: dict[str, Any]) -> tuple[int, bytes]:
        sources = [*priority, d["source"]]
        return (min(sources.index(d["source"]), len(priority)), d["id"])

    seen: dict[tuple[str, ...], list[tuple[bytes, int]]] = defaultdict(list)
    split = {d["id"]: d["text"].split() for d in documents}
    for d in sorted(documents, key=rank):
        words = split[d["id"]]
        for place in range(len(words) - LENGTH + 1):
            seen[tuple(words[place : place + LENGTH])].append((d["id"], place))
    cut, kept = set(), set()
    for places in seen.values():
        if len(places) > 1:
            for marked, found in ((kept, places[:1]), (cut, places[1:])):
                marked.update((i, place + n) for i, place in found for n in range(LENGTH))
    return {
        i: [word for n, word in enumerate(words) if (i, n) not in cut - kept]
        for i, words in split.items()
    }


@pytest.mark.parametrize("seed", range(4))
def test_what_is_cut_is_what_a_slow_search_finds(tmp_path: Path, seed: int) -> None:
    documents = random_corpus(seed)
    # a part holds one source, as those that ingest writes
    parts = [[d for d in documents if d["source"] == s] for s in ("one", "two")]
    priority = ["two"] if seed % 2 else []
    result = Cleaned(tmp_path, parts, source_priority=priority)
    expected = slow_cuts(documents, priority)
    for d in documents:
        if result.verdicts[d["id"]] == EMPTY_AFTER_CUTS:
            assert not expected[d["id"]]
        else:
            assert result.texts[d["id"]].split() == expected[d["id"]]
    assert sum(map(len, expected.values())) < 0.7 * sum(len(d["text"].split()) for d in documents)


def test_repetitions_are_those_of_a_suffix_array(tmp_path: Path) -> None:
    documents = random_corpus(7)
    result = Cleaned(tmp_path, [documents[:11], documents[11:]])
    numbers = {word: n for n, word in enumerate("abcde")}
    stream, owner = [], []
    for n, d in enumerate(documents):
        words = d["text"].split()
        stream += [*(numbers[word] for word in words), 100 + n]  # a wall behind each document
        owner += [(d["id"], place) for place in range(len(words) + 1)]
    string = np.array(stream, np.int32)
    array = divsufsort(string)
    shared = kasai(string, array)
    repeated = set()
    for place in np.flatnonzero(shared >= LENGTH):
        for suffix in array[place : place + 2]:
            repeated.update(owner[suffix : suffix + shared[place]])
    ours = set()
    for part, paths in zip(result.walk.small_parts, result.walk.verdicts, strict=True):
        ids = pq.read_table(result.walk.store.path(paths[-1]), columns=["id"])["id"].to_pylist()
        output = [t for t in result.walk.executed if t.function.endswith("collect_part")]
        table = pq.read_table(
            result.walk.store.path(f"{output[part.index].output}/windows.parquet")
        )
        for row in table.to_pylist():
            length = row["count"] + LENGTH - 1
            ours |= {(ids[row["row"]], row["place"] + n) for n in range(length)}
    assert ours == repeated
    assert len(ours) > 300


def test_parts_order_and_partitions_do_not_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents = random_corpus(9)
    one = Cleaned(tmp_path / "one", [documents])
    monkeypatch.setattr(ExactSubstrings, "windows_per_partition", 100)
    monkeypatch.setattr(windows, "_AT_ONCE", 200)
    monkeypatch.setattr("stages.dedupe.listing.LISTED_INLINE", 2)
    mixed = random.Random(3).sample(documents, len(documents))
    many = Cleaned(tmp_path / "many", [mixed[n::7] for n in range(7)])
    assert len([t for t in many.walk.executed if t.function.endswith("group_partition")]) > 3
    assert (one.texts, one.spans, one.share) == (many.texts, many.spans, many.share)
    assert one.verdicts == many.verdicts
    records = [r.walk.walked.records["exact_substrings"] for r in (one, many)]
    assert records[0] == records[1]


def test_spans_have_whole_words_and_name_who_keeps_them(tmp_path: Path) -> None:
    passage = "Zażółć «gęślą» jaźń; it's 12,345 words, isn't it?"
    documents = [
        document(f"{sentence(1)} {passage} {sentence(2)}", 1),
        document(f"{sentence(3)}\n\n> {passage.upper()}\n\n{sentence(4)}", 2),
        document(passage, 3),
    ]
    result = Cleaned(tmp_path, [documents])
    assert [result.texts[d["id"]] for d in documents[:2]] == [
        documents[0]["text"],
        f"{sentence(3)}\n\n> {sentence(4)}",
    ]
    assert result.verdicts[documents[2]["id"]] == EMPTY_AFTER_CUTS
    (span,) = result.spans[documents[1]["id"]]
    assert span["kept_in"] == documents[0]["id"].hex()
    assert span["words"] == 11


def test_the_first_copy_stays_even_where_others_overlap_it(tmp_path: Path) -> None:
    documents = [document(" ".join(["so"] * 100), 1), document(" ".join(["so"] * 7), 2)]
    result = Cleaned(tmp_path, [documents])
    assert result.texts[documents[0]["id"]].split() == ["so"] * LENGTH
    assert result.texts[documents[1]["id"]].split() == ["so"] * 7


def test_scripts_without_spaces(tmp_path: Path) -> None:
    shared = "同一段落出现在两篇文章之中。"
    documents = [document(f"甲文开头。{shared}", 1), document(f"乙文。{shared}完", 2)]
    result = Cleaned(tmp_path, [documents])
    assert [result.texts[d["id"]] for d in documents] == [documents[0]["text"], "乙文。完"]


def test_numbers_short_runs_and_code_are_left_alone(tmp_path: Path) -> None:
    template = "On day {} it was {} degrees in the shade of the tree."
    short = "one two three four five six seven"
    documents = [
        document(f"{template.format(n, n * 7)} {sentence(n)} {short}", n) for n in range(5)
    ]
    code = [document(f"{sentence(99)} = {n}", 100 + n, "code", "py") for n in range(3)]
    result = Cleaned(tmp_path, [documents, code])
    for d in [*documents, *code]:
        assert result.texts[d["id"]] == d["text"]


def test_what_is_mostly_repeated_is_dropped_on_request(tmp_path: Path) -> None:
    documents = [document(sentence(1), 1), document(f"{sentence(1)} own", 2)]
    result = Cleaned(tmp_path / "dropped", [documents], max_share=0.9)
    assert result.verdicts == {documents[0]["id"]: KEEP, documents[1]["id"]: "mostly_repeated"}
    assert result.share[documents[1]["id"]] == pytest.approx(1 - 3 / 65, abs=0.01)
    noted = Cleaned(tmp_path / "noted", [documents], cut=False)
    assert noted.texts[documents[1]["id"]] == documents[1]["text"]
    assert noted.spans == result.spans


def test_nothing_to_look_at(tmp_path: Path) -> None:
    result = Cleaned(tmp_path, [[document("x = 1", 1, "code", "py")], [document("", 2)], []])
    assert set(result.verdicts.values()) == {KEEP}


def test_configs_that_contradict_themselves() -> None:
    with pytest.raises(ValidationError, match="there is no kind `prosa`"):
        ExactSubstringsConfig(kinds=("prosa",))
    with pytest.raises(ValidationError, match="no kind is named"):
        ExactSubstringsConfig(kinds=())
