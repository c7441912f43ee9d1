"""The orderly end of a unit: its members are handed over in bulk or leave, in steps that may be stopped and given again; then it is closed, and its
figures stay. By the commands of the program."""

import datetime
import json
import unittest

from cluster import Cluster, admission, run, today

DAY = "2024-06-01"


class WindDown(unittest.TestCase):
    def cluster(self, *codes):
        cluster = Cluster(*codes)
        self.addCleanup(cluster.close)
        return cluster

    def unit(self, node, *args, role="desk", status=0):
        out = run("unit", *args, "--url", "http://127.0.0.1:%d" % node.http_port, env={"SMARTNODE_TOKEN": node.token(role)}, status=status)
        return out

    def counted(self, node, *args):
        return json.loads(self.unit(node, *args, "--json").stdout)

    def handovers(self, node):
        return {h["member"]: h["turn"] for h in node.get("/v1/handovers", role="desk")["handovers"]}

    def current(self, node, unit=None):
        path = "/v1/members?limit=500" + ("&unit=" + unit if unit else "")
        return [m["id"] for m in node.get(path, role="desk")["members"] if m["status"] == "member"]

    def test_a_unit_ends_and_its_past_stays(self):
        cluster = self.cluster("AT", "DE", "SE")
        at, de, se = cluster["AT"], cluster["DE"], cluster["SE"]
        ids = [at.admit(n) for n in range(1, 8)]
        cluster.wait_equal()

        # A unit with members cannot be closed, and nothing is done without the word.
        self.assertIn("7 members", self.unit(at, "close", "--custodian", "DE", "--yes", role="operator", status=1).stderr)
        self.unit(at, "close", "--custodian", "DE", role="operator", status=2)
        self.unit(at, "leave-all", status=2)
        self.unit(at, "offer-all", status=2)
        self.unit(at, "custodian", "DE", role="operator")

        # One goes elsewhere; the rest of them to Germany. The second time there is nothing left to offer.
        at.post("/v1/members/%s/handover/offer" % ids[0], {"to": "SE", "proposed": DAY}, status=200)
        first = self.counted(at, "offer-all", "--to", "DE", "--on", DAY)
        self.assertEqual((first["done"], first["failed"]), (6, 0))
        again = self.counted(at, "offer-all", "--to", "DE", "--on", DAY)
        self.assertEqual((again["done"], again["failed"]), (0, 0))
        cluster.wait_equal()
        self.assertEqual(set(self.handovers(de).values()), {"we_accept"})
        self.assertEqual(len(self.handovers(de)), 6)

        # Germany takes five of them: the sixth has an offer that is withdrawn.
        at.post("/v1/members/%s/handover/withdraw" % ids[6], None, status=200)
        cluster.wait_equal()
        taken = self.counted(de, "accept-all", "--from", "AT", "--at", de.city)
        self.assertEqual((taken["done"], taken["failed"]), (5, 0))
        cluster.wait_equal()
        moved = self.counted(at, "complete-all")
        self.assertEqual((moved["done"], moved["failed"]), (5, 0))
        cluster.wait_equal()
        self.assertEqual(sorted(self.current(at)), sorted([ids[0], ids[6]]))
        self.assertEqual(sorted(self.current(se, "DE")), sorted(ids[1:6]))

        # A slip of the hand in a code is said.
        self.assertIn("no unit of the code XX", self.unit(de, "accept-all", "--from", "XX", "--at", de.city, status=1).stderr)

        # Who leaves later than the unit closes is a member then; nothing is closed ahead; what is open could never be ended.
        later = (today() + datetime.timedelta(days=70)).isoformat()
        tag = at.call("GET", "/v1/members/" + ids[0]).headers["ETag"]
        gone = at.post("/v1/members/%s/resign" % ids[0], {"effective_on": later}, 200, headers={"If-Match": tag}).json
        refused = self.unit(at, "close", "--custodian", "DE", "--on", "2024-07-31", "--yes", role="operator", status=1).stderr
        self.assertIn("2 members", refused)
        tag = at.call("GET", "/v1/members/" + ids[6]).headers["ETag"]
        at.post("/v1/members/%s/resign" % ids[6], {"effective_on": "2024-07-01"}, 200, headers={"If-Match": tag})
        refused = self.unit(at, "close", "--custodian", "DE", "--yes", role="operator", status=1).stderr
        self.assertIn("1 members", refused)
        self.assertIn("leaves on " + later, refused)
        refused = self.unit(at, "close", "--custodian", "DE", "--on", later, "--yes", role="operator", status=1).stderr
        self.assertIn("a day to come", refused)
        tag = at.call("GET", "/v1/members/" + ids[0]).headers["ETag"]
        at.post("/v1/members/%s/cancellations" % ids[0], {"event": {"log": gone["log"], "seq": gone["seq"]}}, 200,
                headers={"If-Match": tag})
        work = at.post("/v1/activities", {"member": ids[0], "sector": "music", "effective_on": "2024-04-01"}).json["id"]
        at.post("/v1/postings", {"member": ids[0], "country": "FR", "from": "2024-04-02", "to": "2026-02-28"})
        asks = dict(admission(50, at.city), status="applied")
        del asks["shares"]
        applicant = at.post("/v1/members", asks).json["id"]
        coming = de.admit("DE-2")
        de.post("/v1/members/%s/handover/offer" % coming, {"to": "AT"}, status=200)
        cluster.wait_equal()
        self.assertEqual(self.counted(at, "accept-all", "--from", "DE", "--at", at.city)["done"], 1)
        cluster.wait_equal()

        # Who is left leaves, is repaid, and the unit closes. What it wrote afterwards is refused.
        left = self.counted(at, "leave-all", "--on", "2024-07-01", "--yes")
        self.assertEqual((left["done"], left["failed"]), (1, 0))
        self.assertEqual(self.current(at), [])
        refused = self.unit(at, "close", "--custodian", "DE", "--on", "2024-07-31", "--yes", role="operator", status=1).stderr
        for what in ("1 applicants (admit or refuse them)", "1 members of other units accepted here", "1 open activities", "1 running postings", "unit end-work"):
            self.assertIn(what, refused)
        tag = at.call("GET", "/v1/members/" + applicant).headers["ETag"]
        at.post("/v1/members/%s/refuse" % applicant, {"effective_on": "2024-06-02"}, 200, headers={"If-Match": tag})
        de.post("/v1/members/%s/handover/withdraw" % coming, None, status=200)
        cluster.wait_equal()
        # What begins later than the day cannot end on it: it is named, with the command that takes it back.
        refused = self.unit(at, "end-work", "--on", "2024-03-31", "--yes", status=3).stderr
        self.assertIn("activity %s: begins in 2024-04, after 2024-03-31; take it back" % work, refused)
        self.assertIn("smartnode activity cancel %s --event" % work, refused)
        self.assertRegex(refused, "posting [0-9a-f]{32}: begins after 2024-03-31; take it back .smartnode posting cancel [0-9a-f]{32}")
        ended = self.counted(at, "end-work", "--on", "2024-06-30", "--yes")
        self.assertEqual(ended, {"activities": 1, "postings": 1, "failed": 0})
        self.assertEqual(self.counted(at, "end-work", "--on", "2024-06-30", "--yes"), {"activities": 0, "postings": 0, "failed": 0})
        self.assertEqual(at.get("/v1/activities/" + work, "desk")["status"], "closed")
        self.unit(at, "close", "--custodian", "DE", "--on", "2024-07-31", "--yes", role="operator")
        cluster.wait_equal()
        for node in cluster:
            shown = node.get("/v1/units/AT")
            self.assertEqual((shown["custodian"], shown["closed_on"]), ("DE", "2024-07-31"))
        answer = at.call("POST", "/v1/members", admission(99, at.city))
        self.assertEqual((answer.status, answer.json["field"]), (409, "unit"))

        # Its figures stay, at every unit the same.
        self.assertEqual(se.members("AT", "2024-05-31"), 7)
        self.assertEqual(se.members("AT", DAY), 2)
        self.assertEqual(se.members("DE", DAY), 6)
        self.assertEqual(de.members("AT", "2024-07-01"), 0)
        # Nobody gives it anything any more.
        served = de.admit("DE-1")
        answer = de.call("POST", "/v1/members/%s/access" % served, {"host": "AT", "classes": ["contact"], "purpose": "work abroad"})
        self.assertEqual((answer.status, answer.json["field"]), (409, "host"))
        self.assertIn("has closed", self.unit(de, "custodian", "AT", role="operator", status=1).stderr)
        answer = de.call("POST", "/v1/members/%s/handover/offer" % served, {"to": "AT"})
        self.assertEqual(answer.status, 409)

        at.stop()
        run("verify", "--data", at.data)


if __name__ == "__main__":
    unittest.main()
