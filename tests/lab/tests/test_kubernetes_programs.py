"""The pins of the Go modules."""
import tempfile
import unittest
from pathlib import Path

from cpolab.errors import LabError
from cpolab.kubernetes import programs


class Pins(unittest.TestCase):
    def test_every_set_has_a_module(self):
        for program_set in programs.ALL:
            self.assertTrue((program_set.module / "go.mod").exists(), program_set.name)

    def test_the_tool_lines_are_the_programs(self):
        for program_set in (programs.KUBERNETES, programs.CONTAINERD, programs.RUNC, programs.CNI):
            lines = (program_set.module / "go.mod").read_text().splitlines()
            packages = [line.split()[-1] for line in lines if self.names_a_tool(line, lines)]
            self.assertEqual({package.rpartition("/")[2] for package in packages}, set(program_set.programs))

    @staticmethod
    def names_a_tool(line: str, lines: list[str]) -> bool:
        if line.startswith("tool ") and not line.endswith("("):
            return True
        block = lines[lines.index("tool (") + 1:] if "tool (" in lines else []
        return line in block[:block.index(")")] if block else False

    def test_kubernetes_is_told_its_version(self):
        flags = programs.link_flags(programs.KUBERNETES)
        self.assertIn(f"gitVersion={programs.kubernetes_version()}", flags)
        self.assertIn("gitMajor=1", flags)
        self.assertNotIn("gitVersion", programs.link_flags(programs.RUNC))

    def test_the_api_server_alone_is_a_part_of_kubernetes(self):
        self.assertEqual(programs.packages(programs.API_SERVER),
                         ["k8s.io/kubernetes/cmd/kube-apiserver", "k8s.io/kubernetes/cmd/kubectl"])
        self.assertEqual(programs.packages(programs.KUBERNETES), ["tool"])
        self.assertEqual(programs.link_flags(programs.API_SERVER), programs.link_flags(programs.KUBERNETES))
        self.assertTrue(set(programs.API_SERVER.programs) < set(programs.KUBERNETES.programs))

    def test_versions_are_found_in_blocks_and_single_lines(self):
        with tempfile.TemporaryDirectory() as directory:
            go_mod = Path(directory, "go.mod")
            go_mod.write_text("module m\n\nrequire one.example/a v1.2.3\n\nrequire (\n\ttwo.example/b v4.5.6 // indirect\n)\n")
            self.assertEqual(programs.pinned_version(go_mod, "one.example/a"), "v1.2.3")
            self.assertEqual(programs.pinned_version(go_mod, "two.example/b"), "v4.5.6")
            with self.assertRaises(LabError):
                programs.pinned_version(go_mod, "three.example/c")


if __name__ == "__main__":
    unittest.main()
