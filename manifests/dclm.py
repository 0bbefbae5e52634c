"""Datasets of DCLM (DataComp-LM, arXiv 2406.11794): the JSON files under ``exp_data/datasets``.

Such a file names a dataset, its parents, its tokenizer and the commit that made it. Of numbers it
has ``num_tokens`` and ``size``, the stored bytes; no documents, and nothing by step or group.
"""

from __future__ import annotations

from manifests.outline import TOKENS, Outline
from manifests.schema import Json

_KEYS = {"uuid", "name", "creation_date", "tokenized", "size", "num_tokens", "sources"}
_ENOUGH = 5
"""Of these keys, how many make a file one of DCLM's: not all writers wrote all."""
_COUNTS = {"num_tokens": TOKENS, "size": "bytes as stored by DCLM"}
_FACTS = {"tokenizer": "tokenizer", "dcnlp_commit_hash": "commit of the DCLM code"}


def is_dclm(content: Json) -> bool:
    """Whether a JSON value is a dataset of DCLM."""
    if not isinstance(content, dict) or "uuid" not in content:
        return False
    return len(_KEYS & content.keys()) >= _ENOUGH


def read_dclm(content: Json) -> Outline:
    """The outline of a dataset. A parent that is named twice is read twice."""
    sources = content.get("sources")
    named = [sources] if isinstance(sources, str) else sources or []
    missing = ["a DCLM file counts no documents, and nothing by step, source or group"]
    missing += [f"says no {key}" for key in _COUNTS if content.get(key) is None]
    if content.get("dcnlp_diff"):
        missing.append("was made by code with changes that its commit does not have")
    return Outline(
        str(content["name"]),
        "DCLM",
        {told: int(content[key]) for key, told in _COUNTS.items() if content.get(key) is not None},
        {told: str(content[key]) for key, told in _FACTS.items() if content.get(key)},
        tuple(str(one["name"]) if isinstance(one, dict) else str(one) for one in named),
        (),
        tuple(missing),
    )
