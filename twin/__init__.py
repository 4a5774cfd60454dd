"""The local twin: an engine, a cloud and providers that speak the real protocols on a laptop."""
