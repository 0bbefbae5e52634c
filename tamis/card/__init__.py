"""Dataset cards: what a manifest says of a corpus, for people who were not there."""
