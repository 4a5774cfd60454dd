"""S14 to S21 and S37: clusters, machines and what can be reached."""

import base64

import pytest

from tests.policies.cases import UNKNOWN, fails, missing, open_question, parametrized, passes, resource

CLUSTER = "aws:eks/cluster:Cluster"
NODES = "aws:eks/nodeGroup:NodeGroup"
INSTANCE = "aws:ec2/instance:Instance"
TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
LAUNCH = "aws:ec2/launchConfiguration:LaunchConfiguration"
NODE_CLASS = "kubernetes:karpenter.k8s.aws/v1:EC2NodeClass"
GROUP = "aws:ec2/securityGroup:SecurityGroup"
RULE = "aws:ec2/securityGroupRule:SecurityGroupRule"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"

LOGS = ["api", "audit", "authenticator", "controllerManager", "scheduler"]
KEY_ID = "AKIAIOSFODNN7EXAMPLE"
SECRET_KEY = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEYab"


def network(**settings):
    return resource(CLUSTER, vpcConfig={"subnetIds": ["a", "b"], **settings})


def metadata(kind=INSTANCE, **options):
    return resource(kind, metadataOptions=options)


def encoded(text):
    return base64.b64encode(text.encode()).decode()


def ingress(first, last, *cidrs, protocol="tcp", **more):
    return {"fromPort": first, "toPort": last, "protocol": protocol, "cidrBlocks": list(cidrs), **more}


def group(*rules):
    return resource(GROUP, ingress=list(rules))


