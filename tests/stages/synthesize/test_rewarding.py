"""The reward model of synthesis: what it learns from, how it is trained, what it decides."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.store import Store
from pipeline.task import Receipt, Task, execute
from stages.synthesize.corruption import FAULTS, corruptions, right_solution
from stages.synthesize.labelled import contrasting, procedural_solutions, read_verified
from stages.synthesize.ranking import BELOW, OUTRANKED, UNSCORED, Choice, choose
from stages.synthesize.reward_config import (
    RewardConfig,
    RewardTraining,
    TaskName,
    trainer_settings,
)
from stages.synthesize.rewarding import counts, labelled_solutions
from stages.synthesize.rewards import read_rewards, reward_key
from stages.synthesize.worked import TASKS, Result, Step, Worked, evaluate, worked_problems, written
from stages.trainer_process import trainer_options

LINE = re.compile(r"(?:[\w ]+: )?(-?\d+) ([-+*]) (-?\d+) = (-?\d+)")
SMALL = RewardTraining(
    procedural=80,
    faults=2,
    vocabulary_size=300,
    epochs=0.5,
    width=32,
    heads=1,
    layers=1,
    mlp_width=32,
    max_length=256,
    held_out_share=0.3,
)


def false_lines(text: str) -> int:
    """How many lines of a solution do not hold, reckoned from the text alone."""
    lines = [LINE.fullmatch(line) for line in text.split("\n")[:-1]]
    assert all(lines)
    reckon = {"+": int.__add__, "-": int.__sub__, "*": int.__mul__}
    return sum(reckon[m[2]](int(m[1]), int(m[3])) != int(m[4]) for m in lines if m)


@pytest.fixture(scope="module")
def problems() -> list[Worked]:
    return worked_problems(TASKS, 200, 3)


def test_worked_solutions_hold_line_by_line(problems: list[Worked]) -> None:
    assert Counter(problem.name.split("/")[0] for problem in problems) == dict.fromkeys(TASKS, 40)
    assert len({problem.name for problem in problems}) == 200
    for problem in problems:
        text = right_solution(problem)
        assert false_lines(text) == 0
        assert text.endswith(f"The answer is {problem.answer}.")


def test_corruptions_are_wrong_in_one_place(problems: list[Worked]) -> None:
    seen: Counter[str] = Counter()
    for number, problem in enumerate(problems):
        right = right_solution(problem)
        wrong = corruptions(problem, 3, 0, number)
        assert wrong == corruptions(problem, 3, 0, number)
        assert len({one.text for one in wrong}) == len(wrong)
        for one in wrong:
            seen[one.fault] += 1
            assert one.text != right
            assert not one.text.endswith(f" {problem.answer}.")
            by_value = one.fault in ("off_by_one", "wrong_carry")
            assert false_lines(one.text) == by_value  # all other lines follow from it
            dropped = one.fault == "dropped_step"
            assert len(one.text.split("\n")) == len(right.split("\n")) - dropped
    assert seen.keys() == FAULTS.keys()
    assert min(seen.values()) > 50
    assert sum(seen.values()) > 550


def test_a_fault_runs_through_to_the_answer() -> None:
    steps = (Step(2, "+", 3), Step(Result(0), "*", 4), Step(Result(1), "-", Result(0)))
    assert evaluate(steps) == [5, 20, 15]
    values = evaluate(steps, {0: 6})
    assert values == [6, 24, 18]
    assert written(steps, values) == "2 + 3 = 6\n6 * 4 = 24\n24 - 6 = 18\nThe answer is 18."


def test_procedural_solutions_contrast() -> None:
    solutions = procedural_solutions(TASKS, 30, 2, 1)
    assert solutions == procedural_solutions(TASKS, 30, 2, 1)
    assert solutions != procedural_solutions(TASKS, 30, 2, 2)
    by_problem: dict[str, list[bool]] = {}
    for one in solutions:
        by_problem.setdefault(one.problem, []).append(one.right)
    assert len(by_problem) == 30
    assert all(labels[0] and not any(labels[1:]) for labels in by_problem.values())
    assert contrasting(solutions) >= 29


def test_config_and_code_name_the_same() -> None:
    assert get_args(TaskName) == TASKS
    from trainer.reward import RewardTrainConfig, parser

    options = ["data", "--out", "out", *trainer_options(trainer_settings(RewardTraining()))]
    settings = RewardTrainConfig(**vars(parser().parse_args(options)))
    assert settings.width == RewardTraining().width
    assert settings.loss == "listwise"
    with pytest.raises(ValueError, match="multiple of twice the heads"):
        RewardTraining(width=50, heads=4)
    assert RewardConfig().scoring()["engine"]["max_length"] == RewardTraining().max_length
    assert RewardConfig(model="folder").scoring()["engine"]["max_length"] == 2048


def solution_line(problem: str, response: str, right: bool | None) -> str:
    return json.dumps(
        {"problem": problem, "prompt": "2 + 2?", "response": response, "right": right}
    )


def test_verified_solutions_are_read_in_order(tmp_path: Path) -> None:
    path = tmp_path / "solutions.jsonl"
    lines = [
        solution_line("a", "4", True),
        solution_line("a", "4", True),
        solution_line("a", "5", False),
        solution_line("a", "?", None),
        solution_line("b", "4", True),
    ]
    path.write_text("\n".join(lines) + "\n")
    found = read_verified([path])
    assert [(one.response, one.right) for one in found] == [
        ("4", True),
        ("4", True),
        ("5", False),
        ("4", True),
    ]
    assert contrasting(found) == 1
    path.write_text('{"problem": "a"}\n')
    with pytest.raises(ValueError, match=r"solutions.jsonl:1: not a solution \(KeyError"):
        read_verified([path])


def test_the_best_verified_solutions_are_kept() -> None:
    choices = choose([1.0, 9.0, 3.0, None, 3.0], [True, False, True, True, True], 1)
    assert choices == [
        Choice(OUTRANKED, 3, -2.0),
        None,  # the highest score saves no wrong solution
        Choice(None, 1, 0.0),
        Choice(UNSCORED),
        Choice(OUTRANKED, 2, 0.0),
    ]
    low = choose([1.0, 3.0], [True, True], 2, minimum=2.0)
    assert low == [Choice(BELOW, 2, -2.0), Choice(None, 1, 2.0)]
    assert choose([0.5], [True], 1) == [Choice(None, 1, None)]


@given(
    st.lists(st.tuples(st.one_of(st.none(), st.integers(-3, 3)), st.booleans()), max_size=8),
    st.integers(1, 3),
)
def test_choices_follow_scores(solutions: list[tuple[int | None, bool]], top_k: int) -> None:
    scores, passed = [score for score, _ in solutions], [ok for _, ok in solutions]
    choices = choose(scores, passed, top_k)
    kept = [i for i, one in enumerate(choices) if one is not None and one.reason is None]
    ranked = [i for i, (score, ok) in enumerate(solutions) if ok and score is not None]
    assert len(kept) == min(top_k, len(ranked))
    for one in kept:
        for other in set(ranked) - set(kept):
            assert (scores[one] or 0) >= (scores[other] or 0)


def task(function: str, arguments: dict[str, Any], **locations: str) -> Task:
    name = f"stages.synthesize.rewarding:{function}"
    return Task(name, f"store/{function}", 1, arguments, label=function, locations=locations)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Receipt]:
    store = Store(tmp_path_factory.mktemp("workspace"))
    (store.root / "seen.jsonl").write_text(
        "\n".join(
            solution_line(f"seen {n}", f"It makes {n}. The answer is {n + (not right)}.", right)
            for n in range(20)
            for right in (True, False)
        )
        + "\n"
        + "\n".join([solution_line("hard", "?", False)] * 2)
    )
    arguments = {"training": SMALL.model_dump(mode="json"), "solutions": ["seen.jsonl"]}
    (receipt,) = execute(task("train_reward", arguments), store)
    return store, receipt


def test_training_leaves_a_model_and_its_card(trained: tuple[Store, Receipt]) -> None:
    store, receipt = trained
    assert set(receipt.files) == {
        "card.json",
        "solutions.arrow",
        "model/config.json",
        "model/model.safetensors",
        "model/tokenizer.json",
        "model/tokenizer_config.json",
    }
    value = receipt.value
    assert value["pairs"]["learned_from"] == "procedural"
    assert value["pairs"]["verified"] == {"problems": 21, "solutions": 42}
    assert value["pairs"]["procedural"]["problems"] >= 78
    card = value["card"]
    assert card == json.loads(store.path(receipt.path("card.json")).read_text())
    assert set(card["by_origin"]) == {"verified", "procedural"}
    assert set(card["by_fault"]) <= FAULTS.keys()
    assert set(card["pairwise_accuracy"]) == {"reward", "shorter_wins", "bag_of_words"}
    selection = card["selection"]  # of all that were verified: nothing was learned from them
    assert (selection["problems"], selection["n"]) == (21, [2, 2])
    assert selection["pass@n"] == round(20 / 21, 3)
    assert selection["random"] == round(10 / 21, 3)


def test_training_gives_the_same_bytes_twice(
    trained: tuple[Store, Receipt], tmp_path: Path
) -> None:
    store, receipt = trained
    again = Store(tmp_path)
    (again.root / "seen.jsonl").write_bytes(store.path("seen.jsonl").read_bytes())
    arguments = {"training": SMALL.model_dump(mode="json"), "solutions": ["seen.jsonl"]}
    (second,) = execute(task("train_reward", arguments), again)
    assert second.files == receipt.files
    assert second.value == receipt.value


def test_enough_verified_solutions_are_learned_from_alone(trained: tuple[Store, Receipt]) -> None:
    store, _ = trained
    few = SMALL.model_copy(update={"min_verified": 20})
    solutions, origin = labelled_solutions(few, [store.path("seen.jsonl")])
    assert origin == "verified"
    assert counts(solutions) == {"verified": {"problems": 21, "solutions": 42}}


def test_solutions_are_scored_in_order_and_answers_are_taken(
    trained: tuple[Store, Receipt], tmp_path: Path
) -> None:
    store, receipt = trained
    lines = [solution_line("x", text, None) for text in ("4", "5", "4", "word " * 300)]
    store.path("new.jsonl").write_text("\n".join(lines))
    config = RewardConfig(training=SMALL)
    sha = receipt.value["model_sha256"]
    arguments = {
        "solutions": "new.jsonl",
        "model": receipt.path("model"),
        "model_sha256": sha,
        "scoring": config.scoring(),
    }
    (scored,) = execute(task("score_rewards", arguments), store)
    rewards = read_rewards(store.path(scored.path("rewards.jsonl")))
    assert [key for key, _ in rewards] == [
        reward_key(sha, None, "2 + 2?", json.loads(line)["response"]) for line in lines
    ]
    scores = [score for _, score in rewards]
    assert scores[0] == scores[2] != scores[1]
    assert scores[3] is None  # too long
    assert scored.value == {"solutions": 4, "scored": 3, "too_long": 1}

    handed = tmp_path / "rewards.jsonl"
    handed.write_text("".join(json.dumps({"key": k, "score": 7.5}) + "\n" for k, _ in rewards))
    other = Store(tmp_path / "other")
    other.root.mkdir()
    (other.root / "new.jsonl").write_bytes(store.path("new.jsonl").read_bytes())
    nothing = str(tmp_path / "no model")  # never opened
    taken = task("score_rewards", arguments | {"model": None}, answers=str(handed), model=nothing)
    (given_before,) = execute(taken, other)
    found = read_rewards(other.path(given_before.path("rewards.jsonl")))
    assert [score for _, score in found] == [7.5] * 4
    assert given_before.value["scored"] == 0
    handed.write_text("{}\n")
    with pytest.raises(ValueError, match=r"rewards.jsonl:1: not a reward"):
        read_rewards(handed)
