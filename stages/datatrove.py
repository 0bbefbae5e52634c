"""Any datatrove filter as a map stage, so that filters which exist already need no rewriting."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import field_validator, model_validator

from manifests.schema import KEEP
from pipeline.stage import Batch, Stage, StageConfig, Verdicts, setting
from pipeline.task import Json
from stages.kind import KINDS

if TYPE_CHECKING:
    from datatrove.pipeline.filters.base_filter import BaseFilter

_INSTALL = "pip install datatrove (its English word filters also need: pip install spacy)"
UNNAMED = "filter"
"""The reason where a filter returns no word for one."""


class DatatroveConfig(StageConfig):
    """Which filter, made with which arguments, is asked about which kinds of documents."""

    filter: str = setting(
        about="The filter's class, <module>:<class>, such as"
        " datatrove.pipeline.filters:GopherQualityFilter"
    )
    arguments: dict[str, Any] = setting(
        default_factory=dict, about="Arguments of the class by name; JSON values"
    )
    kinds: tuple[str, ...] | None = setting(
        None,
        about="Kinds that the filter is asked about; others are kept unasked. null: every document."
        " Needs the stage kind before this one",
    )

    @field_validator("kinds")
    @classmethod
    def _known_kinds(cls, kinds: tuple[str, ...] | None) -> tuple[str, ...] | None:
        unknown = sorted(set(kinds or ()) - set(KINDS))
        if unknown:
            raise ValueError(f"there is no kind {', '.join(unknown)}. Kinds: {', '.join(KINDS)}.")
        return kinds

    @model_validator(mode="after")
    def _filter_can_be_made(self) -> DatatroveConfig:
        try:
            text = json.dumps(self.arguments, sort_keys=True)
        except (TypeError, ValueError) as error:
            raise ValueError(f"arguments must be JSON values: {error}") from error
        datatrove_filter(self.filter, text)
        return self


@lru_cache(maxsize=32)
def datatrove_filter(name: str, arguments: str) -> BaseFilter:
    """The filter ``<module>:<class>`` made with arguments (a JSON object), once a process.

    Raises ValueError when datatrove or the filter's own needs are not installed, when there is no
    such class, when it is no datatrove filter, or when it does not take the arguments.
    """
    module_name, _, class_name = name.partition(":")
    if not module_name or not class_name:
        raise ValueError(
            f"filter: {name!r} names no class. Write <module>:<class>, such as"
            " datatrove.pipeline.filters:GopherQualityFilter."
        )
    try:
        from datatrove.pipeline.filters.base_filter import BaseFilter
    except ImportError as error:
        raise ValueError(f"filter: datatrove cannot be imported ({error}). {_INSTALL}") from error
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise ValueError(
            f"filter: {module_name} cannot be imported ({error}). {_INSTALL}"
        ) from error
    made = getattr(module, class_name, None)
    if not isinstance(made, type) or not issubclass(made, BaseFilter):
        known = sorted(
            key
            for key, value in vars(module).items()
            if isinstance(value, type) and issubclass(value, BaseFilter) and value is not BaseFilter
        )
        what = "there is no such class" if made is None else "it is no datatrove BaseFilter"
        raise ValueError(
            f"filter: {name}: {what}. Filters in {module_name}: {', '.join(known) or 'none'}."
        )
    try:
        return made(**json.loads(arguments))
    except ImportError as error:
        raise ValueError(f"filter: {class_name} needs a package ({error}). {_INSTALL}") from error
    except TypeError as error:
        raise ValueError(f"arguments: {class_name} does not take them: {error}") from error


class DatatroveFilter(Stage[DatatroveConfig]):
    """Asks a datatrove filter about each document; ``reason`` is its answer.

    The filter sees ``text``, ``id`` (the locator) and ``metadata``. Edits that a filter makes to
    the text (C4QualityFilter removes lines) are not taken over: stages annotate, shards edit. A
    filter that draws at random (SamplerFilter) must be given a seed, and answers by the order of
    its calls: do not use it where the same bytes are wanted.
    """

    name: ClassVar[str] = "datatrove"
    version: ClassVar[int] = 1
    libraries = ("datatrove",)
    Config: ClassVar[type[StageConfig]] = DatatroveConfig
    summary: ClassVar[str] = "runs any datatrove filter"
    document_columns: ClassVar[tuple[str, ...]] = ("text", "locator", "url", "metadata")
    may_read: ClassVar[tuple[str, ...]] = ("kind.kind",)
    columns: ClassVar[pa.Schema] = pa.schema([pa.field("reason", pa.string())])

    def measured_config(self) -> dict[str, Json]:
        """The settings, and the source of the filter's module: what a user's own filter does may
        change without any version changing."""
        module = importlib.import_module(self.config.filter.partition(":")[0])
        source = inspect.getsource(module).encode()
        digest = hashlib.blake2b(source, digest_size=16).hexdigest()
        return {**super().measured_config(), "source": digest}

    def annotate(self, batch: Batch) -> pa.Table:
        """``keep``, or the filter's word for why not (``filter`` where it has none).

        Raises ValueError when ``kinds`` is set and the recipe has no kind stage before this one,
        and RuntimeError when the filter finds at work that a package is missing.
        """
        # Deferred: datatrove takes half a second to import, and only this stage needs it.
        from datatrove.data import Document

        config = self.config
        chosen = datatrove_filter(config.filter, json.dumps(config.arguments, sort_keys=True))
        reasons = [KEEP] * batch.table.num_rows
        rows = self._asked(batch.table)
        records = batch.table.select(self.document_columns).take(pa.array(rows, pa.int64()))
        for row, record in zip(rows, records.to_pylist(), strict=True):
            metadata = json.loads(record["metadata"]) if record["metadata"] else {}
            if record["url"] is not None:
                metadata.setdefault("url", record["url"])
            document = Document(text=record["text"], id=record["locator"], metadata=metadata)
            try:
                answer = chosen.filter(document)
            except ImportError as error:
                raise RuntimeError(
                    f"stage {self.name}: {config.filter} needs a package ({error}). {_INSTALL}"
                ) from error
            passed, reason = answer if isinstance(answer, tuple) else (answer, None)
            if not passed:
                reasons[row] = str(reason or UNNAMED)
        return pa.table([pa.array(reasons, pa.string())], schema=self.columns)

    def _asked(self, table: pa.Table) -> list[int]:
        kinds = self.config.kinds
        if kinds is None:
            return list(range(table.num_rows))
        if "kind.kind" not in table.column_names:
            raise ValueError(
                f"stage {self.name}: `kinds` is set, but no stage `kind` comes before it."
                " Add it to the recipe, or remove `kinds`."
            )
        asked = pc.is_in(table["kind.kind"].cast(pa.string()), pa.array(kinds, pa.string()))
        rows: list[int] = np.flatnonzero(asked.to_numpy()).tolist()
        return rows

    def decide(self, annotations: pa.Table) -> Verdicts:
        """Drops what the filter did not keep, as ``datatrove.<reason>``."""
        reason = annotations["reason"]
        named = pc.binary_join_element_wise("datatrove", reason, ".")
        verdict = pc.if_else(pc.equal(reason, KEEP), KEEP, named)
        nothing = pa.nulls(len(reason), pa.float64())
        return Verdicts(verdict.combine_chunks().cast(pa.string()), nothing, nothing)
