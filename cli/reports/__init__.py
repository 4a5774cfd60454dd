"""What `check`, `policy eval` and `cost` say: one report as data, and a renderer for each format."""
