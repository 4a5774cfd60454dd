"""The serving gateway: the application layer in front of a model's endpoints, with its ladder of answers."""
