"""Governance: who answers for what, and what a stack must be able to show."""
