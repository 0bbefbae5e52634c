"""Shards: every document that is left, in order, readable by the trainer's own reader."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.corpus import Part
from stages.shard import shard_groups, shard_name
from tests.stages.small_corpus import entry, sentences, walk_over
from trainer.shards import open_shard

SOURCES = ("web", "books")


def documents(count):
    return [{"text": t, "source": SOURCES[n % 2]} for n, t in enumerate(sentences(count))]


def chain(shard_tokens=2000, **balance):
    return [
        entry("kind"),
        entry("domain"),
        entry("tokenize", vocabulary_size=400, train_bytes=5000),
        entry("balance", by=["source"], **balance),
        entry("shard", shard_tokens=shard_tokens),
    ]


def shards_of(walk):
    names = sorted(name for name in walk.walked.published if name.startswith("shards/"))
    return [open_shard(walk.published(name)) for name in names]


def test_shards_hold_what_the_ledger_says(tmp_path):
    docs = documents(150)
    parts = [docs[:40], docs[40:41], docs[41:110], docs[110:]]
    walk = walk_over(tmp_path, parts, chain(weights={"web": 0.5, "books": 2.5}))
    shards = shards_of(walk)
    assert len(shards) > 1
    tokens, balance = walk.ledger("tokenize"), walk.ledger("balance")
    domains = walk.ledger("domain")["domain"].to_pylist()
    expected = [
        (tokens["id"][n].as_py(), tokens["tokens"][n].as_py(), docs[n]["source"], domains[n], times)
        for n, times in enumerate(balance["repeats"].to_pylist())
        if times > 0
    ]
    rows = [
        row
        for shard in shards
        for row in pa.Table.from_batches(shard.batches, shard.schema).to_pylist()
    ]
    found = [(r["id"], r["tokens"], r["source"], r["domain"], r["repeats"]) for r in rows]
    assert found == expected
    size_of = dict(zip(tokens["id"].to_pylist(), tokens["n_bytes"].to_pylist(), strict=True))
    assert [row["n_bytes"] for row in rows] == [size_of[row["id"]] for row in rows]


def test_the_record_names_every_shard_with_its_counts(tmp_path):
    docs = documents(100)
    walk = walk_over(tmp_path, [docs[:50], docs[50:]], chain())
    record = walk.walked.records["shard"]
    for described, shard in zip(record["shards"], shards_of(walk), strict=True):
        assert described["sha256"] == shard.sha256()
        assert described["documents"] == len(shard)
        assert described["tokens"] == shard.lengths.sum()
        assert described["repeated_tokens"] == (shard.lengths * shard.numbers("repeats")).sum()
        assert described["bytes"] == shard.path.stat().st_size
        assert shard.tokenizer_sha256 == record["tokenizer"]["sha256"]
        assert shard.tokenizer_sha256 == walk.walked.records["tokenize"]["sha256"]
        assert shard.eos == record["tokenizer"]["eos"]
        assert shard.vocabulary_size == record["tokenizer"]["vocabulary_size"]
    assert [each["name"] for each in record["shards"]] == [shard_name(0, 2), shard_name(1, 2)]


def test_without_domain_and_balance_documents_are_read_once(tmp_path):
    docs = [*documents(20), {"text": ""}]
    tokenize = entry("tokenize", vocabulary_size=300, train_bytes=5000)
    walk = walk_over(tmp_path, [docs, []], [tokenize, entry("shard")])
    (shard,) = shards_of(walk)
    assert len(shard) == 21  # an empty document is a document
    assert set(shard.numbers("repeats").tolist()) == {1}
    assert set(shard.column("domain").to_pylist()) == {"unknown"}


def test_wide_tokens_for_qwens_vocabulary(tmp_path):
    walk = walk_over(
        tmp_path,
        [[{"text": "Hello world 中文"}]],
        [entry("tokenize", tokenizer="qwen"), entry("shard")],
    )
    assert walk.ledger("tokenize")["tokens"].type == pa.list_(pa.uint32())
    (shard,) = shards_of(walk)
    assert shard.schema.field("tokens").type.value_type == pa.uint32()
    assert shard.tokens(0)[:2].tolist() == [9707, 1879]


def test_the_same_documents_give_the_same_bytes(tmp_path):
    docs = documents(80)
    records = [
        walk_over(tmp_path / name, [docs[:30], docs[30:]], chain()).walked.records["shard"]
        for name in ("one", "two")
    ]
    assert records[0] == records[1]


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 100)), max_size=30), st.integers(1, 200)
)
def test_parts_are_grouped_in_order_and_none_is_lost(counts, shard_tokens):
    counts = [{"documents": d, "tokens": t if d else 0} for d, t in counts]
    parts = [Part(n, f"{n}", "s", 1, 1) for n in range(len(counts))]
    groups = shard_groups(parts, counts, shard_tokens)
    flat = [part.index for group in groups for part in group]
    assert flat == [n for n, count in enumerate(counts) if count["documents"]]
    for group in groups[:-1]:
        sizes = [counts[part.index]["tokens"] for part in group]
        assert sum(sizes) >= shard_tokens
        assert sum(sizes[:-1]) < shard_tokens


def test_a_part_that_is_damaged_is_named(tmp_path):
    walk = walk_over(tmp_path, [documents(10)], chain())
    again = walk_over(tmp_path, [documents(10)], chain())
    assert again.walked.records == walk.walked.records
    ledger = walk.store.path(walk.annotations[0]["tokenize"])
    other = walk_over(tmp_path / "other", [documents(9)], chain())
    ledger.write_bytes(other.store.path(other.annotations[0]["tokenize"]).read_bytes())
    task = next(t for t in walk.executed if t.function == "stages.shard:write_parts")
    walk.store.path(f"{task.output}/receipt.json").unlink()
    with pytest.raises(ValueError, match="has 9 rows"):
        walk.step("again", ["shard"], [task])
