"""What is common to all types: checking, names, tags, differences, unknowns, secrets, failures, crashes."""

import contextlib
import json
import threading
import time

import boto3
import grpc
import pytest
from pulumi.runtime.proto import provider_pb2

from tests.twin.aws.provider.plugin import InitFailedError, Plugin, Resource, urn
from tests.twin.aws.provider.samples import policy, resource_policy, trust
from twin import wire
from twin.wire import UNKNOWN, Secret

BUCKET = "aws:s3/bucket:Bucket"
KEY = "aws:kms/key:Key"
PARAMETER = "aws:ssm/parameter:Parameter"
QUEUE = "aws:sqs/queue:Queue"
ROLE = "aws:iam/role:Role"
TABLE = "aws:dynamodb/table:Table"


def client(endpoint: str, service: str, region: str = "us-east-1"):
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id="twin",
        aws_secret_access_key="twin",
    )


# -- check


def test_every_problem_at_once(plugin: Plugin) -> None:
    failures = plugin.check(
        KEY,
        {
            "deletionWindowInDays": 3,
            "keyUsage": "EVERYTHING",
            "policy": json.dumps({"Statement": [{"Effect": "Maybe", "Action": "all"}]}),
            "tags": {"aws:mine": "x"},
            "isEnabled": "perhaps",
            "enableKeyRotashun": True,
        },
    ).failures
    assert set(failures) == {
        "deletionWindowInDays",
        "keyUsage",
        "policy",
        "tags",
        "isEnabled",
        "enableKeyRotashun",
    }
    assert "7 to 30" in failures["deletionWindowInDays"]
    assert "ENCRYPT_DECRYPT" in failures["keyUsage"]
    assert "enableKeyRotation" in failures["enableKeyRotashun"]
    for said in ("Effect", "Action", "Principal"):
        assert said in failures["policy"]


def test_what_is_missing_is_named(plugin: Plugin) -> None:
    failures = plugin.check("aws:glue/catalogTable:CatalogTable", {}).failures
    assert "required" in failures["databaseName"]


@pytest.mark.parametrize(
    ("token", "inputs", "path"),
    [
        ("aws:cloudwatch/logGroup:LogGroup", {"retentionInDays": 31}, "retentionInDays"),
        (BUCKET, {"bucket": "Not_A_Bucket"}, "bucket"),
        (BUCKET, {"versioning": {"enabled": True}}, "versioning"),
        (BUCKET, {"acl": "private"}, "acl"),
        (QUEUE, {"fifoQueue": True, "name": "plain"}, "name"),
        (QUEUE, {"maxMessageSize": 5}, "maxMessageSize"),
        (TABLE, {"attributes": [], "billingMode": "PAY_PER_REQUEST", "hashKey": "id"}, "hashKey"),
        (
            TABLE,
            {
                "attributes": [{"name": "id", "type": "S"}, {"name": "x", "type": "S"}],
                "billingMode": "PAY_PER_REQUEST",
                "hashKey": "id",
            },
            "attributes[1]",
        ),
        (TABLE, {"attributes": [{"name": "id", "type": "S"}], "hashKey": "id"}, "readCapacity"),
        (PARAMETER, {"type": "String", "value": "x" * 5000}, "value"),
        (PARAMETER, {"type": "Number", "value": "1"}, "type"),
        (ROLE, {"assumeRolePolicy": policy("s3:GetObject")}, "assumeRolePolicy"),
        ("aws:iam/policy:Policy", {"policy": resource_policy("s3:*", "*")}, "policy"),
        ("aws:lambda/function:Function", {"role": "x", "timeout": 3}, "code"),
        (
            "aws:cloudwatch/metricAlarm:MetricAlarm",
            {"comparisonOperator": "GreaterThanThreshold", "evaluationPeriods": 1, "threshold": 1},
            "metricName",
        ),
        (QUEUE, {"region": "moon"}, "region"),
        (QUEUE, {"tags": {"a": ["b"]}}, "tags.a"),
    ],
)
def test_what_aws_would_refuse_is_refused(plugin: Plugin, token: str, inputs: dict, path: str) -> None:
    assert path in plugin.check(token, inputs).failures


def test_a_type_without_adapter_is_named(plugin: Plugin) -> None:
    found = plugin.check("aws:redshift/cluster:Cluster", {"clusterIdentifier": "x"})
    assert "aws:redshift/cluster:Cluster is not emulated" in found.failures[""]
    with pytest.raises(grpc.RpcError) as refused:
        plugin.create("aws:redshift/cluster:Cluster", {})
    assert "aws:redshift/cluster:Cluster" in (refused.value.details() or "")


