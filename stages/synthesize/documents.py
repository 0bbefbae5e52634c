"""The last round of every maker: candidates become documents, or are dropped for a reason."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.task import Json, TaskRun
from stages.synthesize.candidates import Candidate
from stages.synthesize.diversity import Diversity, DiversityConfig
from stages.synthesize.write import SyntheticWriter


def written(run: TaskRun, candidates: Sequence[Candidate]) -> Json:
    """Writes the documents, and what was dropped: what was verified and is new beside what stands
    before it, by the arguments ``source``, ``diversity`` and ``part_bytes``.

    Returns the counts of ``pipeline.source.Ingest``, how many candidates had no fault (``chosen``),
    and how many are documents (``kept``).
    """
    arguments = run.arguments
    writer = SyntheticWriter(run.output, arguments["source"], arguments["part_bytes"])
    diversity = Diversity(
        DiversityConfig(**arguments["diversity"]),
        [candidate.locator for candidate in candidates],
        [candidate.text for candidate in candidates],
    )
    for index, one in enumerate(candidates):
        fault = one.fault or diversity.take(index, one.seed, one.skill)
        if fault is None:
            writer.keep(one.locator, one.text, one.metadata)
        else:
            writer.drop(fault.reason, one.locator, one.text, one.metadata, fault.detail)
    value = writer.finish()
    kept = sum(part["rows"] for part in value["parts"])
    chosen = sum(candidate.fault is None for candidate in candidates)
    return {**value, "chosen": chosen, "kept": kept, "progress": {"kept": kept}}
