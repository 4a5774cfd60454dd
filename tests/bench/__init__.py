"""Measures: each module here has `measure() -> dict[str, float]`, in seconds or as ratios within one run."""