def test_a_function_without_adapter_is_named(plugin: Plugin) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        plugin.invoke("aws:redshift/getCluster:getCluster")
    assert "aws:redshift/getCluster:getCluster is not emulated" in (refused.value.details() or "")


def test_unknown_inputs_pass_the_check(plugin: Plugin) -> None:
    inputs = plugin.checked("aws:s3/bucketPolicy:BucketPolicy", {"bucket": UNKNOWN, "policy": UNKNOWN})
    assert inputs["bucket"] is UNKNOWN
    preview = plugin.create("aws:s3/bucketPolicy:BucketPolicy", inputs, preview=True)
    assert preview.id == ""
    assert preview.state["policy"] is UNKNOWN


def test_secret_inputs_are_taken_plainly(plugin: Plugin) -> None:
    inputs = plugin.checked(PARAMETER, {"type": "SecureString", "value": Secret("hidden")})
    assert inputs["value"] == "hidden"


# -- names


def test_an_automatic_name_is_kept(plugin: Plugin) -> None:
    first = plugin.checked(BUCKET, {}, name="Raw Data".replace(" ", ""))
    assert first["bucket"].startswith("rawdata-")
    assert len(first["bucket"]) == len("rawdata-") + 7
    again = plugin.checked(BUCKET, {}, name="RawData", olds=first)
    assert again["bucket"] == first["bucket"]
    assert plugin.checked(BUCKET, {}, name="RawData")["bucket"] != first["bucket"]


def test_a_seed_makes_the_name(plugin: Plugin) -> None:
    names = [plugin.checked(QUEUE, {}, seed=seed)["name"] for seed in (b"one", b"one", b"two")]
    assert names[0] == names[1] != names[2]


def test_the_project_may_rule_names(plugin: Plugin) -> None:
    assert plugin.checked(QUEUE, {}, autonaming=("mine", "ENFORCE"))["name"] == "mine"
    assert plugin.checked(QUEUE, {"fifoQueue": True}, autonaming=("mine", "PROPOSE"))["name"] == "mine.fifo"
    assert "name" in plugin.check(QUEUE, {}, autonaming=("", "DISABLE")).failures


def test_a_prefix_begins_the_name(plugin: Plugin) -> None:
    inputs = plugin.checked(QUEUE, {"namePrefix": "job-"})
    assert inputs["name"].startswith("job-")
    assert plugin.checked(QUEUE, {"namePrefix": "job-"}, olds=inputs)["name"] == inputs["name"]


def test_a_name_that_gets_too_long_is_refused(plugin: Plugin) -> None:
    failures = plugin.check(ROLE, {"assumeRolePolicy": trust("ec2.amazonaws.com")}, name="r" * 60).failures
    assert "64" in failures["name"]


# -- tags and regions


def test_default_tags_reach_every_resource(endpoint: str) -> None:
    plugin = Plugin({"STAGECRAFT_CLOUD": endpoint})
    try:
        tags = {"defaultTags": json.dumps({"tags": {"owner": "team", "env": "dev"}})}
        plugin.configure({"region": "eu-west-1", **tags})
        made = plugin.make(QUEUE, {"tags": {"env": "test"}})
        assert made.inputs["tags"] == {"owner": "team", "env": "test"}
        assert made.state["tagsAll"] == {"owner": "team", "env": "test"}
        sqs = client(endpoint, "sqs", "eu-west-1")
        assert sqs.list_queue_tags(QueueUrl=made.id)["Tags"] == {"owner": "team", "env": "test"}
        assert ":eu-west-1:" in made.state["arn"]
        assert plugin.invoke("aws:index/getDefaultTags:getDefaultTags")["tags"]["owner"] == "team"
    finally:
        plugin.close()


def test_a_resource_may_lie_in_another_region(plugin: Plugin, endpoint: str) -> None:
    made = plugin.make(PARAMETER, {"name": "far", "type": "String", "value": "1", "region": "eu-central-1"})
    assert made.state["region"] == "eu-central-1"
    assert ":eu-central-1:" in made.state["arn"]
    found = client(endpoint, "ssm", "eu-central-1").get_parameter(Name="far")
    assert found["Parameter"]["Value"] == "1"
    assert plugin.read(made) is not None
    news = plugin.checked(PARAMETER, {**made.inputs, "region": "eu-west-2"}, olds=made.inputs)
    assert plugin.diff(made, news).replaces == ["region"]


