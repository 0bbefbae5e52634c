"""Tasks that look for seeds in the documents of the corpus, a part each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from pipeline.corpus import Corpus
from pipeline.task import Json, Task


class SeedsConfig(Protocol):
    """Settings of seeds from documents, whatever is looked for in them."""

    @property
    def sources(self) -> Sequence[str]:
        """The sources to look in; empty: all of them."""
        ...

    def model_dump(self, *, mode: str) -> dict[str, Json]:
        """The settings as JSON."""
        ...


def seed_tasks(
    corpus: Corpus,
    seeds: SeedsConfig | None,
    function: str,
    name: str,
    more: Mapping[str, Json] | None = None,
) -> list[Task]:
    """A task of ``function`` for every part of the seeds' sources, with the arguments ``view``,
    ``source``, ``seeds`` and ``more``; none without settings.

    Raises ValueError for a source that has no documents.
    """
    if seeds is None:
        return []
    known = list(dict.fromkeys(part.source for part in corpus.parts))
    for source in seeds.sources:
        if source not in known:
            raise ValueError(
                f"seeds.sources: there is no source `{source}` with documents to take seeds from."
                f" Sources that have some: {', '.join(known) or 'none'}."
            )
    return [
        corpus.task(
            function,
            name,
            {
                "view": corpus.view(part),
                "source": part.source,
                "seeds": seeds.model_dump(mode="json"),
                **(more or {}),
            },
            documents=part.rows,
        )
        for part in corpus.parts
        if not seeds.sources or part.source in seeds.sources
    ]
