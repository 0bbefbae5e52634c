"""Statistics of heuristics in plain Python, from their definitions: slow and easy to check."""

import re
from collections import Counter
from collections.abc import Sequence


def repeated(pieces: Sequence[str]) -> tuple[int, int]:
    """How many pieces stood before, and their characters."""
    seen: set[str] = set()
    count = characters = 0
    for piece in pieces:
        if piece in seen:
            count += 1
            characters += len(piece)
        seen.add(piece)
    return count, characters


def top_gram(words: Sequence[str], size: int) -> int:
    """Characters of the most frequent n-gram, with spaces, times its occurrences."""
    grams = [" ".join(words[i : i + size]) for i in range(len(words) - size + 1)]
    if not grams:
        return 0
    gram, count = Counter(grams).most_common(1)[0]
    return len(gram) * count


def repeated_gram_characters(words: Sequence[str], size: int) -> int:
    """Characters in n-grams that stood before, leaping over each that was counted."""
    seen: set[tuple[str, ...]] = set()
    characters = place = 0
    while place + size <= len(words):
        gram = tuple(words[place : place + size])
        if gram in seen:
            characters += sum(map(len, gram))
            place += size
        else:
            seen.add(gram)
            place += 1
    return characters


def line_statistics(text: str, terminal: frozenset[str]) -> dict[str, float]:
    """Statistics that need no words."""
    lines = re.split("\n+", text)
    paragraphs = re.split("\n{2,}", text.strip())
    filled = [line for line in text.split("\n") if line.strip()]
    cut = text.splitlines()
    visible = max(len(text.replace("\n", "")), 1)
    return {
        "characters": len(text),
        "dup_lines": repeated(lines)[0] / len(lines),
        "dup_line_chars": repeated(lines)[1] / len(text),
        "dup_paragraphs": repeated(paragraphs)[0] / len(paragraphs),
        "dup_paragraph_chars": repeated(paragraphs)[1] / len(text),
        "dup_filled_line_chars": repeated(filled)[1] / visible,
        "terminal_lines": sum(line[-1] in terminal for line in filled) / max(len(filled), 1),
        "short_lines": sum(len(line) <= 30 for line in filled) / max(len(filled), 1),
        "bullet_lines": sum(line.lstrip().startswith(("•", "-")) for line in cut) / len(cut),
        "ellipsis_lines": sum(line.rstrip().endswith(("...", "…")) for line in cut) / len(cut),
        "max_line_length": max(map(len, text.split("\n"))),
        "alphabetic_chars": sum(c.isalpha() for c in text) / len(text),
        "replacement_chars": text.count("\ufffd") / len(text),
    }
