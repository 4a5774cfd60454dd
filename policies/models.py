"""SageMaker endpoints and what they serve."""

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from policies.resources import Resource, Stack
from policies.values import Props

CONFIGURATION: Final = "aws:sagemaker:EndpointConfiguration"
ENDPOINT: Final = "aws:sagemaker:Endpoint"
MODEL: Final = "aws:sagemaker:Model"

_LOCAL_STORAGE: Final = re.compile(
    r"^ml\.(g4dn|g5|g6|g6e|gr6|p3dn|p4d|p4de|p5|p5e|p5en|trn1|trn1n|trn2|inf2|[cmr][5-8][a-z]*d[a-z]*|i[34][a-z]*)\."
)


def variants(configuration: Resource) -> list[Props]:
    """What an endpoint runs, shadow variants included."""
    props = configuration.props
    return props.blocks("productionVariants") + props.blocks("shadowProductionVariants")


def is_serverless(variant: Props) -> bool:
    """Whether a variant bills by request; SageMaker offers it less: no capture, no isolation, no key."""
    return bool(variant.block("serverlessConfig"))


def has_local_storage(instance_type: str) -> bool:
    """Whether its volume is on the machine itself, encrypted by its hardware: no key may be given for it."""
    return _LOCAL_STORAGE.match(instance_type) is not None


def served_by(model: Resource, stack: Stack) -> list[Props]:
    """The variants of the stack that serve a model."""
    return stack.remember("served by", lambda: _served_by(stack)).get(model.urn, [])


def _served_by(stack: Stack) -> dict[str, list[Props]]:
    found: dict[str, list[Props]] = defaultdict(list)
    for configuration in stack.of(CONFIGURATION):
        for variant in variants(configuration):
            value = None if variant.unknown("modelName") else variant.text("modelName")
            prop = variant.path.partition("[")[0].partition(".")[0]
            for model in stack.targets(configuration, prop, (MODEL,), value):
                found[model.urn].append(variant)
    return found


def endpoints_of(stack: Stack) -> Iterator[tuple[Resource, Resource | None]]:
    """Each endpoint with its configuration, if that is part of the stack."""
    for endpoint in stack.of(ENDPOINT):
        found = stack.targets(endpoint, "endpointConfigName", (CONFIGURATION,))
        yield endpoint, found[0] if found else None
