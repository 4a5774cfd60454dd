"""Taking one control out of production's stack makes exactly the rule for it fail.

The stack is the real program's, recorded; each case takes a copy of it and one control away.
"""

import copy
import json

import pytest

from policies.packs import PACKS
from policies.testing import PackUnderTest
from tests.stacks.test_program import deployed


@pytest.fixture(scope="module")
def packs():
    with PackUnderTest(*PACKS) as running:
        yield running


@pytest.fixture(scope="module")
def stack():
    return deployed("prod", live=True).judged_stack()


class Stack:
    """A copy of the stack to take things out of; inputs and outputs alike."""

    def __init__(self, resources):
        self.resources = copy.deepcopy(resources)

    def all(self, kind, name=""):
        found = [
            item
            for item in self.resources
            if item["type"].endswith(f":{kind}") and name in item["urn"].rpartition("::")[2]
        ]
        assert found, f"no {kind} {name}"
        return found

    def one(self, kind, name=""):
        return self.all(kind, name)[0]

    def set(self, item, **properties):
        for side in ("inputs", "outputs"):
            for key, value in properties.items():
                if value is None:
                    item[side].pop(key, None)
                else:
                    item[side][key] = value

    def change(self, kind, name="", **properties):
        self.set(self.one(kind, name), **properties)

    def within(self, item, key, **properties):
        kept = {
            name: value for name, value in {**item["inputs"][key], **properties}.items() if value is not None
        }
        self.set(item, **{key: kept})

    def drop(self, kind, name=""):
        self.resources.remove(self.one(kind, name))


def document(item, key="policy"):
    return json.loads(item["inputs"][key])


def without_abort(stack):
    item = stack.one("BucketLifecycleConfiguration", "raw")
    rules = [
        {key: value for key, value in rule.items() if key != "abortIncompleteMultipartUpload"}
        for rule in item["inputs"]["rules"]
    ]
    stack.set(item, rules=rules)


def without_tls(stack):
    item = stack.one("BucketPolicy", "raw")
    kept = [entry for entry in document(item)["Statement"] if entry["Effect"] != "Deny"]
    stack.set(item, policy=json.dumps({"Version": "2012-10-17", "Statement": kept}))


def to_everyone(stack):
    item = stack.one("BucketPolicy", "raw")
    read = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"}
    stack.set(item, policy=json.dumps({"Statement": [*document(item)["Statement"], read]}))


def without_expiry(stack):
    item = stack.one("BucketLifecycleConfiguration", "features")
    rules = [rule for rule in item["inputs"]["rules"] if "expiration" not in rule]
    stack.set(item, rules=rules)


def allowing(action, resource="*"):
    def change(stack):
        item = stack.one("Policy", "registry-read")
        added = {"Effect": "Allow", "Action": action, "Resource": resource}
        stack.set(item, policy=json.dumps({"Statement": [*document(item)["Statement"], added]}))

    return change


def trusting(principal):
    def change(stack):
        statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
        stack.change("Role", assumeRolePolicy=json.dumps({"Statement": [statement]}))

    return change


def machine(**options):
    def change(stack):
        stack.within(stack.one("LaunchTemplate"), "metadataOptions", **options)

    return change


def plain_disks(stack):
    item = stack.one("LaunchTemplate")
    mappings = [
        {**entry, "ebs": {**entry["ebs"], "encrypted": "false"}}
        for entry in item["inputs"]["blockDeviceMappings"]
    ]
    stack.set(item, blockDeviceMappings=mappings)


def one_type(stack):
    stack.within(stack.one("ComputeEnvironment", "spot"), "computeResources", instanceTypes=["m7i.large"])


def no_way_out(stack):
    item = stack.one("JobQueue")
    stack.set(item, computeEnvironmentOrders=item["inputs"]["computeEnvironmentOrders"][:1])
    spot = [
        urn for urn in item["propertyDependencies"]["computeEnvironmentOrders"] if urn.endswith("pool-spot")
    ]
    item["propertyDependencies"]["computeEnvironmentOrders"] = spot


def no_contract(stack):
    for item in stack.all("JobDefinition"):
        container = document(item, "containerProperties")
        kept = [entry for entry in container["environment"] if "CHECKPOINT" not in entry["name"]]
        stack.set(item, containerProperties=json.dumps({**container, "environment": kept}))


def nobody_told(stack):
    for item in stack.all("Budget"):
        stack.set(item, notifications=[])


def an_image(stack):
    stack.change("Model", containers=[{"image": "image", "modelDataUrl": "s3://b/model.tar.gz"}])


