"""Models that write: prompts in, completions out, whatever runs the model."""
