"""Clusters, their machines, add-ons, and who may do what in them."""

from tests.twin.aws.provider.samples import ACCOUNT, Made, Sample

ROLE = f"arn:aws:iam::{ACCOUNT}:role/eks"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/5fd0b4c4-4a83-4d46-9c2e-0a4a70d6a6a5"
ADMIN = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"
VPC = ("aws:ec2/vpc:Vpc", {"cidrBlock": "10.0.0.0/16"})


def subnet(zone: str, block: str) -> tuple:
    return (
        "aws:ec2/subnet:Subnet",
        lambda made: {
            "vpcId": made["v"].id,
            "cidrBlock": block,
            "availabilityZone": f"us-east-1{zone}",
        },
    )


SUBNETS = {"v": VPC, "a": subnet("a", "10.0.0.0/24"), "b": subnet("b", "10.0.1.0/24")}


def cluster(made: Made, **more: object) -> dict:
    return {
        "roleArn": ROLE,
        "version": "1.35",
        "vpcConfig": {
            "subnetIds": [made["a"].id, made["b"].id],
            "endpointPrivateAccess": True,
            "endpointPublicAccess": False,
        },
        **more,
    }


CLUSTER = ("aws:eks/cluster:Cluster", cluster)
IN_CLUSTER = {**SUBNETS, "c": CLUSTER}

EKS = [
    Sample(
        "aws:eks/cluster:Cluster",
        lambda made: cluster(
            made,
            accessConfig={
                "authenticationMode": "API",
                "bootstrapClusterCreatorAdminPermissions": False,
            },
            enabledClusterLogTypes=["api", "audit"],
            encryptionConfig={"provider": {"keyArn": KEY}, "resources": ["secrets"]},
            upgradePolicy={"supportType": "STANDARD"},
        ),
        {"enabledClusterLogTypes": ["audit"], "upgradePolicy": {"supportType": "EXTENDED"}},
        SUBNETS,
        {"roleArn": f"{ROLE}-other"},
    ),
    Sample(
        "aws:eks/nodeGroup:NodeGroup",
        lambda made: {
            "clusterName": made["c"].id,
            "nodeRoleArn": ROLE,
            "subnetIds": [made["a"].id, made["b"].id],
            "amiType": "AL2023_ARM_64_STANDARD",
            "capacityType": "ON_DEMAND",
            "instanceTypes": ["t4g.medium"],
            "labels": {"nodes": "system"},
            "scalingConfig": {"desiredSize": 2, "minSize": 2, "maxSize": 3},
            "updateConfig": {"maxUnavailable": 1},
        },
        {
            "scalingConfig": {"desiredSize": 3, "minSize": 2, "maxSize": 4},
            "labels": {"more": "x"},
        },
        IN_CLUSTER,
        {"instanceTypes": ["m7g.large"]},
    ),
    Sample(
        "aws:eks/addon:Addon",
        lambda made: {
            "clusterName": made["c"].id,
            "addonName": "vpc-cni",
            "configurationValues": '{"enableNetworkPolicy": "true"}',
        },
        {"configurationValues": "{}"},
        IN_CLUSTER,
        {"addonName": "coredns"},
    ),
    Sample(
        "aws:eks/accessEntry:AccessEntry",
        lambda made: {"clusterName": made["c"].id, "principalArn": ROLE},
        {"kubernetesGroups": ["viewers"]},
        IN_CLUSTER,
        {"type": "EC2_LINUX"},
    ),
    Sample(
        "aws:eks/accessPolicyAssociation:AccessPolicyAssociation",
        lambda made: {
            "clusterName": made["c"].id,
            "principalArn": made["e"].state["principalArn"],
            "policyArn": ADMIN,
            "accessScope": {"type": "cluster"},
        },
        {},
        {
            **IN_CLUSTER,
            "e": (
                "aws:eks/accessEntry:AccessEntry",
                lambda made: {"clusterName": made["c"].id, "principalArn": ROLE},
            ),
        },
        {"accessScope": {"type": "namespace", "namespaces": ["training"]}},
    ),
    Sample(
        "aws:eks/podIdentityAssociation:PodIdentityAssociation",
        lambda made: {
            "clusterName": made["c"].id,
            "namespace": "kube-system",
            "serviceAccount": "karpenter",
            "roleArn": ROLE,
        },
        {"roleArn": f"{ROLE}-other"},
        IN_CLUSTER,
        {"serviceAccount": "other"},
        importable=False,
    ),
]
