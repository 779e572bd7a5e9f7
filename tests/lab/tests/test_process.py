"""Starting, recognising and stopping processes."""
import dataclasses
import json
import os
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from cpolab.process import Record, Supervisor, boot_id


class Processes(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        root = Path(directory.name)
        self.supervisor = Supervisor(root / "run", root / "log")
        self.addCleanup(lambda: self.supervisor.stop(*self.supervisor.names(), grace=1))

    def start(self, *argv, **options):
        self.supervisor.start("one", argv, **options)
        return self.supervisor.record("one")

    def test_started_is_alive_and_stopped_is_not(self):
        record = self.start("sleep", "60")
        self.assertTrue(self.supervisor.alive("one"))
        self.supervisor.stop("one")
        self.assertFalse(record.alive())
        self.assertEqual(self.supervisor.names(), [])

    def test_starting_twice_keeps_the_first(self):
        first = self.start("sleep", "60")
        self.assertEqual(self.start("sleep", "60"), first)

    def test_another_supervisor_of_the_same_directory_knows_it(self):
        self.start("sleep", "60")
        self.assertTrue(Supervisor(self.supervisor.run_dir, self.supervisor.log_dir).alive("one"))

    def test_output_is_in_the_log(self):
        self.supervisor.start("one", ["sh", "-c", "echo out; echo err >&2"]).wait()
        self.assertEqual(self.supervisor.log("one").read_text(), "out\nerr\n")

    def test_a_process_that_ignores_term_is_killed_with_its_children(self):
        record = self.start("sh", "-c", "trap '' TERM; sleep 60 & sleep 60")
        time.sleep(0.2)
        self.assertEqual(len(record.group()), 3)
        self.supervisor.stop("one", grace=0.2)
        self.assertEqual(record.group(), [])

    def test_children_that_outlive_their_leader_are_stopped_too(self):
        record = self.start("sh", "-c", "sleep 60 & sleep 60")
        time.sleep(0.2)
        os.kill(record.pid, signal.SIGKILL)
        os.waitpid(record.pid, 0)
        self.assertFalse(self.supervisor.alive("one"))
        self.assertEqual(len(record.group()), 2)
        self.supervisor.stop("one")
        self.assertEqual(record.group(), [])

    def test_a_stranger_with_the_recorded_pid_is_left_alone(self):
        record = self.start("sleep", "60")
        stranger = subprocess.Popen(["sleep", "60"], start_new_session=True)
        self.addCleanup(stranger.wait)
        self.addCleanup(stranger.kill)
        reused = dataclasses.replace(record, pid=stranger.pid, started=record.started - 100)
        (self.supervisor.run_dir / "reused.json").write_text(json.dumps(dataclasses.asdict(reused)))
        self.assertFalse(self.supervisor.alive("reused"))
        self.supervisor.stop("reused")
        self.assertIsNone(stranger.poll())

    def test_nothing_of_an_earlier_boot_is_ours(self):
        record = self.start("sleep", "60")
        earlier = dataclasses.replace(record, boot="another")
        self.assertNotEqual(earlier.boot, boot_id())
        self.assertFalse(earlier.alive())
        self.assertEqual(earlier.group(), [])

    def test_a_mounted_directory_is_seen_by_the_process_only(self):
        if os.geteuid() != 0:
            self.skipTest("mount namespaces need root")
        shown = self.supervisor.run_dir.parent / "shown"
        shown.mkdir()
        (shown / "file").touch()
        target = self.supervisor.run_dir.parent / "target"
        target.mkdir()
        self.supervisor.start("one", ["ls", target], mounts={target: shown}).wait()
        self.assertEqual(self.supervisor.log("one").read_text(), "file\n")
        self.assertEqual(list(target.iterdir()), [])


class Records(unittest.TestCase):
    def test_a_pid_that_does_not_exist_is_not_alive(self):
        self.assertFalse(Record(2**22 + 1, 1, boot_id(), []).alive())


if __name__ == "__main__":
    unittest.main()
