"""vLLM, in this process or in a child of another Python environment, by role."""
