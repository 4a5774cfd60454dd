"""SageMaker: endpoints, models, notebooks, training and features."""

from typing import Final

from policies.catalogue import About, Findings, joined_rule, resource_rule
from policies.keys import key_owner
from policies.models import CONFIGURATION, MODEL, has_local_storage, is_serverless, served_by, variants
from policies.resources import Resource, Stack
from policies.settings import Settings
from policies.values import Props

NOTEBOOK: Final = "aws:sagemaker:NotebookInstance"
TRAINING_JOB: Final = "aws:sagemaker:TrainingJob"
FEATURE_GROUP: Final = "aws:sagemaker:FeatureGroup"


@joined_rule(
    About(
        id="S22",
        name="endpoint-encrypts-storage",
        title="Endpoints encrypt their storage with a key of yours",
        remedy="Set kmsKeyArn of the endpoint configuration.",
        references=("CKV_AWS_98",),
    ),
    types=(CONFIGURATION,),
)
def endpoint_encrypts_storage(configuration: Resource, stack: Stack, _settings: Settings) -> Findings:
    """Not for serverless variants and machines with local disks: SageMaker takes no key for those."""
    served = variants(configuration)
    if served and all(
        is_serverless(variant) or has_local_storage(variant.text("instanceType")) for variant in served
    ):
        return
    if key_owner(configuration, stack, "kmsKeyArn", configuration.props, "kmsKeyArn") == "none":
        yield "the disks of its machines are not encrypted with a key of yours"


@joined_rule(
    About(
        id="S23",
        name="model-is-isolated",
        title="Models run without a network",
        remedy="Set enableNetworkIsolation to true.",
        references=("CKV_AWS_370",),
        severity="high",
    ),
    types=(MODEL,),
)
def model_is_isolated(model: Resource, stack: Stack, _settings: Settings) -> Findings:
    """A container that reaches nothing can leak nothing. Serverless endpoints do not offer it."""
    if model.props.flag("enableNetworkIsolation"):
        return
    served = served_by(model, stack)
    if not served or not all(is_serverless(variant) for variant in served):
        yield "its container can call out: enableNetworkIsolation is not true"


@resource_rule(
    About(
        id="S24",
        name="notebook-is-contained",
        title="Notebooks have no internet, no root, a VPC and metadata service version 2",
        remedy=(
            "Set directInternetAccess and rootAccess to Disabled, subnetId, and "
            'instanceMetadataServiceConfiguration.minimumInstanceMetadataServiceVersion to "2".'
        ),
        references=("CKV_AWS_122", "CKV_AWS_307", "CKV_AWS_306", "CKV_AWS_371"),
        severity="high",
    ),
    types=(NOTEBOOK,),
)
def notebook_is_contained(notebook: Resource, _settings: Settings) -> Findings:
    """SageMaker's defaults are the opposite of all four."""
    props = notebook.props
    if props.text("directInternetAccess", default="Enabled").lower() != "disabled":
        yield "it has direct internet access"
    if props.text("rootAccess", default="Enabled").lower() != "disabled":
        yield "its users are root"
    if not props.stated("subnetId"):
        yield "it is in no VPC of yours"
    version = props.block("instanceMetadataServiceConfiguration").text(
        "minimumInstanceMetadataServiceVersion"
    )
    if version != "2":
        yield "it answers to version 1 of the metadata service"


@joined_rule(
    About(
        id="S25",
        name="training-is-contained",
        title="Training jobs have keys, a VPC, isolation and encrypted traffic",
        remedy=(
            "Set outputDataConfig.kmsKeyId, resourceConfig.volumeKmsKeyId, vpcConfig, enableNetworkIsolation "
            "and enableInterContainerTrafficEncryption."
        ),
        severity="high",
    ),
    types=(TRAINING_JOB,),
)
def training_is_contained(job: Resource, stack: Stack, _settings: Settings) -> Findings:
    """Training sees all the data there is."""
    props = job.props
    resources = props.block("resourceConfig")
    if key_owner(job, stack, "outputDataConfig", props.block("outputDataConfig"), "kmsKeyId") != "customer":
        yield "its output is not encrypted with a key of yours"
    local = has_local_storage(resources.text("instanceType"))
    if not local and key_owner(job, stack, "resourceConfig", resources, "volumeKmsKeyId") != "customer":
        yield "its disks are not encrypted with a key of yours"
    if not props.stated("vpcConfig"):
        yield "it is in no VPC of yours"
    if not props.flag("enableNetworkIsolation"):
        yield "its container can call out"
    if not props.flag("enableInterContainerTrafficEncryption") and _several(resources):
        yield "what its containers tell each other is not encrypted"


def _several(resources: Props) -> bool:
    groups = resources.blocks("instanceGroups")
    return len(groups) > 1 or any((part.number("instanceCount") or 1) > 1 for part in (resources, *groups))


@joined_rule(
    About(
        id="S26",
        name="offline-store-encrypted",
        title="Offline stores are encrypted with a key of yours",
        remedy="Set offlineStoreConfig.s3StorageConfig.kmsKeyId.",
    ),
    types=(FEATURE_GROUP,),
)
def offline_store_encrypted(group: Resource, stack: Stack, _settings: Settings) -> Findings:
    """Without a key SageMaker writes with the bucket's or with S3's own."""
    storage = group.props.block("offlineStoreConfig").block("s3StorageConfig")
    if storage and key_owner(group, stack, "offlineStoreConfig", storage, "kmsKeyId") != "customer":
        yield "its offline store is not encrypted with a key of yours"
