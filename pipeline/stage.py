"""What a stage is: a frozen config, the columns it writes, and pure functions over them.

Three hooks, called in this order:

1. ``rounds`` yields lists of tasks and is sent their receipts. A stage whose rounds do not look at
   the documents (a model to check, an index to build) leaves ``needs_corpus`` False; a global stage
   (deduplication, balancing) sets it. It returns ``Artefacts``.
2. ``annotate`` measures one batch of living documents, row by row, and returns its columns.
3. ``decide`` reads the annotations of one whole part and gives every row a verdict.

The pipeline keeps dropped documents away from later stages, scatters results back to whole parts,
writes the ledger, and decides what is up to date. A stage never writes a ledger itself.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

from manifests.schema import KEEP
from pipeline.task import Json

if TYPE_CHECKING:
    from pipeline.corpus import Corpus
    from pipeline.draft import Place
    from pipeline.task import Receipt, Task


class StageConfig(BaseModel):
    """Base of every stage's config: frozen, unknown keys are errors, defaults are checked."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


def setting(default: Any = ..., *, about: str, source: str | None = None, **rules: Any) -> Any:
    """A config field that changes what a stage measures. ``source`` says where the default is from.

    ``rules`` are pydantic's (``ge``, ``le``, ``default_factory`` …).
    """
    return _field(default, about, source, kind="setting", rules=rules)


def threshold(default: Any = ..., *, about: str, source: str | None = None, **rules: Any) -> Any:
    """A config field that only ``decide`` reads: changing it never measures anything again."""
    return _field(default, about, source, kind="threshold", rules=rules)


def file_setting(default: Any = ..., *, about: str, what: str = "file", **rules: Any) -> Any:
    """A config field that holds the path of a file or folder outside the workspace (a string, or
    None), relative to the recipe. Its checksum is fingerprinted, its path is not; ``rounds`` finds
    both in ``corpus.externals[<the path as written>]``. ``what`` is what there is none of, when
    nothing lies there."""
    return _field(default, about, None, kind="file", rules=rules, what=what)


def _field(
    default: Any, about: str, source: str | None, kind: str, rules: dict[str, Any], **more: str
) -> Any:
    description = f"{about} Source: {source}." if source else about
    extra: dict[str, Any] = {"kind": kind, **more}
    if "default_factory" in rules:
        return Field(description=description, json_schema_extra=extra, **rules)
    return Field(default, description=description, json_schema_extra=extra, **rules)


@dataclass(frozen=True)
class Artefacts:
    """What a stage's rounds made, as paths relative to the workspace (each holds a fingerprint).

    ``shared`` goes to every part, ``per_part[name][i]`` to part ``i`` alone. ``record`` is what the
    manifest says about the stage beyond its counts: models with checksums, report cards, mixtures.
    It must hold no times, host names or machine paths. ``published`` are files for people: names
    in the workspace (``shards/shard-00000-of-00002.arrow``) to the artefact behind each.
    """

    shared: Mapping[str, str] = field(default_factory=dict)
    per_part: Mapping[str, Sequence[str]] = field(default_factory=dict)
    record: Mapping[str, Json] = field(default_factory=dict)
    published: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Batch:
    """Living documents of one part, given to ``annotate``.

    ``table`` holds the document columns in ``Stage.read_columns()`` and the annotation columns
    in ``Stage.reads`` (named ``stage.column``). ``rows`` are row numbers within the part (int64).
    ``artefacts`` maps artefact names to absolute paths of directories or files. ``cuts``, for a
    stage that ``reads_cuts``, are spans of the texts that earlier stages cut (``cuts.SPANS``, one
    row a document); None when none of them cuts.
    """

    table: pa.Table
    rows: np.ndarray[Any, np.dtype[np.int64]]
    artefacts: Mapping[str, Path]
    cuts: pa.ListArray | None = None


