"""The adapter: datatrove's own answers, and errors that say what to do."""

import json

import pytest
from pydantic import ValidationError

from stages.datatrove import DatatroveConfig, DatatroveFilter
from tests.stages.driving import annotate, reasons, row_by_row, table_of

pytest.importorskip("datatrove")

FILTERS = "datatrove.pipeline.filters"
LONG = "A paragraph of two hundred characters or more is what the rule wants to see. " * 4


def stage_of(**config: object) -> DatatroveFilter:
    return DatatroveFilter(DatatroveConfig.model_validate(config))


def test_answers_are_the_filters_own() -> None:
    from datatrove.data import Document
    from datatrove.pipeline.filters import C4ParagraphFilter

    texts = ["short", f"{LONG}\n{LONG}\n{LONG}", "", f"{LONG}\n{LONG}\nend"]
    stage = stage_of(filter=f"{FILTERS}:C4ParagraphFilter")
    found = annotate(stage, table_of(texts))
    theirs = [C4ParagraphFilter().filter(Document(text=text, id="")) for text in texts]
    assert found["reason"].to_pylist() == ["keep" if a is True else a[1] for a in theirs]
    assert found.combine_chunks() == row_by_row(stage, table_of(texts))
    assert reasons(stage, found) == [
        "datatrove.< 3 paragraphs",
        "keep",
        "datatrove.< 3 paragraphs",
        "datatrove.< 3 paragraphs",
    ]


def test_arguments_reach_the_filter_and_reasons_without_a_word_get_one() -> None:
    stage = stage_of(filter=f"{FILTERS}:RegexFilter", arguments={"regex_exp": "casino"})
    found = annotate(stage, table_of(["a casino", "a library"]))
    assert reasons(stage, found) == ["datatrove.filter", "keep"]


def test_url_and_metadata_reach_the_filter() -> None:
    stage = stage_of(filter="tests.stages.datatrove_filters:MetadataFilter")
    table = table_of(
        ["x", "y", "z"],
        url=["https://bad.example/a", None, "https://good.example/"],
        metadata=[None, json.dumps({"rating": 5}), json.dumps({"rating": 1})],
    )
    assert reasons(stage, annotate(stage, table)) == ["datatrove.bad_host", "keep", "datatrove.low"]


def test_only_the_kinds_that_are_named_are_asked() -> None:
    stage = stage_of(filter=f"{FILTERS}:RegexFilter", arguments={"regex_exp": "x"}, kinds=["prose"])
    table = table_of(["x", "x", "a"], kind__kind=["code", "prose", "prose"])
    assert reasons(stage, annotate(stage, table)) == ["keep", "datatrove.filter", "keep"]
    with pytest.raises(ValueError, match="no stage `kind` comes before"):
        annotate(stage, table_of(["x"]))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"filter": "GopherQualityFilter"}, "names no class"),
        ({"filter": "datatrove.nowhere:Filter"}, "cannot be imported.*pip install datatrove"),
        ({"filter": f"{FILTERS}:GopherFilter"}, "no such class.*GopherQualityFilter"),
        ({"filter": "datatrove.data:Document"}, "no datatrove BaseFilter"),
        ({"filter": f"{FILTERS}:RegexFilter"}, "does not take them.*regex_exp"),
        (
            {"filter": f"{FILTERS}:RegexFilter", "arguments": {"regex_exp": "a"}, "kinds": ["x"]},
            "no kind x",
        ),
        (
            {"filter": f"{FILTERS}:RegexFilter", "arguments": {"regex_exp": {1, 2}}},
            "must be JSON values",
        ),
    ],
)
def test_bad_configs(config: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=f"(?s){message}"):
        stage_of(**config)


def test_a_needed_package_is_named() -> None:
    stage = stage_of(filter="tests.stages.datatrove_filters:NeedyFilter")
    with pytest.raises(RuntimeError, match=r"needs a package.*pip install"):
        annotate(stage, table_of(["x"]))
