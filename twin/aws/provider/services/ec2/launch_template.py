"""Launch templates: what machines are started with, in versions."""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from twin.aws.provider.adapter import State
from twin.aws.provider.clients import Cloud
from twin.aws.provider.names import AutoName
from twin.aws.provider.operation import Operation
from twin.aws.provider.services.ec2.resource import (
    Ec2Resource,
    check_conflicts,
    check_range,
    entries,
    filtered,
    tag_specifications,
)
from twin.aws.provider.tagging import from_pairs
from twin.providers.problems import Problems

_DATA: Final = "RequestLaunchTemplateData"
_ANSWERED: Final = "ResponseLaunchTemplateData"
_NAME: Final = re.compile(r"^[\w().\-/]{3,128}$", re.ASCII)
_USER_DATA_LIMIT: Final = 16_384
_VOLUME_GIB: Final[Mapping[str, tuple[int, int]]] = {
    "gp2": (1, 16_384),
    "gp3": (1, 65_536),
    "io1": (4, 16_384),
    "io2": (4, 65_536),
    "sc1": (125, 16_384),
    "st1": (125, 16_384),
    "standard": (1, 1_024),
}
_IOPS: Final[Mapping[str, tuple[int, int]]] = {
    "gp3": (3_000, 80_000),
    "io1": (100, 64_000),
    "io2": (100, 256_000),
}
_THROUGHPUT: Final = (125, 2_000)
_ADDRESSES: Final[Mapping[str, tuple[str, str]]] = {
    "ipv4Addresses": ("PrivateIpAddresses", "PrivateIpAddress"),
    "ipv4Prefixes": ("Ipv4Prefixes", "Ipv4Prefix"),
    "ipv6Addresses": ("Ipv6Addresses", "Ipv6Address"),
    "ipv6Prefixes": ("Ipv6Prefixes", "Ipv6Prefix"),
}
"""Lists of texts of a network interface → the API's lists of objects."""
_TAGGABLE: Final = frozenset({"instance", "volume", "network-interface", "spot-instances-request"})


