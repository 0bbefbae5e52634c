"""Corpora that were built earlier, for ``against``: their signatures, without their texts.

``near_dedupe`` publishes ``signatures/near_dedupe.json`` in its workspace: where the sketches of
its parts lie, and which documents it removed. A later build of other sources takes these sketches
over, without the removed documents, as sketches of documents that come before all new ones.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from pipeline.corpus import Corpus, External
from pipeline.fingerprint import sha256_of_file
from pipeline.task import Json, Receipt, Task, TaskRun
from stages.dedupe.order import save_order
from stages.dedupe.outcomes import DECISIONS_FILE
from stages.dedupe.stored import load, save

SIGNATURES_FILE = "signatures.json"
_FORMAT = 2
"""Of the files of sketches, and of how tokens and shingles are hashed: a change of either makes
signatures that cannot be compared with older ones, and is another number."""


def published_as(stage: str) -> str:
    """The name in the workspace under which a stage's signatures are published."""
    return f"signatures/{stage}.json"


def signatures_path(corpus: str) -> str:
    """The file of an earlier corpus, given as its workspace or as the file itself."""
    if corpus.endswith(".json"):
        return corpus
    return f"{corpus.rstrip('/')}/{published_as('near_dedupe')}"


def signatures_task(
    corpus: Corpus,
    sketched: Mapping[str, Json],
    sketches: Sequence[Receipt],
    decisions: Sequence[Receipt],
) -> Task:
    """The task that writes ``signatures.json``. ``sketched`` is what two sketches must share to be
    compared."""
    pairs = zip(sketches, decisions, strict=False)
    return corpus.task(
        "stages.dedupe.earlier:write_signatures",
        "signatures",
        {
            "format": _FORMAT,
            "sketched": dict(sketched),
            "parts": [[sketch.output, decision.output] for sketch, decision in pairs],
        },
        label="list of signatures",
    )


def write_signatures(run: TaskRun) -> Json:
    """Writes where the signatures of a corpus lie, relative to its workspace."""
    text = json.dumps(dict(run.arguments), sort_keys=True, indent=1)
    (run.output / SIGNATURES_FILE).write_text(text + "\n")
    return {"parts": len(run.arguments["parts"])}


def earlier_tasks(
    corpus: Corpus, external: External, sketched: Mapping[str, Json], words: int
) -> list[Task]:
    """One task for each part of an earlier corpus, that takes its sketch over. ``words`` is the
    width of this corpus' survivor order.

    Raises ValueError, with the cure, when its signatures cannot be compared with this corpus'.
    """
    path = Path(external.location)
    try:
        content = json.loads(path.read_text())
        parts, theirs = content["parts"], content["sketched"]
        known = content["format"] == _FORMAT
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{corpus.stage}.against: {path} cannot be read ({error!r}). Name the workspace of a"
            " corpus whose recipe has near_dedupe, built by this version of tamis."
        ) from error
    root = next((f for f in path.resolve().parents if (f / "store").is_dir()), path.parent)
    if root == Path(corpus.store.root).resolve():
        raise ValueError(
            f"{corpus.stage}.against: {root} is this build's own workspace: all its"
            " documents would be found again, and each build would change the next. Name an"
            " earlier corpus, or build into another workspace (--workspace)."
        )
    if not known:
        raise ValueError(
            f"{corpus.stage}.against: signatures of {path} were made by another version of tamis"
            f" (format {content['format']} there, {_FORMAT} here). Build that corpus again."
        )
    unlike = {k: (theirs.get(k), v) for k, v in sketched.items() if theirs.get(k) != v}
    if unlike:
        shown = "; ".join(f"{key}: {a} there, {b} here" for key, (a, b) in sorted(unlike.items()))
        raise ValueError(
            f"{corpus.stage}.against: signatures of {path} were made otherwise ({shown})."
            " Set the same here, or build that corpus again."
        )
    return [
        corpus.task(
            "stages.dedupe.earlier:take_over",
            "earlier",
            {"corpus": external.sha256, "sketch": sketch, "decisions": decisions, "words": words},
            label="signatures of an earlier corpus",
            locations={"sketch": str(root / sketch), "decisions": str(root / decisions)},
        )
        for sketch, decisions in parts
    ]


def take_over(run: TaskRun) -> Json:
    """A sketch as ``rounds.sketch_part`` writes it, of the documents that near_dedupe kept there.

    In the survivor order they come before all documents of this corpus: their first word is 0.
    """
    sketch = Path(run.locations["sketch"])
    decisions = Path(run.locations["decisions"]) / DECISIONS_FILE
    _check(sketch)
    _check(decisions.parent)
    table = pq.read_table(decisions, columns=["row", "survivor"])
    removed = table["row"].to_numpy()[table["survivor"].is_valid().to_numpy()]
    kept = ~np.isin(load(sketch / "rows.npy")[:], removed)
    number = np.cumsum(kept) - 1
    index = load(sketch / "index.npy")[:]
    chosen = kept[index]
    save(run.output / "key.npy", load(sketch / "key.npy")[:][chosen])
    save(run.output / "index.npy", number[index[chosen]].astype(np.uint32))
    save(run.output / "minima.npy", load(sketch / "minima.npy")[:][kept])
    ids = np.empty((len(kept), 2), np.uint64)
    ids[load(sketch / "order_index.npy")[:]] = load(sketch / "order.npy")[:][:, -2:]
    documents = int(kept.sum())
    first = [np.zeros(documents, np.uint64) for _ in range(run.arguments["words"] - 2)]
    save_order(run.output, [*first, *(np.ascontiguousarray(ids[kept, n]) for n in (0, 1))])
    return {"documents": documents, "without_tokens": 0}


def _check(folder: Path) -> None:
    """Raises ValueError when a folder of the earlier workspace is not what its receipt says."""
    try:
        receipt = json.loads((folder / "receipt.json").read_text())
        whole = all(
            sha256_of_file(folder / name) == file["sha256"]
            for name, file in receipt["files"].items()
        )
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(
            f"{folder} of an earlier corpus is missing or damaged ({error})."
            " Build that corpus again, or leave it out of `against`."
        ) from error
    if not whole:
        raise ValueError(
            f"{folder} of an earlier corpus has changed since it was built."
            " Remove it and build that corpus again, or leave it out of `against`."
        )
