"""The choice of documents: exact, in the declared order, and blind to parts and to each other."""

import hashlib
import tempfile
from fractions import Fraction
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.corpus import Corpus
from pipeline.store import Store
from pipeline.task import execute
from stages.balance.choose import CHOSEN_FILE, READING_FILE, cuts_of, reading_of
from stages.balance.config import BalanceConfig
from stages.balance.cuts import find_cuts
from stages.balance.groups import descending_keys
from stages.balance.plan import plan_phases
from tests.stages.small_corpus import entry, sentences, walk_over

KEYS = st.one_of(st.integers(0, 2**64 - 1), st.integers(0, 3), st.integers(2**63, 2**63 + 3))
ROWS = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 50), KEYS), max_size=40)


class Chooser:
    """Runs the rounds after the grouping over documents that are made up: (group, tokens, key)."""

    def __init__(self, root: Path, parts):
        self.store = Store(root)
        self.grouped = []
        self.rows = [row for part in parts for row in part]
        self.tokens = {}
        for group, tokens, _ in self.rows:
            cell = (group, Fraction(1))
            self.tokens[cell] = self.tokens.get(cell, 0) + tokens
        self.corpus = Corpus("balance", 1, [], [], [], {}, {}, {}, self.store)
        for number, part in enumerate(parts):
            task = self.corpus.task(
                "tests.stages.balance.test_choice:write_rows", "group", {"n": number, "rows": part}
            )
            self.grouped += execute(task, self.store)

    def choose(self, **config):
        """How often every document is read by phase, in order: (rows, phases)."""
        plans = plan_phases(BalanceConfig(by=["source"], **config), self.tokens)
        rounds = find_cuts(self.corpus, self.grouped, cuts_of(plans, self.tokens))
        cuts = self.finish(rounds)
        weights = {group: 1.0 for group, _ in self.tokens}
        reading = reading_of(plans, self.tokens, weights, True)
        (read,) = self.run("write_reading", {"reading": reading})
        self.plans, repeats = plans, []
        for receipt in self.grouped:
            arguments = {"documents": receipt.path("documents.parquet"), "cuts": cuts}
            arguments["reading"] = read.path(READING_FILE)
            (chosen,) = self.run("choose_part", arguments)
            frame = pl.read_parquet(self.store.path(chosen.path(CHOSEN_FILE)))
            repeats += frame["phase_repeats"].to_list()
        return np.array(repeats, np.int64).reshape(len(self.rows), len(plans))

    def run(self, function, arguments):
        task = self.corpus.task(f"stages.balance.choose:{function}", function, arguments)
        return execute(task, self.store)

    def finish(self, rounds):
        """Runs all rounds of a generator; returns its value."""
        tasks = next(rounds)
        while True:
            try:
                tasks = rounds.send([r for task in tasks for r in execute(task, self.store)])
            except StopIteration as end:
                return end.value


def write_rows(run):
    """A part as ``group_part`` leaves it."""
    rows = run.arguments["rows"]
    pl.DataFrame(
        {
            "row": pl.Series(range(len(rows)), dtype=pl.Int32),
            "group": pl.Series([row[0] for row in rows], dtype=pl.String),
            "weight": pl.Series(["1"] * len(rows), dtype=pl.String),
            "tokens": pl.Series([row[1] for row in rows], dtype=pl.Int64),
            "random": pl.Series([row[2] for row in rows], dtype=pl.UInt64),
            "quality": pl.Series([row[2] for row in rows], dtype=pl.UInt64),
        }
    ).write_parquet(run.output / "documents.parquet")


def chosen(parts, **config):
    with tempfile.TemporaryDirectory() as folder:
        chooser = Chooser(Path(folder), parts)
        return chooser, chooser.choose(**config)


def sorted_prefix(rows, group, tokens):
    """The oracle: sort, and take while it fits. Documents with the key of the first that does not
    fit stay out together."""
    mine = sorted((key, n) for n, (name, _, key) in enumerate(rows) if name == group)
    left, taken = tokens, []
    for key, n in mine:
        left -= rows[n][1]
        if left < 0:
            return [m for k, m in taken if k < key]
        taken.append((key, n))
    return [n for _, n in taken]


@given(ROWS, st.integers(1, 300), st.sampled_from([0.5, 1, 2.75]))
@settings(max_examples=20, deadline=None)
def test_the_choice_is_that_of_sorting_and_taking_while_it_fits(rows, percent, weight):
    config = {"weights": {"a": percent / 100, "b": weight}, "max_epochs": 4}
    chooser, repeats = chosen([rows], **config)
    (plan,) = chooser.plans
    for group in {row[0] for row in rows}:
        size = chooser.tokens[group, Fraction(1)]
        if not size:
            continue
        whole, more = divmod(plan.amounts[group, Fraction(1)], size)
        taken = sorted_prefix(rows, group, more) if more else []
        expected = [whole + (n in taken) for n, row in enumerate(rows) if row[0] == group]
        found = [repeats[n, 0] for n, row in enumerate(rows) if row[0] == group]
        assert found == expected
        read = sum(repeats[n, 0] * row[1] for n, row in enumerate(rows) if row[0] == group)
        assert read <= plan.amounts[group, Fraction(1)] <= 4 * size


