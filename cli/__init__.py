"""The `stagecraft` command: thin; all work is in the parts it calls."""
