"""Cluster, and the training pools in it."""

import json
from typing import Any

import pulumi
import pytest

from components.karpenter import EVENTS
from components.kubernetes_objects import kubeconfig
from tests.components.examples import example, make
from tests.components.recording import Recording, run


@pytest.fixture(scope="module")
def cluster() -> Recording:
    return run(lambda: make("Cluster"))


@pytest.fixture(scope="module")
def pool() -> Recording:
    return run(lambda: make("TrainingPool"))


def test_the_control_plane_is_private_encrypted_and_logged(cluster):
    inputs = cluster.one("Cluster", "it-control-plane").inputs
    assert inputs["vpcConfig"]["endpointPublicAccess"] is False
    assert inputs["vpcConfig"]["endpointPrivateAccess"] is True
    assert inputs["encryptionConfig"]["resources"] == ["secrets"]
    assert len(inputs["enabledClusterLogTypes"]) == 5
    assert inputs["accessConfig"] == {
        "authenticationMode": "API",
        "bootstrapClusterCreatorAdminPermissions": False,
    }
    assert inputs["upgradePolicy"] == {"supportType": "STANDARD"}
    assert inputs["deletionProtection"] is True
    assert cluster.one("LogGroup", "it-logs").inputs["name"] == f"/aws/eks/{inputs['name']}/cluster"


def test_system_nodes_are_graviton_encrypted_and_keep_their_metadata(cluster):
    group = cluster.one("NodeGroup").inputs
    assert group["amiType"] == "AL2023_ARM_64_STANDARD"
    assert group["scalingConfig"] == {"desiredSize": 2, "minSize": 2, "maxSize": 3}
    template = cluster.one("LaunchTemplate").inputs
    assert template["metadataOptions"]["httpTokens"] == "required"
    assert template["metadataOptions"]["httpPutResponseHopLimit"] == 1
    assert template["blockDeviceMappings"][0]["ebs"]["encrypted"] == "true"


def test_interruptions_reach_the_queue_and_nobody_else_writes_to_it(cluster):
    patterns = [
        json.loads(each.inputs["eventPattern"])
        for each in cluster.of("EventRule")
        if "eventPattern" in each.inputs
    ]
    assert sorted(pattern["detail-type"][0] for pattern in patterns) == sorted(
        kind for _source, kind in EVENTS.values()
    )
    policy = json.loads(cluster.one("QueuePolicy", "it-interruptions-policy").inputs["policy"])
    (allowed,) = [each for each in policy["Statement"] if each["Effect"] == "Allow"]
    assert allowed["Principal"] == {"Service": "events.amazonaws.com"}
    assert len(allowed["Condition"]["ArnEquals"]["aws:SourceArn"]) == len(EVENTS)
    values = cluster.one("Release", "it-karpenter").inputs["values"]
    assert values["settings"]["interruptionQueue"] == "it-interruptions"


def test_karpenter_starts_and_ends_only_what_is_the_clusters(cluster):
    policy = json.loads(cluster.one("RolePolicy", "it-karpenter-policy").inputs["policy"])
    by_sid = {each["Sid"]: each for each in policy["Statement"]}
    assert set(by_sid["EndOwn"]["Action"]) == {"ec2:DeleteLaunchTemplate", "ec2:TerminateInstances"}
    owned = by_sid["EndOwn"]["Condition"]["StringEquals"]
    assert owned == {"aws:ResourceTag/kubernetes.io/cluster/stagecraft-test-it": "owned"}
    assert by_sid["GiveNodesTheirRole"]["Condition"]["StringEquals"]["iam:PassedToService"] == (
        "ec2.amazonaws.com"
    )


