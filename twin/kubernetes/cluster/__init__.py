"""The twin's cluster: a real Kubernetes control plane and the real Karpenter, with nodes that kwok plays.

`up`, `down` and `status` in `cluster` are the doors. Everything listens on loopback only, and lies in the
stack's own folder.
"""
