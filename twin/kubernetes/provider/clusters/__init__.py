"""Where objects live: a server on this machine, or records of the twin."""
