"""Heuristics: text statistics of a document, measured once, and the published rules over them."""
