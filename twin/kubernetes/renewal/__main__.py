"""`python -m twin.kubernetes.renewal`: writes every schema and chart table anew. Needs Go."""

import sys

from twin.kubernetes.renewal import charts, definitions, openapi


def main() -> int:
    """Renews everything, and says how much there is."""
    sys.stdout.write(f"{definitions.renew()} custom resource definitions\n")
    sys.stdout.write(f"{openapi.renew()} groups of Kubernetes\n")
    sys.stdout.write(f"{charts.renew()} charts with known values\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
