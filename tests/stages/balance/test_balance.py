"""Balancing over parts on disk: repeats, what they depend on, and what they do not."""

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from pydantic import ValidationError

from classifiers.domain import TERMS_FILE
from manifests.schema import KEEP
from pipeline.recipe import RecipeError
from pipeline.recipe_check import load_recipe
from stages.balance.config import BalanceConfig, read_preset
from stages.catalog import CATALOG
from stages.sampling import hash_ids, unit_interval
from tests.stages.small_corpus import entry, sentences, walk_over
from trainer.shards import open_shard

SOURCES = ("web", "books", "code")


def documents(count=600):
    return [
        {"text": text, "source": SOURCES[n % 3 if n % 2 else 0]}
        for n, text in enumerate(sentences(count))
    ]


def balanced(root, parts, **config):
    tokenize = entry("tokenize", vocabulary_size=300, train_bytes=2000)
    return walk_over(root, parts, [tokenize, entry("balance", by=["source"], **config)])


def repeats_by_id(walk):
    ledger = walk.ledger("balance")
    return dict(zip(ledger["id"].to_pylist(), ledger["repeats"].to_pylist(), strict=True))


def reached_shares(walk):
    ledger = walk.ledger("balance").group_by("group").aggregate([("repeated_tokens", "sum")])
    read = dict(
        zip(ledger["group"].to_pylist(), ledger["repeated_tokens_sum"].to_pylist(), strict=True)
    )
    return {name: tokens / sum(read.values()) for name, tokens in read.items()}


def test_the_mixture_that_is_reached_is_the_one_planned(tmp_path):
    docs = documents()
    walk = balanced(tmp_path, [docs[:250], docs[250:]], weights={"web": 0.3, "code": 2.5})
    record = walk.walked.records["balance"]
    assert sum(group["documents"] for group in record["groups"].values()) == len(docs)
    epochs = {name: group["epochs"] for name, group in record["groups"].items()}
    assert epochs == pytest.approx({"web": 0.3, "books": 1, "code": 2.5}, abs=1e-4)
    longest = max(walk.ledger("tokenize")["n_tokens"].to_pylist())
    for group in record["groups"].values():
        assert 0 <= group["planned_tokens"] - group["reached_tokens"] < longest
    assert reached_shares(walk) == pytest.approx(
        {name: group["reached_share"] for name, group in record["groups"].items()}, abs=1e-9
    )
    ledger = walk.ledger("balance")
    assert set(ledger["repeats"].to_pylist()) == {0, 1, 2, 3}
    tokens = walk.ledger("tokenize")["n_tokens"].to_numpy()
    assert np.array_equal(
        ledger["repeated_tokens"].to_numpy(), tokens * ledger["repeats"].to_numpy()
    )


def test_documents_that_are_read_no_time_are_dropped_and_only_those(tmp_path):
    walk = balanced(tmp_path, [documents(200)], weights={"web": 0.5})
    verdicts = pq.read_table(walk.store.path(walk.verdicts[0][0]))["verdict"].to_pylist()
    repeats = walk.ledger("balance")["repeats"].to_pylist()
    assert verdicts == ["balance" if n == 0 else KEEP for n in repeats]
    assert 0 in repeats


def test_the_choice_depends_on_neither_parts_nor_order(tmp_path):
    docs = documents()
    weights = {"web": 0.4, "books": 1.7}
    one = repeats_by_id(balanced(tmp_path / "one", [docs], weights=weights))
    shuffled = docs[300:] + docs[:300][::-1]
    many = [shuffled[start : start + 97] for start in range(0, len(shuffled), 97)]
    assert repeats_by_id(balanced(tmp_path / "many", many, weights=weights)) == one


def test_a_seed_chooses_other_documents(tmp_path):
    docs = documents()
    first, second = (
        repeats_by_id(balanced(tmp_path / str(seed), [docs], weights={"web": 0.5}, seed=seed))
        for seed in (0, 1)
    )
    changed = sum(first[key] != second[key] for key in first)
    assert 100 < changed < 300  # half of the 400 or so documents of the web


def test_a_small_change_of_weights_moves_few_documents(tmp_path):
    docs = documents()
    before = repeats_by_id(balanced(tmp_path / "a", [docs], weights={"web": 0.50}))
    after = repeats_by_id(balanced(tmp_path / "b", [docs], weights={"web": 0.55}))
    assert all(after[key] >= before[key] for key in before)
    assert 0 < sum(after[key] != before[key] for key in before) < 60


