"""The orderly end of a unit: its members are handed over in bulk or leave, in steps that may be stopped and given again; then it is closed, and its
figures stay. By the commands of the program."""

import json
import unittest

from cluster import Cluster, admission, run

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

        # Who is left leaves, is repaid, and the unit closes. What it wrote afterwards is refused.
        left = self.counted(at, "leave-all", "--on", "2024-07-01", "--yes")
        self.assertEqual((left["done"], left["failed"]), (2, 0))
        self.assertEqual(self.current(at), [])
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
        self.assertEqual(se.members("DE", DAY), 5)
        self.assertEqual(de.members("AT", "2024-07-01"), 0)
        at.stop()
        run("verify", "--data", at.data)


if __name__ == "__main__":
    unittest.main()
