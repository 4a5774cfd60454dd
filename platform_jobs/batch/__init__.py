"""Batch inference: everyone scored at once, a chunk at a time, each exactly once."""
