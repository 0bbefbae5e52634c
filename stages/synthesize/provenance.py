"""The chain behind a synthetic document, as its metadata keep it: seed, steps, verdict, reward."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.task import Json
from stages.synthesize.completions import Sample
from stages.synthesize.prompts import Template

SYNTHESIS = "synthesis"
"""Key in the metadata of a document under which its chain stands."""


def step(
    made: str,
    template: Template,
    sample: Sample,
    model: Mapping[str, Json],
    sampling: Mapping[str, Json],
) -> dict[str, Json]:
    """One completion of a model: what was made (``question``, ``solution``, ``passage``, ``code``),
    by which template, model and sampling; ``key`` finds it among the recorded answers."""
    return {
        "made": made,
        "template": {"name": template.name, "sha256": template.sha256},
        "model": dict(model),
        "sampling": {**sampling, "sample": sample.sample},
        "key": sample.key,
        "tokens": sample.tokens,
        "finish": sample.finish,
    }


def provenance(
    maker: str,
    seed: Mapping[str, Json],
    steps: Sequence[Mapping[str, Json]],
    verdict: Mapping[str, Json] | None,
    **more: Json,
) -> dict[str, Json]:
    """The metadata of a synthetic document. ``seed`` has ``kind`` and ``id``; ``verdict`` is None
    where nothing was verified; ``more`` is what else is known (``reward``, ``sandbox``), without
    what is None."""
    chain = {"maker": maker, "seed": dict(seed), "steps": [dict(one) for one in steps]}
    told = {"verdict": None if verdict is None else dict(verdict), **more}
    return {SYNTHESIS: chain | {key: value for key, value in told.items() if value is not None}}
