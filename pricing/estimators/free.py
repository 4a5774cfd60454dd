"""Types that cost nothing by themselves, each for a stated reason.

They are listed one by one: a type that is neither here nor has an estimator is unknown, so unpriced.
"""

from collections.abc import Mapping
from typing import Final

from pricing.bill import Bill, Estimator

_AWS: Final[Mapping[str, Mapping[str, str]]] = {
    "configuration of a priced resource, or of the account": {
        "amp": "alertManagerDefinition queryLoggingConfiguration resourcePolicy ruleGroupNamespace "
        "scraperLoggingConfiguration workspaceConfiguration",
        "appautoscaling": "policy scheduledAction target",
        "athena": "dataCatalog database namedQuery preparedStatement",
        "autoscaling": "attachment lifecycleHook notification policy schedule tag trafficSourceAttachment",
        "batch": "jobDefinition jobQueue schedulingPolicy",
        "cfg": "aggregateAuthorization configurationAggregator deliveryChannel recorderStatus "
        "remediationConfiguration retentionConfiguration",
        "cloudwatch": "eventBusPolicy eventPermission logAccountPolicy logDataProtectionPolicy "
        "logDestination "
        "logDestinationPolicy logIndexPolicy logResourcePolicy logStream logSubscriptionFilter "
        "queryDefinition",
        "dynamodb": "resourcePolicy tableItem tag",
        "ec2": "eipAssociation launchConfiguration launchTemplate volumeAttachment networkInterface "
        "networkInterfaceAttachment placementGroup keyPair tag instanceMetadataDefaults",
        "ebs": "defaultKmsKey encryptionByDefault snapshotBlockPublicAccess",
        "ecr": "accountSetting lifecyclePolicy pullThroughCacheRule registryPolicy "
        "registryScanningConfiguration "
        "replicationConfiguration repositoryCreationTemplate repositoryPolicy",
        "eks": "accessEntry accessPolicyAssociation addon identityProviderConfig podIdentityAssociation",
        "glue": "catalogDatabase catalogTable classifier connection dataCatalogEncryptionSettings "
        "partition partitionIndex registry resourcePolicy schema securityConfiguration trigger "
        "userDefinedFunction workflow",
        "globalaccelerator": "endpointGroup listener",
        "grafana": "roleAssociation workspaceSamlConfiguration workspaceServiceAccount "
        "workspaceServiceAccountToken workspaceApiKey",
        "kinesis": "accountSettings resourcePolicy",
        "kms": "alias grant keyPolicy",
        "lambda": "alias codeSigningConfig eventSourceMapping functionEventInvokeConfig "
        "functionRecursionConfig functionUrl layerVersion layerVersionPermission permission "
        "runtimeManagementConfig",
        "lb": "listener listenerCertificate listenerRule targetGroup targetGroupAttachment",
        "route53": "cidrCollection cidrLocation delegationSet hostedZoneDnsSec record "
        "vpcAssociationAuthorization "
        "zoneAssociation queryLog recordsExclusive",
        "s3": "accountPublicAccessBlock accessPoint bucketAccelerateConfiguration bucketAcl "
        "bucketAclV2 "
        "bucketCorsConfiguration bucketCorsConfigurationV2 bucketIntelligentTieringConfiguration "
        "bucketLifecycleConfiguration bucketLifecycleConfigurationV2 bucketLogging bucketLoggingV2 "
        "bucketNotification bucketObject bucketObjectv2 bucketObjectLockConfiguration "
        "bucketObjectLockConfigurationV2 bucketOwnershipControls bucketPolicy bucketPublicAccessBlock "
        "bucketReplicationConfig bucketRequestPaymentConfiguration "
        "bucketServerSideEncryptionConfiguration "
        "bucketServerSideEncryptionConfigurationV2 bucketVersioning bucketVersioningV2 "
        "bucketWebsiteConfiguration objectCopy",
        "secretsmanager": "secretPolicy secretRotation secretVersion tag",
        "sfn": "activity alias",
        "sns": "dataProtectionPolicy topicPolicy",
        "sqs": "queuePolicy redriveAllowPolicy redrivePolicy",
    },
    "identity and access have no charge": {
        "accessanalyzer": "archiveRule",
        "iam": "accessKey accountAlias accountPasswordPolicy group groupMembership groupPolicy "
        "groupPolicyAttachment instanceProfile openIdConnectProvider policy policyAttachment role "
        "rolePoliciesExclusive rolePolicy rolePolicyAttachment rolePolicyAttachmentsExclusive "
        "samlProvider "
        "serviceLinkedRole user userGroupMembership userPolicy userPolicyAttachment virtualMfaDevice",
        "lakeformation": "dataCellsFilter dataLakeSettings lfTag permissions resource resourceLfTag "
        "resourceLfTags",
        "organizations": "account organization organizationalUnit policy policyAttachment resourcePolicy",
        "resourcegroups": "group resource",
    },
    "the parts of a VPC that do not process traffic have no charge": {
        "ec2": "defaultNetworkAcl defaultRouteTable defaultSecurityGroup defaultSubnet defaultVpc "
        "egressOnlyInternetGateway internetGateway internetGatewayAttachment mainRouteTableAssociation "
        "managedPrefixList managedPrefixListEntry networkAcl networkAclAssociation networkAclRule "
        "route "
        "routeTable routeTableAssociation securityGroup securityGroupAssociation securityGroupRule "
        "subnet vpc "
        "vpcBlockPublicAccessExclusion vpcBlockPublicAccessOptions vpcDhcpOptions "
        "vpcDhcpOptionsAssociation "
        "vpcEndpointPolicy vpcEndpointRouteTableAssociation vpcEndpointSubnetAssociation "
        "vpcIpv4CidrBlockAssociation vpcIpv6CidrBlockAssociation",
        "vpc": "endpointPrivateDns securityGroupEgressRule securityGroupIngressRule "
        "securityGroupVpcAssociation",
    },
    "events of AWS services, and 14 million scheduled invocations a month, are free": {
        "cloudwatch": "eventRule eventTarget",
        "scheduler": "schedule scheduleGroup",
    },
    "monitoring a budget or a cost anomaly is free": {
        "budgets": "budget",
        "costexplorer": "anomalyMonitor anomalySubscription costAllocationTag costCategory",
    },
    "no charge of its own: apps in it, and what it keeps in S3, are billed there": {
        "sagemaker": "domain mlflowApp"
    },
    "the registry's entries are free; what they point at is stored in S3": {
        "sagemaker": "algorithm appImageConfig codeRepository dataQualityJobDefinition device "
        "deviceFleet "
        "endpointConfiguration flowDefinition humanTaskUI image imageVersion model modelCard "
        "modelPackageGroup modelPackageGroupPolicy notebookInstanceLifecycleConfiguration pipeline "
        "project "
        "studioLifecycleConfig userProfile workforce workteam",
        "schemas": "registry registryPolicy schema",
    },
}

