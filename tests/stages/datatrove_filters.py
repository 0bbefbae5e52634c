"""Filters as a user of datatrove would write them."""

import importlib

from datatrove.data import Document
from datatrove.pipeline.filters.base_filter import BaseFilter


class MetadataFilter(BaseFilter):
    """Looks at what came with a document."""

    name = "metadata"

    def filter(self, doc: Document) -> bool | tuple[bool, str]:
        """Keeps good hosts and high ratings."""
        if "bad.example" in doc.metadata.get("url", ""):
            return False, "bad_host"
        if doc.metadata.get("rating", 0) < 3:
            return False, "low"
        return True


class NeedyFilter(BaseFilter):
    """Finds out at work that a package is missing."""

    name = "needy"

    def filter(self, doc: Document) -> bool | tuple[bool, str]:
        """Imports what is not there."""
        importlib.import_module("a_package_that_nobody_has")
        return True
