"""Read chosen files out of source distributions (.tar.gz) and wheels (.zip)."""

import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tamis.sample.catalog import SampleError

# Build tools that pin modification times set them to 1980 or earlier: no date at all.
EARLIEST_REAL_DATE = datetime(1990, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Member:
    """One file of an archive. `path` lacks the top folder of a sdist; `modified` is UTC."""

    path: str
    data: bytes
    modified: datetime | None

    @property
    def timestamp(self) -> str | None:
        """When the project last changed the file, as ISO 8601, where the archive says so."""
        return self.modified.strftime("%Y-%m-%dT%H:%M:%SZ") if self.modified else None

    def text(self) -> str | None:
        """The content as text with plain newlines, or None when it is not UTF-8 text."""
        try:
            text = self.data.decode("utf-8-sig")
        except UnicodeDecodeError:
            return None
        return None if "\0" in text else text.replace("\r\n", "\n").replace("\r", "\n")


def read_members(archive: Path, wanted: Callable[[str], bool]) -> Iterator[Member]:
    """Yield the regular files whose path is wanted, in the archive's order.

    Raises SampleError when the archive cannot be read.
    """
    try:
        if archive.suffix == ".whl":
            yield from zip_members(archive, wanted)
        else:
            yield from tar_members(archive, wanted)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError) as error:
        raise SampleError(
            f"{archive} cannot be read: {error}\n  Remove it and run the same command again."
        ) from error


def tar_members(archive: Path, wanted: Callable[[str], bool]) -> Iterator[Member]:
    """The wanted files of a .tar.gz, read front to back once."""
    with tarfile.open(archive, mode="r|gz") as tar:
        for info in tar:
            path = info.name.removeprefix("./").partition("/")[2]
            if info.isfile() and path and wanted(path):
                stream = tar.extractfile(info)
                if stream is not None:
                    modified = datetime.fromtimestamp(int(info.mtime), UTC)
                    yield Member(path, stream.read(), real_date(modified))


def zip_members(archive: Path, wanted: Callable[[str], bool]) -> Iterator[Member]:
    """The wanted files of a wheel. Zip dates have no zone; they are read as UTC."""
    with zipfile.ZipFile(archive) as wheel:
        for info in wheel.infolist():
            if not info.is_dir() and wanted(info.filename):
                modified = datetime(*info.date_time, tzinfo=UTC)
                yield Member(info.filename, wheel.read(info), real_date(modified))


def real_date(modified: datetime) -> datetime | None:
    """The date, unless it is one of the constants that reproducible builds write."""
    return modified if modified >= EARLIEST_REAL_DATE else None
