"""Make what every test builds on: flavors, images, the external network, Octavia's network, and each project's own network.

    resources.py DESCRIPTION.json OCTAVIA.conf OUTPUT.json

Writes the ids that Octavia's configuration needs, and those that tests need. May be run again.
"""
import json
import sys
import tempfile

import cloud


def main(description: dict, octavia_file: str, output_file: str) -> None:
    admin = cloud.connect("lab-resources")
    flavors(admin.compute, description["flavors"])
    images(admin)
    management = octavia_network(admin)
    with open(octavia_file, "w") as file:
        file.write(f"[controller_worker]\namp_boot_network_list = {management['network']}\n"
                   f"amp_secgroup_list = {management['security_group']}\n")
    ids = {"external": external_network(admin.network, description["external"]), "projects": {}}
    for project, wanted in description["networks"].items():
        owner = admin.identity.find_project(project).id
        ids["projects"][project] = {"id": owner} | project_network(admin.network, owner, wanted, ids["external"]["network"])
    with open(output_file, "w") as file:
        json.dump(ids, file, indent=2)


def flavors(compute, wanted) -> None:
    present = {flavor.name for flavor in compute.flavors()}
    for name, ram, cpus, disk in wanted:
        if name not in present:
            # Octavia is configured with its flavor's id.
            compute.create_flavor(name=name, ram=ram, vcpus=cpus, disk=disk, **({"id": name} if name == "amphora" else {}))


def images(admin) -> None:
    for name in ("node", "amphora"):
        if not admin.image.find_image(name):
            with tempfile.NamedTemporaryFile() as file:
                file.truncate(1 << 20)
                admin.create_image(name, filename=file.name, disk_format="raw", container_format="bare", wait=True,
                                   visibility="public", tags=[name])


def octavia_network(admin) -> dict:
    """Where amphorae are managed. Nothing answers there, but their ports must be real."""
    owner = admin.identity.find_project("service").id
    network = network_with_subnet(admin.network, owner, "lb-mgmt", "192.168.240.0/20", gateway_ip=None)
    group = first(admin.network.security_groups(name="lb-mgmt", project_id=owner)) or admin.network.create_security_group(
        name="lb-mgmt", project_id=owner)
    return network | {"security_group": group.id}


def external_network(network, wanted) -> dict:
    start, end = wanted["pool"]
    found = first(network.networks(name=wanted["network"])) or network.create_network(
        name=wanted["network"], is_router_external=True, provider_network_type="flat", provider_physical_network=wanted["network"])
    subnet = first(network.subnets(network_id=found.id)) or network.create_subnet(
        name=wanted["subnet"], network_id=found.id, ip_version=4, cidr=wanted["cidr"], gateway_ip=wanted["gateway"],
        is_dhcp_enabled=False, allocation_pools=[{"start": start, "end": end}])
    return {"network": found.id, "subnet": subnet.id}


def project_network(network, owner: str, wanted: dict, external: str) -> dict:
    """A network, its router to the outside, and the security group of nodes."""
    ids = network_with_subnet(network, owner, wanted["network"], wanted["cidr"])
    router = first(network.routers(name=wanted["router"], project_id=owner))
    if router is None:
        router = network.create_router(name=wanted["router"], project_id=owner, external_gateway_info={"network_id": external})
        network.add_interface_to_router(router, subnet_id=ids["subnet"])
    group = first(network.security_groups(name=wanted["security_group"], project_id=owner))
    if group is None:
        group = network.create_security_group(name=wanted["security_group"], project_id=owner)
        for rule in node_rules(group.id):
            network.create_security_group_rule(security_group_id=group.id, project_id=owner, direction="ingress", ether_type="IPv4", **rule)
    rules = [rule.id for rule in network.security_group_rules(security_group_id=group.id)]
    return ids | {"router": router.id, "security_group": group.id, "security_group_rules": rules}


def node_rules(group: str) -> list:
    """What nodes accept: node ports and ICMP from anywhere, everything from each other."""
    node_ports = [{"protocol": protocol, "port_range_min": 30000, "port_range_max": 32767} for protocol in ("tcp", "udp")]
    return [*node_ports, {"protocol": "icmp"}, {"remote_group_id": group}]


def network_with_subnet(network, owner: str, name: str, cidr: str, **options) -> dict:
    found = first(network.networks(name=name, project_id=owner)) or network.create_network(name=name, project_id=owner)
    subnet = first(network.subnets(network_id=found.id)) or network.create_subnet(
        name=name, network_id=found.id, project_id=owner, ip_version=4, cidr=cidr, **options)
    return {"network": found.id, "subnet": subnet.id}


def first(things):
    """The first of them, or None."""
    return next(iter(things), None)


if __name__ == "__main__":
    with open(sys.argv[1]) as source:
        main(json.load(source), sys.argv[2], sys.argv[3])
