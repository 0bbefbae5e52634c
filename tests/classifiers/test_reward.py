"""Reward models: conversations, engines on tiny real models, and the report card."""

from __future__ import annotations

import json
import os
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForSequenceClassification

from classifiers.judge.engine import EngineSettings
from classifiers.reward.card import (
    Candidate,
    bag_of_words_scores,
    pairwise_accuracy,
    reward_card,
    selection_card,
)
from classifiers.reward.conversation import CONTROL_TOKENS, Conversation, write_tokenizer
from classifiers.reward.engine import TOLERANCE, open_engine, open_reward
from tests.classifiers.tiny_model import write_tiny_model
from trainer.export import read_safetensors, write_safetensors
from trainer.model import ModelConfig
from trainer.reward_model import RewardModel, export_reward

SETTINGS = EngineSettings(dtype="float32", max_length=120, batch_tokens=300, threads=1)
PAIRS = [
    (
        f"How much is {a} times {b}?",
        f"{a} * {b} = {a * b + c}\nThe answer is {a * b + c}." + " Yes" * d,
    )
    for a, b, c, d in [(3, 4, 0, 0), (12, 7, 1, 9), (999, 2, 0, 3), (1, 1, 5, 20), (60, 70, 0, 1)]
]


def write_model(folder: Path) -> Path:
    """What our trainer writes, with random weights that are large enough to matter. Heads are 32
    wide, the least that vLLM has kernels for on the CPU."""
    write_tokenizer(folder, [text for pair in PAIRS for text in pair], 320)
    torch.manual_seed(0)
    model = RewardModel(
        ModelConfig(384, width=64, layers=2, heads=2, kv_heads=1, mlp_width=64, max_length=128)
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    export_reward(model, folder, pad=0)
    return folder


def write_token_scorer(folder: Path) -> Path:
    """The same trunk as a Qwen2ForRewardModel: Qwen2.5-Math-RM's form, with its two-layer head."""
    write_model(folder)
    config = json.loads((folder / "config.json").read_text())
    config["architectures"] = ["Qwen2ForRewardModel"]
    (folder / "config.json").write_text(json.dumps(config))
    state = read_safetensors(folder / "model.safetensors")
    del state["score.weight"]
    torch.manual_seed(1)
    for name, shape in (("0", (64, 64)), ("2", (1, 64))):
        state[f"score.{name}.weight"] = torch.randn(shape) * 0.5
        state[f"score.{name}.bias"] = torch.randn(shape[0]) * 0.5
    write_safetensors(folder / "model.safetensors", state)
    return folder


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("reward"))


@pytest.fixture(scope="module")
def token_scorer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_token_scorer(tmp_path_factory.mktemp("by-token"))


def test_scores_are_those_of_the_plain_model(tiny: Path) -> None:
    """One conversation at a time through transformers' own classifier, template and all."""
    reward = open_reward(SETTINGS, tiny)
    found = reward.scores(PAIRS)
    model = AutoModelForSequenceClassification.from_pretrained(tiny, dtype=torch.float32).eval()
    for score, (prompt, response) in zip(found, PAIRS, strict=True):
        messages = [
            {"role": "user", "content": prompt},
            {"role": "assistant", "content": response},
        ]
        text = reward.conversation.tokenizer.apply_chat_template(messages, tokenize=False)
        ids = reward.conversation.tokenizer(text, add_special_tokens=False)["input_ids"]
        with torch.inference_mode():
            assert model(torch.tensor([ids])).logits.item() == pytest.approx(score, abs=2e-4)
    assert found.std() > 0.1
    assert (found == np.round(found, 4)).all()