@given(ROWS, st.randoms(), st.integers(1, 6), st.integers(1, 500))
@settings(max_examples=12, deadline=None)
def test_neither_parts_nor_order_matter(rows, random, parts, tokens):
    shuffled = random.sample(range(len(rows)), len(rows))
    config = {"unimax": True, "tokens": tokens}
    _, one = chosen([rows], **config) if any(row[1] for row in rows) else (None, None)
    if one is None:
        return
    _, many = chosen(
        [[rows[n] for n in shuffled[start::parts]] for start in range(parts)], **config
    )
    places = [n for start in range(parts) for n in shuffled[start::parts]]
    assert many[:, 0].tolist() == [one[n, 0] for n in places]


@given(ROWS, st.floats(0, 5), st.floats(0, 5))
@settings(max_examples=12, deadline=None)
def test_a_larger_weight_keeps_all_that_a_smaller_one_chose(rows, one, other):
    less, more = sorted((round(one, 3), round(other, 3)))
    if not any(row[1] for row in rows) or not more:
        return
    (_, before), (_, after) = (
        chosen([rows], weights={"a": weight, "b": 1}) for weight in (less or 1e-9, more)
    )
    assert (after >= before).all()


@given(ROWS, st.integers(1, 900), st.integers(1, 900), st.sampled_from(["random", "quality"]))
@settings(max_examples=12, deadline=None)
def test_phases_share_the_cap_and_random_ones_go_on_where_they_ended(rows, first, second, order):
    phases = [{"name": "one", "tokens": first}, {"name": "two", "tokens": second, "order": order}]
    if not any(row[1] for row in rows):
        return
    chooser, repeats = chosen([rows], max_epochs=2, phases=phases)
    for group, weight in chooser.tokens:
        size = chooser.tokens[group, weight]
        planned = sum(plan.amounts[group, weight] for plan in chooser.plans)
        assert planned <= 2 * size
        mine = [n for n, row in enumerate(rows) if row[0] == group]
        if order == "random":
            # together they are one choice: nobody is read twice more than anybody else
            total = repeats[mine].sum(axis=1)
            assert total.max(initial=0) - total.min(initial=9) <= 1
            assert total.max(initial=0) <= 2
            assert sum(rows[n][1] for n in mine for _ in range(repeats[n].sum())) <= planned


@given(st.lists(st.one_of(st.none(), st.floats(width=32, allow_infinity=False)), min_size=1))
def test_quality_keys_put_high_scores_first_and_missing_ones_last(scores):
    hashes = np.arange(len(scores), dtype=np.uint64) << np.uint64(32)
    keys = descending_keys(pl.Series(scores, dtype=pl.Float32), hashes)

    def rank(n):
        missing = scores[n] is None or scores[n] != scores[n]
        return (missing, 0.0 if missing else -scores[n], n)

    assert sorted(range(len(scores)), key=lambda n: keys[n]) == sorted(range(len(scores)), key=rank)


SOURCES = ("web", "books", "code")


def documents(count=400):
    return [
        {"text": text, "source": SOURCES[n % 3 if n % 2 else 0]}
        for n, text in enumerate(sentences(count))
    ]


def balanced(root, docs, **config):
    tokenize = entry("tokenize", vocabulary_size=300, train_bytes=2000)
    return walk_over(root, [docs[:150], docs[150:]], [tokenize, entry("balance", **config)])


def table(walk):
    ledger = pl.from_arrow(walk.ledger("balance"))
    return ledger.with_columns(pl.from_arrow(walk.ledger("tokenize")["n_tokens"]).alias("tokens"))


def test_groups_by_conditions_and_the_best_documents_first(tmp_path):
    groups = {"net": "starts_with(source, 'w')", "long": "tokenize.n_tokens >= 200"}
    config = {"groups": groups, "weights": {"net": 0.5, "other": 0}}
    walk = balanced(tmp_path, documents(), **config, order="quality", quality="tokenize.n_tokens")
    read = table(walk)
    sources = [document["source"] for document in documents()]
    expected = [
        "net" if source == "web" else "long" if tokens >= 200 else "other"
        for source, tokens in zip(sources, read["tokens"].to_list(), strict=True)
    ]
    assert read["group"].to_list() == expected
    assert read.filter(pl.col("group") == "other")["repeats"].sum() == 0
    net = read.filter(pl.col("group") == "net")
    taken, left = (net.filter(pl.col("repeats") == n)["tokens"] for n in (1, 0))
    assert taken.min() >= left.max()
    assert walk.walked.records["balance"]["by"] == ["net", "long"]


