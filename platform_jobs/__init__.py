"""The code that runs inside the platform: one container image, one command a job."""
