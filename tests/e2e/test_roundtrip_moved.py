"""Round trip of a register that is not alone: members who moved away and arrived, one who was a double, one who was erased, one who is restricted.
Exported, and imported into an empty node: the same members and shares on every day, and the flows as docs/FILES.md says."""

import csv
import datetime
import os
import unittest

import cluster
from cluster import Cluster, admission, run
from test_roundtrip import Empty, imported

# What the importing unit alone can say of what two units did together: docs/FILES.md.
INSTEAD = {"moved_in": "joined", "moved_out": "resigned", "merged": "resigned"}


def alone(rows):
    """Flows as a unit would have recorded them alone."""
    found = []
    for row in rows:
        row = dict(row)
        for name, other in INSTEAD.items():
            row[other] += row.pop(name)
        found.append(row)
    return found


class Moved(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster("BE", "SE")
        cls.addClassCleanup(cls.cluster.close)
        cls.be, cls.se = cls.cluster["BE"], cls.cluster["SE"]
        cls.today = cluster.today()

    def member(self, node, number, family, shares=3):
        asked = admission(number, node.city, shares=shares)
        asked["person"]["identity"]["family_name"] = family
        asked["person"]["contact"] = {"email": "%s@example.org" % family.lower(), "city": "Gent", "country": "BE"}
        return node.post("/v1/members", asked).json["id"]

    def move(self, old, new, member, day):
        old.post("/v1/members/%s/handover/offer" % member, {"to": new.code, "proposed": day}, 200)
        self.cluster.wait_equal()
        new.post("/v1/members/%s/handover/accept" % member, {"office": new.city, "shares": 2}, 200)
        self.cluster.wait_equal()
        old.post("/v1/members/%s/handover/complete" % member, {}, 200)
        cluster.wait_until("%s receives" % new.code, lambda: not new.get("/v1/handovers", "desk")["handovers"])

    def tagged(self, member, what, body):
        tag = self.be.call("GET", "/v1/members/" + member).headers["ETag"]
        self.be.post("/v1/members/%s/%s" % (member, what), body, 200, headers={"If-Match": tag})

    def figures(self, node):
        days = ("2024-02-29", "2024-03-01", "2025-05-31", "2025-06-01", "2025-06-02", "2025-07-01", self.today.isoformat())
        rows = [node.get("/v1/reports/members?unit=BE&by=category,office,person_type&as_of=" + day, role="reports") for day in days]
        found = [(r["rows"], r["capital"]) for r in rows]
        for span in ("from=2024-01-01&to=2024-12-31", "from=2025-01-01&to=%s" % self.today):
            flows = node.get("/v1/reports/flows?unit=BE&by=category,office&" + span, role="reports")
            found.append((alone(flows["rows"]), flows["capital"]))
        return found

    def register(self):
        for n, family in enumerate(("Blijver", "Vertrekt", "Gewist", "Beperkt", "Dubbel", "Terug"), 1):
            yield self.member(self.be, n, family)

    def empty(self, name):
        folder = os.path.join(self.cluster.folder, name)
        os.makedirs(folder)
        node = Empty(folder, "BE", listens=False).init()
        self.addCleanup(node.kill)
        return node

    def test_who_moved_and_who_came_counts_the_same_after_an_import(self):
        _, leaves, erased, restricted, double, back = self.register()
        comes = self.member(self.se, 11, "Komt", shares=5)
        stays = self.se.admit("SE-12", effective_on="2024-06-01")
        self.cluster.wait_equal()
        self.move(self.be, self.se, leaves, "2025-06-01")
        self.move(self.se, self.be, comes, "2025-06-02")
        self.move(self.be, self.se, back, "2025-03-01")
        self.move(self.se, self.be, back, "2025-07-01")
        self.be.post("/v1/members/%s/shares" % comes, {"shares": 4, "effective_on": "2025-06-02"}, 200, headers={
            "If-Match": self.be.call("GET", "/v1/members/" + comes).headers["ETag"]})
        pair = {"unit": "SE", "other": stays}
        self.be.post("/v1/members/%s/doubles" % double, dict(pair, effective_on="2025-08-01"), 200)
        self.be.post("/v1/members/%s/doubles/settle" % double, dict(
            pair, outcome="this_given_up", reason="wish of the member", effective_on="2025-08-01"), 200)
        self.assertEqual(self.be.get("/v1/members/" + double, "desk")["left_reason"], "double")
        for member in (erased, restricted):
            self.tagged(member, "resign", {"effective_on": "2024-12-31"})
        self.tagged(erased, "erase", {"classes": ["contact"]})
        self.tagged(restricted, "restrict", {"classes": ["identity"], "until": "2035-01-01"})
        expected = self.figures(self.be)

        for form in ("csv", "ndjson"):
            with self.subTest(form=form):
                folder = os.path.join(self.cluster.folder, "out-" + form)
                run("export", "--data", self.be.data, "--out", folder, "--format", form)
                other = self.empty("other-" + form)
                first = imported(other.data, folder)
                self.assertEqual(first["rejected"], 0)
                again = imported(other.data, folder)
                self.assertEqual((again["already_there"], again["imported"]), (again["rows"], 0))
                other.start()
                for mine, theirs in zip(expected, self.figures(other)):
                    self.assertEqual(mine, theirs)
                self.assertEqual(other.get("/v1/members/" + comes, "desk")["person"]["identity"]["family_name"], "Komt")
                other.stop()
        with open(os.path.join(self.cluster.folder, "out-csv", "operations.csv"), encoding="utf-8-sig", newline="") as file:
            ops = [(row["op"], row["note"]) for row in csv.DictReader(file)]
        for op, note, n in (("member.moved", "moved to unit SE", 2), ("member.arrived", "came from unit SE", 2),
                            ("member.double", "double of a record of unit SE", 1), ("member.merge", "", 0)):
            self.assertEqual(ops.count((op, note)), n, op)
        # In the register that it came from, all of it is there.
        self.be.stop()
        back = imported(self.be.data, folder)
        self.assertEqual((back["imported"], back["rejected"]), (0, 0))
        self.be.start()

        # The file of members alone says it in one row, and is taken too.
        members = os.path.join(self.cluster.folder, "out-csv", "members.csv")
        with open(members, encoding="utf-8-sig", newline="") as file:
            rows = {row["id"]: row for row in csv.DictReader(file)}
        self.assertEqual([(rows[m]["left_reason"], rows[m]["shares"]) for m in (leaves, double, comes)],
                         [("moved", "3"), ("double", "3"), ("", "6")])


if __name__ == "__main__":
    unittest.main()
