"""Certificates and kubeconfig files of one cluster.

Two authorities: `ca` signs servers and clients, `front-proxy-ca` the aggregation layer's client.
Keys are P-256, except the service account key, which is RSA: the token's `RS256` is what every
verifier knows.
"""

import base64
import json
import os
import subprocess
from pathlib import Path

from ..errors import LabError

VALID_DAYS = "3650"


class Authority:
    """A certificate authority whose files, and those it signs, are in one directory."""

    def __init__(self, directory: Path, name: str = "ca"):
        self.directory, self.name = directory, name

    @property
    def certificate(self) -> Path:
        return self.directory / f"{self.name}.crt"

    @property
    def key(self) -> Path:
        return self.directory / f"{self.name}.key"

    def create(self) -> None:
        """Makes the authority itself."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        _request(self.certificate, self.key, f"/CN={self.name}",
                 ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign,digitalSignature"])

    def issue(self, name: str, subject: str, alternative_names: list[str] = ()) -> tuple[Path, Path]:
        """A certificate for servers and clients; returns its path and its key's."""
        certificate, key = self.directory / f"{name}.crt", self.directory / f"{name}.key"
        extensions = ["basicConstraints=critical,CA:FALSE", "keyUsage=critical,digitalSignature",
                      "extendedKeyUsage=serverAuth,clientAuth"]
        if alternative_names:
            extensions.append("subjectAltName=" + ",".join(alternative_names))
        _request(certificate, key, subject, extensions, signer=self)
        return certificate, key


def _request(certificate: Path, key: Path, subject: str, extensions: list[str], signer: Authority | None = None) -> None:
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
               "-days", VALID_DAYS, "-subj", subject, "-keyout", str(key), "-out", str(certificate)]
    for extension in extensions:
        command += ["-addext", extension]
    if signer:
        command += ["-CA", str(signer.certificate), "-CAkey", str(signer.key)]
    # without a configuration file of its own, openssl adds the distribution's default extensions twice
    _openssl(command, config="[req]\ndistinguished_name=dn\n[dn]\n")


def service_account_keys(directory: Path) -> tuple[Path, Path]:
    """The key that signs service account tokens; returns the private and the public file."""
    private, public = directory / "service-account.key", directory / "service-account.pub"
    _openssl(["openssl", "genrsa", "-out", str(private), "2048"])
    _openssl(["openssl", "rsa", "-in", str(private), "-pubout", "-out", str(public)])
    return private, public


def _openssl(command: list[str], config: str | None = None) -> None:
    if config:
        command += ["-config", "/dev/stdin"]
    result = subprocess.run(command, input=config, text=True, capture_output=True)
    if result.returncode:
        raise LabError(f"openssl failed: {result.stderr.strip().splitlines()[-1]}")


def certificate_user(certificate: Path, key: Path) -> dict:
    """The `user` part of a kubeconfig that authenticates by certificate."""
    return {"client-certificate-data": _base64(certificate), "client-key-data": _base64(key)}


def token_user(token: str) -> dict:
    """The `user` part of a kubeconfig that authenticates by bearer token."""
    return {"token": token}


def write_kubeconfig(path: Path, server: str, authority: Authority, user: dict, namespace: str = "default") -> Path:
    """Writes a kubeconfig with one context, readable by its owner only. JSON is valid YAML."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "lab", "cluster": {"server": server, "certificate-authority-data": _base64(authority.certificate)}}],
        "users": [{"name": "lab", "user": user}],
        "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "lab", "namespace": namespace}}],
        "current-context": "lab",
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(content, file, indent=1)
    new.replace(path)
    return path


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
