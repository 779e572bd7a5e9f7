"""Stamps, waiting, paths, Debian packages."""
import tempfile
import unittest
from pathlib import Path

from cpolab import packages, paths
from cpolab.errors import LabError
from cpolab.stamps import Stamp, digest
from cpolab.wait import until


class InDirectory(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = Path(directory.name)


class Stamps(InDirectory):
    def test_fresh_only_after_writing_and_while_inputs_stay(self):
        source = self.root / "source"
        source.write_text("1")
        self.assertFalse(Stamp(self.root / "stamp", source, "3.11").fresh())
        Stamp(self.root / "stamp", source, "3.11").write()
        self.assertTrue(Stamp(self.root / "stamp", source, "3.11").fresh())
        self.assertFalse(Stamp(self.root / "stamp", source, "3.12").fresh())
        source.write_text("2")
        self.assertFalse(Stamp(self.root / "stamp", source, "3.11").fresh())

    def test_cleared_is_not_fresh(self):
        stamp = Stamp(self.root / "stamp", "x")
        stamp.write()
        stamp.clear()
        self.assertFalse(stamp.fresh())

    def test_inputs_do_not_run_into_each_other(self):
        self.assertNotEqual(digest("ab", "c"), digest("a", "bc"))

    def test_a_directory_counts_with_names_and_contents_but_without_caches(self):
        tree = self.root / "tree"
        (tree / "__pycache__").mkdir(parents=True)
        (tree / "a").write_text("1")
        before = digest(tree)
        (tree / "__pycache__/a.pyc").write_text("x")
        self.assertEqual(digest(tree), before)
        (tree / "a").rename(tree / "b")
        self.assertNotEqual(digest(tree), before)


class Waiting(InDirectory):
    def test_returns_what_the_predicate_returns(self):
        self.assertEqual(until(1, lambda: "yes", "never"), "yes")

    def test_the_error_says_what_and_quotes_the_log(self):
        log = self.root / "log"
        log.write_text("".join(f"line {number}\n" for number in range(100)))
        with self.assertRaisesRegex(LabError, "(?s)it is up: not so after 0.1 s.*line 99"):
            until(0.1, lambda: False, "it is up", log=log, every=0.05)

    def test_a_dead_process_is_not_waited_for(self):
        with self.assertRaisesRegex(LabError, "the process has ended"):
            until(60, lambda: False, "it is up", alive=lambda: False)


class Paths(unittest.TestCase):
    def test_the_instance_and_the_cache_come_from_the_environment(self):
        lab = paths.lab({"CPO_LAB": "two", "CPO_LAB_CACHE": "/x"})
        self.assertEqual((lab.netns, str(lab.state), str(lab.venv)), ("two", "/x/two", "/x/venv"))

    def test_the_default(self):
        lab = paths.lab({"HOME": "/h"})
        self.assertEqual((lab.name, str(lab.cache)), ("cpo", "/h/.cache/cloud-provider-openstack-lab"))

    def test_names_that_would_escape_or_collide_are_refused(self):
        for name in ("../x", "venv", "seed", "A", "a/b"):
            with self.assertRaises(LabError, msg=name):
                paths.lab({"CPO_LAB": name})


class Debian(unittest.TestCase):
    def test_only_what_is_not_installed_is_missing(self):
        self.assertEqual(packages.missing_debian(["bash", "no-such-package-anywhere"]), ["no-such-package-anywhere"])


if __name__ == "__main__":
    unittest.main()