class LaunchTemplate(Ec2Resource):
    """A template; each change of what is in it is a new version."""

    token = "aws:ec2/launchTemplate:LaunchTemplate"
    noun = "launch-template"
    auto_name = AutoName(max_length=128)
    create_call, describe_call = "CreateLaunchTemplate", "DescribeLaunchTemplates"
    delete_call = "DeleteLaunchTemplate"
    member, members, id_member = "LaunchTemplate", "LaunchTemplates", "LaunchTemplateId"
    rename: ClassVar[Mapping[str, str]] = {
        "defaultVersion": "DefaultVersionNumber",
        "latestVersion": "LatestVersionNumber",
        "name": "LaunchTemplateName",
        "securityGroupNames": "SecurityGroups",
        "vpcSecurityGroupIds": "SecurityGroupIds",
        "networkInterfaces.ipv4AddressCount": "SecondaryPrivateIpAddressCount",
        "networkInterfaces.securityGroups": "Groups",
        **{f"networkInterfaces.{name}": "" for name in _ADDRESSES},
    }
    handled = frozenset({"defaultVersion", "description"})
    local = frozenset({"updateDefaultVersion"})
    volatile = frozenset({"defaultVersion", "latestVersion"})

    def shapes(self, cloud: Cloud) -> tuple[str, ...]:
        """What a version holds."""
        return (_DATA,)

    def changes_in_place(self, cloud: Cloud) -> frozenset[str]:
        """Everything but the name."""
        return self.supported(cloud) - {"name", "namePrefix", "region"}

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """Name, user data, volumes, metadata service, what conflicts."""
        name = inputs.get("name")
        if isinstance(name, str) and not _NAME.match(name):
            problems.add("name", f"{name!r} is not allowed", "3 to 128 letters, digits and ( ) . - / _")
        check_conflicts(inputs, "instanceType", ("instanceRequirements",), problems)
        check_conflicts(inputs, "networkInterfaces", ("vpcSecurityGroupIds", "securityGroupNames"), problems)
        if inputs.get("updateDefaultVersion"):
            check_conflicts(inputs, "updateDefaultVersion", ("defaultVersion",), problems)
        description = inputs.get("description")
        if isinstance(description, str) and len(description) > 255:
            problems.add("description", f"has {len(description)} characters", "give at most 255")
        _check_user_data(inputs.get("userData"), problems)
        metadata = inputs.get("metadataOptions")
        if isinstance(metadata, dict):
            path = "metadataOptions.httpPutResponseHopLimit"
            check_range(problems, path, metadata.get("httpPutResponseHopLimit"), 1, 64)
        for place, mapping in entries(inputs.get("blockDeviceMappings")):
            if isinstance(mapping.get("ebs"), dict):
                _check_volume(mapping["ebs"], f"blockDeviceMappings[{place}].ebs", problems)
        for place, specification in entries(inputs.get("tagSpecifications")):
            kind = specification.get("resourceType")
            if isinstance(kind, str) and kind not in _TAGGABLE:
                allowed = ", ".join(sorted(_TAGGABLE))
                problems.add(
                    f"tagSpecifications[{place}].resourceType", f"{kind!r}", f"use one of: {allowed}"
                )

    def create(self, op: Operation, inputs: State) -> State | None:
        """Creates the template with its first version."""
        parameters = {
            "LaunchTemplateName": inputs["name"],
            "LaunchTemplateData": self._data(op, inputs),
            **tag_specifications(self.noun, inputs),
        }
        if inputs.get("description"):
            parameters["VersionDescription"] = inputs["description"]
        data = op.call(self.create_call, parameters)["LaunchTemplate"]
        op.id = data["LaunchTemplateId"]
        return None

    def _data(self, op: Operation, inputs: State) -> dict[str, Any]:
        data = self.request(op, _DATA, inputs)
        for place, interface in entries(inputs.get("networkInterfaces")):
            for name, (member, key) in _ADDRESSES.items():
                if interface.get(name):
                    values: list[dict[str, Any]] = [{key: value} for value in interface[name]]
                    if name == "ipv4Addresses":
                        for number, value in enumerate(values):
                            value["Primary"] = number == 0
                    data["NetworkInterfaces"][place][member] = values
        tagged = [each for each in data.pop("TagSpecifications", ()) if each.get("Tags")]
        return {**data, "TagSpecifications": tagged} if tagged else data

    def state(self, op: Operation, data: Mapping[str, Any], known: Mapping[str, Any]) -> State:
        """The template, and what its latest version holds."""
        state = super().state(op, data, known)
        versions = op.call(
            "DescribeLaunchTemplateVersions", {"LaunchTemplateId": op.id, "Versions": ["$Latest"]}
        )["LaunchTemplateVersions"]
        latest = versions[0] if versions else {}
        held = dict(latest.get("LaunchTemplateData") or {})
        specifications = held.get("TagSpecifications") or ()
        # moto keeps the template's own tags among those of machines.
        held["TagSpecifications"] = [each for each in specifications if each["ResourceType"] != self.noun]
        content = self.properties(op, _ANSWERED, held)
        for place, interface in entries(content.get("networkInterfaces")):
            described = held["NetworkInterfaces"][place]
            for name, (member, key) in _ADDRESSES.items():
                if described.get(member):
                    interface[name] = [each[key] for each in described[member]]
        tags = filtered(op, "DescribeTags", "Tags", resource_id=op.id)  # moto describes the first ones only
        own = {"arn", "defaultVersion", "latestVersion", "name"}
        return {
            **content,
            **{name: value for name, value in state.items() if name in own},
            "tagsAll": from_pairs(tags),
            "description": latest.get("VersionDescription"),
        }

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """A new version for a change of what is in it; then the default."""
        latest = olds.get("latestVersion")
        if changed - self.local - {"defaultVersion", "tags"}:
            parameters = {"LaunchTemplateId": op.id, "LaunchTemplateData": self._data(op, news)}
            if news.get("description"):
                parameters["VersionDescription"] = news["description"]
            made = op.call("CreateLaunchTemplateVersion", parameters)["LaunchTemplateVersion"]
            latest = made["VersionNumber"]
        default = latest if news.get("updateDefaultVersion") else news.get("defaultVersion")
        if default and default != olds.get("defaultVersion"):
            op.call("ModifyLaunchTemplate", {"LaunchTemplateId": op.id, "DefaultVersion": str(default)})


def _check_user_data(value: Any, problems: Problems) -> None:
    if not isinstance(value, str) or not value:
        return
    try:
        size = len(base64.b64decode(value, validate=True))
    except (binascii.Error, ValueError):
        problems.add("userData", "is not Base64", "encode it")
        return
    if size > _USER_DATA_LIMIT:
        problems.add("userData", f"has {size} bytes", f"EC2 takes {_USER_DATA_LIMIT}")


def _check_volume(volume: Mapping[str, Any], path: str, problems: Problems) -> None:
    kind = volume.get("volumeType")
    kind = kind if isinstance(kind, str) else "gp2"
    if kind in _VOLUME_GIB:
        check_range(problems, f"{path}.volumeSize", volume.get("volumeSize"), *_VOLUME_GIB[kind], unit="GiB")
    if kind in _IOPS:
        check_range(problems, f"{path}.iops", volume.get("iops"), *_IOPS[kind])
        if kind != "gp3" and volume.get("iops") is None:
            problems.add(f"{path}.iops", "is missing", f"{kind} volumes need it")
    elif volume.get("iops") is not None and "volumeType" in volume:
        problems.add(f"{path}.iops", f"{kind} volumes take none", "use gp3, io1 or io2, or leave it out")
    if volume.get("throughput") is not None:
        if kind == "gp3":
            check_range(problems, f"{path}.throughput", volume["throughput"], *_THROUGHPUT, unit="MiB/s")
        elif "volumeType" in volume:
            problems.add(f"{path}.throughput", f"{kind} volumes take none", "use gp3, or leave it out")
    if volume.get("kmsKeyId") and str(volume.get("encrypted")).lower() == "false":
        problems.add(f"{path}.kmsKeyId", "needs encrypted", 'say encrypted "true"')
