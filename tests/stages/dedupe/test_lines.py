"""Boilerplate lines against a slow count of lines, and by what must stay."""

import random
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from manifests.schema import EMPTY_AFTER_CUTS, KEEP
from stages.dedupe.lines import BoilerplateLines, BoilerplateLinesConfig
from stages.dedupe.segments import find_segments, segment_texts
from tests.stages.small_corpus import SmallWalk, entry, walk_over

NOTICE = "This page was made by the same people as all of the others."
MENU = "Home, news and weather, sports, science, culture, about us"


def document(text: str, number: int, source: str = "web", **columns: Any) -> dict[str, Any]:
    """A document of prose: told by the extension, so that these tests do not hang on `kind`."""
    return {"text": text, "source": source, "locator": f"{source}/{number}.po", **columns} | {
        "id": random.Random(f"{source}{number}").randbytes(16)
    }


def own(number: int) -> str:
    """A line that no other document has."""
    return f"What stands here is number {number} alone and in no other text."


class Cleaned:
    """A walk over parts of documents, and what became of each of them."""

    def __init__(self, root: Path, parts: list[list[dict[str, Any]]], **config: Any) -> None:
        stages = [entry("kind"), entry("boilerplate_lines", **config)]
        self.walk: SmallWalk = walk_over(root, parts, stages)
        ids = self.walk.ledger("kind")["id"].to_pylist()
        tables = [pq.read_table(self.walk.store.path(paths[-1])) for paths in self.walk.verdicts]
        verdicts = [row for table in tables for row in table.to_pylist()]
        texts = [document["text"].encode() for part in parts for document in part]
        self.verdicts = {i: row["verdict"] for i, row in zip(ids, verdicts, strict=True)}
        self.texts: dict[bytes, str] = {}
        for i, row, text in zip(ids, verdicts, texts, strict=True):
            for cut in reversed(row["cuts"] or []):
                text = text[: cut["start"]] + text[cut["end"] :]
            self.texts[i] = text.decode()
        ledger = self.walk.ledger("boilerplate_lines").to_pylist()
        self.share = {row["id"]: row["boilerplate_share"] for row in ledger}
        self.lines = {row["id"]: row["boilerplate_lines"] for row in ledger}


def cleaned_texts(root: Path, texts: list[str], **config: Any) -> list[str]:
    """What is left of documents of one source, of which seven more hold ``MENU`` and ``NOTICE``."""
    frame = [document(f"{own(n)}\n\n{MENU}\n\n{NOTICE}\n", 1000 + n) for n in range(7)]
    documents = [document(text, n) for n, text in enumerate(texts)]
    result = Cleaned(root, [frame, documents], **config)
    return [result.texts[d["id"]] for d in documents]