@dataclass(frozen=True)
class Verdicts:
    """Decisions on all rows: a reason or ``keep``, the score compared and the threshold used.

    ``cuts`` (``schema.CUTS``) are spans to take out of documents that are kept, from stages that
    declare ``cuts``. What they say of dropped rows is ignored.
    """

    verdict: pa.Array
    score: pa.Array
    threshold: pa.Array
    cuts: pa.ListArray | None = None

    @staticmethod
    def keep_all(rows: int) -> Verdicts:
        """Every row is kept, on no score."""
        nothing = pa.nulls(rows, pa.float64())
        return Verdicts(pa.array([KEEP] * rows, pa.string()), nothing, nothing)

    @staticmethod
    def drop_where(
        dropped: pa.Array,
        reason: str,
        score: pa.Array | None = None,
        threshold: float | None = None,
    ) -> Verdicts:
        """Rows where ``dropped`` (boolean) is true get ``reason``; null counts as false."""
        rows = len(dropped)
        verdict = pc.if_else(pc.fill_null(dropped, False), pa.scalar(reason), pa.scalar(KEEP))
        compared = pa.nulls(rows, pa.float64()) if score is None else pc.cast(score, pa.float64())
        return Verdicts(verdict, compared, pa.array([threshold] * rows, pa.float64()))


C = TypeVar("C", bound=StageConfig)


class Stage(ABC, Generic[C]):
    """One step of the recipe. Instances are cheap and stateless; models are cached by path."""

    name: ClassVar[str]
    """The stage's word in recipes, ledgers and on the command line."""
    version: ClassVar[int]
    """Raised whenever the output for the same input would change."""
    Config: ClassVar[type[StageConfig]]
    """The config class of the stage."""
    summary: ClassVar[str]
    """One line for ``tamis --help``."""
    document_columns: ClassVar[tuple[str, ...]] = ("text",)
    """Columns of the documents that ``annotate`` may read."""
    reads: ClassVar[tuple[str, ...]] = ()
    """Annotations of earlier stages that it cannot do without: ``stage.column``."""
    may_read: ClassVar[tuple[str, ...]] = ()
    """Annotations that it uses when the recipe has the stage, and does without otherwise."""
    columns: ClassVar[pa.Schema] = pa.schema([])
    """Its annotation columns, without ``id``. Empty: the stage annotates nothing (a sink)."""
    dimensions: ClassVar[tuple[str, ...]] = ()
    """Annotation columns (strings) that the manifest counts by, such as ``language``."""
    measures: ClassVar[tuple[str, ...]] = ()
    """Annotation columns (numbers) that the manifest adds up, such as ``n_tokens``."""
    libraries: ClassVar[tuple[str, ...]] = ()
    """Distributions whose version may change the output: part of every fingerprint, and a cause
    that ``diff`` names. ``unicode`` stands for Python's tables of characters."""
    drops: ClassVar[bool] = True
    """Whether ``decide`` may drop documents. Without it no verdicts are written."""
    cuts: ClassVar[bool] = False
    """Whether ``decide`` may give cuts: spans that are taken out when tokens are made. A stage that
    cuts also ``drops``, since a document may have nothing left."""
    reads_cuts: ClassVar[bool] = False
    """Whether ``annotate`` wants the cuts of the stages before it (``Batch.cuts``)."""
    needs_corpus: ClassVar[bool] = False
    """Whether ``rounds`` reads documents or ledgers, so that all parts must be ready before it."""

    def __init__(self, config: C) -> None:
        self.config = config

    def needs_stages(self) -> tuple[str, ...]:
        """Names of stages that must stand before it in a recipe; checked before anything runs."""
        return tuple(dict.fromkeys(column.split(".", 1)[0] for column in self.reads))

    def read_columns(self) -> tuple[str, ...]:
        """Columns of the documents that ``annotate`` reads under its config. Without ``text`` it is
        given all documents of a part at once, and the texts are not read for its sake."""
        return self.document_columns

    def may_cut(self) -> bool:
        """Whether it cuts under its config. A stage that cuts must stand before those that read
        cuts."""
        return self.cuts

    def faults(self, above: Mapping[str, Stage[Any]]) -> list[tuple[Place, str]]:
        """What is wrong with its config, given the stages above it in the recipe, by name: a column
        that none of them writes, for one. Places are those in the config. Asked before anything
        runs, once the stages above have no faults; told instead of stages that are missing."""
        return []

    def named_sources(self) -> list[tuple[Place, str]]:
        """Sources that its config names: where in it, and the name. A recipe that has no such
        source is told so before anything runs."""
        return []

    def rounds(self, corpus: Corpus) -> Generator[list[Task], list[Receipt], Artefacts]:
        """Yields rounds of tasks, is sent their receipts in the tasks' order, returns artefacts.

        Must be deterministic: the same corpus and receipts give the same tasks. It runs in the
        driver, so it may look at receipts and small files only.
        """
        return Artefacts()
        yield

    def annotate(self, batch: Batch) -> pa.Table:
        """The annotation columns (``columns``) of a batch, one row a document, same order."""
        raise TypeError(f"stage {self.name} declares annotations but does not implement annotate()")

    def decide(self, annotations: pa.Table) -> Verdicts:
        """Verdicts on a part from its annotations alone. Rows of dropped documents are filtered
        out before and scattered back after by the pipeline."""
        return Verdicts.keep_all(annotations.num_rows)

    def measured_config(self) -> dict[str, Json]:
        """The config without the fields that only ``decide`` reads: the annotations' cache key."""
        return split_config(self.config)[0]

    def decision_config(self) -> dict[str, Json]:
        """The fields that only ``decide`` reads."""
        return split_config(self.config)[1]


