"""A year that was closed does not change without being asked: neither by a move whose day lies in it, at either home, nor by a double that is given
up."""

import unittest

from cluster import Cluster, wait_until

DAY, YEAR = "2024-10-10", 2024


class ClosedYears(unittest.TestCase):
    def test_a_move_or_a_double_in_a_closed_year_must_be_meant(self):
        cluster = Cluster("BE", "SE")
        self.addCleanup(cluster.close)
        old, new = cluster["BE"], cluster["SE"]
        moves, waits, here = (old.admit(n) for n in (1, 2, 3))
        there = new.admit(11)
        cluster.wait_equal()
        for member in (moves, waits):
            old.post("/v1/members/%s/handover/offer" % member, {"to": "SE", "proposed": DAY}, 200)
        cluster.wait_equal()
        # One is accepted before anything is closed, the other one after.
        new.post("/v1/members/%s/handover/accept" % waits, {"office": new.city}, 200)
        for node in (old, new):
            node.post("/v1/periods", {"year": YEAR}, role="operator")
        cluster.wait_equal()
        before = [node.members(node.code, "2024-12-31") for node in (old, new)]

        accept = "/v1/members/%s/handover/accept" % moves
        self.refused(new, accept, {"office": new.city}, "proposed")
        new.post(accept, {"office": new.city, "adjusts_closed": True}, 200)
        cluster.wait_equal()
        for member in (moves, waits):
            path = "/v1/members/%s/handover/complete" % member
            self.refused(old, path, {}, "effective_on")
            self.refused(old, path, {"effective_on": "2024-10-20"}, "effective_on")
        pair = {"unit": "SE", "other": there}
        old.post("/v1/members/%s/doubles" % here, dict(pair, effective_on=DAY), 200)
        settle, path = dict(pair, outcome="this_given_up", reason="wish of the member", effective_on=DAY), "/v1/members/%s/doubles/settle" % here
        self.refused(old, path, settle, "effective_on")
        self.assertEqual([node.members(node.code, "2024-12-31") for node in (old, new)], before)

        old.post(path, dict(settle, adjusts_closed=True), 200)
        self.assertEqual(old.get("/v1/members/" + here, "desk")["left_reason"], "double")
        for member in (moves, waits):
            old.post("/v1/members/%s/handover/complete" % member, {"adjusts_closed": True}, 200)
        wait_until("SE receives both", lambda: not new.get("/v1/handovers", "desk")["handovers"])
        self.assertEqual([node.members(node.code, "2024-12-31") for node in (old, new)], [before[0] - 3, before[1] + 2])

    def test_the_new_home_has_closed_the_year_and_the_old_one_has_not(self):
        cluster = Cluster("BE", "SE")
        self.addCleanup(cluster.close)
        old, new = cluster["BE"], cluster["SE"]
        member = old.admit(1)
        cluster.wait_equal()
        old.post("/v1/members/%s/handover/offer" % member, {"to": "SE", "proposed": DAY}, 200)
        cluster.wait_equal()
        new.post("/v1/members/%s/handover/accept" % member, {"office": new.city}, 200)
        new.post("/v1/periods", {"year": YEAR}, role="operator")
        cluster.wait_equal()
        answer = self.refused(old, "/v1/members/%s/handover/complete" % member, {}, "effective_on")
        self.assertIn("of the new home", answer["detail"])

    def refused(self, node, path, body, field):
        answer = node.call("POST", path, body)
        self.assertEqual((answer.status, answer.json["field"]), (409, field), answer)
        self.assertIn("closed year", answer.json["detail"])
        return answer.json


if __name__ == "__main__":
    unittest.main()
