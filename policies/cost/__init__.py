"""Cost: what a stack may spend, and what it must not waste."""
