"""Names: which words are names, and what it takes for them to keep two documents apart."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.text_buffers import text_buffers
from stages.dedupe.characters import capital_table
from stages.dedupe.names import NAME, find_names
from stages.dedupe.near import NearDedupe
from stages.dedupe.near_config import NearDedupeConfig
from stages.dedupe.shingles import shingle_sets, shingles_and_slots
from stages.dedupe.slots import differing_slots
from stages.dedupe.tokens import token_tables, tokenize_with_places
from tests.stages.dedupe import holders, name_oracle, oracle
from tests.stages.dedupe.driver import Text, run_stage
from tests.stages.dedupe.languages import DRESSES, KINDS, Language, edited, read_languages
from tests.stages.dedupe.templates import FIRST
from tests.stages.dedupe.test_tokens import texts

WORDS = (
    "and", "of", "the", "was", "seen", "by", "Ada", "Lovelace", "Émile", "Ζωή", "Анна", "IBM", "J.",
    "GitHub", "1984", "7", "我们", "de", "für", "ada.king@york.org", "Dr.", "X", "ὈΔΥΣΣΕΎΣ", "ǅ",
    "½",
)  # fmt: skip
GAPS = (
    " ",
    " ",
    " ",
    " ",
    ", ",
    ". ",
    "\n",
    "! ",
    " — ",
    "… ",
    ".",
    "-",
    "@",
    " (",
    "> ",
    "\u200b",
)


@st.composite
def named(draw: st.DrawFn) -> str:
    """Texts in which words with and without capitals stand in all kinds of order."""
    pieces = draw(st.lists(st.tuples(st.sampled_from(WORDS), st.sampled_from(GAPS)), max_size=30))
    return "".join(word + gap for word, gap in pieces)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[str, str]:
    """Two texts of which one is the other with some words replaced."""
    words = draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=40))
    other = list(words)
    for place in draw(st.lists(st.integers(0, len(words) - 1), max_size=4)):
        other[place] = draw(st.sampled_from(WORDS))
    return " ".join(words), " ".join(other)


def names(text: str) -> list[str]:
    """The words of a text that are names, by the compiled code; other texts stand around it."""
    column = pa.array(["Before.B@", text, "@After"], pa.large_string())
    data, offsets = text_buffers(column)
    start, end = int(offsets[1]), int(offsets[2])
    tables = token_tables()
    tokens, heads, count = tokenize_with_places(data, start, end, tables, np.empty(1, np.uint64))
    kinds = np.zeros(count + 1, np.uint8)
    scratch = np.zeros(count + 1, np.int64)
    found = find_names(data[:end], tokens, heads, count, tables, capital_table(), kinds, scratch)
    flags = kinds[:count] == NAME
    assert flags.any() == (found > 0)
    return [word for (word, _), flag in zip(oracle.tokens(text), flags, strict=True) if flag]


def slot_sets(given: Sequence[str]) -> list[np.ndarray[tuple[int], np.dtype[np.uint64]]]:
    column = pa.array(given, pa.large_string())
    shingles, bounds, slots, slot_bounds = shingles_and_slots(column, 5, 8)
    alone, alone_bounds = shingle_sets(column, 5, 8)
    assert np.array_equal(shingles, alone)
    assert np.array_equal(bounds, alone_bounds)
    return np.split(slots, slot_bounds[1:-1])


def differing(left: str, right: str) -> int:
    return int(differing_slots(*slot_sets([left, right])))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("it was seen by Ada Lovelace there", "ada lovelace"),
        ("Seen by Boris. The engine is new. There it is", "boris"),
        ("Ada Lovelace saw it. Ada saw it", "ada lovelace"),
        ("we thank Dr. Smith and J. R. Castellano", "dr smith and j r castellano"),
        ("made by IBM and by NVIDIA CORPORATION of late", "ibm and by nvidia corporation"),
        ("IN NO EVENT SHALL THE AUTHORS BE LIABLE", ""),
        ("by The Regents of the University of York here", "the regents of the university of york"),
        ("in Python, code that GitHub and iPhone show", "python github"),
        ("write to jane.doe@york.org, Or not", "jane doe york org or"),
        ("был там Лев Толстой. Он писал", "лев толстой"),
        ("ήταν ο Γιώργος εκεί", "γιώργοσ"),
        ("նա Արամ էր", "արամ"),
        ("我们在北京。他们在上海", ""),
        ("แมวอยู่ที่บ้าน قال الرجل हम लोग", ""),
        ("all of it in lower case by ada@york.org", ""),
    ],
)
def test_names_are_capitals_within_sentences(text: str, expected: str) -> None:
    assert names(text) == expected.split()


@given(st.one_of(named(), texts()))
@settings(max_examples=300, deadline=None)
def test_names_are_those_of_the_definition(text: str) -> None:
    text = unicodedata.normalize("NFC", text)
    assert names(text) == [word.token for word in name_oracle.kinds(text) if word.kind == "name"]


@given(pairs())
@settings(max_examples=300, deadline=None)
def test_slots_differ_as_the_definition_says(pair: tuple[str, str]) -> None:
    left, right = pair
    assert differing(left, right) == name_oracle.differing(left, right)
    assert differing(left, right) == differing(right, left)
    assert differing(left, left) == 0


FRAME = "the words of this frame are ordinary, {} stands among them, and nothing else is new"


def test_a_name_counts_only_in_place_of_a_name() -> None:
    ada, boris, nobody = (FRAME.format(name) for name in ("Ada", "Boris Petrov", "nobody"))
    assert differing(ada, boris) == 1
    assert differing(ada, nobody) == 0  # an ordinary word is no name
    assert differing(ada, FRAME.replace("{} ", "")) == 0  # nor is a gap
    assert differing(ada, boris.upper()) == differing(ada, boris.lower()) == 0
    assert differing(ada, FRAME.format("Boris").replace("are ordinary", "are quite so")) == 0


def test_a_list_that_lacks_some_names_has_none_in_their_place() -> None:
    lines = [f"posted here by {name} on that day\n" for name in FIRST]
    assert differing("".join(lines), "".join(lines[::2])) == 0
    assert differing("".join(lines[:9]), "".join(lines[6:12])) == 1


def test_a_longer_name_is_another() -> None:
    ada, *others = (
        FRAME.format(name)
        for name in ("Ada King", "Boris Ada King", "Ada Boris King", "Ada King Smith")
    )
    assert [differing(ada, other) for other in others] == [1, 1, 1]


def test_menus_and_headings_are_no_names() -> None:
    menu = " ".join(FIRST[:13])
    assert differing(FRAME.format(menu), FRAME.format(menu[:-4] + "Else")) == 0


def near(documents: Sequence[str], root: Path, **config: object) -> set[int]:
    """The numbers of the documents that are dropped."""
    listed = [Text(str(number), text) for number, text in enumerate(documents)]
    stage = NearDedupe(NearDedupeConfig.model_validate(config))
    reasons = run_stage(stage, [listed[::2], listed[1::2]], root).reasons
    return {number for number, text in enumerate(listed) if text.id in reasons}


@pytest.mark.parametrize("weight", [1, 3, 8])
@pytest.mark.parametrize("slots", [1, 3])
@pytest.mark.parametrize("length", [50, 250])
def test_a_name_that_differs_counts_by_its_weight(
    length: int, slots: int, weight: int, tmp_path: Path
) -> None:
    frame = [f"word{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(length)]
    for n in range(slots):
        frame[(n + 1) * length // (slots + 1)] = "{}"
    left, right = (" ".join(frame).replace("{}", name) for name in ("Ada", "Boris"))
    assert name_oracle.differing(left, right) == slots
    dropped = near([left, right], tmp_path, name_weight=weight, bands=256, rows=1)
    least = min(oracle.jaccard(left, right), name_oracle.weighed(left, right, weight))
    assert len(dropped) == (least >= NearDedupeConfig().min_jaccard)


def test_containment_weighs_names_too(tmp_path: Path) -> None:
    texts = [FRAME.format(name) + " " + FRAME.format(name)[::-1] for name in ("Ada", "Boris")]
    assert near(texts, tmp_path / "1", name_weight=1, min_containment=0.5, bands=256, rows=1)
    assert not near(texts, tmp_path / "8", name_weight=8, min_containment=0.5, bands=256, rows=1)


@pytest.mark.parametrize("dress", [*DRESSES, "lower case"])
def test_a_copy_in_another_dress_is_found(dress: str, tmp_path: Path) -> None:
    documents = [make(5)[2] for make in holders.NAMED.values()]
    copies = [DRESSES.get(dress, str.lower)(document) for document in documents]
    dropped = near(documents + copies, tmp_path)
    assert {number % len(documents) for number in dropped} == set(range(len(documents)))


@pytest.fixture(scope="module")
def languages(shared_data: Path) -> dict[str, Language]:
    try:
        return read_languages(shared_data, Path(pytest.__file__).parent)
    except FileNotFoundError as error:
        pytest.skip(f"no file {error.filename}")


@pytest.mark.parametrize("kind", KINDS)
def test_dress_puts_no_name_in_place_of_another(kind: str, languages: dict[str, Language]) -> None:
    for words in languages[kind].documents()[:20]:
        document = "".join(words)
        first, *others = slot_sets([document, *(dress(document) for dress in DRESSES.values())])
        assert [int(differing_slots(first, other)) for other in others] == [0] * len(DRESSES)


@pytest.mark.parametrize("kind", ["Chinese", "Japanese", "Thai", "Korean", "Arabic", "Hindi"])
def test_scripts_without_capitals_have_no_names(kind: str, languages: dict[str, Language]) -> None:
    letters = "".join(c for c in languages[kind].text if not c.isascii() or not c.isalpha())
    assert not len(slot_sets([letters])[0])


GREEK = (
    "Η άδεια αυτή δίνεται δωρεάν σε όποιον λάβει αντίγραφο του λογισμικού από τον {} και ισχύει"
    " για κάθε χρήση του χωρίς περιορισμό, αρκεί να μείνει η σημείωση αυτή σε όλα τα αντίγραφα"
    " του έργου και να μη ζητηθεί από κανέναν ευθύνη για ζημιά που θα προκύψει από τη χρήση του."
)
RUSSIAN = (
    "Настоящее разрешение даётся безвозмездно всякому, кто получит копию программы, которую написал"
    " {} для общего пользования, и действует без ограничений, если это уведомление остаётся во всех"
    " копиях, а за ущерб от применения программы никто ответственности не несёт и не понесёт."
)


@pytest.mark.parametrize(
    ("frame", "given"),
    [
        (GREEK, ("Γιώργο Παπαδόπουλο", "Νίκο Αθανασίου", "Ελένη Ζαΐμη")),
        (RUSSIAN, ("Иван Петров", "Пётр Сидоров", "Ольга Ёлкина")),
    ],
)
def test_names_of_other_scripts_are_names(
    frame: str, given: tuple[str, ...], tmp_path: Path
) -> None:
    documents = [frame.format(name) for name in given]
    config = {"min_jaccard": 0.6, "bands": 256, "rows": 1}
    assert not near(documents, tmp_path / "8", **config)
    assert len(near(documents, tmp_path / "1", name_weight=1, **config)) == 2


def test_a_long_text_with_another_name_is_a_copy(tmp_path: Path) -> None:
    rng = random.Random(1)
    book = [f"w{chr(97 + rng.randrange(26))}{rng.randrange(10**6)}" for _ in range(5000)]
    book = [word.translate(str.maketrans("0123456789", "klmnopqrst")) for word in book]
    documents = [" ".join([*book[:2000], name, *book[2000:]]) for name in ("Ada", "Boris")]
    assert name_oracle.differing(*documents) == 1
    assert len(near(documents, tmp_path)) == 1


def test_an_edited_sentence_is_no_name(tmp_path: Path) -> None:
    """Sentences begin with capitals; a licence in which one is written anew is still a copy."""
    (licence,) = holders.licences("BSD-3", "persons", 1)
    edit = licence.replace("All rights reserved.", "Some rights are kept.")
    assert edit != licence
    assert len(near([licence, edit], tmp_path)) == 1
    words = [f"{word} " for word in licence.split(" ")]
    copy = edited(words, 2, random.Random(5))
    assert len(near([licence, copy], tmp_path / "words")) == 1
