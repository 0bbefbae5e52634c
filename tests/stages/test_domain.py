"""Domains and boilerplate: clear passages, a slow oracle, and real labelled pages."""

import gzip
import json
from collections import defaultdict

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score

from classifiers.domain import TERMS_FILE, domain_model
from pipeline.stage import Batch
from stages.domain import BOILERPLATE, OTHER, Domain, DomainConfig, load_lexicon, measure
from stages.words import hash_words
from tests.stages.small_corpus import entry, walk_over

PASSAGES = {
    "mathematics": [
        "Theorem 3. Every finite subgroup of the multiplicative group of a field is cyclic. Proof: "
        "suppose that the polynomial has more roots than its degree; this contradicts lemma 2.",
        "Die Gleichung hat zwei Lösungen. Der Beweis folgt aus dem Satz über stetige Funktionen.",
        "这个定理的证明使用了数学归纳法。设函数在区间上连续。则方程有解。",
    ],
    "science": [
        "Astronomers used the telescope to measure how the galaxy bends light around a black hole.",
        "The enzyme binds to DNA, and the protein folds only when the molecule loses a proton.",
    ],
    "technology": [
        "Install the Python package and restart the server; the config file lists every plugin.",
        "Le logiciel enregistre le fichier sur l'ordinateur avant de lancer le programme.",
        "Программа открывает файл на сервере, если компьютер подключён к сети.",
        "安装软件之后。请重新启动计算机。然后打开配置文件。",
    ],
    "health": [
        "The patient was diagnosed with diabetes; her doctor prescribed insulin and a new diet.",
        "Los pacientes con esta enfermedad deben hablar con su médico sobre la salud del corazón.",
    ],
    "law": ["The district court denied the motion, and the defendant's attorney filed an appeal."],
    "sports": ["The striker scored twice in the second half and the team won the championship."],
    "lifestyle": ["Preheat the oven, whisk the butter with the flour and bake the cake."],
    "travel": ["The hotel is close to the beach, and tourists book guided tours of the island."],
    "commerce": ["Add to cart. Free shipping on all orders. In stock. Customer reviews: 5 stars."],
    "news": ["The prime minister told reporters that parliament would vote after the election."],
    "business": ["Quarterly revenue rose; shareholders expect a dividend from the company's CEO."],
    "education": ["The teacher gives her students homework after each lesson in the classroom."],
    "entertainment": ["The movie stars an actress known from a TV series; its album won a Grammy."],
    "culture": ["The poet wrote his first novel in the 19th century, about a medieval monastery."],
    "industry": ["The factory bought a CNC lathe and a conveyor belt for stainless steel."],
    "social": ["Quote originally posted by Anna: lol thanks! Reply to this thread, new members."],
    "academic": ["In this paper we propose a method; our results suggest, as Kim et al show, that"],
}

LICENCE = """Permission is hereby granted, free of charge, to any person obtaining a copy of this
software and associated documentation files, to deal in the Software without restriction, including
without limitation the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or
sell copies of the Software, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial
portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT
NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE.
"""

NOTICES = [
    "We use cookies to improve our website. Accept all cookies, or manage cookies in settings. "
    "See our privacy policy and cookie policy.",
    "Skip to content\nHome\nAbout us\nContact us\nLog in\nSign up\nPrivacy policy\nTerms of use\n"
    "Follow us on Twitter\n© 2021 All rights reserved.",
    "1.2.1\n- Fixed a bug in search\n- Bug fixes\n\n1.2.0\n- Added support for X\n"
    "- Fixes issue 12\n- Removed deprecated option, thanks to Bo\n",
]

PROSE = """The committee met in the old library, whose windows looked out on the river. They talked
about the bridge until it was dark, and nobody could say who had first proposed to build it.

In spring the water rises above the meadow, and for some weeks the village can be reached by boat
only. The children like it; their parents carry everything that is heavy up to the first floor."""


def table_of(texts, urls=None, kinds=None):
    return pa.table(
        {
            "text": pa.array(texts, pa.large_string()),
            "url": pa.array(urls or [None] * len(texts), pa.string()),
            "kind.kind": pa.array(kinds or ["prose"] * len(texts), pa.string()),
        }
    )


