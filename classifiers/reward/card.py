"""How well rewards tell right solutions from wrong ones, beside what length and words alone tell.

All numbers are shares of held-out problems or pairs; a pair is a right and a wrong solution of one
problem.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from classifiers.report_card import spearman

Matrix = np.ndarray[Any, np.dtype[np.float32]]

_WORD = re.compile(r"\d+(?:\.\d+)?|\w+|[^\w\s]")
_MOST_WORDS = 1000  # enough for a baseline, and little to compute
_STEPS, _RATE, _DECAY = 100, 1.0, 1e-3


@dataclass(frozen=True)
class Candidate:
    """One solution of a problem: its text, whether it is right, and its reward.

    ``answer`` names the group of equal final answers that it belongs to; None for no answer.
    """

    problem: str
    response: str
    right: bool
    score: float
    answer: str | None = None


def pairs_of(candidates: Sequence[Candidate]) -> Iterator[tuple[int, int]]:
    """Places of the right and the wrong solution of every pair, problems in order of appearance."""
    for places in by_problem(candidates):
        right = [place for place in places if candidates[place].right]
        wrong = [place for place in places if not candidates[place].right]
        yield from ((one, other) for one in right for other in wrong)


def by_problem(candidates: Sequence[Candidate]) -> list[list[int]]:
    """Places of the solutions of each problem, in order of appearance."""
    found: dict[str, list[int]] = {}
    for place, candidate in enumerate(candidates):
        found.setdefault(candidate.problem, []).append(place)
    return list(found.values())


def pairwise_accuracy(candidates: Sequence[Candidate], scores: Sequence[float]) -> float:
    """Share of pairs whose right solution has the higher score, ties counting half; NaN without
    pairs."""
    wins = [
        0.5 + 0.5 * float(np.sign(scores[one] - scores[other]))
        for one, other in pairs_of(candidates)
    ]
    return float(np.mean(wins)) if wins else float("nan")


def bag_of_words_scores(
    training: Sequence[Candidate], candidates: Sequence[Candidate]
) -> list[float]:
    """Scores of a linear model of word counts, trained on pairs by the Bradley-Terry loss: what can
    be told without reading in order. Zeros when there is no pair to train on."""
    pairs = list(pairs_of(training))
    counts = Counter(word for one in training for word in set(_WORD.findall(one.response)))
    known = sorted(counts, key=lambda word: (-counts[word], word))[:_MOST_WORDS]
    index = {word: place for place, word in enumerate(known)}
    if not pairs or not known:
        return [0.0] * len(candidates)
    features = _word_counts(training, index)
    one, other = np.array(pairs).T
    differences = features[one] - features[other]
    weights = np.zeros(len(index), np.float32)
    momentum = np.zeros(len(index), np.float32)
    scale = 1.0 / max(1.0, float((differences**2).sum(1).mean()))
    for _ in range(_STEPS):  # gradient descent with momentum on a convex loss
        margins = np.clip(differences @ weights, -30, 30)
        gradient = -(differences.T @ (1 / (1 + np.exp(margins)))) / len(pairs) + _DECAY * weights
        momentum = 0.9 * momentum - _RATE * scale * gradient
        weights = weights + momentum
    scores: list[float] = np.round(_word_counts(candidates, index) @ weights, 6).tolist()
    return scores


def _word_counts(candidates: Sequence[Candidate], index: dict[str, int]) -> Matrix:
    """log(1 + count) of each known word in each response."""
    rows = np.zeros((len(candidates), len(index)), np.float32)
    for place, candidate in enumerate(candidates):
        for word, count in Counter(_WORD.findall(candidate.response)).items():
            if word in index:
                rows[place, index[word]] = np.log1p(count)
    return rows


def selection_card(candidates: Sequence[Candidate]) -> dict[str, Any]:
    """Choosing one of each problem's n solutions: ``random``, ``maj@n`` (the most frequent answer),
    ``rm@n`` (the highest reward) and ``pass@n`` (whether any is right), as the share of problems
    solved. Ties count their expected value. Problems with one solution are left out."""
    groups = [places for places in by_problem(candidates) if len(places) > 1]
    sizes = [len(places) for places in groups]
    card: dict[str, Any] = {
        "problems": len(groups),
        "n": [min(sizes), max(sizes)] if sizes else None,
    }
    chosen: dict[str, list[float]] = {"random": [], "maj@n": [], "rm@n": [], "pass@n": []}
    for places in groups:
        of = [candidates[place] for place in places]
        best = max(one.score for one in of)
        chosen["random"].append(_share_right(of))
        chosen["maj@n"].append(_majority_right(of))
        chosen["rm@n"].append(_share_right([one for one in of if one.score == best]))
        chosen["pass@n"].append(float(any(one.right for one in of)))
    return card | {name: _mean(values) for name, values in chosen.items()}


def _share_right(candidates: Sequence[Candidate]) -> float:
    return sum(one.right for one in candidates) / len(candidates)


def _majority_right(candidates: Sequence[Candidate]) -> float:
    votes = Counter(one.answer for one in candidates if one.answer is not None)
    if not votes:
        return 0.0
    most = max(votes.values())
    winners = [answer for answer, count in votes.items() if count == most]
    firsts = [next(one for one in candidates if one.answer == answer) for answer in winners]
    return _share_right(firsts)


def reward_card(training: Sequence[Candidate], held_out: Sequence[Candidate]) -> dict[str, Any]:
    """The report card of a reward model: pairwise accuracy on held-out problems beside shorter-wins
    and a bag of words trained on ``training``, rank correlation of the score with length, and the
    choice among solutions; 3 decimals, None where undefined."""
    scores = [one.score for one in held_out]
    lengths = [len(one.response) for one in held_out]
    words = bag_of_words_scores(training, held_out)
    agreement = spearman(np.array(scores), np.array(lengths)) if held_out else float("nan")
    return {
        "problems": len(by_problem(held_out)),
        "pairs": sum(1 for _ in pairs_of(held_out)),
        "pairwise_accuracy": {
            "reward": rounded(pairwise_accuracy(held_out, scores)),
            "shorter_wins": rounded(pairwise_accuracy(held_out, [-n for n in lengths])),
            "bag_of_words": rounded(pairwise_accuracy(held_out, words)),
        },
        "spearman_with_length": rounded(agreement),
        "selection": selection_card(held_out),
    }


def _mean(values: Sequence[float]) -> float | None:
    return round(float(np.mean(values)), 3) if values else None


def rounded(value: float) -> float | None:
    """A share as cards tell it: 3 decimals, None for NaN."""
    return None if np.isnan(value) else round(value, 3)
