"""A member moves from one unit to another, with kill -9 between the steps, and is received there by the node itself; an offer is taken back."""

import datetime
import unittest

from cluster import Cluster, admission, run, today, wait_until

CONTACT = {"email": "ilse@example.org", "city": "Brussel", "country": "BE"}
FIGURES = ("members", "shares", "minor", "owed_minor")


class Handover(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster("BE", "SE", "FR")
        cls.addClassCleanup(cls.cluster.close)
        cls.old, cls.new, cls.third = cls.cluster["BE"], cls.cluster["SE"], cls.cluster["FR"]
        cls.count = 0
        cls.today = today()

    def member(self, family="Vandermeersch"):
        Handover.count += 1
        asked = admission(Handover.count, self.old.city, shares=3)
        asked["person"]["identity"]["family_name"] = family
        asked["person"]["contact"] = CONTACT
        return self.old.post("/v1/members", asked).json["id"]

    def turn(self, node, member):
        return next((h["turn"] for h in node.get("/v1/handovers", "desk")["handovers"] if h["member"] == member), "nobody")

    def wait_turns(self, member, old, new):
        wait_until("BE says %s, SE says %s" % (old, new),
                   lambda: (self.turn(self.old, member), self.turn(self.new, member)) == (old, new))

    def step(self, node, member, what, **body):
        return node.post("/v1/members/%s/handover/%s" % (member, what), body, 200)

    def again(self, node):
        node.kill()
        node.start()

    def seen(self, node, member, unit):
        return node.get("/v1/members/%s?unit=%s" % (member, unit), "desk")

    def standing(self, node, unit, day):
        report = node.get("/v1/reports/members?as_of=%s&unit=%s" % (day, unit), "reports")
        sums = {"members": sum(row["members"] for row in report["rows"])}
        for name in FIGURES[1:]:
            sums[name] = sum(row[name] for row in report["capital"])
        return sums

    def flows(self, node, unit, day):
        report = node.get("/v1/reports/flows?from=%s&to=%s&unit=%s" % (day, day, unit), "reports")
        return ({name: sum(row[name] for row in report["rows"]) for name in ("joined", "moved_in", "moved_out")},
                {name: sum(row[name] for row in report["capital"]) for name in ("minor_repaid", "shares_in", "shares_out")})

    def waiting(self, member):
        return self.seen(self.new, member, "SE").get("activities_waiting", 0)

    def opened(self, member):
        activities = self.new.get("/v1/activities?member=" + member, "desk")["activities"]
        return [(a["unit"], a["sector"], a["text"], a["opened"]) for a in activities if a["unit"] == "SE"]

    def closed(self, node, member, unit):
        return self.seen(node, member, unit)["personal"] == "closed"

    def test_a_member_moves_and_is_received_by_the_node_itself(self):
        before, after = self.today - datetime.timedelta(days=1), self.today + datetime.timedelta(days=1)
        member = self.member("Verhuisd")
        self.old.post("/v1/activities", {"member": member, "sector": "music", "activity_no": "M-1", "text": "Koor",
                                         "effective_on": "2024-04-01"})
        self.cluster.wait_equal()
        start = {unit: self.standing(self.third, unit, before) for unit in ("BE", "SE")}
        self.step(self.old, member, "offer", to="SE")
        self.again(self.old)
        self.wait_turns(member, "they_accept", "we_accept")
        told = run("handovers", "--data", self.new.data, env={"SMARTNODE_TOKEN": self.new.token()}).stdout
        self.assertIn("accept", told)
        self.step(self.new, member, "accept", office=self.new.city, shares=2)
        self.again(self.new)
        self.wait_turns(member, "we_complete", "they_complete")
        self.step(self.old, member, "complete", activities="taken_along", voted=True)
        self.again(self.old)
        self.wait_turns(member, "nobody", "nobody")
        self.again(self.new)
        self.cluster.wait_equal()

        # The day before, the day, the day after, as every node reports them.
        for node in self.cluster:
            for day, old, new in ((before, start["BE"], start["SE"]), (self.today, None, None), (after, None, None)):
                be, se = self.standing(node, "BE", day), self.standing(node, "SE", day)
                if old:
                    self.assertEqual((be, se), (old, new))
                    continue
                self.assertEqual(be, dict(start["BE"], members=start["BE"]["members"] - 1, shares=start["BE"]["shares"] - 3,
                                          minor=start["BE"]["minor"] - 3 * self.old.share_price))
                self.assertEqual((se["members"], se["shares"], se["minor"]), (
                    start["SE"]["members"] + 1, start["SE"]["shares"] + 2, start["SE"]["minor"] + 2 * self.new.share_price))
            counts, capital = self.flows(node, "BE", self.today)
            self.assertEqual((counts["moved_out"], counts["moved_in"], capital["minor_repaid"]), (1, 0, 3 * self.old.share_price))
            counts, capital = self.flows(node, "SE", self.today)
            self.assertEqual((counts["moved_in"], counts["joined"], capital["shares_in"]), (1, 0, 2))

        # Read with keys of the new home's own: found by name there, and in its export, which knows no others.
        person = self.seen(self.new, member, "SE")["person"]
        self.assertEqual((person["identity"]["family_name"], person["contact"]["email"]), ("Verhuisd", CONTACT["email"]))
        self.assertEqual([m["id"] for m in self.new.get("/v1/members?q=Verhuisd", "desk")["members"]], [member])
        self.assertIn("Verhuisd", run("export", "--data", self.new.data, "--ndjson", "--out", "-").stdout)

        # What she did at the old home only that unit can give her: it is named.
        for node, elsewhere in ((self.new, "BE"), (self.old, "SE")):
            told = node.get("/v1/members/%s/export" % member, "desk")
            self.assertEqual(told["other_homes"], [elsewhere])
            self.assertIn("(%s); ask those units" % elsewhere, told["not_included"])

        # What she took along is not opened with the reception, waits over a crash, and is opened once.
        self.assertEqual((self.waiting(member), self.opened(member)), (1, []))
        self.again(self.new)
        self.assertEqual((self.waiting(member), self.opened(member)), (1, []))
        exported = self.new.get("/v1/members/%s/export" % member, "desk")["activities_waiting"]
        self.assertEqual([(a["sector"], a["text"], a["from"]) for a in exported], [(2, "Koor", self.today.isoformat()[:7])])
        self.new.post("/v1/taken-activities", status=202)
        wait_until("SE opens what she took along", lambda: self.waiting(member) == 0)
        self.again(self.new)
        self.new.post("/v1/taken-activities", status=202)
        self.assertEqual(self.opened(member), [("SE", 2, "Koor", self.today.isoformat()[:7])])
        kinds = [e["kind"] for e in self.new.events() if e["unit"] == "SE"]
        self.assertLess(kinds.index("handover.received"), kinds.index("activity.opened"))
        self.assertEqual(kinds.count("activity.opened"), 1)

        # Without a unit each desk means its own record; elsewhere one has to be named.
        self.assertEqual([node.get("/v1/members/" + member, "desk")["unit"] for node in (self.old, self.new)], ["BE", "SE"])
        self.assertEqual(self.third.call("GET", "/v1/members/" + member).status, 409)

        # Both histories are there, at both.
        for node in (self.old, self.new):
            kinds = {unit: [e["kind"] for e in self.seen_events(node, member, unit)] for unit in ("BE", "SE")}
            self.assertIn("handover.completed", kinds["BE"])
            self.assertIn("handover.received", kinds["SE"])
            self.assertIn("handover.completed", kinds["SE"])
        self.assertTrue(self.closed(self.third, member, "SE"))

    def seen_events(self, node, member, unit):
        return node.get("/v1/members/%s/history?unit=%s" % (member, unit), "desk")["events"]

    def test_more_activities_than_one_capsule_holds_all_go_along(self):
        member = self.member("Veelzijdig")
        for n in range(70):
            self.old.post("/v1/activities", {"member": member, "sector": "music", "text": "Koor %d" % n, "effective_on": "2024-04-01"})
        self.cluster.wait_equal()
        self.step(self.old, member, "offer", to="SE")
        self.wait_turns(member, "they_accept", "we_accept")
        self.step(self.new, member, "accept", office=self.new.city, shares=1)
        self.wait_turns(member, "we_complete", "they_complete")
        self.step(self.old, member, "complete", activities="taken_along")
        self.wait_turns(member, "nobody", "nobody")
        waiting = self.new.get("/v1/members/%s/export" % member, "desk")["activities_waiting"]
        self.assertEqual(sorted(a["text"] for a in waiting), sorted("Koor %d" % n for n in range(70)))

    def test_a_withdrawn_offer_leaves_nothing_at_the_other_unit(self):
        member = self.member("Gebleven")
        self.cluster.wait_equal()
        opened = "capsules of other units opened"
        before = self.new.log().count(opened)
        self.step(self.old, member, "offer", to="SE")
        self.wait_turns(member, "they_accept", "we_accept")
        wait_until("SE has what the offer gives", lambda: self.new.log().count(opened) > before)
        self.assertTrue(self.closed(self.third, member, "BE"))
        shown = wait_until("SE's desk sees who is offered", lambda: (lambda m: m if "contact" in m.get("person", ()) else None)(
            self.seen(self.new, member, "BE")))
        self.assertEqual((shown["personal"], shown["by_handover"], sorted(shown["person"])), ("here", True, ["contact", "identity"]))
        self.assertEqual(shown["person"]["identity"]["family_name"], "Gebleven")
        told = run("member", "handover", "show", member, "--data", self.new.data, env={"SMARTNODE_TOKEN": self.new.token()}).stdout
        self.assertIn("Gebleven", told)
        self.step(self.new, member, "accept", office=self.new.city)
        self.wait_turns(member, "we_complete", "they_complete")
        self.step(self.old, member, "withdraw")
        self.wait_turns(member, "nobody", "nobody")
        withdrawn = next(e for e in self.seen_events(self.old, member, "BE") if e["kind"] == "handover.withdrawn")

        def confirmed():
            return [e for e in self.new.events() if e["kind"] == "copies.destroyed" and e["refs"][0]["seq"] == withdrawn["seq"]]
        wait_until("SE says that it destroyed its copies", confirmed)
        self.cluster.wait_equal()
        self.old.post("/v1/members/%s/handover/complete" % member, {}, 409)
        self.assertEqual(self.seen(self.old, member, "BE")["status"], "member")

        # Its desk does not see her any more, and that it had looked is known at home.
        self.assertTrue(self.closed(self.new, member, "BE"))
        looks = wait_until("BE is told who looked", lambda: self.old.get("/v1/members/%s/openings" % member, "desk")["units"])
        self.assertEqual({(look["unit"], look.get("by_handover")) for look in looks}, {("SE", True)})
        self.assertEqual({c for look in looks for c in look["classes"]}, {"identity", "contact"})

    def test_a_grant_outlives_an_offer_that_is_taken_back(self):
        member = self.member("Gegund")
        self.old.post("/v1/members/%s/access" % member, {"host": "SE", "classes": ["identity", "contact"], "purpose": "work abroad"})

        def here():
            shown = self.seen(self.new, member, "BE")
            return shown["personal"] == "here" and not shown.get("by_handover") and shown["person"].get("contact", {}).get("city") == "Brussel"
        wait_until("SE's desk sees her by the grant", here)
        self.step(self.old, member, "offer", to="SE")
        self.wait_turns(member, "they_accept", "we_accept")
        self.step(self.old, member, "withdraw")
        self.wait_turns(member, "nobody", "nobody")
        withdrawn = next(e for e in self.seen_events(self.old, member, "BE") if e["kind"] == "handover.withdrawn")
        wait_until("SE destroyed what the offer gave", lambda: [
            e for e in self.new.events() if e["kind"] == "copies.destroyed" and e["refs"][0]["seq"] == withdrawn["seq"]])
        wait_until("SE's desk sees her by the grant again", here)

    def test_who_arrives_while_the_old_home_is_down_waits_for_the_data_or_is_received_by_the_desk(self):
        members = [self.member("Wachtend"), self.member("Ongeduldig")]
        self.cluster.wait_equal()
        for member in members:
            self.step(self.old, member, "offer", to="SE")
            self.wait_turns(member, "they_accept", "we_accept")
            self.step(self.new, member, "accept", office=self.new.city)
            self.wait_turns(member, "we_complete", "they_complete")
        self.new.stop()
        for member in members:
            self.step(self.old, member, "complete")
        self.cluster.wait_equal("BE", "FR")
        self.old.kill()
        self.new.start()
        wait_until("SE knows that both moved, and waits for their data",
                   lambda: self.new.status()["arrivals"].get("waiting") == 2)
        self.assertEqual([self.turn(self.new, member) for member in members], ["we_receive"] * 2)
        shown = self.seen(self.new, members[0], "SE")
        self.assertEqual((shown["personal"], "erased" in shown), ("not yet here", False))  # nobody erased it
        self.assertIn("smartnode_arrivals_waiting 2", self.new.call("GET", "/metrics", role=None).body.decode())
        run("member", "handover", "receive", members[1], "--family-name", "Handgeschreven", "--data", self.new.data,
            env={"SMARTNODE_TOKEN": self.new.token()})
        self.assertEqual([self.turn(self.new, member) for member in members], ["we_receive", "nobody"])
        self.old.start()
        self.wait_turns(members[0], "nobody", "nobody")
        self.assertEqual([self.seen(self.new, member, "SE")["person"]["identity"]["family_name"] for member in members],
                         ["Wachtend", "Handgeschreven"])
        wait_until("nobody waits", lambda: self.new.status()["arrivals"] == {"waiting": 0, "for_desk": 0})

    def test_who_moves_on_a_day_to_come_gets_nothing_more_from_here(self):
        day = (self.today + datetime.timedelta(days=40)).isoformat()
        member = self.member("Later")
        self.cluster.wait_equal()
        self.step(self.old, member, "offer", to="SE", proposed=day)
        self.cluster.wait_equal()
        self.step(self.new, member, "accept", office=self.new.city)
        self.cluster.wait_equal()
        self.step(self.old, member, "complete")
        tag = {"If-Match": self.old.call("GET", "/v1/members/" + member).headers["ETag"]}
        for path, body, headers in (("shares", {"shares": 1}, tag), ("pass", {"classes": ["contact"]}, None),
                                    ("access", {"host": "FR", "classes": ["contact"], "purpose": "work abroad"}, None),
                                    ("handover/offer", {"to": "FR"}, None)):
            refused = self.old.call("POST", "/v1/members/%s/%s" % (member, path), body, headers=headers)
            self.assertEqual(refused.status, 409, path)
            self.assertNotIn(" on -", str(refused.json), path)

    def test_what_a_member_asks_is_possible_and_dealt_with_by_the_move(self):
        member = self.member("Vragend")
        path = "/v1/members/%s/requests" % member
        yesterday = (self.today - datetime.timedelta(days=1)).isoformat()
        self.old.post(path, {"what": "move", "to": "BE"}, 400)
        self.old.post(path, {"what": "move", "to": "SE", "day": yesterday}, 400)
        self.old.post(path, {"what": "move", "to": "SE", "day": self.today.isoformat()}, 201)
        self.old.post(path, {"what": "other", "text": "a certificate"}, 201)
        self.cluster.wait_equal()
        self.step(self.old, member, "offer", to="SE")
        self.cluster.wait_equal()
        self.step(self.new, member, "accept", office=self.new.city)
        self.cluster.wait_equal()
        self.step(self.old, member, "complete")
        self.assertEqual([r["what"] for r in self.old.get(path, "desk")["requests"]], ["other"])
        self.old.post(path, {"what": "move", "to": "SE"}, 409)

    def test_who_completes_hears_how_many_representatives_do_not_move(self):
        asked = {"status": "admitted", "category": "C", "person_type": "legal", "office": self.old.city, "shares": 1,
                 "effective_on": "2024-03-01", "person": {"identity": {"member_no": "L-1", "legal_name": "Verzonnen BV"}}}
        company = self.old.post("/v1/members", asked).json["id"]
        tag = {"If-Match": self.old.call("GET", "/v1/members/" + company).headers["ETag"]}
        self.old.post("/v1/members/%s/representatives" % company, {
            "person": {"identity": {"given_name": "Jo", "family_name": "Maes"}}, "effective_on": "2024-03-02"}, 200, headers=tag)
        self.cluster.wait_equal()
        self.step(self.old, company, "offer", to="SE")
        self.cluster.wait_equal()
        self.step(self.new, company, "accept", office=self.new.city)
        self.cluster.wait_equal()
        self.assertEqual(self.step(self.old, company, "complete").json["representatives"], 1)

    def double(self, node, member):
        return next((d for d in node.get("/v1/doubles", "desk")["doubles"] if d["member"] == member), None)

    def test_a_move_makes_nobody_the_newer_member_of_a_double(self):
        moved = self.member("Oudste")
        twin = self.third.admit("FR-%d" % Handover.count, day="2024-06-01")
        self.cluster.wait_equal()
        self.step(self.old, moved, "offer", to="SE")
        self.wait_turns(moved, "they_accept", "we_accept")
        none = self.new.post("/v1/members/%s/handover/accept" % moved, {"office": self.new.city, "shares": 0}, 400).json
        self.assertEqual((none["field"], "handover.accepted" in none["detail"]), ("shares", False))
        self.step(self.new, moved, "accept", office=self.new.city)
        self.wait_turns(moved, "we_complete", "they_complete")
        self.step(self.old, moved, "complete")
        self.wait_turns(moved, "nobody", "nobody")
        gone = run("erase", moved, "--class", "contact", "--data", self.third.data, env={"SMARTNODE_TOKEN": self.third.token()}, status=1)
        self.assertIn("no such member of this unit", gone.stderr)
        self.third.post("/v1/members/%s/doubles" % twin, {"unit": "SE", "other": moved}, 200)
        self.cluster.wait_equal()
        self.assertEqual((self.double(self.third, twin)["should_stay"], self.double(self.new, moved)["should_stay"]), ("theirs", "ours"))
        self.assertEqual(self.double(self.new, moved)["ours"]["joined_on"], self.seen(self.old, moved, "BE")["joined_on"])

    def test_a_double_is_declared_settled_and_undone(self):
        here = self.member("Dubbel")
        there = self.new.admit("SE-%d" % Handover.count, effective_on="2024-06-01")
        self.cluster.wait_equal()
        other = {"unit": "SE", "other": there}
        settle = dict(other, outcome="this_given_up", reason="wish of the member")
        path = "/v1/members/%s/doubles" % here
        self.old.post(path + "/settle", settle, 409)
        self.old.post(path, dict(other, other="f" * 32), 404)
        self.old.post(path, dict(other, unit="BE"), 400)
        self.old.post(path, dict(other, note="Spoke with her"), 200)
        refused = self.old.post(path + "/settle", dict(settle, reason="who knows"), 400).json
        for word in ("joined there first", "wish of the member", "recorded twice by mistake", "not the same person"):
            self.assertIn(word, refused["detail"])
        self.old.post(path, other, 409)
        self.cluster.wait_equal()
        for node, member, mine, stays in ((self.old, here, "ours", "ours"), (self.new, there, "theirs", "theirs")):
            seen = self.double(node, member)
            self.assertEqual((seen["ours"]["declared"], seen["theirs"]["declared"], seen["should_stay"]), (
                mine == "ours", mine == "theirs", stays))
        self.assertIsNone(self.double(self.third, here))

        # Of other units' members nothing is here to be erased.
        stranger = run("erase", here, "--class", "contact", "--data", self.third.data, env={"SMARTNODE_TOKEN": self.third.token()}, status=1)
        self.assertIn("no such member", stranger.stderr)

        # The later one is given up: the desk there declares it, too, and settles.
        env = {"SMARTNODE_TOKEN": self.new.token()}
        told = run("member", "double", "list", "--data", self.new.data, env=env).stdout
        self.assertIn("BE should stay", told)
        run("member", "double", "declare", there, "--unit", "BE", "--other", here, "--data", self.new.data, env=env)
        run("member", "double", "settle", there, "--unit", "BE", "--other", here, "--outcome", "this_given_up", "--reason",
            "joined there first", "--data", self.new.data, env=env)
        self.old.post(path + "/settle", dict(settle, outcome="other_given_up", reason="joined there first"), 200)
        self.cluster.wait_equal()
        self.assertEqual((self.double(self.old, here)["ours"]["settled"], self.double(self.old, here)["theirs"]["settled"]), (
            "other_given_up", "this_given_up"))
        gone = self.seen(self.new, there, "SE")
        self.assertEqual((gone["status"], self.seen(self.old, here, "BE")["status"]), ("left", "member"))

        # Undone: she is a member there again.
        done = next(e for e in self.seen_events(self.new, there, "SE") if e["kind"] == "double.settled")
        tag = self.new.call("GET", "/v1/members/" + there).headers["ETag"]
        self.new.post("/v1/members/%s/cancellations" % there, {"event": {"log": done["log"], "seq": done["seq"]}}, 200,
                      headers={"If-Match": tag})
        self.assertEqual(self.seen(self.new, there, "SE")["status"], "member")
        self.assertEqual(self.double(self.new, there)["ours"]["settled"], "open")


if __name__ == "__main__":
    unittest.main()
