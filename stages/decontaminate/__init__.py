"""Decontamination: the rule of Qwen2.5 behind an n-gram gate, with the proof of every removal."""
