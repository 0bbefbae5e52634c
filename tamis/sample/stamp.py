"""The stamp that says which sample a folder holds, so that a second call has nothing to do."""

import json
import os
from collections.abc import Iterable
from pathlib import Path

STAMP = ".sample.json"


def files_under(directory: Path, names: Iterable[str]) -> dict[str, int]:
    """Size of every file below the named entries of `directory`, by relative path."""
    sizes: dict[str, int] = {}
    for name in sorted(names):
        entry = directory / name
        if entry.is_file():
            sizes[name] = entry.stat().st_size
        for folder, _, files in os.walk(entry):
            for file in files:
                path = Path(folder, file)
                sizes[path.relative_to(directory).as_posix()] = path.stat().st_size
    return dict(sorted(sizes.items()))


def write_stamp(directory: Path, fingerprint: str, names: list[str]) -> None:
    """Record that the entries `names` of `directory` are the sample of `fingerprint`."""
    stamp = {
        "fingerprint": fingerprint,
        "entries": names,
        "files": files_under(directory, names),
    }
    temporary = directory / f"{STAMP}.partial"
    temporary.write_text(json.dumps(stamp), "utf-8")
    temporary.replace(directory / STAMP)


def remove_stamp(directory: Path) -> None:
    """Forget what the folder holds, before it changes."""
    (directory / STAMP).unlink(missing_ok=True)


def is_current(directory: Path, fingerprint: str) -> bool:
    """Whether the folder holds exactly the files, by name and size, that were stamped."""
    try:
        stamp = json.loads((directory / STAMP).read_text("utf-8"))
        return bool(
            stamp["fingerprint"] == fingerprint
            and stamp["files"] == files_under(directory, stamp["entries"])
        )
    except (OSError, ValueError, KeyError):
        return False
