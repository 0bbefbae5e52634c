"""What a finished build warns of: the recipe's key ``warnings``."""

from __future__ import annotations

from pipeline.stage import StageConfig, setting


class WarningsConfig(StageConfig):
    """Limits that a person should hear of. They change no document and no fingerprint."""

    source_loss: float = setting(
        0.5,
        ge=0.0,
        le=1.0,
        about="Warn when one stage of deduplication drops more than this share of a source's"
        " documents. Beyond one half more is gone than left; sources that unverified clusters"
        " emptied lost 97 % and more, and what FineWeb's deduplication across crawls left of the"
        " oldest, a tenth, was worse than what it took.",
        source="own choice; arXiv 2406.17557, section 3.4",
    )
