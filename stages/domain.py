"""What a document is about, and how much of it is boilerplate: weighted terms, counted."""

from __future__ import annotations

import shutil
from collections.abc import Generator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from classifiers.domain import TERMS_FILE, DomainModel, TermList, domain_model
from manifests.checksum import sha256_of_file
from pipeline.compile import compiled
from pipeline.corpus import Corpus
from pipeline.stage import Artefacts, Batch, Stage, StageConfig, file_setting, setting
from pipeline.task import Json, Receipt, Task, TaskRun
from pipeline.text_buffers import text_buffers
from stages.words import I64, U8, U64, hash_words, mix

BOILERPLATE = "boilerplate"
OTHER = "other"
LABEL_OF_KIND = {"math": "mathematics", "code": "code"}
"""Kinds of text that are a domain of their own."""

F64 = np.ndarray[Any, np.dtype[np.float64]]
I32 = np.ndarray[Any, np.dtype[np.int32]]
B8 = np.ndarray[Any, np.dtype[np.bool_]]

SHORT_PARAGRAPH = 40
"""Words after which a paragraph also ends at a single line break: extracted web pages have no blank
lines. Forty words are three lines of a licence."""

LEAST_PHRASES = 4.0
"""Weight of phrases that a paragraph needs at least to be boilerplate: two typical ones."""

_TERMS = "terms.yaml"

# The n-th occurrence of a term says less than the first. Rounded, so that sums of these numbers do
# not depend on a machine's logarithm.
_GROWTH: F64 = np.round(np.log2(1.0 + np.arange(64)), 3)
_NEWLINE = np.uint8(10)
_NEXT_WORD = np.uint64(0x9E3779B97F4A7C15)


class DomainConfig(StageConfig):
    """When evidence is enough for a label, and when boilerplate is one."""

    min_evidence: float = setting(
        4.0,
        about="Weight of terms that a label needs (two typical terms; a term counts log2(1 + n) "
        f"times when it stands n times); below it the domain is `{OTHER}`.",
        ge=0,
    )
    boilerplate_density: float = setting(
        0.15,
        about="A paragraph is boilerplate when its phrases weigh this much a word.",
        source="measured: 91 % of Debian's copyright files found, 0.3 % of its other documentation "
        "mistaken; see docs/domain.md",
        gt=0,
    )
    boilerplate_share: float = setting(
        0.5,
        about=f"From this share of words in boilerplate on, the domain is `{BOILERPLATE}`.",
        gt=0,
        le=1,
    )
    terms: str | None = file_setting(
        None, about="Another file of terms, in the form of classifiers/domain_terms.yaml."
    )


class Domain(Stage[DomainConfig]):
    """See the module."""

    name = "domain"
    version = 1
    Config = DomainConfig
    summary = "Label every document with its domain, and measure its share of boilerplate."
    document_columns = ("text", "url")
    reads = ("kind.kind",)
    columns = pa.schema(
        [
            pa.field("domain", pa.string()),
            pa.field("domain_confidence", pa.float32()),
            pa.field("boilerplate", pa.float32()),
        ]
    )
    dimensions = ("domain",)
    drops = False

    def rounds(self, corpus: Corpus) -> Generator[list[Task], list[Receipt], Artefacts]:
        """Keeps the terms in the workspace, so that labels depend on their checksum."""
        given = self.config.terms
        if given is None:
            location, sha256 = str(TERMS_FILE), sha256_of_file(TERMS_FILE)
        else:
            location = corpus.externals[given].location
            sha256 = corpus.externals[given].sha256
        (kept,) = yield [
            corpus.task(
                "stages.domain:keep_terms",
                "terms",
                {"sha256": sha256},
                label="terms of domains",
                locations={"terms": location},
            )
        ]
        return Artefacts(
            shared={"terms": kept.path(_TERMS)}, record={"terms_sha256": sha256, **kept.value}
        )

    def annotate(self, batch: Batch) -> pa.Table:
        """Domain, confidence (share of the evidence that speaks for it) and boilerplate share."""
        lexicon = load_lexicon(batch.artefacts["terms"])
        evidence, boilerplate = measure(batch.table, lexicon, self.config.boilerplate_density)
        labels, confidence = self._labels(batch.table, evidence, boilerplate, lexicon.labels)
        return pa.table(
            [
                labels,
                pa.array(np.round(confidence, 4).astype(np.float32)),
                pa.array(np.round(boilerplate, 4).astype(np.float32)),
            ],
            schema=self.columns,
        )

    def _labels(
        self, table: pa.Table, evidence: F64, boilerplate: F64, names: tuple[str, ...]
    ) -> tuple[pa.Array, F64]:
        every = [*names, *sorted({*LABEL_OF_KIND.values()} - {*names}), BOILERPLATE, OTHER]
        best = evidence.argmax(axis=1)
        top = evidence.max(axis=1)
        total = evidence.sum(axis=1)
        confidence = np.divide(top, total, out=np.zeros_like(top), where=total > 0)
        unsure = top < max(self.config.min_evidence, 1e-9)
        best[unsure] = every.index(OTHER)
        confidence[unsure] = 0.0
        kinds = table["kind.kind"]
        for kind, label in LABEL_OF_KIND.items():
            of_kind = pc.fill_null(pc.equal(kinds, kind), False).to_numpy()
            best[of_kind] = every.index(label)
            confidence[of_kind] = 1.0
        mostly = np.round(boilerplate, 4) >= self.config.boilerplate_share
        best[mostly] = every.index(BOILERPLATE)
        confidence[mostly] = boilerplate[mostly]
        return pa.array(every, pa.string()).take(pa.array(best)), confidence


