"""Croissant metadata of a corpus (MLCommons, http://mlcommons.org/croissant/1.0): its shards as
files with checksums, and the columns that they hold."""

from __future__ import annotations

from manifests.effects import kept_amount
from manifests.manifest import Manifest
from manifests.provenance import Provenance
from manifests.schema import Json

ARROW_STREAM = "application/vnd.apache.arrow.stream"
"""The media type of shards, as IANA has it."""
FIELDS = (
    ("tokens", "sc:Integer", "The document's tokens, without the one that closes it."),
    ("id", "sc:Text", "128-bit hash of source and locator, 16 bytes."),
    ("source", "sc:Text", "The source that the document is from."),
    ("domain", "sc:Text", "What the document is about; `unknown` where no stage tells."),
    ("repeats", "sc:Integer", "How often the document is read in one pass."),
    ("n_bytes", "sc:Integer", "Bytes of the document's text in UTF-8."),
)
"""Columns of a shard (docs/shards.md): name, data type, meaning."""
PHASES = ("phase_repeats", "sc:Integer", "How often each phase of training reads the document.")
"""The column more of a corpus that is read in phases."""
_LISTS = ("tokens", "phase_repeats")
_TERMS = ("column", "extract", "field", "fileSet", "includes", "recordSet", "repeated", "source")
_SHARDS = "shards/"


def croissant(manifest: Manifest, provenance: Provenance | None) -> dict[str, Json]:
    """The metadata, as JSON-LD. What is not known (who publishes it, where, when, under which
    licence as a whole) is left out; licences are those that documents state.

    Raises ValueError when the corpus has no shards.
    """
    shards = {name: f for name, f in manifest.published.items() if name.startswith(_SHARDS)}
    if not shards:
        raise ValueError("has no shards to describe. Add the stage `shard` to the recipe.")
    content, kept = manifest.content, kept_amount(manifest.cube)
    licenses = [] if provenance is None else _licenses(provenance)
    told = content["recipe"]["description"] or "A pretraining corpus."
    return {
        "@context": _context(),
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": content["name"],
        "description": f"{told} {kept.documents:,} documents, tokenized. Made by tamis"
        f" {content['tamis']}; corpus fingerprint {manifest.fingerprint}.",
        "identifier": manifest.fingerprint,
        **({"license": licenses} if licenses else {}),
        "distribution": [
            *(_file(name, shard) for name, shard in sorted(shards.items())),
            {
                "@type": "cr:FileSet",
                "@id": "shards",
                "name": "shards",
                "description": "All shards, in order.",
                "encodingFormat": ARROW_STREAM,
                "includes": f"{_SHARDS}*.arrow",
            },
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "documents",
                "name": "documents",
                "description": "One record a document.",
                "key": {"@id": "documents/id"},
                "field": [_field(*field) for field in shard_fields(manifest)],
            }
        ],
    }


def shard_fields(manifest: Manifest) -> tuple[tuple[str, str, str], ...]:
    """The columns of a corpus' shards, as ``FIELDS`` has them."""
    phased = any(stage["record"].get("phases") for stage in manifest.content["stages"])
    return (*FIELDS, PHASES) if phased else FIELDS


def _licenses(provenance: Provenance) -> list[str]:
    return provenance.licenses["license"].drop_nulls().unique().sort().to_list()


def _file(name: str, shard: dict[str, Json]) -> dict[str, Json]:
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name.removeprefix(_SHARDS),
        "contentUrl": name,
        "contentSize": f"{shard['bytes']} B",
        "encodingFormat": ARROW_STREAM,
        "sha256": shard["sha256"],
    }


def _field(name: str, data_type: str, description: str) -> dict[str, Json]:
    return {
        "@type": "cr:Field",
        "@id": f"documents/{name}",
        "name": name,
        "description": description,
        "dataType": data_type,
        **({"repeated": True} if name in _LISTS else {}),
        "source": {"fileSet": {"@id": "shards"}, "extract": {"column": name}},
    }


def _context() -> dict[str, Json]:
    """The terms of Croissant 1.0."""
    plain = ("citeAs", "fileObject", "fileProperty", "format", "isLiveDataset", "jsonPath", "key")
    more = ("md5", "parentField", "path", "references", "regex", "replace", "samplingRate")
    last = ("equivalentProperty", "separator", "subField", "transform")
    return {
        "@language": "en",
        "@vocab": "https://schema.org/",
        "cr": "http://mlcommons.org/croissant/",
        "dct": "http://purl.org/dc/terms/",
        "rai": "http://mlcommons.org/croissant/RAI/",
        "sc": "https://schema.org/",
        "conformsTo": "dct:conformsTo",
        "data": {"@id": "cr:data", "@type": "@json"},
        "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
        "examples": {"@id": "cr:examples", "@type": "@json"},
        **{term: f"cr:{term}" for term in (*_TERMS, *plain, *more, *last)},
    }
