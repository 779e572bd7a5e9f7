"""Nova: servers. The hypervisor is Nova's own fake one, except that it plugs real ports (scripts/lab_hypervisor.py)."""
import time

from ...units import Action, Daemon, Gate, Task
from .. import configuration, settings, wsgi
from ..site import Service, Site, url
from . import mariadb
from .ovn import remote


def service(site: Site) -> Service:
    config = ["--config-file", site.etc / "nova.conf"]
    manage = ["nova-manage", *config]
    paste = site.venv / "etc/nova/api-paste.ini"
    daemons = ["nova-conductor", "nova-scheduler", "nova-compute"]
    needs = ["nova-migrate", "nova-directories", "placement-api", "rabbitmq"]
    return Service(
        "nova",
        databases=["nova", "nova_api", "nova_cell0"],
        catalogue=[("nova", "compute", url("nova", "/v2.1"))],
        files={"nova.conf": configuration.service(site, "nova", {
            "DEFAULT": {
                "my_ip": "127.0.0.1", "host": settings.HOST, "state_path": site.data / "nova", "instances_path": site.data / "nova/instances",
                "compute_driver": "lab_hypervisor.Driver", "concurrency_backend": "threading", "log_options": False,
                "allow_resize_to_same_host": True, "sync_power_state_interval": -1, "update_resources_interval": 60,
                "report_interval": 5,
            },
            "api": {"auth_strategy": "keystone"},
            "wsgi": {"api_paste_config": paste},
            "quota": {name: -1 for name in ("instances", "cores", "ram", "server_groups", "server_group_members", "key_pairs")},
            "scheduler": {"workers": 1, "discover_hosts_in_cells_interval": -1},
            "conductor": {"workers": 1},
            "vnc": {"enabled": False},
            "spice": {"enabled": False},
            "glance": {"api_servers": url("glance")},
            "os_vif_ovs": {"ovsdb_connection": remote(site, "vswitch")},
            "database": configuration.database("nova"),
            "api_database": configuration.database("nova_api"),
            "placement": configuration.login("nova"),
            "neutron": configuration.login("nova"),
        })},
        units=[
            Action("nova-directories", call=lambda: (site.data / "nova/instances").mkdir(parents=True, exist_ok=True)),
            Task("nova-api-migrate", ["databases"], argv=[*manage, "api_db", "sync"], once=True),
            Task("nova-cell0", ["nova-api-migrate"], once=True, argv=[
                *manage, "cell_v2", "map_cell0", "--database_connection", configuration.database_url("nova_cell0")]),
            Task("nova-cell1", ["nova-cell0"], argv=[*manage, "cell_v2", "create_cell", "--name", "cell1"], once=True),
            Task("nova-migrate", ["nova-cell1"], argv=[*manage, "db", "sync"], once=True),
            # The paste file first: Nova reads its options from the last one.
            wsgi.api(site, "nova", "nova.wsgi.osapi_compute:application", after=[*needs, "identity"], threads=8, env={
                "OS_NOVA_CONFIG_DIR": str(site.etc), "OS_NOVA_CONFIG_FILES": f"{paste};nova.conf"}),
            Daemon("nova-conductor", needs, argv=["nova-conductor", *config]),
            Daemon("nova-scheduler", needs, argv=["nova-scheduler", *config]),
            Daemon("nova-compute", needs, argv=site.script("nova_compute.py", *config)),
            Gate("nova-reports", daemons, ready=_all_report(site, len(daemons))),
            Task("nova-discover-hosts", ["nova-reports"], argv=[*manage, "cell_v2", "discover_hosts", "--verbose"], once=True),
        ])


def _all_report(site: Site, count: int):
    """Ready when so many services have reported since now: the scheduler passes over the silent ones."""
    since = time.strftime("%F %T", time.gmtime())
    asked = [0.0]

    def ready():
        if time.monotonic() - asked[0] < 1:
            return False
        asked[0] = time.monotonic()
        counted = mariadb.query(site, f"SELECT COUNT(*) FROM nova.services WHERE deleted = 0 AND last_seen_up >= '{since}'")
        return counted.isdigit() and int(counted) >= count
    return ready
