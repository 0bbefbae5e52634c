"""The report's page: what it says, that hostile text stays text, that a real browser shows it."""

import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import pytest
import yaml

import tamis
from manifests.manifest import Manifest, load_manifest
from tamis.report_page.origin import synthesis_panels
from tests.tamis.browser import look_at
from tests.tamis.duplicates import write_duplicates
from tests.tamis.test_cli import call

HOSTILE = (
    "</script><script>document.title = 'owned'</script> <img src=x onerror=\"document.title ="
    " 'owned'\"> <!-- {{ 7 * 7 }} {% raw %} \u202e\u2028 &lt;b&gt; "
)
STAGES = {
    "kind": None,
    "heuristics": {"rules": {"prose": ["gopher_repetition"]}},
    "exact_dedupe": None,
    "near_dedupe": None,
    "domain": None,
    "decontaminate": {"benchmarks": {"humaneval": {"path": "HumanEval.jsonl"}}},
    "tokenize": {"vocabulary_size": 1024, "train_bytes": 100_000},
    "balance": {"by": ["source"], "weights": {"mirror": 0.5}},
}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Duplicates, a benchmark item, and documents that would like to be scripts."""
    path = write_duplicates(tmp_path_factory.mktemp("page"))
    content = yaml.safe_load(path.read_text())
    hostile = path.parent / "hostile"
    hostile.mkdir()
    for name in ("one.txt", "<img src=x onerror=alert(1)>.txt"):
        (hostile / name).write_text(HOSTILE * 40)
    content["sources"].append({"name": "hostile", "path": "hostile"})
    content |= {"name": "a page", "stages": STAGES}
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


@pytest.fixture(scope="module")
def workspace(recipe: Path) -> Path:
    return tamis.build(recipe, workspace=recipe.parent / "w", workers=1).manifest.workspace


@pytest.fixture(scope="module")
def earlier(recipe: Path) -> Path:
    """The same corpus with another mixture, to compare with."""
    settings = ["stages.balance.weights={mirror: 2}", "stages.near_dedupe.min_jaccard=0.95"]
    place = recipe.parent / "earlier"
    return tamis.build(recipe, workspace=place, workers=1, settings=settings).manifest.workspace


@pytest.fixture(scope="module")
def text(workspace: Path, earlier: Path) -> str:
    return tamis.report(workspace, against=earlier)


class Outline(HTMLParser):
    """What stands on a page: tags with their attributes, and the words outside of scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.scripts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] == "script":
            self.scripts.append(data)
        self.words += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def outline(text: str) -> Outline:
    return Outline(text)


def figures(outline: Outline) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(outline.scripts[0])
    return data


def test_hostile_text_stays_text(outline: Outline, text: str) -> None:
    assert [script.get("id") for script in outline.of("script")] == ["figures", "plotly", None]
    assert not outline.of("img")
    assert "</script><script>document.title = 'owned'</script>" in outline.words
    assert "{{ 7 * 7 }} {% raw %} �" in outline.words
    assert "<img src=x onerror=alert(1)>.txt" in outline.words
    assert "\u202e" not in text
    assert "\u2028" not in outline.scripts[0]


def test_nothing_is_fetched(outline: Outline, text: str) -> None:
    for _, attributes in outline.tags:
        assert not {"src", "srcset", "data", "action"} & attributes.keys()
        assert (attributes.get("href") or "#").startswith("#")
    (policy,) = (
        meta["content"] or "" for meta in outline.of("meta") if meta.get("http-equiv") is not None
    )
    assert "default-src 'none'" in policy
    assert len(re.findall(r"'sha256-[^']+'", policy)) == 2
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    assert not re.search(r"url\(|@import", style)


def test_equal_manifests_give_equal_bytes(workspace: Path, earlier: Path, text: str) -> None:
    copies = [workspace.parent / "elsewhere" / place.name for place in (workspace, earlier)]
    for place, copy in zip((workspace, earlier), copies, strict=True):
        shutil.copytree(place, copy)
    assert tamis.report(copies[0], against=copies[1]) == text
    assert str(workspace.parent) not in text


def numbers(manifest: Manifest) -> list[int]:
    """Numbers that the page has to name."""
    stages = manifest.content["stages"]
    found = [stages[0]["in"]["documents"], stages[-1]["kept"]["documents"]]
    for stage in stages:
        found += [counts["documents"] for counts in stage["dropped"].values()]
    balance = manifest.stage("balance")["record"]
    return [*found, balance["reached_tokens"], balance["effective_tokens"]]


def test_the_page_tells_what_the_manifest_does(workspace: Path, outline: Outline) -> None:
    manifest = load_manifest(workspace)
    for number in numbers(manifest):
        assert f"{number:,}" in outline.words
    for stage in manifest.content["stages"]:
        for reason in stage["dropped"]:
            assert reason in outline.words
    assert manifest.fingerprint in outline.words
    assert "stages.near_dedupe.min_jaccard" in outline.words
    assert "humaneval" in outline.words


def test_every_chart_has_its_numbers_as_a_table(outline: Outline) -> None:
    charts = figures(outline)
    plots = {one["id"]: one for one in outline.of("div") if "plot" in (one.get("class") or "")}
    assert plots.keys() == charts.keys()
    assert {"flow", "mixture-0", "waterfall", "shares", "score-0"} <= plots.keys()
    for plot in plots.values():
        assert plot["role"] == "img"
        assert plot["aria-label"]
    assert len([d for d in outline.of("details") if d.get("class") == "numbers"]) == len(plots)
    assert all(cell.get("scope") in ("row", "col") for cell in outline.of("th"))
    labelled = {label.get("for") for label in outline.of("label")}
    assert {"search", "stage"} <= labelled


