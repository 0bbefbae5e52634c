"""What happened: the record, the ledger, diff, explain and verify."""
