"""Stats of datatrove: ``stats.json`` of a pipeline's logging folder (datatrove.utils.stats).

A list of blocks, each with a name and metrics. A metric is a number, or an object with its
``total``. Filters count documents that came (``total``), went on (``forwarded``) and were dropped,
by reason (``dropped_<reason>``) where they give one; ``doc_len`` adds up the characters of texts.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

from manifests.outline import DOCUMENTS, Outline, Step
from manifests.schema import Json

CHARACTERS = "characters of text"
_TOKENS = "tokens counted by datatrove"
_REASON = "dropped_"


def is_stats(content: Json) -> bool:
    """Whether a JSON value is the stats of a pipeline."""
    return (
        isinstance(content, list)
        and bool(content)
        and all(isinstance(one, dict) and {"name", "stats"} <= one.keys() for one in content)
    )


def read_stats(content: Json, name: str) -> Outline:
    """The outline of a pipeline: what its last block that counts documents let pass."""
    steps = [_step(block["name"], block["stats"]) for block in content]
    numbers: dict[str, int] = {}
    for block, step in zip(content, steps, strict=True):
        if step.kept is None:
            continue
        numbers[DOCUMENTS] = step.kept
        for metric, told in (("doc_len", CHARACTERS), ("tokens", _TOKENS)):
            found = _total(block["stats"], metric)
            if found is not None:
                numbers[told] = found
    missing = ["datatrove counts characters, not bytes, and nothing by source or group"]
    if _TOKENS not in numbers:
        missing.append("has no block that counts tokens")
    if DOCUMENTS not in numbers:
        missing.append("has no block that counts documents")
    return Outline(name, "datatrove", numbers, {}, (), tuple(steps), tuple(missing))


def _step(name: str, stats: Mapping[str, Json]) -> Step:
    came, kept = _total(stats, "total"), _total(stats, "forwarded")
    lost = _total(stats, "dropped") or 0
    if kept is None and came is not None:
        kept = came - lost  # a writer forwards all that it is given, without counting it again
    if came is None:
        came = kept = _total(stats, "documents")  # a reader
    dropped = {
        metric.removeprefix(_REASON): _total(stats, metric) or 0
        for metric in stats
        if metric.startswith(_REASON)
    }
    unnamed = lost - sum(dropped.values())
    return Step(_plain(name), came, kept, {**dropped, **({"": unnamed} if unnamed > 0 else {})})


def _total(stats: Mapping[str, Json], metric: str) -> int | None:
    value = stats.get(metric)
    if isinstance(value, Mapping):
        value = value.get("total")
    return None if value is None else int(value)


def _plain(name: str) -> str:
    """A block's name without its pictures: ``FILTER: Gopher Repetition``."""
    told = "".join(c for c in name if unicodedata.category(c) not in ("So", "Mn", "Cf", "Sk"))
    return " ".join(told.split()).removeprefix("- ")