# -- differences


def test_an_automatic_name_lets_the_new_one_come_first(plugin: Plugin) -> None:
    made = plugin.make(QUEUE, {})
    difference = plugin.diff(made, {**made.inputs, "fifoQueue": True})
    assert difference.replaces == ["fifoQueue"]
    assert not difference.delete_first


def test_a_given_name_makes_the_old_one_go_first(plugin: Plugin) -> None:
    made = plugin.make("aws:cloudwatch/logGroup:LogGroup", {"name": "given"})
    difference = plugin.diff(made, {**made.inputs, "logGroupClass": "INFREQUENT_ACCESS"})
    assert difference.replaces == ["logGroupClass"]
    assert difference.delete_first


def test_kinds_of_change(plugin: Plugin) -> None:
    made = plugin.make(QUEUE, {"tags": {"a": "1", "b": "2"}, "kmsMasterKeyId": "alias/x"})
    news = {**made.inputs, "tags": {"a": "3", "c": "4"}, "delaySeconds": 1}
    del news["kmsMasterKeyId"]
    assert plugin.diff(made, news).kinds == {
        "delaySeconds": "UPDATE",
        "kmsMasterKeyId": "DELETE",
        "tags.a": "UPDATE",
        "tags.b": "DELETE",
        "tags.c": "ADD",
    }
    assert plugin.diff(made, news, ignored=("tags", "kmsMasterKeyId")).kinds == {"delaySeconds": "UPDATE"}


def test_documents_are_compared_by_meaning(plugin: Plugin) -> None:
    made = plugin.make("aws:iam/policy:Policy", {"policy": policy("s3:GetObject", "s3:PutObject")})
    document = json.loads(made.inputs["policy"])
    document["Statement"][0]["Action"].reverse()
    document["Statement"][0]["Resource"] = ["*"]
    assert not plugin.diff(made, {**made.inputs, "policy": json.dumps(document, indent=3)}).changed
    document["Statement"][0]["Effect"] = "Deny"
    assert plugin.diff(made, {**made.inputs, "policy": json.dumps(document)}).kinds == {"policy": "UPDATE"}


def test_an_unknown_counts_as_a_change(plugin: Plugin) -> None:
    made = plugin.make(QUEUE, {})
    assert plugin.diff(made, {**made.inputs, "delaySeconds": UNKNOWN}).kinds == {"delaySeconds": "UPDATE"}
    assert plugin.diff(made, {**made.inputs, "name": UNKNOWN}).replaces == ["name"]


def test_a_preview_of_an_update_keeps_what_stays(plugin: Plugin) -> None:
    made = plugin.make(PARAMETER, {"name": "previewed", "type": "String", "value": "1"})
    shown = plugin.update(made, {**made.inputs, "value": "2"}, preview=True).state
    assert shown["arn"] == made.state["arn"]
    assert shown["value"] == "2"
    assert shown["version"] is UNKNOWN
    found = plugin.read(made)
    assert found is not None
    assert found.state["value"] == "1"


# -- reading back


def test_an_outside_change_shows_and_is_undone(plugin: Plugin, endpoint: str) -> None:
    made = plugin.make(QUEUE, {"visibilityTimeoutSeconds": 60, "tags": {"a": "b"}})
    sqs = client(endpoint, "sqs")
    sqs.set_queue_attributes(QueueUrl=made.id, Attributes={"VisibilityTimeout": "90", "DelaySeconds": "7"})
    sqs.tag_queue(QueueUrl=made.id, Tags={"stray": "tag"})
    found = plugin.read(made)
    assert found is not None
    assert found.inputs["visibilityTimeoutSeconds"] == 90
    assert found.inputs["tags"] == {"a": "b", "stray": "tag"}
    assert set(plugin.diff(found, made.inputs).kinds) == {
        "delaySeconds",
        "tags.stray",
        "visibilityTimeoutSeconds",
    }
    plugin.update(found, made.inputs)
    again = plugin.read(made)
    assert again is not None
    assert again.inputs == made.inputs


