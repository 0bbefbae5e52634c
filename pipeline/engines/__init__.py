"""Where tasks run: in this process or a few beside it (`local`), or on Ray (`ray`)."""
