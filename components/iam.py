"""IAM documents as pure functions: the same input gives the same text, whatever the order it came in."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

Statement = dict[str, Any]

KEY_USE = ("kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey")
"""What a reader and writer of encrypted data needs of its key."""


def allow(
    actions: Iterable[str],
    resources: Iterable[str],
    *,
    sid: str | None = None,
    conditions: Mapping[str, Mapping[str, str | list[str]]] | None = None,
) -> Statement:
    """One statement of an identity's policy."""
    statement: Statement = {"Effect": "Allow", "Action": _listed(actions), "Resource": _listed(resources)}
    if sid is not None:
        statement["Sid"] = sid
    if conditions:
        statement["Condition"] = {
            key: dict(sorted(value.items())) for key, value in sorted(conditions.items())
        }
    return statement


def resource_statement(
    principal: Mapping[str, str | list[str]],
    actions: Iterable[str],
    resources: Iterable[str],
    *,
    sid: str,
    effect: str = "Allow",
    conditions: Mapping[str, Mapping[str, str | list[str]]] | None = None,
) -> Statement:
    """One statement of a resource's policy."""
    statement = allow(actions, resources, sid=sid, conditions=conditions)
    return {
        **statement,
        "Effect": effect,
        "Principal": dict(principal),
    }


def document(*statements: Statement) -> str:
    """A policy document; keys sorted, statements in the order given."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)}, sort_keys=True)


def service_trust(service: str, account_id: str) -> str:
    """Only this service may take the role, and only when it works for this account (no confused deputy)."""
    return document(
        {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": {"Service": service},
            "Condition": {"StringEquals": {"aws:SourceAccount": account_id}},
        }
    )


def instance_trust() -> str:
    """EC2 hands the role to its own instances; it sends no source account to hold it to."""
    return document(
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}}
    )


def function_trust() -> str:
    """Lambda hands the role to its functions; it sends no source account to hold it to."""
    return document(
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
    )


def pod_trust(account_id: str) -> str:
    """Pods get the role by EKS Pod Identity, in a cluster of this account."""
    return document(
        {
            "Effect": "Allow",
            "Action": ["sts:AssumeRole", "sts:TagSession"],
            "Principal": {"Service": "pods.eks.amazonaws.com"},
            "Condition": {"StringEquals": {"aws:SourceAccount": account_id}},
        }
    )


def bucket_access(
    bucket_arn: str, *, read: Iterable[str] = (), write: Iterable[str] = (), delete: Iterable[str] = ()
) -> list[Statement]:
    """Statements for prefixes of a bucket (`""` is all of it); who reads or writes a prefix may list it."""
    read, write, delete = sorted(set(read)), sorted(set(write)), sorted(set(delete))
    listed = sorted({*read, *write})
    statements = []
    if listed:
        within: Mapping[str, Mapping[str, list[str]]] | None = None
        if "" not in listed:
            within = {"StringLike": {"s3:prefix": [f"{prefix}*" for prefix in listed]}}
        statements.append(allow(["s3:ListBucket"], [bucket_arn], conditions=within))
    for actions, prefixes in (
        (["s3:GetObject"], read),
        (["s3:AbortMultipartUpload", "s3:PutObject"], write),
        (["s3:DeleteObject"], delete),
    ):
        if prefixes:
            statements.append(allow(actions, [f"{bucket_arn}/{prefix}*" for prefix in prefixes]))
    return statements


def key_access(key_arn: str) -> Statement:
    """Use of one key for data at rest."""
    return allow(KEY_USE, [key_arn])


def put_metrics(namespace: str) -> Statement:
    """Metrics of one namespace, and of no other; the action takes no resource."""
    return allow(
        ["cloudwatch:PutMetricData"],
        ["*"],
        conditions={"StringEquals": {"cloudwatch:namespace": namespace}},
    )


def tls_only(actions: str, arns: Iterable[str]) -> Statement:
    """Nothing in the clear, whoever asks."""
    return resource_statement(
        {"AWS": "*"},
        [actions],
        arns,
        sid="TlsOnly",
        effect="Deny",
        conditions={"Bool": {"aws:SecureTransport": "false"}},
    )


def bucket_policy(bucket_arn: str, *statements: Statement) -> str:
    """The policy of a bucket: TLS only, and what else it grants."""
    return document(tls_only("s3:*", [bucket_arn, f"{bucket_arn}/*"]), *statements)


def access_log_delivery(bucket_arn: str, account_id: str) -> Statement:
    """S3 may write the access logs of this account's buckets."""
    statement = resource_statement(
        {"Service": "logging.s3.amazonaws.com"},
        ["s3:PutObject"],
        [f"{bucket_arn}/*"],
        sid="AccessLogs",
        conditions={"StringEquals": {"aws:SourceAccount": account_id}},
    )
    # Tools that look for this grant (moto among them) know a single resource as text only.
    return {**statement, "Resource": f"{bucket_arn}/*"}


