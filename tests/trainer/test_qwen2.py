"""The model: the same numbers as transformers' Qwen2, chunked loss, export."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import trainer.model
from trainer.export import export, hugging_face_config, hugging_face_state, write_safetensors
from trainer.model import ModelConfig, Qwen2

SMALL = ModelConfig(
    vocabulary_size=192, width=48, layers=3, heads=6, kv_heads=2, mlp_width=80, max_length=64
)
UNTIED = ModelConfig(
    vocabulary_size=192,
    width=64,
    layers=2,
    heads=4,
    kv_heads=4,
    mlp_width=96,
    max_length=64,
    rope_base=1_000_000.0,
    tied=False,
)


def random_model(config: ModelConfig) -> Qwen2:
    """Weights large enough that every part, biases and norms too, matters for the logits."""
    torch.manual_seed(1)
    model = Qwen2(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model


@pytest.mark.parametrize("config", [SMALL, UNTIED], ids=["grouped-tied", "full-untied"])
def test_equals_transformers(config: ModelConfig) -> None:
    transformers = pytest.importorskip("transformers")
    ours = random_model(config)
    theirs = transformers.Qwen2ForCausalLM(
        transformers.Qwen2Config(**hugging_face_config(config, eos=0))
    ).eval()
    missing, unexpected = theirs.load_state_dict(
        hugging_face_state(ours, config.tied), strict=False
    )
    assert not unexpected
    assert set(missing) <= ({"lm_head.weight"} if config.tied else set())
    tokens = torch.randint(0, config.vocabulary_size, (3, 48))
    with torch.no_grad():
        expected = theirs(tokens).logits
        assert expected.std() > 0.1
        torch.testing.assert_close(ours.logits(tokens), expected, atol=1e-5, rtol=0)
        loss = theirs(tokens, labels=tokens).loss
        mine = ours(tokens[:, :-1], tokens[:, 1:]).mean()
    torch.testing.assert_close(mine, loss, atol=1e-5, rtol=0)


@pytest.mark.parametrize("config", [SMALL, UNTIED], ids=["grouped-tied", "full-untied"])
def test_export_is_read_by_transformers(config: ModelConfig, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    ours = random_model(config)
    folder = export(ours, tmp_path / "model", eos=7)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    assert type(theirs).__name__ == "Qwen2ForCausalLM"
    assert theirs.config.eos_token_id == 7
    tokens = torch.randint(0, config.vocabulary_size, (2, 30))
    with torch.no_grad():
        torch.testing.assert_close(ours.logits(tokens), theirs(tokens).logits, atol=1e-5, rtol=0)
    assert json.loads((folder / "config.json").read_text())["rope_theta"] == config.rope_base


def test_safetensors_peer(tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.torch")
    state = {
        "b": torch.randn(3, 5),
        "a": torch.randn(7).bfloat16(),
        "scalar": torch.tensor(2.5),
        "empty": torch.zeros(0, 4, dtype=torch.float16),
    }
    write_safetensors(tmp_path / "x.safetensors", state)
    read = safetensors.load_file(tmp_path / "x.safetensors")
    assert read.keys() == state.keys()
    for name, tensor in state.items():
        assert read[name].dtype == tensor.dtype
        assert torch.equal(read[name], tensor)


def test_loss_in_pieces_has_the_same_value_and_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = torch.randint(0, 192, (4, 33))
    targets = tokens[:, 1:].clone()
    targets[1, 5:] = -100
    results = []
    for limit in (1 << 30, 10 * 192):
        monkeypatch.setattr(trainer.model, "MAX_LOGITS", limit)
        model = random_model(SMALL)
        losses = model(tokens[:, :-1], targets)
        losses.mean().backward()
        results.append([losses.detach(), *(p.grad for p in model.parameters())])
    assert results[0][0].shape == (4, 32)
    assert (results[0][0][1, 5:] == 0).all()
    for whole, pieces in zip(*results, strict=True):
        torch.testing.assert_close(whole, pieces, atol=1e-6, rtol=1e-5)


def test_a_token_sees_nothing_after_it() -> None:
    model = random_model(SMALL)
    tokens = torch.randint(0, 192, (1, 20))
    changed = tokens.clone()
    changed[0, 12] = (tokens[0, 12] + 1) % 192
    with torch.no_grad():
        difference = (model.logits(tokens) - model.logits(changed)).abs().amax(dim=-1)[0]
    assert difference[:12].max() == 0
    assert difference[12:].min() > 0


def test_untrained_loss_is_that_of_guessing() -> None:
    torch.manual_seed(0)
    model = Qwen2(SMALL)
    tokens = torch.randint(0, 192, (8, 33))
    with torch.no_grad():
        loss = model(tokens[:, :-1], tokens[:, 1:]).mean().item()
    assert abs(loss - np.log(192)) < 0.1


def test_parameter_count_of_qwen2_5() -> None:
    with torch.device("meta"):
        model = Qwen2(
            ModelConfig(
                vocabulary_size=151_936,
                width=896,
                layers=24,
                heads=14,
                kv_heads=2,
                mlp_width=4_864,
                max_length=32_768,
                rope_base=1e6,
            )
        )
    assert model.parameter_count() == 494_032_768  # Qwen2.5-0.5B's own number


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"heads": 3}, "width: 128 over 3 heads"),
        ({"kv_heads": 3}, "kv_heads: 3 does not divide 4 heads"),
        ({"layers": 0}, "layers: 0 must be at least 1"),
    ],
)
def test_impossible_sizes(sizes: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ModelConfig(vocabulary_size=10, **sizes)
