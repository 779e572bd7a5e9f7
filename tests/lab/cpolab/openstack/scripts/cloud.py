"""The connection of this directory's scripts to the laboratory's OpenStack."""
import os

import openstack
from keystoneauth1 import session
from keystoneauth1.identity import v3

LASTING = {"lab": "node"}
"""Metadata of the servers that are nodes of Kubernetes: `reset` keeps them, for their guests live on."""


def connect(agent: str) -> openstack.connection.Connection:
    """Log in with the OS_* variables. The agent stands in the access logs: so our requests are told from those of the programs under test."""
    auth = v3.Password(
        os.environ["OS_AUTH_URL"], username=os.environ["OS_USERNAME"], password=os.environ["OS_PASSWORD"],
        project_name=os.environ["OS_PROJECT_NAME"], user_domain_id="default", project_domain_id="default")
    return openstack.connection.Connection(session=session.Session(auth, app_name=agent), region_name=os.environ["OS_REGION_NAME"])
