"""What a person has a right to, at the desk, at hosts, and after a move: what was erased is not brought back by a host's proposal, proved to
be gone, and can be entered anew and erased again; what is restricted stays so, is found by nobody, and goes along; a pass says why it ended."""

import datetime
import itertools
import os
import shutil
import subprocess
import unittest

from cluster import PROGRAM, Cluster, admission, run, today, wait_until

CONTACT = {"email": "wilhelmina@example.org", "city": "Ekeren", "country": "BE"}
PROPOSED = {"email": "proposed@example.org", "city": "Berlin", "country": "DE"}
IBAN = "BE68539007547034"
LAST_YEAR = "%d-01-01" % (today().year - 1)
LONG_AGO = "%d-06-01" % (today().year - 1)


NUMBERS = itertools.count(1)


def setUpModule():
    Rights.cluster = Cluster("BE", "DE")
    unittest.addModuleCleanup(Rights.cluster.close)
    Rights.home, Rights.host = Rights.cluster["BE"], Rights.cluster["DE"]


class Rights(unittest.TestCase):
    def member(self, family):
        asked = admission(next(NUMBERS), self.home.city)
        asked["person"]["identity"]["family_name"] = family
        asked["person"].update(contact=dict(CONTACT, email="%s@example.org" % family.lower()), bank={"iban": IBAN})
        return self.home.post("/v1/members", asked).json["id"]

    def grant(self, member, *classes):
        access = self.home.post("/v1/members/%s/access" % member, {
            "host": "DE", "classes": list(classes), "purpose": "1"}).json["id"]
        self.cluster.wait_equal()
        return access

    def issue(self, member, *classes):
        return self.home.post("/v1/members/%s/pass" % member, {"classes": list(classes)}).json

    def tag(self, member, node=None):
        return {"If-Match": (node or self.home).call("GET", "/v1/members/" + member).headers["ETag"]}

    def order(self, member, what, classes, status=200, node=None, **more):
        return (node or self.home).post("/v1/members/%s/%s" % (member, what), dict({"classes": classes}, **more), status,
                                        headers=self.tag(member, node)).json

    def erase(self, member, *classes, **more):
        self.order(member, "erase", list(classes), **more)
        wait_until("both confirm", lambda: all(
            sorted(c["unit"] for c in e["confirmed"]) == ["BE", "DE"] for e in self.home.get("/v1/erasures?member=" + member)["erasures"]))

    def shown(self, member, node=None, query=""):
        return (node or self.home).get("/v1/members/%s%s" % (member, query), "desk")

    def change(self, member, **person):
        answer = self.home.call("PATCH", "/v1/members/" + member, {"person": person}, headers=self.tag(member))
        self.assertEqual(answer.status, 200, answer)

    def found(self, text, node=None):
        return [m["id"] for m in (node or self.home).get("/v1/members?q=" + text, "desk")["members"]]

    def prove(self, member, *classes, node=None):
        named = [word for c in classes for word in ("--class", c)]
        return subprocess.run([PROGRAM, "erase", "--prove", "--quick", *named, member, "--data", (node or self.home).data],
                              capture_output=True, text=True)

    def assert_proved(self, member, *classes, node=None):
        proof = self.prove(member, *classes, node=node)
        self.assertEqual((proof.returncode, proof.stderr), (0, ""), (node or self.home).code + ": " + proof.stdout)


