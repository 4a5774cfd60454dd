"""The Helm charts that a stack may release: each at one version, with its values where known.

`charts.json` is the table. A chart's `values` say which keys it takes: an object lists its keys, `null`
leaves what is below to the chart. Where its module can be had, `make crds` renews them from its `values.yaml`
and templates; `closed` lists the objects whose keys are checked.
"""
