"""What `stagecraft report` shows: an environment as it stands, gathered once and drawn on one page."""
