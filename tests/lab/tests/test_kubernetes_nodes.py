"""Nodes: what registers, what is reserved, which rules are made, what a machine must have."""
import argparse
import json
import tempfile
import unittest
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

from cpolab.errors import LabError
from cpolab.kubernetes import fleet, heartbeat, node, node_commands, node_network, preflight
from cpolab.kubernetes.cluster import Cluster
from cpolab.kubernetes.fleet import Fleet
from cpolab.lock import locked
from cpolab.kubernetes.node import Node
from cpolab.kubernetes.reset import lease_is_held
from cpolab.paths import Lab

NOW = datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)


class Temporary(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.lab = Lab("test", Path(directory.name))
        self.cluster = Cluster(self.lab)


class Heartbeat(unittest.TestCase):
    def node(self, provided: bool) -> dict:
        return {"name": "kn-1", "id": "some-id", "address": "10.0.0.5", "fleet": "kn", "version": "v1.2.3", "provided": provided}

    def test_a_node_registers_tainted_and_without_provider_id(self):
        registered = heartbeat.node_object(self.node(provided=False))
        self.assertEqual(registered["spec"], {"taints": [heartbeat.UNINITIALIZED]})
        self.assertNotIn("annotations", registered["metadata"])

    def test_the_provided_address_is_announced_only_if_told(self):
        self.assertEqual(heartbeat.node_object(self.node(provided=True))["metadata"]["annotations"], {heartbeat.PROVIDED_IP: "10.0.0.5"})
        addresses = [heartbeat.status_patch(self.node(provided), NOW)["status"]["addresses"] for provided in (False, True)]
        self.assertEqual([[a["type"] for a in some] for some in addresses], [["Hostname"], ["InternalIP", "Hostname"]])

    def test_the_system_uuid_is_the_servers_id(self):
        info = heartbeat.status_patch(self.node(provided=False), NOW)["status"]["nodeInfo"]
        self.assertEqual((info["systemUUID"], info["kubeletVersion"]), ("some-id", "v1.2.3"))

    def test_leases_have_microseconds_and_the_fleets_label(self):
        lease = heartbeat.lease_object(self.node(provided=False), NOW)
        self.assertEqual(lease["spec"]["renewTime"], "2026-01-02T03:04:05.678000Z")
        self.assertEqual(lease["metadata"]["labels"], {heartbeat.FLEET: "kn"})


class FleetNames(unittest.TestCase):
    def test_a_name_that_cannot_be_a_label_is_refused_before_anything_is_made(self):
        self.assertEqual(node_commands._prefix("kn"), "kn")
        for odd in ("five-", "-kn", "Kn", "k n", "", "../kn"):
            with self.assertRaises(argparse.ArgumentTypeError, msg=odd):
                node_commands._prefix(odd)


class Fleets(Temporary):
    def test_names_are_known_even_if_making_the_servers_failed(self):
        group = Fleet(self.cluster, "kn")
        with mock.patch("cpolab.openstack.servers.create", side_effect=LabError("no quota")), self.assertRaises(LabError):
            fleet.create_servers(group, 2)
        self.assertEqual((group.names(), group.servers()), (["kn-1", "kn-2"], []))

    def test_registering_more_than_there_are_servers_is_refused(self):
        with self.assertRaisesRegex(LabError, "has 0 servers"):
            fleet.register(Fleet(self.cluster, "kn"), 3)

    def test_only_its_own_nodes_can_be_silenced(self):
        with self.assertRaisesRegex(LabError, "other-1"):
            fleet.silence(Fleet(self.cluster, "kn"), ["other-1"])


class Reservation(Temporary):
    def test_indexes_are_unique_over_clusters_and_used_again(self):
        first, second, third = Node(self.cluster, "n1"), Node(Cluster(self.lab, "b"), "n2"), Node(self.cluster, "n3")
        node.reserve(first)
        node.reserve(second)
        self.assertEqual((first.index, second.index), (1, 2))
        (first.directory / "node.json").unlink()
        node.reserve(third)
        self.assertEqual(third.index, 1)

    def test_a_node_without_server_has_a_record(self):
        worker = Node(self.cluster, "n1")
        self.assertFalse(worker.exists())
        node.reserve(worker)
        self.assertTrue(worker.exists())
        self.assertIsNone(worker.server)
        self.assertEqual(node.existing(self.cluster), [worker])

    def test_one_name_in_two_clusters_is_refused(self):
        node.reserve(Node(self.cluster, "n1"))
        with self.assertRaisesRegex(LabError, "n1"):
            node.reserve(Node(Cluster(self.lab, "b"), "n1"))

    def test_a_lock_is_free_again_after_use(self):
        for _ in range(2):
            with locked(self.lab.state, "nodes"):
                self.assertTrue((self.lab.state / ".nodes.lock").exists())


class Rules(Temporary):
    def test_every_rule_outside_can_be_deleted_as_it_was_added(self):
        worker = Node(self.cluster, "n1")
        node.reserve(worker)
        for rule in node_network._rules_outside(worker):
            self.assertTrue(rule.startswith("--append "))
            self.assertIn("--in-interface node1", rule)
            self.assertIn(str(self.cluster.api_port), rule)

    def test_the_kubernetes_service_leads_to_the_clusters_own_port(self):
        worker = Node(Cluster(self.lab, "b"), "n1")
        node.reserve(worker)
        rules = [rule for rule in node_network._rules_inside(worker) if worker.cluster.api_service_address in rule]
        self.assertEqual(len(rules), 2)
        for rule in rules:
            self.assertTrue(rule.endswith(f"--to-destination 100.64.1.1:{worker.cluster.api_port}"))


class Lease(unittest.TestCase):
    def lease(self, age: float, holder: str | None = "me") -> dict:
        return {"spec": {"holderIdentity": holder, "leaseDurationSeconds": 15, "renewTime": (NOW - timedelta(seconds=age)).isoformat()}}

    def test_a_fresh_lease_is_held_and_an_old_or_given_up_one_is_not(self):
        self.assertTrue(lease_is_held(self.lease(14), NOW))
        self.assertFalse(lease_is_held(self.lease(16), NOW))
        self.assertFalse(lease_is_held(self.lease(1, holder=""), NOW))
        self.assertFalse(lease_is_held(None, NOW))

    def test_the_form_that_kubernetes_writes_is_understood(self):
        spec = json.loads('{"spec": {"holderIdentity": "x", "leaseDurationSeconds": 15, "renewTime": "2026-01-02T03:04:00.000000Z"}}')
        self.assertTrue(lease_is_held(spec, NOW))


class Machine(unittest.TestCase):
    def test_a_known_file_system_is_found(self):
        self.assertTrue(preflight.file_system_known("overlay", "nodev\tsysfs\nnodev\toverlay\n\text4\n"))

    def test_part_of_a_name_is_not_the_name(self):
        with mock.patch("shutil.which", return_value=None):
            self.assertFalse(preflight.file_system_known("overlay", "nodev\toverlayish\n"))


if __name__ == "__main__":
    unittest.main()
