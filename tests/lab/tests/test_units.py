"""The order in which units are carried out."""
import tempfile
import unittest
from pathlib import Path

from cpolab.errors import LabError
from cpolab.process import Supervisor
from cpolab.units import Action, Daemon, Gate, Runner, Task


class Running(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = Path(directory.name)
        self.supervisor = Supervisor(self.root / "run", self.root / "log")
        self.addCleanup(lambda: self.supervisor.stop(*self.supervisor.names(), grace=1))
        self.order = []

    def run_units(self, *units):
        Runner(self.supervisor, self.root / "done", {"GREETING": "hello"}).run(list(units))

    def note(self, name, after=()):
        return Action(name, list(after), call=lambda: self.order.append(name))

    def test_each_begins_after_those_it_names(self):
        self.run_units(self.note("c", ["b"]), self.note("b", ["a"]), self.note("a"))
        self.assertEqual(self.order, ["a", "b", "c"])

    def test_a_gate_holds_back_what_comes_after(self):
        asked = []
        gate = Gate("gate", ready=lambda: asked.append(1) or len(asked) > 2)
        self.run_units(self.note("after", ["gate"]), gate)
        self.assertEqual((len(asked), self.order), (3, ["after"]))

    def test_circles_and_unknown_names_are_refused(self):
        for units in ([self.note("a", ["b"]), self.note("b", ["a"])], [self.note("a", ["nobody"])]):
            with self.assertRaises(ValueError):
                self.run_units(*units)

    def test_a_once_only_task_runs_once_and_leaves_no_record(self):
        for _ in range(2):
            self.run_units(Task("task", argv=["sh", "-c", "echo $GREETING"], once=True))
        self.assertEqual(self.supervisor.log("task").read_text(), "hello\n")
        self.assertEqual(self.supervisor.names(), [])

    def test_a_failed_task_is_an_error_that_quotes_its_log_and_does_not_count_as_done(self):
        with self.assertRaisesRegex(LabError, "(?s)task failed.*no such luck"):
            self.run_units(Task("task", argv=["sh", "-c", "echo no such luck; exit 3"], once=True), self.note("after", ["task"]))
        self.assertEqual(self.order, [])
        self.assertFalse((self.root / "done/task").exists())

    def test_a_daemon_that_ends_is_an_error_that_quotes_its_log(self):
        with self.assertRaisesRegex(LabError, "(?s)daemon has ended.*bad option"):
            self.run_units(Daemon("daemon", argv=["sh", "-c", "echo bad option; sleep 0.2"], ready=lambda: False))

    def test_a_daemon_that_ends_after_it_was_ready_is_an_error(self):
        with self.assertRaisesRegex(LabError, "daemon has ended"):
            self.run_units(Daemon("daemon", argv=["sleep", "0.3"]), Task("longer", argv=["sleep", "0.6"]))

    def test_a_daemon_that_never_answers_is_an_error(self):
        with self.assertRaisesRegex(LabError, "daemon is not ready after 0.3 s"):
            self.run_units(Daemon("daemon", argv=["sleep", "60"], ready=lambda: False, limit=0.3))

    def test_a_daemon_stays(self):
        self.run_units(Daemon("daemon", argv=["sleep", "60"]))
        self.assertTrue(self.supervisor.alive("daemon"))

    def test_a_program_that_does_not_exist_is_named(self):
        with self.assertRaisesRegex(LabError, "no program.*no-such-program"):
            self.run_units(Daemon("daemon", argv=["no-such-program"]))


if __name__ == "__main__":
    unittest.main()
