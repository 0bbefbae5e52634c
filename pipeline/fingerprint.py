"""Fingerprints of work and content, as the manifest defines them."""

from manifests.checksum import fingerprint, sha256_of, sha256_of_file

__all__ = ["fingerprint", "sha256_of", "sha256_of_file"]
