"""Rounds with the reward model: ours trained and measured, then solutions scored.

A solutions file is JSON lines, one solution each: ``problem`` (which ones belong together),
``prompt``, ``response``, ``right`` (true, false, or null where nobody knows) and ``answer`` (the
name of the group of equal answers, or null).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from classifiers.judge.engine import EngineSettings
from classifiers.reward.card import (
    Candidate,
    pairwise_accuracy,
    reward_card,
    rounded,
    selection_card,
)
from classifiers.reward.conversation import Conversation, write_tokenizer
from classifiers.reward.engine import Reward, open_reward
from pipeline.fingerprint import fingerprint, sha256_of_file
from pipeline.task import Json, TaskRun
from stages.models import asked_folder
from stages.synthesize.json_lines import read_lines, write_lines
from stages.synthesize.labelled import (
    PROCEDURAL,
    VERIFIED,
    Labelled,
    contrasting,
    procedural_solutions,
    read_verified,
)
from stages.synthesize.reward_config import RewardTraining, trainer_settings
from stages.synthesize.rewards import MODEL_FOLDER, REWARDS_FILE, read_rewards, reward_key
from stages.trainer_process import run_trainer, trainer_options
from trainer.reward_data import write_solutions

CARD_FILE = "card.json"
LABELLED_FILE = "solutions.arrow"


def train_reward(run: TaskRun) -> Json:
    """Trains a reward model and measures it on problems held out.

    Arguments: ``training`` (RewardTraining as JSON), ``solutions`` (paths of solutions files in the
    workspace). Writes ``model/`` (a Hugging Face folder with tokenizer), ``card.json`` and
    ``solutions.arrow``, what it learned from. Returns ``model_sha256``, ``card`` and ``pairs``: the
    origin it learned from, problems and solutions by origin.
    """
    training = RewardTraining.model_validate(run.arguments["training"])
    files = [run.path(path) for path in run.arguments["solutions"]]
    solutions, origin = labelled_solutions(training, files)
    model = run.output / MODEL_FOLDER
    texts = (text for one in solutions for text in (one.prompt, one.response))
    write_tokenizer(model, texts, training.vocabulary_size)
    write_labelled(run.output / LABELLED_FILE, solutions, Conversation(model))
    trained = run.output / "trained"
    arguments = ["trainer.reward", str(run.output / LABELLED_FILE), "--out", str(trained)]
    arguments += trainer_options(trainer_settings(training))
    if origin == PROCEDURAL:
        arguments.append(f"--hold-out={VERIFIED}/")
    run_trainer(arguments, run.output / "log.txt")
    shutil.copytree(trained / MODEL_FOLDER, model, dirs_exist_ok=True)
    scores = json.loads((trained / "scores.json").read_text())
    card = training_card(solutions, dict(zip(scores["rows"], scores["scores"], strict=True)))
    shutil.rmtree(trained)
    (run.output / "log.txt").unlink()  # it tells seconds
    (run.output / CARD_FILE).write_text(json.dumps(card, indent=1, sort_keys=True) + "\n")
    return {
        "model_sha256": folder_sha256(model),
        "card": card,
        "pairs": {"learned_from": origin} | counts(solutions),
    }


def labelled_solutions(
    training: RewardTraining, files: Sequence[Path]
) -> tuple[list[Labelled], str]:
    """The solutions, and the origin to learn from. Verified ones when there are enough; else
    procedural ones, and all that were verified serve to measure what came of it."""
    verified = read_verified(files)
    if contrasting(verified) >= training.min_verified:
        return verified, VERIFIED
    procedural = procedural_solutions(
        training.tasks, training.procedural, training.faults, training.seed
    )
    return [*verified, *procedural], PROCEDURAL


def write_labelled(path: Path, solutions: Sequence[Labelled], conversation: Conversation) -> None:
    """The solutions as tokens, in the trainer's format."""
    rows = []
    for one in solutions:
        prompt, response = conversation.encode(one.prompt, one.response)
        rows.append(
            {"problem": one.problem, "prompt": prompt, "response": response, "right": one.right}
        )
    tokenizer = conversation.tokenizer
    pad = tokenizer.pad_token_id
    write_solutions(path, rows, len(tokenizer), tokenizer.eos_token_id if pad is None else pad)


