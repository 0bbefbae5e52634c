"""Kind: prose, code, mathematics, list or table, or markup remains; told line by line.

Rules made for web prose destroy code, papers and tables, so every later stage that filters chooses
its rules by kind. No model: each line that is not blank votes by its tokens and marks, weighted by
its bytes, and the shares decide, in a fixed order. A file extension at the end of the locator, when
it names a programming language or a table format, decides alone (docs/kind.md lists them).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.draft import Place
from pipeline.stage import Batch, Stage, StageConfig, setting
from stages.line_votes import CODE, MARKUP, STATISTICS, Matrix, measure_lines

KINDS = ("prose", "code", "math", "list", "markup")

_CODE_EXTENSION_WORDS = (
    "asm awk bash bat bzl c cc cfg clj cljs cmake cpp cs css cu cuh cxx cyx d dart el erl ex exs f"
    " f03 f08 f90 f95 fs gd go gradle groovy h hh hpp hrl hs hxx idl ini ipp java jl js json jsx kt"
    " kts l lisp lua m4 make mjs mk ml mli nim nix pas patch php pl pm proto ps1 pxd pxi py pyi"
    " pyx r rake rb rs s sass scala scm scss sh sol sql sv svelte swift tcl tf thrift toml ts tsx"
    " v vala vb vhd vhdl vim vue y yaml yml zig zsh diff"
)
CODE_EXTENSIONS = frozenset(_CODE_EXTENSION_WORDS.split())
LIST_EXTENSIONS = frozenset({"csv", "tsv"})
PROSE_EXTENSIONS = frozenset({"po", "pot"})

# So many LaTeX marks a token are no escape sequences of code.
_CERTAIN_LATEX = 0.06


class KindConfig(StageConfig):
    """Shares of a document's bytes at which a kind is given, asked in the order below."""

    sources: dict[str, Literal["prose", "code", "math", "list", "markup"]] = setting(
        default_factory=dict,
        about="Sources whose kind is known, such as those that are made: nothing else decides on"
        " their documents",
    )
    use_extension: bool = setting(
        True, about="Whether a file extension at the end of the locator may decide"
    )
    markup_share: float = setting(
        0.40, ge=0, le=1, about="Bytes in lines of tags at which a document is markup"
    )
    latex_density: float = setting(
        0.03, ge=0, about="LaTeX commands and formulas per token at which a document is mathematics"
    )
    math_share: float = setting(
        0.30, ge=0, le=1, about="Bytes in lines of formulas at which a document is mathematics"
    )
    code_share: float = setting(
        0.40, ge=0, le=1, about="Bytes in lines of code and comments at which a document is code"
    )
    opening_share: float = setting(
        0.15,
        ge=0,
        le=1,
        about="Bytes in lines of code (or tags) that are enough when the first line is one",
    )
    list_share: float = setting(
        0.50, ge=0, le=1, about="Bytes in bullets, rows and short lines at which it is a list"
    )


class Kind(Stage[KindConfig]):
    """Writes ``kind`` and the shares it was decided on (docs/kind.md has the rules and results)."""

    name: ClassVar[str] = "kind"
    version: ClassVar[int] = 1
    libraries = ("unicode",)
    Config: ClassVar[type[StageConfig]] = KindConfig
    summary: ClassVar[str] = "tells prose, code, mathematics, lists and markup remains apart"
    document_columns: ClassVar[tuple[str, ...]] = ("text", "locator", "source")
    drops: ClassVar[bool] = False
    dimensions: ClassVar[tuple[str, ...]] = ("kind",)
    columns: ClassVar[pa.Schema] = pa.schema(
        [pa.field("kind", pa.string()), *(pa.field(name, pa.float64()) for name in STATISTICS)]
    )

    def named_sources(self) -> list[tuple[Place, str]]:
        """The sources whose kind is known."""
        return [(("sources", name), name) for name in self.config.sources]

    def annotate(self, batch: Batch) -> pa.Table:
        """``kind`` (one of ``KINDS``), shares of bytes between 0 and 1, LaTeX marks a token."""
        shares = measure_lines(batch.table["text"])
        kinds = self._choose(shares)
        if self.config.use_extension:
            kinds = _by_extension(batch.table["locator"], kinds)
        if self.config.sources:
            kinds = _by_source(batch.table["source"], kinds, self.config.sources)
        names = pa.DictionaryArray.from_arrays(pa.array(kinds), pa.array(KINDS))
        return pa.table(
            [names.cast(pa.string()), *(pa.array(shares[:, i]) for i in range(len(STATISTICS)))],
            schema=self.columns,
        )

    def _choose(self, shares: Matrix) -> np.ndarray[Any, np.dtype[np.int32]]:
        config = self.config
        prose, code, math, rows, markup, short, latex, opening = shares.T
        chosen: np.ndarray[Any, np.dtype[np.int32]] = np.select(
            [
                (markup >= config.markup_share)
                | ((opening == MARKUP) & (markup >= config.opening_share)),
                (latex >= config.latex_density) & ((code < 0.5) | (latex >= _CERTAIN_LATEX)),
                (math >= config.math_share) & (math > code),
                ((code >= config.code_share) & (code > 0.6 * prose))
                | ((opening == CODE) & (code >= config.opening_share)),
                (rows + short >= config.list_share) & (rows + short > prose),
            ],
            [KINDS.index(kind) for kind in ("markup", "math", "math", "code", "list")],
            KINDS.index("prose"),
        ).astype(np.int32)
        return chosen


def _by_source(
    sources: pa.ChunkedArray,
    kinds: np.ndarray[Any, np.dtype[np.int32]],
    known: Mapping[str, str],
) -> np.ndarray[Any, np.dtype[np.int32]]:
    """Replaces the kind where the source's is known."""
    names = pc.cast(sources, pa.string())
    for source, kind in known.items():
        found = pc.equal(names, source).to_numpy(zero_copy_only=False)
        kinds = np.where(found, np.int32(KINDS.index(kind)), kinds)
    return kinds


def _by_extension(
    locators: pa.ChunkedArray, kinds: np.ndarray[Any, np.dtype[np.int32]]
) -> np.ndarray[Any, np.dtype[np.int32]]:
    """Replaces the kind where the locator ends in a known extension."""
    extensions = pc.utf8_lower(
        pc.struct_field(
            pc.extract_regex(locators, r"[^/\\#:?]\.(?P<extension>[A-Za-z0-9]{1,8})$"), "extension"
        )
    )
    for kind, known in (
        ("code", CODE_EXTENSIONS),
        ("list", LIST_EXTENSIONS),
        ("prose", PROSE_EXTENSIONS),
    ):
        found = pc.fill_null(pc.is_in(extensions, pa.array(sorted(known))), False)
        kinds = np.where(found.to_numpy(), np.int32(KINDS.index(kind)), kinds)
    return kinds