def annotated(texts, urls=None, kinds=None, **config):
    rows = np.arange(len(texts), dtype=np.int64)
    batch = Batch(table_of(texts, urls, kinds), rows, {"terms": TERMS_FILE})
    return Domain(DomainConfig(**config)).annotate(batch)


def test_clear_passages_get_their_domain():
    wanted = [label for label, texts in PASSAGES.items() for _ in texts]
    found = annotated([text for texts in PASSAGES.values() for text in texts])
    assert found["domain"].to_pylist() == wanted
    assert found["boilerplate"].to_pylist().count(0) > 15
    assert min(found["domain_confidence"].to_pylist()) > 0


def test_every_domain_of_the_model_is_tried_here():
    assert set(domain_model().labels) == set(PASSAGES)


def test_licences_notices_menus_and_changelogs_are_boilerplate():
    found = annotated([LICENCE, *NOTICES, PROSE])
    assert found["domain"].to_pylist()[:4] == [BOILERPLATE] * 4
    assert found["domain"].to_pylist()[4] != BOILERPLATE
    shares = found["boilerplate"].to_pylist()
    assert min(shares[:4]) > 0.6
    assert shares[4] == 0
    confidence = found["domain_confidence"].to_pylist()
    assert confidence[:4] == pytest.approx(shares[:4])


def test_the_share_counts_words_of_boilerplate_paragraphs():
    mixed = PROSE + "\n\n" + LICENCE
    words = [
        len(hash_words(pa.array([text], pa.large_string())).hashes) for text in (LICENCE, mixed)
    ]
    alone, together = annotated([LICENCE, mixed])["boilerplate"].to_pylist()
    assert together == pytest.approx(alone * words[0] / words[1], abs=1e-3)
    assert annotated([mixed], boilerplate_share=0.3)["domain"].to_pylist() == [BOILERPLATE]


def test_kinds_that_are_domains_and_urls_that_hint():
    text = "def f(x):\n    return x"
    found = annotated([text] * 4, kinds=["code", "math", "list", None])
    assert found["domain"].to_pylist()[:2] == ["code", "mathematics"]
    assert found["domain_confidence"].to_pylist()[:2] == [1, 1]
    # A licence in a code file is still a licence.
    assert annotated([LICENCE], kinds=["code"])["domain"].to_pylist() == [BOILERPLATE]
    url = "https://example.org/sports/football/2020/page.html"
    found = annotated(["It was nice."] * 2, urls=[url, None])
    assert found["domain"].to_pylist() == ["sports", OTHER]


def test_rows_do_not_depend_on_each_other():
    texts = [text for texts in PASSAGES.values() for text in texts] + [LICENCE, "", *NOTICES, PROSE]
    together = annotated(texts)
    apart = pa.concat_tables([annotated([text]) for text in texts])
    assert together.equals(apart.combine_chunks())


def slow_evidence(texts):
    """The oracle: every term sought at every word, with dictionaries and tuples of hashes."""
    model = domain_model()
    spoken = hash_words(pa.array(model.text.terms, pa.large_string()))
    terms = {
        tuple(spoken.hashes[a:b].tolist()): number
        for number, (a, b) in enumerate(zip(spoken.offsets, spoken.offsets[1:], strict=False))
    }
    longest = max(len(words) for words in terms)
    found = hash_words(pa.array(texts, pa.large_string()))
    evidence = np.zeros((len(texts), len(model.labels)))
    for row in range(len(texts)):
        words = found.hashes[found.offsets[row] : found.offsets[row + 1]].tolist()
        counts = defaultdict(int)
        for start in range(len(words)):
            for length in range(1, longest + 1):
                key = tuple(words[start : start + length])
                if len(key) == length and key in terms:
                    counts[terms[key]] += 1
        for term, count in counts.items():
            for place in range(model.text.starts[term], model.text.starts[term + 1]):
                weight = float(model.text.weights[place]) * round(float(np.log2(1 + count)), 3)
                evidence[row, model.text.domains[place]] += weight
    return evidence


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 10**6), max_size=60), st.randoms(use_true_random=False))
def test_evidence_is_what_a_slow_count_finds(choices, draw):
    terms = domain_model().text.terms
    pieces = [terms[n % len(terms)] if n % 5 else f"nonsense{n}" for n in choices]
    texts = [" ".join(pieces), draw.choice([", ", "\n", " — "]).join(pieces * 2).upper(), ""]
    evidence, _ = measure(table_of(texts), load_lexicon(TERMS_FILE), 0.15)
    assert evidence == pytest.approx(slow_evidence(texts))


