"""ORIGINS.tsv, which says of every document where it comes from, and the table at the end."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, field
from pathlib import Path

from tamis.sample.archive import Member
from tamis.sample.catalog import Distribution
from tamis.sample.documents import Document, size

HTML = "HTML pages"
COLUMNS = ("file", "record", "package", "version", "path", "licence", "sha256", "note")


@dataclass(frozen=True, order=True)
class Origin:
    """One line of ORIGINS.tsv. `sha256` is of the document's text, or of the file's bytes."""

    file: str
    record: str
    package: str
    version: str
    path: str
    licence: str
    sha256: str
    note: str = ""

    @classmethod
    def of_file(cls, file: str, origin: Distribution, member: Member, record: str = "") -> "Origin":
        """A file taken over byte for byte, as a file or as the payload of a record."""
        sha256 = hashlib.sha256(member.data).hexdigest()
        return cls(file, record, origin.name, origin.version, member.path, origin.licence, sha256)

    @classmethod
    def of_record(cls, file: str, document: Document) -> "Origin":
        """A document written to `file`; a planted one says so in `note`."""
        origin = document.origin
        planted = document.extra.get("planted_from")
        return cls(
            file=file,
            record=origin.locator(document.path),
            package=origin.name,
            version=origin.version,
            path=document.path,
            licence=origin.licence,
            sha256=document.sha256,
            note=f"planted contamination: {planted}" if planted else "",
        )


def write_origins(path: Path, origins: Iterable[Origin]) -> None:
    """Write the table, sorted, with a header line."""
    rows = ["\t".join(COLUMNS), *("\t".join(astuple(origin)) for origin in sorted(origins))]
    path.write_text("\n".join(rows) + "\n", "utf-8")


@dataclass
class Summary:
    """How much every source holds. The bytes of `web` are HTML, of all others text."""

    rows: list[tuple[str, str, int, int, str]] = field(default_factory=list)

    def add(self, source: str, form: str, documents: int, n_bytes: int, holds: str) -> None:
        """Add a source: its format, number of documents, bytes, and what it holds."""
        self.rows.append((source, form, documents, n_bytes, holds))

    def add_documents(self, source: str, form: str, documents: Sequence[Document]) -> None:
        """Add a source of documents; counts its packages, locales and planted threads."""
        holds = f"{len({document.origin.file for document in documents})} packages"
        locales = {document.extra["locale"] for document in documents if "locale" in document.extra}
        planted = sum("planted" in document.extra for document in documents)
        holds += f", {len(locales)} locales" if locales else ""
        holds += f", {planted} planted" if planted else ""
        self.add(source, form, len(documents), sum(size(d.text) for d in documents), holds)

    def as_dict(self) -> dict[str, dict[str, str | int]]:
        """The table as data, by source."""
        return {
            source: {"format": form, "documents": documents, "bytes": n_bytes, "holds": holds}
            for source, form, documents, n_bytes, holds in self.rows
        }

    def table(self) -> str:
        """The table as text."""
        lines = [f"{'source':<14}{'format':<13}{'documents':>10}{'MB':>8}  holds"]
        for source, form, documents, n_bytes, holds in self.rows:
            lines.append(f"{source:<14}{form:<13}{documents:>10,}{n_bytes / 1e6:>8.1f}  {holds}")
        documents = sum(row[2] for row in self.rows)
        text = sum(row[3] for row in self.rows if row[4] != HTML) / 1e6
        lines.append(f"{'total':<27}{documents:>10,}{text:>8.1f}  without the HTML")
        return "\n".join(lines)
