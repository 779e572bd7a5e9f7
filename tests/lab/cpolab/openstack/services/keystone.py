"""Keystone: users, projects, tokens, the service catalogue."""
import base64
import os

from ...units import Action, Task
from .. import client, configuration, settings, wsgi
from ..site import Service, Site


def service(site: Site) -> Service:
    keys = site.data / "keystone"
    manage = ["keystone-manage", "--config-file", site.etc / "keystone.conf"]
    endpoints = [word for kind in ("admin", "public", "internal") for word in (f"--bootstrap-{kind}-url", settings.AUTH_URL)]
    bootstrap = [*manage, "bootstrap", "--bootstrap-password", settings.PASSWORD, "--bootstrap-region-id", settings.REGION, *endpoints]
    return Service(
        "keystone",
        databases=["keystone"],
        files={"keystone.conf": {
            "DEFAULT": {"use_stderr": True, "public_endpoint": settings.AUTH_URL.removesuffix("/v3")},
            "database": configuration.database("keystone"),
            "token": {"provider": "fernet", "expiration": 86400},
            "fernet_tokens": {"key_repository": keys / "fernet"},
            "fernet_receipts": {"key_repository": keys / "fernet"},
            "credential": {"key_repository": keys / "credential"},
            "cache": {"enabled": True, "backend": "dogpile.cache.pymemcache", "memcache_servers": configuration.memcached()},
            "oslo_messaging_notifications": {"driver": "noop"},
        }},
        units=[
            Action("keystone-keys", call=lambda: [_write_keys(keys / kind) for kind in ("fernet", "credential")]),
            Task("keystone-migrate", ["databases"], argv=[*manage, "db_sync"], once=True),
            Task("keystone-bootstrap", ["keystone-migrate", "keystone-keys", "memcached"], argv=bootstrap, once=True),
            wsgi.api(site, "keystone", "keystone.wsgi.api:application", after=["keystone-bootstrap"], threads=6,
                     env={"OS_KEYSTONE_CONFIG_DIR": str(site.etc)}),
            Task("identity", ["keystone-api"], argv=site.script("identity.py", site.etc / "identity.json"), once=True,
                 env=client.credentials("admin")),
        ])


def _write_keys(directory) -> None:
    """A primary and a staged Fernet key: 32 random bytes each, in URL-safe base64."""
    if directory.exists():
        return
    directory.mkdir(parents=True, mode=0o700)
    for name in ("0", "1"):
        file = directory / name
        file.write_bytes(base64.urlsafe_b64encode(os.urandom(32)))
        file.chmod(0o600)
