"""Tokenizers: round trips, control tokens as text, determinism, and Qwen's own as an oracle."""

import gzip
import json
import random
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pytest
import tokenizers
from pydantic import ValidationError

from manifests.checksum import sha256_of_file
from pipeline.cuts import SPANS
from pipeline.stage import Batch
from stages.tokenize import Tokenize, TokenizeConfig
from stages.tokenizer.control import QWEN_CONTROL_TOKENS, TEXT_CONTROL_TOKENS
from stages.tokenizer.encode import LONGEST_BLANK, load_tokenizer
from stages.tokenizer.make import write_copied, write_qwen, write_trained
from stages.tokenizer.ranks import merges_of, packaged_ranks
from tests.stages.small_corpus import entry, sentences, walk_over

TEXTS = [
    "It's 12,345 words,  isn't it?\n\n\tdef f(x):\r\n        return x ** 2  \n",
    "Zażółć gęślą jaźń; Ünïcödé; Ελληνικά; русский текст; العربية",
    "中文没有空格。日本語も同じです。 한국어 👩‍👩‍👧 é\u0301 \ufeff\u200b\x00\x07",
    "",
    " ",
    "a" * 5000,
    "   \n \n\t\t  x",
    "<|endoftext|> and <|im_start|>user<|im_end|> <|fim_prefix|> <tool_call>",
]


@pytest.fixture(scope="module")
def qwen(tmp_path_factory):
    folder = tmp_path_factory.mktemp("qwen")
    about = write_qwen(folder, packaged_ranks())
    return folder, about


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    about = write_trained(folder, sentences(300) + TEXTS, 700)
    return folder, about


@lru_cache(maxsize=4)
def reader_of(folder):
    """The tokenizer.json as a user of the corpus would load it."""
    return tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))


def decoded(folder, tokens):
    reader = reader_of(folder)
    return reader.decode([int(token) for token in tokens], skip_special_tokens=False)


@pytest.mark.parametrize("which", ["qwen", "trained"])
def test_every_text_comes_back(which, request):
    folder, about = request.getfixturevalue(which)
    flat, offsets = load_tokenizer(folder).encode_batch(TEXTS)
    assert flat.dtype == np.uint32
    assert offsets.dtype == np.int64
    assert offsets[-1] == len(flat)
    assert flat.max() < about["vocabulary_size"]
    for text, start, end in zip(TEXTS, offsets, offsets[1:], strict=False):
        assert decoded(folder, flat[start:end]) == text


@pytest.mark.parametrize("which", ["qwen", "trained"])
def test_text_that_spells_control_tokens_is_no_control_token(which, request):
    folder, about = request.getfixturevalue(which)
    reader = reader_of(folder)
    control = QWEN_CONTROL_TOKENS if which == "qwen" else TEXT_CONTROL_TOKENS
    ids = [reader.token_to_id(token) for token in control]
    assert ids == list(range(about["vocabulary_size"] - len(control), about["vocabulary_size"]))
    assert reader.encode("".join(control)).ids == ids
    flat, _ = load_tokenizer(folder).encode_batch(["".join(control), "a" + control[0]])
    assert not set(flat.tolist()) & set(ids)


def test_qwen_is_qwen(qwen):
    folder, about = qwen
    assert about["vocabulary_size"] == 151_665
    assert about["eos"] == 151_643
    reader = reader_of(folder)
    assert reader.token_to_id("<|fim_prefix|>") == 151_659
    assert reader.token_to_id("<|file_sep|>") == 151_664
    # Known from Qwen's documentation and every Qwen2.5 model: "Hello world" is 9707 1879.
    flat, _ = load_tokenizer(folder).encode_batch(["Hello world"])
    assert flat.tolist() == [9707, 1879]


