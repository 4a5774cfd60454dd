"""Maturity: what a stack of this stage must have."""
