"""Placement: inventory of the compute host."""
from ...units import Task
from .. import configuration, wsgi
from ..site import Service, Site, url


def service(site: Site) -> Service:
    manage = ["placement-manage", "--config-file", site.etc / "placement.conf"]
    return Service(
        "placement",
        databases=["placement"],
        catalogue=[("placement", "placement", url("placement"))],
        files={"placement.conf": configuration.service(site, "placement", {
            "placement_database": configuration.database("placement"),
            "api": {"auth_strategy": "keystone"},
        })},
        units=[
            Task("placement-migrate", ["databases"], argv=[*manage, "db", "sync"], once=True),
            wsgi.api(site, "placement", "placement.wsgi.api:application", after=["placement-migrate", "identity"], threads=4,
                     env={"OS_PLACEMENT_CONFIG_DIR": str(site.etc)}),
        ])
