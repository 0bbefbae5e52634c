"""A document of the sample, and how files become documents of a sensible size."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from tamis.sample.archive import Member
from tamis.sample.catalog import Distribution

# Longer texts are cut at blank lines; shorter ones carry nothing worth a document.
LONGEST_BYTES = 100_000
SHORTEST_BYTES = 300

Item = TypeVar("Item")


@dataclass(frozen=True)
class Document:
    """One document and where it came from.

    `path` is the file inside the distribution, with `:name` for a docstring and `#part=n` for a
    piece of a long file. `extra` goes to the record as further fields.
    """

    text: str
    origin: Distribution
    path: str
    kind: str
    timestamp: str | None = None
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def order(self) -> tuple[str, str]:
        """The place of the document in its file: by package, then by path."""
        return (self.origin.file, self.path)

    @property
    def sha256(self) -> str:
        """SHA-256 of the text in UTF-8."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def record(self) -> dict[str, str | None]:
        """The fields written to JSON lines and Parquet."""
        return {
            "text": self.text,
            "url": self.origin.locator(self.path),
            "timestamp": self.timestamp,
            "license": self.origin.licence,
            "package": self.origin.name,
            "version": self.origin.version,
            "path": self.path,
            "kind": self.kind,
            **self.extra,
        }


def size(text: str) -> int:
    """Bytes of the text in UTF-8."""
    return len(text.encode())


def split_text(text: str, longest: int = LONGEST_BYTES) -> list[str]:
    """Cut a text at blank lines into pieces of at most `longest` bytes, as few as possible.

    A single paragraph that is longer is cut at line ends, and a longer line between characters.
    The pieces joined by one blank line give the paragraphs of the text in order.
    """
    if size(text) <= longest:
        return [text]
    pieces: list[str] = []
    for paragraph in text.split("\n\n"):
        for block in fit(paragraph, longest):
            if pieces and size(pieces[-1]) + 2 + size(block) <= longest:
                pieces[-1] += "\n\n" + block
            else:
                pieces.append(block)
    return [piece for piece in pieces if piece.strip()]


def fit(paragraph: str, longest: int) -> list[str]:
    """The paragraph in blocks of at most `longest` bytes."""
    if size(paragraph) <= longest:
        return [paragraph]
    blocks: list[str] = []
    current: list[str] = []
    held = 0
    for line in (piece for whole in paragraph.split("\n") for piece in cut(whole, longest)):
        if current and held + 1 + size(line) > longest:
            blocks.append("\n".join(current))
            current, held = [], 0
        held += size(line) + bool(current)
        current.append(line)
    return [*blocks, *(["\n".join(current)] if current else [])]


def cut(line: str, longest: int) -> list[str]:
    """The line in pieces of at most `longest` bytes, cut between characters."""
    pieces: list[str] = []
    while size(line) > longest:
        head = line.encode()[:longest].decode("utf-8", "ignore")
        pieces.append(head)
        line = line[len(head) :]
    return [*pieces, line]


def documents_of(
    member: Member, origin: Distribution, kind: str, longest: int = LONGEST_BYTES
) -> list[Document]:
    """A text file as one document, or as several when it is long; none when it is not UTF-8."""
    text = member.text()
    if text is None:
        return []
    pieces = split_text(text, longest)
    return [
        Document(
            text=piece,
            origin=origin,
            path=member.path if len(pieces) == 1 else f"{member.path}#part={number}",
            kind=kind,
            timestamp=member.timestamp,
        )
        for number, piece in enumerate(pieces, 1)
        if size(piece.strip()) >= SHORTEST_BYTES
    ]


def sample_of(
    items: Iterable[Item],
    limit_bytes: int | None,
    name: Callable[[Item], str],
    measure: Callable[[Item], int],
) -> list[Item]:
    """All items, or those that fit a limit, taken in the order of the hash of their names.

    The hash makes the choice representative of the package and equal on every machine.
    """
    if limit_bytes is None:
        return list(items)
    chosen: list[Item] = []
    taken = 0
    for item in sorted(items, key=lambda item: hashlib.sha256(name(item).encode()).digest()):
        if taken + measure(item) <= limit_bytes:
            chosen.append(item)
            taken += measure(item)
    return chosen