def test_targets_and_a_budget(tmp_path):
    targets = {"code": 0.7, "books": 0.2}
    walk = balanced(tmp_path, [documents()], targets=targets, tokens=20_000)
    record = walk.walked.records["balance"]
    groups = record["groups"]
    assert record["planned_tokens"] == 20_000
    assert groups["code"]["planned_share"] == 0.7
    assert groups["web"]["planned_share"] == 0.1
    assert reached_shares(walk)["code"] == pytest.approx(0.7, abs=0.02)
    assert 20_000 - 3 * 200 < record["reached_tokens"] <= 20_000


def test_a_capped_group_says_so_and_gives_its_share_to_the_others(tmp_path):
    walk = balanced(tmp_path, [documents()], targets={"code": 0.9}, max_epochs=2)
    groups = walk.walked.records["balance"]["groups"]
    assert groups["code"]["capped"]
    assert groups["code"]["epochs"] == 2
    assert groups["code"]["why"] == "capped at 2 epochs"
    assert groups["web"]["why"] == "takes what capped groups leave"
    assert "instead of 90.0 % (capped at 2 epochs)" in walk.walked.records["balance"]["why"]
    assert groups["code"]["planned_share"] < 0.9
    assert not groups["web"]["capped"]
    assert max(walk.ledger("balance")["repeats"].to_pylist()) == 2


def test_a_budget_below_one_document_says_that_nothing_is_read(tmp_path):
    parts = [documents(60)]
    record = balanced(tmp_path / "none", parts, tokens=6, weights={"web": 0}).walked.records[
        "balance"
    ]
    assert record["reached_tokens"] == 0
    for name in ("books", "code"):
        told = f"nothing is read: {record['groups'][name]['planned_tokens']} tokens are less than"
        assert told in record["groups"][name]["why"]
        assert f"{name} 0.0 % instead of" in record["why"]
    assert "nothing" not in record["groups"]["web"]["why"]  # as was asked
    enough = balanced(tmp_path / "some", parts, tokens=2000, weights={"web": 0})
    assert "nothing is read" not in str(enough.walked.records["balance"])


def test_groups_of_two_columns_and_names_that_are_absent(tmp_path):
    tokenize = entry("tokenize", vocabulary_size=300, train_bytes=2000)
    balance = entry("balance", by=["source", "kind"], weights={"web/nothing": 2})
    walk = walk_over(tmp_path, [documents(60)], [entry("kind"), tokenize, balance])
    record = walk.walked.records["balance"]
    kinds = walk.ledger("kind")["kind"].to_pylist()
    assert set(record["groups"]) == {
        f"{d['source']}/{kind}" for d, kind in zip(documents(60), kinds, strict=True)
    }
    assert record["absent_groups"] == ["web/nothing"]


def test_the_stages_that_it_needs_follow_from_its_groups():
    assert set(entry("balance").stage.needs_stages()) == {"tokenize", "domain"}
    by = ["source", "kind", "language"]
    assert set(entry("balance", by=by).stage.needs_stages()) == {"tokenize", "kind", "language"}


def test_impossible_configs_name_the_cure():
    with pytest.raises(ValidationError, match="not both"):
        BalanceConfig(weights={"a": 1}, targets={"a": 1})
    with pytest.raises(ValidationError, match="more than 1"):
        BalanceConfig(targets={"a": 0.7, "b": 0.7})
    with pytest.raises(ValidationError, match=r"weights\.a"):
        BalanceConfig(weights={"a": -1})
    domains = BalanceConfig()
    assert domains.asked_weights(domains) == read_preset("default")["weights"]
    assert domains.asked_weights(BalanceConfig(weights={"a": 2})) == {"a": 2}
    sources = BalanceConfig(by=("source",))
    assert sources.asked_weights(sources) == {}


def test_the_hash_of_ids_is_even_and_blind_to_slices():
    ids = pa.array([hashlib.md5(str(n).encode()).digest() for n in range(20_000)], pa.binary(16))
    numbers = unit_interval(hash_ids(ids, 7))
    assert numbers.min() >= 0
    assert numbers.max() < 1
    counts = np.histogram(numbers, bins=20, range=(0, 1))[0]
    assert ((counts - 1000) ** 2 / 1000).sum() < 60  # chi-square, 19 degrees of freedom
    cut = pa.chunked_array([ids.slice(3, 5), ids.slice(8, 4)])
    assert np.array_equal(hash_ids(cut, 7), hash_ids(ids, 7)[3:12])
    # Ids that count up, as a careless source might make them, are spread as well.
    raw = [n.to_bytes(16, "big") for n in range(20_000)]
    counts = np.histogram(unit_interval(hash_ids(pa.array(raw, pa.binary(16)), 0)), bins=20)[0]
    assert ((counts - 1000) ** 2 / 1000).sum() < 60


