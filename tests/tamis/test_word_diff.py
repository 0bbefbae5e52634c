"""Differences: both texts can be read back from the pieces, and long ones cost bounded time."""

import io
import random

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tamis.word_diff import (
    MOST_WORDS,
    Differences,
    differences,
    differences_text,
    show_differences,
)

WORDS = st.lists(st.sampled_from(["a", "bee", "sea", "dee", "ε", "f-g", "日", "本"]), max_size=40)


def sides(found: Differences) -> tuple[list[str], list[str]]:
    """The words of both texts, read back from the pieces."""
    kept: tuple[list[str], list[str]] = ([], [])
    for piece in found.pieces:
        words = piece.text.split()
        if piece.change != "added":
            kept[0].extend(words)
        if piece.change != "removed":
            kept[1].extend(words)
    return kept


def lcs(a: list[str], b: list[str]) -> int:
    """The textbook's table."""
    row = [0] * (len(b) + 1)
    for x in a:
        above = row[:]
        for j, y in enumerate(b):
            row[j + 1] = above[j] + 1 if x == y else max(above[j + 1], row[j])
    return row[-1]


@given(WORDS, WORDS)
def test_pieces_hold_both_texts(before: list[str], after: list[str]) -> None:
    found = differences(" ".join(before), "\n\t".join(after))
    assert sides(found) == (before, after)
    assert found.words == (len(before), len(after))
    assert found.uncompared == 0
    for piece in found.pieces:
        assert piece.words == len(piece.text.split())
    for one, other in zip(found.pieces, found.pieces[1:], strict=False):
        assert one.change != other.change
    # strays may be shown as changed, never the other way round
    assert sum(found.changed) >= len(before) + len(after) - 2 * lcs(before, after)


def test_the_smallest_change_is_found() -> None:
    text = [f"word{n}" for n in range(200)]
    other = [*text[:50], "new", *text[51:120], *text[121:]]
    found = differences(" ".join(text), " ".join(other))
    assert found.changed == (2, 1)
    assert [piece.text for piece in found.pieces if piece.change == "removed"] == [
        "word50",
        "word120",
    ]


def test_scripts_without_spaces_go_by_character() -> None:
    found = differences("これは日本語です", "これは中国語です")
    assert [(p.change, p.text) for p in found.pieces] == [
        ("same", "これは"),
        ("removed", "日本"),
        ("added", "中国"),
        ("same", "語です"),
    ]


def test_long_texts_are_compared_up_to_a_limit() -> None:
    draw = random.Random(1)
    texts = [" ".join(str(draw.randrange(10**6)) for _ in range(50_000)) for _ in range(2)]
    found = differences(*(f"same start {text} same end" for text in texts))
    assert found.words == (50_004, 50_004)
    assert found.uncompared == 2 * (50_000 - MOST_WORDS)
    assert found.pieces[0].text.startswith("same start")
    assert found.pieces[-1].text.endswith("same end")
    assert "were not compared" in differences_text(found, marked=True).plain


def test_marks_stand_where_there_are_no_colours() -> None:
    before = " ".join(["alpha", *["same"] * 200, "left", "\x1b[31mout"])
    after = " ".join(["beta", *["same"] * 200, "left", "in"])
    found = differences(before, after)
    marked = differences_text(found, marked=True).plain
    assert marked.startswith("[-alpha-] {+beta+} same")
    assert "(the same 185 words)" in marked
    assert marked.endswith("left [-�[31mout-] {+in+}")
    coloured = differences_text(found, marked=False)
    assert "{+" not in coloured.plain
    styled = {coloured.plain[s.start : s.end]: str(s.style) for s in coloured.spans}
    assert styled["alpha"] == "red strike"
    assert styled["beta"] == "green"


def test_a_long_change_shows_its_ends() -> None:
    after = "kept " + " ".join(f"w{n}" for n in range(500))
    shown = differences_text(differences("kept", after), marked=True).plain
    assert "w0 " in shown
    assert "w499+}" in shown
    assert "(440 more words)" in shown
    assert "w250" not in shown


def test_equal_texts_are_called_the_same() -> None:
    console = Console(file=io.StringIO(), record=True, width=100)
    show_differences(console, "one two three", "one  two\nthree", indent=2)
    assert console.export_text().strip() == "the same 3 words"


def test_a_terminal_shows_colours_and_a_file_marks() -> None:
    for terminal in (True, False):
        file = io.StringIO()
        console = Console(
            file=file, force_terminal=terminal, color_system="standard", width=100, no_color=False
        )
        show_differences(console, "one two three", "one 2 three", indent=2)
        assert ("[-two-] {+2+}" in file.getvalue()) != terminal
        assert ("\x1b[9;31mtwo" in file.getvalue()) == terminal
