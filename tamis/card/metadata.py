"""The YAML at the head of a dataset card, as the Hugging Face Hub reads it."""

from __future__ import annotations

import yaml

from manifests.effects import kept_amount, kept_of
from manifests.manifest import Manifest
from manifests.schema import Json
from tamis.card.sources import Source, license_names

SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
    (100_000_000, "10M<n<100M"),
    (1_000_000_000, "100M<n<1B"),
    (10_000_000_000, "1B<n<10B"),
    (100_000_000_000, "10B<n<100B"),
    (1_000_000_000_000, "100B<n<1T"),
)
"""The Hub's words for how many rows there are (huggingface_hub, DatasetCardData)."""
_LARGEST = "n>1T"
_LICENSES = frozenset(
    {
        *("afl-3.0", "agpl-3.0", "apache-2.0", "artistic-2.0", "bsd-2-clause", "bsd-3-clause"),
        *("bsd-3-clause-clear", "bsl-1.0", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0"),
        *("cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0"),
        *("cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0", "cc-by-nd-4.0"),
        *("cc-by-sa-3.0", "cc-by-sa-4.0", "cc0-1.0", "ecl-2.0", "epl-1.0", "epl-2.0"),
        *("etalab-2.0", "eupl-1.1", "gpl-2.0", "gpl-3.0", "isc", "lgpl-2.1", "lgpl-3.0"),
        *("lppl-1.3c", "mit", "mpl-2.0", "ms-pl", "ncsa", "odbl", "odc-by", "ofl-1.1"),
        *("osl-3.0", "postgresql", "unlicense", "wtfpl", "zlib"),
    }
)
"""Licences that the Hub has a word for; others are `other`, and none is `unknown`."""
_FEWEST = 0.001
"""Share of documents from which on a language is named: below, most are errors of recognition."""
UNDETERMINED = "und"


def hub_license(name: str | None) -> str:
    """The Hub's word for a licence (SPDX), ``other`` where it has none, ``unknown`` for None."""
    if name is None:
        return "unknown"
    plain = name.lower().removesuffix("-only").removesuffix("-or-later").removesuffix("+")
    plain = {"odc-by-1.0": "odc-by", "odbl-1.0": "odbl"}.get(plain, plain)
    return plain if plain in _LICENSES else "other"


def languages_of(manifest: Manifest) -> list[str]:
    """Codes of the languages of kept documents, the most frequent first; none where no stage tells
    languages."""
    if "language" not in manifest.cube.columns:
        return []
    kept = kept_of(manifest.cube, "language").sort("documents", "group", descending=[True, False])
    fewest = _FEWEST * int(kept["documents"].sum())
    return [
        row["group"]
        for row in kept.iter_rows(named=True)
        if row["documents"] >= fewest and row["group"] not in (UNDETERMINED, "—")
    ]


def front_matter(manifest: Manifest, sources: list[Source]) -> str:
    """The YAML between its dashes. What is not known is left out: a card without a licence says
    nothing of licences."""
    kept = kept_amount(manifest.cube).documents
    licenses = sorted({hub_license(name) for name in license_names(sources)})
    languages = languages_of(manifest)
    shards = any(name.startswith("shards/") for name in manifest.published)
    made = any(source.synthetic for source in sources)
    fields: dict[str, Json] = {
        "pretty_name": manifest.content["name"],
        "license": licenses[0] if len(licenses) == 1 else licenses,
        "language": languages,
        "multilinguality": [] if not languages else ["multilingual" * (len(languages) > 1)],
        "size_categories": [next((word for n, word in SIZES if kept < n), _LARGEST)],
        "source_datasets": ["original"] if all(s.crawled for s in sources) else [],
        "language_creators": ["found", *["machine-generated"] * made],
        "task_categories": ["text-generation"],
        "tags": ["pretraining", "tamis", *["synthetic"] * made],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": "train", "path": "shards/*.arrow"}],
            }
        ]
        if shards
        else [],
    }
    if len(languages) == 1:
        fields["multilinguality"] = ["monolingual"]
    told = {name: value for name, value in fields.items() if value}
    written = yaml.safe_dump(told, sort_keys=False, allow_unicode=True, width=100)
    return f"---\n{written}---\n"
