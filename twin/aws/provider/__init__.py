"""The twin's AWS provider: a Pulumi provider plugin that carries resources to the twin's cloud with boto3."""
