"""A member of one unit at the desk of another: what a grant opens there, what the host does, what the home hears of it, and what is left
when the grant ends."""

import csv
import os
import tempfile
import unittest

from cluster import Cluster, admission, run, wait_until
from test_roundtrip import Empty, imported

CONTACT = {"email": "ilse@example.org", "city": "Brussel", "country": "BE"}


def rows(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


class Guests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster("BE", "DE", "SE")
        cls.addClassCleanup(cls.cluster.close)
        cls.home, cls.host, cls.third = cls.cluster["BE"], cls.cluster["DE"], cls.cluster["SE"]
        cls.count = 0

    def member(self):
        Guests.count += 1
        asked = admission(Guests.count, self.home.city)
        asked["person"]["contact"] = CONTACT
        return self.home.post("/v1/members", asked).json["id"]

    def grant(self, member, **more):
        access = self.home.post("/v1/members/%s/access" % member, dict({
            "host": "DE", "classes": ["identity", "contact", "activity"], "purpose": "1"}, **more)).json["id"]
        self.cluster.wait_equal()
        return access

    def seen(self, node, member):
        return node.get("/v1/members/%s?unit=BE" % member, "desk")

    def wait_here(self, member, *classes):
        def here():
            person = self.seen(self.host, member).get("person", {})
            return all(word in person for word in classes or ("identity",)) and person
        return wait_until("the host can open the member", here)

    def wait_closed(self, member):
        return wait_until("the host has closed the member", lambda: (
            lambda m: m["personal"] == "closed" and m)(self.seen(self.host, member)))

    def work(self, member):
        """An activity and an invoice of the visitor at the host."""
        Guests.count += 1
        office = self.host.get("/v1/units/DE/offices")["offices"][0]["id"]
        activity = self.host.post("/v1/activities", {
            "member": member, "member_unit": "BE", "office": office, "sector": "music", "activity_no": "A%d" % Guests.count}).json["id"]
        invoice = self.host.post("/v1/invoices", {
            "activity": activity, "amount_minor": 50000, "invoice_no": "I%d" % Guests.count, "client": "Theater"}).json["id"]
        return activity, invoice

    def test_a_grant_opens_its_classes_at_its_host_and_nothing_anywhere_else(self):
        member = self.member()
        self.cluster.wait_equal()
        self.assertIn("no grant", self.seen(self.host, member)["closed_because"])
        self.grant(member, classes=["identity"])
        person = self.wait_here(member)
        self.assertEqual(person["identity"]["family_name"], "Vandermeersch")
        self.assertNotIn("contact", person)
        self.cluster.wait_equal()
        self.assertEqual(self.seen(self.third, member)["personal"], "closed")

    def test_what_is_done_for_a_visitor_while_the_home_is_down_reaches_it_when_it_is_back(self):
        member = self.member()
        access = self.grant(member)
        self.wait_here(member, "identity", "contact")
        self.home.stop()
        activity, invoice = self.work(member)
        shown = self.host.get("/v1/invoices/" + invoice, "desk")
        self.assertEqual((shown["member"], shown["member_unit"], shown["client"]), (member, "BE", "Theater"))
        self.host.post("/v1/members/%s/contact-proposal?unit=BE" % member, {
            "contact": {"email": "new@example.org", "city": "Berlin", "country": "DE"}, "text": "has moved"}, 200)
        self.host.post("/v1/guest-records", status=202)
        self.home.start()

        def told():
            records = self.home.get("/v1/members/%s/openings" % member, "desk")["units"]
            return len([w for r in records for w in r["work"]]) == 2 and sum(r["count"] for r in records) > 0 and records
        records = wait_until("the home knows who looked and what was done", told)
        self.assertEqual({(r["unit"], r["access"]) for r in records}, {("DE", access)})
        self.assertIn("identity", {c for r in records for c in r["classes"]})

        def work(what):
            return [w for w in self.home.get("/v1/%s?member=%s" % (what, member), "desk")[what] if w["personal"] == "here"]
        found = wait_until("the home sees the invoice", lambda: work("invoices"))
        self.assertEqual([(w["id"], w["unit"], w["client"]) for w in found], [(invoice, "DE", "Theater")])
        self.assertEqual([(w["id"], w["unit"]) for w in work("activities")], [(activity, "DE")])

        proposal = wait_until("the proposal is there", lambda: [
            p for p in self.home.get("/v1/proposals", "desk")["proposals"] if p["member"] == member])[0]
        self.assertEqual((proposal["contact"]["city"], proposal["status"], proposal["text"]), ("Berlin", "open", "has moved"))
        path = "/v1/members/%s" % member
        tag = self.home.call("GET", path).headers["ETag"]
        self.home.post("%s/proposals/%s/accept" % (path, proposal["id"]), {}, 200, headers={"If-Match": tag})
        self.assertEqual(self.home.get(path, "desk")["person"]["contact"]["city"], "Berlin")
        self.assertEqual(self.home.get(path + "/proposals", "desk")["proposals"][0]["status"], "accepted")
        self.home.post("%s/proposals/%s/decline" % (path, proposal["id"]), None, 409)
        # The member's export has all that the host did.
        known = self.home.get(path + "/export", "desk")["at_hosts"]
        self.assertEqual({(k["unit"], k["access"]) for k in known}, {("DE", access)})
        self.assertEqual({w["id"] for k in known for w in k["work"]}, {activity, invoice})
        proposed, = [k for k in known if "proposal" in k]
        self.assertEqual((proposed["proposal"], proposed["text"], proposed["contact"]["city"]), ("accepted", "has moved", "Berlin"))
        page = self.home.call("GET", path + "/export", role="desk", headers={"Accept": "text/html"}).body.decode()
        self.assertIn("At hosts", page)
        self.assertIn("new@example.org", page)
        wait_until("the host has the new address", lambda: self.seen(self.host, member)["person"].get("contact", {}).get("city") == "Berlin")

    def test_a_host_records_nothing_of_before_the_membership_and_no_empty_proposal(self):
        member = self.member()
        self.grant(member)
        self.wait_here(member)
        office = self.host.get("/v1/units/DE/offices")["offices"][0]["id"]
        asked = {"member": member, "member_unit": "BE", "office": office, "sector": "music"}
        for day, status in (("2020-05-05", 409), ("2024-02-29", 409), ("2024-03-01", 201)):
            answer = self.host.post("/v1/activities", dict(asked, effective_on=day), status)
            at_home = self.home.call("POST", "/v1/activities", {"member": member, "sector": "music", "effective_on": day})
            self.assertEqual(at_home.status, status, day)
            if status == 409:
                self.assertEqual((answer.json["field"], at_home.json["field"]), ("member", "member"))
        path = "/v1/members/%s/contact-proposal?unit=BE" % member
        for contact in ({}, {"city": " "}):
            self.assertEqual(self.host.post(path, {"contact": contact, "text": "?"}, 400).json["field"], "contact")

    def test_a_revoked_grant_leaves_nothing_to_open_at_the_host(self):
        member = self.member()
        access = self.grant(member)
        self.wait_here(member, "identity", "contact")
        activity, _ = self.work(member)
        self.home.post("/v1/members/%s/access/%s/revoke" % (member, access), {"reason": "asked"}, 200)
        self.wait_closed(member)
        wait_until("the host's own record of it does not open", lambda: self.host.get(
            "/v1/activities/" + activity, "desk")["personal"] == "closed")  # nobody erased it
        refused = self.host.post("/v1/activities", {
            "member": member, "member_unit": "BE", "office": self.host.get("/v1/units/DE/offices")["offices"][0]["id"],
            "sector": "music"}, 409)
        self.assertEqual(refused.json["field"], "member")
        wait_until("the host confirms that its copies are destroyed", lambda: [
            e for e in self.home.events() if e["kind"] == "copies.destroyed" and e["unit"] == "DE"])
        self.assertTrue(wait_until("the home was told before", lambda: self.home.get(
            "/v1/members/%s/openings" % member, "desk")["units"]))

    def test_an_invoice_of_a_visitor_who_is_gone_can_be_cancelled_and_credited_once_she_gives_access_anew(self):
        member = self.member()
        access = self.grant(member)
        self.wait_here(member)
        (_, cancelled), (_, credited) = self.work(member), self.work(member)
        self.home.post("/v1/members/%s/access/%s/revoke" % (member, access), {"reason": "asked"}, 200)
        self.wait_closed(member)
        wait_until("the keys are gone", lambda: self.host.get("/v1/invoices/" + credited, "desk")["personal"] == "closed")
        self.host.post("/v1/invoices/%s/cancellations" % cancelled, {}, 200, headers=self.seen_as(cancelled))
        path = "/v1/invoices/%s/credit-notes" % credited
        refused = self.host.post(path, {"amount_minor": 1000}, 409, headers=self.seen_as(credited))
        self.assertIn("no grant or pass", refused.json["detail"])
        self.grant(member, classes=["activity"])
        wait_until("the credit note is written", lambda: self.host.call(
            "POST", path, {"amount_minor": 1000}, headers=self.seen_as(credited)).status == 200)

    def seen_as(self, invoice):
        return {"If-Match": self.host.call("GET", "/v1/invoices/" + invoice).headers["ETag"]}

    def test_after_a_crash_the_host_still_serves_and_a_copy_of_it_does_not_until_it_has_heard_the_home(self):
        member = self.member()
        self.grant(member)
        self.wait_here(member)
        unit = bytes.fromhex(next(u["id"] for u in self.host.get("/v1/units")["units"] if u["code"] == "BE"))

        def noted():
            with open(os.path.join(self.host.data, "main", "data.mdb"), "rb") as file:
                return b"known-" + unit in file.read()
        wait_until("the host has noted when it heard of the home", noted)
        for node in (self.home, self.host):
            node.kill()
        self.host.start()
        self.assertIn("identity", self.seen(self.host, member)["person"])

        self.host.stop()
        copy = self.host.copy_data(os.path.join(self.cluster.folder, "copy"))
        self.host.replace_data(copy)
        self.host.start()
        shown = self.seen(self.host, member)
        self.assertEqual(shown["personal"], "closed")
        self.assertIn("has not heard of that unit", shown["closed_because"])
        self.host.stop()
        self.host.start()
        self.assertEqual(self.seen(self.host, member)["personal"], "closed", "a restart changes nothing")
        self.home.start()
        self.wait_here(member)

    def test_a_visitor_is_served_at_the_command_line(self):
        member = self.member()
        self.grant(member)
        self.wait_here(member)
        at = lambda node, *words, **more: run(*words, "--data", node.data, env={"SMARTNODE_TOKEN": node.token("desk")}, **more).stdout
        self.assertIn("Vandermeersch", at(self.host, "member", "show", member, "--unit", "BE"))
        office = self.host.get("/v1/units/DE/offices")["offices"][0]["id"]
        activity = ("activity", "open", "--member", member, "--member-unit", "BE", "--sector", "music")
        self.assertIn("--office", run(*activity, "--data", self.host.data, env={"SMARTNODE_TOKEN": "x"}, status=2).stderr)
        at(self.host, *activity, "--office", office, "--number", "CLI-1")
        at(self.host, "invoice", "issue", "--activity-no", "CLI-1", "--amount", "120.50", "--client", "Theater")
        at(self.host, "member", "propose-contact", member, "--unit", "BE", "--email", "cli@example.org", "--city", "Bonn", "--country", "DE")
        self.host.post("/v1/guest-records", status=202)

        def line(words, needle):
            return next((one for one in at(self.home, *words).splitlines() if needle in one), None)
        proposal = wait_until("the proposal is listed", lambda: line(("member", "proposals"), member)).split()
        self.assertEqual(proposal[2], "DE")
        looked = wait_until("the home knows who looked", lambda: line(("member", "openings", member), "identity"))
        self.assertIn(" DE ", looked)
        self.assertIn("cli@example.org", at(self.home, "member", "proposals", member))
        at(self.home, "member", "accept-proposal", member, proposal[1])
        self.assertIn("Bonn", at(self.home, "member", "show", member))
        self.assertIn("accepted", at(self.home, "member", "proposals", member))
        self.assertIn("no requests", at(self.home, "member", "requests", member))
        self.home.post("/v1/members/%s/requests" % member, {"what": "move", "to": "SE"})
        asked = line(("member", "requests"), member).split()
        self.assertIn("SE", asked)
        at(self.home, "member", "close-request", member, asked[1])
        self.assertIn("no requests", at(self.home, "member", "requests", member))

    def test_work_of_visitors_is_exported_as_such_and_imported_where_they_give_access(self):
        member = self.member()
        self.grant(member)
        self.wait_here(member)
        activity, invoice = self.work(member)
        self.host.stop()
        with tempfile.TemporaryDirectory() as folder:
            files = os.path.join(folder, "files")
            os.mkdir(files)
            run("export", "--data", self.host.data, "--out", files)
            found = {name: rows(os.path.join(files, name)) for name in ("activity_operations.csv", "invoices.csv")}
            opened, = [r for r in found["activity_operations.csv"] if r["activity"] == activity and r["op"] == "activity.open"]
            self.assertEqual((opened["id"], opened["member_unit"]), (member, "BE"))
            imported(self.host.data, files)  # all there
            again = os.path.join(folder, "again")
            os.mkdir(again)
            for name, of in found.items():
                with open(os.path.join(again, name), "w", encoding="utf-8", newline="") as file:
                    out = csv.DictWriter(file, of[0].keys())
                    out.writeheader()
                    for row in (r for r in of if r["activity"] == activity):
                        row.update({"activity": "7" * 32}, **{k: row[k][:4] + "9" * 28 for k in row if k == "invoice"})
                        row.update({k: row[k] + "x" for k in ("activity_no", "invoice_no") if row.get(k)})
                        out.writerow(row)
            self.assertEqual(sum(f["imported"] for f in imported(self.host.data, again)["files"]), 2)
            empty = Empty(folder, "DE", listens=False).init()
            with self.assertRaisesRegex(AssertionError, "member_unit.*given this unit no access.*leave them out"):
                imported(empty.data, files)
        self.host.start()
        self.assertEqual(self.host.get("/v1/activities/" + "7" * 32, "desk")["member_unit"], "BE")
        wait_until("the home is told", lambda: len(self.home.get("/v1/invoices?member=" + member, "desk")["invoices"]) == 2)

    def test_a_declined_proposal_changes_nothing(self):
        member = self.member()
        self.grant(member)
        self.wait_here(member)
        self.host.post("/v1/members/%s/contact-proposal?unit=BE" % member, {"contact": {"city": "Wien", "country": "AT"}}, 200)
        path = "/v1/members/%s" % member
        proposal = wait_until("the proposal is there", lambda: self.home.get(path + "/proposals", "desk")["proposals"])[0]
        self.home.post("%s/proposals/%s/decline" % (path, proposal["id"]), None, 200)
        self.assertEqual(self.home.get(path, "desk")["person"]["contact"]["city"], "Brussel")
        wait_until("the own desk's look is in the journal", lambda: [
            look for look in self.home.get(path + "/openings", "desk")["own_desk"] if look["count"] >= 1])
        self.assertEqual(self.home.get(path + "/proposals", "desk")["proposals"][0]["status"], "declined")


if __name__ == "__main__":
    unittest.main()
