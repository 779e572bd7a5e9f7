"""Counting the API server's audit log."""
import json
import tempfile
import unittest
from pathlib import Path

from cpolab.kubernetes import audit


def event(**changes) -> str:
    base = {
        "auditID": "1", "stage": "ResponseComplete", "verb": "get", "userAgent": "controller/1.0",
        "requestURI": "/api/v1/nodes/n1", "requestReceivedTimestamp": "2026-01-01T00:00:10.000000Z",
        "objectRef": {"resource": "nodes", "name": "n1"}, "responseStatus": {"code": 200},
    }
    return json.dumps(base | changes)


class Count(unittest.TestCase):
    def test_requests_of_one_kind_are_counted_together(self):
        counted = audit.count([event(auditID="1"), event(auditID="2", objectRef={"resource": "nodes", "name": "n2"})])
        self.assertEqual(counted, {audit.Call("controller/1.0", "get", "nodes", 200): 2})

    def test_a_watch_recorded_at_both_ends_counts_once(self):
        stages = [event(verb="watch", stage=stage) for stage in ("ResponseStarted", "ResponseComplete")]
        self.assertEqual(sum(audit.count(stages).values()), 1)

    def test_other_agents_and_earlier_requests_are_left_out(self):
        lines = [event(auditID="1", userAgent="kubectl/1"), event(auditID="2", requestReceivedTimestamp="2026-01-01T00:00:09.999999Z"), event(auditID="3")]
        self.assertEqual(sum(audit.count(lines, agent="controller", since=1767225610.0).values()), 1)

    def test_a_half_written_line_is_left_out(self):
        self.assertEqual(sum(audit.count([event(), event(auditID="2")[:40]]).values()), 1)

    def test_resources_name_their_group_and_subresource(self):
        reference = {"apiGroup": "coordination.k8s.io", "resource": "leases"}
        lines = [event(auditID="1", objectRef=reference), event(auditID="2", objectRef={"resource": "services", "subresource": "status"}),
                 event(auditID="3", objectRef=None, requestURI="/readyz?verbose")]
        self.assertEqual({call.resource for call in audit.count(lines)}, {"coordination.k8s.io/leases", "services/status", "/readyz"})

    def test_rotated_files_are_read_too(self):
        with tempfile.TemporaryDirectory() as directory:
            log = Path(directory, "audit.log")
            log.write_text(event(auditID="1") + "\n")
            Path(directory, "audit-2026-01-01T00-00-00.000.log").write_text(event(auditID="2") + "\n")
            self.assertEqual(sum(audit.calls(log).values()), 2)


if __name__ == "__main__":
    unittest.main()
