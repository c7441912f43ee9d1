"""Somebody admitted at two units: each asks the others about single persons, without naming them, and the desk sees who is there already."""

import re
import unittest

from cluster import Cluster, admission, run, wait_until


def natural(number, given, family, birth, **more):
    identity = {"member_no": str(number), "given_name": given, "family_name": family}
    if birth:
        identity["birth_date"] = birth
    return dict(more, person={"identity": identity})


class Duplicates(unittest.TestCase):
    def cluster(self, *codes, **options):
        cluster = Cluster(*codes, **options)
        self.addCleanup(cluster.close)
        return cluster

    def admit(self, node, number, given, family, birth, **more):
        return node.post("/v1/members", admission(number, node.city, **natural(number, given, family, birth, **more))).json["id"]

    def duplicates(self, node):
        return node.get("/v1/duplicates", role="desk")["duplicates"]

    def lookups(self, node, direction=None):
        found = node.get("/v1/lookups")["lookups"]
        return [l for l in found if direction in (None, l["direction"])]

    def answered(self, node, n):
        """Until n answers to this node's questions are on record; says them."""
        return wait_until("%s has %d answers" % (node.code, n),
                          lambda: (lambda l: l if len(l) >= n else None)(self.lookups(node, "asked")))

    def test_the_second_admission_of_a_person_is_found_and_nobody_else(self):
        cluster = self.cluster("BE", "SE")
        be, se = cluster["BE"], cluster["SE"]
        cluster.wait_equal()
        first = self.admit(be, 1, "José Marie", "Van der Meersch", "1980-02-03")
        self.assertEqual([l["outcome"] for l in self.answered(be, 1)], ["none"])
        other = self.admit(se, 1, "Ilse", "Van der Meersch", "1980-02-03")
        again = self.admit(se, 2, "JOSE-MARIE", "van der Meersch", "1980-02-03")
        unknown = self.admit(se, 3, "José Marie", "Van der Meersch", None)
        self.assertEqual(sorted(l["outcome"] for l in self.answered(se, 2)), ["hit", "none"])
        found = self.duplicates(se)
        self.assertEqual([(d["member"], d["unit"], d["other"]) for d in found], [(again, "BE", first)])
        self.assertNotIn(other, [again, unknown])

        # The other side knows that it was asked, not what came of it; nothing personal is on record or in the log.
        self.assertEqual([(l["unit"], l["outcome"]) for l in self.lookups(be, "answered")], [("SE", "answered")] * 2)
        self.assertEqual(self.duplicates(be), [])
        for node in (be, se):
            self.assertNotRegex(node.log(), re.compile("meersch|jos", re.I))
            self.assertNotIn(again, node.log())
        self.assertEqual(se.status()["lookups"]["hits"], 1)
        self.assertIn('smartnode_lookups_answered_total{outcome="answered"} 2', be.call("GET", "/metrics", role=None).body.decode())
        self.assertEqual(be.call("GET", "/v1/duplicates", role="operator").status, 403)
        self.assertEqual(be.call("GET", "/v1/lookups", role="desk").status, 403)

        # At the command line; and whoever left is on no list any more.
        token = se.folder + "/token"
        with open(token, "w", encoding="utf-8") as file:
            file.write(se.token("desk"))
        shown = run("member", "duplicates", "--data", se.data, "--token-file", token).stdout
        self.assertIn(again, shown)
        self.assertIn(first, shown)
        self.assertIn("SE", run("peer", "lookups", "--data", be.data).stdout)
        answer = se.call("GET", "/v1/members/" + again)
        se.post("/v1/members/%s/resign" % again, status=200, headers={"If-Match": answer.headers["ETag"]})
        self.assertEqual(self.duplicates(se), [])

    def test_a_unit_that_was_down_is_asked_when_it_is_there(self):
        cluster = self.cluster("BE", "SE")
        be, se = cluster["BE"], cluster["SE"]
        cluster.wait_equal()
        first = self.admit(be, 1, "Ilse", "Maes", "1980-02-03")
        self.answered(be, 1)
        self.assertEqual(be.stop(), 0)
        again = self.admit(se, 1, "Ilse", "Maes", "1980-02-03")
        self.assertEqual(se.stop(), 0)
        se.start()
        self.assertEqual(self.duplicates(se), [])
        be.start()
        found = wait_until("the question is asked again", lambda: self.duplicates(se))
        self.assertEqual([(d["member"], d["other"]) for d in found], [(again, first)])

    def test_a_company_is_found_by_its_name_and_an_applicant_is_found_too(self):
        cluster = self.cluster("BE", "SE")
        be, se = cluster["BE"], cluster["SE"]
        cluster.wait_equal()
        company = {"status": "applied", "category": "C", "person_type": "legal", "office": be.city,
                   "effective_on": "2024-03-01", "person": {"identity": {"member_no": "7", "legal_name": "Atelier Zuid BV"}}}
        first = be.post("/v1/members", company).json["id"]
        self.answered(be, 1)
        again = se.post("/v1/members", dict(company, office=se.city, status="admitted", shares=1)).json["id"]
        found = wait_until("the company is found", lambda: self.duplicates(se))
        self.assertEqual([(d["member"], d["other"]) for d in found], [(again, first)])

    def test_more_questions_than_the_limit_are_refused_and_nobody_is_lost(self):
        cluster = self.cluster("BE", "SE", start=False)
        be, se = cluster["BE"], cluster["SE"]
        be.set_config("lookups_per_hour", 1)
        cluster.start()
        cluster.wait_equal()
        self.admit(se, 1, "Ilse", "Maes", "1980-02-03")
        self.assertEqual([l["outcome"] for l in self.answered(se, 1)], ["none"])
        self.admit(se, 2, "Jan", "Maes", "1981-02-03")
        self.assertEqual([l["outcome"] for l in self.answered(se, 2)], ["none", "rate limit"])
        self.assertEqual([l["outcome"] for l in self.lookups(be, "answered")], ["answered", "rate limit"])
        self.assertEqual(be.status()["lookups"]["refused"], 1)
        self.assertEqual(se.status()["lookups"]["open"], 2)

    def test_a_batch_asks_nobody(self):
        cluster = self.cluster("BE", "SE")
        be, se = cluster["BE"], cluster["SE"]
        cluster.wait_equal()
        se.admit_many(range(1, 4))
        self.admit(se, 10, "Ilse", "Maes", "1980-02-03")
        self.answered(se, 1)
        self.assertEqual(se.status()["lookups"]["open"], 1)
        self.assertEqual(len(self.lookups(be, "answered")), 1)


if __name__ == "__main__":
    unittest.main()