def test_bands_name_groups(tmp_path):
    by = ["source", "band(tokenize.n_tokens, 150, 300)"]
    walk = balanced(tmp_path, documents(), by=by, weights={"web/..150": 0.2})
    read = table(walk)
    low = read.filter(pl.col("tokens") < 150)["group"].unique().to_list()
    assert all(name.endswith("/..150") for name in low)
    assert walk.walked.records["balance"]["groups"]["web/..150"]["epochs"] == pytest.approx(
        0.2, abs=0.001
    )


def test_large_clusters_count_more(tmp_path):
    table_of_sizes = {"by": "tokenize.n_tokens", "weights": {200: 2, 300: 9}}
    walk = balanced(tmp_path, documents(), by=["source"], rehydration=table_of_sizes)
    read = table(walk).with_columns(
        pl.when(pl.col("tokens") >= 300)
        .then(4)  # nine times, but max_epochs is 4
        .when(pl.col("tokens") >= 200)
        .then(2)
        .otherwise(1)
        .alias("expected")
    )
    assert read["repeats"].to_list() == read["expected"].to_list()
    record = walk.walked.records["balance"]
    assert record["reached_tokens"] == (read["tokens"] * read["repeats"]).sum()
    assert record["effective_tokens"] < record["reached_tokens"]


def test_a_small_change_of_targets_moves_few_documents(tmp_path):
    before, after = (
        table(balanced(tmp_path / str(share), documents(), by=["source"], targets={"web": share}))
        for share in (0.40, 0.42)
    )
    moved = (before["repeats"] != after["repeats"]).sum()
    assert 0 < moved < 0.1 * len(before)


def test_the_record_is_what_the_ledger_says(tmp_path):
    phases = [
        {"name": "pretraining", "tokens": 30_000, "weights": {"web": 0.5}},
        {"name": "annealing", "tokens": 60_000, "targets": {"code": 0.8}, "order": "quality"},
        {"name": "long", "tokens": 4_000, "sequence_length": 64},
    ]
    config = {"by": ["source"], "quality": "tokenize.n_tokens", "max_epochs": 1.5}
    walk = balanced(tmp_path, documents(), phases=phases, weights={"books": 3}, **config)
    read, record = table(walk), walk.walked.records["balance"]
    assert [phase["name"] for phase in record["phases"]] == ["pretraining", "annealing", "long"]
    assert record["phases"][2]["sequence_length"] == 64
    by_phase = np.array(read["phase_repeats"].to_list())
    assert by_phase.sum(axis=1).tolist() == read["repeats"].to_list()
    for number, phase in enumerate(record["phases"]):
        counts = read.with_columns(
            pl.Series("read", by_phase[:, number] * read["tokens"].to_numpy())
        )
        for name, group in phase["groups"].items():
            mine = counts.filter(pl.col("group") == name)
            assert group["reached_tokens"] == mine["read"].sum()
            assert group["reached_tokens"] <= group["planned_tokens"] + 600
        assert (
            sum(g["planned_tokens"] for g in phase["groups"].values()) == (phase["planned_tokens"])
        )
    annealing = record["phases"][1]["groups"]["code"]
    assert annealing["capped"]
    assert annealing["why"] == "capped at 1.5 epochs"
    for name, group in record["groups"].items():
        mine = read.filter(pl.col("group") == name)
        assert group["reached_tokens"] == (mine["tokens"] * mine["repeats"]).sum()
        assert group["unique_tokens"] == mine.filter(pl.col("repeats") > 0)["tokens"].sum()
        assert group["reached_tokens"] <= 1.5 * group["tokens"] + 600


def test_histograms_are_added_up_in_stages(monkeypatch):
    rows = [("a", n % 9, (n * 7919) % 2**64) for n in range(60)]
    _, one = chosen([rows], weights={"a": 0.4})
    monkeypatch.setattr("stages.balance.cuts.MERGED", 2)
    _, many = chosen([rows[start : start + 5] for start in range(0, 60, 5)], weights={"a": 0.4})
    assert many.tolist() == one.tolist()


def test_random_choices_have_the_planned_size_whatever_the_ids():
    rows = [
        ("a", 7, int.from_bytes(hashlib.md5(str(n).encode()).digest()[:8], "big"))
        for n in range(3000)
    ]
    _, repeats = chosen([rows[:1000], rows[1000:]], weights={"a": 0.3})
    assert repeats.sum() == 900
