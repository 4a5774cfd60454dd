"""What is changed of moto in this process: defaults, speed, repeatable ids, and a few of its mistakes."""

import importlib
import json
import secrets
from functools import lru_cache
from typing import Any, Final

from twin.aws.cloud import clock, randomness
from twin.aws.cloud.import_hook import when_imported

EPOCH: Final = 1_767_225_600.0
"""2026-01-01: when the twin's account was opened, and with it all that AWS has from the start."""


def apply() -> None:
    """Applies every change; those of services when the service is first used."""
    _configure()
    _speed_up()
    _seed_backends()
    when_imported("moto.kms.models", _mend_keys)
    when_imported("moto.s3.models", _mend_bucket_policies)
    when_imported("moto.s3.models", _mend_delete_markers)
    when_imported("moto.ec2.models.subnets", _mend_subnets)
    when_imported("moto.ec2.models.vpcs", _mend_vpc_endpoints)
    when_imported("moto.ec2.models.nat_gateways", _mend_nat_gateways)
    when_imported("moto.sns.models", _mend_message_certificates)


def _configure() -> None:
    from moto.core.config import default_user_config

    default_user_config["stepfunctions"] = {"execute_state_machine": True}
    default_user_config["lambda"] = {"use_docker": False}
    default_user_config["iam"] = {"load_aws_managed_policies": True}


def _speed_up() -> None:
    """Mends what a profile of the serving path showed to cost the most."""
    botocore_session: Any = importlib.import_module("botocore.session")
    common_models: Any = importlib.import_module("moto.core.common_models")
    responses: Any = importlib.import_module("moto.core.responses")

    # Every call listed the handler class's methods anew (milliseconds for EC2).
    responses.method_names_from_class = lru_cache(maxsize=None)(responses.method_names_from_class)

    # Request ids took 52 draws of the seeded generator each; they need not be repeatable.
    def request_id(headers: dict[str, Any] | None = None) -> str:
        identity = secrets.token_hex(16)
        if isinstance(headers, dict):
            headers["x-amzn-requestid"] = identity
        return identity

    responses.gen_amzn_requestid_long = request_id

    # Modules ask for the regions as they are imported, each with a new session that reads EC2's model anew.
    kind = botocore_session.Session
    regions = lru_cache(maxsize=None)(kind().get_available_regions)
    kind.get_available_regions = lambda _self, *asked, **named: list(regions(*asked, **named))

    # Every model object ever made was kept in a list for moto's dashboard, which is not served here.
    def untracked(cls: type, *_args: Any, **_kwargs: Any) -> Any:
        return object.__new__(cls)

    common_models.BaseModel.__new__ = untracked


def _seed_backends() -> None:
    """What a service has from the start (the default VPC, say) depends on nothing but service and region."""
    base: Any = importlib.import_module("moto.core.base_backend")
    original = base.AccountSpecificBackend.__getitem__

    def get(self: Any, region: str) -> Any:
        if dict.__contains__(self, region):
            return dict.__getitem__(self, region)
        with randomness.seeded("backend", self.service_name, self.account_id, region), clock.frozen(EPOCH):
            return original(self, region)

    base.AccountSpecificBackend.__getitem__ = get


def _mend_keys(models: Any) -> None:
    """Symmetric KMS keys come from the seeded source: after a replay they decrypt what they encrypted.

    moto also makes an RSA key pair (60 ms) for each of them, which nothing uses, and knows no default
    for the usage.
    """
    from moto.moto_api._internal import mock_random

    original = models.generate_private_key
    models.generate_master_key = lambda: mock_random.getrandbits(256).to_bytes(32)
    models.generate_private_key = lambda spec: (
        None if spec == "SYMMETRIC_DEFAULT" or spec.startswith("HMAC") else original(spec)
    )
    begin = models.Key.__init__

    def begin_with_usage(self: Any, policy: Any, key_usage: Any, *more: Any, **named: Any) -> None:
        begin(self, policy, key_usage or "ENCRYPT_DECRYPT", *more, **named)

    models.Key.__init__ = begin_with_usage


def _mend_bucket_policies(models: Any) -> None:
    """A bucket policy's statements with conditions do not apply here.

    moto knows no condition and takes each for one that refuses, so that "deny without TLS", which every
    bucket of ours has, refused everything; loopback stands for TLS.
    """
    original = models.FakeBucket.get_permission

    def get_permission(self: Any, action: str, resource: str) -> Any:
        if self.policy is None or b'"Condition"' not in self.policy:
            return original(self, action, resource)
        document = json.loads(self.policy)
        listed = document.get("Statement") or []
        listed = listed if isinstance(listed, list) else [listed]
        kept = [statement for statement in listed if not statement.get("Condition")]
        whole, self.policy = self.policy, json.dumps({**document, "Statement": kept}).encode()
        try:
            return original(self, action, resource)
        finally:
            self.policy = whole

    models.FakeBucket.get_permission = get_permission


def _mend_delete_markers(models: Any) -> None:
    """A bucket that is versioned no longer gives up its delete markers, of which moto knows no end."""
    models.FakeDeleteMarker.dispose = lambda _self: None


def _mend_subnets(module: Any) -> None:
    """Moto shows the state of a subnet's IPv6 block as the text of a dict."""

    def blocks(subnet: Any) -> list[dict[str, Any]]:
        return [
            {
                "associationId": each["associationId"],
                "ipv6CidrBlock": each["ipv6CidrBlock"],
                "ipv6CidrBlockState": {"state": each["ipv6CidrBlockState"]["State"]},
            }
            for each in subnet.ipv6_cidr_block_associations.values()
            if each["ipv6CidrBlockState"]["State"] == "associated"
        ]

    module.Subnet.ipv6_cidr_block_association_set = property(blocks)


def _mend_vpc_endpoints(module: Any) -> None:
    """An endpoint of no given type is a gateway; moto keeps it without one, and then can't delete it."""
    original = module.VPCBackend.create_vpc_endpoint

    def create(self: Any, *args: Any, endpoint_type: str | None = None, **named: Any) -> Any:
        return original(self, *args, endpoint_type=endpoint_type or "Gateway", **named)

    module.VPCBackend.create_vpc_endpoint = create


def _mend_nat_gateways(module: Any) -> None:
    """A NAT gateway takes its network interface along; moto leaves it behind."""
    original = module.NatGatewayBackend.delete_nat_gateway

    def delete(self: Any, nat_gateway_id: str) -> Any:
        deleted = original(self, nat_gateway_id)
        self.enis.pop(deleted._eni.id, None)
        return deleted

    module.NatGatewayBackend.delete_nat_gateway = delete


def _mend_message_certificates(module: Any) -> None:
    """Messages to queues are signed: a certificate's dates must be of the class that the first one found.

    cryptography keeps that class, and would refuse real dates if it were the clock's stand-in.
    """
    x509, hashes = module.cryptography.x509, module.hashes
    key = module.rsa.generate_private_key(public_exponent=65537, key_size=1024)
    nobody = x509.Name([])
    with clock.real_datetime():
        x509.CertificateBuilder(
            issuer_name=nobody,
            subject_name=nobody,
            public_key=key.public_key(),
            serial_number=1,
            not_valid_before=module.utcnow(),
            not_valid_after=module.utcnow(),
        ).sign(key, hashes.SHA256())
