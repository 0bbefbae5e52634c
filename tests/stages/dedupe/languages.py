"""Real texts of many languages cut into documents, and copies of them as people make copies."""

from __future__ import annotations

import gzip
import json
import random
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_SPACED = r"\S+\s*"
_NAMES = r"\w+\W*"

DECLARATION = {
    "English": ("eng", _SPACED),
    "Chinese": ("cmn_hans", ".{2}"),
    "Chinese, traditional": ("cmn_hant", ".{2}"),
    "Japanese": ("jpn", ".{2}"),
    "Korean": ("kor", _SPACED),
    "Thai": ("tha", ".{4}"),
    "Lao": ("lao", ".{4}"),
    "Khmer": ("khm", ".{5}"),
    "Burmese": ("mya", ".{5}"),
    "Arabic": ("arb", _SPACED),
    "Hindi": ("hin", _SPACED),
    "Russian": ("rus", _SPACED),
}
"""Language: its name in the Universal Declaration of Human Rights, and what about a word is: a
pattern, which in scripts without spaces counts characters."""

WORDS = 100
"""Words in a document."""

Dress = Callable[[str], str]


@dataclass(frozen=True)
class Language:
    """A long text, and the pattern of its words with the spaces behind them."""

    text: str
    word: str

    def documents(self) -> list[list[str]]:
        """Stretches of ``WORDS`` words; joined, they are the text again."""
        words = re.findall(self.word, self.text, re.DOTALL)
        return [words[n : n + WORDS] for n in range(0, len(words) - WORDS + 1, WORDS)]


def read_languages(data: Path, code: Path) -> dict[str, Language]:
    """Twelve languages, mathematics (LaTeX) from the measuring data, Python from a folder.

    Raises FileNotFoundError when a file of the measuring data is not there.
    """
    by_code = {
        row["code"]: row["text"] for row in _rows(data / "research_only/langid/udhr.jsonl.gz")
    }
    found = {
        name: Language(unicodedata.normalize("NFC", by_code[code]), word)
        for name, (code, word) in DECLARATION.items()
    }
    solutions = [row["solution"] for row in _rows(data / "open/benchmarks/math_test.jsonl.gz")]
    found["mathematics"] = Language("\n\n".join(solutions[:200]), _NAMES)
    files = sorted(path.read_text(encoding="utf-8") for path in code.rglob("*.py"))
    found["code"] = Language("\n".join(sorted(files, key=len)[-12:]), _NAMES)
    return found


KINDS = (*DECLARATION, "mathematics", "code")


def _rows(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def edited(words: Sequence[str], edits: int, rng: random.Random) -> str:
    """A copy in which so many words are replaced by others of the same document."""
    copy = list(words)
    for place in rng.sample(range(len(words)), edits):
        copy[place] = rng.choice(words)
    return "".join(copy)


def _full_width(text: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" and c not in "<&" else c for c in text)


def _tagged(text: str) -> str:
    lines = text.split("\n")
    return "<div class='text'>" + "".join(f"<p>{line}</p>\n" for line in lines) + "</div>"


def _emphasised(text: str) -> str:
    return "\n".join(f"**{line}** &nbsp;" if line.strip() else line for line in text.split("\n"))


def _without_punctuation(text: str) -> str:
    return "".join(" " if unicodedata.category(c)[0] in "PS" and c not in "<&" else c for c in text)


DRESSES: Mapping[str, Dress] = {
    "upper case": str.upper,
    "full width": _full_width,
    "tags": _tagged,
    "emphasis": _emphasised,
    "no punctuation": _without_punctuation,
    "other spaces": lambda text: text.replace(" ", " \u3000").replace("\n", " \r\n\t"),
}
"""Changes of look that leave words, letters and numbers as they are."""
