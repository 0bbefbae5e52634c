"""Where the ledgers of all parts lie, packed: a million parts have tens of millions of names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar, overload

from pipeline.corpus import ANNOTATIONS_FILE, VERDICTS_FILE

_BYTES = 16
"""Of a fingerprint, which names a ledger's folder."""
_FILES = {"annotations": ANNOTATIONS_FILE, "verdicts": VERDICTS_FILE}
T = TypeVar("T")


class LedgerNames:
    """Files of annotations and verdicts by stage and part, 16 bytes each. Parts are named in their
    order, one stage after the other."""

    def __init__(self) -> None:
        self._packed: dict[tuple[str, str], bytearray] = {}

    def add(self, folder: str) -> None:
        """Adds a ledger's folder, ``store/STAGE/ROLE/FINGERPRINT``, of the stage's next part."""
        stage, role, name = folder.removeprefix("store/").rsplit("/", 2)
        self._packed.setdefault((stage, role), bytearray()).extend(bytes.fromhex(name))

    def verdicts(self, part: int) -> list[str]:
        """Files of a part's verdicts, stage after stage."""
        return list(self._of("verdicts", part).values())

    def annotations(self, part: int) -> dict[str, str]:
        """Files of a part's annotations by stage."""
        return self._of("annotations", part)

    def _of(self, wanted: str, part: int) -> dict[str, str]:
        found = {}
        start = part * _BYTES
        for (stage, role), packed in self._packed.items():
            if role == wanted and start < len(packed):
                name = packed[start : start + _BYTES].hex()
                found[stage] = f"store/{stage}/{role}/{name}/{_FILES[role]}"
        return found


class ByPart(Sequence[T]):
    """What a function says of each of so many parts: made when it is asked for."""

    def __init__(self, told: Callable[[int], T], parts: int) -> None:
        self._told, self._parts = told, parts

    def __len__(self) -> int:
        return self._parts

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> list[T]: ...
    def __getitem__(self, index: int | slice) -> T | list[T]:
        """What is told of a part, counted from the end where it is negative, or of a slice."""
        parts = range(self._parts)[index]
        return self._told(parts) if isinstance(parts, int) else [self._told(p) for p in parts]
