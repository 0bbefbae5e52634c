"""Near deduplication as a whole: oracles, invariance, edge cases."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from manifests.schema import ROLE, ROLE_DOCUMENT
from stages.dedupe.near import NearDedupe
from stages.dedupe.near_config import NearDedupeConfig
from tests.stages.dedupe import oracle
from tests.stages.dedupe.driver import Result, Text, corpus_of, run_rounds, run_stage, table_of

# 1 - (1 - 0.6)^1024: no pair of Jaccard index 0.6 and more is missed
SURE = {"bands": 256, "rows": 1, "min_jaccard": 0.6, "bucket_limit": 4096}


def near(parts: Sequence[Sequence[Text]], root: Path, **config: object) -> Result:
    return run_stage(NearDedupe(NearDedupeConfig.model_validate(config)), parts, root)


@st.composite
def families(draw: st.DrawFn) -> list[Text]:
    """Documents that are edits of edits of a few others, so that chains of likeness come about."""
    rng = random.Random(draw(st.integers(0, 10**6)))
    texts: list[list[str]] = []
    for _ in range(draw(st.integers(1, 22))):
        if texts and rng.random() < 0.8:
            words = list(rng.choice(texts))
            for _ in range(rng.randint(0, 2)):
                place = rng.randrange(len(words))
                if rng.random() < 0.5:
                    words[place] = f"edit{rng.randrange(9)}"
                else:
                    words = [*words[:place], "left", *words[place + rng.randint(1, 6) :]]
        else:
            words = [f"w{rng.randrange(10**6)}" for _ in range(rng.choice([2, 5, 30, 45]))]
        texts.append(words)
    if draw(st.booleans()):
        texts += [[], ["..."]]
    return [Text(f"d{number}", " ".join(words)) for number, words in enumerate(texts)]


@given(families(), st.integers(1, 4))
@settings(max_examples=20, deadline=None)
def test_survivors_are_those_of_brute_force(texts: list[Text], parts: int) -> None:
    def alike(left: Text, right: Text) -> bool:
        return oracle.jaccard(left.text, right.text) >= 0.6

    pairs = oracle.similar_pairs(texts, alike)
    split = [texts[n::parts] for n in range(parts)]
    with TemporaryDirectory() as folder:
        direct = near(split, Path(folder), linkage="direct", **SURE)
        single = near(split, Path(folder), linkage="single", **SURE)
    assert direct.kept == oracle.kept_direct(texts, pairs)
    assert single.kept == oracle.kept_single(texts, pairs)

    firsts = oracle.clusters(texts, pairs)
    sizes = {name: sum(first == name for first in firsts.values()) for name in firsts.values()}
    by_id = {text.id: text.text for text in texts}
    for result in (direct, single):
        for name, row in result.annotations.items():
            size = sizes[firsts[name]]
            assert row["cluster_size"] == size
            assert row["cluster"] == (firsts[name] if size > 1 else None)
            assert (row["survivor"] is None) == (name in result.kept)
            assert row["survivor"] is None or row["survivor"] in result.kept
            if row["jaccard"] is not None:
                true = oracle.jaccard(by_id[name], by_id[row["survivor"]])
                assert row["jaccard"] == pytest.approx(true, abs=1e-6)
    for name, row in direct.annotations.items():
        if name in direct.reasons:
            best = max(
                oracle.jaccard(by_id[name], by_id[other])
                for other in direct.kept
                if (name, other) in pairs and oracle.in_order([other, name], texts)
            )
            assert row["jaccard"] == pytest.approx(best, abs=1e-6)
            assert direct.reasons[name] == "near_duplicate"


def varied(rng: random.Random, documents: int) -> list[Text]:
    """Clusters of many sizes, templates, short and empty documents, two sources."""
    texts: list[Text] = []
    while len(texts) < documents:
        base = [f"w{rng.randrange(3000)}" for _ in range(rng.choice([3, 20, 120]))]
        for _ in range(rng.choice([1, 1, 2, 5, 40])):
            words = [w if rng.random() > 0.02 else f"n{rng.randrange(50)}" for w in base]
            source = rng.choice(["web", "books"])
            texts.append(Text(f"d{len(texts)}", " ".join(words), source))
    return [*texts, Text("e0", ""), Text("e1", ""), Text("e2", "...")]


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"linkage": "single"},
        {"verify": False},
        {"bucket_limit": 4},
        {"order": ("id",)},
        {"order": ("source_priority", "n_bytes", "id"), "source_priority": ("books",)},
    ],
)
def test_parts_order_and_partitions_change_nothing(
    config: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(7)
    texts = varied(rng, 200)
    books = [text for text in texts if text.source == "books"]
    web = [text for text in texts if text.source == "web"]
    one = near([books, web], tmp_path / "one", **config)
    assert 0 < len(one.reasons) < len(texts)
    monkeypatch.setattr(NearDedupe, "keys_per_partition", 700)
    monkeypatch.setattr(NearDedupe, "pairs_per_task", 300)
    monkeypatch.setattr(NearDedupe, "pairs_per_cluster_task", 100)
    monkeypatch.setattr("stages.dedupe.exchange.SAMPLE_STEP", 16)
    monkeypatch.setattr("stages.dedupe.rank.RANKED_AT_ONCE", 40)
    monkeypatch.setattr("stages.dedupe.rank._SAMPLED", 4)
    monkeypatch.setattr("stages.dedupe.listing.LISTED_INLINE", 2)
    monkeypatch.setattr("stages.dedupe.verify._GATHERED_SHINGLES", 2000)
    rng.shuffle(books)
    rng.shuffle(web)
    other = near([web[:50], [], books, web[50:51], web[51:]], tmp_path / "other", **config)
    assert one == other


@pytest.mark.parametrize("ranked_at_once", [100, 4])
def test_two_documents_of_one_id_are_refused(
    ranked_at_once: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever their lengths, and wherever in the survivor order they come to stand."""
    monkeypatch.setattr("stages.dedupe.rank.RANKED_AT_ONCE", ranked_at_once)
    monkeypatch.setattr("stages.dedupe.rank._SAMPLED", 1)
    texts = [Text(f"t{n}", "word " * (n + 1)) for n in range(12)]
    again = Text("t3", "quite another and much longer text " * 9)
    near([texts], tmp_path / "sound")
    with pytest.raises(ValueError, match=f"two documents have the id {again.id.hex()}"):
        near([texts, [again]], tmp_path / "twice")


