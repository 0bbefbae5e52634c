"""Scores of a reward model, and how well they put the solutions of held-out problems in order."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from trainer.held_out import precision
from trainer.reward_data import Ints, Solutions, contrasting_problems, padded
from trainer.reward_model import RewardModel

_SCORE_TOKENS = 1 << 14  # tokens scored at a time, padding included


@dataclass(frozen=True)
class HeldOutPairs:
    """Scores of held-out problems against their labels."""

    problems: int
    pairs: int
    pairwise_accuracy: float
    """Share of pairs of a right and a wrong solution of one problem in which the right one has the
    higher score; ties count half."""
    loss: float
    """Listwise loss, whatever was trained on."""


@torch.no_grad()
def score_rows(model: RewardModel, solutions: Solutions, rows: Ints, device: torch.device) -> Any:
    """Scores of rows, float64 (rows), in batches of similar length."""
    lengths = solutions.lengths()[rows]
    scores = np.zeros(len(rows))
    order = np.argsort(lengths, kind="stable")
    start = 0
    while start < len(order):
        stop = start + 1
        while stop < len(order) and (stop + 1 - start) * lengths[order[stop]] <= _SCORE_TOKENS:
            stop += 1
        batch = order[start:stop]
        tokens, last = (torch.from_numpy(x).to(device) for x in padded(solutions, rows[batch]))
        with precision(device):
            scores[batch] = model(tokens, last).double().cpu().numpy()
        start = stop
    return scores


def compare_held_out(solutions: Solutions, rows: Ints, scores: Any) -> HeldOutPairs:
    """Pairwise accuracy and listwise loss of scores of `rows`."""
    place = {int(row): i for i, row in enumerate(rows)}
    wins = pairs = 0.0
    groups = contrasting_problems(solutions, rows)
    losses = []
    for group in groups:
        of = np.array([scores[place[int(row)]] for row in group])
        right = solutions.right[group]
        apart = of[right][:, None] - of[~right][None, :]
        wins += float((apart > 0).sum() + 0.5 * (apart == 0).sum())
        pairs += apart.size
        losses.append(float(np.logaddexp(0, -apart).mean()))
    return HeldOutPairs(len(groups), int(pairs), wins / pairs, float(np.mean(losses)))
