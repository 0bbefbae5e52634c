"""The report on a corpus as one HTML page."""
