"""BatchTrainingPool and the Network it makes."""

import base64
import ipaddress
import json

import pulumi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.dual_stack import ipv6_subnet
from components.user_data import spot_contract
from tests.components.examples import IMAGE, make
from tests.components.recording import run


@pytest.fixture(scope="module")
def pool():
    return run(lambda: make("BatchTrainingPool"))


def test_spot_comes_first_and_on_demand_after_it(pool):
    kinds = {each.name: each.inputs["computeResources"] for each in pool.of("ComputeEnvironment")}
    assert kinds["it-spot"]["type"] == "SPOT"
    assert kinds["it-spot"]["allocationStrategy"] == "SPOT_PRICE_CAPACITY_OPTIMIZED"
    assert kinds["it-on-demand"]["type"] == "EC2"
    assert len(kinds["it-spot"]["instanceTypes"]) >= 3
    orders = pool.one("JobQueue").inputs["computeEnvironmentOrders"]
    assert [order["computeEnvironment"].split(":")[-1] for order in orders] == ["it-spot", "it-on-demand"]
    assert [order["order"] for order in orders] == [1, 2]


def test_machines_are_locked_down(pool):
    template = pool.one("LaunchTemplate").inputs
    assert template["metadataOptions"]["httpTokens"] == "required"
    assert template["metadataOptions"]["httpPutResponseHopLimit"] == 1
    (device,) = template["blockDeviceMappings"]
    assert device["ebs"]["encrypted"] == "true"
    assert "ECS_CONTAINER_STOP_TIMEOUT=110s" in base64.b64decode(template["userData"]).decode()
    assert not pool.of("SecurityGroupIngressRule")
    assert {each.inputs["toPort"] for each in pool.of("SecurityGroupEgressRule")} == {443}


def test_a_reclaimed_host_is_tried_again_and_a_failure_is_not(pool):
    retry = pool.one("JobDefinition").inputs["retryStrategy"]
    assert retry["attempts"] == 5
    assert retry["evaluateOnExits"] == [
        {"action": "RETRY", "onStatusReason": "Host EC2*"},
        {"action": "RETRY", "onExitCode": "143"},
        {"action": "EXIT", "onReason": "*"},
    ]


def test_a_job_knows_the_spot_contract(pool):
    container = json.loads(pool.one("JobDefinition").inputs["containerProperties"])
    environment = {item["name"]: item["value"] for item in container["environment"]}
    assert environment == {
        "AWS_USE_DUALSTACK_ENDPOINT": "true",
        "STAGECRAFT_CHECKPOINT_MINUTES": "15",
        "STAGECRAFT_CHECKPOINT_URI": "s3://artifacts/checkpoints/train-churn/",
        "STAGECRAFT_GRACE_SECONDS": "110",
    }
    assert container["resourceRequirements"] == [
        {"type": "MEMORY", "value": "3500"},
        {"type": "VCPU", "value": "2"},
    ]


def test_a_job_reaches_its_own_checkpoints(pool):
    policy = json.loads(pool.one("Policy", "it-train-churn-checkpoints").inputs["policy"])
    reached = {arn for each in policy["Statement"] for arn in each["Resource"] if "s3" in arn}
    assert reached == {"arn:aws:s3:::artifacts", "arn:aws:s3:::artifacts/checkpoints/train-churn/*"}
    attached = {each.inputs["policyArn"] for each in pool.of("RolePolicyAttachment")}
    assert "arn:p" in attached


def test_gpu_jobs_get_machines_with_drivers():
    jobs = [{"name": "train", "image_uri": IMAGE, "command": ["train"], "gpus": 1}]
    types = ["g5.xlarge", "g5.2xlarge", "g6.xlarge"]
    pool = run(lambda: make("BatchTrainingPool", jobs=jobs, instance_types=types))
    for each in pool.of("ComputeEnvironment"):
        assert each.inputs["computeResources"]["ec2Configurations"] == [{"imageType": "ECS_AL2023_NVIDIA"}]
    container = json.loads(pool.one("JobDefinition").inputs["containerProperties"])
    assert {"type": "GPU", "value": "1"} in container["resourceRequirements"]


