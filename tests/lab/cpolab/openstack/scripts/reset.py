"""Delete everything a test has made in the project that is logged in to, and keep what the laboratory has given it: its network,
router and security group, and the servers that are nodes, whose ports are put back as they were.

    reset.py KEEP    KEEP: {"network", "router", "security_group", "security_group_rules"}, ids, as JSON
"""
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import cloud
from openstack import exceptions

SECONDS = 300


def main(keep: dict) -> None:
    connection = cloud.connect("lab-reset")
    network, compute = connection.network, connection.compute
    mine = {"project_id": connection.current_project_id}
    with ThreadPoolExecutor(8) as pool:
        balancers = pool.submit(delete_load_balancers, connection.load_balancer)
        servers = pool.submit(delete_servers, compute)
        each(pool, network.delete_ip, network.ips(**mine))
        balancers.result()
        nodes = servers.result()
        reset_routers(network, mine, keep["router"])
        ports = [port for port in network.ports(**mine) if not port.device_owner.startswith("network:")]
        each(pool, network.delete_port, (port for port in ports if port.device_id not in nodes))
        each(pool, lambda port: reset_port(network, port, keep), (port for port in ports if port.device_id in nodes))
        each(pool, network.delete_network, (one for one in network.networks(**mine) if one.id != keep["network"]))
        each(pool, network.delete_security_group, (
            group for group in network.security_groups(**mine) if group.id != keep["security_group"] and group.name != "default"))
        rules = network.security_group_rules(security_group_id=keep["security_group"])
        each(pool, network.delete_security_group_rule, (rule for rule in rules if rule.id not in keep["security_group_rules"]))
        each(pool, compute.delete_server_group, compute.server_groups())


def each(pool, function, things) -> None:
    """Apply the function to all, several at a time; raises the first error."""
    list(pool.map(function, list(things)))


def delete_load_balancers(octavia) -> None:
    """All of them, with their children; one that is still being changed is tried again."""
    deadline = time.monotonic() + SECONDS
    while balancers := list(octavia.load_balancers()):
        for balancer in balancers:
            if not balancer.provisioning_status.startswith("PENDING"):
                try:
                    octavia.delete_load_balancer(balancer, cascade=True)
                except exceptions.ConflictException:
                    pass  # it has begun to change since
        if time.monotonic() > deadline:
            raise SystemExit("load balancers that cannot be deleted: " + ", ".join(
                f"{balancer.name} ({balancer.provisioning_status})" for balancer in balancers))
        time.sleep(0.5)


def delete_servers(compute) -> set[str]:
    """All but the nodes; returns the ids of those."""
    nodes = {server.id for server in compute.servers() if cloud.LASTING.items() <= server.metadata.items()}

    def doomed():
        return [server for server in compute.servers(details=False) if server.id not in nodes]

    for server in doomed():
        compute.delete_server(server)
    deadline = time.monotonic() + SECONDS
    while left := doomed():
        if time.monotonic() > deadline:
            raise SystemExit(f"servers that do not go: {', '.join(server.name for server in left)}")
        time.sleep(0.5)
    return nodes


def reset_routers(network, mine: dict, kept: str) -> None:
    """Delete all but the kept one, and its extra routes."""
    for router in network.routers(**mine):
        if router.id == kept:
            if router.routes:
                network.update_router(router, routes=[])
            continue
        for port in network.ports(device_id=router.id, device_owner="network:router_interface"):
            network.remove_interface_from_router(router, port_id=port.id)
        network.delete_router(router)


def reset_port(network, port, keep: dict) -> None:
    """Take away what a test has added to a node's port."""
    if port.allowed_address_pairs or port.security_group_ids != [keep["security_group"]]:
        network.update_port(port, allowed_address_pairs=[], security_groups=[keep["security_group"]])


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
