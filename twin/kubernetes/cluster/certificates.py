"""Keys and certificates of one cluster: made at its first start, gone with it."""

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from twin.kubernetes.cluster.files import write_private

_DAYS: Final = 365
_ADMINISTRATORS: Final = "system:masters"
CLIENTS: Final = {
    "admin": ("stagecraft", _ADMINISTRATORS),
    "kube-controller-manager": ("system:kube-controller-manager", ""),
    "kube-scheduler": ("system:kube-scheduler", ""),
    "kwok": ("stagecraft:kwok", _ADMINISTRATORS),
    "karpenter": ("stagecraft:karpenter", _ADMINISTRATORS),
    "kubelet": ("stagecraft:kubelet", _ADMINISTRATORS),
}
"""Who may call the API server, by file name: user and group."""


@dataclass(frozen=True)
class Authority:
    """The cluster's own certificate authority; nothing outside the cluster trusts it."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def create(cls) -> "Authority":
        """A new one."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stagecraft twin")])
        certificate = (
            _begin(name, name, key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .sign(key, hashes.SHA256())
        )
        return cls(key, certificate)

    def server(self, folder: Path, name: str, addresses: list[str]) -> None:
        """Writes `<name>.crt` and `<name>.key` of a server with these addresses and names."""
        self._issue(folder, name, x509.Name([_common(name)]), ExtendedKeyUsageOID.SERVER_AUTH, addresses)

    def client(self, folder: Path, name: str, user: str, group: str) -> None:
        """Writes `<name>.crt` and `<name>.key` of a client that is this user."""
        parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group)] if group else []
        self._issue(folder, name, x509.Name([*parts, _common(user)]), ExtendedKeyUsageOID.CLIENT_AUTH, [])

    def _issue(
        self, folder: Path, name: str, subject: x509.Name, use: x509.ObjectIdentifier, addresses: list[str]
    ) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            _begin(subject, self.certificate.subject, key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
        )
        if addresses:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_alternative(address) for address in addresses]), critical=False
            )
        write_private(folder / f"{name}.crt", pem_of(builder.sign(self.key, hashes.SHA256())))
        write_private(folder / f"{name}.key", _pem_of_key(key))


def create_all(folder: Path, server_addresses: list[str]) -> None:
    """Writes everything that a control plane needs into the folder.

    Args:
        folder: Where to; `ca.crt` is written last, so that it says that all is there.
        server_addresses: Addresses and names that the API server answers to.
    """
    authority = Authority.create()
    authority.server(folder, "apiserver", server_addresses)
    for name, (user, group) in CLIENTS.items():
        authority.client(folder, name, user, group)
    accounts = ec.generate_private_key(ec.SECP256R1())
    # Kubernetes reads the public half out of a private key in this older form only.
    older = serialization.PrivateFormat.TraditionalOpenSSL
    write_private(folder / "accounts.key", _pem_of_key(accounts, older))
    write_private(folder / "ca.crt", pem_of(authority.certificate))


def pem_of(certificate: x509.Certificate) -> bytes:
    """The certificate as text."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def _pem_of_key(
    key: ec.EllipticCurvePrivateKey,
    form: serialization.PrivateFormat = serialization.PrivateFormat.PKCS8,
) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def _begin(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))  # clocks that were set back
        .not_valid_after(now + datetime.timedelta(days=_DAYS))
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _common(name: str) -> x509.NameAttribute[str]:
    return x509.NameAttribute(NameOID.COMMON_NAME, name)


def _alternative(address: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(address))
    except ValueError:
        return x509.DNSName(address)
