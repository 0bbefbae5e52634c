"""What must not change a result: processes, retries, doubling. And what must not go unseen."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.engines.local import LocalEngine
from pipeline.store import Store
from pipeline.task import Receipt, Task
from stages.dedupe.exact import ExactDedupe, ExactDedupeConfig
from stages.dedupe.near import NearDedupe
from stages.dedupe.near_config import NearDedupeConfig
from tests.stages.dedupe import oracle
from tests.stages.dedupe.driver import Result, Text, corpus_of, run_rounds, run_stage, table_of
from tests.stages.dedupe.recall import planted, resolved, too_few


def near(
    parts: Sequence[Sequence[Text]],
    root: Path,
    config: dict[str, object],
    executor: Executor | None = None,
) -> Result:
    return run_stage(NearDedupe(NearDedupeConfig.model_validate(config)), parts, root, executor)


def families(rng: random.Random, groups: int) -> list[Text]:
    """Groups of one to nine edits of a text; every text of a length of its own."""
    texts: list[str] = []
    for _ in range(groups):
        words = [f"w{rng.randrange(5000)}" for _ in range(rng.choice([4, 30, 90]))]
        for _ in range(rng.randint(1, 9)):
            texts.append(
                " ".join(w if rng.random() > 0.01 else f"e{rng.randrange(10**6)}" for w in words)
            )
    texts += ["", "...", "one two", "two one"]
    longest = max(len(text) for text in texts)
    # full stops part words only: they make lengths differ and leave the comparison as it is
    return [
        Text(f"d{n}", text + "." * (longest - len(text) + n))
        for n, text in enumerate(dict.fromkeys(texts))
    ]


class OnEngine(Executor):
    """An engine in the shape that the driver of these tests wants."""

    def __init__(self, engine: LocalEngine) -> None:
        self.engine = engine

    def map(self, fn: Callable[..., Any], *iterables: Iterable[Any], **_: Any) -> Iterator[Any]:
        """Receipts of tasks, in their order; the engine executes them itself."""
        (tasks,) = map(list, iterables)
        done = {task.fingerprint: receipts for task, receipts in self.engine.run(tasks)}
        return iter([done[task.fingerprint] for task in tasks])


class Retrying(Executor):
    """Loses the output of every task once it is there, and runs the task again."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.runs = 0

    def map(self, fn: Callable[..., Any], *iterables: Iterable[Any], **_: Any) -> Iterator[Any]:
        """Receipts of the second runs, whose files are those of the first, byte by byte."""
        (tasks,) = iterables
        return iter([self._twice(fn, task) for task in tasks])

    def _twice(self, fn: Callable[..., Any], task: Task) -> list[Receipt]:
        (first,) = fn(task)
        shutil.rmtree(self.root / task.output)
        (second,) = fn(task)
        self.runs += 2
        assert not second.cached
        assert (second.files, second.value) == (first.files, first.value)
        (third,) = fn(task)
        assert third.cached
        return [third]


def test_two_processes_give_what_one_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NearDedupe, "keys_per_partition", 500)
    texts = families(random.Random(1), 40)
    parts = [texts[0::3], texts[1::3], texts[2::3]]
    engine = LocalEngine(Store(tmp_path / "two"), 2)
    try:
        two = near(parts, tmp_path / "two", {}, OnEngine(engine))
    finally:
        engine.close()
    one = near(parts, tmp_path / "one", {})
    assert one == two
    assert len(one.reasons) > 20


@pytest.mark.parametrize("config", [{}, {"linkage": "single", "verify": False}])
def test_lost_outputs_and_second_runs_change_nothing(
    config: dict[str, object], tmp_path: Path
) -> None:
    texts = families(random.Random(2), 15)
    parts = [texts[:40], texts[40:]]
    retrying = Retrying(tmp_path / "again")
    again = near(parts, tmp_path / "again", config, retrying)
    assert again == near(parts, tmp_path / "once", config)
    assert retrying.runs > 10


@given(st.integers(0, 10**6), st.sampled_from(["direct", "single"]), st.booleans())
@settings(max_examples=8, deadline=None)
def test_a_corpus_twice_over_leaves_the_same_texts(seed: int, linkage: str, verify: bool) -> None:
    """Every document a second time, under another id, is removed and removes nothing else."""
    texts = families(random.Random(seed), 8)
    again = [Text(f"{text.name} again", text.text, "mirror") for text in texts]
    config: dict[str, object] = {"linkage": linkage, "verify": verify, "bucket_limit": 512}
    with TemporaryDirectory() as folder:
        once = near([texts], Path(folder) / "once", config)
        twice = near([texts, again], Path(folder) / "twice", config)
    left_once = Counter(text.text for text in texts if text.id in once.kept)
    left_twice = Counter(text.text for text in [*texts, *again] if text.id in twice.kept)
    # a text without tokens is compared with nothing, so both copies of it stay
    silent = {text.text: 2 for text in texts if not oracle.tokens(text.text)}
    assert left_twice == left_once | Counter(silent)