def field_kind(info: FieldInfo) -> str:
    """``setting``, ``threshold`` or ``file``: how a config field was declared."""
    extra = info.json_schema_extra
    return str(extra.get("kind", "setting")) if isinstance(extra, dict) else "setting"


def split_config(config: BaseModel) -> tuple[dict[str, Json], dict[str, Json]]:
    """The config as JSON values, split into what is measured and what is decided; no file paths.

    A field that is itself a config, or a mapping or list of configs, is split field by field.
    """
    measured: dict[str, Json] = {}
    decided: dict[str, Json] = {}
    for name, info in type(config).model_fields.items():
        kind = field_kind(info)
        if kind == "file":
            continue
        value = getattr(config, name)
        if kind == "threshold":
            decided[name] = config.model_dump(mode="json", include={name})[name]
            continue
        inner_configs = _inner_configs(name, value)
        if not inner_configs:
            measured[name] = config.model_dump(mode="json", include={name})[name]
        for place, inner in inner_configs:
            key = ".".join(place)
            inner_measured, inner_decided = split_config(inner)
            measured[key] = inner_measured
            if inner_decided:
                decided[key] = inner_decided
    return measured, decided


def external_places(config: BaseModel) -> list[tuple[tuple[str, ...], str]]:
    """Every file that a config names: where in it (keys, nested configs included) and the path as
    written, in the order of fields."""
    found: list[tuple[tuple[str, ...], str]] = []
    for name, info in type(config).model_fields.items():
        value = getattr(config, name)
        if field_kind(info) == "file":
            found += [((name,), str(value))] if value is not None else []
            continue
        for step, inner in _inner_configs(name, value):
            found += [((*step, *place), path) for place, path in external_places(inner)]
    return found


def what_file(config: BaseModel, place: Sequence[str]) -> str:
    """What lies at a place of ``external_places``, in words: see ``file_setting``."""
    inner: Any = config
    for step in place[:-1]:
        if isinstance(inner, BaseModel):
            inner = getattr(inner, step)
        else:
            inner = inner[step] if isinstance(inner, Mapping) else inner[int(step)]
    return str(type(inner).model_fields[place[-1]].json_schema_extra["what"])


def identified_config(config: BaseModel, checksums: Mapping[str, str]) -> dict[str, Json]:
    """The config as JSON with the checksum of every file in the place of its path: what two
    recipes share when they mean the same, wherever their files lie. ``checksums`` maps paths as
    written to SHA-256."""
    content: dict[str, Json] = config.model_dump(mode="json")
    for place, path in external_places(config):
        here: Any = content
        for step in place[:-1]:
            here = here[int(step)] if isinstance(here, list) else here[step]
        here[place[-1]] = f"sha256:{checksums[path]}"
    return content


def external_files(config: BaseModel) -> list[str]:
    """Paths of the files that a config names, as written."""
    return [path for _, path in external_places(config)]


def _inner_configs(name: str, value: Any) -> list[tuple[tuple[str, ...], StageConfig]]:
    """Configs in a field: the value itself, or those in a mapping or sequence, with their keys."""
    if isinstance(value, StageConfig):
        return [((name,), value)]
    items: list[tuple[Any, Any]] = []
    if isinstance(value, Mapping):
        items = list(value.items())
    elif isinstance(value, Sequence) and not isinstance(value, str):
        items = list(enumerate(value))
    return [((name, str(key)), inner) for key, inner in items if isinstance(inner, StageConfig)]