_KUBERNETES: Final = {
    "what runs on the cluster's nodes is in the price of the nodes": (
        "admissionregistration.k8s.io/v1:MutatingWebhookConfiguration",
        "admissionregistration.k8s.io/v1:ValidatingAdmissionPolicy",
        "admissionregistration.k8s.io/v1:ValidatingAdmissionPolicyBinding",
        "admissionregistration.k8s.io/v1:ValidatingWebhookConfiguration",
        "apiextensions.k8s.io/v1:CustomResourceDefinition",
        "apps/v1:DaemonSet",
        "apps/v1:Deployment",
        "apps/v1:StatefulSet",
        "autoscaling/v2:HorizontalPodAutoscaler",
        "batch/v1:CronJob",
        "batch/v1:Job",
        "core/v1:ConfigMap",
        "core/v1:LimitRange",
        "core/v1:Namespace",
        "core/v1:Pod",
        "core/v1:ResourceQuota",
        "core/v1:Secret",
        "core/v1:ServiceAccount",
        "gateway.networking.k8s.io/v1:GatewayClass",
        "gateway.networking.k8s.io/v1:HTTPRoute",
        "gateway.networking.k8s.io/v1beta1:ReferenceGrant",
        "helm.sh/v3:Chart",
        "helm.sh/v3:Release",
        "helm.sh/v4:Chart",
        "keda.sh/v1alpha1:ScaledJob",
        "keda.sh/v1alpha1:ScaledObject",
        "keda.sh/v1alpha1:TriggerAuthentication",
        "kueue.x-k8s.io/v1beta1:ClusterQueue",
        "kueue.x-k8s.io/v1beta1:Cohort",
        "kueue.x-k8s.io/v1beta1:LocalQueue",
        "kueue.x-k8s.io/v1beta1:ResourceFlavor",
        "kueue.x-k8s.io/v1beta1:WorkloadPriorityClass",
        "kueue.x-k8s.io/v1beta2:ClusterQueue",
        "kueue.x-k8s.io/v1beta2:Cohort",
        "kueue.x-k8s.io/v1beta2:LocalQueue",
        "kueue.x-k8s.io/v1beta2:ResourceFlavor",
        "kueue.x-k8s.io/v1beta2:WorkloadPriorityClass",
        "monitoring.coreos.com/v1:PodMonitor",
        "monitoring.coreos.com/v1:PrometheusRule",
        "monitoring.coreos.com/v1:ServiceMonitor",
        "networking.k8s.io/v1:IngressClass",
        "networking.k8s.io/v1:NetworkPolicy",
        "node.k8s.io/v1:RuntimeClass",
        "policy/v1:PodDisruptionBudget",
        "rbac.authorization.k8s.io/v1:ClusterRole",
        "rbac.authorization.k8s.io/v1:ClusterRoleBinding",
        "rbac.authorization.k8s.io/v1:Role",
        "rbac.authorization.k8s.io/v1:RoleBinding",
        "scheduling.k8s.io/v1:PriorityClass",
        "storage.k8s.io/v1:StorageClass",
        "yaml:ConfigFile",
        "yaml:ConfigGroup",
        "yaml/v2:ConfigFile",
        "yaml/v2:ConfigGroup",
    ),
}

_LOCAL_PACKAGES: Final = ("command", "local", "null", "random", "time", "tls")
"""Packages whose resources live in the state only."""


def _nothing(_bill: Bill) -> None:
    """Costs nothing by itself."""


def is_local(package: str) -> bool:
    """Whether a package's resources exist nowhere but in the stack's state."""
    return package in _LOCAL_PACKAGES


def reasons() -> dict[str, str]:
    """Why each free type is free."""
    found: dict[str, str] = {}
    for reason, modules in _AWS.items():
        for module, names in modules.items():
            found.update(
                {f"aws:{module}/{name}:{name[0].upper()}{name[1:]}": reason for name in names.split()}
            )
    for reason, kinds in _KUBERNETES.items():
        found.update({f"kubernetes:{kind}": reason for kind in kinds})
    return found


ESTIMATORS: Final[Mapping[str, Estimator]] = dict.fromkeys(reasons(), _nothing)
