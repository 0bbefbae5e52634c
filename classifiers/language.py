"""Language identification with fastText's lid.176 (Joulin et al., arXiv 1607.01759, 1612.03651)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import fasttext

_PREFIX = "__label__"

UNDETERMINED = "und"
"""ISO 639-2's word for a text in no language that can be named."""


class Guess(NamedTuple):
    """The likeliest languages of one line, best first, with their probabilities."""

    languages: tuple[str, ...]
    probabilities: tuple[float, ...]


class LanguageModel:
    """A fastText classifier whose labels are language codes; it answers for single lines."""

    def __init__(self, path: Path) -> None:
        """Loads the weights (lid.176.ftz: 0.9 MB, lid.176.bin: 126 MB).

        Raises FileNotFoundError when there is no such file, and ValueError when it is not a
        fastText model or its labels are no language codes.
        """
        if not path.is_file():
            raise FileNotFoundError(
                f"{path}: there is no language model. Set `model` of the language stage to the path"
                " of lid.176.ftz or lid.176.bin."
            )
        try:
            self._model: Any = fasttext.load_model(str(path))
        except ValueError as error:
            raise ValueError(f"{path}: not a fastText model ({error}).") from error
        labels: list[str] = self._model.get_labels()
        if not labels or not all(label.startswith(_PREFIX) for label in labels):
            raise ValueError(f"{path}: a fastText model without labels of languages.")
        self.languages: tuple[str, ...] = tuple(sorted(label[len(_PREFIX) :] for label in labels))
        """All codes that the model can give (ISO 639-1 where there is one, else 639-3)."""

    def identify(self, lines: Sequence[str], count: int = 2) -> list[Guess]:
        """The ``count`` likeliest languages of each line.

        A line must hold no newline: fastText reads to the first one. Lines without any known
        character n-gram give an empty guess. Raises ValueError on a newline.
        """
        for number, line in enumerate(lines):
            if "\n" in line:
                raise ValueError(f"line {number} holds a newline; replace newlines by spaces")
        if not lines:
            return []
        # The model's own batch call: one trip into C++ instead of one for every line.
        labels, probabilities = self._model.f.multilinePredict(
            [f"{line}\n" for line in lines], count, 0.0, "strict"
        )
        return [
            Guess(
                tuple(label[len(_PREFIX) :] for label in line_labels),
                tuple(min(1.0, float(probability)) for probability in line_probabilities),
            )
            for line_labels, line_probabilities in zip(labels, probabilities, strict=True)
        ]


@lru_cache(maxsize=2)
def language_model(path: Path) -> LanguageModel:
    """The model at a path, loaded once a process."""
    return LanguageModel(path)
