"""What moto lacks: whole kinds of resources from tables, single operations, and fields that moto drops."""
