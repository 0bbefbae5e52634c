"""Ingest: raw files of any supported format become documents, and damage becomes counts."""
