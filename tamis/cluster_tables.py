"""Clusters shown: who was kept, who was dropped for it, and how the two texts differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.text import Text

from manifests.clusters import Cluster, Member
from manifests.documents import Document, find_documents
from manifests.manifest import Manifest
from tamis.printable import one_line
from tamis.word_diff import differences, show_differences

_FIRST_WORDS = 80
"""Characters shown of the beginning of a document."""


def show_clusters(
    console: Console, manifest: Manifest, clusters: Sequence[Cluster], compared: bool
) -> None:
    """Every cluster: its size and sources, then each kept document with those dropped for it.

    The number beside a dropped document is its verified Jaccard index with the kept one; `chained`
    stands where the two were never compared (linkage `single`), `unverified` where no pair is
    (`verify: false`). With ``compared``, what differs
    between the two stands below.
    """
    texts = _texts(manifest, clusters) if compared else {}
    for cluster in clusters:
        verified = manifest.stage(cluster.stage)["config"].get("verify", True)
        sources = ", ".join(f"{source} {count:,}" for source, count in cluster.sources.items())
        earlier = f", {cluster.earlier:,} in earlier corpora" if cluster.earlier else ""
        console.print(
            Text.assemble(
                (f"{cluster.stage}: a cluster of {cluster.size:,} documents", "bold"),
                f", {cluster.kept:,} kept ({one_line(sources)}){earlier}",
            )
        )
        kept = {member.id: member for member in cluster.members if member.witness is None}
        dropped = [member for member in cluster.members if member.witness is not None]
        for witness in dict.fromkeys(member.witness or "" for member in dropped):
            ours = [member for member in dropped if member.witness == witness]
            line = _kept_line(witness, kept.get(witness), ours[0].corpus)
            console.print(line, no_wrap=True, overflow="ellipsis")
            for member in ours:
                _show_dropped(console, member, texts, "chained" if verified else "unverified")
        hidden = cluster.size - cluster.earlier - cluster.kept - len(dropped)
        if hidden:
            console.print(f"    … and {hidden:,} more dropped documents", style="dim")


def _show_dropped(
    console: Console, member: Member, texts: Mapping[str, Document], not_compared: str
) -> None:
    likeness = not_compared if member.jaccard is None else f"{member.jaccard:.4f}"
    line = Text.assemble(("    dropped ", "red"), (f"{likeness:<7} ", "bold"), _named(member))
    console.print(line, no_wrap=True, overflow="ellipsis")
    witness = texts.get(member.witness or "")
    if witness is not None:
        show_differences(console, texts[member.id].text, witness.text, indent=6)


def _kept_line(identity: str, member: Member | None, corpus: str | None) -> Text:
    if member is None:
        place = f"in the earlier corpus {corpus or ''}".rstrip()
        return Text.assemble(("  kept    ", "green"), f"{identity} ({one_line(place)})")
    return Text.assemble(("  kept    ", "green"), _named(member))


def _named(member: Member) -> Text:
    place = one_line(f"{member.source}: {member.locator}", 60)
    return Text.assemble(f"{member.id} {place}  ", (one_line(member.first, _FIRST_WORDS), "dim"))


def clusters_data(
    manifest: Manifest, clusters: Sequence[Cluster], compared: bool
) -> list[dict[str, Any]]:
    """The clusters as JSON; with ``compared``, dropped members have ``differences``: what to remove
    from their text and to add, to get the witness's."""
    texts = _texts(manifest, clusters) if compared else {}
    data = [asdict(cluster) for cluster in clusters]
    for cluster in data if compared else []:
        for member in cluster["members"]:
            witness = texts.get(member["witness"] or "")
            if witness is not None:
                found = differences(texts[member["id"]].text, witness.text)
                member["differences"] = asdict(found)
    return data


def _texts(manifest: Manifest, clusters: Sequence[Cluster]) -> dict[str, Document]:
    members = [member for cluster in clusters for member in cluster.members]
    return find_documents(manifest, (member.id for member in members))