def words(line: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\w+", line.lower()))


def random_corpus(seed: int) -> list[dict[str, Any]]:
    """Documents of three sources and two hosts, with lines that are shared by many or by few."""
    draw = random.Random(seed)
    pool = [" ".join(draw.choices("abcdefg", k=draw.randint(1, 9))) for _ in range(25)]
    documents = []
    for number in range(60):
        lines = [*draw.choices(pool, k=draw.randint(1, 6)), own(number)]
        lines = [draw.choice([line, line.upper(), f"- {line}!", f"{line} "]) for line in lines]
        draw.shuffle(lines)
        source = draw.choice(["one", "two", "three"])
        host = draw.choice(["a.org", "b.org:8080", None])
        url = host and f"{draw.choice(['http', 'HTTPS'])}://{host}/{number}"
        documents.append(document("\n".join(lines), number, source, url=url))
    return documents


@pytest.mark.parametrize("scope", ["source", "host", "global"])
@pytest.mark.parametrize("min_share", [0.0, 0.15])
def test_lines_are_counted_as_a_slow_count_does(
    tmp_path: Path, scope: str, min_share: float
) -> None:
    documents = random_corpus(1)

    def scope_of(d: dict[str, Any]) -> str:
        host = d["url"] and d["url"].split("/")[2].split(":")[0]
        names = {"global": "all", "source": d["source"], "host": host or d["source"]}
        return str(names[scope])

    count = Counter(
        (scope_of(d), line) for d in documents for line in {words(x) for x in d["text"].split("\n")}
    )
    size = Counter(scope_of(d) for d in documents)
    result = Cleaned(
        tmp_path,
        [documents[:25], documents[25:]],
        scope=scope,
        min_documents=5,
        min_share=min_share,
        min_words=4,
    )
    removed = 0
    for d in documents:
        needed = max(5, min_share * size[scope_of(d)])
        kept = [
            line
            for line in d["text"].split("\n")
            if len(words(line)) < 4 or count[scope_of(d), words(line)] < needed
        ]
        left = [line.strip() for line in result.texts[d["id"]].split("\n")]
        assert left == [line.strip() for line in kept]
        removed += len(d["text"].split("\n")) - len(kept)
    assert removed == sum(result.lines.values())
    assert removed > 20


def test_parts_order_and_partitions_do_not_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents = random_corpus(2)
    config = {"min_documents": 4, "min_words": 3, "scope": "global"}
    one = Cleaned(tmp_path / "one", [documents], **config)
    monkeypatch.setattr(BoilerplateLines, "keys_per_partition", 20)
    monkeypatch.setattr("stages.dedupe.listing.LISTED_INLINE", 2)
    mixed = random.Random(3).sample(documents, len(documents))
    many = Cleaned(tmp_path / "many", [mixed[n::7] for n in range(7)], **config)
    partitions = [t for t in many.walk.executed if t.function.endswith("add_partition")]
    assert len(partitions) > 3
    assert (one.texts, one.share, one.verdicts) == (many.texts, many.share, many.verdicts)
    records = [r.walk.walked.records["boilerplate_lines"] for r in (one, many)]
    assert records[0] == records[1]
    assert records[0]["documents"] == 60


def test_what_a_cut_leaves_is_set_in_order(tmp_path: Path) -> None:
    texts = [
        f"{own(1)}\n\n{MENU}\n{NOTICE}\n\n{own(2)}\n",  # a paragraph goes with its blank line
        f"{own(3)}\n{MENU}\n\n{own(4)}",  # a border of paragraphs stays one
        f"{MENU}\n\n\n{own(5)}\n\n{NOTICE}\n",  # nothing is left at the end
        f"{own(6)}\r\n{NOTICE.upper()}\r\n  {MENU}  \r\n{own(7)}\r\n",
        f"{own(8)} {MENU}",  # no line by itself
    ]
    assert cleaned_texts(tmp_path, texts) == [
        f"{own(1)}\n\n{own(2)}\n",
        f"{own(3)}\n\n{own(4)}",
        own(5),
        f"{own(6)}\r\n{own(7)}\r\n",
        texts[4],
    ]


def test_paragraphs_are_cut_whole_or_not_at_all(tmp_path: Path) -> None:
    frame = [document(f"{own(n)}\n\n{MENU}\n{NOTICE}\n", n) for n in range(7)]
    longer = document(f"{MENU}\n{NOTICE}\n{own(8)}\n\n{own(9)}", 8)
    result = Cleaned(tmp_path, [frame, [longer]], unit="paragraph")
    assert result.texts[longer["id"]] == longer["text"]
    assert [result.texts[d["id"]] for d in frame] == [own(n) for n in range(7)]


def test_numbers_short_lines_and_code_are_left_alone(tmp_path: Path) -> None:
    lines = "\n".join(
        [
            "See also",
            "* * * * * * * * * *",
            "self.total_count = compute_sum(first_value=1, second_value=2)",
        ]
    )
    documents = [
        document(f"{own(n)}\n{lines}\nIn this year {n} degrees were measured there.", n)
        for n in range(9)
    ]
    code = [document(f"{NOTICE}\nx = {n}\n", n, "code") | {"locator": f"{n}.py"} for n in range(9)]
    result = Cleaned(tmp_path, [documents, code], scope="global")
    assert [result.texts[d["id"]] for d in documents + code] == [
        d["text"] for d in documents + code
    ]
    assert set(result.share.values()) == {0.0}
    asked = Cleaned(tmp_path / "asked", [documents, code], kinds=["prose", "code"], code_lines=True)
    assert all(NOTICE not in asked.texts[d["id"]] for d in code)
    assert all("compute_sum" not in asked.texts[d["id"]] for d in documents)


def test_scripts_without_spaces(tmp_path: Path) -> None:
    notice = "版权所有,未经许可不得转载本站内容。"
    documents = [document(f"第{n}篇文章的正文在这里。\n{notice}\n", n) for n in range(8)]
    result = Cleaned(tmp_path, [documents])
    assert [result.texts[d["id"]] for d in documents] == [
        f"第{n}篇文章的正文在这里。" for n in range(8)
    ]


def test_a_document_of_boilerplate_alone_is_dropped_and_named(tmp_path: Path) -> None:
    frame = [document(f"{own(n)}\n{MENU}\n{NOTICE}\n", n) for n in range(7)]
    nothing, half = document(f"{NOTICE}\n \n{MENU}", 8), document(f"{NOTICE}\nown", 9)
    result = Cleaned(tmp_path, [[*frame, nothing, half]])
    assert result.verdicts[nothing["id"]] == EMPTY_AFTER_CUTS
    assert result.verdicts[half["id"]] == KEEP
    assert result.share[half["id"]] == pytest.approx(60 / 63, abs=1e-4)
    strict = Cleaned(tmp_path / "strict", [[*frame, nothing, half]], max_share=0.9)
    assert strict.verdicts[half["id"]] == "mostly_boilerplate"
    assert strict.verdicts[frame[0]["id"]] == KEEP
    noted = Cleaned(tmp_path / "noted", [[*frame, nothing, half]], cut=False)
    assert noted.share == result.share
    assert set(noted.verdicts.values()) == {KEEP}
    assert noted.texts[half["id"]] == half["text"]


def slow_segments(text: str, unit: str) -> list[str]:
    lines = [line for line in re.split(r"(?<=\n)", text) if line]
    if unit == "line":
        return [line for line in lines if line.strip(" \t\r\n")]
    paragraphs: list[list[str]] = [[]]
    for line in lines:
        if line.strip(" \t\r\n"):
            paragraphs[-1].append(line)
        elif paragraphs[-1]:
            paragraphs.append([])
    return ["".join(paragraph) for paragraph in paragraphs if paragraph]


@settings(deadline=None)  # the first call compiles
@given(
    st.lists(st.text("aé漢 \t\n\r", max_size=20), max_size=4),
    st.sampled_from(["line", "paragraph"]),
)
@example(["a\nb\n\nc"] * 700, "line")
def test_segments_are_those_of_a_slow_scan(texts: list[str], unit: Any) -> None:
    column = pa.chunked_array([pa.array(["x", *texts], pa.large_string()).slice(1)])
    found = find_segments(column, unit)
    pieces = segment_texts(column, found).to_pylist()
    for row, text in enumerate(texts):
        mine = [n for n, of in enumerate(found.row) if of == row]
        raw = text.encode()
        spans = [raw[found.start[n] : found.end[n]].decode() for n in mine]
        assert spans == slow_segments(text, unit)
        for n, span in zip(mine, spans, strict=True):
            assert pieces[n].strip(" \t\r\n") == span.strip(" \t\r\n")
            gap = raw[found.before[n] : found.start[n]].decode()
            assert not gap.strip()
            assert found.opens[n] == (found.before[n] == 0 or gap.count("\n") > 1)
            behind = raw[found.end[n] : found.after[n]].decode()
            assert not behind.strip()
            assert found.closes[n] == (n == mine[-1])
            assert found.after[n] == (len(raw) if n == mine[-1] else found.start[n + 1])


def test_configs_that_contradict_themselves() -> None:
    with pytest.raises(ValidationError, match="Name some of prose, code"):
        BoilerplateLinesConfig(kinds=("prosa",))
    with pytest.raises(ValidationError, match="code_lines: true"):
        BoilerplateLinesConfig(kinds=("prose", "code"))
