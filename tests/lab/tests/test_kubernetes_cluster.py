"""Clusters: names, ports, ranges, certificates, kubeconfigs, and what is found in a list of Nodes."""
import json
import stat
import subprocess
import tempfile
import unittest
from pathlib import Path

from cpolab.errors import LabError
from cpolab.kubernetes import commands
from cpolab.kubernetes.cluster import NAMES, Cluster, existing, ready_nodes
from cpolab.kubernetes.pki import Authority, certificate_user, token_user, write_kubeconfig
from cpolab.paths import Lab


class Temporary(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)
        self.lab = Lab("test", self.directory)


class Names(Temporary):
    def test_clusters_share_no_port_and_no_range(self):
        clusters = [Cluster(self.lab, name) for name in NAMES]
        ports = [port for c in clusters for port in (c.api_port, c.etcd_port, c.etcd_peer_port, c.controller_manager_port, c.scheduler_port)]
        ranges = [r for c in clusters for r in (c.pod_range, c.service_range)]
        self.assertEqual(len(set(ports)), len(ports))
        self.assertEqual(len(set(ranges)), len(ranges))
        self.assertEqual(len({c.part.root for c in clusters}), len(clusters))

    def test_only_letters_of_the_list_are_names(self):
        for name in ("", "z", "ab", "A", "../a"):
            with self.subTest(name), self.assertRaises(LabError):
                Cluster(self.lab, name)

    def test_existing_are_those_with_state(self):
        Cluster(self.lab, "b").part.make()
        self.assertEqual([cluster.name for cluster in existing(self.lab)], ["b"])

    def test_kubectl_arguments_are_passed_on_but_for_a_leading_cluster(self):
        self.assertEqual(commands._leading_cluster(["--cluster", "b", "get", "nodes"]), ("b", ["get", "nodes"]))
        self.assertEqual(commands._leading_cluster(["--cluster=b", "get"]), ("b", ["get"]))
        self.assertEqual(commands._leading_cluster(["get", "--cluster", "b"]), ("a", ["get", "--cluster", "b"]))

    def test_ready_nodes(self):
        def node(name, *conditions):
            return {"metadata": {"name": name}, "status": {"conditions": [{"type": t, "status": s} for t, s in conditions]}}
        nodes = [node("up", ("MemoryPressure", "False"), ("Ready", "True")), node("down", ("Ready", "Unknown")), {"metadata": {"name": "new"}, "status": {}}]
        self.assertEqual(ready_nodes({"items": nodes}), {"up"})


class Certificates(Temporary):
    def test_issued_certificates_verify_and_carry_their_names(self):
        authority = Authority(self.directory / "pki")
        authority.create()
        certificate, key = authority.issue("server", "/O=group/CN=user", ["IP:127.0.0.1", "DNS:name"])
        checked = subprocess.run(["openssl", "verify", "-CAfile", authority.certificate, certificate], capture_output=True)
        self.assertEqual(checked.returncode, 0, checked.stderr)
        text = subprocess.run(["openssl", "x509", "-in", certificate, "-noout", "-subject", "-ext", "subjectAltName"], capture_output=True, text=True).stdout
        self.assertIn("O = group, CN = user", text)
        self.assertIn("IP Address:127.0.0.1, DNS:name", text)
        self.assertIn("client-key-data", certificate_user(certificate, key))

    def test_a_request_that_openssl_refuses_is_one_line(self):
        authority = Authority(self.directory / "pki")
        with self.assertRaises(LabError) as raised:
            authority.issue("server", "/CN=user")
        self.assertNotIn("\n", str(raised.exception))

    def test_kubeconfig_is_for_its_owner_only(self):
        authority = Authority(self.directory / "pki")
        authority.create()
        path = write_kubeconfig(self.directory / "k", "https://127.0.0.1:1", authority, token_user("secret"), "space")
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        content = json.loads(path.read_text())
        self.assertEqual(content["users"][0]["user"], {"token": "secret"})
        self.assertEqual(content["contexts"][0]["context"]["namespace"], "space")


if __name__ == "__main__":
    unittest.main()
