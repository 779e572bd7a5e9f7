"""Open vSwitch and OVN: real switching, routing, floating IPs and OVN load balancing, in user space (no kernel module)."""
from ...units import Action, Daemon, Task, socket_open
from .. import settings
from ..site import Service, Site

_DATABASES = {
    # name: (schema, port or None)
    "vswitch": ("/usr/share/openvswitch/vswitch.ovsschema", None),
    "ovn-nb": ("/usr/share/ovn/ovn-nb.ovsschema", settings.PORTS["ovn-nb"]),
    "ovn-sb": ("/usr/share/ovn/ovn-sb.ovsschema", settings.PORTS["ovn-sb"]),
}


def remote(site: Site, database: str) -> str:
    """How a client reaches one of the three databases: `vswitch`, `ovn-nb`, `ovn-sb`."""
    return f"unix:{site.run}/{database}.sock"


def service(site: Site) -> Service:
    vswitch, northbound, southbound = (remote(site, name) for name in _DATABASES)
    units = [Action("ovn-directory", call=lambda: (site.data / "ovn").mkdir(exist_ok=True))]
    for name, (schema, port) in _DATABASES.items():
        file = site.data / "ovn" / f"{name}.db"
        argv = ["ovsdb-server", file, f"--remote=p{remote(site, name)}", f"--unixctl={site.run}/ovsdb-{name}.ctl", "-vconsole:warn"]
        if port:
            argv.append(f"--remote=ptcp:{port}:127.0.0.1")
        units += [
            Task(f"ovsdb-{name}-create", ["ovn-directory"], argv=["ovsdb-tool", "create", file, schema], once=True),
            Daemon(f"ovsdb-{name}", [f"ovsdb-{name}-create"], argv=argv, ready=socket_open(site.run / f"{name}.sock")),
        ]
    chassis = {
        "system-id": settings.HOST, "hostname": settings.HOST, "ovn-remote": southbound, "ovn-encap-type": "geneve",
        "ovn-encap-ip": "127.0.0.1", "ovn-bridge": "br-int", "ovn-bridge-datapath-type": "netdev",
        "ovn-bridge-mappings": f"{settings.EXTERNAL['network']}:br-ex", "ovn-cms-options": "enable-chassis-as-gw",
    }
    bridges = ["ovs-vsctl", f"--db={vswitch}", "--no-wait", "--", "init", "--", "set", "Open_vSwitch", ".",
               *(f"external_ids:{key}={value}" for key, value in chassis.items()),
               "--", "--may-exist", "add-br", "br-int", "--", "set", "bridge", "br-int", "datapath_type=netdev", "fail_mode=secure",
               "--", "--may-exist", "add-br", "br-ex", "--", "set", "bridge", "br-ex", "datapath_type=netdev"]
    prefix = settings.EXTERNAL["cidr"].partition("/")[2]
    gateway = f"{settings.EXTERNAL['gateway']}/{prefix}"
    units += [
        Task("ovs-bridges", ["ovsdb-vswitch"], argv=bridges),
        Daemon("ovs-vswitchd", ["ovs-bridges"], argv=["ovs-vswitchd", vswitch, f"--unixctl={site.run}/ovs-vswitchd.ctl", "-vconsole:warn"],
               ready=socket_open(site.run / "ovs-vswitchd.ctl")),
        # Waits until vswitchd has made the bridge, then gives the namespace its address on the external network. The database
        # is no sign of it: after a start from the seed it still names the port of the start before.
        Task("external-address", ["ovs-vswitchd"], argv=["timeout", "30", "sh", "-c", (
            f"until ip link set br-ex up 2>/dev/null; do sleep 0.1; done && ip address replace {gateway} dev br-ex")]),
        Daemon("ovn-northd", ["ovsdb-ovn-nb", "ovsdb-ovn-sb"], argv=[
            "ovn-northd", f"--ovnnb-db={northbound}", f"--ovnsb-db={southbound}", f"--unixctl={site.run}/ovn-northd.ctl", "-vconsole:warn"]),
        Daemon("ovn-controller", ["ovs-vswitchd", "ovsdb-ovn-sb"], argv=["ovn-controller", vswitch, "-vconsole:warn"]),
    ]
    return Service("ovn", units=units)
