"""How well near-duplicates are told from other documents: real collections, templates, languages.

    python -m benchmarks.near_duplicates --data FOLDER [--plots docs/plots]

FOLDER holds the measuring data that the tests use too. Every pair of a collection is compared by
brute force on its sets of word 5-grams (8-grams of characters in scripts without spaces), numbers
counting as all else does. Recall at an index s: of the pairs in a step of 0.05 from s, the share of
which a document is removed, in the collection, or "alone": at most 100 pairs of the step, each with
words of its own (a mark on every word of both documents changes no index), so that no third
document helps. Precision at s: of the removed documents, the share that a kept document resembles
by s or more.

Peers: datasketch as its documentation shows it (lower case, words between spaces, threshold 0.8,
128 permutations); datatrove's normalization of texts before the same bands as tamis, unverified.
"""

from __future__ import annotations

import argparse
import random
import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from benchmarks.collection import Collection, Floats, Removal
from benchmarks.peers import read_records
from stages.dedupe.minhash import collision_probability
from stages.dedupe.near import NearDedupe
from stages.dedupe.near_config import NearDedupeConfig
from tests.stages.dedupe.driver import Text, run_stage
from tests.stages.dedupe.holders import NAMED
from tests.stages.dedupe.languages import edited, read_languages
from tests.stages.dedupe.templates import TEMPLATES, renumbered

Removals = dict[str, set[int]]
Shares = dict[str, list[tuple[int, int]]]

STEP = 0.05
THRESHOLDS = (0.6, 0.7, 0.75, 0.8, 0.85)
NAME_WEIGHTS = (1, 3, 5, 8, 12)
TEMPLATE_COUNT = 1000


def tamis(**config: object) -> Removal:
    """The numbers of the documents that ``near_dedupe`` removes."""

    def removed(texts: Sequence[str]) -> set[int]:
        documents = [Text(str(number), text) for number, text in enumerate(texts)]
        stage = NearDedupe(NearDedupeConfig.model_validate(config))
        with tempfile.TemporaryDirectory() as folder:
            result = run_stage(stage, [documents], Path(folder))
        return {number for number, text in enumerate(documents) if text.id in result.reasons}

    return removed


def datasketch(texts: Sequence[str]) -> set[int]:
    """Documents that resemble an earlier one, which stays."""
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(threshold=0.8, num_perm=128)
    removed = set()
    for number, text in enumerate(texts):
        words = text.lower().split()
        grams = {" ".join(words[n : n + 5]).encode() for n in range(max(1, len(words) - 4))}
        sketch = MinHash(num_perm=128)
        sketch.update_batch(list(grams))
        if index.query(sketch):
            removed.add(number)
        else:
            index.insert(number, sketch)
    return removed


def normalized_by_datatrove(texts: Sequence[str]) -> set[int]:
    """What tamis removes, unverified, once datatrove's ``simplify_text`` has folded the texts."""
    from datatrove.utils.text import simplify_text

    return tamis(verify=False)([simplify_text(text) for text in texts])


CONTENDERS: dict[str, Removal] = {
    "tamis": tamis(),
    "tamis, verify: false": tamis(verify=False),
    "tamis, linkage: single": tamis(linkage="single"),
    "datatrove's normalization": normalized_by_datatrove,
    "datasketch at 0.8": datasketch,
}
DRAWN = {"tamis": "C0", "tamis, verify: false": "C1", "datasketch at 0.8": "C2"}
FEW = 5
"""Steps of fewer pairs are not drawn."""


def collections(data: Path) -> list[Collection]:
    """Pages by nine extractors, and Reuters news with planted near-duplicates."""
    extractions = list(read_records(data / "open/neardup/extractor_clusters.jsonl.gz"))
    news = list(read_records(data / "research_only/neardup/ndd_R8.jsonl.gz"))
    pages = [row["cluster"] for row in extractions]
    groups = [None if row["near_dup_group"] is None else str(row["near_dup_group"]) for row in news]
    return [
        Collection("extractors", [row["text"] for row in extractions], pages),
        Collection("reuters", [row["text"] for row in news], groups),
    ]


def report_demo(path: Path) -> None:
    """Prints what goes of Data-Juicer's fourteen texts, and the pairs that are alike at all."""
    demo = Collection("Data-Juicer's demo", [row["text"] for row in read_records(path)], [])
    print(f"\n{demo.name}: pairs of {len(demo.texts)} texts with an index above 0.1")
    gone = tamis()(demo.texts)
    for left, right, similarity in zip(*demo.pairs, strict=True):
        if similarity > 0.1:
            outcome = "one removed" if {int(left), int(right)} & gone else "both kept"
            print(f"  {similarity:.2f}  {outcome}  {demo.texts[left][:40]!r}")