def test_scores_do_not_depend_on_batches_or_order(tiny: Path) -> None:
    found = open_reward(SETTINGS, tiny).scores(PAIRS)
    single = EngineSettings(dtype="float32", max_length=120, batch_tokens=1, threads=1)
    np.testing.assert_allclose(open_reward(single, tiny).scores(PAIRS), found, atol=2e-4)
    np.testing.assert_allclose(
        open_reward(SETTINGS, tiny).scores(PAIRS[::-1])[::-1], found, atol=2e-4
    )
    assert open_reward(SETTINGS, tiny).scores([]).shape == (0,)


def test_too_long_a_conversation_gets_no_score(tiny: Path) -> None:
    reward = open_reward(SETTINGS, tiny)
    scores = reward.scores([PAIRS[0], ("long", "1 " * 200), PAIRS[1]])
    assert np.isnan(scores).tolist() == [False, True, False]
    np.testing.assert_allclose(scores[[0, 2]], reward.scores(PAIRS[:2]), atol=2e-4)


def test_control_tokens_in_a_text_are_text(tiny: Path) -> None:
    conversation = Conversation(tiny)
    control = {conversation.tokenizer.convert_tokens_to_ids(token) for token in CONTROL_TOKENS}
    prompt, response = conversation.encode("2<|end|>", "<|assistant|>4<|end|><|user|>")
    assert sum(token in control for token in prompt) == 2
    assert sum(token in control for token in response) == 1
    assert response[-1] in control
    assert "<|assistant|>4<|end|>" in conversation.tokenizer.decode(response)


def test_digits_are_tokens_of_their_own(tiny: Path) -> None:
    conversation = Conversation(tiny)
    _, response = conversation.encode("", "12345")
    assert len(response) == 6


def test_a_system_message_and_a_missing_template(tmp_path: Path) -> None:
    folder = write_tiny_model(tmp_path)
    plain, told = Conversation(folder), Conversation(folder, "Reason.")
    prompt, response = told.encode("Q", "R")
    assert told.tokenizer.decode(prompt + response).startswith("<|im_start|>system\nReason.")
    assert "system" not in plain.tokenizer.decode(plain.encode("Q", "R")[0])
    (folder / "chat_template.jinja").unlink()
    bare = Conversation(folder)
    prompt, response = bare.encode("Q", "R")
    assert bare.tokenizer.decode(prompt + response) == "Q\n\nR"


def test_a_token_scorer_is_read_at_the_last_token(token_scorer: Path, tiny: Path) -> None:
    engine = open_engine(SETTINGS, token_scorer, None)
    sequences = [[5, 6, 7, 200], [9] * 30, [4]]
    state = read_safetensors(token_scorer / "model.safetensors")
    trunk = AutoModelForSequenceClassification.from_pretrained(tiny, dtype=torch.float32).base_model
    for score, ids in zip(engine.scores(sequences), sequences, strict=True):
        with torch.inference_mode():
            last = trunk(torch.tensor([ids]))[0][0, -1]
            inner = torch.relu(state["score.0.weight"] @ last + state["score.0.bias"])
            expected = state["score.2.weight"] @ inner + state["score.2.bias"]
        assert score == pytest.approx(expected.item(), abs=1e-4)


def test_other_models_are_refused(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="LlamaForCausalLM"):
        open_reward(SETTINGS, write_tiny_model(tmp_path / "causal"))
    two = write_model(tmp_path / "two")
    config = json.loads((two / "config.json").read_text())
    config |= {"id2label": {"0": "no", "1": "yes"}, "label2id": {"no": 0, "yes": 1}}
    (two / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="with 2 labels"):
        open_reward(SETTINGS, two)
    with pytest.raises(ValueError, match="Known: transformers, vllm"):
        open_reward(EngineSettings("other"), tiny)
    if find_spec("vllm") is None:
        with pytest.raises(ImportError, match="TAMIS_VLLM_PYTHON"):
            open_reward(EngineSettings("vllm"), tiny)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("form", ["classifier", "by-token"])
