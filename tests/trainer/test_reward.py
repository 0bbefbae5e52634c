"""Reward training: its losses, its data, what it learns, and what it exports."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.config import ConfigError
from trainer.export import read_safetensors, write_safetensors
from trainer.model import ModelConfig
from trainer.reward import RewardTrainConfig, main, train_reward
from trainer.reward_data import (
    SolutionsError,
    contrasting_problems,
    held_out_problems,
    padded,
    problem_order,
    read_solutions,
    write_solutions,
)
from trainer.reward_model import (
    RewardModel,
    bradley_terry,
    export_reward,
    listwise,
    read_pretrained,
)
from trainer.reward_scores import compare_held_out, score_rows

VOCABULARY, PAD, GOOD, BAD = 24, 0, 5, 6
SIZES = ModelConfig(
    vocabulary_size=64, width=32, layers=2, heads=4, kv_heads=2, mlp_width=48, max_length=64
)
TINY: dict[str, Any] = {
    "width": 32,
    "layers": 2,
    "heads": 2,
    "kv_heads": 1,
    "mlp_width": 48,
    "max_length": 32,
    "learning_rate": 5e-3,
    "problems": 4,
    "epochs": 6,
    "threads": 1,
    "device": "cpu",
}


def random_model() -> RewardModel:
    torch.manual_seed(3)
    model = RewardModel(SIZES)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model.eval()


def easy_rows(problems: int = 60, seed: int = 0) -> list[dict[str, Any]]:
    """A right response holds GOOD somewhere, a wrong one BAD; the rest is noise."""
    draw = np.random.default_rng(seed)
    rows = []
    for problem in range(problems):
        prompt = draw.integers(8, VOCABULARY, 4).tolist()
        for right in (True, False, False):
            response = draw.integers(8, VOCABULARY, draw.integers(3, 9)).tolist()
            response[int(draw.integers(len(response)))] = GOOD if right else BAD
            name = f"p{problem}"
            rows.append({"problem": name, "prompt": prompt, "response": response, "right": right})
    return rows


@pytest.fixture
def easy(tmp_path: Path) -> Path:
    path = tmp_path / "easy.arrow"
    write_solutions(path, easy_rows(), VOCABULARY, PAD)
    return path


groups = st.lists(
    st.lists(st.tuples(st.floats(-30, 30), st.booleans()), min_size=2, max_size=6).filter(
        lambda group: len({right for _, right in group}) == 2
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=25, deadline=None)
@given(groups)
def test_losses_equal_their_formulas(problems: list[list[tuple[float, bool]]]) -> None:
    """-1/(k (m - k)) sum log sigma(r+ - r-) a problem; Bradley-Terry over all pairs alike."""
    scores = [torch.tensor([s for s, _ in of], dtype=torch.float64) for of in problems]
    right = [torch.tensor([r for _, r in of]) for of in problems]
    by_problem = []
    for of in problems:
        good, bad = [s for s, r in of if r], [s for s, r in of if not r]
        by_problem.append(
            [
                math.log1p(math.exp(-abs(d))) + max(-d, 0.0)
                for d in (a - b for a in good for b in bad)
            ]
        )
    expected = np.mean([np.mean(of) for of in by_problem])
    assert listwise(scores, right).item() == pytest.approx(expected, abs=1e-9)
    expected = np.mean([loss for of in by_problem for loss in of])
    assert bradley_terry(scores, right).item() == pytest.approx(expected, abs=1e-9)


def test_padding_and_neighbours_change_no_score() -> None:
    model = random_model()
    sequences = [torch.randint(1, 64, (length,)) for length in (1, 7, 40)]
    with torch.no_grad():
        alone = [model(s[None], torch.tensor([len(s) - 1])).item() for s in sequences]
        batch = torch.full((3, 64), PAD)
        for line, sequence in zip(batch, sequences, strict=True):
            line[: len(sequence)] = sequence
        together = model(batch, torch.tensor([0, 6, 39])).tolist()
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert np.std(alone) > 0.01


def test_export_is_read_by_transformers(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    model = random_model()
    folder = export_reward(model, tmp_path / "model", PAD)
    theirs = transformers.AutoModelForSequenceClassification.from_pretrained(
        folder, dtype=torch.float32
    ).eval()
    assert type(theirs).__name__ == "Qwen2ForSequenceClassification"
    assert theirs.config.num_labels == 1
    tokens = torch.randint(1, 64, (3, 20))
    tokens[1, 12:] = PAD  # transformers finds the last token by the padding token
    with torch.no_grad():
        ours = model(tokens, torch.tensor([19, 11, 19]))
        torch.testing.assert_close(theirs(tokens).logits[:, 0], ours, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["Qwen2", "Llama"])
def test_starts_from_weights_of_transformers(name: str, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    sizes = {
        "vocab_size": 96,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 128,
        "rms_norm_eps": 1e-5,
        "initializer_range": 0.2,
        "rope_parameters": {"rope_type": "default", "rope_theta": 50_000.0},
    }
    config = getattr(transformers, f"{name}Config")(**sizes)
    theirs = getattr(transformers, f"{name}ForCausalLM")(config).eval()
    theirs.save_pretrained(tmp_path)
    model = read_pretrained(tmp_path, 64)
    tokens = torch.randint(0, 96, (2, 30))
    with torch.no_grad():
        hidden = theirs.model(tokens).last_hidden_state
        torch.testing.assert_close(model.model(tokens), hidden, atol=1e-4, rtol=0)
    with pytest.raises(ValueError, match="reads 128 tokens"):
        read_pretrained(tmp_path, 129)
    about = json.loads((tmp_path / "config.json").read_text()) | {"model_type": "gpt2"}
    (tmp_path / "config.json").write_text(json.dumps(about))
    with pytest.raises(ValueError, match="type gpt2; known: qwen2, llama"):
        read_pretrained(tmp_path, 64)


def test_safetensors_round_trip(tmp_path: Path) -> None:
    state = {"a": torch.randn(3, 5), "b": torch.randn(7).bfloat16(), "none": torch.zeros(0, 4)}
    write_safetensors(tmp_path / "x.safetensors", state)
    read = read_safetensors(tmp_path / "x.safetensors")
    assert read.keys() == state.keys()
    for name, tensor in state.items():
        assert torch.equal(read[name], tensor.float())
    (tmp_path / "y.safetensors").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="no safetensors file"):
        read_safetensors(tmp_path / "y.safetensors")


def test_learns_what_can_be_learned(easy: Path, tmp_path: Path) -> None:
    result = train_reward(RewardTrainConfig(data=easy, out=tmp_path / "out", **TINY))
    assert 0.2 < result.before.pairwise_accuracy < 0.8
    assert result.after.pairwise_accuracy > 0.95
    assert result.after.loss < result.before.loss
    written = json.loads((tmp_path / "out" / "result.json").read_text())
    assert written["after"]["pairs"] == result.after.pairs == 2 * result.after.problems
    assert result.problems + result.after.problems == 60
    listed = json.loads((tmp_path / "out" / "scores.json").read_text())
    solutions = read_solutions(easy)
    rows = np.array(listed["rows"])
    assert compare_held_out(solutions, rows, listed["scores"]).pairwise_accuracy == pytest.approx(
        result.after.pairwise_accuracy, abs=0.01
    )
    held = np.isin(solutions.problems, solutions.problems[rows])
    assert rows.tolist() == np.flatnonzero(held).tolist()  # all solutions of a problem, or none


@pytest.mark.parametrize("loss", ["listwise", "bradley-terry"])
def test_same_bits_twice(loss: str, easy: Path, tmp_path: Path) -> None:
    settings = TINY | {"loss": loss, "language_weight": 0.5, "epochs": 1}
    for name in ("one", "two"):
        train_reward(RewardTrainConfig(data=easy, out=tmp_path / name, **settings))
    for file in ("scores.json", "model/model.safetensors", "model/config.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_labels_without_meaning_teach_nothing(tmp_path: Path) -> None:
    """The null arm: with labels drawn at random, held-out accuracy stays near one half."""
    rows = easy_rows(150)
    draw = np.random.default_rng(1)
    for row in rows:
        row["response"] = [8 if token in (GOOD, BAD) else token for token in row["response"]]
        row["right"] = bool(draw.integers(2))
    write_solutions(tmp_path / "null.arrow", rows, VOCABULARY, PAD)
    settings = TINY | {"held_out_share": 0.5, "epochs": 3}
    config = RewardTrainConfig(data=tmp_path / "null.arrow", out=tmp_path / "out", **settings)
    assert 0.35 < train_reward(config).after.pairwise_accuracy < 0.65


def test_language_loss_is_that_of_right_responses(easy: Path) -> None:
    model = random_model()
    tokens = torch.randint(1, 64, (2, 10))
    wanted = torch.zeros(2, 10, dtype=torch.bool)
    wanted[0, 4:8] = True
    with torch.no_grad():
        hidden = model.model(tokens)
        logits = hidden @ model.model.embed_tokens.weight.T
        expected = torch.nn.functional.cross_entropy(logits[0, 3:7], tokens[0, 4:8])
        found = model.language_loss(hidden, tokens, wanted)
        nothing = model.language_loss(hidden, tokens, torch.zeros_like(wanted))
    torch.testing.assert_close(found, expected)
    assert nothing == 0


def test_batches_and_problems(easy: Path) -> None:
    solutions = read_solutions(easy)
    tokens, last = padded(solutions, np.array([4, 0]), multiple=16)
    assert tokens.shape == (2, 16)
    for line, end, row in zip(tokens, last, (4, 0), strict=True):
        assert line[: end + 1].tolist() == solutions.tokens(row).tolist()
        assert (line[end + 1 :] == PAD).all()
    rows = np.array([7, 0, 1, 2, 5, 4])  # p2 has one row, p0 all three, p1 two wrong ones
    assert [sorted(group.tolist()) for group in contrasting_problems(solutions, rows)] == [
        [0, 1, 2]
    ]
    assert sorted(problem_order(9, 0, 1).tolist()) == list(range(9))
    assert problem_order(9, 0, 1).tolist() != problem_order(9, 1, 1).tolist()
    scores = score_rows(random_model(), solutions, np.arange(30), torch.device("cpu"))
    again = score_rows(random_model(), solutions, np.arange(30)[::-1].copy(), torch.device("cpu"))
    np.testing.assert_allclose(scores, again[::-1], atol=1e-5)


def test_the_split_is_by_problem_and_stays() -> None:
    names = [f"problem {i}" for i in range(2000)]
    held = held_out_problems(names, 0.2, 0)
    assert 0.15 < held.mean() < 0.25
    assert (held_out_problems(names[500:], 0.2, 0) == held[500:]).all()
    assert (held_out_problems(names, 0.2, 1) != held).any()
    assert (held <= held_out_problems(names, 0.3, 0)).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loss": "hinge"}, "loss: hinge is none. Set listwise or bradley-terry"),
        ({"epochs": 0}, "epochs: 0 must be a number above 0"),
        ({"held_out_share": 1.0}, "held_out_share: 1.0 must lie between"),
        ({"language_weight": -1.0}, "language_weight: -1.0 must not be negative"),
        ({"width": 30}, "Set width to a multiple of"),
    ],
)
def test_impossible_settings_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        RewardTrainConfig(data=Path(), out=Path(), **TINY | change)


def test_files_that_cannot_be_used_are_refused(
    easy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.arrow"
    bad.write_bytes(b"nothing")
    with pytest.raises(SolutionsError, match="no file of labelled solutions"):
        read_solutions(bad)
    write_solutions(bad, [easy_rows(1)[0] | {"response": [VOCABULARY]}], VOCABULARY, PAD)
    with pytest.raises(SolutionsError, match="row 0 has a token outside of 0 … 23"):
        read_solutions(bad)
    write_solutions(bad, [easy_rows(1)[0] | {"response": []}], VOCABULARY, PAD)
    with pytest.raises(SolutionsError, match="row 0 has no response"):
        read_solutions(bad)
    write_solutions(bad, [row | {"right": True} for row in easy_rows()], VOCABULARY, PAD)
    assert main([str(bad), "--out", str(tmp_path / "out"), "--max-length=32"]) == 1
    assert "no problem with right and wrong solutions" in capsys.readouterr().err
    options = [f"--{k.replace('_', '-')}={v}" for k, v in (TINY | {"epochs": 0.2}).items()]
    assert main([str(easy), "--out", str(tmp_path / "out"), *options]) == 0
    assert "held-out pairs in order" in capsys.readouterr().out
