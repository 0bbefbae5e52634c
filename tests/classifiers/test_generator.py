"""The generator: its draws, its batches and its keys, on a tiny real model."""

import os
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM

from classifiers.generator.engine import GeneratorSettings, Prompt, Sampling, open_generator_engine
from classifiers.generator.generator import Generator, Request, request_key
from classifiers.generator.transformers_engine import draw_tokens, uniform_draws
from tests.classifiers.tiny_model import write_tiny_model

SETTINGS = GeneratorSettings(dtype="float32", max_prompt=200, max_tokens=12, batch=4)
SAMPLING = Sampling(temperature=1.0, top_p=0.9, max_tokens=12)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def generator(tiny: Path) -> Generator:
    return Generator(open_generator_engine(SETTINGS, tiny), tiny, SETTINGS.max_prompt)


def requests_for(texts: list[str], sampling: Sampling = SAMPLING) -> list[Request]:
    told = [[{"role": "user", "content": text}] for text in texts]
    return [Request(request_key("model", sampling, messages, 0), messages) for messages in told]


TEXTS = ["one", "a longer text of several words, to be padded", "two and three", "4", "five six"]


def test_greedy_completions_are_those_of_the_library(tiny: Path, generator: Generator) -> None:
    """Peer: one prompt at a time through transformers' own generate."""
    sampling = Sampling(temperature=0.0, max_tokens=8)
    found = generator.complete(requests_for(TEXTS, sampling), sampling)
    model = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32)
    for request, completion in zip(requests_for(TEXTS), found, strict=True):
        ids = torch.tensor([generator.prompt(request.messages)])
        made = model.generate(
            ids, do_sample=False, max_new_tokens=8, eos_token_id=generator.ends, pad_token_id=0
        )
        told = generator.tokenizer.decode(made[0, ids.shape[1] :], skip_special_tokens=True)
        assert completion.text == told.strip()


def test_what_a_request_gets_does_not_depend_on_the_others(generator: Generator) -> None:
    together = generator.complete(requests_for(TEXTS), SAMPLING)
    alone = [generator.complete([request], SAMPLING)[0] for request in requests_for(TEXTS)]
    turned = generator.complete(requests_for(TEXTS[::-1]), SAMPLING)[::-1]
    assert together == alone == turned
    assert len({completion.text for completion in together}) == len(TEXTS)


@pytest.mark.parametrize("shared", [0, 7])
def test_prompts_read_in_several_groups_go_on_as_alone(tiny: Path, shared: int) -> None:
    """Four prompts of a batch are more than is read at a time; caches of like length are joined."""
    rng = np.random.default_rng(3)
    lengths = [190, 40, 150, 170, 3, 90, 160]
    before = rng.integers(3, 60, shared).tolist()
    prompts = [
        Prompt([*before, number + 3, *rng.integers(3, 60, length).tolist()], seed=number)
        for number, length in enumerate(lengths)
    ]
    engine = open_generator_engine(SETTINGS, tiny)
    together = engine.continue_all(prompts, [5], SAMPLING)
    assert together == [engine.continue_all([prompt], [5], SAMPLING)[0] for prompt in prompts]
    assert engine.continue_all([], [5], SAMPLING) == []


def test_prompts_that_are_too_long_get_no_text(generator: Generator) -> None:
    found = generator.complete(requests_for(["word " * 300, "short"]), SAMPLING)
    assert (found[0].finish, found[0].tokens) == ("prompt_too_long", 0)
    assert found[1].finish in ("stop", "length")


def test_a_completion_ends_at_an_end_token(tiny: Path) -> None:
    engine = open_generator_engine(SETTINGS, tiny)
    greedy = Sampling(temperature=0.0, max_tokens=6)
    prompt = Prompt([5, 6, 7], seed=1)
    (free,) = engine.continue_all([prompt], [], greedy)
    assert (len(free.tokens), free.ended) == (6, False)
    place = free.tokens.index(free.tokens[3])
    (cut,) = engine.continue_all([prompt], [free.tokens[3]], greedy)
    assert (cut.tokens, cut.ended) == (free.tokens[:place], True)


@given(st.integers(0, 2**31), st.floats(0.05, 1.0), st.floats(0.2, 2.0), st.integers(2, 200))
def test_draws_against_a_plain_oracle(
    seed: int, top_p: float, temperature: float, words: int
) -> None:
    """The nucleus written out in float64: every draw lies in it, at its place of the cumulative
    distribution."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (6, words)).astype(np.float32)
    draws = rng.random(6).astype(np.float32)
    sampling = Sampling(temperature, top_p, 1)
    found = draw_tokens(torch.tensor(logits), torch.tensor(draws), sampling).tolist()
    for row, token in enumerate(found):
        weights = np.exp(logits[row].astype(np.float64) / temperature)
        weights /= weights.sum()
        order = np.argsort(-weights, kind="stable")
        falling = weights[order]
        inside = np.cumsum(falling) - falling < top_p
        total = falling[inside].sum()
        place = int(np.flatnonzero(order == token)[0])
        before = falling[:place].sum()
        assert before < top_p + 1e-5
        assert before - 1e-5 <= draws[row] * total <= before + falling[place] + 1e-5


def test_draws_follow_the_distribution() -> None:
    logits = torch.log(torch.tensor([[0.5, 0.3, 0.15, 0.05]]).repeat(20_000, 1))
    draws = torch.tensor(uniform_draws(7, 20_000))
    found = draw_tokens(logits, draws, Sampling(temperature=1.0, top_p=0.9))
    shares = np.bincount(found.numpy(), minlength=4) / 20_000
    np.testing.assert_allclose(shares, [0.5 / 0.95, 0.3 / 0.95, 0.15 / 0.95, 0], atol=0.01)


def test_keys_depend_on_every_piece() -> None:
    one, other = [{"role": "user", "content": "a"}], [{"role": "user", "content": "b"}]
    keys = {
        request_key("m", Sampling(), one, 0),
        request_key("n", Sampling(), one, 0),
        request_key("m", Sampling(seed=1), one, 0),
        request_key("m", Sampling(), other, 0),
        request_key("m", Sampling(), one, 1),
    }
    assert len(keys) == 5


def test_faults_name_their_cure(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="transformers"):
        open_generator_engine(GeneratorSettings("other"), tiny)
    with pytest.raises(ImportError, match="is not there"):
        open_generator_engine(GeneratorSettings("vllm"), tiny, str(tmp_path / "python"))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_vllm_goes_on_as_transformers_does(tmp_path: Path) -> None:
    interpreter = os.environ.get("TAMIS_VLLM_PYTHON")
    if not interpreter and find_spec("vllm") is None:
        pytest.skip("no vLLM: `make vllm`, and TAMIS_VLLM_PYTHON names its Python")
    tiny = write_tiny_model(tmp_path, heads=2)
    generator = Generator(open_generator_engine(SETTINGS, tiny), tiny, SETTINGS.max_prompt)
    settings = GeneratorSettings("vllm", "float32", max_prompt=200, max_tokens=12)
    engine = open_generator_engine(settings, tiny, interpreter)
    try:
        other = Generator(engine, tiny, settings.max_prompt)
        greedy = Sampling(temperature=0.0, max_tokens=8)
        asked = requests_for(TEXTS, greedy)
        assert other.complete(asked, greedy) == generator.complete(asked, greedy)
        drawn = other.complete(requests_for(TEXTS), SAMPLING)
        assert other.complete(requests_for(TEXTS[::-1]), SAMPLING)[::-1] == drawn
        assert len({completion.text for completion in drawn}) == len(TEXTS)
    finally:
        engine.close()