def test_what_a_resource_of_its_own_sets_is_no_change(plugin: Plugin) -> None:
    topic = plugin.make("aws:sns/topic:Topic", {}, name="spoken-for")
    given = {"arn": topic.id, "policy": resource_policy("sns:Publish", topic.id)}
    made = plugin.make("aws:sns/topicPolicy:TopicPolicy", given)
    found = plugin.read(topic)
    assert found is not None
    assert found.state == topic.state
    assert found.inputs == topic.inputs
    given_here = {**topic.inputs, "policy": given["policy"]}
    assert plugin.diff(topic, given_here).kinds == {"policy": "ADD"}
    topic.inputs.update(given_here)
    assert not plugin.diff(topic, found.inputs).changed, "saying it no longer leaves it to others"
    plugin.delete(made)


def test_what_aws_chooses_is_no_input(plugin: Plugin, endpoint: str) -> None:
    """A key's policy that nobody declared may change outside; an update must not take it away."""
    made = plugin.make(KEY, {})
    client(endpoint, "kms").put_key_policy(
        KeyId=made.id, PolicyName="default", Policy=resource_policy("kms:*", "*")
    )
    found = plugin.read(made)
    assert found is not None
    assert found.state["policy"] != made.state["policy"]
    assert found.inputs == made.inputs


def test_what_is_gone_has_no_id(plugin: Plugin, endpoint: str) -> None:
    made = plugin.make(QUEUE, {})
    client(endpoint, "sqs").delete_queue(QueueUrl=made.id)
    assert plugin.read(made) is None
    plugin.delete(made)


def test_a_secret_output_is_marked(plugin: Plugin) -> None:
    made = plugin.make(PARAMETER, {"type": "SecureString", "value": "hidden"})
    assert made.raw["value"] == Secret("hidden")
    assert made.raw["name"] == made.id


# -- failures and crashes


def test_a_creation_that_fails_half_way_loses_nothing(plugin: Plugin, endpoint: str) -> None:
    arn = "arn:aws:iam::123456789012:policy/there-is-none-yet"
    inputs = plugin.checked(
        ROLE, {"assumeRolePolicy": trust("ec2.amazonaws.com"), "managedPolicyArns": [arn]}, name="half"
    )
    with pytest.raises(InitFailedError) as failed:
        plugin.create(ROLE, inputs, name="half")
    assert failed.value.id == inputs["name"]
    assert "AttachRolePolicy" in failed.value.reasons[0]
    iam = client(endpoint, "iam")
    assert iam.get_role(RoleName=failed.value.id)["Role"]
    iam.create_policy(PolicyName="there-is-none-yet", PolicyDocument=policy("s3:GetObject"))
    half = Resource(urn(ROLE, "half"), failed.value.id, inputs, failed.value.state)
    whole = plugin.update(half, inputs)
    attached = iam.list_attached_role_policies(RoleName=half.id)["AttachedPolicies"]
    assert [each["PolicyArn"] for each in attached] == [arn]
    assert whole.state["arn"].endswith(half.id)


def keys(endpoint: str) -> set[str]:
    pages = client(endpoint, "kms").get_paginator("list_keys").paginate()
    return {each["KeyId"] for page in pages for each in page["Keys"]}


def test_a_creation_is_repeated_after_a_crash(endpoint: str) -> None:
    """The engine died before it could note the result: the same creation, in another process, finds it."""
    before = keys(endpoint)
    environment = {"STAGECRAFT_CLOUD": endpoint}
    first = Plugin(environment).configure()
    inputs = first.checked(KEY, {"description": "once", "enableKeyRotation": True}, name="crashed")
    made = first.create(KEY, inputs, name="crashed", operation="")
    first.kill()
    second = Plugin(environment).configure()
    try:
        again = second.create(KEY, inputs, name="crashed", operation="")
        assert again.id == made.id
        assert again.state == made.state
        assert len(keys(endpoint) - before) == 1
        other = second.create(KEY, inputs, name="another", operation="")
        assert other.id != made.id, "the same inputs of another resource are another resource"
        assert second.read(again) is not None  # the engine knows it now
        later = second.create(KEY, inputs, name="crashed", operation="")
        assert later.id != made.id, "a later creation is a new one"
    finally:
        second.close()


def test_a_named_thing_is_found_again_after_a_crash(plugin: Plugin) -> None:
    inputs = plugin.checked(BUCKET, {"tags": {"a": "b"}}, name="again")
    made = plugin.create(BUCKET, inputs, name="again", operation="")
    again = plugin.create(BUCKET, inputs, name="again", operation="")
    assert again.id == made.id
    assert again.state == made.state