def test_a_task_that_runs_again_writes_the_same_bytes(tmp_path: Path) -> None:
    texts = varied(random.Random(3), 60)
    stage = NearDedupe(NearDedupeConfig())
    files = []
    for name in ("a", "b"):
        run_rounds(
            stage, corpus_of(stage, [table_of(texts[:30]), table_of(texts[30:])], tmp_path / name)
        )
        store = tmp_path / name / "store"
        files.append(
            {
                path.relative_to(store): path.read_bytes()
                for path in store.rglob("*")
                if path.is_file() and path.name != "receipt.json"
            }
        )
    assert files[0] == files[1]


def test_changes_recompute_only_what_depends_on_them(tmp_path: Path) -> None:
    texts = varied(random.Random(4), 40)

    def folders(**config: object) -> dict[str, set[str]]:
        near([texts], tmp_path, **config)
        store = tmp_path / "store" / "near_dedupe"
        return {r.name: {f.name for f in r.iterdir()} for r in store.iterdir()}

    before = folders()
    after = folders(linkage="single")
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"clusters", "decide", "signatures"}
    later = folders(min_jaccard=0.9)
    assert later["sketch"] == before["sketch"]
    assert later["shingles"] == before["shingles"]
    assert len(later["verify"]) == 2


def test_the_kept_document_is_chosen_by_the_declared_order(tmp_path: Path) -> None:
    body = " ".join(f"word{n}" for n in range(200))
    long = Text("a", body + " and a longer end", "web")
    short = Text("b", body, "books")
    alone = Text("c", "nothing of the kind is said here at all", "web")
    by_size = near([[long, alone], [short]], tmp_path / "1")
    assert by_size.kept == {long.id, alone.id}
    assert by_size.witness(short) == long.id
    by_source = near(
        [[long, alone], [short]],
        tmp_path / "2",
        order=["source_priority", "n_bytes", "id"],
        source_priority=["books"],
    )
    assert by_source.kept == {short.id, alone.id}
    by_id = near([[long, alone], [short]], tmp_path / "3", order=["id"])
    assert by_id.kept == {min(long.id, short.id), alone.id}


