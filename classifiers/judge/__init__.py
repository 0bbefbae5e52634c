"""The LLM judge: a rubric, labelled anchor passages, and engines that run the model."""
