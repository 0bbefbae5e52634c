"""What planted documents are made of: words, and lines of words to draw from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.peers import SAMPLE, read_texts

Bytes = np.ndarray[Any, np.dtype[np.uint8]]
Numbers = np.ndarray[Any, np.dtype[np.int32]]

WORDS = 1 << 16
DRAWS = 1 << 16
_FLATTEN = 2.7
"""Zipf-Mandelbrot's shift: about English (Mandelbrot 1953)."""
_LONGEST_WORD = 40
_SHORTEST_LINE = 4
_LINES = ("docs.jsonl.zst", "forum.jsonl", "translations.jsonl.gz")


class Vocabulary(NamedTuple):
    """Word w is ``letters[word_bounds[w]:word_bounds[w + 1]]`` (UTF-8); line l is the words
    ``words[line_bounds[l]:line_bounds[l + 1]]``; documents draw evenly from ``drawn`` (line
    numbers, a power of two of them). Bounds and numbers are int32, so that caches hold them."""

    letters: Bytes
    word_bounds: Numbers
    words: Numbers
    line_bounds: Numbers
    drawn: Numbers


def own_vocabulary(seed: int = 1) -> Vocabulary:
    """65,536 invented words of 2 to 12 letters, each a line of its own, drawn as often as words of
    English are: frequency falls with rank by Zipf's law, and frequent words are short."""
    rng = np.random.default_rng(seed)
    # 4 to 5 letters where text is, as in English
    sizes = np.clip(rng.poisson(2.2 + np.log10(np.arange(WORDS) + 10) * 0.9), 2, 12)
    invented = [_word(int(size), rng) for size in sizes]
    taken: set[str] = set()
    for rank, word in enumerate(invented):
        while word in taken:
            word = _word(int(rng.integers(6, 13)), rng)
        taken.add(word)
        invented[rank] = word
    weights = 1.0 / (np.arange(WORDS) + _FLATTEN)
    quantiles = np.cumsum(weights) / weights.sum()
    drawn = np.searchsorted(quantiles, (np.arange(DRAWS) + 0.5) / DRAWS)
    numbers = np.arange(WORDS + 1, dtype=np.int32)
    return Vocabulary(*_joined(invented), numbers[:-1], numbers, drawn.astype(np.int32))


def _word(size: int, rng: np.random.Generator) -> str:
    return "".join(chr(97 + letter) for letter in rng.integers(26, size=size))


def sample_vocabulary(seed: int = 1) -> Vocabulary:
    """Lines of documentation, forum, translations and code of the sample, as they stand but for
    white space; each line once. Falls back on ``own_vocabulary`` where the sample is not there."""
    lines = sorted({" ".join(words) for words in _sample_lines(SAMPLE)})
    if len(lines) < DRAWS:
        return own_vocabulary(seed)
    drawn = np.random.default_rng(seed).permutation(len(lines))
    chosen = [lines[number].split(" ") for number in drawn[: 1 << (len(lines).bit_length() - 1)]]
    words = sorted({word for line in chosen for word in line})
    numbers = {word: number for number, word in enumerate(words)}
    bounds = np.append(0, np.cumsum([len(line) for line in chosen]))
    return Vocabulary(
        *_joined(words),
        np.array([numbers[word] for line in chosen for word in line], np.int32),
        bounds.astype(np.int32),
        np.arange(len(chosen), dtype=np.int32),
    )


def _sample_lines(sample: Path) -> Iterator[list[str]]:
    paths = [path for name in _LINES if (path := sample / name).is_file()]
    code = [path.read_text(errors="ignore") for path in sorted((sample / "code").rglob("*.py"))]
    for text in (*read_texts(paths), *code):
        for line in text.splitlines():
            words = line.split()
            if len(words) >= _SHORTEST_LINE and max(map(len, words)) <= _LONGEST_WORD:
                yield words


def _joined(words: list[str]) -> tuple[Bytes, Numbers]:
    encoded = [word.encode() for word in words]
    bounds = np.append(0, np.cumsum([len(word) for word in encoded])).astype(np.int32)
    return np.frombuffer(b"".join(encoded), np.uint8), bounds
