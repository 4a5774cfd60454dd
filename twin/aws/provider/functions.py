"""Pulumi's functions (data sources): what a program may ask the cloud."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from twin.aws.provider import documents
from twin.aws.provider.clients import Cloud, is_missing
from twin.aws.provider.configuration import Configuration
from twin.aws.provider.operation import Operation
from twin.aws.provider.policy_document import policy_document
from twin.aws.provider.tagging import from_pairs
from twin.providers.problems import Problems

_NAMES_OF_REGIONS: Final[Mapping[str, str]] = {
    "us-east-1": "US East (N. Virginia)",
    "us-east-2": "US East (Ohio)",
    "us-west-1": "US West (N. California)",
    "us-west-2": "US West (Oregon)",
    "eu-central-1": "Europe (Frankfurt)",
    "eu-north-1": "Europe (Stockholm)",
    "eu-west-1": "Europe (Ireland)",
    "eu-west-2": "Europe (London)",
    "eu-west-3": "Europe (Paris)",
}


@dataclass
class Lookup:
    """One call of a function."""

    cloud: Cloud
    configuration: Configuration
    arguments: dict[str, Any]
    problems: Problems

    @property
    def operation(self) -> Operation:
        """Where the function looks."""
        region = self.arguments.get("region") or self.configuration.region
        return Operation(self.cloud, str(region), "sts")

    def only(self, *names: str) -> bool:
        """Whether no other arguments are given; others are problems, for the answer would ignore them."""
        for name in sorted(set(self.arguments) - {*names, "region"}):
            self.problems.add(name, "is not emulated by the twin", "leave it out")
        return not self.problems

    def required(self, name: str) -> Any:
        """An argument that must be given."""
        value = self.arguments.get(name)
        if value is None:
            self.problems.add(name, "is missing", "it is required: give a value")
        return value


Function = Callable[[Lookup], dict[str, Any]]
_FUNCTIONS: Final[dict[str, Function]] = {}


def function_for(token: str) -> Function | None:
    """The function of that token; None if it is not emulated."""
    return _FUNCTIONS.get(token)


def all_functions() -> list[str]:
    """Every function that the twin emulates, sorted."""
    return sorted(_FUNCTIONS)


def _function(module: str, name: str) -> Callable[[Function], Function]:
    def add(run: Function) -> Function:
        _FUNCTIONS[f"aws:{module}/{name}:{name}"] = run
        return run

    return add


# -- the account and its regions


@_function("index", "getCallerIdentity")
def _caller_identity(lookup: Lookup) -> dict[str, Any]:
    lookup.only("id")
    answer = lookup.operation.client().get_caller_identity()
    return {
        "accountId": answer["Account"],
        "arn": answer["Arn"],
        "userId": answer["UserId"],
        "id": answer["Account"],
    }


@_function("index", "getRegion")
def _region(lookup: Lookup) -> dict[str, Any]:
    lookup.only("endpoint", "id", "name")
    name = lookup.arguments.get("name") or lookup.operation.region
    return {
        "name": name,
        "region": name,
        "id": name,
        "description": _NAMES_OF_REGIONS.get(name, name),
        "endpoint": f"ec2.{name}.{lookup.operation.dns_suffix}",
    }


@_function("index", "getPartition")
def _partition(lookup: Lookup) -> dict[str, Any]:
    lookup.only("id")
    op = lookup.operation
    reverse = ".".join(reversed(op.dns_suffix.split(".")))
    return {
        "partition": op.partition,
        "id": op.partition,
        "dnsSuffix": op.dns_suffix,
        "reverseDnsPrefix": reverse,
    }


@_function("index", "getServicePrincipal")
def _service_principal(lookup: Lookup) -> dict[str, Any]:
    lookup.only("serviceName")
    service, region = lookup.required("serviceName"), lookup.operation.region
    name = f"{service}.amazonaws.com"
    identity = f"{service}.{region}.amazonaws.com"
    return {"name": name, "id": identity, "region": region, "serviceName": service, "suffix": "amazonaws.com"}


@_function("index", "getDefaultTags")
def _default_tags(lookup: Lookup) -> dict[str, Any]:
    lookup.only("id")
    return {"tags": dict(lookup.configuration.default_tags), "id": lookup.operation.partition}


@_function("index", "getAvailabilityZones")
def _availability_zones(lookup: Lookup) -> dict[str, Any]:
    lookup.only("allAvailabilityZones", "excludeNames", "excludeZoneIds", "filters", "state")
    arguments, op = lookup.arguments, lookup.operation
    answer = op.client("ec2").describe_availability_zones(Filters=_filters(arguments.get("filters")))
    zones = [
        zone
        for zone in answer["AvailabilityZones"]
        if zone["ZoneName"] not in (arguments.get("excludeNames") or ())
        and zone["ZoneId"] not in (arguments.get("excludeZoneIds") or ())
        and arguments.get("state") in (None, zone["State"])
    ]
    zones.sort(key=lambda zone: str(zone["ZoneName"]))
    return {
        **arguments,
        "id": op.region,
        "region": op.region,
        "names": [zone["ZoneName"] for zone in zones],
        "zoneIds": [zone["ZoneId"] for zone in zones],
        "groupNames": sorted({str(zone.get("GroupName") or op.region) for zone in zones}),
    }


# -- IAM


@_function("iam", "getPolicyDocument")
def _policy_document(lookup: Lookup) -> dict[str, Any]:
    lookup.only(
        "overrideJson",
        "overridePolicyDocuments",
        "policyId",
        "sourceJson",
        "sourcePolicyDocuments",
        "statements",
        "version",
    )
    return policy_document(lookup.arguments, lookup.problems)


@_function("iam", "getRole")
def _role(lookup: Lookup) -> dict[str, Any]:
    lookup.only("name", "tags")
    name = lookup.required("name")
    role = _found(lookup, "iam", "get_role", f"the role {name!r}", RoleName=name)["Role"]
    return {
        "name": role["RoleName"],
        "id": role["RoleName"],
        "arn": role["Arn"],
        "uniqueId": role["RoleId"],
        "path": role["Path"],
        "description": role.get("Description") or "",
        "assumeRolePolicy": documents.dump(role["AssumeRolePolicyDocument"]),
        "createDate": role["CreateDate"].strftime("%Y-%m-%dT%H:%M:%SZ"),
        "maxSessionDuration": role.get("MaxSessionDuration") or 3600,
        "permissionsBoundary": role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn") or "",
        "roleLastUseds": [],
        "tags": from_pairs(role.get("Tags")),
    }


@_function("iam", "getPolicy")
def _policy(lookup: Lookup) -> dict[str, Any]:
    lookup.only("arn", "name", "pathPrefix", "tags")
    arn, name = lookup.arguments.get("arn"), lookup.arguments.get("name")
    client = lookup.operation.client("iam")
    if arn is None:
        pages = client.get_paginator("list_policies").paginate()
        arns = [each["Arn"] for page in pages for each in page["Policies"] if each["PolicyName"] == name]
        if len(arns) != 1:
            raise ValueError(f"name: {len(arns)} policies are called {name!r}; give the arn")
        arn = arns[0]
    policy = _found(lookup, "iam", "get_policy", f"the policy {arn}", PolicyArn=arn)["Policy"]
    version = client.get_policy_version(PolicyArn=arn, VersionId=policy["DefaultVersionId"])
    return {
        "arn": arn,
        "id": arn,
        "name": policy["PolicyName"],
        "path": policy["Path"],
        "policyId": policy["PolicyId"],
        "description": policy.get("Description") or "",
        "attachmentCount": policy.get("AttachmentCount", 0),
        "policy": documents.dump(version["PolicyVersion"]["Document"]),
        "tags": from_pairs(policy.get("Tags")),
    }


# -- SSM, KMS, S3


@_function("ssm", "getParameter")
def _parameter(lookup: Lookup) -> dict[str, Any]:
    lookup.only("name", "withDecryption")
    name, decrypt = lookup.required("name"), lookup.arguments.get("withDecryption", True)
    found = _found(
        lookup, "ssm", "get_parameter", f"the parameter {name!r}", Name=name, WithDecryption=decrypt
    )["Parameter"]
    return {
        "name": found["Name"],
        "id": found["Name"],
        "arn": found["ARN"],
        "type": found["Type"],
        "value": found["Value"],
        "insecureValue": "" if found["Type"] == "SecureString" else found["Value"],
        "version": found["Version"],
        "region": lookup.operation.region,
        "withDecryption": decrypt,
    }


@_function("ssm", "getParametersByPath")
def _parameters_by_path(lookup: Lookup) -> dict[str, Any]:
    lookup.only("path", "recursive", "withDecryption")
    path, op = lookup.required("path"), lookup.operation
    recursive = bool(lookup.arguments.get("recursive", False))
    decrypt = bool(lookup.arguments.get("withDecryption", True))
    pages = (
        op.client("ssm")
        .get_paginator("get_parameters_by_path")
        .paginate(Path=path, Recursive=recursive, WithDecryption=decrypt)
    )
    found = sorted(
        (each for page in pages for each in page["Parameters"]), key=lambda each: str(each["Name"])
    )
    return {
        "path": path,
        "id": path,
        "recursive": recursive,
        "withDecryption": decrypt,
        "region": op.region,
        "names": [each["Name"] for each in found],
        "arns": [each["ARN"] for each in found],
        "types": [each["Type"] for each in found],
        "values": [each["Value"] for each in found],
    }


@_function("kms", "getKey")
def _key(lookup: Lookup) -> dict[str, Any]:
    lookup.only("keyId", "grantTokens")
    asked = lookup.required("keyId")
    found = _found(lookup, "kms", "describe_key", f"the key {asked!r}", KeyId=asked)["KeyMetadata"]
    return {
        "keyId": asked,
        "id": found["KeyId"],
        "arn": found["Arn"],
        "awsAccountId": found["AWSAccountId"],
        "creationDate": found["CreationDate"].strftime("%Y-%m-%dT%H:%M:%SZ"),
        "customerMasterKeySpec": found.get("CustomerMasterKeySpec") or "",
        "description": found.get("Description") or "",
        "enabled": found["Enabled"],
        "keyManager": found.get("KeyManager") or "",
        "keySpec": found.get("KeySpec") or "",
        "keyState": found["KeyState"],
        "keyUsage": found["KeyUsage"],
        "multiRegion": bool(found.get("MultiRegion")),
        "multiRegionConfigurations": [],
        "origin": found.get("Origin") or "",
        "pendingDeletionWindowInDays": found.get("PendingDeletionWindowInDays") or 0,
        "cloudHsmClusterId": "",
        "customKeyStoreId": "",
        "deletionDate": "",
        "expirationModel": "",
        "validTo": "",
        "xksKeyConfigurations": [],
        "region": lookup.operation.region,
    }


@_function("kms", "getAlias")
def _alias(lookup: Lookup) -> dict[str, Any]:
    lookup.only("name")
    name, op = lookup.required("name"), lookup.operation
    for page in op.client("kms").get_paginator("list_aliases").paginate():
        for alias in page["Aliases"]:
            if alias["AliasName"] == name:
                key = alias.get("TargetKeyId") or ""
                return {
                    "name": name,
                    "id": op.arn("kms", name),
                    "arn": op.arn("kms", name),
                    "targetKeyId": key,
                    "targetKeyArn": op.arn("kms", f"key/{key}"),
                    "region": op.region,
                }
    raise ValueError(f"name: the alias {name!r} does not exist in {op.region}")


@_function("s3", "getBucket")
def _bucket(lookup: Lookup) -> dict[str, Any]:
    lookup.only("bucket")
    from twin.aws.provider.services.s3.bucket import computed

    name, op = lookup.required("bucket"), lookup.operation
    _found(lookup, "s3", "head_bucket", f"the bucket {name!r}", Bucket=name)
    wanted = ("arn", "bucketDomainName", "bucketRegion", "bucketRegionalDomainName", "hostedZoneId")
    outputs = computed(op, name)
    return {
        **{key: outputs[key] or "" for key in wanted},
        "bucket": name,
        "id": name,
        "region": op.region,
        "websiteDomain": "",
        "websiteEndpoint": "",
    }


# -- EC2


@_function("ec2", "getVpc")
def _vpc(lookup: Lookup) -> dict[str, Any]:
    lookup.only("cidrBlock", "default", "dhcpOptionsId", "filters", "id", "state", "tags")
    arguments, op = lookup.arguments, lookup.operation
    client = op.client("ec2")
    more = {
        "cidr": arguments.get("cidrBlock"),
        "dhcp-options-id": arguments.get("dhcpOptionsId"),
        "is-default": "true" if arguments.get("default") else None,
        "state": arguments.get("state"),
        "vpc-id": arguments.get("id"),
    }
    filters = _filters(arguments.get("filters"), arguments.get("tags"), more)
    vpc = _one("VPC", client.describe_vpcs(Filters=filters)["Vpcs"])
    tables = client.describe_route_tables(
        Filters=_filters(None, None, {"vpc-id": vpc["VpcId"], "association.main": "true"})
    )["RouteTables"]

    def attribute(name: str) -> bool:
        answer = client.describe_vpc_attribute(VpcId=vpc["VpcId"], Attribute=name)
        return bool(answer[name[0].upper() + name[1:]]["Value"])

    return {
        "id": vpc["VpcId"],
        "arn": op.arn("ec2", f"vpc/{vpc['VpcId']}"),
        "cidrBlock": vpc["CidrBlock"],
        "cidrBlockAssociations": [
            {
                "associationId": each["AssociationId"],
                "cidrBlock": each["CidrBlock"],
                "state": each["CidrBlockState"]["State"],
            }
            for each in vpc.get("CidrBlockAssociationSet", ())
        ],
        "default": vpc["IsDefault"],
        "dhcpOptionsId": vpc.get("DhcpOptionsId") or "",
        "enableDnsHostnames": attribute("enableDnsHostnames"),
        "enableDnsSupport": attribute("enableDnsSupport"),
        "enableNetworkAddressUsageMetrics": False,
        "filters": arguments.get("filters"),
        "instanceTenancy": vpc["InstanceTenancy"],
        "ipv6AssociationId": "",
        "ipv6CidrBlock": "",
        "ipv6CidrBlockAssociations": [],
        "mainRouteTableId": tables[0]["RouteTableId"] if tables else "",
        "ownerId": vpc["OwnerId"],
        "region": op.region,
        "state": vpc["State"],
        "tags": from_pairs(vpc.get("Tags")),
    }


@_function("ec2", "getVpcs")
def _vpcs(lookup: Lookup) -> dict[str, Any]:
    lookup.only("filters", "tags")
    filters = _filters(lookup.arguments.get("filters"), lookup.arguments.get("tags"))
    found = lookup.operation.client("ec2").describe_vpcs(Filters=filters)["Vpcs"]
    return _ids(lookup, (each["VpcId"] for each in found))


@_function("ec2", "getSubnets")
def _subnets(lookup: Lookup) -> dict[str, Any]:
    lookup.only("filters", "tags")
    filters = _filters(lookup.arguments.get("filters"), lookup.arguments.get("tags"))
    found = lookup.operation.client("ec2").describe_subnets(Filters=filters)["Subnets"]
    return _ids(lookup, (each["SubnetId"] for each in found))


@_function("ec2", "getSecurityGroup")
def _security_group(lookup: Lookup) -> dict[str, Any]:
    lookup.only("filters", "id", "name", "tags", "vpcId")
    arguments, op = lookup.arguments, lookup.operation
    more = {
        "group-id": arguments.get("id"),
        "group-name": arguments.get("name"),
        "vpc-id": arguments.get("vpcId"),
    }
    filters = _filters(arguments.get("filters"), arguments.get("tags"), more)
    group = _one(
        "security group", op.client("ec2").describe_security_groups(Filters=filters)["SecurityGroups"]
    )
    return {
        "id": group["GroupId"],
        "arn": op.arn("ec2", f"security-group/{group['GroupId']}"),
        "name": group["GroupName"],
        "description": group["Description"],
        "filters": arguments.get("filters"),
        "region": op.region,
        "tags": from_pairs(group.get("Tags")),
        "vpcId": group.get("VpcId") or "",
    }


def _ids(lookup: Lookup, found: Iterable[str]) -> dict[str, Any]:
    region = lookup.operation.region
    return {**lookup.arguments, "ids": sorted(found), "id": region, "region": region}


def _filters(
    given: Iterable[Mapping[str, Any]] | None,
    tags: Mapping[str, str] | None = None,
    more: Mapping[str, str | None] | None = None,
) -> list[dict[str, Any]]:
    result = [{"Name": each["name"], "Values": list(each["values"])} for each in given or ()]
    result += [{"Name": f"tag:{key}", "Values": [value]} for key, value in sorted((tags or {}).items())]
    result += [{"Name": name, "Values": [value]} for name, value in (more or {}).items() if value is not None]
    return result


def _one(what: str, found: list[Any]) -> Any:
    if len(found) != 1:
        raise ValueError(f"{len(found)} of the kind {what} match, exactly one should: change the filters")
    return found[0]


def _found(lookup: Lookup, service: str, call: str, what: str, **parameters: Any) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = getattr(lookup.operation.client(service), call)(**parameters)
    except ClientError as error:
        if is_missing(error):
            raise ValueError(f"{what} does not exist in {lookup.operation.region}") from error
        raise
    return answer
