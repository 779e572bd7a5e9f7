"""Constants of the OpenStack half: ports, addresses, names, passwords. All addresses are inside the lab's network namespace."""

REGION = "RegionOne"
PASSWORD = "lab"
"""Of every user: nothing of the laboratory is reachable from outside its namespace."""

PORTS = {
    "mariadb": 3306, "rabbitmq": 5672, "memcached": 11211, "ovn-nb": 6641, "ovn-sb": 6642,
    "keystone": 5000, "placement": 8778, "glance": 9292, "nova": 8774, "neutron": 9696, "octavia": 9876,
}

AUTH_URL = f"http://127.0.0.1:{PORTS['keystone']}/v3"
HOST = "labhost"
"""Name of the one compute host and OVN chassis."""

EXTERNAL = {"network": "public", "subnet": "public-subnet", "cidr": "172.24.4.0/24", "gateway": "172.24.4.1",
            "pool": ["172.24.4.10", "172.24.4.250"]}
"""The provider network. Its gateway is the lab namespace itself (br-ex), so that floating IPs answer there."""

PROJECT_ROLES = ["member", "creator", "load-balancer_member"]

USERS = {
    "user": {"name": "k8s", "project": "k8s", "roles": PROJECT_ROLES},
    "other": {"name": "k8s2", "project": "k8s2", "roles": PROJECT_ROLES},
    "admin": {"name": "admin", "project": "admin", "roles": ["admin", "load-balancer_admin", "creator"]},
}
"""The programs under test are `user`; `other` owns foreign objects."""

NETWORKS = {
    "k8s": {"network": "nodes", "cidr": "10.66.0.0/22", "router": "k8s", "security_group": "nodes"},
    "k8s2": {"network": "other", "cidr": "10.77.0.0/24", "router": "k8s2", "security_group": "nodes"},
}
"""What each test project has from the beginning and `reset` keeps."""

FLAVORS = [
    # name, MiB, vCPUs, GiB; a disk of 0 would forbid ordinary users to boot from an image
    ("m1.tiny", 512, 1, 1), ("m1.small", 2048, 2, 10), ("m1.large", 8192, 4, 20), ("amphora", 256, 1, 2),
]

DEBIAN = ["rabbitmq-server", "mariadb-server", "memcached", "ovn-central", "ovn-host", "openvswitch-switch", "qemu-utils",
          "openssl", "iproute2", "util-linux", "gcc", "python3-dev", "python3-venv"]