def keep_terms(run: TaskRun) -> Json:
    """Copies the file of terms; raises ValueError when it is damaged or was changed meanwhile."""
    source = Path(run.locations["terms"])
    if sha256_of_file(source) != run.arguments["sha256"]:
        raise ValueError(f"{source.name} was changed while the corpus was built. Build again.")
    model = domain_model(source)
    shutil.copyfile(source, run.output / _TERMS)
    return {"terms": len(model.text.terms), "domains": len(model.labels)}


@dataclass(frozen=True)
class _Table:
    """A term list as a hash table over word hashes. ``terms`` is -1 where a key is only the start
    of longer terms, and ``longer`` says that it is one."""

    keys: U64
    terms: I32
    longer: B8
    starts: I32
    domains: I32
    weights: F64


@dataclass(frozen=True)
class Lexicon:
    """The model of domains, ready for counting."""

    labels: tuple[str, ...]
    text: _Table
    url: _Table
    boilerplate: _Table


@lru_cache(maxsize=2)
def load_lexicon(path: Path) -> Lexicon:
    """The lexicon of a file of terms; made once a process."""
    model: DomainModel = domain_model(path)
    return Lexicon(
        model.labels, _hashed(model.text), _hashed(model.url), _hashed(model.boilerplate)
    )


def measure(table: pa.Table, lexicon: Lexicon, density: float) -> tuple[F64, F64]:
    """Evidence for every domain, (rows, domains), and boilerplate share, (rows,); both float64."""
    words = hash_words(table["text"])
    data, offsets = text_buffers(table["text"])
    evidence = np.zeros((table.num_rows, len(lexicon.labels)), np.float64)
    _add_evidence(words.hashes, words.offsets, *_arrays(lexicon.text), _GROWTH, evidence)
    urls = hash_words(pc.fill_null(table["url"].cast(pa.large_string()), ""))
    _add_evidence(urls.hashes, urls.offsets, *_arrays(lexicon.url), _GROWTH, evidence)
    boilerplate = _boilerplate_shares(
        data,
        offsets,
        words.hashes,
        words.starts,
        words.ends,
        words.offsets,
        *_arrays(lexicon.boilerplate),
        density,
    )
    return evidence, boilerplate


def _arrays(table: _Table) -> tuple[U64, I32, B8, I32, I32, F64]:
    return table.keys, table.terms, table.longer, table.starts, table.domains, table.weights


