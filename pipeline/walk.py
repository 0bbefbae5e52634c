"""The one way through a recipe, for building and for planning: rounds, chains, counts, in order."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline.annotate import Link, chain_task, plan_link
from pipeline.catalog import Catalog
from pipeline.corpus import ANNOTATIONS_FILE, VERDICTS_FILE, Corpus, External, Part
from pipeline.count import COUNTS_FILE, COUNTS_PER_SUM
from pipeline.draft import Place
from pipeline.file_list import FileList
from pipeline.ledger_names import ByPart, LedgerNames
from pipeline.libraries import library_versions
from pipeline.recipe import Entry, Maker, Recipe
from pipeline.source import InputFile, Made, Synthesis
from pipeline.stage import Artefacts, Stage, external_places
from pipeline.store import Store
from pipeline.task import Json, Receipt, Task

PARTS_AT_ONCE = 16_384
"""Parts that are annotated, or counted, in one step. Its tasks and receipts are all in memory: some
kB a part. Nothing else depends on it."""


@dataclass
class Walked:
    """What a walk found: everything that the manifest is written from."""

    parts: list[Part] = field(default_factory=list)
    ingested: dict[str, dict[str, Json]] = field(default_factory=dict)
    made: dict[str, dict[str, Json]] = field(default_factory=dict)
    quarantines: list[str] = field(default_factory=list)
    records: dict[str, Mapping[str, Json]] = field(default_factory=dict)
    published: dict[str, dict[str, Json]] = field(default_factory=dict)
    files: FileList = field(default_factory=FileList)
    counts: list[str] = field(default_factory=list)
    cube_keys: int = 0


@dataclass
class _Segment:
    """Neighbouring stages that are annotated in one task a part."""

    entries: list[Entry] = field(default_factory=list)
    links: list[list[Link]] = field(default_factory=list)


class Walk(ABC):
    """Goes through a recipe once. Subclasses say what happens to a step's tasks."""

    def __init__(
        self,
        recipe: Recipe,
        catalog: Catalog,
        store: Store,
        inputs: Mapping[str, Sequence[InputFile]],
        externals: Mapping[str, Mapping[str, External]],
    ) -> None:
        self.recipe = recipe
        self.catalog = catalog
        self.store = store
        self.inputs = inputs
        self.externals = externals
        self.walked = Walked()
        self.ledgers = LedgerNames()
        self.verdict_stages: list[str] = []
        self.artefacts: dict[str, Mapping[str, str]] = {}

    @abstractmethod
    def step(self, name: str, stages: list[str], tasks: list[Task]) -> list[list[Receipt]]:
        """Does the tasks of one step; returns their receipts in the tasks' order."""

    def walk(self) -> Walked:
        """All steps of the recipe, the counting of the cube last."""
        self._ingest()
        self._synthesize()
        segment = _Segment()
        for entry in self.recipe.entries:
            if entry.stage.needs_corpus and segment.entries:
                self._annotate(segment)
                segment = _Segment()
            artefacts = self._rounds(entry)
            self.artefacts[entry.name] = artefacts.shared
            self.walked.records[entry.name] = artefacts.record
            if len(entry.stage.columns):
                self._extend(segment, entry, artefacts)
        if segment.entries:
            self._annotate(segment)
        self._count()
        return self.walked

    def _ingest(self) -> None:
        tasks: list[Task] = []
        owners: list[str] = []
        for source in self.recipe.sources:
            try:
                of_source = self.recipe.ingest.tasks(source, self.inputs[source.name])
            except ValueError as error:
                raise self.recipe.fault(("sources", source.name), str(error)) from error
            libraries = library_versions(self.recipe.ingest.libraries)
            of_source = [replace(t, version=[t.version, libraries]) for t in of_source]
            tasks += of_source
            owners += [source.name] * len(of_source)
        totals = {source.name: _nothing() for source in self.recipe.sources}
        for owner, (receipt,) in zip(owners, self.step("ingest", ["ingest"], tasks), strict=True):
            self._take(receipt, owner, "ingest", totals[owner])
        if self.recipe.sources and not any(part.rows for part in self.walked.parts):
            nothing = self.recipe.fault(
                ("sources",), f"no document came out of them. {self._why_nothing(totals)}"
            )
            if self.walked.quarantines:
                aside = ", ".join(self.walked.quarantines)
                nothing.add_note(f"Record by record, in the workspace: {aside}.")
            raise nothing
        self.walked.ingested = {name: _in_order(total) for name, total in totals.items()}

    def _why_nothing(self, totals: Mapping[str, Mapping[str, Json]]) -> str:
        """What became of all records, with the first of them in full."""
        counts = [
            f"{name}: {reason} {count:,}"
            for name, total in totals.items()
            for reason, count in (total["quarantined"] | total["skipped"]).items()
        ]
        told = ", ".join(counts) or "No record was found in them"
        if not self.walked.quarantines:
            return f"{told}."
        with self.store.path(self.walked.quarantines[0]).open(encoding="utf-8") as lines:
            first = json.loads(lines.readline())
        detail = f"{first['locator']}: {first.get('detail') or first['reason']}".rstrip(".")
        return f"{told}. The first, {detail}."

    def _take(self, receipt: Receipt, source: str, step: str, total: dict[str, Json]) -> None:
        """Takes the parts that a task wrote into the corpus, and adds its counts to the total."""
        value = receipt.value
        for made in value["parts"]:
            path = receipt.path(made["file"])
            part = Part(len(self.walked.parts), path, source, made["rows"], made["text_bytes"])
            self.walked.parts.append(part)
            self._keep_file(step, part.index, "documents", receipt, made["file"], part.rows)
            total["documents"] += part.rows
            total["bytes"] += part.text_bytes
        total["records"] += value["records"]
        total["record_bytes"] += value["record_bytes"]
        for kind in ("quarantined", "skipped"):
            for reason, count in value[kind].items():
                total[kind][reason] = total[kind].get(reason, 0) + count
        for name in ("quarantine.jsonl", "skipped.jsonl"):
            if receipt.files.get(name, {}).get("bytes"):
                self.walked.quarantines.append(receipt.path(name))

    def _synthesize(self) -> None:
        """Every maker sees the parts that ingest wrote, and none of another maker's."""
        ingested = list(self.walked.parts)
        for maker in self.recipe.makers:
            made = self._make(maker, ingested)
            total = _nothing()
            for receipt in made.parts:
                self._take(receipt, maker.name, maker.name, total)
            self.walked.made[maker.name] = {**_in_order(total), "record": made.record}
        if not self.walked.parts:
            raise self.recipe.fault(
                ("synthesize",),
                f"no document was made, and there are no other sources: {self.walked.made}.",
            )

    def _make(self, maker: Maker, ingested: Sequence[Part]) -> Made:
        generator = maker.synthesis.rounds(self._corpus(maker.name, maker.synthesis, ingested))
        made: Made
        made, receipts = self._drive(maker.name, ("synthesize", maker.name), generator)
        self._publish(made.published, receipts)
        return made

    def _corpus(
        self, name: str, step: Stage[Any] | Synthesis[Any], parts: Sequence[Part]
    ) -> Corpus:
        """What the rounds of a stage or a maker may know. Makers come before all ledgers."""
        return Corpus(
            stage=name,
            version=[step.version, library_versions(step.libraries)],
            parts=parts,
            verdicts=ByPart(self.ledgers.verdicts, len(parts)),
            annotations=ByPart(self.ledgers.annotations, len(parts)),
            artefacts=dict(self.artefacts),
            externals=self.externals[name],
            recipe=self._told(),
            store=self.store,
        )

    def _told(self) -> dict[str, Json]:
        """What makers and stages may know of the recipe."""
        sources = [source.name for source in self.recipe.sources]
        return {
            "sources": [*sources, *(maker.name for maker in self.recipe.makers)],
            "stages": [entry.name for entry in self.recipe.entries],
        }

    def _rounds(self, entry: Entry) -> Artefacts:
        corpus = self._corpus(entry.name, entry.stage, self.walked.parts)
        generator = entry.stage.rounds(corpus)
        artefacts: Artefacts
        artefacts, receipts = self._drive(entry.name, ("stages", entry.name), generator)
        self._publish(artefacts.published, receipts)
        return artefacts

    def _drive(
        self, name: str, place: Place, rounds: Generator[list[Task], list[Receipt], Any]
    ) -> tuple[Any, dict[str, Receipt]]:
        """Does rounds of tasks to their end: what they return, and all receipts by output."""
        made: dict[str, Receipt] = {}
        try:
            tasks = next(rounds)
            while True:
                of_round = tasks[0].folder.rsplit("/", 1)[-1] if tasks else "nothing"
                receipts = self.step(f"{name}: {of_round}", [name], tasks)
                made |= {receipt.output: receipt for (receipt,) in receipts}
                tasks = rounds.send([receipt for (receipt,) in receipts])
        except StopIteration as end:
            return end.value, made
        except ValueError as error:
            raise self.recipe.fault(place, str(error)) from error

    def _publish(self, published: Mapping[str, str], made: Mapping[str, Receipt]) -> None:
        for name, path in published.items():
            output, _, file = path.rpartition("/")
            # the checksum that was taken when it was written: the file may be damaged by now
            self.walked.published[name] = {"artefact": path, **made[output].files[file]}

    def _extend(self, segment: _Segment, entry: Entry, artefacts: Artefacts) -> None:
        """Adds a stage to the chain: its ledger paths are known before anything runs."""
        checksums = self.externals[entry.name]
        externals = {
            ".".join(place): checksums[path].sha256
            for place, path in external_places(entry.stage.config)
        }
        if not segment.entries:
            segment.links = [[] for _ in self.walked.parts]
        segment.entries.append(entry)
        for part in self.walked.parts:
            link = plan_link(
                entry,
                part,
                artefacts,
                externals,
                self.ledgers.verdicts(part.index),
                self.ledgers.annotations(part.index),
            )
            segment.links[part.index].append(link)
            self.ledgers.add(link.annotations)
            if link.verdicts is not None:
                self.ledgers.add(link.verdicts)
        if entry.stage.drops:
            self.verdict_stages.append(entry.name)

    def _annotate(self, segment: _Segment) -> None:
        for start in range(0, len(self.walked.parts), PARTS_AT_ONCE):
            self._annotate_parts(segment, self.walked.parts[start : start + PARTS_AT_ONCE])

    def _annotate_parts(self, segment: _Segment, parts: Sequence[Part]) -> None:
        names = [entry.name for entry in segment.entries]
        dropping = sum(entry.stage.drops for entry in segment.entries)
        configs = {e.name: e.stage.config.model_dump(mode="json") for e in segment.entries}
        label = " + ".join(names)
        tasks = []
        for part in parts:
            verdicts = self.ledgers.verdicts(part.index)
            before = verdicts[: len(verdicts) - dropping]
            links = segment.links[part.index]
            tasks.append(chain_task(links, part, before, self.catalog.reference, label, configs))
        receipts = self.step(label, names, tasks)
        for part, of_part in zip(parts, receipts, strict=True):
            by_output = {receipt.output: receipt for receipt in of_part}
            for link in segment.links[part.index]:
                name = link.entry.name
                receipt = by_output.get(link.annotations)
                if receipt is not None:
                    self._keep_file(
                        name, part.index, "annotations", receipt, ANNOTATIONS_FILE, part.rows
                    )
                receipt = by_output.get(link.verdicts or "")
                if receipt is not None:
                    self._keep_file(name, part.index, "verdicts", receipt, VERDICTS_FILE, part.rows)
            segment.links[part.index] = []

    def _count(self) -> None:
        dimensions = [
            (column, entry.name)
            for entry in self.recipe.entries
            for column in entry.stage.dimensions
        ]
        measures = [
            (column, entry.name) for entry in self.recipe.entries for column in entry.stage.measures
        ]
        self.walked.cube_keys = 3 + len(dimensions)
        counts = []
        for start in range(0, len(self.walked.parts), PARTS_AT_ONCE):
            parts = self.walked.parts[start : start + PARTS_AT_ONCE]
            tasks = [self._count_task(part, dimensions, measures) for part in parts]
            counts += self._counted("count", tasks)
        while len(counts) > COUNTS_PER_SUM:
            groups = [counts[k : k + COUNTS_PER_SUM] for k in range(0, len(counts), COUNTS_PER_SUM)]
            counts = self._counted("count: sums", [self._sum(group) for group in groups])
        self.walked.counts = counts

    def _count_task(
        self, part: Part, dimensions: list[tuple[str, str]], measures: list[tuple[str, str]]
    ) -> Task:
        """The task that counts a part; columns are given with the stages that write them."""
        annotations = self.ledgers.annotations(part.index)
        verdicts = zip(self.verdict_stages, self.ledgers.verdicts(part.index), strict=True)
        return Task(
            function="pipeline.count:count_part",
            folder="store/manifest/counts",
            version=[2, library_versions(())],
            arguments={
                "documents": part.documents,
                "verdicts": [[stage, path] for stage, path in verdicts],
                "dimensions": [[c, annotations[name]] for c, name in dimensions],
                "measures": [[c, annotations[name]] for c, name in measures],
            },
            label=f"counting of {part.documents}",
            work=part.text_bytes,
            documents=part.rows,
        )

    def _counted(self, name: str, tasks: list[Task]) -> list[str]:
        receipts = self.step(name, ["manifest"], tasks)
        return [receipt.path(COUNTS_FILE) for (receipt,) in receipts]

    def _sum(self, counts: list[str]) -> Task:
        return Task(
            function="pipeline.count:add_counts",
            folder="store/manifest/sums",
            version=[1, library_versions(())],
            arguments={"counts": counts, "keys": self.walked.cube_keys},
            label=f"sum of {len(counts)} counts",
        )

    def _keep_file(
        self, stage: str, part: int, role: str, receipt: Receipt, name: str, rows: int
    ) -> None:
        checked: Mapping[str, Any] = receipt.files[name]
        size, sha256 = checked["bytes"], checked["sha256"]
        self.walked.files.add((stage, part, role, receipt.path(name), rows, size, sha256))


def _nothing() -> dict[str, Json]:
    """Counts of a source before anything was read or made."""
    counts = dict.fromkeys(("records", "record_bytes", "documents", "bytes"), 0)
    return {**counts, "quarantined": {}, "skipped": {}}


def _in_order(total: Mapping[str, Json]) -> dict[str, Json]:
    """Counts with their reasons sorted."""
    return {k: dict(sorted(v.items())) if isinstance(v, dict) else v for k, v in total.items()}
