"""Reading and counting access lines."""
import tempfile
import unittest
from pathlib import Path

from cpolab import calls
from cpolab.openstack import wsgi

UUID = "5ae19caf-2111-4710-a26b-e6629d3fc3c0"


def line(epoch_ms=1000500, ms=12, status=200, method="GET", uri="/v2.0/ports", size=34, agent="some client/1.0"):
    """An access line as uWSGI writes it."""
    values = {"tmsecs": epoch_ms, "msecs": ms, "status": status, "method": method, "uri": uri, "rsize": size, "uagent": agent}
    text = wsgi.ACCESS
    for name, value in values.items():
        text = text.replace(f"%({name})", str(value))
    return text + "\n"


class Parse(unittest.TestCase):
    def test_every_field_is_where_uwsgi_puts_it(self):
        call = calls.parse("neutron", line())
        self.assertEqual(call, calls.Call("neutron", 1000.5, 12, 200, "GET", "/v2.0/ports", 34, "some client/1.0"))

    def test_other_lines_are_not_requests(self):
        for text in ("", "2026-01-01 INFO neutron", "CALL\tx\ty", line().replace("1000500", "now")):
            self.assertIsNone(calls.parse("neutron", text))

    def test_a_line_begun_by_another_thread_still_counts(self):
        self.assertEqual(calls.parse("nova", "half a log line " + line()).status, 200)


class Fold(unittest.TestCase):
    def test_identifiers_with_and_without_hyphens(self):
        self.assertEqual(calls.fold(f"/v2.1/servers/{UUID}/os-interface"), "/v2.1/servers/{id}/os-interface")
        self.assertEqual(calls.fold(f"/v3/projects/{UUID.replace('-', '')}"), "/v3/projects/{id}")

    def test_longer_hexadecimal_is_no_identifier(self):
        self.assertEqual(calls.fold("/x/" + "a" * 40), "/x/" + "a" * 40)

    def test_of_the_query_only_the_names_remain(self):
        self.assertEqual(calls.fold("/v2.0/ports?limit=5&device_id=x&fields=a&fields=b"), "/v2.0/ports?device_id&fields&limit")


class Count(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.logs = Path(directory.name)
        (self.logs / "neutron-api.log").write_text("".join([
            line(uri=f"/v2.0/ports/{UUID}", size=10, ms=1), "noise\n", line(uri=f"/v2.0/ports/{UUID[::-1]}", agent="other"),
            line(uri=f"/v2.0/ports/{UUID}", size=20, ms=3, epoch_ms=2000000), line(agent="lab-ready")]))
        (self.logs / "nova-compute.log").write_text(line())

    def counted(self, **filters):
        return [(one.path, one.count, one.bytes, one.milliseconds) for one in calls.count(calls.read(self.logs), **filters)]

    def test_alike_requests_are_one_row_and_readiness_probes_none(self):
        self.assertEqual(sum(row[1] for row in self.counted()), 3)
        self.assertEqual(self.counted(agent="some"), [("/v2.0/ports/{id}", 2, 30, 4)])

    def test_since_takes_fractions_of_seconds(self):
        self.assertEqual(self.counted(agent="some", since=1000.6), [("/v2.0/ports/{id}", 1, 20, 3)])

    def test_json_has_the_total(self):
        found = calls.as_json(calls.count(calls.read(self.logs), agent="some"))
        self.assertEqual((found["total"], found["calls"][0]["service"], found["calls"][0]["method"]), (2, "neutron", "GET"))


if __name__ == "__main__":
    unittest.main()