STEPS = list(pairwise([*np.round(np.arange(0.3, 1 - STEP / 2, STEP), 2).tolist(), 1 + STEP]))
"""Steps of the Jaccard index; the last one holds 1."""
SHOWN = STEPS[4:]


def report(collection: Collection, removals: Removals, alone: Shares) -> None:
    """Prints recall and precision of every contender on a collection."""
    left, _, similarity = collection.pairs
    print(f"\n{collection.name}: {len(collection.texts)} documents, {len(left):,} pairs")
    print(_row(["recall of pairs at", *(f"{low:.2f}" for low, _ in SHOWN)]))
    print(_row(["pairs", *(str(collection.recall(set(), *step)[1]) for step in SHOWN)]))
    print(_row(["bands (theory)", *(_share(_expected(similarity, *step)) for step in SHOWN)]))
    for name, shares in alone.items():
        print(_row([f"{name}, alone", *map(_share, shares[-len(SHOWN) :])]))
    for name, removed in removals.items():
        print(_row([name, *(_share(collection.recall(removed, *step)) for step in SHOWN)]))
    print(_row(["removed; witness >=", "removed", *map(str, THRESHOLDS), "lost", "both kept"]))
    for name, removed in removals.items():
        witnesses = collection.witnesses(removed)
        cells = [_share((int((witnesses >= t).sum()), len(removed))) for t in THRESHOLDS]
        resolved, pairs = collection.recall(removed, 0.7)
        lost = str(collection.other_origin(removed))
        print(_row([name, str(len(removed)), *cells, lost, f"{pairs - resolved}/{pairs}"]))


def _expected(similarity: Floats, low: float, high: float) -> tuple[float, int]:
    """Pairs in [low, high) that the bands should find, and all such pairs."""
    bands, lines = NearDedupeConfig().shape
    inside = similarity[(similarity >= low) & (similarity < high)]
    return sum(collision_probability(float(s), bands, lines) for s in inside), len(inside)


def _share(part: tuple[float, int]) -> str:
    return f"{part[0] / part[1]:.1%}" if part[1] else "-"


def _row(cells: Iterable[str]) -> str:
    first, *others = cells
    return f"{first:<27}" + "".join(f"{cell:>10}" for cell in others)