def test_exact_copies_twice_over_leave_the_same_texts(tmp_path: Path) -> None:
    texts = families(random.Random(5), 20)
    again = [Text(f"{text.name} again", text.text, "mirror") for text in texts]
    stage = ExactDedupe(ExactDedupeConfig())
    twice = run_stage(stage, [texts, again], tmp_path)
    left = Counter(text.text for text in [*texts, *again] if text.id in twice.kept)
    assert left == {text.text: 1 for text in texts if text.text} | {
        text.text: 2 for text in texts if not text.text
    }


@pytest.mark.parametrize("similarity", [0.5, 0.6, 0.7, 0.8, 0.9, 0.95])
def test_bands_alone_find_what_their_curve_promises(similarity: float, tmp_path: Path) -> None:
    """At least 1 - (1 - s^8)^14 of the pairs of Jaccard index s, through the whole stage."""
    texts = planted("w{} ".format, 5, similarity, 120, 250)
    true = oracle.jaccard(*texts[0])
    assert true == pytest.approx(similarity, abs=0.01)
    lefts = [Text(f"{n} left", left) for n, (left, _) in enumerate(texts)]
    rights = [Text(f"{n} right", right) for n, (_, right) in enumerate(texts)]
    result = near([lefts, rights], tmp_path, {"verify": False})
    pairs = [(left.id, right.id) for left, right in zip(lefts, rights, strict=True)]
    found = resolved(pairs, result.reasons)
    assert not too_few(found, [1 - (1 - true**8) ** 14] * len(pairs))
    assert found == len(result.reasons) == result.record["candidate_pairs"]


@given(st.lists(st.lists(st.sampled_from(["a", "b", "我", "7"]), max_size=4), max_size=40))
@settings(max_examples=25, deadline=None)
def test_documents_shorter_than_a_shingle_fall_together_only_when_equal(
    documents: list[list[str]],
) -> None:
    texts = [Text(f"d{n}", " ".join(words)) for n, words in enumerate(documents)]
    loose: dict[str, object] = {"min_jaccard": 0.01, "bands": 64, "rows": 1}
    with TemporaryDirectory() as folder:
        result = near([texts[::2], texts[1::2]], Path(folder), loose)
    kept = Counter(tuple(oracle.tokens(text.text)) for text in texts if text.id in result.kept)
    everything = Counter(tuple(oracle.tokens(text.text)) for text in texts)
    assert kept == {words: 1 if words else number for words, number in everything.items()}


def test_a_spoiled_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    """Whichever array of whichever round it is; a file cut off is noticed and made again."""
    families_of_six = families(random.Random(6), 6)
    # with a name, so that no array is empty
    texts = [Text(text.name, f"so Ada King wrote {text.text}") for text in families_of_six]
    stage = NearDedupe(NearDedupeConfig())
    tables = [table_of(texts[::2]), table_of(texts[1::2])]
    before = run_rounds(stage, corpus_of(stage, tables, tmp_path / "whole"))
    rounds = tmp_path / "whole" / "store" / stage.name
    # the low bytes of signatures are read by a later corpus alone, which checks their checksum
    paths = sorted(path for path in rounds.rglob("*.npy") if path.name != "minima.npy")
    arrays = [path.relative_to(tmp_path / "whole") for path in paths]
    one_of_each = {(array.parts[2], array.name): array for array in arrays}
    assert len({name for name, _ in one_of_each}) >= 5
    for number, array in enumerate(one_of_each.values()):
        # in a workspace of its own, since processes keep files of another open
        root = tmp_path / str(number)
        shutil.copytree(tmp_path / "whole", root)
        for folder in (root / "store" / stage.name).iterdir():
            if folder.name != array.parts[2]:
                shutil.rmtree(folder)
        corpus = corpus_of(stage, tables, root)
        whole = (root / array).read_bytes()
        for place in (0, 128 + (len(whole) - 128) // 3):  # the header; somewhere in the array
            spoiled = bytearray(whole)
            spoiled[place] ^= 4
            (root / array).write_bytes(spoiled)
            with pytest.raises(ValueError, match=f"{array.name} is damaged or missing"):
                run_rounds(stage, corpus)
        (root / array).write_bytes(whole[:-1])
        assert run_rounds(stage, corpus) == before
