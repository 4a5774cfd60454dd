"""The parts of a stack, a module each: what it registers, and what it tells of it."""