class Proposals(Rights):
    def open_at_host(self, member):
        wait_until("the host can open the member", lambda: "identity" in self.shown(member, self.host, "?unit=BE").get("person", {}))

    def propose(self, member, **contact):
        self.host.post("/v1/members/%s/contact-proposal?unit=BE" % member, {"contact": dict(PROPOSED, **contact), "text": "moved"}, 200)

    def proposals(self, member):
        return self.home.get("/v1/members/%s/proposals" % member, "desk")["proposals"]

    def accept(self, member, proposal, status):
        return self.home.post("/v1/members/%s/proposals/%s/accept" % (member, proposal["id"]), {}, status, headers=self.tag(member))

    def test_an_answered_proposal_is_answered_once(self):
        member = self.member("Antwoord")
        self.grant(member, "identity", "contact")
        self.open_at_host(member)
        self.propose(member)
        proposal, = wait_until("the proposal is there", lambda: self.proposals(member))
        self.accept(member, proposal, 200)
        before = len(self.home.get("/v1/members/%s/history" % member, "desk")["events"])
        self.assertEqual(self.accept(member, proposal, 409).json["field"], "proposal")
        self.home.post("/v1/members/%s/proposals/%s/decline" % (member, proposal["id"]), None, 409)
        self.assertEqual(len(self.home.get("/v1/members/%s/history" % member, "desk")["events"]), before)

    def test_what_a_host_proposed_goes_with_contact_also_if_it_arrives_later(self):
        member = self.member("Voorstel")
        self.grant(member, "identity", "contact")
        self.open_at_host(member)
        self.propose(member)
        proposal, = wait_until("the proposal is there", lambda: self.proposals(member))
        self.home.stop()
        self.propose(member, city="Potsdam")
        self.host.stop()
        self.home.start()
        self.order(member, "erase", ["contact"])
        wait_until("it is gone", lambda: not self.proposals(member))
        self.host.start()
        self.cluster.wait_equal()
        wait_until("both confirm", lambda: len(self.home.get("/v1/erasures?member=" + member)["erasures"][0]["confirmed"]) == 2)
        wait_until("both records are there, without what they proposed", lambda: len(
            self.home.get("/v1/members/%s/openings" % member, "desk")["units"]) >= 2)
        self.assertEqual(self.proposals(member), [])
        self.assertNotIn(member, [p["member"] for p in self.home.get("/v1/proposals", "desk")["proposals"]])
        self.accept(member, proposal, 404)
        self.assertNotIn("contact", self.shown(member)["person"])
        needles = os.path.join(self.cluster.folder, "needles")
        with open(needles, "w", encoding="utf-8") as file:
            file.write("Potsdam\n" + PROPOSED["email"] + "\n")
        run("erase", "--prove", "--quick", "--needles", needles, member, "--data", self.home.data)


class Proof(Rights):
    def test_what_was_erased_of_who_had_a_grant_and_passes_is_proved_to_be_gone(self):
        member = self.member("Bewijs")
        self.grant(member, "identity", "contact")
        self.issue(member, "contact")
        self.erase(member, "contact")
        for node in self.cluster:
            self.assert_proved(member, "contact", node=node)
            self.assert_proved(member, node=node)
        # nothing of the class is there until it is entered anew, and then it can go again
        self.order(member, "erase", ["contact"], 409)
        self.change(member, contact={"email": "anew@example.org"})
        self.assertEqual(self.shown(member)["person"]["contact"]["email"], "anew@example.org")
        self.grant(member, "identity", "contact")
        for node in self.cluster:
            self.assert_proved(member, "contact", node=node)
            self.assert_proved(member, node=node)
        self.erase(member, "contact")
        for node in self.cluster:
            self.assert_proved(member, node=node)
        self.assertEqual(self.shown(member)["person"]["identity"]["family_name"], "Bewijs")

    def test_what_nobody_erased_is_not_searched_for(self):
        member = self.member("Nooit")
        proof = self.prove(member)
        self.assertEqual((proof.returncode, proof.stdout), (1, ""))
        self.assertIn("knows of no erasure", proof.stderr)
        self.erase(member, "contact")
        proof = self.prove(member, "contact", "bank")
        self.assertEqual(proof.returncode, 1)
        self.assertIn("bank was not erased", proof.stderr)

    def test_what_should_have_gone_is_found(self):
        member = self.member("Kopie")
        self.cluster.wait_equal()
        kept = os.path.join(self.home.data, "vault", "copy")
        shutil.copyfile(os.path.join(self.home.data, "vault", "data.mdb"), kept)
        self.addCleanup(os.remove, kept)
        self.erase(member, "contact")
        proof = self.prove(member, "contact")
        self.assertEqual(proof.returncode, 3)
        self.assertIn("FOUND  key", proof.stdout)


class Accesses(Rights):
    def states(self, member):
        return {a["id"]: "revoked_on" in a for a in self.home.get("/v1/members/%s/access" % member, "desk")["access"]}

    def verify(self, text, node=None):
        return (node or self.host).call("POST", "/v1/passes/verify", {"pass": text})

    def reason(self, text):
        answer = self.verify(text)
        return answer.json.get("reason") if answer.status == 403 else answer.status

    def test_only_what_names_the_class_ends_with_it(self):
        member = self.member("Blijft")
        names, contact = self.grant(member, "identity"), self.issue(member, "identity", "contact")
        kept = self.issue(member, "identity")
        self.cluster.wait_equal()
        wait_until("the pass opens at the host", lambda: self.reason(contact["pass"]) == 200)
        self.erase(member, "contact")
        self.assertEqual(self.states(member), {names: False, contact["id"]: True, kept["id"]: False})
        wait_until("the other pass opens", lambda: self.verify(kept["pass"]).json.get("opened") == ["identity"])
        self.change(member, identity={"member_no": "B-1", "given_name": "W", "family_name": "Heet-Anders"})
        wait_until("the grant has the keys of the new generation", lambda: self.shown(member, self.host, "?unit=BE").get(
            "person", {}).get("identity", {}).get("family_name") == "Heet-Anders")
        self.assertEqual(self.reason(contact["pass"]), "erased")
        self.order(member, "restrict", ["bank"])
        self.assertEqual(self.states(member), {names: False, contact["id"]: True, kept["id"]: False})
        self.order(member, "restrict", ["identity"])
        self.assertEqual(set(self.states(member).values()), {True})
        wait_until("the pass says why", lambda: self.reason(kept["pass"]) == "restricted")

    def test_a_pass_of_who_has_moved_says_where_to(self):
        member = self.member("Vertrekt")
        issued, revoked = self.issue(member, "identity"), self.issue(member, "identity")
        self.home.post("/v1/members/%s/access/%s/revoke" % (member, revoked["id"]), {"reason": "lost"}, 200)
        self.cluster.wait_equal()
        move(self, member)
        for node in self.cluster:
            answer = self.verify(issued["pass"], node)
            self.assertEqual((answer.status, answer.json["reason"], answer.json.get("moved_to")), (403, "moved", "DE"))
        self.assertEqual(self.reason(revoked["pass"]), "revoked")