def one_instance(stack):
    item = stack.one("EndpointConfiguration")
    variant = {
        "variantName": "live",
        "modelName": item["inputs"]["productionVariants"][0]["modelName"],
        "instanceType": "ml.m5.large",
    }
    capture = {
        "enableCapture": True,
        "initialSamplingPercentage": 10,
        "kmsKeyId": "k",
        "destinationS3Uri": "s3://lake-raw-id/x",
    }
    stack.set(item, productionVariants=[{**variant, "initialInstanceCount": 1}], dataCaptureConfig=capture)
    for model in stack.all("Model"):
        stack.set(model, enableNetworkIsolation=True)


CONTROLS = {
    "the checkpoint contract": ({"C2"}, no_contract),
    "the budget's notifications": ({"C5"}, nobody_told),
    "aborting uploads": ({"C12"}, without_abort),
    "a log group's retention": ({"C13"}, lambda stack: stack.change("LogGroup", retentionInDays=None)),
    "the images' lifecycle": ({"C14"}, lambda stack: stack.drop("LifecyclePolicy")),
    "on-demand tables": ({"C15"}, lambda stack: stack.change("Table", billingMode="PROVISIONED")),
    "the offline features' retention": ({"C16"}, without_expiry),
    "the labels": ({"G1"}, lambda stack: stack.change("Topic", tags={})),
    "the registered version": ({"G5"}, an_image),
    "the protection": ({"G9"}, lambda stack: stack.one("Bucket", "raw").update(protect=False)),
    "the public access block": ({"S1"}, lambda stack: stack.drop("BucketPublicAccessBlock", "raw")),
    "one switch of it": (
        {"S1"},
        lambda stack: stack.change("BucketPublicAccessBlock", "raw", ignorePublicAcls=False),
    ),
    "a bucket's encryption": (
        {"S2"},
        lambda stack: stack.drop("BucketServerSideEncryptionConfiguration", "raw"),
    ),
    "TLS only": ({"S3"}, without_tls),
    "named principals": ({"S4"}, to_everyone),
    "access logs": ({"S5"}, lambda stack: stack.drop("BucketLogging", "raw")),
    "key rotation": ({"S6"}, lambda stack: stack.change("Key", enableKeyRotation=False)),
    "named resources": ({"S10"}, allowing("s3:GetObject")),
    "named actions": ({"S9"}, allowing("*", "arn:aws:s3:::raw")),
    "no escalation": ({"S10", "S11"}, allowing("iam:CreateAccessKey")),
    "named trust": ({"S12"}, trusting({"AWS": "*"})),
    "the repository of a GitHub role": (
        {"S13"},
        trusting({"Federated": "arn:aws:iam::1:oidc-provider/token.actions.githubusercontent.com"}),
    ),
    "metadata service version 2": ({"S18"}, machine(httpTokens="optional")),
    "its one hop": ({"S18"}, machine(httpPutResponseHopLimit=2)),
    "encrypted disks": ({"S20"}, plain_disks),
    "a table's key": ({"S27"}, lambda stack: stack.change("Table", serverSideEncryption={"enabled": True})),
    "a topic's key": ({"S29"}, lambda stack: stack.change("Topic", kmsMasterKeyId=None)),
    "immutable images": ({"S30"}, lambda stack: stack.change("Repository", imageTagMutability="MUTABLE")),
    "a log group's key": ({"S35"}, lambda stack: stack.change("LogGroup", kmsKeyId=None)),
    "versions": ({"R1"}, lambda stack: stack.drop("BucketVersioning", "raw")),
    "point-in-time recovery": ({"R2"}, lambda stack: stack.change("Table", pointInTimeRecovery=None)),
    "a second instance": ({"R3"}, one_instance),
    "several spot types": ({"R10"}, one_type),
    "the on-demand fall-back": ({"R10"}, no_way_out),
    "the budget": ({"C5", "M1"}, lambda stack: [stack.drop("Budget") for _ in stack.all("Budget")]),
    "the registry": (
        {"M1"},
        lambda stack: [stack.drop("ModelPackageGroup") for _ in stack.all("ModelPackageGroup")],
    ),
}


@pytest.mark.parametrize("control", CONTROLS)
def test_exactly_the_rule_for_it_fails(packs, stack, control):
    broken, take_out = CONTROLS[control]
    changed = Stack(stack)
    take_out(changed)
    verdict = packs.judge(changed.resources, stage="validate")
    found = {item.id: item.message for item in verdict.violations}
    assert set(found) == broken, found
    assert not verdict.cannot_judge
