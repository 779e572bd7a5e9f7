"""Glance: images. Nobody boots them, but Nova and Octavia look them up."""
from ...units import Action, Task
from .. import configuration, wsgi
from ..site import Service, Site, url


def service(site: Site) -> Service:
    stores = {"file": site.images, "os_glance_staging_store": site.data / "glance/staging", "os_glance_tasks_store": site.data / "glance/tasks"}
    return Service(
        "glance",
        databases=["glance"],
        catalogue=[("glance", "image", url("glance"))],
        files={"glance-api.conf": configuration.service(site, "glance", {
            "DEFAULT": {"enabled_backends": "file:file"},
            "database": configuration.database("glance"),
            "glance_store": {"default_backend": "file"},
            "paste_deploy": {"flavor": "keystone", "config_file": site.venv / "etc/glance/glance-api-paste.ini"},
        } | {name: {"filesystem_store_datadir": directory} for name, directory in stores.items()})},
        units=[
            Action("glance-directories", call=lambda: [path.mkdir(parents=True, exist_ok=True) for path in stores.values()]),
            Task("glance-migrate", ["databases"], argv=["glance-manage", "--config-file", site.etc / "glance-api.conf", "db_sync"], once=True),
            wsgi.api(site, "glance", "glance.wsgi.api:application", after=["glance-migrate", "glance-directories", "identity", "rabbitmq"],
                     threads=4, env={"OS_GLANCE_CONFIG_DIR": str(site.etc)}),
        ])