def test_presets_give_groups_and_a_mixture_unless_the_recipe_does():
    coder = BalanceConfig(preset="coder")
    assert coder.targets == {"code": 0.7, "text": 0.2, "math": 0.1}
    assert list(coder.groups) == ["code", "math", "text"]
    assert BalanceConfig(preset="coder", unimax=True).stated_as() == "unimax"
    assert BalanceConfig(preset="qwen2.5").weights["academic"] == 6.3
    assert BalanceConfig.model_validate(coder.model_dump(mode="json")) == coder
    with pytest.raises(ValidationError, match=r"no `coder2`. Known: coder, default, qwen2.5"):
        BalanceConfig(preset="coder2")


def test_every_packaged_preset_is_a_config_without_unknown_names():
    for name in ("default", "qwen2.5", "coder"):
        content = dict(read_preset(name))
        assert BalanceConfig(**content).stated_as() in ("weights", "targets")
    domains = set(yaml.safe_load(TERMS_FILE.read_text())["domains"]) | {"code", "boilerplate"}
    for name in ("default", "qwen2.5"):
        assert set(read_preset(name)["weights"]) <= domains


def test_phases_say_what_they_take_from_the_balance():
    config = BalanceConfig(
        targets={"a": 0.5},
        max_epochs=6,
        phases=[{"name": "one"}, {"name": "two", "unimax": True, "max_epochs": 2}],
    )
    one, two = config.mixtures()
    assert (one.targets, one.max_epochs) == ({"a": 0.5}, 6)
    assert (two.targets, two.stated_as(), two.max_epochs) == (None, "unimax", 2)
    assert BalanceConfig.model_validate(config.model_dump(mode="json")) == config


def test_faults_of_expressions_name_their_place_and_the_columns():
    above = {name: entry(name).stage for name in ("kind", "tokenize")}
    groups = {"code": "kind.knd = 'code'", "long": "kind", "short": "tokenize.words < 9"}
    faults = dict(entry("balance", groups=groups).stage.faults(above))
    assert "no column `kind.knd`. Did you mean `kind`?" in faults["groups", "code"]
    assert "a boolean is wanted" in faults["groups", "long"]
    assert "Known: tokenize.n_" in faults["groups", "short"]
    assert not entry("balance", by=["kind"]).stage.faults(above)
    with pytest.raises(ValidationError) as error:
        BalanceConfig(by=["source", "kind ="])
    assert error.value.errors()[0]["loc"] == ("by", 1)


@pytest.mark.parametrize(
    ("by", "told"),
    [
        ("band(tokenize.words, 5)", "no column `tokenize.words`. Known: tokenize.n_"),
        ("sorce", "no column `sorce`. Did you mean `source`?"),
        ("language", "no stage above is named `language`"),
        ("tokenize.n_tokens", "Cut numbers into bands"),
    ],
)
def test_a_column_that_no_stage_writes_is_a_fault_of_the_recipe(tmp_path, by, told):
    path = tmp_path / "r.yaml"
    path.write_text(
        "sources:\n  - {name: a, path: a.txt}\nstages:\n  kind:\n  tokenize:\n  balance:\n"
        f"    by:\n      - source\n      - {by}\n"
    )
    with pytest.raises(RecipeError, match=r"r\.yaml:9: stages\.balance\.by\.1: ") as error:
        load_recipe(path, CATALOG)
    assert told in str(error.value)


def test_shards_carry_the_repeats_of_every_phase(tmp_path):
    phases = [{"name": "one", "tokens": 9000}, {"name": "two", "tokens": 3000}]
    tokenize = entry("tokenize", vocabulary_size=300, train_bytes=2000)
    balance = entry("balance", by=["source"], phases=phases)
    walk = walk_over(tmp_path, [documents(150)], [tokenize, balance, entry("shard")])
    (name,) = [name for name in walk.walked.published if name.startswith("shards/")]
    shard = open_shard(walk.published(name))
    assert shard.phases == ("one", "two")
    kept = [
        repeats for repeats in walk.ledger("balance")["phase_repeats"].to_pylist() if any(repeats)
    ]
    assert shard.phase_repeats().tolist() == kept
    record = walk.walked.records["balance"]
    read = (shard.phase_repeats() * shard.lengths[:, None]).sum(axis=0)
    assert read.tolist() == [phase["reached_tokens"] for phase in record["phases"]]