@pytest.mark.parametrize("which", ["qwen", "trained", "trained on real text"])
def test_ranks_and_json_agree(which, shared_data, request, tmp_path):
    """tiktoken on the ranks and tokenizers on the tokenizer.json are two implementations."""
    with gzip.open(shared_data / "open/web/datajuicer_domain_mix.jsonl.gz") as stream:
        texts = [json.loads(line)["text"][:10_000] for line in stream]
    if which == "trained on real text":
        folder = tmp_path
        write_trained(folder, texts[::2], 8000)
    else:
        folder, _ = request.getfixturevalue(which)
    draw = random.Random(1)
    texts += ["".join(chr(draw.randrange(1, 0xD800)) for _ in range(500)) for _ in range(50)]
    texts += ["".join(draw.choices("aabcde th", k=500)) for _ in range(50)]
    texts = [tokenizers.normalizers.NFC().normalize_str(text) for text in [*texts, *TEXTS[:-1]]]
    flat, offsets = load_tokenizer(folder).encode_batch(texts)
    for index, encoded in enumerate(reader_of(folder).encode_batch(texts)):
        assert flat[offsets[index] : offsets[index + 1]].tolist() == encoded.ids


def test_a_json_without_ranks_gives_the_same_tokens(trained, tmp_path):
    write_copied(tmp_path, trained[0] / "tokenizer.json", "<|endoftext|>")
    texts = [text for text in TEXTS if text == tokenizers.normalizers.NFC().normalize_str(text)]
    by_ranks, by_json = (load_tokenizer(f).encode_batch(texts)[0] for f in (trained[0], tmp_path))
    assert by_ranks.tolist() == by_json.tolist()


def test_merges_of_ranks():
    ranks = {b"a": 0, b"b": 1, b"c": 2, b"ab": 3, b"bc": 4, b"abc": 5, b"aab": 6}
    assert merges_of(ranks) == [(b"a", b"b"), (b"b", b"c"), (b"ab", b"c"), (b"a", b"ab")]
    with pytest.raises(ValueError, match="made of no two tokens"):
        merges_of({b"a": 0, b"b": 1, b"c": 2, b"abc": 3})


def test_endless_white_space_and_endless_words_are_encoded(qwen, trained):
    texts = [" " * 1_000_000 + "x", "\n" * 200_000, "\t \n" * 100_000, "x" * 200_000]
    for folder, _ in (qwen, trained):
        tokenizer = load_tokenizer(folder)
        flat, offsets = tokenizer.encode_batch(texts)
        for text, start, end in zip(texts, offsets, offsets[1:], strict=False):
            assert decoded(folder, flat[start:end]) == text
    # Up to that length, white space is encoded in one piece.
    run = "a" + " " * (LONGEST_BLANK - 1) + "b"
    reader = reader_of(trained[0])
    assert load_tokenizer(trained[0]).encode_batch([run])[0].tolist() == reader.encode(run).ids


def test_training_twice_gives_the_same_bytes(tmp_path):
    texts = sentences(400, seed=3)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_trained(tmp_path / name, texts, 900)
    one, two = (sha256_of_file(tmp_path / name / "tokenizer.json") for name in ("one", "two"))
    assert one == two


def test_the_ledger_holds_the_tokens_of_every_document(tmp_path):
    docs = [{"text": text} for text in sentences(120) + TEXTS]
    tokenize = entry("tokenize", vocabulary_size=600, train_bytes=10_000)
    walk = walk_over(tmp_path, [docs[:50], docs[50:]], [tokenize])
    ledger = walk.ledger("tokenize")
    assert ledger["n_bytes"].to_pylist() == [len(d["text"].encode()) for d in docs]
    assert ledger["n_tokens"].to_pylist() == [len(t) for t in ledger["tokens"].to_pylist()]
    folder = walk.published("tokenizer.json").parent
    for doc, tokens in zip(docs, ledger["tokens"].to_pylist(), strict=True):
        assert decoded(folder, tokens) == doc["text"]
    record = walk.walked.records["tokenize"]
    assert record["sha256"] == sha256_of_file(folder / "tokenizer.json")
    assert 10_000 <= record["sample_bytes"] < 16_000  # the last document is taken whole
    assert 1 < record["bytes_per_token"] < 10