def training_card(solutions: Sequence[Labelled], scores: dict[int, float]) -> Json:
    """The report card from the scores of held-out rows: for all, by origin, and for each fault of
    procedural solutions the pairwise accuracy of the reward. The choice among solutions is told of
    verified ones only: of procedural ones it is ours how many are wrong."""
    held = [
        (one, _candidate(one, scores[row])) for row, one in enumerate(solutions) if row in scores
    ]
    training = [_candidate(one, 0.0) for row, one in enumerate(solutions) if row not in scores]
    card = reward_card(training, [candidate for _, candidate in held])
    card["selection"] = selection_card([c for one, c in held if one.origin == VERIFIED])
    card["by_origin"] = {}
    for origin in sorted({one.origin for one, _ in held}):
        of = [candidate for one, candidate in held if one.origin == origin]
        card["by_origin"][origin] = rounded(pairwise_accuracy(of, [c.score for c in of]))
    card["by_fault"] = {}
    for fault in sorted({one.fault for one, _ in held if one.fault}):
        of = [c for one, c in held if one.origin == PROCEDURAL and (c.right or one.fault == fault)]
        card["by_fault"][fault] = rounded(pairwise_accuracy(of, [c.score for c in of]))
    return card


def _candidate(one: Labelled, score: float) -> Candidate:
    return Candidate(one.problem, one.response, one.right, score, one.answer)


def counts(solutions: Sequence[Labelled]) -> dict[str, Json]:
    """Problems and solutions by origin: what the model learned from and was measured on."""
    return {
        origin: {
            "problems": len({one.problem for one in solutions if one.origin == origin}),
            "solutions": sum(one.origin == origin for one in solutions),
        }
        for origin in sorted({one.origin for one in solutions})
    }


def folder_sha256(folder: Path) -> str:
    """The checksum of a folder: of its relative paths and their checksums, as recipes name it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return fingerprint([[p.relative_to(folder).as_posix(), sha256_of_file(p)] for p in files])


def score_rewards(run: TaskRun) -> Json:
    """Scores the solutions of a file.

    Arguments: ``solutions`` (path in the workspace), ``model`` (folder in the workspace, or None
    when the location ``model`` names one outside), ``model_sha256``, ``scoring``
    (``RewardConfig.scoring()``). Locations: ``model``, ``interpreter``, ``answers``, where given.
    Writes ``rewards.jsonl``: ``key`` and ``score`` (null: too long) in the solutions' order.
    Returns how many were scored now, and how many are too long.
    """
    arguments, scoring = run.arguments, run.arguments["scoring"]
    solutions = read_lines(run.path(arguments["solutions"]))
    pairs = [(one["prompt"], one["response"]) for one in solutions]
    keys = [reward_key(arguments["model_sha256"], scoring["system"], *pair) for pair in pairs]
    known: dict[str, float | None] = {}
    if "answers" in run.locations:
        known = dict(read_rewards(Path(run.locations["answers"])))
    missing = {key: pair for key, pair in zip(keys, pairs, strict=True) if key not in known}
    if missing:
        reward = _reward(
            EngineSettings(**scoring["engine"]),
            asked_folder(run),
            run.locations.get("interpreter"),
            scoring["system"],
        )
        found = reward.scores(list(missing.values())).tolist()
        known |= {k: None if s != s else s for k, s in zip(missing, found, strict=True)}
    rewards = [{"key": key, "score": known[key]} for key in keys]
    write_lines(run.output / REWARDS_FILE, rewards)
    too_long = sum(known[key] is None for key in keys)
    return {"solutions": len(keys), "scored": len(missing), "too_long": too_long}


@lru_cache(maxsize=1)
def _reward(
    settings: EngineSettings, folder: Path, interpreter: str | None, system: str | None
) -> Reward:
    """The loaded model of this process: workers of a pool are kept for later files."""
    return open_reward(settings, folder, interpreter, system)
