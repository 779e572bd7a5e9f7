"""Configuration files of OpenStack services: the sections they share, and writing them."""
from pathlib import Path

from . import settings
from .site import Site


def database(name: str) -> dict:
    """A [database] section."""
    return {"connection": database_url(name), "max_pool_size": 5, "max_overflow": 20}


def database_url(name: str) -> str:
    """SQLAlchemy's address of a database."""
    return f"mysql+pymysql://root@127.0.0.1:{settings.PORTS['mariadb']}/{name}?charset=utf8mb3"


def login(user: str) -> dict:
    """How a service authenticates as its own Keystone user."""
    return {"auth_url": settings.AUTH_URL, "auth_type": "password", "username": user, "password": settings.PASSWORD,
            "project_name": "service", "user_domain_id": "default", "project_domain_id": "default",
            "region_name": settings.REGION}


def memcached() -> str:
    """Address of memcached."""
    return f"127.0.0.1:{settings.PORTS['memcached']}"


def service(site: Site, user: str, sections: dict) -> dict:
    """The whole configuration of a service: what all have in common, overlaid with its own sections."""
    common = {
        "DEFAULT": {
            "transport_url": f"rabbit://guest:guest@127.0.0.1:{settings.PORTS['rabbitmq']}/",
            "use_stderr": True, "rpc_response_timeout": 60, "executor_thread_pool_size": 16,
        },
        "keystone_authtoken": login(user) | {
            "www_authenticate_uri": settings.AUTH_URL, "memcached_servers": memcached(),
            "service_token_roles": "service", "service_token_roles_required": True,
        },
        "service_user": login(user) | {"send_service_user_token": True},
        "oslo_concurrency": {"lock_path": site.run / f"lock-{user}"},
        "oslo_messaging_notifications": {"driver": "noop"},
    }
    return {name: common.get(name, {}) | sections.get(name, {}) for name in {**common, **sections}}


def render(sections: dict) -> str:
    """The text of a configuration file."""
    lines = []
    for section, options in sections.items():
        lines.append(f"[{section}]")
        lines += [f"{option} = {_text(value)}" for option, value in options.items()]
    return "\n".join(lines) + "\n"


def _text(value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return ",".join(str(item) for item in value)
    return str(value)


def write(directory: Path, files: dict) -> None:
    """Write the configuration files."""
    for name, sections in files.items():
        (directory / name).write_text(render(sections))