def move(case, member):
    """From the home to the host, received there by the node itself."""
    step = "/v1/members/%s/handover/" % member
    case.home.post(step + "offer", {"to": "DE"}, 200)
    case.cluster.wait_equal()
    case.host.post(step + "accept", {"office": case.host.city}, 200)
    case.cluster.wait_equal()
    case.home.post(step + "complete", {}, 200)
    wait_until("the host has received", lambda: [
        e for e in case.host.get("/v1/members/%s/history?unit=DE" % member, "desk")["events"] if e["kind"] == "handover.received"])
    case.cluster.wait_equal()


class Restriction(Rights):
    def test_the_date_alone_shows_nothing_again(self):
        member = self.member("Verborgen")
        self.order(member, "restrict", ["identity"], effective_on=LAST_YEAR, until=LONG_AGO)
        shown = self.shown(member)
        self.assertEqual(shown["restricted"], [{"class": "identity", "until": LONG_AGO}])
        self.assertNotIn("identity", shown["person"])
        self.assertNotIn("Verborgen", run("export", "--data", self.home.data, "--ndjson", "--out", "-").stdout)
        self.assertNotIn("Verborgen", repr(self.home.get("/v1/members/%s/export" % member, "desk")))
        self.order(member, "lift", ["identity"])
        self.assertEqual(self.shown(member)["person"]["identity"]["family_name"], "Verborgen")

    def test_the_longer_one_of_two_holds_and_the_answer_says_so(self):
        member = self.member("Langer")
        day = (today() + datetime.timedelta(days=30)).isoformat()
        self.order(member, "restrict", ["contact"])
        self.assertEqual(self.order(member, "restrict", ["contact"], 409, until=day)["field"], "classes")
        answer = self.order(member, "restrict", ["bank", "contact"], until=day)
        self.assertEqual(answer["restricted"], [{"class": "bank", "until": day}])
        self.assertEqual(sorted(self.shown(member)["restricted"], key=lambda r: r["class"]),
                         [{"class": "bank", "until": day}, {"class": "contact", "until": None}])

    def test_a_name_that_is_restricted_is_found_by_nobody(self):
        member, other = self.member("Raadsel"), self.member("Raadsel")
        wait_until("both are found", lambda: sorted(self.found("Raadsel")) == sorted([member, other]))
        self.order(member, "restrict", ["identity"])
        self.assertEqual(self.found("Raadsel"), [other])
        self.assertIn(member, self.found("raadsel@example.org"))
        self.order(member, "restrict", ["contact"])
        self.assertNotIn(member, self.found("raadsel@example.org"))
        self.order(member, "lift", ["identity"])
        self.assertIn(member, self.found("Raadsel"))
        self.assertNotIn(member, self.found("raadsel@example.org"))

    def test_it_goes_along_with_a_move(self):
        member = self.member("Verhuist")
        day = (today() + datetime.timedelta(days=400)).isoformat()
        self.order(member, "restrict", ["identity"], until=day)
        self.order(member, "restrict", ["contact"])
        self.cluster.wait_equal()
        move(self, member)
        shown = self.shown(member, self.host, "?unit=DE")
        self.assertEqual(shown["restricted"], [{"class": "identity", "until": day}, {"class": "contact", "until": None}])
        self.assertEqual(shown["person"], {"bank": {"iban": IBAN}})
        self.assertEqual(self.found("Verhuist", self.host), [])
        self.order(member, "lift", ["identity"], node=self.host)
        self.assertEqual(self.shown(member, self.host)["person"]["identity"]["family_name"], "Verhuist")


if __name__ == "__main__":
    unittest.main()
