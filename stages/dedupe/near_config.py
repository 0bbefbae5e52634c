"""What a recipe may say about near deduplication, and what its settings find."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import model_validator

from pipeline.stage import StageConfig, file_setting, setting
from stages.dedupe.earlier import signatures_path
from stages.dedupe.minhash import collision_probability, optimal_shape
from stages.dedupe.order import SurvivorOrder

_FINEWEB_BANDS = 14
_FINEWEB_ROWS = 8
_DATASKETCH_HASHES = 128


class EarlierCorpus(StageConfig):
    """A corpus that new documents are compared with."""

    signatures: str = file_setting(
        ...,
        about="Its workspace, or the file signatures/near_dedupe.json in it.",
        what="workspace with near_dedupe that holds",
    )

    @model_validator(mode="before")
    @classmethod
    def _of_a_path(cls, given: Any) -> Any:
        """A path alone is the workspace."""
        if isinstance(given, dict) and isinstance(given.get("signatures"), str):
            given = given["signatures"]
        return {"signatures": signatures_path(given)} if isinstance(given, str) else given


class NearDedupeConfig(SurvivorOrder):
    """Which documents count as nearly the same, and which of them is kept."""

    ngram: int = setting(
        5, ge=1, le=64, about="Words in a shingle.", source="FineWeb, arXiv 2406.17557"
    )
    char_ngram: int = setting(
        8,
        ge=1,
        le=64,
        about="Characters in a shingle, in scripts without spaces between words. Five Chinese"
        " words are about eight characters.",
        source="own choice, docs/dedupe.md",
    )
    bands: int | None = setting(
        None,
        ge=1,
        le=1024,
        about="Bands of the signature: one equal band makes two documents a candidate pair."
        " 14 unless `threshold` is given.",
        source="FineWeb, arXiv 2406.17557",
    )
    rows: int | None = setting(
        None,
        ge=1,
        le=64,
        about="Hashes in a band. 8 unless `threshold` is given.",
        source="FineWeb, arXiv 2406.17557",
    )
    hashes: int | None = setting(
        None,
        ge=1,
        le=4096,
        about="MinHash functions at hand. Left out: as many as bands x rows need, and 128 with"
        " `threshold`.",
        source="datasketch's num_perm",
    )
    threshold: float | None = setting(
        None,
        gt=0.0,
        lt=1.0,
        about="In place of bands and rows: the Jaccard index around which pairs should begin to"
        " be found. datasketch's routine chooses bands and rows.",
    )
    verify: bool = setting(
        True,
        about="Whether candidate pairs must reach `min_jaccard` on their shingles. Off, as in"
        " FineWeb, every pair that shares a band counts.",
    )
    min_jaccard: float = setting(
        0.75,
        gt=0.0,
        le=1.0,
        about="The Jaccard index of shingle sets from which two documents count as the same.",
        source="own choice: the default bands find 77 % of such pairs, and different licences are"
        " not this alike, docs/dedupe.md",
    )
    min_containment: float | None = setting(
        None,
        gt=0.0,
        le=1.0,
        about="Documents also count as the same when the longer holds this share of the shingles"
        " of the shorter. Left out: containment does not count.",
    )
    number_weight: int = setting(
        5,
        ge=1,
        le=1000,
        about="Two documents must also be alike when every shingle that holds a number counts so"
        " many times: texts of one template that differ in their numbers are not the same. 1: a"
        " number is a word like others.",
        source="own measurement, docs/dedupe.md",
    )
    name_weight: int = setting(
        8,
        ge=1,
        le=1000,
        about="Two documents must also be alike when every name that one has in place of another"
        " name counts so many times: licences that differ in the holder are not the same. A name is"
        " a word with a capital in the middle of a sentence. 1: a name is a word like others.",
        source="own measurement, docs/dedupe.md",
    )
    linkage: Literal["direct", "single"] = setting(
        "direct",
        about="`direct`: a document is dropped only for a kept document that it is similar to."
        " `single`: one document of a cluster is kept, chains of pairs allowed, as in FineWeb.",
    )
    bucket_limit: int = setting(
        32,
        ge=2,
        le=4096,
        about="Documents that share a band are compared each with each up to this many. Larger"
        " groups are compared with their first document and eight neighbours in `order`.",
        source="own choice, docs/dedupe.md",
    )
    against: tuple[EarlierCorpus, ...] = setting(
        (),
        about="Workspaces of corpora built earlier: a document that is like one of theirs is"
        " dropped. Their signatures are compared (an estimate of the Jaccard index, standard"
        " deviation at most .05), their texts are not read, and they lose nothing.",
    )
    seed: int = setting(1, ge=0, lt=1 << 32, about="Chooses the MinHash functions.")

    @model_validator(mode="before")
    @classmethod
    def _fill_in_fineweb(cls, given: Any) -> Any:
        """Writes the default bands and rows out, so that a resolved recipe shows them."""
        if not isinstance(given, dict) or given.get("threshold") is not None:
            return given
        filled = dict(given)
        if filled.get("bands") is None:
            filled["bands"] = _FINEWEB_BANDS
        if filled.get("rows") is None:
            filled["rows"] = _FINEWEB_ROWS
        return filled

    @model_validator(mode="after")
    def _check(self) -> NearDedupeConfig:
        if self.threshold is not None:
            self._check_threshold(self.threshold)
            return self
        bands, rows = self.shape
        if self.hashes is not None and bands * rows > self.hashes:
            raise ValueError(
                f"{bands} bands x {rows} rows need {bands * rows} hashes, but `hashes` is"
                f" {self.hashes}. Set {_fitting(self.hashes)}, or hashes: {bands * rows}."
            )
        return self

    def _check_threshold(self, threshold: float) -> None:
        bands, rows = self.shape
        given = {"bands": self.bands, "rows": self.rows}
        told = ", ".join(f"{name}: {value}" for name, value in given.items() if value is not None)
        if told:
            raise ValueError(
                f"threshold: {threshold} chooses {bands} bands x {rows} rows by itself"
                f" ({_curve(bands, rows)}), but {told} is given"
                " too. Leave out `threshold`, or leave out `bands` and `rows`."
            )
        found = collision_probability(threshold, bands, rows)
        if found < 0.1:
            raise ValueError(
                f"threshold: {threshold} with hashes: {self.hashes} gives {bands} bands x {rows}"
                f" rows, which find {found:.1%} of the pairs there ({_curve(bands, rows)})."
                f" Set hashes: {_DATASKETCH_HASHES} or more, or a lower threshold."
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Bands and rows in use."""
        if self.threshold is not None:
            return optimal_shape(self.threshold, self.hashes or _DATASKETCH_HASHES)
        return self.bands or _FINEWEB_BANDS, self.rows or _FINEWEB_ROWS


def _fitting(hashes: int) -> str:
    """Bands and rows that ``hashes`` are enough for, near FineWeb's."""
    if hashes >= _FINEWEB_BANDS * _FINEWEB_ROWS:
        return f"bands: {_FINEWEB_BANDS}, rows: {_FINEWEB_ROWS} (the FineWeb setting)"
    rows = min(_FINEWEB_ROWS, hashes)
    return f"bands: {hashes // rows}, rows: {rows}"


def _curve(bands: int, rows: int) -> str:
    """The S-curve in words."""
    points = ", ".join(
        f"{collision_probability(s, bands, rows):.0%} at {s}" for s in (0.5, 0.6, 0.7, 0.8, 0.9)
    )
    return f"share of pairs found by Jaccard index: {points}"
