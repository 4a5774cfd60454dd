"""`stagecraft load`: a known load on a model's gateway in the twin, and what came of it."""
