"""Image registries and functions."""

from typing import Final

from policies.catalogue import About, Findings, joined_rule, resource_rule
from policies.resources import Resource, Stack
from policies.secret_texts import credential_in
from policies.settings import Settings
from policies.values import UNKNOWN, CannotJudge, Props, any_of

REPOSITORY: Final = "aws:ecr:Repository"
FUNCTION: Final = "aws:lambda:Function"
FUNCTION_URL: Final = "aws:lambda:FunctionUrl"


@joined_rule(
    About(
        id="S30",
        name="repository-is-hardened",
        title="ECR repositories have immutable tags, scans and KMS encryption",
        remedy=(
            "Set imageTagMutability to IMMUTABLE, imageScanningConfiguration.scanOnPush to true and "
            "encryptionConfigurations.encryptionType to KMS."
        ),
        references=("CKV_AWS_51", "CKV_AWS_163", "CKV_AWS_136"),
        severity="high",
    ),
    types=(REPOSITORY,),
)
def repository_is_hardened(repository: Resource, stack: Stack, _settings: Settings) -> Findings:
    """ECR's defaults are mutable tags, no scan and AES256."""
    props = repository.props
    if props.text("imageTagMutability", default="MUTABLE").upper() != "IMMUTABLE":
        yield "an image can be put under an old tag: imageTagMutability is not IMMUTABLE"
    scanned = props.block("imageScanningConfiguration").flag("scanOnPush")
    if not scanned and not any_of(stack.of("aws:ecr:RegistryScanningConfiguration"), _scans_everything):
        yield "images are not scanned when they are pushed"
    encryption = props.block("encryptionConfigurations", "encryptionConfiguration")
    if encryption.text("encryptionType", default="AES256").upper() not in ("KMS", "KMS_DSSE"):
        yield "images are not encrypted with KMS"


def _encrypts_something(function: Props) -> bool:
    """What Lambda uses the key for: variables, snapshots and container images."""
    snapshots = function.block("snapStart").text("applyOn", default="None").lower() != "none"
    image = function.text("packageType", default="Zip").lower() == "image"
    return function.stated("environment") or snapshots or image


def _scans_everything(configuration: Resource) -> bool:
    return any(
        rule.text("scanFrequency") in ("SCAN_ON_PUSH", "CONTINUOUS_SCAN")
        and any(item.text("filter") == "*" for item in rule.blocks("repositoryFilters"))
        for rule in configuration.props.blocks("rules")
    )


@resource_rule(
    About(
        id="S31",
        name="function-keeps-secrets",
        title="Functions encrypt their variables, hold no credentials and have no open URL",
        remedy=(
            "Set kmsKeyArn where there are variables, read credentials from Secrets Manager at run time, and "
            "set a function URL's authorizationType to AWS_IAM."
        ),
        references=("CKV_AWS_173", "CKV_AWS_258", "CKV_AWS_45"),
        severity="high",
    ),
    types=(FUNCTION, FUNCTION_URL),
)
def function_keeps_secrets(resource: Resource, _settings: Settings) -> Findings:
    """A URL has no default: it must say who may call."""
    props = resource.props
    if resource.type == FUNCTION_URL:
        if props.text("authorizationType", default="NONE").upper() == "NONE":
            yield "anyone on the internet can call it: authorizationType is NONE"
        return
    if props.stated("environment") and not props.stated("kmsKeyArn"):
        yield "its variables are not encrypted with a key of yours"
    if props.raw.get("kmsKeyArn") is not None and not _encrypts_something(props):
        yield "it has a key for variables, and none: AWS drops the key, and every deployment changes it"
    variables = props.block("environment").mapping("variables")
    for name, value in sorted(variables.items()):
        kind = credential_in(value) if isinstance(value, str) else None
        if kind is not None:
            yield f"its variable {name} holds {kind}"
    if any(value is UNKNOWN for value in variables.values()):
        hidden = sorted(name for name, value in variables.items() if value is UNKNOWN)
        raise CannotJudge(f"its variables {', '.join(hidden)} are not known yet")
