"""Members' own access on a running node: two members, and what the token of one opens on every route of docs/openapi.yaml."""

import os
import re
import unittest

import yaml

import cluster
from cluster import Cluster, run

METHODS = ("get", "post", "put", "patch", "delete")


class MemberRole(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with open(os.path.join(cluster.ROOT, "docs", "openapi.yaml"), encoding="utf-8") as file:
            document = yaml.safe_load(file)
        cls.routes = {(method.upper(), path): op for path, item in document["paths"].items() for method, op in item.items() if method in METHODS}
        cls.cluster = Cluster("BE")
        cls.addClassCleanup(cls.cluster.close)
        cls.node = cls.cluster["BE"]
        cls.own, cls.other = (cls.someone(n) for n in (1, 2))
        cls.node.tokens["member"] = cls.token_of(cls.own["id"])

    @classmethod
    def someone(cls, n):
        person = {"identity": {"given_name": "Voornaam%d" % n, "family_name": "Familienaam%d" % n},
                  "contact": {"email": "m%d@post.example" % n}}
        member = cls.node.post("/v1/members", cluster.admission("own-%d" % n, "Brussel", person=person)).json["id"]
        activity = cls.node.post("/v1/activities", {"member": member, "sector": "music", "activity_no": "P-%d" % n,
                                                    "text": "Concert van %d" % n, "effective_on": "2024-03-01"}).json["id"]
        invoice = cls.node.post("/v1/invoices", {"activity": activity, "amount_minor": 1000 + n, "invoice_no": "F-%d" % n,
                                                 "client": "Klant %d" % n, "date": "2024-03-02"}).json["id"]
        return {"id": member, "activity": activity, "invoice": invoice}

    @classmethod
    def token_of(cls, member, **body):
        return cls.node.post("/v1/members/%s/token" % member, body, 201, role="integration").json["token"]

    def ask(self, method, path, token=None, **more):
        headers = {"Authorization": "Bearer " + token} if token else {}
        return self.node.call(method, path, role="member", headers=dict(headers, **more.pop("headers", {})), **more)

    def test_every_way_to_a_name_at_the_own_desk_is_on_record_for_the_member(self):
        someone = self.someone(7)["id"]
        path = "/v1/members/" + someone
        count = lambda: sum(look["count"] for look in self.node.get(path + "/openings", "desk")["own_desk"])
        text = self.node.post(path + "/pass", {"classes": ["identity"]}).json["pass"]
        ways = (lambda: self.node.get(path, "desk"), lambda: self.node.get("/v1/members?q=Familienaam7", "desk"),
                lambda: self.node.get(path + "/names", "desk"), lambda: self.node.get(path + "/export", "desk"),
                lambda: self.node.post("/v1/passes/verify", {"pass": text}, 200))
        for n, way in enumerate(ways):
            way()
            cluster.wait_until("look %d is on record" % n, lambda: count() == n + 1)
        self.ask("GET", path + "/export", self.token_of(someone))
        self.node.get("/v1/members?limit=5", "desk")
        self.assertEqual(count(), len(ways), "the member's own look is none, nor is a list without names")

    def test_a_member_reads_its_own_person_work_and_history(self):
        member = "/v1/members/" + self.own["id"]
        self.assertEqual("Familienaam1", self.ask("GET", member).json["person"]["identity"]["family_name"])
        self.assertEqual("member.admitted", self.ask("GET", member + "/history").json["events"][0]["kind"])
        for what in "activities", "invoices":
            for query in "", "?member=" + self.own["id"], "?limit=1", "?limit=1&member=" + self.own["id"]:
                found = self.ask("GET", "/v1/%s%s" % (what, query))
                self.assertEqual(200, found.status, repr(found))
                ids = {item["id"] for item in found.json[what]}
                self.assertTrue(ids <= {self.own["activity"], self.own["invoice"]}, found.json)
            ids = {item["id"] for item in self.ask("GET", "/v1/" + what).json[what]}
            self.assertEqual(1, len(ids))

    def test_no_route_shows_another_member(self):
        nobody = "0" * 31 + "1"
        for (method, template), op in self.routes.items():
            roles = op.get("x-roles")
            if roles is None:
                continue
            with self.subTest(route=method + " " + template):
                answers = []
                for ids in self.other, dict.fromkeys(self.other, nobody):
                    answer = self.ask(method, self.concrete(template, ids, "member" in roles), body=None if method in ("GET", "DELETE") else {},
                                      headers={"If-Match": '"x"'})
                    self.assertEqual(404 if "member" in roles else 403, answer.status, repr(answer))
                    answers.append(answer.body)
                self.assertEqual(answers[0], answers[1])
                self.assertNotIn(b"Familienaam2", answers[0])

    def concrete(self, template, ids, for_members):
        word = template.split("/")[2] if template.count("/") > 1 else ""
        first = ids[{"activities": "activity", "invoices": "invoice"}.get(word, "id")]
        path = template.replace("{id}", first).replace("{code}", "BE").replace("{log}", "0" * 64)
        path = re.sub("{seq}|{purpose}", "1", path).replace("{year}", "2024").replace("{person}", ids["id"])
        return path + ("?member=" + ids["id"] if for_members and "{" not in template else "")

    def test_no_filter_leads_past_the_member(self):
        for path in ("/v1/activities?activity_no=P-2", "/v1/invoices?invoice_no=F-2", "/v1/invoices?month=2024-03", "/v1/activities?unit=BE",
                     "/v1/activities?member=%s&activity_no=P-2" % self.own["id"], "/v1/invoices?member=%s&member=%s" % (self.own["id"], self.other["id"]),
                     "/v1/invoices?Month=2024-03"):
            answer = self.ask("GET", path)
            self.assertEqual(400, answer.status, "%s: %r" % (path, answer))
            self.assertNotIn(b"Klant 2", answer.body)
            if "unit=" in path or "?month=" in path:
                self.assertIn("not for a member's token", answer.json["detail"])
            if "Month=" in path:
                self.assertIn("is not a parameter of this resource", answer.json["detail"])

    def test_so_many_tokens_and_requests_of_a_member_stand_and_no_more(self):
        member = self.someone(40)["id"]
        path = "/v1/members/%s/token" % member
        texts = [self.node.post(path, {}, 201, role="integration").json["token"] for _ in range(32)]
        refused = self.node.call("POST", path, {}, role="integration")
        self.assertEqual((refused.status, refused.json["field"]), (429, "tokens"))
        for _ in range(16):
            self.assertEqual(self.ask("POST", "/v1/members/%s/requests" % member, texts[0], body={"what": "other", "text": "?"}).status, 201)
        refused = self.ask("POST", "/v1/members/%s/requests" % member, texts[0], body={"what": "other", "text": "?"})
        self.assertEqual((refused.status, refused.json["field"]), (429, "requests"))

    def test_a_merged_record_is_the_same_member(self):
        gone, kept, stranger = (self.someone(n)["id"] for n in (3, 4, 5))
        of_gone, of_kept = self.token_of(gone), self.token_of(kept)
        self.assertEqual(404, self.ask("GET", "/v1/members/" + kept, of_gone).status)
        etag = self.node.call("GET", "/v1/members/" + gone).headers["ETag"]
        self.node.post("/v1/members/%s/merge" % gone, {"into": kept, "effective_on": "2024-05-01"}, 200, headers={"If-Match": etag})
        for token in of_gone, of_kept:
            for member in gone, kept:
                self.assertEqual(200, self.ask("GET", "/v1/members/" + member, token).status)
            self.assertEqual(404, self.ask("GET", "/v1/members/" + stranger, token).status)
        etag = self.node.call("GET", "/v1/members/" + gone).headers["ETag"]
        self.node.post("/v1/members/%s/unmerge" % gone, {}, 200, headers={"If-Match": etag})
        self.assertEqual(404, self.ask("GET", "/v1/members/" + kept, of_gone).status)

    def test_ending_a_members_tokens_ends_all_of_them_and_nobody_elses(self):
        member = self.someone(6)["id"]
        tokens = [self.token_of(member) for _ in range(3)]
        path = "/v1/members/" + member
        self.assertEqual(404, self.ask("DELETE", path + "/token").status)
        self.assertEqual([200] * 3, [self.ask("GET", path, token).status for token in tokens])
        self.assertEqual(200, self.ask("DELETE", path + "/token", tokens[0]).status)
        self.assertEqual([401] * 3, [self.ask("GET", path, token).status for token in tokens])
        self.assertEqual(200, self.ask("GET", "/v1/members/" + self.own["id"]).status)
        listed = self.node.get("/v1/tokens?member=" + member)["tokens"]
        self.assertEqual(3, sum("revoked" in token and token["member"] == member for token in listed))
        self.assertEqual(200, self.ask("GET", path, self.token_of(member)).status)

    def test_a_repeated_request_shows_no_token_twice(self):
        path = "/v1/members/%s/token" % self.own["id"]
        first = self.node.call("POST", path, {}, role="integration", key="the same")
        again = self.node.call("POST", path, {}, role="integration", key="the same")
        self.assertEqual((201, 201), (first.status, again.status))
        self.assertIn("token", first.json)
        self.assertEqual({}, again.json)
        self.assertNotIn("Location", again.headers)

    def test_the_command_line_makes_one(self):
        made = run("token", "create", "--data", self.node.data, "--role", "member", "--member", self.own["id"], "--minutes", 5)
        self.assertIn("5 minutes", made.stderr)
        self.assertEqual(200, self.ask("GET", "/v1/members/" + self.own["id"], made.stdout.strip()).status)
        self.assertEqual(404, self.ask("GET", "/v1/members/" + self.other["id"], made.stdout.strip()).status)
        role = ("token", "create", "--data", self.node.data, "--role")
        for wrong in (role + ("member",), role + ("member", "--member", "x"), role + ("member", "--member", self.own["id"], "--days", 3),
                      role + ("member", "--member", self.own["id"], "--minutes", 1441), role + ("desk", "--name", "x", "--member", self.own["id"]),
                      role + ("desk", "--name", "x", "--minutes", 3)):
            run(*wrong, status=2)
        self.assertIn("no such member", run(*role, "member", "--member", "f" * 32, status=None).stderr)

    def test_wrong_tokens_are_slowed_down_and_good_ones_are_not(self):
        def failing():
            return self.ask("GET", "/v1/status", "snt_" + "A" * 43)
        limited = next(answer for answer in (failing() for _ in range(10000)) if answer.status != 401)
        self.assertEqual(429, limited.status)
        self.assertEqual("application/problem+json", limited.type)
        self.assertGreaterEqual(int(limited.headers["Retry-After"]), 1)
        self.assertEqual(200, self.ask("GET", "/v1/members/" + self.own["id"]).status)


if __name__ == "__main__":
    unittest.main()