def test_vllm_and_transformers_give_the_same_scores(form: str, tmp_path: Path) -> None:
    interpreter = os.environ.get("TAMIS_VLLM_PYTHON")
    if not interpreter and find_spec("vllm") is None:
        pytest.skip("no vLLM: `make vllm`, and TAMIS_VLLM_PYTHON names its Python")
    folder = write_model(tmp_path) if form == "classifier" else write_token_scorer(tmp_path)
    scores = {}
    for name in ("transformers", "vllm"):
        settings = EngineSettings(name, "float32", 120, 300, 1)
        reward = open_reward(settings, folder, interpreter if name == "vllm" else None)
        try:
            scores[name] = reward.scores(PAIRS)
        finally:
            reward.close()
    difference = np.abs(scores["transformers"] - scores["vllm"]).max()
    spread = scores["vllm"].std()
    assert spread > 0.1
    assert difference <= TOLERANCE * spread


def candidate(
    problem: str, response: str, right: bool, score: float, answer: str | None
) -> Candidate:
    return Candidate(problem, response, right, score, answer)


CARD = [
    candidate("a", "x", True, 2.0, "1"),
    candidate("a", "xx", False, 1.0, "2"),
    candidate("a", "xxx", False, 3.0, "2"),
    candidate("b", "y", True, 1.0, "5"),
    candidate("b", "yy", False, 1.0, None),
    candidate("c", "z", True, 0.0, "7"),
    candidate("c", "zz", True, 0.5, "7"),
    candidate("d", "alone", True, 0.0, "9"),
]


def test_cards_are_counted_by_hand() -> None:
    assert pairwise_accuracy(CARD, [one.score for one in CARD]) == pytest.approx((1 + 0 + 0.5) / 3)
    assert selection_card(CARD) == {
        "problems": 3,
        "n": [2, 3],
        "random": round((1 / 3 + 1 / 2 + 1) / 3, 3),
        "maj@n": round((0 + 1 + 1) / 3, 3),
        "rm@n": round((0 + 0.5 + 1) / 3, 3),
        "pass@n": 1.0,
    }
    card = reward_card([], CARD)
    assert card["pairwise_accuracy"] == {"reward": 0.5, "shorter_wins": 1.0, "bag_of_words": 0.5}
    assert card["pairs"] == 3
    empty = reward_card([], [])
    assert empty["pairwise_accuracy"]["reward"] is None
    assert empty["selection"]["pass@n"] is None


candidates = st.lists(
    st.builds(
        Candidate,
        st.sampled_from("abc"),
        st.text("xyz ", max_size=5),
        st.booleans(),
        st.sampled_from([0.0, 1.0, 2.5]),
        st.sampled_from(["1", "2", None]),
    ),
    max_size=12,
)


@given(candidates)
def test_no_choice_beats_pass_at_n(found: list[Candidate]) -> None:
    card = selection_card(found)
    if card["problems"]:
        assert 0 <= card["random"] <= card["pass@n"] <= 1
        assert 0 <= card["rm@n"] <= card["pass@n"]


@given(candidates)
def test_a_score_and_its_opposite_share_the_pairs(found: list[Candidate]) -> None:
    scores = [one.score for one in found]
    accuracy = pairwise_accuracy(found, scores)
    opposite = pairwise_accuracy(found, [-score for score in scores])
    assert np.isnan(accuracy) or accuracy + opposite == pytest.approx(1)


def test_a_bag_of_words_learns_words_and_not_order() -> None:
    def problems(good: str, bad: str, names: range) -> list[Candidate]:
        return [
            candidate(str(i), f"{i} {text} ok", right, 0.0, None)
            for i in names
            for text, right in ((good, True), (bad, False))
        ]

    for good, bad, expected in (("so 4", "hm 4", 1.0), ("3 then 4", "4 then 3", 0.5)):
        training, held = problems(good, bad, range(20)), problems(good, bad, range(20, 30))
        assert pairwise_accuracy(held, bag_of_words_scores(training, held)) == expected
