"""Which documents are read, and how often: groups, mixtures, repeats, phases."""
