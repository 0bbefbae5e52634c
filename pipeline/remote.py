"""Raw files on object stores: fetched once into the workspace, where every worker sees them."""

from __future__ import annotations

import hashlib
from pathlib import Path, PurePosixPath

_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"}


def is_remote(path: str) -> bool:
    """Whether a path is an address, such as ``s3://bucket/crawl/*.warc.gz``."""
    return "://" in path


def fetch(address: str, folder: Path) -> dict[str, Path]:
    """The files at an address (one file, a folder, or a glob), by path relative to its fixed part,
    each fetched into ``folder`` unless that version of it lies there already.

    Raises ValueError when the file system's package is missing, and OSError when fetching fails.
    """
    import fsspec  # not for those who have all files on their disk

    protocol = address.split("://", 1)[0]
    try:
        system, root = fsspec.core.url_to_fs(address)
    except (ImportError, ValueError) as error:
        extra = _EXTRAS.get(protocol)
        cure = f' Install it with: pip install "tamis[{extra}]".' if extra else ""
        raise ValueError(f"{protocol}:// cannot be read ({error}).{cure}") from error
    magic = any(sign in root for sign in "*?[")
    if magic:
        names = [name for name in system.glob(root) if not system.isdir(name)]
    elif system.isdir(root):
        names = system.find(root)
    else:
        names = [root] if system.exists(root) else []
    start = PurePosixPath(root) if not magic and system.isdir(root) else _fixed_part(root)
    files = {}
    for name in sorted(names):
        version = f"{protocol}\0{name}\0{system.checksum(name)}"
        digest = hashlib.blake2b(version.encode(), digest_size=16).hexdigest()
        target = folder / digest / PurePosixPath(name).name
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            partial = target.with_name(f".{target.name}.partial")
            system.get_file(name, str(partial))
            partial.replace(target)
        files[PurePosixPath(name).relative_to(start).as_posix()] = target
    return files


def _fixed_part(root: str) -> PurePosixPath:
    """The folder above the first step with a wildcard, or above the file."""
    steps = PurePosixPath(root).parts
    for index, step in enumerate(steps):
        if any(sign in step for sign in "*?["):
            return PurePosixPath(*steps[:index])
    return PurePosixPath(root).parent
