"""The twin's AWS: a cloud on loopback (moto) and a Pulumi provider for it."""
