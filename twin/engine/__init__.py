"""The twin's engine: Pulumi's gRPC protocol, with state in Pulumi's own format."""
