"""The rules: which statistic, which side of which threshold, and where the number is from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

GOPHER = "Gopher, arXiv 2112.11446, appendix A1.1"
C4 = "C4, JMLR 21 (2020) 140, section 2.2"
FINEWEB = "FineWeb, arXiv 2406.17557, section 3.6"
STARCODER = "StarCoder2, arXiv 2402.19173, section 3.1 (after Codex, arXiv 2107.03374)"
OWN = "set here, see docs/heuristics.md"


@dataclass(frozen=True)
class Rule:
    """A document fails when ``statistic`` is strictly above (or below) ``threshold``."""

    name: str
    statistic: str
    fails: Literal["above", "below"]
    threshold: float
    source: str
    language: str | None = None
    """The only language that the rule is for; None for any."""


def _above(name: str, statistic: str, threshold: float, source: str) -> Rule:
    return Rule(name, statistic, "above", threshold, source)


def _below(name: str, statistic: str, threshold: float, source: str) -> Rule:
    return Rule(name, statistic, "below", threshold, source)


RULE_SETS: dict[str, tuple[Rule, ...]] = {
    "gopher_repetition": (
        _above("dup_paragraphs", "dup_paragraphs", 0.30, GOPHER),
        _above("dup_paragraph_chars", "dup_paragraph_chars", 0.20, GOPHER),
        _above("dup_lines", "dup_lines", 0.30, GOPHER),
        _above("dup_line_chars", "dup_line_chars", 0.20, GOPHER),
        _above("top_2_gram", "top_2_gram", 0.20, GOPHER),
        _above("top_3_gram", "top_3_gram", 0.18, GOPHER),
        _above("top_4_gram", "top_4_gram", 0.16, GOPHER),
        _above("dup_5_gram", "dup_5_gram", 0.15, GOPHER),
        _above("dup_6_gram", "dup_6_gram", 0.14, GOPHER),
        _above("dup_7_gram", "dup_7_gram", 0.13, GOPHER),
        _above("dup_8_gram", "dup_8_gram", 0.12, GOPHER),
        _above("dup_9_gram", "dup_9_gram", 0.11, GOPHER),
        _above("dup_10_gram", "dup_10_gram", 0.10, GOPHER),
    ),
    "gopher_quality": (
        _below("few_words", "words", 50, GOPHER),
        _above("many_words", "words", 100_000, GOPHER),
        _below("short_words", "mean_word_length", 3, GOPHER),
        _above("long_words", "mean_word_length", 10, GOPHER),
        _above("hashes", "hashes_per_word", 0.1, GOPHER),
        _above("ellipses", "ellipses_per_word", 0.1, GOPHER),
        _above("bullet_lines", "bullet_lines", 0.9, GOPHER),
        _above("ellipsis_lines", "ellipsis_lines", 0.3, GOPHER),
        _below("alphabetic_words", "alphabetic_words", 0.8, GOPHER),
        Rule("stop_words", "stop_words", "below", 2, GOPHER, language="en"),
    ),
    "c4": (
        _above("lorem_ipsum", "c4_lorem_ipsum", 0, C4),
        _above("curly_bracket", "c4_curly_bracket", 0, C4),
        _below("few_sentences", "c4_sentences", 5, C4),
    ),
    "fineweb": (
        _below("terminal_lines", "terminal_lines", 0.12, FINEWEB),
        _above("short_lines", "short_lines", 0.67, FINEWEB),
        _above("dup_line_chars", "dup_filled_line_chars", 0.01, FINEWEB),
        _above("newlines", "newlines_per_word", 0.3, FINEWEB),
    ),
    "starcoder": (
        _above("generated", "generated_note", 0, STARCODER),
        _above("mean_line_length", "mean_line_length", 100, STARCODER),
        _above("max_line_length", "max_line_length", 1000, STARCODER),
        _below("alphabetic_chars", "alphabetic_chars", 0.25, STARCODER),
    ),
    "gross": (
        _below("few_words", "words", 10, OWN),
        _above("replacement_chars", "replacement_chars", 0.01, OWN),
        _below("alphanumeric_chars", "alphanumeric_chars", 0.25, OWN),
        _above("dup_line_chars", "dup_line_chars", 0.50, OWN),
        _above("dup_10_gram", "dup_10_gram", 0.50, OWN),
    ),
}
"""Sets of rules by name; a rule's full name is ``<set>.<rule>`` and is the reason for the drop."""

PUBLISHED = ("gopher_repetition", "gopher_quality", "c4", "fineweb")
"""The sets made for web prose."""

DEFAULT_SETS: dict[str, tuple[str, ...]] = {
    "prose": PUBLISHED,
    "code": ("starcoder",),
    "math": ("gross",),
    "list": ("gross",),
    "markup": PUBLISHED,
}
"""Which sets a kind of document must pass. Prose rules keep no arXiv paper and no source file."""


def rule_names() -> frozenset[str]:
    """Full names of all rules."""
    return frozenset(f"{group}.{rule.name}" for group, rules in RULE_SETS.items() for rule in rules)


def rules_of(sets: tuple[str, ...]) -> list[tuple[str, Rule]]:
    """Rules with their full names, in the order in which they are asked."""
    return [(f"{group}.{rule.name}", rule) for group in sets for rule in RULE_SETS[group]]
