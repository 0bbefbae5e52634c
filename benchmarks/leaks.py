"""Benchmark items as they get into web pages: layouts, dress, edits, parts; and planting them.

Every function is deterministic: what is drawn comes from a ``random.Random`` of the caller.
"""

from __future__ import annotations

import html
import json
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from stages.decontaminate import benchmark as reading

Dress = Callable[[str, Random], str]

_NUMBER = re.compile(r"\d+")
_WORD = re.compile(r"\w+")
_FULL_WIDTH = {point: point + 0xFEE0 for point in range(0x21, 0x7F)}


@dataclass(frozen=True)
class Item:
    """An item of a benchmark: its question, that with its choices, and all a page would print."""

    benchmark: str
    name: str
    question: str
    unanswered: str
    whole: str


def items_of(sequences: Sequence[reading.Sequence]) -> list[Item]:
    """The items that sequences were made of."""
    parts: dict[tuple[str, str], dict[str, str]] = {}
    for sequence in sequences:
        parts.setdefault((sequence.benchmark, sequence.item), {})[sequence.name] = sequence.text
    items = []
    for (benchmark, name), texts in parts.items():
        question = texts.get("prompt") or texts.get("question") or ""
        unanswered = texts.get("question_choices", question)
        whole = texts.get("prompt_solution") or texts.get("question_answer") or question
        if "question_choices" in texts:
            whole = f"{unanswered}\nAnswer:{whole.removeprefix(question)}"
        items.append(Item(benchmark, name, question, unanswered, whole))
    return items


def count_words(text: str) -> int:
    """Runs of letters and digits, in a text of a script with spaces."""
    return len(_WORD.findall(text))


def _short_lines(text: str, random: Random) -> str:
    return "\n".join(textwrap.wrap(text, 24, break_long_words=False))


def _json(text: str, random: Random) -> str:
    record = {"id": random.randrange(10_000), "text": text, "split": "test"}
    return json.dumps([record], ensure_ascii=random.random() < 0.5, indent=2)


def _markdown_table(text: str, random: Random) -> str:
    first, _, rest = text.partition("\n")
    cells = [part.replace("\n", "<br>").replace("|", "\\|") for part in (first, rest)]
    row = f"| {random.randrange(100)} | {cells[0]} | {cells[1]} |"
    return f"| # | question | answer |\n|---|:---|---|\n{row}\n"


def _html_table(text: str, random: Random) -> str:
    cells = "".join(f"<td>{html.escape(line)}</td>" for line in text.split("\n"))
    return f'<table class="quiz"><tr><td>{random.randrange(100)}</td>{cells}</tr></table>'


def _marked(line: str, share: float, random: Random, marks: Sequence[tuple[str, str]]) -> str:
    """The line with marks around this share of its words."""
    words = line.split(" ")
    for at in range(len(words)):
        if words[at] and random.random() < share:
            before, after = random.choice(marks)
            words[at] = f"{before}{words[at]}{after}"
    return " ".join(words)


def _html_leftovers(text: str, random: Random) -> str:
    """What a poor extractor leaves: tags around lines and some words, entities, hard spaces."""
    marks = (("<b>", "</b>"), ('<span class="hl">', "</span>"), ("", "&nbsp;"))
    lines = [_marked(html.escape(line), 0.12, random, marks) for line in text.split("\n")]
    return f'<div class="post"><p>{"<br />".join(lines)}</p></div>'


def _html_marks(text: str, random: Random) -> str:
    marks = [(f"<{tag}>", f"</{tag}>") for tag in ("b", "i", "em", "strong", "u", "code")]
    lines = [_marked(html.escape(line), 0.15, random, marks) for line in text.split("\n")]
    return "\n".join(f"<p>{line}</p>" for line in lines)


def _markdown_marks(text: str, random: Random) -> str:
    marks = [(mark, mark) for mark in ("**", "_", "`", "~~")]
    lines = [_marked(line, 0.15, random, marks) for line in text.split("\n")]
    return random.choice(("> ", "- ", "### ")) + "\n".join(lines)


DRESSES: Mapping[str, Dress] = {
    "as it is": lambda text, random: text,
    "in one line": lambda text, random: " ".join(text.split()),
    "in short lines": _short_lines,
    "one word a line": lambda text, random: "\n".join(text.split()),
    "in JSON": _json,
    "in a Markdown table": _markdown_table,
    "in an HTML table": _html_table,
    "HTML leftovers": _html_leftovers,
    "no punctuation": lambda text, random: re.sub(r"[^\w\s]", " ", text),
    "upper case": lambda text, random: text.upper(),
    "full width": lambda text, random: text.translate(_FULL_WIDTH),
    "Markdown marks": _markdown_marks,
    "HTML marks": _html_marks,
}
"""How a text that is copied word for word may look."""


def replaced(text: str, share: float, vocabulary: Sequence[str], random: Random) -> str:
    """The text with this share of its words replaced by words of the vocabulary."""
    spans = [match.span() for match in _WORD.finditer(text)]
    for start, end in sorted(random.sample(spans, round(share * len(spans))), reverse=True):
        text = text[:start] + random.choice(vocabulary) + text[end:]
    return text


def renumbered(text: str, random: Random) -> str:
    """The text with every number replaced by another one of as many digits."""

    def another(match: re.Match[str]) -> str:
        new = old = match.group()
        while new == old:
            new = "".join(random.choice("123456789") for _ in old)
        return new

    return _NUMBER.sub(another, text)


def plant(text: str, host: str, random: Random) -> str:
    """The host page with the text as paragraphs of its own, at some line break."""
    lines = host.split("\n")
    at = random.randint(0, len(lines))
    return "\n\n".join(["\n".join(lines[:at]), text, "\n".join(lines[at:])]).strip()


def embed(text: str, host: str, random: Random) -> str:
    """The host page with the text inside of its longest line, behind the end of a sentence."""
    lines = host.split("\n")
    longest = max(range(len(lines)), key=lambda at: len(lines[at]))
    sentences = re.split(r"(?<=[.!?]) ", lines[longest])
    at = random.randint(0, len(sentences))
    lines[longest] = " ".join([*sentences[:at], " ".join(text.split()), *sentences[at:]])
    return "\n".join(lines)


def phrase(text: str, size: int, random: Random) -> str:
    """So many consecutive words of a text, as they stand in it."""
    spans = [match.span() for match in _WORD.finditer(text)]
    at = random.randrange(len(spans) - size + 1)
    return text[spans[at][0] : spans[at + size - 1][1]]
