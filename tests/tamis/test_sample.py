"""The embedded sample: downloads, takes, writers, and the whole gathering."""

import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastwarc.warc import ArchiveIterator, WarcRecordType
from hypothesis import given
from hypothesis import strategies as st

from tamis.sample.archive import Member
from tamis.sample.catalog import (
    CATALOG_FILE,
    Distribution,
    SampleError,
    Take,
    load_catalog,
)
from tamis.sample.docstrings import docstring_documents
from tamis.sample.documents import sample_of, size, split_text
from tamis.sample.translations import in_pages, parse_po, translated_documents
from tamis.sample.web import Page, write_warc

PERMISSIVE = {
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "LicenseRef-Public-Domain",
    "MIT",
    "ZPL-2.1",
}
DAY = datetime(2024, 2, 29, 12, 30, tzinfo=UTC)
ORIGIN = Distribution(
    name="made",
    version="1.0",
    file="made-1.0.tar.gz",
    sha256="0" * 64,
    licence="MIT",
    homepage="https://example.org",
)


def member(path: str, text: str) -> Member:
    return Member(path, text.encode(), DAY)


# Catalog


def test_every_package_of_the_sample_is_permissively_licensed() -> None:
    for package in load_catalog().packages:
        parts = package.licence.replace(" AND ", " OR ").split(" OR ")
        assert set(parts) <= PERMISSIVE, package.file


def test_the_documentation_names_every_package_with_version_and_licence() -> None:
    page = (CATALOG_FILE.parents[2] / "docs" / "sample.md").read_text("utf-8")
    catalog = load_catalog()
    for item in catalog.packages:
        assert f"| {item.name} | {item.version} | {item.licence} |" in page
    for model in catalog.models:
        assert f"| {model.name} | {model.version} | {model.member_licence} |" in page


def test_a_wrong_key_in_the_catalog_is_named(tmp_path: Path) -> None:
    content = json.loads(CATALOG_FILE.read_text("utf-8"))
    content["packages"][3]["sha265"] = "typo"
    path = tmp_path / "packages.json"
    path.write_text(json.dumps(content))
    with pytest.raises(SampleError, match=r"packages\.3\.sha265"):
        load_catalog(path)


def test_a_file_listed_twice_is_refused(tmp_path: Path) -> None:
    content = json.loads(CATALOG_FILE.read_text("utf-8"))
    content["packages"].append(content["packages"][0])
    path = tmp_path / "packages.json"
    path.write_text(json.dumps(content))
    with pytest.raises(SampleError, match=r"listed twice"):
        load_catalog(path)


def test_a_pattern_without_slash_means_the_top_folder() -> None:
    take = Take(source="notices", include=("LICENSE*",))
    assert take.matches("LICENSE.txt")
    assert not take.matches("vendor/LICENSE.txt")


# Documents


@given(st.lists(st.text("ab é語\n", max_size=30)), st.integers(8, 60))
def test_split_text_keeps_every_character_and_the_limit(lines: list[str], limit: int) -> None:
    text = "\n\n".join(lines)
    pieces = split_text(text, limit)
    assert all(size(piece) <= limit for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())


def test_split_text_cuts_at_blank_lines_where_it_can() -> None:
    text = "first paragraph\nof two lines\n\nsecond one\n\nthird"
    assert split_text(text, 30) == ["first paragraph\nof two lines", "second one\n\nthird"]


@given(st.dictionaries(st.text(min_size=1, max_size=4), st.integers(1, 50)), st.integers(1, 300))
def test_a_limited_sample_does_not_depend_on_order(sizes: dict[str, int], limit: int) -> None:
    def take(names: list[str]) -> list[str]:
        return sample_of(names, limit, name=str, measure=sizes.__getitem__)

    chosen = take(list(sizes))
    assert chosen == take(sorted(sizes))
    assert sum(sizes[name] for name in chosen) <= limit
    rest = set(sizes) - set(chosen)
    assert all(sum(sizes[name] for name in chosen) + sizes[name] > limit for name in rest)


# Translations

PO = r"""
msgid ""
msgstr "Content-Type: text/plain; charset=UTF-8\n"

#: a.py:1
msgid "A \"quoted\" original"
msgstr ""
"Ein \"zitierter\" Text, "
"der\tüber zwei Zeilen geht.\n"

#, fuzzy
#| msgid "old"
msgid "Guessed"
msgstr "Nur geraten, noch von niemandem gelesen."

msgctxt "menu"
msgid "%d document was found in the archive"
msgid_plural "%d documents were found in the archive"
msgstr[0] "%d Dokument wurde im Archiv gefunden, sonst nichts."
msgstr[1] "%d Dokumente wurden im Archiv gefunden, sonst nichts."
msgid "No blank line before me, and untranslated"
msgstr ""

#~ msgid "Obsolete"
#~ msgstr "Längst nicht mehr in Gebrauch, steht aber noch hier."
"""


