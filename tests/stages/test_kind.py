"""Kinds of real documents and of small ones that are plainly of one kind."""

import gzip
import json
import sysconfig
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.recipe import RecipeError
from pipeline.recipe_check import load_recipe
from stages.catalog import CATALOG
from stages.kind import KINDS, Kind, KindConfig
from tests.stages.driving import annotate, row_by_row, table_of

PROSE = (
    "The harbour was quiet when the ship came in. Nobody waited on the quay, and the men who had"
    " been away for a year looked for faces that they knew.\n\nIn the morning it rained.\n"
)
PYTHON = '''"""A module."""

import os


def area(width, height):
    """The area of a box, which is the product of its sides and nothing else at all."""
    if width < 0:
        raise ValueError(f"{width} is negative")
    return width * height


print(area(2, 3))
'''
C_SOURCE = """/*
 * This file is free software; you can redistribute it and use it in any way that you want to.
 */
#include <stdio.h>

int main(void) {
    for (int i = 0; i < 10; i++) {
        printf("%d\\n", i);
    }
    return 0;
}
"""
LATEX = r"""\begin{theorem}\label{t:one}
Let $f \colon X \to Y$ be continuous and let $K \subset X$ be compact. Then $f(K)$ is compact.
\end{theorem}
\[ \int_0^1 \frac{x^2}{1+x} \, dx = \log 2 - \frac{1}{2} \]
"""
TABLE = "| name | size | colour |\n| --- | --- | --- |\n" + "| box | 12 | red |\n" * 12
BULLETS = "Menu\n" + "".join(f"- Item {n}\n" for n in range(20))
MARKUP = '<div class="nav"><ul>\n' + '<li><a href="/a">About</a></li>\n' * 12 + "</ul></div>\n"
CHINESE = (
    "人人生而自由,在尊严和权利上一律平等。他们赋有理性和良心,并应以兄弟关系的精神相对待。\n" * 3
)
HINDI = "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है।\n" * 3


def kinds_of(texts: list[str], locators: list[str] | None = None) -> list[str]:
    table = table_of(texts) if locators is None else table_of(texts, locator=locators)
    found: list[str] = annotate(Kind(KindConfig()), table)["kind"].to_pylist()
    return found


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (PROSE, "prose"),
        (PYTHON, "code"),
        (C_SOURCE, "code"),
        (LATEX, "math"),
        (TABLE, "list"),
        (BULLETS, "list"),
        (MARKUP, "markup"),
        (CHINESE, "prose"),
        (HINDI, "prose"),
        ("", "prose"),
        ("\n \n", "prose"),
    ],
)
def test_plain_cases(text: str, kind: str) -> None:
    assert kinds_of([text]) == [kind]


@pytest.mark.parametrize(
    ("locator", "kind"),
    [
        ("src/box.py", "code"),
        ("pkg:pypi/box@1.0#src/Box.JS", "code"),
        ("data/sizes.csv", "list"),
        ("locale/de.po", "prose"),
        ("notes.txt", "list"),
        ("pages.jsonl#3", "list"),
        ("shop.warc.gz#http://box.py/a", "list"),
    ],
)
def test_the_extension_decides_where_it_is_known(locator: str, kind: str) -> None:
    assert kinds_of([BULLETS], [locator]) == [kind]


def test_the_extension_can_be_switched_off() -> None:
    stage = Kind(KindConfig(use_extension=False))
    assert annotate(stage, table_of([PROSE], locator=["a.py"]))["kind"].to_pylist() == ["prose"]


@settings(deadline=None)  # the first call compiles
@given(st.lists(st.text(max_size=300), max_size=8))
def test_each_row_stands_alone(texts: list[str]) -> None:
    stage = Kind(KindConfig())
    table = table_of([*texts, PYTHON, LATEX, CHINESE])
    found = annotate(stage, table)
    assert found.combine_chunks() == row_by_row(stage, table)
    for row in found.to_pylist():
        assert row["kind"] in KINDS
        total = sum(value for name, value in row.items() if name.endswith("_share"))
        assert total == pytest.approx(1) or total == 0


