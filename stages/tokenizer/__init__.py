"""Tokenizers: Qwen's own, one from a file, or one trained on the corpus; all behind one class."""
