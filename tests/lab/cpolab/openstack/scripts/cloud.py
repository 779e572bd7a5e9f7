"""Connections to the laboratory's OpenStack, for the scripts of this directory."""
import openstack
from keystoneauth1 import session
from keystoneauth1.identity import v3


def connect(auth_url: str, region: str, user: str, password: str, project: str, agent: str) -> openstack.connection.Connection:
    """Log in. The agent names the script in the access logs, so that its requests are told from those of programs under test."""
    auth = v3.Password(auth_url, username=user, password=password, project_name=project, user_domain_id="default", project_domain_id="default")
    return openstack.connection.Connection(session=session.Session(auth, app_name=agent), region_name=region)
