"""Neutron with ML2/OVN: networks, ports, routers, floating IPs, security groups; OVN carries the packets."""
from ...units import Action, Daemon, Task
from .. import configuration, settings, wsgi
from ..site import Service, Site, url
from .ovn import remote

_RESOURCES = ["network", "subnet", "port", "router", "floatingip", "security_group", "security_group_rule"]


def service(site: Site) -> Service:
    config = ["--config-file", site.etc / "neutron.conf", "--config-file", site.etc / "ml2_conf.ini"]
    external = settings.EXTERNAL["network"]
    needs = ["neutron-migrate", "neutron-directory", "identity", "rabbitmq", "ovn-northd", "ovn-controller"]
    return Service(
        "neutron",
        databases=["neutron"],
        catalogue=[("neutron", "network", url("neutron"))],
        files={
            "neutron.conf": configuration.service(site, "neutron", {
                "DEFAULT": {
                    "core_plugin": "ml2", "host": settings.HOST, "state_path": site.data / "neutron",
                    "service_plugins": "ovn-router,trunk,qos,port_forwarding,segments,network_ip_availability,auto_allocate",
                    "api_paste_config": site.venv / "etc/neutron/api-paste.ini", "api_workers": 1, "rpc_workers": 0,
                    "notify_nova_on_port_status_changes": True, "notify_nova_on_port_data_changes": True,
                    "dns_domain": "lab.local.", "max_allowed_address_pair": 1000,
                },
                "quotas": {"default_quota": -1} | {f"quota_{resource}": -1 for resource in _RESOURCES},
                "database": configuration.database("neutron"),
                "nova": configuration.login("neutron"),
                "placement": configuration.login("neutron"),
            }),
            "ml2_conf.ini": {
                "ml2": {"type_drivers": "local,flat,vlan,geneve", "tenant_network_types": "geneve", "mechanism_drivers": "ovn",
                        "extension_drivers": "port_security,dns,qos", "overlay_ip_version": 4},
                "ml2_type_flat": {"flat_networks": external},
                "ml2_type_vlan": {"network_vlan_ranges": f"{external}:100:199"},
                "ml2_type_geneve": {"vni_ranges": "1:65536", "max_header_size": 38},
                "securitygroup": {"enable_security_group": True},
                "ovn": {"ovn_nb_connection": remote(site, "ovn-nb"), "ovn_sb_connection": remote(site, "ovn-sb"),
                        "ovn_l3_scheduler": "leastloaded", "ovn_metadata_enabled": False, "enable_distributed_floating_ip": True,
                        "neutron_sync_mode": "log"},
            },
        },
        units=[
            Action("neutron-directory", call=lambda: (site.data / "neutron").mkdir(exist_ok=True)),
            Task("neutron-migrate", ["databases"], argv=["neutron-db-manage", *config, "upgrade", "heads"], once=True),
            wsgi.api(site, "neutron", "neutron.wsgi.api:application", after=needs, threads=8, env={
                "OS_NEUTRON_CONFIG_DIR": str(site.etc), "OS_NEUTRON_CONFIG_FILES": "neutron.conf;ml2_conf.ini"}),
            # Repairs OVN's database where an API request that failed half-way left it different from Neutron's.
            Daemon("neutron-ovn-maintenance", needs, argv=["neutron-ovn-maintenance-worker", *config]),
        ])
