"""A PEP 517 build backend that builds nothing: it hands out the metadata a sdist carries.

`pip download` asks a source distribution's build backend for metadata before it saves the file. For
the sample only the file is wanted, so this module is put in the place of the usual backends (see
`download.py`): no code of the downloaded project runs, no build requirement is fetched, and no
compiler is needed. It imports nothing of tamis: pip runs it in a process of its own.
"""

from pathlib import Path
from typing import NoReturn


def prepare_metadata_for_build_wheel(
    metadata_directory: str, config_settings: dict[str, str] | None = None
) -> str:
    """Copy PKG-INFO, which every sdist has, to a .dist-info folder and return its name."""
    metadata = Path("PKG-INFO").read_bytes()
    fields: dict[str, str] = {}
    for line in metadata.decode("utf-8", "replace").splitlines():
        if not line.strip():
            break
        key, colon, value = line.partition(": ")
        if colon:
            fields.setdefault(key, value.strip())
    folder = f"{fields['Name'].replace('-', '_')}-{fields['Version']}.dist-info"
    target = Path(metadata_directory, folder)
    target.mkdir()
    target.joinpath("METADATA").write_bytes(metadata)
    return folder


def get_requires_for_build_wheel(config_settings: dict[str, str] | None = None) -> list[str]:
    """No requirements: nothing is built."""
    return []


def build_wheel(
    wheel_directory: str,
    config_settings: dict[str, str] | None = None,
    metadata_directory: str | None = None,
) -> NoReturn:
    """Refuse: the sample only reads source distributions."""
    raise RuntimeError("tamis.sample downloads source distributions and never builds them")


class Legacy:
    """What `setuptools.build_meta:__legacy__` stands for, for sdists without pyproject.toml."""

    prepare_metadata_for_build_wheel = staticmethod(prepare_metadata_for_build_wheel)
    get_requires_for_build_wheel = staticmethod(get_requires_for_build_wheel)
    build_wheel = staticmethod(build_wheel)


__legacy__ = Legacy()
