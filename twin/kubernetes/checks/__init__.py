"""Checks of a manifest: its structure against its schema, its rules, and what it means to a server."""