def test_every_release_is_pinned_and_every_namespace_restricted_and_closed(cluster):
    assert {each.inputs["version"] for each in cluster.of("Release")} == {
        "0.17.0",
        "1.14.0",
        "2.21.0",
        "3.13.1",
    }
    closed = {
        each.inputs["metadata"]["namespace"]
        for each in cluster.of("NetworkPolicy")
        if each.inputs["metadata"]["name"] == "default-deny"
    }
    namespaces = {each.inputs["metadata"]["name"]: each.inputs for each in cluster.of("Namespace")}
    assert closed == set(namespaces) == {"keda", "kueue-system", "training"}
    for inputs in namespaces.values():
        assert inputs["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_a_kubeconfig_holds_no_secret():
    config = json.loads(kubeconfig(cluster="c", endpoint="https://e", authority="Q0E=", region="r"))
    assert config["users"][0]["user"]["exec"]["args"][:2] == ["eks", "get-token"]
    assert set(config["users"][0]["user"]) == {"exec"}


def spec(pool: Recording, kind: str, name: str) -> Any:
    return pool.one(kind, name).inputs["spec"]


def test_spot_is_preferred_and_on_demand_takes_over(pool):
    spot, fallback = spec(pool, "NodePool", "it-spot"), spec(pool, "NodePool", "it-on-demand")
    assert (spot["weight"], fallback["weight"]) == (50, 10)
    for each, kind in ((spot, "spot"), (fallback, "on-demand")):
        wanted = {item["key"]: item["values"] for item in each["template"]["spec"]["requirements"]}
        assert wanted["karpenter.sh/capacity-type"] == [kind]
        assert wanted["karpenter.k8s.aws/instance-family"] == ["g6"]
        assert len(wanted["node.kubernetes.io/instance-type"]) >= 3
        assert each["limits"]["nvidia.com/gpu"]
        assert each["disruption"]["consolidationPolicy"] == "WhenEmpty"
    assert spot["template"]["spec"]["taints"] == fallback["template"]["spec"]["taints"]


def test_machines_are_pinned_encrypted_and_keep_their_metadata(pool):
    machines = spec(pool, "EC2NodeClass", "it-machines")
    assert machines["amiSelectorTerms"][0]["alias"].startswith("bottlerocket@v")
    assert all(each["ebs"]["encrypted"] for each in machines["blockDeviceMappings"])
    assert machines["metadataOptions"]["httpPutResponseHopLimit"] == 1
    assert machines["metadataOptions"]["httpTokens"] == "required"
    assert machines["instanceProfile"] == "nodes"


def tolerates(tolerations: list[dict], taint: dict) -> bool:
    return any(item["key"] == taint["key"] and item["value"] == taint["value"] for item in tolerations)


@pytest.mark.parametrize(
    ("resource", "ami"), [("nvidia.com/gpu", None), ("aws.amazon.com/neuron", "al2023@v20260715"), ("", None)]
)
def test_the_pools_own_job_lands_on_it_and_no_other_does(resource, ami):
    changes: dict[str, Any] = {"accelerator_resource": resource}
    if ami:
        changes["ami"] = ami
    if not resource:
        plain = example("TrainingPool")
        capacity = {"vcpus": 8, "memory_mib": 32768}
        changes["spot"] = changes["on_demand"] = capacity
        changes["queues"] = [
            {**plain["queues"][0], "spot": capacity, "on_demand": capacity, "accelerators": 0}
        ]
    recording = run(lambda: make("TrainingPool", **changes))
    taints = spec(recording, "NodePool", "it-spot")["template"]["spec"]["taints"]
    job = json.loads(recording.outputs["job_templates"]["train-churn"])
    tolerations = job["spec"]["template"]["spec"]["tolerations"]
    assert all(tolerates(tolerations, taint) for taint in taints)
    keys = [taint["key"] for taint in taints]
    assert keys == ([resource] if resource else []) + ["stagecraft.dev/pool"]
    # A pod of another pool, though it tolerates the accelerator's own taint, does not get in.
    other = [{"key": resource, "value": "present"}, {"key": "stagecraft.dev/pool", "value": "another"}]
    assert not all(tolerates(other, taint) for taint in taints)
    assert (resource in json.dumps(job)) if resource else ("gpu" not in json.dumps(job))


def test_a_job_has_the_spot_contract_and_is_never_moved(pool):
    job = json.loads(pool.outputs["job_templates"]["train-churn"])
    template = job["spec"]["template"]
    assert template["metadata"]["annotations"] == {"karpenter.sh/do-not-disrupt": "true"}
    (container,) = template["spec"]["containers"]
    environment = {item["name"]: item["value"] for item in container["env"]}
    assert environment == {
        "STAGECRAFT_CHECKPOINT_MINUTES": "15",
        "STAGECRAFT_CHECKPOINT_URI": "s3://artifacts/checkpoints/train-churn/",
        "STAGECRAFT_GRACE_SECONDS": "110",
    }
    assert pool.one("ConfigMap", "it-train-churn-contract").inputs["data"] == environment
    assert template["spec"]["terminationGracePeriodSeconds"] == 110
    assert container["lifecycle"]["preStop"]["exec"]["command"]
    assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "train-churn"


def test_quotas_are_the_pools_limits(pool):
    queue = spec(pool, "ClusterQueue", "it-train-churn-quota")
    (group,) = queue["resourceGroups"]
    quotas = {
        flavor["name"]: {item["name"]: item["nominalQuota"] for item in flavor["resources"]}
        for flavor in group["flavors"]
    }
    for name in ("it-spot", "it-on-demand"):
        assert quotas[name] == spec(pool, "NodePool", name)["limits"]
    assert queue["cohortName"] == "it"


def test_time_on_the_fall_back_raises_an_alarm(pool):
    alarm = pool.one("MetricAlarm").inputs
    assert alarm["dimensions"] == {"Cluster": "stagecraft-test", "NodePool": "it-on-demand"}
    assert alarm["evaluationPeriods"] * alarm["period"] == 3600
    assert alarm["treatMissingData"] == "notBreaching"


def test_without_quotas_jobs_start_by_themselves():
    recording = run(lambda: make("TrainingPool", quotas=False))
    assert not recording.of("ClusterQueue")
    job = json.loads(recording.outputs["job_templates"]["train-churn"])
    assert job["spec"]["suspend"] is False


@pytest.mark.parametrize(
    ("component", "changes", "path", "says"),
    [
        ("TrainingPool", {"contract": None}, "contract", "location, an interval and a grace period"),
        ("TrainingPool", {"instance_types": ["g6.xlarge"]}, "instanceTypes", "at least three"),
        ("TrainingPool", {"ami": "al2023@latest"}, "ami", "must be pinned"),
        (
            "TrainingPool",
            {"accelerator_resource": "aws.amazon.com/neuron"},
            "ami",
            "has no Neuron driver",
        ),
        ("TrainingPool", {"accelerator_resource": "gpu"}, "acceleratorResource", "must be one of"),
        (
            "TrainingPool",
            {"on_demand": {"vcpus": 20, "memory_mib": 65536, "accelerators": 1}},
            "on_demand.vcpus",
            "add up to 16",
        ),
        ("TrainingPool", {"zones": ["virginia"]}, "zones[0]", "must be a zone"),
        ("Cluster", {"kubernetes_version": "latest"}, "kubernetesVersion", "must be a minor version"),
        ("Cluster", {"admin_arns": []}, "adminArns", "nobody can administer"),
        ("Cluster", {"namespaces": ["keda"]}, "namespaces[0]", "cluster's own operators"),
        ("Cluster", {"system_nodes": {"nodes": 1}}, "systemNodes.nodes", "from 2 to 10"),
        ("Network", {"nat": "single"}, "nat", "needs dualStack"),
        ("Network", {"interface_endpoints": ["ecr.api"]}, "interfaceEndpoints", "needs dualStack"),
        ("Network", {"dual_stack": True, "nat": "both"}, "nat", "must be one of"),
    ],
)
def test_a_wrong_input_is_named_with_its_remedy(component, changes, path, says):
    inputs = {key: value for key, value in {**example(component), **changes}.items() if value is not None}
    import components

    with pytest.raises(pulumi.InputPropertiesError) as raised:
        run(lambda: getattr(components, component)("it", inputs))
    (problem,) = raised.value.errors
    assert problem["property_path"] == path
    assert says in problem["reason"]


@pytest.mark.parametrize(("nat", "count"), [("none", 0), ("single", 1), ("zonal", 2)])
def test_a_dual_stack_network_stands_beside_the_one_that_was_there(nat, count):
    plain = run(lambda: make("Network"))
    dual = run(lambda: make("Network", dual_stack=True, nat=nat, interface_endpoints=["ecr.api", "sts"]))
    assert len(dual.of("NatGateway")) == len(dual.of("Eip")) == count
    before = {each.name: each for each in plain.resources[1:] if each.kind != "VpcEndpoint"}
    after = {each.name: each for each in dual.resources}
    assert all(after[name] == each for name, each in before.items())
    subnets = [each.inputs for each in dual.of("Subnet") if "cidrBlock" in each.inputs]
    assert len({each["cidrBlock"] for each in subnets}) == len(subnets) == 2 + count
    blocks = [each.inputs["ipv6CidrBlock"] for each in dual.of("Subnet")]
    assert len(set(blocks)) == len(blocks)
    assert not any(each.inputs.get("mapPublicIpOnLaunch") for each in dual.of("Subnet"))
    interfaces = [each for each in dual.of("VpcEndpoint") if each.inputs["vpcEndpointType"] == "Interface"]
    assert [each.name for each in interfaces] == ["it-ecr-api", "it-sts"]


def test_the_watch_counts_each_pools_machines(monkeypatch):
    import boto3
    from moto import mock_aws

    from components.function_code.node_watch import handler

    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("STAGECRAFT_CLUSTER", "c")
    monkeypatch.setenv("STAGECRAFT_METRIC_NAMESPACE", "Stagecraft")
    with mock_aws():
        ec2 = boto3.client("ec2")
        owned = {"Key": "kubernetes.io/cluster/c", "Value": "owned"}
        for pool, count in (("it-spot", 2), ("it-on-demand", 1)):
            tags = [owned, {"Key": "karpenter.sh/nodepool", "Value": pool}]
            ec2.run_instances(
                ImageId="ami-12345678",
                MinCount=count,
                MaxCount=count,
                TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
            )
        ec2.run_instances(ImageId="ami-12345678", MinCount=1, MaxCount=1)
        assert handler({}, None) == {"it-spot": 2, "it-on-demand": 1}
        told = boto3.client("cloudwatch").list_metrics(Namespace="Stagecraft")["Metrics"]
    assert {item["Dimensions"][1]["Value"] for item in told} == {"it-spot", "it-on-demand"}
