"""Prices and the cost estimator."""