CASES = [
    passes("S14", "private", network(endpointPublicAccess=False, endpointPrivateAccess=True)),
    passes(
        "S14", "private, as a list of one", resource(CLUSTER, vpcConfig=[{"endpointPublicAccess": False}])
    ),
    fails("S14", "public", network(endpointPublicAccess=True)),
    fails("S14", "public for some", network(endpointPublicAccess=True, publicAccessCidrs=["10.0.0.0/8"])),
    missing("S14", "AWS opens it", network()),
    missing("S14", "no vpcConfig", resource(CLUSTER)),
    open_question("S14", "unknown", network(endpointPublicAccess=UNKNOWN)),
    passes(
        "S15",
        "secrets",
        resource(CLUSTER, encryptionConfig={"resources": ["secrets"], "provider": {"keyArn": UNKNOWN}}),
    ),
    fails("S15", "something else", resource(CLUSTER, encryptionConfig={"resources": ["pods"]})),
    missing("S15", "nothing said", resource(CLUSTER)),
    open_question("S15", "unknown", resource(CLUSTER, encryptionConfig={"resources": UNKNOWN})),
    passes("S16", "all five", resource(CLUSTER, enabledClusterLogTypes=LOGS)),
    fails("S16", "some", resource(CLUSTER, enabledClusterLogTypes=["api", "audit"])),
    missing("S16", "nothing said", resource(CLUSTER)),
    open_question("S16", "unknown", resource(CLUSTER, enabledClusterLogTypes=UNKNOWN)),
    passes("S17", "no access", resource(NODES)),
    passes(
        "S17",
        "from a group",
        resource(NODES, remoteAccess={"ec2SshKey": "k", "sourceSecurityGroupIds": ["sg-1"]}),
    ),
    fails("S17", "from anywhere", resource(NODES, remoteAccess={"ec2SshKey": "k"})),
    missing(
        "S17",
        "no groups named",
        resource(NODES, remoteAccess={"ec2SshKey": "k", "sourceSecurityGroupIds": []}),
    ),
    open_question("S17", "unknown", resource(NODES, remoteAccess=UNKNOWN)),
    passes("S18", "required", metadata(httpTokens="required")),
    passes("S18", "switched off", metadata(TEMPLATE, httpEndpoint="disabled")),
    passes("S18", "one hop", metadata(TEMPLATE, httpTokens="required", httpPutResponseHopLimit=1)),
    passes("S18", "Karpenter's default", resource(NODE_CLASS, spec={})),
    fails("S18", "optional", metadata(httpTokens="optional")),
    fails("S18", "two hops", metadata(LAUNCH, httpTokens="required", httpPutResponseHopLimit=2)),
    fails("S18", "a node class", resource(NODE_CLASS, spec={"metadataOptions": {"httpTokens": "optional"}})),
    missing("S18", "nothing said", resource(TEMPLATE)),
    missing("S18", "only the endpoint", metadata(httpEndpoint="enabled")),
    open_question("S18", "unknown", metadata(httpTokens=UNKNOWN)),
    passes("S19", "none", resource(INSTANCE, associatePublicIpAddress=False)),
    passes("S19", "the subnet decides", resource(INSTANCE)),
    passes(
        "S19", "a template", resource(TEMPLATE, networkInterfaces=[{"associatePublicIpAddress": "false"}])
    ),
    fails("S19", "an instance", resource(INSTANCE, associatePublicIpAddress=True)),
    fails(
        "S19", "a template's", resource(TEMPLATE, networkInterfaces=[{"associatePublicIpAddress": "true"}])
    ),
    fails(
        "S19",
        "a template's second",
        resource(TEMPLATE, networkInterfaces=[{}, {"associatePublicIpAddress": True}]),
    ),
    missing("S19", "a configuration", resource(LAUNCH, associatePublicIpAddress=True)),
    open_question("S19", "unknown", resource(INSTANCE, associatePublicIpAddress=UNKNOWN)),
    passes("S20", "root", resource(INSTANCE, rootBlockDevice={"encrypted": True})),
    passes(
        "S20",
        "from a snapshot",
        resource(INSTANCE, rootBlockDevice={"encrypted": True}, ebsBlockDevices=[{"snapshotId": "s"}]),
    ),
    passes(
        "S20",
        "by default",
        resource(INSTANCE),
        resource("aws:ebs/encryptionByDefault:EncryptionByDefault", enabled=True),
    ),
    passes(
        "S20",
        "a template",
        resource(TEMPLATE, blockDeviceMappings=[{"ebs": {"encrypted": "true"}}, {"noDevice": "x"}]),
    ),
    fails(
        "S20",
        "another disk",
        resource(LAUNCH, rootBlockDevice={"encrypted": True}, ebsBlockDevices=[{"encrypted": False}]),
    ),
    fails("S20", "a template's", resource(TEMPLATE, blockDeviceMappings=[{"ebs": {"volumeSize": 5}}])),
    fails("S20", "a volume", resource("aws:ebs/volume:Volume", size=5)),
    missing("S20", "no root device", resource(INSTANCE)),
    missing("S20", "a root device that says nothing", resource(INSTANCE, rootBlockDevice={"volumeSize": 5})),
    open_question("S20", "unknown", resource(INSTANCE, rootBlockDevice={"encrypted": UNKNOWN})),
    passes("S21", "a script", resource(INSTANCE, userData="#!/bin/sh\nyum install -y httpd")),
    passes("S21", "none", resource(INSTANCE)),
    passes("S21", "a digest", resource(INSTANCE, userData="d41d8cd98f00b204e9800998ecf8427e")),
    fails("S21", "a key id", resource(INSTANCE, userData=f"export AWS_ACCESS_KEY_ID={KEY_ID}")),
    fails("S21", "a secret key", resource(LAUNCH, userData=f"export AWS_SECRET_ACCESS_KEY={SECRET_KEY}")),
    fails("S21", "encoded", resource(TEMPLATE, userData=encoded(f"export AWS_ACCESS_KEY_ID={KEY_ID}"))),
    fails("S21", "encoded, the other property", resource(INSTANCE, userDataBase64=encoded(f"key={KEY_ID}"))),
    missing("S21", "a private key", resource(INSTANCE, userData="-----BEGIN RSA PRIVATE KEY-----\nabc")),
    open_question("S21", "unknown", resource(INSTANCE, userData=UNKNOWN)),
    passes("S37", "from inside", group(ingress(22, 22, "10.0.0.0/8"))),
    passes("S37", "HTTPS from anywhere", group(ingress(443, 443, "0.0.0.0/0"))),
    passes("S37", "from itself", group(ingress(0, 0, "0.0.0.0/0", protocol="-1", self=True))),
    passes(
        "S37",
        "out to anywhere",
        resource(RULE, type="egress", fromPort=22, toPort=22, cidrBlocks=["0.0.0.0/0"]),
    ),
    passes(
        "S37",
        "from another group",
        resource(INGRESS, fromPort=22, toPort=22, ipProtocol="tcp", referencedSecurityGroupId="sg-1"),
    ),
    passes("S37", "nothing in", resource(GROUP)),
    fails("S37", "SSH", group(ingress(22, 22, "0.0.0.0/0"))),
    fails("S37", "HTTP", group(ingress(80, 80, "0.0.0.0/0"))),
    fails("S37", "a range with SSH", group(ingress(20, 25, "10.0.0.0/8", "0.0.0.0/0"))),
    fails("S37", "over IPv6", group(ingress(22, 22, ipv6CidrBlocks=["::/0"]))),
    fails("S37", "everything", group(ingress(0, 0, "0.0.0.0/0", protocol="-1"))),
    fails("S37", "everything, another way", group(ingress(0, 65535, "0.0.0.0/0"))),
    fails("S37", "all kinds of ICMP", group(ingress(-1, -1, "0.0.0.0/0", protocol="icmp"))),
    fails("S37", "the second rule", group(ingress(443, 443, "0.0.0.0/0"), ingress(22, 22, "0.0.0.0/0"))),
    fails(
        "S37",
        "a rule of its own",
        resource(RULE, type="ingress", fromPort=22, toPort=22, protocol="tcp", cidrBlocks=["0.0.0.0/0"]),
    ),
    fails(
        "S37",
        "a rule of the newer kind",
        resource(INGRESS, fromPort=22, toPort=22, ipProtocol="tcp", cidrIpv4="0.0.0.0/0"),
    ),
    fails("S37", "one rule as an object", resource(GROUP, ingress=ingress(22, 22, "0.0.0.0/0"))),
    passes(
        "S37", "from a group", resource(INGRESS, fromPort=22, toPort=22, referencedSecurityGroupId="sg-1")
    ),
    missing("S37", "from nobody in particular", group(ingress(22, 22))),
    missing("S37", "a rule without a source", resource(INGRESS, ipProtocol="tcp", fromPort=22, toPort=22)),
    missing("S37", "all protocols without ports", resource(INGRESS, ipProtocol="-1", cidrIpv6="::/0")),
    open_question(
        "S37",
        "unknown sources",
        resource(GROUP, ingress=[{"fromPort": 22, "toPort": 22, "cidrBlocks": UNKNOWN}]),
    ),
    open_question(
        "S37",
        "an unknown source",
        resource(INGRESS, fromPort=22, toPort=22, ipProtocol="tcp", cidrIpv4=UNKNOWN),
    ),
]


@parametrized(CASES)
def test_rule(security, case):
    case.check(security)


def test_the_secret_itself_is_not_repeated(security):
    verdict = security.judge([resource(INSTANCE, userData=f"export AWS_ACCESS_KEY_ID={KEY_ID}")])
    assert KEY_ID not in str(verdict)


@pytest.mark.parametrize("ports", [[8080], [22, 8080]])
def test_the_ports_can_be_configured(security, ports):
    overrides = {"no-open-ingress": {"ports": ports}}
    assert "S37" in security.judge([group(ingress(8080, 8080, "0.0.0.0/0"))], overrides=overrides).ids


def test_an_unknown_source_does_not_hide_an_open_one(security):
    open_rule = ingress(22, 22, "0.0.0.0/0")
    verdict = security.judge([group({"fromPort": 22, "toPort": 22, "cidrBlocks": UNKNOWN}, open_rule)])
    assert "S37" in verdict.ids
