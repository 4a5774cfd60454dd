"""Pulumi component classes, each usable alone."""