def test_a_chain_is_cut_by_direct_linkage_and_followed_by_single(tmp_path: Path) -> None:
    words = [f"w{n:03}" for n in range(400)]
    chain = [
        Text(f"c{n}", " ".join(words[30 * n : 30 * n + 200] + ["pad"] * (10 - n))) for n in range(6)
    ]
    direct = near([chain], tmp_path / "d", **SURE)
    single = near([chain], tmp_path / "s", linkage="single", **SURE)
    assert single.kept == {chain[0].id}
    assert chain[0].id in direct.kept
    assert len(direct.kept) > 1
    by_id = {text.id: text for text in chain}
    for name in direct.reasons:
        witness = by_id[direct.annotations[name]["survivor"]]
        assert oracle.jaccard(by_id[name].text, witness.text) >= 0.6
    far = single.annotations[chain[5].id]
    assert far["survivor"] == chain[0].id
    assert far["jaccard"] is None


def test_windows_at_offsets_make_clusters_of_the_known_sizes(tmp_path: Path) -> None:
    """Windows of 400 characters over one long text, those that overlap enough being one cluster."""
    rng = random.Random(11)
    page = "".join(chr(0x4E00 + rng.randrange(3000)) for _ in range(2500))
    groups = [[0, 20, 50], [400, 420], [800, 810, 820, 840, 860], [1205, 1215, 1225, 1245]]
    groups += [[1600], [2000]]
    texts = {start: Text(str(start), page[start : start + 400]) for g in groups for start in g}
    split = [list(texts.values())[::2], list(texts.values())[1::2]]
    result = near(split, tmp_path, bands=64, rows=3, min_jaccard=0.7)
    assert len(result.kept) == len(groups)
    for group in groups:
        ids = {texts[start].id for start in group}
        assert len(ids & result.kept) == 1
        assert {result.annotations[name]["cluster_size"] for name in ids} == {len(group)}


def test_empty_and_short_documents_stay_apart(tmp_path: Path) -> None:
    texts = [Text(f"e{n}", text) for n, text in enumerate(["", "", " ", "...", "!?", "<br/>"])]
    texts += [Text(f"s{n}", text) for n, text in enumerate(["a", "b", "a b", "b a", "one two 3"])]
    texts += [Text("s9", "A b."), Text("s10", "one two 4"), Text("c1", "今天"), Text("c2", "明天")]
    result = near([texts], tmp_path, bands=64, rows=1, min_jaccard=0.01)
    assert set(result.reasons) == {min((texts[8], texts[11]), key=lambda t: t.text == "A b.").id}
    assert result.record["without_tokens"] == 6


def test_no_documents_at_all(tmp_path: Path) -> None:
    assert near([[], []], tmp_path / "a").record["clusters"] == 0
    assert near([], tmp_path / "b").record["candidate_pairs"] == 0
    lonely = near([[Text("a", "")]], tmp_path / "c")
    assert lonely.annotations[Text("a", "").id] == {
        "cluster": None,
        "cluster_size": 1,
        "survivor": None,
        "jaccard": None,
        "corpus": None,
    }


def test_templates_that_differ_in_numbers_are_kept(tmp_path: Path) -> None:
    rng = random.Random(2)
    texts = []
    for n in range(120):
        figures = [rng.randrange(10, 99) for _ in range(16)]
        texts.append(
            Text(
                f"t{n}",
                "Weather report for station {}: at noon {} degrees, in the evening {} degrees, "
                "wind from the west at {} knots with gusts of {} knots. Rain: {} mm. "
                "Sunrise at 6:{} and sunset at 19:{}. Pressure {} hPa, humidity {} percent. "
                "Tomorrow between {} and {} degrees, wind at {} knots, rain of {} mm, "
                "visibility {} km and a tide of {} cm.".format(*figures),
            )
        )
    assert len(near([texts], tmp_path).kept) == len(texts)


def damaged(text: str, rng: random.Random, edits: int) -> str:
    characters = list(text)
    for _ in range(edits):
        characters[rng.randrange(len(characters))] = "·"
    return "".join(characters)


