"""Nova's fake hypervisor, with real ports: each network interface of a server is an Open vSwitch port that OVN binds.

The port's device is an ordinary one of the host (`tap` and the beginning of the port's id): moved into another network
namespace it becomes a guest's network card. Servers survive a restart of nova-compute.
"""
import json
import subprocess
from pathlib import Path

import nova.conf
from nova.compute import power_state
from nova.virt import fake
from oslo_log import log

CONF = nova.conf.CONF
LOG = log.getLogger(__name__)


class Driver(fake.FakeDriverWithoutFakeNodes):
    """Derived from the variant whose host has a lasting identity: with the other a restarted nova-compute refuses to start."""

    def init_host(self, host):
        super().init_host(host)
        self._records().mkdir(parents=True, exist_ok=True)
        for file in self._records().glob("*.json"):
            record = json.loads(file.read_text())
            self.instances[file.stem] = fake.FakeInstance(record["name"], record["state"], file.stem)
            for port in record["ports"]:
                self._interfaces[port] = {"id": port}

    def spawn(self, context, instance, image_meta, injected_files, admin_password, allocations, network_info=None, *args, **kwargs):
        super().spawn(context, instance, image_meta, injected_files, admin_password, allocations, network_info, *args, **kwargs)
        self.plug_vifs(instance, network_info)
        self._remember(instance, [vif["id"] for vif in network_info or []])

    def destroy(self, context, instance, network_info, *args, **kwargs):
        super().destroy(context, instance, network_info, *args, **kwargs)
        self.unplug_vifs(instance, network_info)
        self._record(instance).unlink(missing_ok=True)

    def power_off(self, instance, *args, **kwargs):
        super().power_off(instance, *args, **kwargs)
        self._remember(instance)

    def power_on(self, context, instance, *args, **kwargs):
        super().power_on(context, instance, *args, **kwargs)
        self._remember(instance)

    # Network interfaces.

    def attach_interface(self, context, instance, image_meta, vif):
        super().attach_interface(context, instance, image_meta, vif)
        self.plug_vifs(instance, [vif])
        self._remember(instance, [*self._ports(instance), vif["id"]])

    def detach_interface(self, context, instance, vif):
        super().detach_interface(context, instance, vif)
        self.unplug_vifs(instance, [vif])
        self._remember(instance, [port for port in self._ports(instance) if port != vif["id"]])

    def plug_vifs(self, instance, network_info):
        for vif in network_info or []:
            if vif.get("type") == "ovs":
                device = _device(vif["id"])
                _vsctl("--may-exist", "add-port", "br-int", device, "--", "set", "Interface", device, "type=internal",
                       f"external_ids:iface-id={vif['id']}", "external_ids:iface-status=active",
                       f"external_ids:attached-mac=\"{vif['address']}\"", f"external_ids:vm-uuid={instance.uuid}")

    def unplug_vifs(self, instance, network_info):
        for vif in network_info or []:
            _vsctl("--if-exists", "del-port", "br-int", _device(vif["id"]))

    # What survives a restart.

    def _records(self) -> Path:
        return Path(CONF.state_path) / "servers"

    def _record(self, instance) -> Path:
        return self._records() / f"{instance.uuid}.json"

    def _ports(self, instance) -> list:
        try:
            return json.loads(self._record(instance).read_text())["ports"]
        except FileNotFoundError:
            return []

    def _remember(self, instance, ports=None) -> None:
        known = self.instances.get(instance.uuid)
        self._record(instance).write_text(json.dumps({
            "name": instance.name, "state": known.state if known else power_state.RUNNING,
            "ports": self._ports(instance) if ports is None else ports}))


def _device(port: str) -> str:
    return f"tap{port}"[:14]


def _vsctl(*words: str) -> None:
    done = subprocess.run(["ovs-vsctl", "--timeout=20", f"--db={CONF.os_vif_ovs.ovsdb_connection}", *words], capture_output=True, text=True)
    if done.returncode:
        LOG.error("ovs-vsctl %s: %s", words, done.stderr.strip())
