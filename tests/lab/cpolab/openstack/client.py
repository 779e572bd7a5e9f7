"""Being a client of the laboratory's OpenStack: credentials, and running scripts with them."""
import json
import subprocess

from .. import netns, paths
from ..errors import LabError
from . import settings
from .site import Site


def credentials(who: str = "user") -> dict:
    """The OS_* variables of one of settings.USERS: `user`, `other`, `admin`."""
    user = settings.USERS[who]
    return {
        "OS_AUTH_URL": settings.AUTH_URL, "OS_IDENTITY_API_VERSION": "3", "OS_REGION_NAME": settings.REGION,
        "OS_USERNAME": user["name"], "OS_PASSWORD": settings.PASSWORD, "OS_PROJECT_NAME": user["project"],
        "OS_USER_DOMAIN_ID": "default", "OS_PROJECT_DOMAIN_ID": "default",
        "OS_USER_DOMAIN_NAME": "Default", "OS_PROJECT_DOMAIN_NAME": "Default",
    }


def run_script(lab: paths.Lab, name: str, *words, who: str = "user"):
    """Run one of our scripts in the namespace as that user; returns the JSON it prints (None if nothing)."""
    site = Site(lab)
    command = netns.enter(lab.netns, site.script(name, *words))
    done = subprocess.run(command, env=site.env() | credentials(who), capture_output=True, text=True)
    if done.returncode:
        end = done.stderr.strip().splitlines()[-1:] or ["(no output)"]
        raise LabError(f"{name} {' '.join(str(word) for word in words[:1])}: {end[0]}")
    return json.loads(done.stdout) if done.stdout.strip() else None
