"""The reward model on labelled solutions: ``python -m benchmarks.reward prepare``, and ``measure``.

The data are the solutions of OpenAI's grade-school-math that are labelled right or wrong, four a
problem, split by problem. ``prepare`` writes them as tokens into build/reward/. Then

    python -m trainer.reward build/reward/solutions.arrow --out build/reward/trained

trains, here or on a machine with a GPU that has nothing but torch, numpy and pyarrow, and
``measure`` prints the pairwise accuracy on problems held out, beside "shorter wins", a bag of words
and the order of the models that wrote them, and the choice of one of four solutions: by reward, by
majority, at random, and at best.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from benchmarks.gsm8k import AUTHORS, Solution, default_solutions, read_solutions
from classifiers.reward.card import Candidate, pairwise_accuracy, reward_card
from classifiers.reward.conversation import Conversation, write_tokenizer
from stages.synthesize.answers import final_answer, plain_number
from stages.synthesize.labelled import VERIFIED, Labelled
from stages.synthesize.rewarding import write_labelled

FOLDER = Path(__file__).resolve().parents[1] / "build" / "reward"
DATA = "solutions.arrow"


def problem_of(solution: Solution) -> str:
    """The name of a solution's problem, by which the data are split."""
    return f"test/{solution.problem}"


def prepare(
    solutions: list[Solution], folder: Path, tokenizer: Path | None, vocabulary: int
) -> None:
    """Writes the solutions as tokens, with a tokenizer trained on them or that of a model."""
    labelled = [Labelled(problem_of(s), s.question, s.text, s.right, VERIFIED) for s in solutions]
    if tokenizer is None:
        tokenizer = folder / "tokenizer"
        texts = (text for one in labelled for text in (one.prompt, one.response))
        write_tokenizer(tokenizer, texts, vocabulary)
    folder.mkdir(parents=True, exist_ok=True)
    write_labelled(folder / DATA, labelled, Conversation(tokenizer))
    size = (folder / DATA).stat().st_size
    print(f"{len(labelled):,} solutions, {size / 1e6:.1f} MB: {folder / DATA}")


def candidates_of(solutions: list[Solution], scores: dict[int, float]) -> list[Candidate]:
    """The solutions as candidates; those without a score get 0."""
    found = []
    for row, solution in enumerate(solutions):
        answer = final_answer(solution.text)
        value = None if answer is None else plain_number(answer)
        group = answer if value is None else str(value)
        found.append(
            Candidate(
                problem_of(solution),
                solution.text,
                solution.right,
                scores.get(row, 0.0),
                group,
            )
        )
    return found


def measure(solutions: list[Solution], trained: Path) -> None:
    """Prints the report card of a trained model on the problems that it held out."""
    listed = json.loads((trained / "scores.json").read_text())
    result = json.loads((trained / "result.json").read_text())
    scores = {
        row: score
        for row, score in zip(listed["rows"], listed["scores"], strict=True)
        if row < len(solutions)
    }
    candidates = candidates_of(solutions, scores)
    held = [candidates[row] for row in sorted(scores)]
    training = [one for row, one in enumerate(candidates) if row not in scores]
    card = reward_card(training, held)
    authors = [float(AUTHORS.index(solutions[row].author)) for row in sorted(scores)]
    card["pairwise_accuracy"]["better_author_wins"] = round(pairwise_accuracy(held, authors), 3)
    print(f"{result['parameters']:,} parameters, {result['steps']} steps, {result['run']}")
    print(json.dumps(card, indent=1))


def main() -> None:
    """Prepares or measures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=("prepare", "measure"))
    parser.add_argument("--solutions", type=Path, default=default_solutions())
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--trained", type=Path, default=FOLDER / "trained")
    parser.add_argument("--tokenizer", type=Path, help="folder of a model whose tokens to write")
    parser.add_argument("--vocabulary", type=int, default=2048)
    options = parser.parse_args()
    solutions = read_solutions(options.solutions)
    if options.action == "prepare":
        prepare(solutions, options.folder, options.tokenizer, options.vocabulary)
    else:
        measure(solutions, options.trained)


if __name__ == "__main__":
    main()