def test_what_was_cut_is_neither_tokenized_nor_counted(trained):
    folder, _ = trained
    texts = pa.chunked_array([["one\nmenu\ntwo", "whole", "menu é"]], pa.large_string())
    spans = [[{"start": 4, "end": 9}], [], [{"start": 0, "end": 5}]]
    artefacts = {"tokenizer": folder / "tokenizer.json"}
    stage = Tokenize(TokenizeConfig())
    for cuts, expected in (
        (pa.array(spans, SPANS), ["one\ntwo", "whole", "é"]),
        (None, texts.to_pylist()),
    ):
        batch = Batch(pa.table({"text": texts}), np.arange(3), artefacts, cuts)
        ledger = stage.annotate(batch)
        assert [decoded(folder, tokens) for tokens in ledger["tokens"].to_pylist()] == expected
        assert ledger["n_bytes"].to_pylist() == [len(text.encode()) for text in expected]


def test_the_sample_depends_on_neither_parts_nor_order(tmp_path):
    docs = [{"text": text} for text in sentences(400)]
    records = []
    for name, parts in {
        "one": [docs],
        "many": [docs[::-1][start : start + 70] for start in range(0, 400, 70)],
    }.items():
        tokenize = entry("tokenize", vocabulary_size=400, train_bytes=20_000)
        records.append(walk_over(tmp_path / name, parts, [tokenize]).walked.records["tokenize"])
    assert records[0] == records[1]


def test_a_tokenizer_is_trained_on_what_cuts_leave(tmp_path):
    notice = "\nThis notice stands below every one of these texts."
    texts = [f"{text[0].upper()}{text[1:]}" for text in sentences(150)]
    ledgers = []
    for name, ending in (("without", ""), ("cut", notice)):
        docs = [
            {"text": text + ending, "locator": f"{n}.po", "id": n.to_bytes(16, "big")}
            for n, text in enumerate(texts)
        ]
        stages = [entry("kind"), entry("boilerplate_lines")]
        stages.append(entry("tokenize", vocabulary_size=500, train_bytes=1_000_000))
        walk = walk_over(tmp_path / name, [docs[:60], docs[60:]], stages)
        ledgers.append((walk.walked.records["tokenize"], walk.ledger("tokenize")))
    assert ledgers[0] == ledgers[1]
    assert ledgers[1][0]["sample_bytes"] == sum(map(len, texts))


def test_a_given_tokenizer_is_kept_byte_by_byte(tmp_path, trained):
    path = trained[0] / "tokenizer.json"
    given = entry("tokenize", tokenizer="file", file=str(path), eos="<|im_end|>")
    walk = walk_over(tmp_path, [[{"text": text} for text in TEXTS]], [given])
    assert walk.published("tokenizer.json").read_bytes() == path.read_bytes()
    record = walk.walked.records["tokenize"]
    assert record["eos_token"] == "<|im_end|>"
    assert record["origin"] == "tokenizer.json"
    with pytest.raises(ValueError, match=r"no token `</s>`.*<\|endoftext\|>"):
        write_copied(tmp_path, path, "</s>")
    (tmp_path / "broken.json").write_text("{}")
    with pytest.raises(ValueError, match=r"broken\.json: not a Hugging Face tokenizer"):
        write_copied(tmp_path, tmp_path / "broken.json", "</s>")


def test_an_empty_corpus_cannot_train_a_tokenizer(tmp_path):
    with pytest.raises(ValueError, match="no document is left to train"):
        walk_over(tmp_path, [[]], [entry("tokenize")])


def test_configs_that_contradict_themselves():
    with pytest.raises(ValidationError, match="Add `file"):
        TokenizeConfig(tokenizer="file")
    with pytest.raises(ValidationError, match="remove `file`"):
        TokenizeConfig(file="tokenizer.json")