def test_an_attempt_may_be_named_by_the_engine(plugin: Plugin) -> None:
    inputs = plugin.checked(KEY, {"description": "named"}, name="named")
    made = [plugin.create(KEY, inputs, name="named", operation=name).id for name in ("a", "a", "b")]
    assert made[0] == made[1] != made[2]


def test_somebody_elses_name_is_refused(plugin: Plugin) -> None:
    plugin.make(ROLE, {"name": "taken", "assumeRolePolicy": trust("ec2.amazonaws.com")}, name="one")
    with pytest.raises(grpc.RpcError) as refused:
        plugin.make(ROLE, {"name": "taken", "assumeRolePolicy": trust("ec2.amazonaws.com")}, name="two")
    assert "EntityAlreadyExists" in (refused.value.details() or "")


def test_a_bucket_with_objects_needs_two_switches(plugin: Plugin, endpoint: str) -> None:
    s3 = client(endpoint, "s3")
    kept = plugin.make(BUCKET, {}, name="kept")
    s3.put_object(Bucket=kept.id, Key="x", Body=b"1")
    with pytest.raises(grpc.RpcError) as refused:
        plugin.delete(kept)
    assert "BucketNotEmpty" in (refused.value.details() or "")
    plugin.delete(plugin.update(kept, {**kept.inputs, "forceDestroy": True}))
    assert plugin.read(kept) is None


def test_a_bucket_goes_with_what_was_deleted_in_it(plugin: Plugin, endpoint: str) -> None:
    s3 = client(endpoint, "s3")
    bucket = plugin.make(BUCKET, {"forceDestroy": True}, name="deleted-in")
    s3.put_bucket_versioning(Bucket=bucket.id, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=bucket.id, Key="x", Body=b"1")
    s3.delete_object(Bucket=bucket.id, Key="x")
    s3.put_bucket_versioning(Bucket=bucket.id, VersioningConfiguration={"Status": "Suspended"})
    plugin.delete(bucket)
    assert plugin.read(bucket) is None


def test_a_bucket_with_pages_of_objects_is_emptied_whole(plugin: Plugin, endpoint: str) -> None:
    """As access logs' bucket is after a load: 1,000 are listed at once."""
    s3 = client(endpoint, "s3")
    full = plugin.make(BUCKET, {"forceDestroy": True}, name="full")
    for number in range(2300):
        s3.put_object(Bucket=full.id, Key=f"logs/{number:05d}", Body=b"1")
    plugin.delete(full)
    assert plugin.read(full) is None


def test_a_call_has_no_methods_to_offer(plugin: Plugin) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        plugin.stub.Call(provider_pb2.CallRequest(tok="x", args=wire.to_struct({})))
    assert refused.value.code() == grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.slow
def test_a_provider_killed_at_any_moment_leaves_no_duplicate(endpoint: str) -> None:
    """A creation of three calls is cut short at many moments; repeated, it ends as if nothing had been."""
    environment = {"STAGECRAFT_CLOUD": endpoint}
    reference = Plugin(environment).configure()
    try:
        for attempt in range(8):
            name = f"cut-{attempt}"
            given = {
                "name": name,
                "assumeRolePolicy": trust("ec2.amazonaws.com"),
                "inlinePolicies": [{"name": each, "policy": policy("s3:GetObject")} for each in ("a", "b")],
            }
            key_given = {"description": name, "enableKeyRotation": True}
            before = keys(endpoint)
            doomed = Plugin(environment).configure()
            doomed.checked(ROLE, given)  # the models are loaded: what follows is calls
            role_inputs = doomed.checked(ROLE, given, name=name)
            key_inputs = doomed.checked(KEY, key_given, name=name)

            def make(plugin: Plugin = doomed, role=role_inputs, key=key_inputs, name: str = name) -> None:
                with contextlib.suppress(grpc.RpcError):
                    plugin.create(KEY, key, name=name, operation="")
                    plugin.create(ROLE, role, name=name, operation="")

            making = threading.Thread(target=make)
            making.start()
            time.sleep(0.012 * attempt)
            doomed.kill()
            making.join()
            key = reference.create(KEY, key_inputs, name=name, operation="")
            role = reference.create(ROLE, role_inputs, name=name, operation="")
            assert keys(endpoint) - before == {key.id}
            assert key.state["enableKeyRotation"] is True
            iam = client(endpoint, "iam")
            assert iam.list_role_policies(RoleName=role.id)["PolicyNames"] == ["a", "b"]
            found = reference.read(role)
            assert found is not None
            assert found.inputs == role_inputs
    finally:
        reference.close()