def topic_policy(topic_arn: str, account_id: str, services: Iterable[str]) -> str:
    """TLS only; these services of this account may publish.

    EventBridge ignores conditions in a topic's policy, so it alone stands without one.
    """
    statements = [tls_only("sns:Publish", [topic_arn])]
    statements.extend(
        resource_statement(
            {"Service": service},
            ["sns:Publish"],
            [topic_arn],
            sid=_sid(service),
            conditions=None
            if service == "events.amazonaws.com"
            else {"StringEquals": {"aws:SourceAccount": account_id}},
        )
        for service in _listed(services)
    )
    return document(*statements)


def queue_policy(queue_arn: str, account_id: str, services: Iterable[str]) -> str:
    """TLS only; these services of this account may send."""
    statements = [tls_only("sqs:*", [queue_arn])]
    statements.extend(
        resource_statement(
            {"Service": service},
            ["sqs:SendMessage"],
            [queue_arn],
            sid=_sid(service),
            conditions={"StringEquals": {"aws:SourceAccount": account_id}},
        )
        for service in _listed(services)
    )
    return document(*statements)


def key_policy(partition: str, region: str, account_id: str) -> str:
    """The policy of the platform's key: the account's IAM decides, named services use it for the account.

    A key's policy speaks of the key it is on, so its resource is always `*`.
    """
    for_account = {"StringEquals": {"aws:SourceAccount": account_id}}
    use = ["kms:Decrypt", "kms:GenerateDataKey*"]
    logs = f"arn:{partition}:logs:{region}:{account_id}:log-group:*"
    statements = [
        resource_statement(
            {"AWS": f"arn:{partition}:iam::{account_id}:root"}, ["kms:*"], ["*"], sid="AccountDecides"
        ),
        resource_statement(
            {"Service": f"logs.{region}.amazonaws.com"},
            ["kms:Decrypt*", "kms:Describe*", "kms:Encrypt*", "kms:GenerateDataKey*", "kms:ReEncrypt*"],
            ["*"],
            sid="LogGroups",
            conditions={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": logs}},
        ),
        resource_statement(
            {"Service": "logging.s3.amazonaws.com"},
            ["kms:GenerateDataKey*"],
            ["*"],
            sid="AccessLogs",
            conditions=for_account,
        ),
        resource_statement(
            {
                "Service": [
                    "budgets.amazonaws.com",
                    "cloudwatch.amazonaws.com",
                    "costalerts.amazonaws.com",
                ]
            },
            use,
            ["*"],
            sid="Alerts",
            conditions=for_account,
        ),
        # EventBridge sends no source account when it publishes to an encrypted topic.
        resource_statement({"Service": "events.amazonaws.com"}, use, ["*"], sid="Events"),
    ]
    return document(*statements)


def _listed(values: Iterable[str]) -> list[str]:
    return sorted(set(values))


def _sid(service: str) -> str:
    return "".join(part.capitalize() for part in service.removesuffix(".amazonaws.com").split("."))
