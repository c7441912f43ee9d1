"""Units that are cut off, reached through others, behind a firewall, gone, or new: everyone goes on writing, and in the end all have
the same state. And what a unit's members are called stays with the unit."""

import os
import sys
import time
import unittest

import cluster
from cluster import Cluster, wait_until


class FederationTest(unittest.TestCase):
    def cluster_of(self, *codes, **options):
        made = Cluster(*codes, **options)
        self.addCleanup(made.close)
        return made


class PartitionTest(FederationTest):
    """Two units; every connection between them goes over links of ours."""

    def linked(self, **options):
        made = self.cluster_of("BE", "SE", topology=[], start=False, **options)
        self.links = [made.link(made["BE"], made["SE"])]
        if made["BE"].listens:
            self.links.append(made.link(made["SE"], made["BE"]))
        else:
            made["SE"].trust(made["BE"])
        made.start()
        made["BE"].admit_many(["before-1", "before-2"])
        made.wait_members({"BE": 2})
        made.wait_equal()
        return made

    def both_write(self, made, name, count=30):
        for node in made:
            node.admit_many("%s-%d" % (name, n) for n in range(count))
            node.admit(name + "-alone")

    def test_both_sides_write_while_they_are_cut_off_and_agree_afterwards(self):
        made = self.linked()
        for n in range(2):
            for link in self.links:
                link.cut()
            wait_until("BE sees that SE is gone", lambda: made["BE"].peer("SE")["state"] in ("down", "connecting"))
            known = made["BE"].members("SE")
            self.both_write(made, "cut-%d" % n)
            self.assertEqual(made["BE"].members("SE"), known)
            self.assertNotEqual(made["BE"].fingerprint(), made["SE"].fingerprint())
            for link in self.links:
                link.heal()
            made.wait_members({"BE": 2 + 31 * (n + 1), "SE": 31 * (n + 1)})
            made.wait_equal()

    def one_way(self, way):
        made = self.linked(BE={"listens": False})
        self.links[0].hold(way)
        self.both_write(made, "held")
        deaf = "SE" if way == "there" else "BE"
        other = "BE" if deaf == "SE" else "SE"
        known = made[deaf].members(other) or 0
        self.assertLess(known, 31)
        self.links[0].heal()
        made.wait_members({"BE": 33, "SE": 31})
        made.wait_equal()

    def test_a_link_that_loses_what_goes_there_delivers_everything_once_it_heals(self):
        self.one_way("there")

    def test_a_link_that_loses_what_comes_back_delivers_everything_once_it_heals(self):
        self.one_way("back")

    def test_links_that_are_slow_and_break_again_and_again_lose_nothing(self):
        made = self.linked()
        for link in self.links:
            link.delay_s = 0.03
        for n in range(6):
            self.both_write(made, "flap-%d" % n, 20)
            passed = self.links[0].passed["there"] + self.links[-1].passed["there"]
            for link in self.links:
                link.cut()
                link.heal()
            wait_until("something passes again", lambda: self.links[0].passed["there"] + self.links[-1].passed["there"] > passed)
        made.wait_members({"BE": 2 + 6 * 21, "SE": 6 * 21})
        made.wait_equal()


class TopologyTest(FederationTest):
    def test_a_unit_is_reached_through_a_third_that_both_reach(self):
        made = self.cluster_of("AT", "BE", "DE", topology=[("AT", "BE"), ("DE", "BE"), ("BE", "AT"), ("BE", "DE"), ("AT", "DE"),
                                                          ("DE", "AT")], AT={"advertise": []}, DE={"advertise": []})
        for node in made:
            node.admit_many("%s-%d" % (node.code, n) for n in range(20))
        made.wait_members({"AT": 20, "BE": 20, "DE": 20})
        made.wait_equal()
        self.assertEqual(made["AT"].peer("DE")["endpoints"], [])
        for code, other in (("AT", "DE"), ("DE", "AT")):
            self.assertIn(made[code].peer(other)["state"], ("down", "connecting"))
            self.assertEqual(made[code].peer("BE")["state"], "current")
        made["AT"].admit("later")
        made.wait_members({"AT": 21})

    def test_what_a_unit_does_not_trust_is_not_taken_from_a_third(self):
        made = self.cluster_of("AT", "BE", "DE", topology=[("AT", "BE"), ("BE", "AT"), ("DE", "BE"), ("BE", "DE")])
        made["DE"].admit_many(range(5))
        made["BE"].admit_many(range(5))
        made.wait_members({"BE": 5})
        made.wait_members({"DE": 5}, "BE")
        self.assertIsNone(made["AT"].members("DE"))
        self.assertNotIn("DE", [unit["code"] for unit in made["AT"].get("/v1/units")["units"]])

    def test_a_unit_that_takes_no_connection_sends_and_receives_over_the_one_it_makes(self):
        made = self.cluster_of("BE", "SE", SE={"listens": False})
        self.assertIn("none (dials only)", made["SE"].log())
        self.assertEqual(made["BE"].peer("SE")["endpoints"], [])
        for node in made:
            node.admit_many("%s-%d" % (node.code, n) for n in range(20))
        made.wait_members({"BE": 20, "SE": 20})
        made.wait_equal()
        for code in ("BE", "SE"):
            made[code].stop()
            made["SE" if code == "BE" else "BE"].admit("while-away-" + code)
            made[code].start()
            made.wait_equal()
        made.wait_members({"BE": 21, "SE": 21})

    def test_members_of_a_unit_that_is_gone_stay_in_the_reports_of_the_others_who_go_on_writing(self):
        made = self.cluster_of("BE", "SE", "FR")
        made["BE"].admit_many(range(40))
        made.wait_members({"BE": 40})
        made.wait_equal()
        made["BE"].stop()
        made["SE"].admit_many(range(10))
        made["FR"].admit("after")
        made.wait_members({"BE": 40, "SE": 10, "FR": 1}, "SE", "FR")
        made.wait_equal("SE", "FR")
        report = made["SE"].get("/v1/reports/members?as_of=%s" % cluster.DAY)
        source = next(s for s in report["computed_from"] if s["unit"] == "BE")
        self.assertTrue(source["heads"])
        self.assertGreaterEqual(source["age_s"], 0)
        fresh = made.add("DE")
        for code in ("BE", "SE", "FR"):
            fresh.trust(made[code])
            made[code].trust(fresh)
        fresh.start()
        made.wait_members({"BE": 40, "SE": 10, "FR": 1}, "DE")
        made.wait_equal("SE", "FR", "DE")
        made["BE"].start()
        made.wait_equal()

    def test_a_fresh_node_catches_up_with_years_of_everybody(self):
        made = self.cluster_of("BE", "SE")
        for n in range(3):
            for node in made:
                ids = node.admit_many("%d-%d" % (n, i) for i in range(400))
                done = node.batch([{"op": "member.resign", "id": i, "effective_on": "2024-05-31"} for i in ids[:100]] +
                                  [{"op": "member.shares", "id": i, "shares": 2, "effective_on": "2024-06-01"} for i in ids[100:200]] +
                                  [{"op": "member.category", "id": i, "category": "B", "effective_on": "2024-07-01"}
                                   for i in ids[200:300]])
                self.assertEqual({line["status"] for line in done}, {200})
                node.stop()
                node.start()
        made.wait_members({"BE": 900, "SE": 900})
        expected = made.wait_equal()
        fresh = made.add("FR")
        for code in ("BE", "SE"):
            fresh.trust(made[code])
            made[code].trust(fresh)
        fresh.start()
        made.wait_members({"BE": 900, "SE": 900}, "FR")
        self.assertNotEqual(made.wait_equal(), expected)  # the fresh unit and its office have rows, too
        flows = "/v1/reports/flows?from=2024-01-01&to=2024-12-31&unit=BE&by=category"
        self.assertEqual(fresh.get(flows)["rows"], made["BE"].get(flows)["rows"])
        cluster.run("verify", "--data", fresh.data)


