"""Fill Keystone from a JSON description: roles, projects, users, the service catalogue. May be run again."""
import json
import sys

import cloud

INTERFACES = ("public", "internal", "admin")


def main(description: dict) -> None:
    identity = cloud.connect("lab-identity").identity
    roles = by_name(identity.roles(), description["roles"], lambda name: identity.create_role(name=name))
    projects = by_name(identity.projects(), {user["project"] for user in description["users"]},
                       lambda name: identity.create_project(name=name, domain_id="default"))
    users = by_name(identity.users(), {user["name"] for user in description["users"]}, lambda name: identity.create_user(
        name=name, password=description["password"], domain_id="default"))
    for user in description["users"]:
        for role in user["roles"]:
            identity.assign_project_role_to_user(projects[user["project"]], users[user["name"]], roles[role])
    entries = {name: (kind, url) for name, kind, url in description["catalogue"]}
    services = by_name(identity.services(), entries, lambda name: identity.create_service(name=name, type=entries[name][0]))
    present = {(endpoint.service_id, endpoint.interface) for endpoint in identity.endpoints()}
    for name, (_, url) in entries.items():
        for interface in INTERFACES:
            if (services[name].id, interface) not in present:
                identity.create_endpoint(service_id=services[name].id, interface=interface, url=url,
                                         region_id=description["region"])


def by_name(existing, wanted, create) -> dict:
    """All objects by name, the wanted ones made if missing."""
    found = {thing.name: thing for thing in existing}
    for name in sorted(wanted):
        if name not in found:
            found[name] = create(name)
    return found


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        main(json.load(file))
