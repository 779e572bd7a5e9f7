"""One load balancer with one member and, for the provider `ovn`, a floating IP; for `lab check`.

    balancer.py create NAME PROVIDER NETWORK MEMBER_ADDRESS PORT   prints {"seconds": {step: s}, "floating_ip": address or null}
    balancer.py delete NAME
"""
import json
import sys
import time

import cloud

SECONDS = 120


def create(connection, name: str, provider: str, network_name: str, address: str, port: str) -> None:
    octavia, network = connection.load_balancer, connection.network
    subnet = network.find_network(network_name).subnet_ids[0]
    algorithm = "SOURCE_IP_PORT" if provider == "ovn" else "ROUND_ROBIN"
    seconds = {}
    began = time.monotonic()

    def done(step: str) -> None:
        nonlocal began
        active(octavia, balancer.id)
        seconds[step] = round(time.monotonic() - began, 1)
        began = time.monotonic()

    balancer = octavia.create_load_balancer(name=name, vip_subnet_id=subnet, provider=provider)
    done("load balancer")
    listener = octavia.create_listener(name=name, load_balancer_id=balancer.id, protocol="TCP", protocol_port=80)
    done("listener")
    pool = octavia.create_pool(name=name, listener_id=listener.id, protocol="TCP", lb_algorithm=algorithm)
    done("pool")
    octavia.create_member(pool.id, name=name, address=address, protocol_port=int(port), subnet_id=subnet)
    done("member")
    octavia.create_health_monitor(name=name, pool_id=pool.id, type="TCP", delay=5, timeout=4, max_retries=2)
    done("health monitor")
    external = network.find_network("public").id
    floating = network.create_ip(floating_network_id=external, port_id=balancer.vip_port_id).floating_ip_address if provider == "ovn" else None
    json.dump({"seconds": seconds, "floating_ip": floating}, sys.stdout)


def delete(connection, name: str) -> None:
    octavia, network = connection.load_balancer, connection.network
    balancer = octavia.find_load_balancer(name)
    if balancer is None:
        return
    for floating in network.ips(port_id=balancer.vip_port_id):
        network.delete_ip(floating)
    octavia.delete_load_balancer(balancer, cascade=True)
    octavia.wait_for_delete(balancer, interval=1, wait=SECONDS)


def active(octavia, balancer: str) -> None:
    deadline = time.monotonic() + SECONDS
    while (status := octavia.get_load_balancer(balancer).provisioning_status) != "ACTIVE":
        if status == "ERROR" or time.monotonic() > deadline:
            raise SystemExit(f"the load balancer is {status}")
        time.sleep(0.2)


if __name__ == "__main__":
    {"create": create, "delete": delete}[sys.argv[1]](cloud.connect("lab-check"), *sys.argv[2:])
