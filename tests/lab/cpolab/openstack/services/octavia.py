"""Octavia: load balancers, with the providers `amphora` (its amphorae are servers without a program inside) and `ovn` (real)."""
from pathlib import Path

from ...units import Action, Daemon, Task, file_made
from .. import configuration, settings, wsgi
from ..site import Service, Site, url
from .ovn import remote

_SOCKETS = Path("/run/octavia")
"""Where octavia-lib's provider drivers look for the driver agent's sockets, whatever [driver_agent] says."""

_QUOTAS = ["load_balancer", "listener", "pool", "member", "health_monitor", "l7policy", "l7rule"]
_KEY_PASSPHRASE = "lab-lab-lab"


def service(site: Site) -> Service:
    config = ["--config-file", site.etc / "octavia.conf"]
    certificates = site.data / "octavia"
    authority, key = certificates / "ca.pem", certificates / "ca.key"
    sockets = site.run / "octavia"
    networks = site.data / "octavia-networks.conf"
    # Instances share the host's /run: each sees its own directory there.
    mounts = {_SOCKETS: sockets}
    return Service(
        "octavia",
        databases=["octavia"],
        catalogue=[("octavia", "load-balancer", url("octavia"))],
        files={"octavia.conf": configuration.service(site, "octavia", {
            "api_settings": {
                "bind_host": "127.0.0.1", "bind_port": settings.PORTS["octavia"], "auth_strategy": "keystone", "healthcheck_enabled": True,
                "enabled_provider_drivers": "amphora: 'amphorae as servers', octavia: 'alias of amphora', ovn: 'OVN'",
                "default_provider_driver": "amphora",
            },
            "controller_worker": {
                "workers": 1, "amp_active_wait_sec": 1, "amp_image_tag": "amphora", "amp_flavor_id": "amphora", "client_ca": authority,
                "loadbalancer_topology": "SINGLE", "statistics_drivers": "stats_logger",
                # The only fake part: nothing is asked of the program inside an amphora.
                "amphora_driver": "amphora_noop_driver",
                "compute_driver": "compute_nova_driver", "network_driver": "allowed_address_pairs_driver",
                "volume_driver": "volume_noop_driver", "image_driver": "image_glance_driver",
            },
            "certificates": {"cert_generator": "local_cert_generator", "ca_certificate": authority, "ca_private_key": key,
                             "ca_private_key_passphrase": _KEY_PASSPHRASE, "server_certs_key_passphrase": "insecure-key-do-not-use-this-key"},
            "haproxy_amphora": {"client_cert": authority, "server_ca": authority},
            "health_manager": {"heartbeat_key": "lab", "bind_ip": "127.0.0.1", "controller_ip_port_list": "127.0.0.1:5555"},
            "oslo_messaging": {"topic": "octavia_prov"},
            "task_flow": {"jobboard_enabled": False},
            "driver_agent": {"enabled_provider_agents": "ovn"},
            "ovn": {"ovn_nb_connection": remote(site, "ovn-nb"), "ovn_sb_connection": remote(site, "ovn-sb")},
            "compute": {"max_retries": 100, "retry_interval": 1},
            "quotas": {f"default_{name}_quota": -1 for name in _QUOTAS},
            "database": configuration.database("octavia"),
            "service_auth": configuration.login("octavia"),
            "neutron": configuration.login("octavia"),
        })},
        units=[
            Action("octavia-directories", call=lambda: [path.mkdir(exist_ok=True) for path in (certificates, _SOCKETS, sockets)]),
            Task("octavia-authority", ["octavia-directories"], once=True, argv=[
                "openssl", "req", "-x509", "-newkey", "rsa:2048", "-days", "3650", "-subj", "/CN=lab", "-keyout", key,
                "-passout", f"pass:{_KEY_PASSPHRASE}", "-out", authority]),
            Task("octavia-migrate", ["databases"], argv=["octavia-db-manage", *config, "upgrade", "head"], once=True),
            Daemon("octavia-driver-agent", ["octavia-migrate", "octavia-directories", "identity", "ovn-northd"], mounts=mounts,
                   argv=["octavia-driver-agent", *config],
                   # Not by connecting: the agent reads on for ever, at full speed, from a connection closed without a request.
                   ready=file_made(sockets / "get.sock")),
            # After the agent: the API waits for its sockets, for minutes.
            wsgi.api(site, "octavia", "octavia.wsgi.api:application", after=["octavia-driver-agent", "octavia-authority", "rabbitmq"],
                     threads=6, argv=config, mounts=mounts),
            Daemon("octavia-worker", ["resources", "octavia-authority", "rabbitmq"],
                   argv=["octavia-worker", *config, "--config-file", networks]),
        ])
