"""What answers cost, worked out by hand; and that it agrees with what an estimate says of a month."""

from decimal import Decimal
from typing import Any

import pytest

from pricing import HOURS_PER_MONTH, PriceUnknownError, Usage, bundled, estimate
from pricing.serving import ServingCost, average, function, instances, pods, serverless
from tests.pricing.stack import resource

D = Decimal
HOME = "us-east-1"


def test_a_serverless_request_is_its_gigabyte_seconds_and_its_data() -> None:
    found = serverless(2048, region=HOME, usage=Usage())
    # 0.1 s of 2 GB at $0.00002, and 4 KB at $0.016 for a GB.
    assert found == ServingCost(request=D("0.000004") + D("0.000000061035"))
    slow = Usage.from_mapping({"inferenceSeconds": 2, "inferencePayloadKb": 0})
    assert serverless(6144, region=HOME, usage=slow) == ServingCost(request=D("0.00024"))


def test_a_gateway_s_request_is_its_time_and_the_call() -> None:
    # 0.5 s of 1 GB at $0.0000166667, and $0.20 for a million calls.
    assert function(1024, region=HOME, usage=Usage()).request == D("0.00000833335") + D("0.0000002")


@pytest.mark.parametrize(
    ("kind", "region", "hourly"),
    [
        ("ml.m5.xlarge", HOME, "0.23"),
        # No price of its own there: EC2's $1.258 in Frankfurt, and the 40 % that SageMaker adds elsewhere.
        ("ml.g5.xlarge", "eu-central-1", "1.7612"),
    ],
)
def test_instances_bill_by_the_hour(kind: str, region: str, hourly: str) -> None:
    assert instances(kind, D("2.75"), region=region) == ServingCost(hourly=D(hourly) * D("2.75"))


@pytest.mark.parametrize(
    ("wanted", "hourly"),
    [
        # m6a.xlarge at $0.1728: three of its four vCPUs are there for pods.
        ({"vcpus": 1, "memory_mib": 1024}, D("0.1728") / 3),
        # Of 16 GiB 14.0 are there: one pod of 8 GiB keeps the machine from others.
        ({"vcpus": 1, "memory_mib": 8192}, D("0.1728")),
    ],
)
def test_a_pod_costs_the_part_of_a_machine_that_it_keeps_from_others(
    wanted: dict[str, int], hourly: Decimal
) -> None:
    types = ("m7i.xlarge", "m6a.xlarge", "m6i.xlarge")
    found = pods(types, D(4), region=HOME, **wanted)
    assert found.hourly == (hourly * 4).quantize(D("1e-12"))
    assert found.request == 0


def test_a_gpu_pod_pays_for_its_gpus() -> None:
    found = pods(("g5.12xlarge", "g6.xlarge"), D(1), vcpus=2, memory_mib=8192, accelerators=1, region=HOME)
    assert found.hourly == D("0.8048")
    four = pods(("g5.12xlarge", "g6.xlarge"), D(1), vcpus=2, memory_mib=8192, accelerators=2, region=HOME)
    assert four.hourly == D("5.672") / 2


def test_a_part_of_the_requests_costs_that_part_and_the_hours_stay() -> None:
    whole = ServingCost(D(1), D("0.01"))
    assert whole.for_share(D("0.1")) == ServingCost(D(1), D("0.001"))
    assert whole + ServingCost(D(2), D("0.02")) == ServingCost(D(3), D("0.03"))


def test_what_is_not_known_is_said() -> None:
    with pytest.raises(PriceUnknownError, match=r"no ml\.zz9\.large in us-east-1"):
        instances("ml.zz9.large", D(1), region=HOME)
    with pytest.raises(PriceUnknownError, match=r"m6a\.xlarge has a known price in us-east-1 and room for"):
        pods(("m6a.xlarge",), D(1), vcpus=64, memory_mib=1024, region=HOME)
    with pytest.raises(PriceUnknownError, match="mars-north-1"):
        pods(("m6a.xlarge",), D(1), vcpus=1, memory_mib=1024, region="mars-north-1")


def endpoint(variant: dict[str, Any]) -> list[Any]:
    configuration = resource(
        "aws:sagemaker/endpointConfiguration:EndpointConfiguration",
        "configuration",
        name="c",
        productionVariants=[{"variantName": "live", **variant}],
    )
    return [configuration, resource("aws:sagemaker/endpoint:Endpoint", "it", endpointConfigName="c")]


@pytest.mark.parametrize("region", sorted(bundled().regions()))
def test_an_estimate_says_the_same_of_a_month(region: str) -> None:
    usage = Usage.from_mapping({"inferenceRequests": 5_000_000, "inferenceSeconds": 0.3})
    by_requests = estimate(
        endpoint({"serverlessConfig": {"memorySizeInMb": 3072, "maxConcurrency": 5}}),
        region=region,
        usage=usage,
    ).expected
    request = serverless(3072, region=region, usage=usage).request
    assert abs(by_requests - 5_000_000 * request) < D("0.02")
    by_hours = estimate(
        endpoint(
            {
                "instanceType": "ml.m6i.large",
                "initialInstanceCount": 2,
                "managedInstanceScaling": {"status": "ENABLED", "minInstanceCount": 2, "maxInstanceCount": 6},
            }
        ),
        region=region,
        usage=usage,
    ).expected
    count = average(2, 6, usage)
    assert count == 3
    hourly = instances("ml.m6i.large", count, region=region).hourly
    assert abs(by_hours - hourly * HOURS_PER_MONTH) < D("0.01")