def test_po_files_are_parsed_like_gettext_does() -> None:
    header, quoted, guessed, plural, empty = parse_po(PO)
    assert header.original == ""
    assert quoted.original == 'A "quoted" original'
    assert quoted.translations == ['Ein "zitierter" Text, der\tüber zwei Zeilen geht.\n']
    assert guessed.fuzzy
    assert not plural.fuzzy
    assert plural.translations == [
        "%d Dokument wurde im Archiv gefunden, sonst nichts.",
        "%d Dokumente wurden im Archiv gefunden, sonst nichts.",
    ]
    assert empty.translations == [""]


TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"])
    | st.sampled_from('\n\t"\\'),
    max_size=40,
)


@given(st.dictionaries(TEXT.filter(bool), TEXT, max_size=6))
def test_po_files_written_by_babel_are_read_back(entries: dict[str, str]) -> None:
    babel_catalog = pytest.importorskip("babel.messages.catalog")
    pofile = pytest.importorskip("babel.messages.pofile")
    catalog = babel_catalog.Catalog(locale="de")
    for original, translation in entries.items():
        catalog.add(original, translation)
    stream = io.BytesIO()
    pofile.write_po(stream, catalog, width=40)
    messages = parse_po(stream.getvalue().decode("utf-8"))
    read = {message.original: message.translations[0] for message in messages[1:]}
    assert read == entries


def test_text_that_is_no_po_file_names_its_line() -> None:
    with pytest.raises(ValueError, match=r"line 2"):
        parse_po('msgid "a"\nmsgwhat "b"\n')
    with pytest.raises(SampleError, match=r"made-1\.0\.tar\.gz: a/locale/de/.*: line 1"):
        translated_documents(member("a/locale/de/LC_MESSAGES/x.po", "hello"), ORIGIN)


def test_a_catalogue_becomes_documents_of_its_locale() -> None:
    sentences = [f"Dies ist der Satz Nummer {number} in deutscher Sprache." for number in range(60)]
    po = "".join(f'msgid "s{n}"\nmsgstr "{text}"\n\n' for n, text in enumerate(sentences))
    documents = translated_documents(member("a/locale/de_AT/LC_MESSAGES/x.po", po), ORIGIN)
    assert "\n\n".join(document.text for document in documents) == "\n\n".join(sentences)
    assert {document.extra["locale"] for document in documents} == {"de_AT"}
    assert translated_documents(member("a/locale/en_GB/LC_MESSAGES/x.po", po), ORIGIN) == []


@given(st.lists(st.text("ab語", min_size=1, max_size=20)))
def test_pages_hold_every_passage_in_order(passages: list[str]) -> None:
    assert "\n\n".join(in_pages(passages, 40)).split("\n\n") == (passages or [""])


# Docstrings


def test_long_docstrings_become_documents() -> None:
    long = "Computes the integral of a function. " * 20
    source = f'class A:\n    def f(self):\n        """{long}"""\n'
    source += '    def g(self):\n        """Short."""\n'
    (document,) = docstring_documents(member("pkg/mod.py", source), ORIGIN, "mathematics")
    assert document.text == f"pkg.mod.A.f\n\n{long}"
    assert document.path == "pkg/mod.py:pkg.mod.A.f"


# WARC


def pages() -> list[Page]:
    html = "<html><body><nav>Home</nav><p>Grüße aus der Dokumentation.</p></body></html>"
    return [
        Page(f"https://example.org/{name}", member(name, html + name), ORIGIN)
        for name in ("b.html", "a.html", "style.css", "notes.txt")
    ]


def test_a_warc_file_has_the_same_bytes_whatever_the_order(tmp_path: Path) -> None:
    write_warc(tmp_path / "web.warc.gz", pages())
    (tmp_path / "again").mkdir()
    write_warc(tmp_path / "again" / "web.warc.gz", pages()[::-1])
    assert (tmp_path / "web.warc.gz").read_bytes() == (
        tmp_path / "again" / "web.warc.gz"
    ).read_bytes()


def test_a_warc_file_is_read_by_fastwarc_with_right_digests(tmp_path: Path) -> None:
    write_warc(tmp_path / "web.warc.gz", pages())
    seen: dict[str, tuple[str, bytes]] = {}
    ids: list[str] = []
    with (tmp_path / "web.warc.gz").open("rb") as stream:
        for record in ArchiveIterator(stream, parse_http=False):
            assert record.verify_block_digest()
            ids.append(record.record_id)
            if record.record_type == WarcRecordType.response:
                record.parse_http()
                assert record.verify_payload_digest()
                url = record.headers["WARC-Target-URI"]
                seen[url] = (record.http_content_type, record.reader.read())
                assert record.record_date == DAY
    assert len(ids) == len(set(ids)) == 5
    assert seen == {
        page.url: (page.content_type.partition(";")[0], page.member.data) for page in pages()
    }
