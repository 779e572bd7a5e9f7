"""Make and delete servers, many at once.

    servers.py create NETWORK SECURITY_GROUP NAME...   prints [{name, id, address, mac, port_id}, ...] in the order of the names
    servers.py delete NAME...
"""
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import cloud

AT_ONCE = 8
SECONDS = 300


def main(command: str, words: list[str]) -> None:
    connection = cloud.connect("lab-servers")
    if command == "create":
        json.dump(create(connection, *words[:2], words[2:]), sys.stdout)
    elif command == "delete":
        delete(connection.compute, set(words))
    else:
        raise SystemExit(f"unknown command {command}")


def create(connection, network: str, group: str, names: list[str]) -> list[dict]:
    compute = connection.compute
    present = {server.name for server in compute.servers()}
    network_id = connection.network.find_network(network, ignore_missing=False).id
    request = {"flavor_id": compute.find_flavor("m1.small").id, "image_id": connection.image.find_image("node").id,
               "networks": [{"uuid": network_id}], "metadata": cloud.LASTING, "security_groups": [{"name": group}]}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda name: compute.create_server(name=name, **request), [name for name in names if name not in present]))
    servers = wait(lambda: all_active(compute, names))
    ports = {port.device_id: port for port in connection.network.ports(network_id=network_id)}
    found = [(server, ports[server.id]) for server in servers]
    return [{"name": server.name, "id": server.id, "port_id": port.id, "mac": port.mac_address, "address": port.fixed_ips[0]["ip_address"]}
            for server, port in found]


def all_active(compute, names: list[str]):
    """The servers in the order of the names once all are ACTIVE, else None."""
    servers = {server.name: server for server in compute.servers()}
    failed = [name for name in names if name in servers and servers[name].status == "ERROR"]
    if failed:
        raise SystemExit(f"servers in state ERROR: {', '.join(failed)}")
    ready = [servers[name] for name in names if name in servers and servers[name].status == "ACTIVE"]
    return ready if len(ready) == len(names) else None


def delete(compute, names: set[str]) -> None:
    doomed = {server.id for server in compute.servers() if server.name in names}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(compute.delete_server, doomed))
    wait(lambda: doomed.isdisjoint(server.id for server in compute.servers()))


def wait(condition):
    """The first true result of the condition."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        result = condition()
        if result:
            return result
        time.sleep(0.5)
    raise SystemExit(f"servers not ready after {SECONDS} s")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