GIVEN, FAMILY = "Amélie-Zoë", "Quackelbeen-Ødegård"
EMAIL, STREET, IBAN = "amelie.quackelbeen@post.example", "Verzonnenstraat", "BE68539007547034"


class PrivacyTest(FederationTest):
    def bytes_of(self, folder):
        content = b""
        for top, _, names in os.walk(folder):
            for name in names:
                with open(os.path.join(top, name), "rb") as file:
                    content += file.read()
        return content

    def assert_hides(self, content, where):
        for text in (GIVEN, FAMILY, EMAIL, STREET, IBAN):
            for form in (text, text.lower(), text.upper()):
                for encoding in ("utf-8", "utf-16-le", "latin-1"):
                    self.assertNotIn(form.encode(encoding), content, "%s can be read in %s" % (text, where))

    def test_an_admission_in_belgium_counts_in_sweden_at_once_and_sweden_cannot_read_who_it_is(self):
        made = self.cluster_of("BE", "SE")
        made.wait_equal()
        person = {"identity": {"member_no": "4711", "given_name": GIVEN, "family_name": FAMILY},
                  "contact": {"email": EMAIL, "street": STREET}, "bank": {"iban": IBAN}}
        begun = time.monotonic()
        member = made["BE"].admit("4711", person=person)
        wait_until("the admission is in Sweden's report", lambda: made["SE"].members("BE") == 1)
        lag_s = time.monotonic() - begun
        print("\n  admission in Belgium to Sweden's report: %.0f ms" % (lag_s * 1000), file=sys.stderr)
        self.assertLess(lag_s, 10)

        own = made["BE"].get("/v1/members/" + member, role="desk")
        self.assertEqual(own["person"]["identity"]["family_name"], FAMILY)
        found = wait_until("the search finds it", lambda: made["BE"].get("/v1/members?q=quackelbeen", role="desk")["members"])
        self.assertEqual([m["id"] for m in found], [member])

        seen = made["SE"].get("/v1/members/%s?unit=BE" % member, role="desk")
        self.assertEqual((seen["status"], seen["personal"]), ("member", "closed"))
        self.assertNotIn("person", seen)
        for path in ("/v1/members/%s?unit=BE" % member, "/v1/members?unit=BE", "/v1/members/%s/history?unit=BE" % member, "/v1/events",
                     "/v1/reports/members?unit=BE", "/v1/status"):
            answer = made["SE"].call("GET", path)
            self.assertEqual(answer.status, 200, path)
            self.assert_hides(answer.body, "Sweden's " + path)

        export = os.path.join(made["BE"].folder, "export")
        os.mkdir(export)
        cluster.run("export", "--data", made["BE"].data, "--ndjson", "--out", os.path.join(export, "members"))
        with self.assertRaises(AssertionError):  # where it may be read, the search below does find it
            self.assert_hides(self.bytes_of(export), "an export")
        for node in made:
            self.assertEqual(node.stop(), 0)
        self.assert_hides(self.bytes_of(made["SE"].data), "Sweden's files")
        self.assert_hides(self.bytes_of(os.path.join(made["BE"].data, "main")), "Belgium's main environment")
        self.assert_hides(self.bytes_of(os.path.join(made["BE"].data, "vault")), "Belgium's vault")
        self.assert_hides((made["SE"].log() + made["BE"].log()).encode(), "the logs")


if __name__ == "__main__":
    unittest.main()
