"""Rewards as files: what a score is recorded under, and how it is read back."""

from __future__ import annotations

import json
from pathlib import Path

from pipeline.fingerprint import fingerprint

MODEL_FOLDER = "model"
SOLUTIONS_FILE = "solutions.jsonl"
"""What a reward model is asked about; its lines: ``stages.synthesize.rewarding``."""
REWARDS_FILE = "rewards.jsonl"


def reward_key(model_sha256: str, system: str | None, prompt: str, response: str) -> str:
    """What a reward is recorded under: 128-bit BLAKE2b of model, instruction and texts (hex)."""
    return fingerprint([model_sha256, system, prompt, response])


def read_rewards(path: Path) -> list[tuple[str, float | None]]:
    """Keys and scores of a rewards file, in order. Raises ValueError naming file and line of a
    fault."""
    rewards = []
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
        if line:
            try:
                record = json.loads(line)
                score = record["score"]
                rewards.append((str(record["key"]), None if score is None else float(score)))
            except (ValueError, KeyError, TypeError):
                raise ValueError(
                    f"{path.name}:{number}: not a reward. Each line is"
                    ' {"key": "<32 hex digits>", "score": <number or null>}.'
                ) from None
    return rewards