def test_a_network_that_is_there_is_used():
    network = {"vpc_id": "vpc-1", "subnet_ids": ["subnet-1", "subnet-2"]}
    pool = run(lambda: make("BatchTrainingPool", network=network))
    assert not pool.of("Vpc")
    for each in pool.of("ComputeEnvironment"):
        assert each.inputs["computeResources"]["subnets"] == ["subnet-1", "subnet-2"]


def test_without_spot_there_is_on_demand_alone():
    pool = run(lambda: make("BatchTrainingPool", spot=False, instance_types=["m7i.xlarge"]))
    assert [each.name for each in pool.of("ComputeEnvironment")] == ["it-on-demand"]


def test_bad_inputs_are_told_together():
    jobs = [
        {"name": "Train", "image_uri": IMAGE, "command": []},
        {"name": "ok", "image_uri": IMAGE, "command": ["x"], "gpus": 99},
    ]
    with pytest.raises(pulumi.InputPropertiesError) as raised:
        run(
            lambda: make(
                "BatchTrainingPool",
                jobs=jobs,
                checkpoint_uri="s3://no-slash",
                grace_seconds=600,
                instance_types=["m7i.xlarge"],
                log_retention_days=31,
            )
        )
    assert [each["property_path"] for each in raised.value.errors] == [
        "graceSeconds",
        "logRetentionDays",
        "checkpointUri",
        "instanceTypes",
        "jobs[0].name",
        "jobs[0].command",
        "jobs[1].gpus",
    ]


def test_subnets_are_private_and_span_zones():
    network = run(lambda: make("Network", zones=3))
    subnets = [each.inputs for each in network.of("Subnet")]
    assert {subnet["availabilityZone"] for subnet in subnets} == {"us-east-1a", "us-east-1b", "us-east-1c"}
    assert all(subnet["ipv6Native"] and not subnet["mapPublicIpOnLaunch"] for subnet in subnets)
    assert len({subnet["ipv6CidrBlock"] for subnet in subnets}) == 3
    route = network.one("Route").inputs
    assert route["destinationIpv6CidrBlock"] == "::/0"
    assert "egressOnlyGatewayId" in route
    assert {each.inputs["serviceName"] for each in network.of("VpcEndpoint")} == {
        "com.amazonaws.us-east-1.dynamodb",
        "com.amazonaws.us-east-1.s3",
    }
    default = network.one("DefaultSecurityGroup").inputs
    assert not default.get("ingress")
    assert not default.get("egress")
    assert network.one("FlowLog").inputs["trafficType"] == "ALL"


@given(st.integers(0, 2**40 - 1), st.integers(0, 255), st.integers(0, 255))
def test_subnets_of_a_block_are_distinct_parts_of_it(high, first, second):
    block = ipaddress.IPv6Network(((0x2600 << 112) | (high << 72), 56))
    made = [ipaddress.IPv6Network(ipv6_subnet(str(block), index)) for index in (first, second)]
    assert all(subnet.subnet_of(block) and subnet.prefixlen == 64 for subnet in made)
    assert (made[0] == made[1]) is (first == second)


@pytest.mark.parametrize("block", ["10.0.0.0/8", "8.8.0.0/16", "10.20.0.1/16", "ten"])
def test_a_bad_block_is_refused(block):
    with pytest.raises(pulumi.InputPropertiesError, match="cidrBlock"):
        run(lambda: make("Network", cidr_block=block))


def test_user_data_is_what_batch_takes():
    assert spot_contract(60) == (
        "MIME-Version: 1.0\n"
        'Content-Type: multipart/mixed; boundary="==STAGECRAFT=="\n'
        "\n"
        "--==STAGECRAFT==\n"
        'Content-Type: text/x-shellscript; charset="us-ascii"\n'
        "\n"
        "#!/bin/bash\n"
        "echo ECS_CONTAINER_STOP_TIMEOUT=60s >> /etc/ecs/ecs.config\n"
        "echo ECS_ENABLE_SPOT_INSTANCE_DRAINING=true >> /etc/ecs/ecs.config\n"
        "\n"
        "--==STAGECRAFT==--\n"
    )
