"""Reward models: a conversation in, one number out; and how well such numbers choose."""
