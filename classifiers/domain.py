"""A transparent model of domains: weighted terms, written by hand, that anyone can read and change.

It knows no text: whoever asks hands it counts of terms. How words are cut and hashed is the
caller's business, so the model gives terms as strings and takes counts by their numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml

TERMS_FILE = Path(__file__).with_name("domain_terms.yaml")

F32 = np.ndarray[Any, np.dtype[np.float32]]
I32 = np.ndarray[Any, np.dtype[np.int32]]

URL_WEIGHT = 3.0
"""The weight of a word in a URL that speaks for a domain."""


@dataclass(frozen=True)
class TermList:
    """Terms and what they speak for. Term t speaks for the domains
    ``domains[starts[t]:starts[t + 1]]`` with the weights beside them."""

    terms: tuple[str, ...]
    starts: I32
    domains: I32
    weights: F32


@dataclass(frozen=True)
class DomainModel:
    """The lexicon. ``labels`` are domains in the order that the numbers in the lists mean."""

    labels: tuple[str, ...]
    text: TermList
    url: TermList
    boilerplate: TermList
    """Its one "domain", number 0, is boilerplate."""


@lru_cache(maxsize=1)
def domain_model(path: Path = TERMS_FILE) -> DomainModel:
    """The model from its file of terms. Raises ValueError when a domain names a term twice."""
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    labels = tuple(sorted(content["domains"]))
    text: list[tuple[str, int, float]] = []
    url: list[tuple[str, int, float]] = []
    for number, label in enumerate(labels):
        for level, listed in content["domains"][label].items():
            if level == "url":
                url += [(term, number, URL_WEIGHT) for term in _split(listed)]
            else:
                text += [(term, number, float(level)) for term in _split(listed)]
    boilerplate = [
        (term, 0, float(level))
        for level, listed in content["boilerplate"].items()
        for term in _split(listed)
    ]
    return DomainModel(labels, _term_list(text), _term_list(url), _term_list(boilerplate))


def _split(listed: str) -> list[str]:
    return [term.strip() for term in listed.split(",") if term.strip()]


def _term_list(entries: list[tuple[str, int, float]]) -> TermList:
    """Terms in alphabetic order; a term that a domain has at two weights keeps the higher one."""
    spoken: dict[str, dict[int, float]] = {}
    for term, domain, weight in entries:
        of_term = spoken.setdefault(term, {})
        of_term[domain] = max(weight, of_term.get(domain, 0.0))
    terms = tuple(sorted(spoken))
    pairs = [sorted(spoken[term].items()) for term in terms]
    starts = np.zeros(len(terms) + 1, np.int32)
    np.cumsum([len(of_term) for of_term in pairs], out=starts[1:])
    flat = [pair for of_term in pairs for pair in of_term]
    return TermList(
        terms,
        starts,
        np.array([domain for domain, _ in flat], np.int32),
        np.array([weight for _, weight in flat], np.float32),
    )