def plot(collection: Collection, removals: Removals, alone: Shares, path: Path) -> None:
    """Draws recall beside the curve of the bands, and precision, over the Jaccard index."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": "tamis", "svg.fonttype": "none", "font.size": 9})
    from matplotlib import pyplot

    figure, (recall, precision) = pyplot.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
    places = np.linspace(0.3, 1.0, 36)
    curve = [collision_probability(float(s), *NearDedupeConfig().shape) for s in places]
    recall.plot(places, curve, color="0.6", label="14 bands x 8 rows, theory")
    for name, color in DRAWN.items():
        middles = [min(low + STEP / 2, 0.975) for low, _ in STEPS]
        found = [part / whole if whole >= FEW else np.nan for part, whole in alone[name]]
        recall.plot(middles, found, "o-", ms=3, lw=1, color=color, label=name)
        witnesses = collection.witnesses(removals[name])
        shares = [(witnesses >= s).mean() if len(witnesses) else 1.0 for s in places]
        precision.plot(places, shares, color=color, label=name)
    recall.set_title(f"{collection.name}: pairs found, each alone")
    precision.set_title("removed documents that a kept one is like")
    for axes in (recall, precision):
        axes.set_xlabel("Jaccard index")
        axes.set_ylim(-0.02, 1.02)
        axes.grid(visible=True, color="0.9")
    recall.legend(fontsize=7)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    pyplot.close(figure)


def hard_negatives(data: Path) -> dict[str, list[str]]:
    """Documents of each kind that share a template, or a site, and differ in what they say."""
    questions = [
        row["question"] for row in read_records(data / "open/benchmarks/gsm8k_test.jsonl.gz")
    ]
    pages = read_records(data / "research_only/web/weborganizer_pages.jsonl.gz")
    articles = {page["text"]: urlsplit(page["url"]).hostname for page in pages}
    articles = {text: site for text, site in articles.items() if len(text) >= 1000}
    sites = Counter(articles.values())
    found = {kind: make(TEMPLATE_COUNT, 1) for kind, make in TEMPLATES.items()}
    found["GSM8K, other numbers"] = renumbered(questions, TEMPLATE_COUNT)
    found["other article of a site"] = [text for text, site in articles.items() if sites[site] > 1]
    return found


def report_choice(extractors: Collection, negatives: dict[str, list[str]]) -> None:
    """Prints what each ``min_jaccard`` keeps of one page, and what it loses of other documents."""
    print("\nmin_jaccard (88 pages, 775 extractions; documents lost of templates)")
    names = [re.sub(r"[ ,].*", "", name) for name in negatives]
    print(_row(["", "removed", "left", "both kept", *(name[:9] for name in names)]))
    print(_row(["documents", "", "", "", *(str(len(texts)) for texts in negatives.values())]))
    settings = {
        f"{value}, number_weight: {weight}": tamis(min_jaccard=value, number_weight=weight)
        for weight in (NearDedupeConfig().number_weight, 1)
        for value in THRESHOLDS
    }
    peers = ("tamis, verify: false", "datatrove's normalization", "datasketch at 0.8")
    for name, contender in {**settings, **{peer: CONTENDERS[peer] for peer in peers}}.items():
        removed = contender(extractors.texts)
        found, pairs = extractors.recall(removed, 0.8)
        left = len(extractors.texts) - len(removed)
        lost = [str(len(contender(texts))) for texts in negatives.values()]
        print(_row([name, str(len(removed)), str(left), str(pairs - found), *lost]))


def report_names(extractors: Collection, news: Collection) -> None:
    """Prints the same by ``name_weight``, for a thousand documents of each kind that differ in the
    names in them."""
    each = Counter(kind.partition(",")[0] for kind in NAMED)
    negatives = {
        kind: make(-(-TEMPLATE_COUNT // each[kind.partition(",")[0]]))
        for kind, make in NAMED.items()
    }
    print("\nname_weight (documents lost; news: texts removed)")
    print(_row(["", "left", "both kept", "news", *each]))
    for value in (0.7, 0.75, 0.8):
        for weight in NAME_WEIGHTS:
            contender = tamis(min_jaccard=value, name_weight=weight)
            removed = contender(extractors.texts)
            found, pairs = extractors.recall(removed, 0.8)
            cells = [len(extractors.texts) - len(removed), pairs - found]
            lost = Counter[str]()
            for kind, texts in negatives.items():
                lost[kind.partition(",")[0]] += len(contender(texts))
            cells += [len(contender(news.texts)), *(lost[kind] for kind in each)]
            print(_row([f"{value}, name_weight: {weight}", *map(str, cells)]))


def report_languages(data: Path, edits: int = 2, pairs: int = 120) -> None:
    """Prints, for copies with so many words of a hundred replaced, what is found of them."""
    print(f"\ncopies of 100-word documents with {edits} words replaced")
    print(_row(["", "pairs", "index", "theory", "tamis", "datasketch", "others lost"]))
    for kind, language in read_languages(data, Path(__file__).parents[1] / "stages").items():
        rng = random.Random(kind)
        documents = language.documents()[:pairs]
        half = len(documents)
        true: list[float] = []
        found, others = Counter[str](), Counter[str]()
        for _ in range(-(-pairs // half)):
            copies = [edited(words, edits, rng) for words in documents]
            collection = Collection(kind, ["".join(words) for words in documents] + copies, [])
            true += [float(collection.similarity[n, n + half]) for n in range(half)]
            for name, contender in (("tamis", tamis()), ("datasketch", datasketch)):
                removed = contender(collection.texts)
                found[name] += sum(n in removed or n + half in removed for n in range(half))
                # both gone: at least one of them for another document
                others[name] += sum(n in removed and n + half in removed for n in range(half))
        theory = np.mean([collision_probability(s, *NearDedupeConfig().shape) for s in true])
        cells = [f"{np.mean(true):.2f}", f"{theory:.1%}"]
        cells += [_share((found[name], len(true))) for name in ("tamis", "datasketch")]
        print(_row([kind, str(len(true)), *cells, str(others["tamis"])]))


def main() -> None:
    """Prints all tables and draws the plots."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the measuring data")
    parser.add_argument("--plots", type=Path, help="folder to draw the plots into")
    given = parser.parse_args()
    assembled = collections(given.data)
    for collection in assembled:
        removals = {name: contender(collection.texts) for name, contender in CONTENDERS.items()}
        alone = {
            name: [collection.recall_alone(CONTENDERS[name], *step) for step in STEPS]
            for name in DRAWN
        }
        report(collection, removals, alone)
        if given.plots:
            plot(collection, removals, alone, given.plots / f"near-{collection.name}.svg")
    report_demo(given.data / "open/neardup/datajuicer_demo_dedup.jsonl.gz")
    report_choice(assembled[0], hard_negatives(given.data))
    report_names(*assembled)
    report_languages(given.data)


if __name__ == "__main__":
    main()
