"""Packages made here, for the folder that pip takes for its only index (fixture ``index``)."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path

from tamis.sample.catalog import Package, Take

DAY = datetime(2024, 2, 29, 12, 30, tzinfo=UTC)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


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


def no_pip(*arguments: object) -> None:
    raise AssertionError("pip was called though nothing is missing")
