"""CustomResourceDefinitions of the pinned operators, one JSON file each: `<plural>.<group>.json`.

They are the upstream manifests at the versions in `sources.json`, without descriptions, which no server
checks.
`make crds` renews them. Karpenter's come from the AWS provider's module, as its chart installs them: the
core's own, and the rules for AWS's labels on top.
"""
