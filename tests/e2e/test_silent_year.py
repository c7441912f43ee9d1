"""A unit that was silent for a year comes back. Its machine is off while, at its peers, a member is erased, a grant is revoked, a member moves
and the year turns. What it serves before it has caught up, and what must be done before it serves anybody of that home again. The nodes'
clocks are libfaketime's. Invented persons."""

import contextlib
import datetime
import glob
import os
import unittest

from cluster import Cluster, admission, today, wait_until
from thief import Directory, fits

LIBRARY = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
AWAY_DAYS = 372
DAY_S = 86400


def days_to_december():
    """In December what goes on into the next year is renewed."""
    now = today()
    day = datetime.date(now.year, 12, 12)
    return ((day if now <= day else day.replace(year=now.year + 1)) - now).days


class SilentYear(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.assertTrue(cls(), LIBRARY, "faketime is not installed: ops/bootstrap")
        cls.cluster = Cluster("BE", "DE", "HU", start=False)
        cls.addClassCleanup(cls.cluster.close)
        cls.home, cls.other, cls.host = (cls.cluster[code] for code in ("BE", "DE", "HU"))
        cls.at(0)
        cls.before_it_goes()
        cls.host.stop()
        cls.before = cls.steal("before")
        cls.year_passes()

    ended = ("erased", "revoked", "moved")

    def runTest(self):
        """For assertions while the class is set up."""

    @classmethod
    def at(cls, days, *nodes):
        """Starts nodes so many days from now. Waits go by the monotonic clock, which is left as it is."""
        for node in nodes or cls.cluster:
            node.stop()
            node.tokens.clear()  # they last for a year
            node.environment = {"LD_PRELOAD": LIBRARY[0], "FAKETIME": "+%dd" % days, "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                                "ASAN_OPTIONS": "verify_asan_link_order=0"}  # of a sanitized build
            node.spawn()
        for node in nodes or cls.cluster:
            node.wait_ready()

    @classmethod
    def steal(cls, name):
        return Directory(cls.host.copy_data(os.path.join(cls.cluster.folder, "stolen-" + name)))

    @classmethod
    def member(cls, node, number):
        asked = admission(number, node.city)
        asked["person"]["contact"] = {"email": "post%s@verzonnen.example" % number.lower(), "city": "Ekeren"}
        return node.post("/v1/members", asked).json["id"]

    @classmethod
    def seen(cls, member, unit="BE"):
        return cls.host.get("/v1/members/%s?unit=%s" % (member, unit), "desk")

    @classmethod
    def erasures(cls, node, member):
        return node.get("/v1/erasures?member=" + member, "desk")["erasures"]

    # ---- what happens ----

    @classmethod
    def before_it_goes(cls):
        cls.people = {name: cls.member(cls.home, "BE-%d" % n) for n, name in enumerate(("erased", "revoked", "moved", "stays", "passed"))}
        cls.own = cls.member(cls.host, "HU-1")
        cls.access = {name: cls.home.post("/v1/members/%s/access" % member, {
            "host": "HU", "classes": ["identity", "contact", "activity"], "purpose": "1"}).json["id"]
            for name, member in cls.people.items() if name != "passed"}
        until = today() + datetime.timedelta(days=AWAY_DAYS - 10)
        cls.text = cls.home.post("/v1/members/%s/pass" % cls.people["passed"], {
            "classes": ["identity"], "until": until.isoformat()}).json["pass"]
        cls.cluster.wait_equal()
        for name in cls.access:
            wait_until("%s opens" % name, lambda: "contact" in cls.seen(cls.people[name]).get("person", {}))
        wait_until("the pass opens", lambda: cls.host.call("POST", "/v1/passes/verify", {"pass": cls.text}).status == 200)

    @classmethod
    def year_passes(cls):
        cls.at(days_to_december(), cls.home, cls.other)
        home, other = cls.home, cls.other
        path = "/v1/members/" + cls.people["erased"]
        home.post(path + "/erase", {"classes": ["contact"]}, 200, headers={"If-Match": home.call("GET", path).headers["ETag"]})
        home.post("/v1/members/%s/access/%s/revoke" % (cls.people["revoked"], cls.access["revoked"]), {"reason": "asked"}, 200)
        moving = "/v1/members/%s/handover/" % cls.people["moved"]
        home.post(moving + "offer", {"to": "DE"}, 200)
        cls.cluster.wait_equal("BE", "DE")
        other.post(moving + "accept", {"office": other.city}, 200)
        cls.cluster.wait_equal("BE", "DE")
        home.post(moving + "complete", None, 200)
        cls.cluster.wait_equal("BE", "DE")
        wait_until("the grant that goes on is renewed", lambda: [e for e in home.events() if e["kind"] == "access.renewed"])
        wait_until("all who are there have confirmed", lambda: sorted(
            c["unit"] for c in cls.erasures(home, cls.people["erased"])[0]["confirmed"]) == ["BE", "DE"])
        cls.at(AWAY_DAYS, home, other)

    # ---- what must hold, in the order in which it happens ----

    def test_a_unit_that_was_silent_for_a_year(self):
        with self.subTest("who is silent, and since when"):
            self.who_is_silent()
        self.home.stop()
        self.other.stop()
        self.at(AWAY_DAYS, self.host)
        with self.subTest("before it has heard of the others"):
            self.served_before()
        self.at(AWAY_DAYS, self.home, self.other)
        with self.subTest("while it catches up"):
            self.catches_up()
        with self.subTest("after it has caught up"):
            self.served_after()
        self.host.stop()
        with self.subTest("its files"):
            self.files()

    def who_is_silent(self):
        order, = self.erasures(self.home, self.people["erased"])
        self.assertFalse(order["complete"])
        silent, = order["silent"]
        self.assertEqual(silent["unit"], "HU")
        self.assertIsNotNone(silent["last_heard"])
        heard = datetime.datetime.fromisoformat(silent["last_heard"].replace("Z", "+00:00"))
        self.assertLess(abs(datetime.datetime.now(datetime.timezone.utc) - heard), datetime.timedelta(days=1))

    def served_before(self):
        for name in self.access:
            shown = self.seen(self.people[name])
            self.assertEqual(shown["personal"], "closed", name)
            self.assertNotIn("person", shown)
            self.assertRegex(shown["closed_because"], "37[0-9] days old")
            self.assertGreaterEqual(shown["known_age_s"], (AWAY_DAYS - 1) * DAY_S)
        refused = self.host.call("POST", "/v1/passes/verify", {"pass": self.text})
        self.assertEqual(refused.status, 403, refused)
        self.assertNotIn("person", refused.json)
        # Its own members it serves at once.
        shown = self.host.get("/v1/members/" + self.own, "desk")
        self.assertEqual(shown["person"]["contact"]["email"], "posthu-1@verzonnen.example")
        activity = self.host.post("/v1/activities", {"member": self.own, "sector": "music"}).json["id"]
        self.host.post("/v1/invoices", {"activity": activity, "amount_minor": 10000})
        self.member(self.host, "HU-2")

    def catches_up(self):
        """Nobody of the home is opened before what it ordered is destroyed and confirmed."""
        with contextlib.closing(self.host.http()) as desk:
            def opened():
                shown = desk.call("GET", "/v1/members/%s?unit=BE" % self.people["stays"]).json
                return "person" in shown and (desk.call("GET", "/v1/erasures?member=" + self.people["erased"]).json["erasures"], shown)
            orders, shown = wait_until("a member of the home opens", opened)
        self.assertEqual([[c["unit"] for c in order["confirmed"] if c["unit"] == "HU"] for order in orders], [["HU"]])
        self.assertIn("contact", shown["person"])

    def served_after(self):
        self.cluster.wait_equal()
        erased, revoked, moved = (self.seen(self.people[name]) for name in ("erased", "revoked", "moved"))
        self.assertEqual(erased["erased"], ["contact"])
        for shown in erased, revoked, moved:  # a grant that named what was erased has ended with it
            self.assertEqual(shown["personal"], "closed")
            self.assertNotIn("person", shown)
            self.assertNotIn("days old", shown["closed_because"])
        order, = wait_until("the home has the receipt", lambda: [
            order for order in self.erasures(self.home, self.people["erased"]) if order["complete"]])
        self.assertEqual((sorted(c["unit"] for c in order["confirmed"]), order["silent"]), (["BE", "DE", "HU"], []))
        wait_until("what was revoked is confirmed too", lambda: sum(
            e["kind"] == "copies.destroyed" and e["unit"] == "HU" for e in self.home.events()) >= 2)

    def files(self):
        after, before = self.steal("after"), self.before
        gone = {}
        for at, data in before.capsules.items():
            whose = before.whose(at)
            for name in self.ended:
                if whose == bytes.fromhex(self.people[name]) and before.class_of(at) in (1, 2):
                    gone[name, before.class_of(at)] = at, data
        self.assertEqual(set(gone), {(name, class_) for name in self.ended for class_ in (1, 2)})
        for at, data in gone.values():
            self.assertTrue([key for key in before.keys if fits(key.value, data)])
            self.assertEqual([key.where for key in after.keys if fits(key.value, data)], [])
            self.assertNotIn(at, after.capsules)
        self.assertEqual(after.scan([data for _, data in gone.values()]), [])
        self.assertTrue(before.scan([gone["erased", 2][1]]))


if __name__ == "__main__":
    unittest.main()
