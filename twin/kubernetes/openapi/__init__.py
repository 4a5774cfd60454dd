"""Kubernetes' own OpenAPI schemas, one JSON file for each group and version, without descriptions.

`kinds` says how the API server names each kind; `schemas` is self-contained, so that a check reads one file.
`make crds` renews them from the version in `source.json`.
"""
