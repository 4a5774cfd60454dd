"""What programs ask the cloud."""

import grpc
import pytest

from tests.twin.aws.provider.plugin import Plugin
from tests.twin.aws.provider.samples import policy, trust


def test_identity_region_partition(plugin: Plugin) -> None:
    identity = plugin.invoke("aws:index/getCallerIdentity:getCallerIdentity")
    assert identity["accountId"] == identity["id"] == "123456789012"
    assert identity["arn"].startswith("arn:aws:")
    region = plugin.invoke("aws:index/getRegion:getRegion")
    assert (region["name"], region["region"], region["id"]) == ("us-east-1",) * 3
    partition = plugin.invoke("aws:index/getPartition:getPartition")
    assert partition["partition"] == "aws"
    assert partition["reverseDnsPrefix"] == "com.amazonaws"


def test_zones(plugin: Plugin) -> None:
    token = "aws:index/getAvailabilityZones:getAvailabilityZones"
    zones = plugin.invoke(token, {"state": "available"})
    assert zones["names"] == sorted(zones["names"])
    assert len(zones["names"]) == len(zones["zoneIds"]) >= 3
    fewer = plugin.invoke(token, {"excludeNames": [zones["names"][0]]})
    assert fewer["names"] == zones["names"][1:]
    assert plugin.invoke(token, {"region": "eu-west-1"})["names"][0].startswith("eu-west-1")


def test_policy_document(plugin: Plugin) -> None:
    token = "aws:iam/getPolicyDocument:getPolicyDocument"
    made = plugin.invoke(token, {"statements": [{"actions": ["s3:GetObject"], "resources": ["*"]}]})
    checked = plugin.check("aws:iam/policy:Policy", {"policy": made["json"]})
    assert not checked.failures


def test_parameters(plugin: Plugin) -> None:
    by_path = "aws:ssm/getParametersByPath:getParametersByPath"
    empty = plugin.invoke(by_path, {"path": "/there/is/nothing", "recursive": True})
    assert empty["names"] == empty["values"] == []
    for name, value in (("/asked/b", "2"), ("/asked/a", "1"), ("/asked/deep/c", "3")):
        plugin.make(
            "aws:ssm/parameter:Parameter", {"name": name, "type": "String", "value": value}, name=name
        )
    found = plugin.invoke(by_path, {"path": "/asked", "recursive": True})
    assert dict(zip(found["names"], found["values"], strict=True)) == {
        "/asked/a": "1",
        "/asked/b": "2",
        "/asked/deep/c": "3",
    }
    assert found["names"] == sorted(found["names"])
    assert plugin.invoke(by_path, {"path": "/asked"})["names"] == ["/asked/a", "/asked/b"]
    one = plugin.invoke("aws:ssm/getParameter:getParameter", {"name": "/asked/a"})
    assert (one["value"], one["type"], one["version"]) == ("1", "String", 1)
    with pytest.raises(grpc.RpcError) as missing:
        plugin.invoke("aws:ssm/getParameter:getParameter", {"name": "/asked/z"})
    assert "'/asked/z' does not exist in us-east-1" in (missing.value.details() or "")


def test_keys_and_aliases(plugin: Plugin) -> None:
    key = plugin.make("aws:kms/key:Key", {"description": "asked for"})
    alias = plugin.make("aws:kms/alias:Alias", {"name": "alias/asked", "targetKeyId": key.id})
    found = plugin.invoke("aws:kms/getKey:getKey", {"keyId": alias.id})
    assert (found["arn"], found["id"], found["keyId"]) == (key.state["arn"], key.id, alias.id)
    named = plugin.invoke("aws:kms/getAlias:getAlias", {"name": "alias/asked"})
    assert named["targetKeyArn"] == key.state["arn"]
    with pytest.raises(grpc.RpcError):
        plugin.invoke("aws:kms/getAlias:getAlias", {"name": "alias/none"})


def test_roles_policies_buckets(plugin: Plugin) -> None:
    role = plugin.make("aws:iam/role:Role", {"assumeRolePolicy": trust("ec2.amazonaws.com")})
    assert plugin.invoke("aws:iam/getRole:getRole", {"name": role.id})["arn"] == role.state["arn"]
    made = plugin.make("aws:iam/policy:Policy", {"policy": policy("s3:GetObject"), "name": "asked"})
    assert plugin.invoke("aws:iam/getPolicy:getPolicy", {"name": "asked"})["arn"] == made.id
    bucket = plugin.make("aws:s3/bucket:Bucket", {})
    found = plugin.invoke("aws:s3/getBucket:getBucket", {"bucket": bucket.id})
    assert found["arn"] == bucket.state["arn"]
    assert found["bucketRegionalDomainName"] == bucket.state["bucketRegionalDomainName"]


def test_the_default_vpc(plugin: Plugin) -> None:
    vpc = plugin.invoke("aws:ec2/getVpc:getVpc", {"default": True})
    assert vpc["default"] is True
    assert vpc["arn"].endswith(vpc["id"])
    filters = [{"name": "vpc-id", "values": [vpc["id"]]}]
    subnets = plugin.invoke("aws:ec2/getSubnets:getSubnets", {"filters": filters})
    assert len(subnets["ids"]) >= 3
    assert plugin.invoke("aws:ec2/getVpcs:getVpcs", {"filters": filters})["ids"] == [vpc["id"]]
    with pytest.raises(grpc.RpcError) as several:
        plugin.invoke("aws:ec2/getSecurityGroup:getSecurityGroup", {"name": "there is none"})
    assert "0 of the kind security group" in (several.value.details() or "")


def test_an_argument_that_would_be_ignored_is_refused(plugin: Plugin) -> None:
    with pytest.raises(AssertionError, match="whatever"):
        plugin.invoke("aws:index/getPartition:getPartition", {"whatever": 1})