def plain(part: Any) -> Any:
    """A figure with some colour for every one of the page's."""
    if isinstance(part, dict):
        return {key: plain(one) for key, one in part.items()}
    if isinstance(part, list):
        return [plain(one) for one in part]
    return "#000" if isinstance(part, str) and part.startswith("var(--") else part


def test_figures_are_such_as_plotly_knows(outline: Outline) -> None:
    for chart in figures(outline).values():
        for figure in [*(view for _, view in chart["views"]), chart["narrow"]]:
            if figure is not None:
                go.Figure(plain(figure))  # raises on a name or a value that plotly does not have


def test_flow_conserves_documents(workspace: Path, outline: Outline) -> None:
    ((name, drawn), *_) = figures(outline)["flow"]["views"]
    assert name == "documents"
    trace = drawn["data"][0]
    links = zip(
        trace["link"]["source"], trace["link"]["target"], trace["link"]["value"], strict=True
    )
    balance = [0] * len(trace["node"]["label"])
    for source, target, value in links:
        balance[source] -= value
        balance[target] += value
    manifest = load_manifest(workspace)
    came = manifest.content["stages"][0]["in"]["documents"]
    assert -sum(value for value in balance if value < 0) == came
    assert sum(value for value in balance if value > 0) == came


def test_without_ledgers_the_rest_is_told(workspace: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.json"
    shutil.copy(workspace / "manifest.json", manifest)
    outline = Outline(tamis.report(manifest))
    assert "The ledgers of this corpus are no longer in its workspace" in outline.words
    assert {"flow", "mixture-0"} <= figures(outline).keys()


def test_the_command_writes_the_page(workspace: Path, earlier: Path, tmp_path: Path) -> None:
    place = tmp_path / "page.html"
    shown = call("report", workspace, "--out", place, "--against", earlier)
    assert shown.exit_code == 0, shown.output
    assert place.read_text(encoding="utf-8") == tamis.report(workspace, against=earlier)
    assert call("report", tmp_path).exit_code == 2


WIDE = """
  const column = (table) => Array.from(table.tBodies[0].rows, (row) => row.cells[1].textContent);
  const table = Array.from(page.querySelectorAll("#groups-panel table"))[0];
  const button = table.tHead.rows[0].cells[1].querySelector("button");
  button.click();
  const falling = column(table);
  button.click();
  const rising = column(table);
  const search = page.getElementById("search");
  search.value = "owned";
  search.dispatchEvent(new Event("input"));
  const found = page.getElementById("found").textContent;
  const open = page.querySelectorAll("#dropped-panel details[open]").length;
  search.value = "nothing has these words";
  search.dispatchEvent(new Event("input"));
  const none = page.getElementById("found").textContent;
  const paper = () => view.getComputedStyle(page.body).backgroundColor;
  const before = paper();
  page.getElementById("theme").click();
  await pause();
  const views = page.querySelectorAll('[data-chart="flow"] input');
  views[1].click();
  await pause();
  return { falling, rising, found, open, none, title: page.title, before, after: paper() };
"""
NARROW = """
  const flow = page.getElementById("flow");
  const drawn = (name) => flow.querySelectorAll(name).length;
  return { sankey: drawn(".sankey"), bars: drawn(".bars") };
"""


def test_a_browser_shows_it(text: str, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(text, encoding="utf-8")
    asked = {"wide": ("check&theme=light", 1280, WIDE), "narrow": ("check", 390, NARROW)}
    told = look_at(tmp_path, page, asked)
    charts = figures(Outline(text))
    for one in told.values():
        assert one["faults"] == []
        assert set(one["drawn"]) == set(charts)
        assert not one["wide"], "the page is wider than its window"
    answer = told["wide"]["answer"]
    numbers = [int(number.replace(",", "")) for number in answer["falling"]]
    assert numbers == sorted(numbers, reverse=True)
    assert answer["rising"] == answer["falling"][::-1]
    assert len(set(numbers)) > 1
    assert answer["open"] > 0
    assert not answer["found"].startswith("0 ")
    assert answer["none"] == "0 samples of 0 reasons"
    assert answer["title"] == "a page"
    assert answer["before"] != answer["after"]
    assert told["narrow"]["answer"]["sankey"] == 0
    assert told["narrow"]["answer"]["bars"] > 0


MAKER: dict[str, Any] = {
    "name": "synthetic/math",
    "records": 96,
    "documents": 21,
    "quarantined": {},
    "skipped": {"answer_wrong": 60, "no_majority": 15},
    "record": {
        "models": {"generator": {"name": "<b>small</b>", "sha256": "00"}},
        "funnel": [["requested", 96], ["verified", 36], ["kept", 21]],
    },
}


@pytest.mark.parametrize("funnel", [list, dict, None])
def test_the_funnel_of_a_made_source(workspace: Path, funnel: type | None) -> None:
    manifest = load_manifest(workspace)
    record = {**MAKER["record"], "funnel": funnel and funnel(MAKER["record"]["funnel"])}
    content = {**manifest.content, "synthesis": [{**MAKER, "record": record}]}
    (panel,) = synthesis_panels(replace(manifest, content=content))
    (chart,) = panel.charts
    (bars,) = chart.figures[""]["data"]
    first, last = ("requested", "kept") if funnel else ("asked for", "documents")
    assert (bars["y"][0], bars["y"][-1]) == (first, last)
    assert (bars["x"][0], bars["x"][-1]) == (96, 21)
    left_out, facts = panel.tables
    assert list(left_out.rows) == [("answer_wrong", "60"), ("no_majority", "15")]
    assert ("models generator name", "<b>small</b>") in facts.rows
