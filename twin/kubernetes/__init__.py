"""The twin's Kubernetes: schemas of what a cluster accepts, and the provider that checks against them."""
