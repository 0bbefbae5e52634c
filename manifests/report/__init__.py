"""What a report shows of a corpus: aggregates of its manifest and ledgers, and a few documents."""
