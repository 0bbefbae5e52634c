"""Translated text from gettext catalogues (.po), as documents in many languages."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tamis.sample.archive import Member
from tamis.sample.catalog import Distribution, SampleError
from tamis.sample.documents import SHORTEST_BYTES, Document, size

# About a page of text: enough to tell the language and to be deduplicated as a document.
DOCUMENT_BYTES = 4_000
# Labels of buttons and menus are shorter than this; what is longer is mostly sentences.
SHORTEST_MESSAGE_BYTES = 40

LOCALE = re.compile(r"(?:^|/)(?:locale|locales|translations)/([A-Za-z]{2,3}(?:[_@-]\w+)*)/")
STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
ESCAPE = re.compile(r"\\(.)", re.DOTALL)
ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
KEYWORD = re.compile(r"(msgctxt|msgid_plural|msgid|msgstr(?:\[\d+\])?)\s+(.*)", re.DOTALL)


@dataclass
class Message:
    """One entry of a catalogue: the original, and its translation in one or more plural forms."""

    original: str = ""
    translations: list[str] = field(default_factory=list)
    fuzzy: bool = False


def parse_po(text: str) -> list[Message]:
    """The entries of a .po file in order, its header included; obsolete entries (#~) are left out.

    Raises ValueError naming the line that is not gettext.
    """
    messages: list[Message] = []
    message = Message()
    field_name = ""
    for number, line in enumerate(text.split("\n"), 1):
        stripped = line.strip()
        if stripped.startswith("#~"):
            continue
        if stripped.startswith("#"):
            if field_name.startswith("msgstr"):
                messages.append(message)
                message, field_name = Message(), ""
            if stripped.startswith("#,") and "fuzzy" in stripped:
                message.fuzzy = True
            continue
        if not stripped:
            continue
        keyword = KEYWORD.fullmatch(stripped)
        if keyword:
            if keyword[1] in ("msgid", "msgctxt") and field_name.startswith("msgstr"):
                messages.append(message)
                message = Message()
            field_name, stripped = keyword[1], keyword[2]
            if field_name.startswith("msgstr"):
                message.translations.append("")
        if not STRING.fullmatch(stripped) or not field_name:
            raise ValueError(f"line {number}: not gettext: {line[:80]!r}")
        value = unquote(stripped)
        if field_name == "msgid":
            message.original += value
        elif field_name.startswith("msgstr"):
            message.translations[-1] += value
    return [*messages, message] if field_name.startswith("msgstr") else messages


def unquote(quoted: str) -> str:
    """The text of a quoted string, with the escapes that gettext writes."""
    return ESCAPE.sub(lambda found: ESCAPED.get(found[1], found[1]), quoted[1:-1])


def translated_passages(messages: Iterable[Message]) -> Iterator[str]:
    """Translations long enough to be sentences, once each, that differ from the original."""
    seen: set[str] = set()
    for message in messages:
        if message.fuzzy or not message.original:
            continue
        passage = next((text.strip() for text in message.translations if text.strip()), "")
        if (
            size(passage) >= SHORTEST_MESSAGE_BYTES
            and passage != message.original.strip()
            and passage not in seen
        ):
            seen.add(passage)
            yield passage


def in_pages(passages: Iterable[str], page_bytes: int = DOCUMENT_BYTES) -> list[str]:
    """Passages as paragraphs of pages of about `page_bytes`; a short last page joins another."""
    pages: list[list[str]] = []
    held = 0
    for passage in passages:
        if not pages or held + size(passage) > page_bytes:
            pages.append([])
            held = 0
        pages[-1].append(passage)
        held += size(passage) + 2
    if len(pages) > 1 and held < page_bytes // 4:
        pages[-2].extend(pages.pop())
    return ["\n\n".join(page) for page in pages]


def locale_of(path: str) -> str | None:
    """The locale that a catalogue's path names (`de`, `pt_BR`, `zh-hans`), if it does."""
    found = LOCALE.search(path)
    return found[1] if found else None


def translated_documents(member: Member, origin: Distribution) -> list[Document]:
    """The documents of one catalogue: none when it is English, too small, or not UTF-8.

    Raises SampleError naming the file and the line that is not gettext.
    """
    locale, text = locale_of(member.path), member.text()
    if locale is None or text is None or locale.lower().startswith("en"):
        return []
    try:
        messages = parse_po(text)
    except ValueError as error:
        raise SampleError(
            f"{origin.file}: {member.path}: {error}\n  Exclude it in tamis/sample/packages.json."
        ) from error
    pages = in_pages(translated_passages(messages))
    return [
        Document(
            text=page,
            origin=origin,
            path=f"{member.path}#part={number}",
            kind="prose",
            timestamp=member.timestamp,
            extra={"locale": locale},
        )
        for number, page in enumerate(pages, 1)
        if size(page) >= SHORTEST_BYTES
    ]
