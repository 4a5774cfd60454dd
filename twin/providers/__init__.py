"""What the twin's provider plugins share: the process, problems' shape, how errors reach an engine."""