@pytest.mark.parametrize(
    ("language", "alphabet", "spaced"),
    [
        ("Chinese", [chr(c) for c in range(0x4E00, 0x5600)], False),
        ("Japanese", [chr(c) for c in (*range(0x3042, 0x3094), *range(0x4E00, 0x5000))], False),
        ("Thai", [chr(c) for c in range(0xE01, 0xE3A)], False),
        ("Arabic", [chr(c) for c in range(0x627, 0x64A) if c != 0x640], True),
        ("Korean", [chr(c) for c in range(0xAC00, 0xB000)], True),
    ],
)
def test_other_scripts_lose_their_duplicates_and_nothing_else(
    language: str, alphabet: list[str], spaced: bool, tmp_path: Path
) -> None:
    rng = random.Random(language)
    texts: list[Text] = []
    copies: list[Text] = []
    for n in range(40):
        words = ["".join(rng.choices(alphabet, k=rng.randint(1, 6))) for _ in range(250)]
        text = (" " if spaced else "").join(words)
        texts.append(Text(f"{n}", text + "。"))
        copies.append(Text(f"{n} copy", damaged(text, rng, 5)))
    result = near([texts, copies], tmp_path, bands=40, rows=4)  # finds pairs of .75 surely
    for one, copy in zip(texts, copies, strict=True):
        (witness,) = {result.witness(one), result.witness(copy)} - {None}
        assert {witness} == {one.id, copy.id} & result.kept


def test_large_buckets_are_capped_and_said_so(tmp_path: Path) -> None:
    body = " ".join(f"w{n}" for n in range(100))
    texts = [Text(f"d{n}", f"{body} tail{n}") for n in range(100)]
    result = near([texts], tmp_path, bucket_limit=10)
    assert len(result.kept) == 1
    record = result.record
    assert record["capped_buckets"] > 0
    assert record["pairs_left_out"] > 0
    assert record["candidate_pairs"] < 100 * 9 * 14
    assert record["largest_clusters"] == [[next(iter(result.kept)).hex(), 100]]


def test_capped_pairs_are_a_star_and_neighbours() -> None:
    from stages.dedupe.candidates import NEIGHBOURS, bucket_pairs

    members = np.array([3, 8, 9, *range(20, 60)], np.int64)
    bounds = np.array([0, 3, len(members)], np.int64)
    left, right, capped, left_out = bucket_pairs(members, bounds, 10)
    wanted = set(combinations((3, 8, 9), 2))
    wanted |= {(20, member) for member in range(21, 60)}
    wanted |= {(a, b) for a in range(21, 60) for b in range(a + 1, min(60, a + 1 + NEIGHBOURS))}
    assert set(zip(left.tolist(), right.tolist(), strict=True)) == wanted
    assert (capped, left_out) == (1, 3 + 40 * 39 // 2 - len(wanted))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            {"bands": 14, "rows": 9, "hashes": 112},
            r"14 bands x 9 rows need 126 hashes, but `hashes` is 112. Set bands: 14, rows: 8"
            r" \(the FineWeb setting\), or hashes: 126.",
        ),
        ({"hashes": 50}, r"Set bands: 6, rows: 8, or hashes: 112"),
        ({"threshold": 0.8, "rows": 8}, r"chooses 9 bands x 13 rows .*40% at 0.8.*Leave out"),
        ({"threshold": 0.95, "hashes": 2}, r"cannot be met with hashes: 2 .*Set hashes: 128"),
        ({"order": ["n_bytes"]}, r"Set order: \[n_bytes, id\]"),
        ({"order": ["id", "id"]}, r"names a key twice"),
        ({"order": ["source_priority", "id"]}, r"Set source_priority"),
        ({"source_priority": ["a"], "order": ["n_bytes", "id"]}, r"Set source_priority"),
        ({"source_priority": ["a", "a"], "order": ["source_priority", "id"]}, r"source twice"),
        ({"min_jaccard": 0}, r"greater than 0"),
        ({"band": 3}, r"Extra inputs"),
    ],
)
def test_impossible_configs_say_the_cure(config: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        NearDedupeConfig.model_validate(config)


@pytest.mark.parametrize("config", [{}, {"threshold": 0.8}, {"bands": 20, "rows": 5}])
def test_a_config_survives_json(config: dict[str, object]) -> None:
    one = NearDedupeConfig.model_validate(config)
    again = NearDedupeConfig.model_validate(one.model_dump(mode="json"))
    assert (one, one.shape) == (again, again.shape)


def test_references_to_documents_are_marked() -> None:
    for name in ("cluster", "survivor"):
        assert NearDedupe.columns.field(name).metadata[ROLE] == ROLE_DOCUMENT
