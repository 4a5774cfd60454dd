"""Machines and their disks."""

import base64
import binascii
from collections.abc import Iterator
from typing import Final

from policies.catalogue import About, Findings, joined_rule, resource_rule
from policies.resources import Resource, Stack
from policies.secret_texts import credential_in
from policies.settings import Settings
from policies.values import Props, any_of, for_each

INSTANCE: Final = "aws:ec2:Instance"
TEMPLATE: Final = "aws:ec2:LaunchTemplate"
CONFIGURATION: Final = "aws:ec2:LaunchConfiguration"
VOLUME: Final = "aws:ebs:Volume"
NODE_CLASS: Final = "kubernetes:EC2NodeClass"
_BY_DEFAULT: Final = "aws:ebs:EncryptionByDefault"


@resource_rule(
    About(
        id="S18",
        name="metadata-service-v2",
        title="Machines use version 2 of the metadata service, one hop away",
        remedy="Set metadataOptions.httpTokens to required and httpPutResponseHopLimit to 1.",
        references=("CKV_AWS_79", "CKV_AWS_341"),
        severity="high",
    ),
    types=(INSTANCE, TEMPLATE, CONFIGURATION, NODE_CLASS),
)
def metadata_service_v2(machine: Resource, _settings: Settings) -> Findings:
    """EC2 allows version 1 unless told otherwise; Karpenter's node classes do not."""
    own = machine.type == NODE_CLASS
    options = (machine.props.block("spec") if own else machine.props).block("metadataOptions")
    if options.text("httpEndpoint").lower() == "disabled":
        return
    if options.text("httpTokens", default="required" if own else "optional").lower() != "required":
        yield "any process that can be tricked into a request reads its role's credentials: httpTokens"
    hops = options.number("httpPutResponseHopLimit")
    if machine.type != INSTANCE and hops is not None and hops > 1:
        yield f"containers reach the metadata service too: httpPutResponseHopLimit is {hops:g}"


@resource_rule(
    About(
        id="S19",
        name="machine-has-no-public-ip",
        title="Machines have no public IP address",
        remedy="Set associatePublicIpAddress to false and use a private subnet.",
        references=("CKV_AWS_88",),
        severity="high",
    ),
    types=(INSTANCE, TEMPLATE, CONFIGURATION),
)
def machine_has_no_public_ip(machine: Resource, _settings: Settings) -> Findings:
    """What the subnet decides is not the machine's."""
    cards = machine.props.blocks("networkInterfaces") if machine.type == TEMPLATE else [machine.props]
    if any_of(cards, lambda card: card.flag("associatePublicIpAddress")):
        yield "it gets a public IP address"


@joined_rule(
    About(
        id="S20",
        name="disk-is-encrypted",
        title="Disks are encrypted",
        remedy="Set encrypted to true on every block device (the root one too).",
        references=("CKV_AWS_8", "CKV_AWS_3"),
        severity="high",
    ),
    types=(INSTANCE, TEMPLATE, CONFIGURATION, VOLUME),
)
def disk_is_encrypted(machine: Resource, stack: Stack, _settings: Settings) -> Findings:
    """EBS encrypts only if told to, here or once for the account."""
    if any_of(stack.of(_BY_DEFAULT), lambda switch: switch.props.flag("enabled", default=True)):
        return
    if machine.type == VOLUME:
        disks = [machine.props]
    elif machine.type == TEMPLATE:
        mappings = machine.props.blocks("blockDeviceMappings")
        disks = [mapping.block("ebs") for mapping in mappings if mapping.stated("ebs")]
    else:
        root = machine.props.block("rootBlockDevice")
        if not root:
            yield "its root disk is not encrypted: there is no rootBlockDevice"
        disks = [item for item in (root, *machine.props.blocks("ebsBlockDevices", "ebsBlockDevice")) if item]
    yield from for_each(disks, _plain_disk)


def _plain_disk(disk: Props) -> Findings:
    if not disk.flag("encrypted") and not disk.stated("snapshotId"):
        yield f"{disk.path or 'it'} is not encrypted"


@resource_rule(
    About(
        id="S21",
        name="user-data-holds-no-secret",
        title="User data holds no credentials",
        remedy="Read them at run time with the machine's role, and revoke what was written here.",
        references=("CKV_AWS_46",),
        severity="critical",
    ),
    types=(INSTANCE, TEMPLATE, CONFIGURATION),
)
def user_data_holds_no_secret(machine: Resource, _settings: Settings) -> Findings:
    """Everyone who may describe the machine can read it."""
    for text in _user_data(machine):
        kind = credential_in(text)
        if kind is not None:
            yield f"its user data holds {kind}"
            return


def _user_data(machine: Resource) -> Iterator[str]:
    for name in ("userData", "userDataBase64"):
        text = machine.props.text(name)
        if not text:
            continue
        if name == "userData":
            yield text
        try:
            yield base64.b64decode(text, validate=True).decode("utf-8", "replace")
        except (binascii.Error, ValueError):
            continue  # plain text