def test_a_file_of_terms_of_ones_own(tmp_path):
    own = tmp_path / "own.yaml"
    own.write_text("domains:\n  boats:\n    3: sail, anchor chain\nboilerplate:\n  3: ahoy\n")
    docs = [{"text": "They sail; the anchor chain is rusty."}, {"text": "Nothing to see at all."}]
    domain = entry("domain", terms=str(own))
    walk = walk_over(tmp_path / "corpus", [docs], [entry("kind"), domain])
    assert walk.ledger("domain")["domain"].to_pylist() == ["boats", OTHER]
    own.write_text(
        "domains:\n  boats:\n    3: anchor chain, Anchor-Chain\nboilerplate:\n  3: ahoy\n"
    )
    with pytest.raises(ValueError, match="are the same words"):
        load_lexicon(own)
    own.write_text("domains:\n  boats:\n    3: '&'\nboilerplate:\n  3: ahoy\n")
    load_lexicon.cache_clear()
    domain_model.cache_clear()
    with pytest.raises(ValueError, match="holds no word"):
        load_lexicon(own)


DOMAIN_OF_TOPIC = {
    "Art & Design": "culture",
    "Crime & Law": "law",
    "Education & Jobs": "education",
    "Entertainment": "entertainment",
    "Fashion & Beauty": "lifestyle",
    "Finance & Business": "business",
    "Food & Dining": "lifestyle",
    "Games": "entertainment",
    "Hardware": "technology",
    "Health": "health",
    "History": "culture",
    "Home & Hobbies": "lifestyle",
    "Industrial": "industry",
    "Literature": "culture",
    "Politics": "news",
    "Religion": "culture",
    "Science & Technology": "science",
    "Social Life": "social",
    "Software": "technology",
    "Software Development": "technology",
    "Sports & Fitness": "sports",
    "Transportation": "industry",
    "Travel": "travel",
}


def read_rows(path):
    if not path.exists():
        pytest.skip(f"no measuring data at {path}")
    with gzip.open(path) as stream:
        return [json.loads(line) for line in stream]


def test_real_pages_with_topics(shared_data):
    """5,420 pages whose topics another classifier gave (WebOrganizer): the numbers of the docs."""
    rows = read_rows(shared_data / "research_only/web/weborganizer_pages.jsonl.gz")
    lexicon = load_lexicon(TERMS_FILE)
    table = table_of([row["text"] for row in rows], [row["url"] for row in rows])
    evidence, boilerplate = measure(table, lexicon, 0.15)
    names = sorted(set(DOMAIN_OF_TOPIC.values()))
    columns = [lexicon.labels.index(name) for name in names]
    found = np.array(names)[evidence[:, columns].argmax(axis=1)]
    wanted = [DOMAIN_OF_TOPIC[row["topic"]] for row in rows]
    assert accuracy_score(wanted, found) > 0.59
    assert f1_score(wanted, found, average="macro") > 0.58
    assert (boilerplate >= 0.5).mean() < 0.02


def test_real_pages_with_their_furniture(shared_data):
    """Article text and furniture of 250 news pages, marked block by block by people (L3S-GN1)."""
    rows = read_rows(shared_data / "research_only/web/l3s_gn1_labelled_blocks.jsonl.gz")
    article, furniture = (
        ["\n".join(b["text"] for b in row["blocks"] if b["label"] in labels) for row in rows]
        for labels in (("fulltext", "headline"), ("boilerplate",))
    )
    texts = [text for text in article + furniture if len(text) > 100]
    first = sum(len(text) > 100 for text in article)
    _, shares = measure(table_of(texts), load_lexicon(TERMS_FILE), 0.15)
    assert roc_auc_score(np.arange(len(texts)) >= first, shares) > 0.95
    assert (shares[:first] >= 0.5).mean() < 0.005
