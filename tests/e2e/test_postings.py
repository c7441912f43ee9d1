"""Postings abroad: recorded, changed and cancelled at one desk, seen by months at another, and counted by country."""

import json
import os
import unittest

from cluster import Cluster, run, wait_until


class Postings(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster("BE", "SE")
        cls.addClassCleanup(cls.cluster.close)
        cls.node, cls.other = cls.cluster["BE"], cls.cluster["SE"]
        cls.count = 0

    def member(self):
        Postings.count += 1
        return self.node.admit(Postings.count, day="2020-01-01")

    def issue(self, member, country="DE", first="2024-03-07", last="2024-08-20", status=201, **more):
        return self.node.post("/v1/postings", dict({"member": member, "country": country, "from": first, "to": last}, **more), status)

    def change(self, posting, what, body, status=200):
        path = "/v1/postings/" + posting
        tag = self.node.call("GET", path, role="desk").headers["ETag"]
        return self.node.post("%s/%s" % (path, what), body, status, headers={"If-Match": tag})

    def refused(self, answer, field, words):
        self.assertEqual(answer.json["field"], field, answer)
        self.assertIn(words, answer.json["detail"])

    def test_a_posting_has_days_at_home_and_months_elsewhere(self):
        member = self.member()
        posting = self.issue(member, reference="A1-%s" % member[:6], text="Tour").json["id"]
        here = self.node.get("/v1/postings/" + posting, "desk")
        self.assertEqual((here["member"], here["from"], here["to"], here["reference"]),
                         (member, "2024-03-07", "2024-08-20", "A1-%s" % member[:6]))
        self.cluster.wait_equal()
        there = self.other.get("/v1/postings/%s?unit=BE" % posting, "desk")
        self.assertEqual((there["country"], there["first_month"], there["last_month"], there["personal"]),
                         ("DE", "2024-03", "2024-08", "not available here"))
        self.assertFalse({"member", "from", "to", "reference", "text"} & set(there))
        self.assertIn(posting, [p["id"] for p in self.other.get("/v1/postings?unit=BE&country=DE&on=2024-08-31", "desk")["postings"]])
        self.assertNotIn(posting, [p["id"] for p in self.node.get("/v1/postings?country=DE&on=2024-08-31", "desk")["postings"]])
        self.assertIn(posting, [p["id"] for p in self.node.get("/v1/postings?country=DE&on=2024-08-20", "desk")["postings"]])
        self.assertEqual([posting], [p["id"] for p in self.node.get("/v1/postings?reference=a1%s" % member[:6], "desk")["postings"]])

    def test_a_posting_ends_with_the_membership_when_the_month_is_over(self):
        leaves, moves = self.member(), self.member()
        ends = [self.issue(m, "FR", "2024-03-07", "2025-12-31").json["id"] for m in (leaves, moves)]
        before = self.issue(leaves, "AT", "2023-03-07", "2023-04-30").json["id"]
        after = self.issue(leaves, "AT", "2026-03-07", "2026-04-30").json["id"]
        self.change(after, "change", {"to": "2026-06-30"})
        self.change(after, "change", {"country": "IT", "effective_on": "2026-05-01"})
        tag = self.node.call("GET", "/v1/members/" + leaves).headers["ETag"]
        self.node.post("/v1/members/%s/resign" % leaves, {"effective_on": "2024-06-15"}, 200, headers={"If-Match": tag})
        self.node.post("/v1/members/%s/handover/offer" % moves, {"to": "SE", "proposed": "2024-07-01"}, 200)
        self.cluster.wait_equal()
        self.other.post("/v1/members/%s/handover/accept" % moves, {"office": self.other.city}, 200)
        self.cluster.wait_equal()
        self.node.post("/v1/members/%s/handover/complete" % moves, None, 200)
        self.node.stop()
        self.node.start()

        def days(posting):
            shown = self.node.get("/v1/postings/" + posting, "desk")
            return shown["status"], shown["to"]
        wait_until("both are ended", lambda: [days(p) for p in ends] == [("issued", "2024-06-14"), ("issued", "2024-06-30")])
        self.assertEqual(days(before), ("issued", "2023-04-30"))
        wait_until("what begins later is cancelled", lambda: self.node.get("/v1/postings/" + after, "desk")["status"] == "cancelled")
        self.cluster.wait_equal()
        self.assertEqual([self.other.get("/v1/postings/%s?unit=BE" % p, "desk")["last_month"] for p in ends], ["2024-06", "2024-06"])
        # Once, and the new home may issue its own.
        changes = [e for e in self.node.events() if e["kind"] in ("posting.changed", "posting.cancelled")]
        self.other.post("/v1/postings", {"member": moves, "country": "FR", "from": "2024-07-01", "to": "2024-12-31"}, 201)
        self.node.stop()
        self.node.start()
        self.assertEqual([e for e in self.node.events() if e["kind"] in ("posting.changed", "posting.cancelled")], changes)

    def test_what_a_desk_must_not_record_is_refused_with_the_field_at_fault(self):
        member = self.member()
        posting = self.issue(member).json["id"]
        self.refused(self.issue(member, "AT", "2024-08-20", "2024-08-30", 409), "from", "posted already")
        self.refused(self.issue(member, "AT", "2025-01-02", "2027-01-02", 409), "to", "longer than 24 months")
        self.refused(self.issue(member, "BE", "2025-01-02", "2025-02-02", 409), "country", "the unit's own")
        self.refused(self.issue(member, "XX", "2025-01-02", "2025-02-02", 400), "country", "no country")
        self.refused(self.issue(member, "AT", "1999-01-02", "1999-02-02", 409), "member", "no member of this unit on 1999-01-02")
        self.issue(member, "AT", "2024-08-21", "2024-08-30")
        self.refused(self.change(posting, "change", {"to": "2024-08-21"}, 409), "to", "posted already")
        self.assertEqual(self.node.get("/v1/postings?overlapping=true", "desk")["postings"], [])
        self.assertEqual(len(self.node.get("/v1/postings?member=" + member, "desk")["postings"]), 2)

    def test_a_posting_is_extended_moved_on_and_taken_back(self):
        posting = self.issue(self.member()).json["id"]
        self.change(posting, "change", {"to": "2024-12-31"})
        self.change(posting, "change", {"country": "FR", "effective_on": "2024-10-01"})
        self.change(posting, "change", {"from": "2024-02-28"})
        shown = self.node.get("/v1/postings/" + posting, "desk")
        self.assertEqual((shown["from"], shown["to"]), ("2024-02-28", "2024-12-31"))
        self.assertEqual([tuple(stay[k] for k in ("country", "first_month", "last_month")) for stay in shown["stays"]],
                         [("DE", "2024-02", "2024-09"), ("FR", "2024-10", "2024-12")])
        self.refused(self.change(posting, "cancel", {}, 409), "event", "posting.changed")
        for kind in "posting.changed", "posting.changed", "posting.issued":
            event = [e for e in self.node.get("/v1/postings/" + posting, "desk")["events"] if e["kind"] == kind and e["outcome"] == "applied"][-1]
            self.change(posting, "cancel", {"event": {"log": event["log"], "seq": event["seq"]}})
        self.assertEqual(self.node.get("/v1/postings/" + posting, "desk")["status"], "cancelled")
        self.refused(self.change(posting, "cancel", {}, 409), "event", "cancelled already")

    def test_a_line_of_a_batch_and_a_retry(self):
        member = self.member()
        line = {"op": "posting.issue", "member": member, "country": "IT", "from": "2023-01-10", "to": "2023-02-10"}
        answer = self.node.call("POST", "/v1/batch", json.dumps(line) + "\n", headers={"Content-Type": "application/x-ndjson"})
        self.assertEqual(json.loads(answer.body.splitlines()[0])["status"], 201, answer)
        key = {"Idempotency-Key": "posting-once"}
        body = {"member": member, "country": "IT", "from": "2023-03-10", "to": "2023-04-10"}
        first, again = (self.node.call("POST", "/v1/postings", body, headers=key) for _ in range(2))
        self.assertEqual((first.json["id"], "Idempotent-Replay" in again.headers), (again.json["id"], True))

    def test_the_report_says_the_same_over_http_as_csv_and_at_the_command_line_of_every_node(self):
        member = self.member()
        posting = self.issue(member, "PT", "2022-11-15", "2023-02-03").json["id"]
        self.change(posting, "change", {"country": "ES", "effective_on": "2023-01-20"})
        self.issue(member, "PT", "2023-02-04", "2023-02-05")
        self.cluster.wait_equal()
        path = "/v1/reports/postings?unit=BE&from=2022-12-01&to=2023-02-28"
        wanted = [("ES", 1, 1, 1, 2), ("PT", 2, 1, 2, 2)]
        for node in self.node, self.other:
            rows = node.get(path)["rows"]
            figures = ("country", "running", "begun", "ended", "person_months")
            self.assertEqual([tuple(r[k] for k in figures) for r in rows if r["country"] in ("ES", "PT")], wanted)
            months = [r for r in node.get(path + "&each=month")["rows"] if r["country"] == "PT"]
            self.assertEqual([(r["period"], r["running"]) for r in months], [("2022-12", 1), ("2023-02", 1)])
            lines = node.call("GET", path, role="reports", headers={"Accept": "text/csv"}).body.decode().split("\r\n")
            self.assertIn("postings,BE,,ES,person_months,2", lines)
            told = json.loads(run("report", "postings", "--data", node.data, "--unit", "BE", "--from", "2022-12-01", "--to", "2023-02-28",
                                  "--json").stdout)
            self.assertEqual(told["rows"], rows)

    def test_the_command_line_of_the_desk(self):
        token = os.path.join(self.cluster.folder, "desk-token")
        with open(token, "w", encoding="ascii") as file:
            file.write(self.node.token("desk"))

        def posting(*words, status=0):
            return run("posting", *words, "--data", self.node.data, "--token-file", token, status=status).stdout
        member = self.member()
        posting("issue", "--member", member, "--country", "NL", "--from", "2024-05-02", "--to", "2024-05-30", "--reference", "CLI-1")
        listed = json.loads(posting("list", "--country", "NL", "--json"))["postings"]
        self.assertEqual([p["reference"] for p in listed], ["CLI-1"])
        posting("change", listed[0]["id"], "--to", "2024-06-15")
        self.assertIn("2024-06-15", posting("show", "--reference", "CLI-1"))
        posting("cancel", listed[0]["id"], status=1)
        posting("issue", "--member", member, status=2)


if __name__ == "__main__":
    unittest.main()
