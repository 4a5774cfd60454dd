"""The twin's Kubernetes provider: a Pulumi plugin that checks manifests, and applies or records them."""