def test_sliced_tables_are_read_where_they_begin() -> None:
    table = table_of([PROSE, PYTHON, LATEX, TABLE])
    stage = Kind(KindConfig())
    assert annotate(stage, table.slice(2, 2)).to_pylist() == annotate(stage, table).to_pylist()[2:]


def _records(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def test_real_prose_in_448_languages_is_prose(shared_data: Path) -> None:
    records = _records(shared_data / "research_only/langid/udhr.jsonl.gz")
    assert Counter(kinds_of([r["text"] for r in records])) == {"prose": len(records)}


def test_real_web_prose_is_prose_and_papers_are_mathematics(shared_data: Path) -> None:
    web = _records(shared_data / "open/web/dolma_cc_en_head.jsonl.gz")
    assert set(kinds_of([r["text"] for r in web])) == {"prose"}
    mixed = _records(shared_data / "open/web/datajuicer_domain_mix.jsonl.gz")
    for domain in ("redpajama-cc", "redpajama-c4", "pile-uspto", "pile-nih"):
        texts = [r["text"] for r in mixed if r["domain"] == domain]
        assert set(kinds_of(texts)) == {"prose"}, domain
    papers = Counter(kinds_of([r["text"] for r in mixed if r["domain"] == "arxiv"]))
    assert papers["math"] >= 8


def test_problems_with_formulas_are_mathematics(shared_data: Path) -> None:
    records = _records(shared_data / "open/benchmarks/math500.jsonl.gz")
    found = Counter(kinds_of([f"{r['problem']}\n{r['solution']}" for r in records]))
    assert found["math"] >= 0.95 * len(records)


def test_real_source_files_are_code_even_without_a_name(shared_data: Path) -> None:
    snippets = _records(shared_data / "open/web/code_repobench_p_python_sampled.jsonl.gz")
    assert Counter(kinds_of([r["code"] for r in snippets]))["code"] >= 19
    library = sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))
    texts = [path.read_text("utf-8", errors="replace") for path in library]
    found = Counter(kinds_of(texts))
    assert found["code"] >= 0.95 * len(texts)


def test_the_kind_of_a_source_may_be_declared() -> None:
    texts = pa.array(["What is 2 + 2?\n\nThe answer is 4.", "def f(x):\n    return x\n"] * 2)
    sources = pa.array(["synthetic/math", "code", "web", "synthetic/math"]).dictionary_encode()
    locators = pa.array(["1", "2.py", "3", "4.py"])
    table = pa.table({"text": texts, "locator": locators, "source": sources})
    stage = Kind(KindConfig(sources={"synthetic/math": "math"}))
    found = annotate(stage, table)["kind"].to_pylist()
    assert found == ["math", "code", "prose", "math"]


def test_a_declared_source_that_the_recipe_has_not_is_named(tmp_path: Path) -> None:
    recipe = tmp_path / "r.yaml"
    recipe.write_text(
        "sources: [{name: web, path: '*.txt'}]\n"
        "synthesize:\n"
        "  synthetic/math: {use: math, procedural: {}, generator: {model: m.gguf}}\n"
        "stages:\n"
        "  kind:\n"
        "    sources:\n"
        "      web: prose\n"
        "      synthetic/maths: math\n"
        "      pages: list\n"
    )
    with pytest.raises(RecipeError) as caught:
        load_recipe(recipe, CATALOG)
    place = f"{recipe}:{{}}: stages.kind.sources.{{}}: there is no source `{{}}`. {{}}"
    assert str(caught.value).splitlines() == [
        place.format(8, *["synthetic/maths"] * 2, "Did you mean `synthetic/math`?"),
        place.format(9, "pages", "pages", "Known: synthetic/math, web."),
    ]
    recipe.write_text(recipe.read_text().replace("maths", "math").replace("pages: list", ""))
    assert load_recipe(recipe, CATALOG).entries[0].stage.config.sources["synthetic/math"] == "math"
