"""Policy packs: what a stack must keep to, whatever made it."""