def _hashed(listed: TermList) -> _Table:
    words = hash_words(pa.array(listed.terms, pa.large_string()))
    found: dict[int, tuple[int, bool]] = {}
    for term in range(len(listed.terms)):
        hashes = words.hashes[words.offsets[term] : words.offsets[term + 1]]
        if len(hashes) == 0:
            raise ValueError(f"the term `{listed.terms[term]}` holds no word. Remove it.")
        key = hashes[:1]
        for place in range(len(hashes)):
            if place:
                key = _joined(key, hashes[place : place + 1])
            own, longer = found.get(int(key[0]), (-1, False))
            last = place == len(hashes) - 1
            if last and own >= 0:
                raise ValueError(
                    f"the terms `{listed.terms[own]}` and `{listed.terms[term]}` are the same"
                    " words. Remove one."
                )
            found[int(key[0])] = (term, longer) if last else (own, True)
    size = 1 << (4 * len(found) + 4).bit_length()
    keys = np.zeros(size, np.uint64)
    terms = np.full(size, -1, np.int32)
    longer_than = np.zeros(size, np.bool_)
    for key_value, (term, longer) in found.items():
        slot = key_value & (size - 1)
        while keys[slot]:
            slot = (slot + 1) & (size - 1)
        keys[slot], terms[slot], longer_than[slot] = key_value, term, longer
    return _Table(
        keys, terms, longer_than, listed.starts, listed.domains, listed.weights.astype(np.float64)
    )


def _joined(key: U64, word: U64) -> U64:
    """The key of a phrase from that of its start and its next word, as ``_join`` computes it."""
    return np.array([_join(key[0], word[0])], np.uint64)


@compiled
def _join(key: np.uint64, word: np.uint64) -> np.uint64:
    return mix(key * _NEXT_WORD ^ word)


@compiled
def _find(keys: U64, key: np.uint64) -> np.int64:
    """The slot of a key, or -1."""
    last = len(keys) - 1
    slot = np.int64(key & np.uint64(last))
    while keys[slot] != 0:
        if keys[slot] == key:
            return slot
        slot = (slot + 1) & last
    return np.int64(-1)


@compiled
def _add_evidence(
    hashes: U64,
    offsets: I64,
    keys: U64,
    terms: I32,
    longer: B8,
    starts: I32,
    domains: I32,
    weights: F64,
    growth: F64,
    evidence: F64,
) -> None:
    """Adds to ``evidence[row, domain]`` the weight of every term found, times ``growth[n]``."""
    counts = np.zeros(len(starts), np.int32)
    seen = np.empty(len(starts), np.int32)
    for row in range(len(offsets) - 1):
        different = 0
        for first in range(offsets[row], offsets[row + 1]):
            key = hashes[first]
            place = first
            slot = _find(keys, key)
            while slot >= 0:
                term = terms[slot]
                if term >= 0:
                    if counts[term] == 0:
                        seen[different] = term
                        different += 1
                    counts[term] += 1
                place += 1
                if not longer[slot] or place >= offsets[row + 1]:
                    break
                key = _join(key, hashes[place])
                slot = _find(keys, key)
        seen[:different].sort()
        for index in range(different):
            term = seen[index]
            times = growth[min(counts[term], len(growth) - 1)]
            counts[term] = 0
            for entry in range(starts[term], starts[term + 1]):
                evidence[row, domains[entry]] += weights[entry] * times


@compiled
def _boilerplate_shares(
    data: U8,
    text_offsets: I64,
    hashes: U64,
    word_starts: I64,
    word_ends: I64,
    offsets: I64,
    keys: U64,
    terms: I32,
    longer: B8,
    starts: I32,
    domains: I32,
    weights: F64,
    density: float,
) -> F64:
    """Words in boilerplate paragraphs over all words, for every row (0 where there is none)."""
    rows = len(offsets) - 1
    shares = np.zeros(rows, np.float64)
    for row in range(rows):
        begin = text_offsets[row]
        first_word, last_word = offsets[row], offsets[row + 1]
        dense = 0
        opened = first_word
        weight = 0.0
        for first in range(first_word, last_word):
            key = hashes[first]
            place = first
            slot = _find(keys, key)
            while slot >= 0:
                term = terms[slot]
                if term >= 0:
                    weight += weights[starts[term]]
                place += 1
                if not longer[slot] or place >= last_word:
                    break
                key = _join(key, hashes[place])
                slot = _find(keys, key)
            size = first + 1 - opened
            ended = first + 1 == last_word
            if not ended:
                breaks = 0
                for at in range(begin + word_ends[first], begin + word_starts[first + 1]):
                    if data[at] == _NEWLINE:
                        breaks += 1
                ended = breaks > 1 or (breaks == 1 and size >= SHORT_PARAGRAPH)
            if ended:
                if weight >= LEAST_PHRASES and weight >= density * size:
                    dense += size
                opened = first + 1
                weight = 0.0
        if last_word > first_word:
            shares[row] = dense / (last_word - first_word)
    return shares
