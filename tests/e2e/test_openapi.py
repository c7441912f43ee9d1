"""The running server against docs/openapi.yaml: every documented route answers as described, to whom it is described for, and there
is no other route."""

import copy
import datetime
import json
import os
import re
import unittest

import yaml

import cluster
from cluster import Cluster, run, wait_until

DOCUMENT = os.path.join(cluster.ROOT, "docs", "openapi.yaml")
METHODS = ("get", "post", "put", "patch", "delete")
ROLES = ("desk", "reports", "operator", "integration", "member")
ID, HASH = "0" * 32, "0" * 64


class Schemas:
    """The part of JSON Schema that the document uses; anything else in it is an error. strict: a property that is not described is
    one, too, where properties are described at all."""

    KNOWN = {"$ref", "type", "properties", "required", "additionalProperties", "items", "enum", "const", "pattern", "format", "minimum",
             "maximum", "minLength", "maxLength", "maxItems", "description", "default", "examples"}
    TYPES = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool, "null": type(None)}

    def __init__(self, document):
        self.document = document

    def resolve(self, node):
        while isinstance(node, dict) and "$ref" in node:
            found = self.document
            for name in node["$ref"][2:].split("/"):
                found = found[name]
            node = found
        return node

    def check(self, value, schema, at="", strict=True):
        schema = self.resolve(schema)
        unknown = set(schema) - self.KNOWN
        if unknown:
            raise AssertionError("%s: the test does not know %s" % (at, unknown))
        if "type" in schema:
            names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
            fits = any(isinstance(value, self.TYPES[n]) and not (n == "integer" and isinstance(value, bool)) for n in names)
            self.must(fits, at, value, schema["type"])
        if "enum" in schema:
            self.must(value in schema["enum"], at, value, schema["enum"])
        if "const" in schema:
            self.must(value == schema["const"], at, value, schema["const"])
        if isinstance(value, str):
            self.check_text(value, schema, at)
        if isinstance(value, int) and not isinstance(value, bool):
            self.must(schema.get("minimum", value) <= value <= schema.get("maximum", value), at, value, "bounds")
        if isinstance(value, list):
            self.must(len(value) <= schema.get("maxItems", len(value)), at, value, "maxItems")
            for i, item in enumerate(value):
                self.check(item, schema.get("items", {}), "%s[%d]" % (at, i), strict)
        if isinstance(value, dict):
            self.check_object(value, schema, at, strict)

    def check_text(self, value, schema, at):
        self.must(re.search(schema.get("pattern", ""), value), at, value, schema.get("pattern"))
        self.must(schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)), at, value, "length")
        if schema.get("format") == "date":
            datetime.date.fromisoformat(value)
        elif schema.get("format") == "date-time":
            self.must(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", value), at, value, "date-time")

    def check_object(self, value, schema, at, strict):
        missing = set(schema.get("required", ())) - set(value)
        self.must(not missing, at, value, "required %s" % sorted(missing))
        described, more = schema.get("properties", {}), schema.get("additionalProperties")
        for name, item in value.items():
            where = "%s.%s" % (at, name)
            if name in described:
                self.check(item, described[name], where, strict)
            elif isinstance(more, dict):
                self.check(item, more, where, strict)
            else:
                self.must(more is not False and not (strict and described), where, item, "not described")

    @staticmethod
    def must(fits, at, value, what):
        if not fits:
            raise AssertionError("%s: %.200r does not fit %s" % (at or "body", value, what))


class OpenApiTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with open(DOCUMENT, encoding="utf-8") as file:
            cls.document = yaml.safe_load(file)
        cls.schemas = Schemas(cls.document)
        cls.routes = {(method.upper(), path): op for path, item in cls.document["paths"].items() for method, op in item.items()
                      if method in METHODS}
        cls.cluster = Cluster("BE", "SE", "AT")
        cls.addClassCleanup(cls.cluster.close)
        cls.node = cls.cluster["BE"]
        cls.someone = cls.node.admit("someone")
        cls.cluster.wait_members({"BE": 1})
        cls.cluster["AT"].token("operator")
        made = cls.node.post("/v1/members/%s/token" % cls.someone, {"minutes": 1440}, role="integration").json
        cls.node.tokens["member"] = made["token"]
        cls.office = cls.node.get("/v1/units/BE/offices")["offices"][0]["id"]
        with open(cls.cluster.add("FR").card(), encoding="utf-8") as file:
            cls.card = file.read()
        cls.cluster.nodes.pop("FR")
        cls.event = cls.node.get("/v1/events")["events"][0]
        cls.year = 2019
        cls.node.post("/v1/periods", {"year": cls.year}, role="operator")
        cls.activity = cls.node.post("/v1/activities", {"member": cls.someone, "sector": "music", "activity_no": "P-1",
                                                        "effective_on": "2024-03-01"}).json["id"]
        cls.invoice = cls.node.post("/v1/invoices", {"activity": cls.activity, "amount_minor": 12345, "invoice_no": "2024-1",
                                                     "date": "2024-03-02"}).json["id"]
        cls.posting = cls.node.post("/v1/postings", {"member": cls.someone, "country": "DE", "reference": "A1",
                                                     "from": "2024-04-01", "to": "2024-06-30"}).json["id"]

    # ---- checks of an answer ----

    def check_answer(self, method, path, answer):
        responses = self.routes[method, path]["responses"]
        named = responses.get(str(answer.status))
        described = self.schemas.resolve(named if named is not None else responses["default"])
        where = "%s %s: %r" % (method, path, answer)
        if named is None:
            self.assertGreaterEqual(answer.status, 400, where)
        self.assertIn(answer.type, described["content"], where)
        schema = described["content"][answer.type]["schema"]
        if answer.type in ("application/json", "application/problem+json"):
            self.schemas.check(answer.json, schema, "%s %s %d" % (method, path, answer.status))
        elif answer.type == "application/x-ndjson":
            for line in answer.body.splitlines():
                self.schemas.check(json.loads(line), schema, "%s %s" % (method, path))
        else:
            answer.body.decode("utf-8")
        self.assertLessEqual(set(answer.headers) & {"ETag", "Location", "Idempotent-Replay"},
                             set(described.get("headers", ())) | {"ETag"}, where)
        if answer.status == 401:
            self.assertIn("Bearer", answer.headers["WWW-Authenticate"])

    def fresh(self, **more):
        """A new member with its ETag."""
        self.count = getattr(self, "count", 0) + 1
        member = self.node.post("/v1/members", cluster.admission("fresh-%s-%d" % (self.id()[-20:], self.count), self.office, **more)).json["id"]
        return member, {"If-Match": self.node.call("GET", "/v1/members/" + member).headers["ETag"]}

    def applicant(self):
        body = {"status": "applied", "category": "B", "person_type": "natural", "office": "Brussel", "effective_on": "2024-02-01",
                "person": cluster.person("applicant")}
        answer = self.node.post("/v1/members", body)
        return answer.json["id"], {"If-Match": answer.headers["ETag"]}

    def withdrawing(self):
        member, headers = self.fresh()
        answer = self.node.post("/v1/members/%s/withdrawal" % member, {"effective_on": "2024-04-01"}, 200, headers=headers)
        return member, {"If-Match": answer.headers["ETag"]}

    def etag(self, path):
        return {"If-Match": self.node.call("GET", path).headers["ETag"]}

    def company(self):
        return self.fresh(person_type="legal", category="C", person={"identity": {"legal_name": "Verzonnen BV"}})

    def after(self, member, headers, action, body):
        """The member's ETag after one more change."""
        answer = self.node.post("/v1/members/%s/%s" % (member, action), body, 200, headers=headers)
        return {"If-Match": answer.headers["ETag"]}

    def fresh_activity(self):
        member, _ = self.fresh()
        activity = self.node.post("/v1/activities", {"member": member, "sector": "design and fashion", "effective_on": "2024-04-01"})
        return activity.json["id"], {"If-Match": activity.headers["ETag"]}

    def fresh_invoice(self):
        activity, _ = self.fresh_activity()
        invoice = self.node.post("/v1/invoices", {"activity": activity, "amount_minor": 20000, "date": "2024-05-06"})
        return invoice.json["id"], {"If-Match": invoice.headers["ETag"]}

    def fresh_posting(self):
        member, _ = self.fresh()
        posting = self.node.post("/v1/postings", {"member": member, "country": "DE", "from": "2024-04-08", "to": "2024-06-30"})
        return posting.json["id"], {"If-Match": posting.headers["ETag"]}

    def last_event(self, path):
        event = self.node.get(path, role="desk")["events"][-1]
        return {"log": event["log"], "seq": event["seq"]}

    def add_register_examples(self, found):
        m, dated = "/v1/members/{id}", {"effective_on": "2024-06-01"}
        for name in ("names", "representatives"):
            found["GET", m + "/" + name] = ("/v1/members/%s/%s" % (self.someone, name), None, None, "desk")
        member, headers = self.fresh()
        headers = self.after(member, headers, "resign", {"effective_on": "2024-05-01"})
        found["POST", m + "/repayments"] = ("/v1/members/%s/repayments" % member, {
            "shares": 1, "amount_minor": 3000, "currency": "EUR", "note": "by transfer", **dated}, headers, "desk")
        member, headers = self.company()
        named = {"person": {"identity": {"given_name": "Ilse", "family_name": "Vandermeersch"}, "contact": {"email": "i@post.example"}}}
        found["POST", m + "/representatives"] = ("/v1/members/%s/representatives" % member, dict(named, **dated), headers, "desk")
        member, headers = self.company()
        headers = self.after(member, headers, "representatives", dict(named, effective_on="2024-05-01"))
        person = self.node.get("/v1/members/%s/representatives" % member, role="desk")["representatives"][0]["id"]
        found["POST", m + "/representatives/{person}/end"] = ("/v1/members/%s/representatives/%s/end" % (member, person), dated, headers,
                                                              "desk")
        member, headers = self.fresh()
        found["POST", m + "/consents"] = ("/v1/members/%s/consents" % member, {
            "purpose": "newsletter", "text_version": "2024-1", **dated}, headers, "desk")
        member, headers = self.fresh()
        headers = self.after(member, headers, "consents", {"purpose": "3", "effective_on": "2024-05-01"})
        found["POST", m + "/consents/{purpose}/withdraw"] = ("/v1/members/%s/consents/3/withdraw" % member, dated, headers, "desk")
        member, headers = self.fresh()
        headers = self.after(member, headers, "shares", {"shares": 3, "effective_on": "2024-05-01"})
        found["POST", m + "/cancellations"] = ("/v1/members/%s/cancellations" % member, {
            "event": self.last_event("/v1/members/%s/history" % member)}, headers, "desk")
        member, headers = self.fresh()
        found["POST", m + "/merge"] = ("/v1/members/%s/merge" % member, {"into": self.fresh()[0], **dated}, headers, "desk")
        member, headers = self.fresh()
        headers = self.after(member, headers, "merge", {"into": self.fresh()[0], "effective_on": "2024-05-01"})
        found["POST", m + "/unmerge"] = ("/v1/members/%s/unmerge" % member, {"adjusts_closed": True}, headers, "desk")

    def add_token_examples(self, found):
        path = "/v1/members/%s/token" % self.fresh()[0]
        found["POST", "/v1/members/{id}/token"] = (path, {"minutes": 5}, None, "integration")
        found["DELETE", "/v1/members/{id}/token"] = (path, None, None, "integration")

    def add_work_examples(self, found):
        a, i = "/v1/activities/{id}", "/v1/invoices/{id}"
        found["GET", "/v1/activities"] = ("/v1/activities?member=%s&limit=3" % self.someone, None, None, "desk")
        found["POST", "/v1/activities"] = ("/v1/activities", {
            "member": self.someone, "sector": "2", "culture": True, "office": "Brussel", "activity_no": "P-%s" % self.fresh()[0][:8],
            "text": "Concerts", "effective_on": "2024-04-03"}, None, "integration")
        found["GET", a] = ("/v1/activities/" + self.activity, None, None, "desk")
        activity, headers = self.fresh_activity()
        found["PATCH", a] = ("/v1/activities/" + activity, {"sector": "music", "culture": True, "effective_on": "2024-06-01"}, headers,
                             "desk")
        activity, headers = self.fresh_activity()
        found["POST", a + "/close"] = ("/v1/activities/%s/close" % activity, {"effective_on": "2024-06-01"}, headers, "desk")
        activity, headers = self.fresh_activity()
        found["POST", a + "/cancellations"] = ("/v1/activities/%s/cancellations" % activity, {
            "event": self.last_event("/v1/activities/" + activity)}, headers, "desk")
        found["GET", "/v1/invoices"] = ("/v1/invoices?month=2024-03", None, None, "desk")
        found["POST", "/v1/invoices"] = ("/v1/invoices", {
            "activity": self.activity, "date": "2024-04-05", "amount_minor": 125050, "currency": "EUR", "rate_bp": 650,
            "contribution_minor": 8128, "sector": "music", "culture": True, "office": "Brussel", "invoice_no": self.fresh()[0][:12],
            "client": "Verzonnen VZW", "client_number": "BE0123", "text": "Concert"}, None, "integration")
        found["GET", i] = ("/v1/invoices/" + self.invoice, None, None, "desk")
        invoice, headers = self.fresh_invoice()
        found["PATCH", i] = ("/v1/invoices/" + invoice, {"amount_minor": 21000, "client": "Verzonnen BV"}, headers, "desk")
        invoice, headers = self.fresh_invoice()
        found["POST", i + "/credit-notes"] = ("/v1/invoices/%s/credit-notes" % invoice, {
            "amount_minor": 5000, "date": "2024-06-01", "text": "Discount"}, headers, "desk")
        invoice, headers = self.fresh_invoice()
        found["POST", i + "/cancellations"] = ("/v1/invoices/%s/cancellations" % invoice, {}, headers, "desk")

    def add_posting_examples(self, found):
        p = "/v1/postings/{id}"
        found["GET", "/v1/postings"] = ("/v1/postings?country=DE&on=2024-05-01", None, None, "desk")
        found["POST", "/v1/postings"] = ("/v1/postings", {
            "member": self.fresh()[0], "country": "AT", "from": "2024-04-08", "to": "2024-06-30", "reference": self.fresh()[0][:12],
            "text": "Tour"}, None, "integration")
        found["GET", p] = ("/v1/postings/" + self.fresh_posting()[0], None, None, "desk")
        posting, headers = self.fresh_posting()
        found["POST", p + "/change"] = ("/v1/postings/%s/change" % posting, {"to": "2024-08-31", "effective_on": "2024-06-01"}, headers, "desk")
        posting, headers = self.fresh_posting()
        found["POST", p + "/cancel"] = ("/v1/postings/%s/cancel" % posting, {}, headers, "desk")
        found["GET", "/v1/reports/postings"] = ("/v1/reports/postings?from=2024-01-01&to=2024-12-31&each=month", None, None, "reports")

    def add_access_examples(self, found):
        p = "/v1/members/{id}/access"
        member, _ = self.fresh()
        mine = "/v1/members/%s/access" % member
        grant = {"host": "SE", "classes": ["identity", "contact"], "purpose": "work abroad"}
        given = [self.node.post(mine, grant).json["id"] for _ in range(2)]
        shown = self.node.post("/v1/members/%s/pass" % member, {"classes": ["identity"]}).json["pass"]
        found["GET", p] = (mine, None, None, "desk")
        found["POST", p] = (mine, dict(grant, until="2199-12-31"), None, "desk")
        found["GET", p + "/{access}"] = (mine + "/" + given[0], None, None, "desk")
        found["POST", p + "/{access}/revoke"] = (mine + "/%s/revoke" % given[1], {"reason": "not_needed"}, None, "desk")
        found["POST", "/v1/members/{id}/pass"] = ("/v1/members/%s/pass" % member, {"classes": ["identity", "bank"], "stale_hours": 48}, None, "desk")
        found["POST", "/v1/passes/verify"] = ("/v1/passes/verify", {"pass": shown}, None, "desk")

    def add_request_examples(self, found):
        mine, m = "/v1/members/%s/requests" % self.fresh()[0], "/v1/members/{id}/requests"
        ask = {"what": "move", "to": "SE", "day": "2199-06-01", "text": "for work"}
        asked = self.node.post(mine, ask).json["id"]
        self.node.post(mine, {"what": "other", "text": "a certificate"})
        found["GET", m] = (mine, None, None, "desk")
        found["POST", m] = (mine, ask, None, "desk")
        found["DELETE", m + "/{request}"] = (mine + "/" + asked, None, None, "desk")
        found["GET", "/v1/requests"] = ("/v1/requests?limit=5", None, None, "desk")

    def add_guest_examples(self, found):
        other, m = self.cluster["SE"], "/v1/members/{id}"
        grant = {"classes": ["identity", "contact"], "purpose": "work abroad"}
        contact = {"contact": {"email": "new@post.example", "city": "Lund", "country": "SE"}, "text": "has moved"}
        visitor = other.admit("visitor-%s" % self.id()[-20:])
        other.post("/v1/members/%s/access" % visitor, dict(grant, host="BE"))
        member, _ = self.fresh()
        mine = "/v1/members/%s" % member
        self.node.post(mine + "/access", dict(grant, host="SE"))
        for host, home, who in ((self.node, "SE", visitor), (other, "BE", member)):
            wait_until("the host can open the member", lambda: "identity" in (
                host.call("GET", "/v1/members/%s?unit=%s" % (who, home)).json.get("person", ())))
        for _ in range(2):
            other.post(mine + "/contact-proposal?unit=BE", contact, 200)
        waiting = wait_until("the proposals are there", lambda: (
            lambda p: p if len(p) == 2 else None)(self.node.get(mine + "/proposals", "desk")["proposals"]))
        found["GET", m + "/openings"] = (mine + "/openings", None, None, "desk")
        found["GET", m + "/proposals"] = (mine + "/proposals", None, None, "desk")
        found["GET", "/v1/proposals"] = ("/v1/proposals?limit=5", None, None, "desk")
        p = m + "/proposals/{proposal}"
        found["POST", p + "/accept"] = ("%s/proposals/%s/accept" % (mine, waiting[0]["id"]), {"effective_on": "2024-06-01"},
                                        self.etag(mine), "desk")
        found["POST", p + "/decline"] = ("%s/proposals/%s/decline" % (mine, waiting[1]["id"]), None, None, "desk")
        found["POST", m + "/contact-proposal"] = ("/v1/members/%s/contact-proposal?unit=SE" % visitor, contact, None, "desk")
        found["POST", "/v1/taken-activities"] = ("/v1/taken-activities", None, None, "desk")
        found["POST", "/v1/guest-records"] = ("/v1/guest-records", None, None, "desk")

    def node_of(self, template):
        """Who is asked: a unit that has members cannot be closed."""
        return self.cluster["AT"] if template == "/v1/units/{code}/close" else self.node

    def add_ending_examples(self, found):
        u = "/v1/units/{code}"
        found["POST", u + "/custodian"] = ("/v1/units/BE/custodian", {"custodian": "SE", "effective_on": "2024-06-01"}, None, "operator")
        found["POST", u + "/close"] = ("/v1/units/AT/close", {"custodian": "SE", "effective_on": "2024-06-01"}, None, "operator")

    def add_moving_examples(self, found):
        other = self.cluster["SE"]
        theirs = other.admit("moving-%s" % self.id()[-20:])
        self.cluster.wait_equal()
        wait_until("the other unit is known", lambda: self.node.call("GET", "/v1/units/SE", role="reports").status == 200)
        p = "/v1/members/{id}/handover"

        def offered():
            member, _ = self.fresh()
            self.node.post("/v1/members/%s/handover/offer" % member, {"to": "SE"}, 200)
            return "/v1/members/%s/handover" % member

        def coming(correct=None, **more):
            self.moving = getattr(self, "moving", 0) + 1
            member = other.admit("coming-%s-%d" % (self.id()[-20:], self.moving), **more)
            if correct:
                correct(member)
            self.cluster.wait_equal()
            other.post("/v1/members/%s/handover/offer" % member, {"to": "BE"}, 200)
            self.cluster.wait_equal()
            return "/v1/members/%s/handover" % member

        def come():
            """A person of whom the old home has a company's name only: what the node leaves to the desk."""
            def is_person(member):
                admitted = other.get("/v1/members/%s/history" % member, "desk")["events"][0]
                other.post("/v1/members/%s/admit" % member, {
                    "category": "C", "person_type": "natural", "office": other.city, "shares": 1, "effective_on": "2024-03-01",
                    "corrects": {"log": admitted["log"], "seq": admitted["seq"]}}, 200, headers={
                        "If-Match": other.call("GET", "/v1/members/" + member).headers["ETag"]})
            path = coming(is_person, category="C", person_type="legal", person={"identity": {"legal_name": "Verzonnen AB"}})
            self.node.post(path + "/accept", {"office": "Brussel"}, 200)
            self.cluster.wait_equal()
            other.post(path + "/complete", {}, 200)
            self.cluster.wait_equal()
            return path
        mine, going, back = offered(), offered(), offered()
        self.cluster.wait_equal()
        other.post(going + "/accept", {"office": other.city}, 200)
        self.cluster.wait_equal()
        found["GET", p] = (mine, None, None, "desk")
        found["GET", "/v1/handovers"] = ("/v1/handovers", None, None, "desk")
        member, _ = self.fresh()
        found["POST", p + "/offer"] = ("/v1/members/%s/handover/offer" % member, {"to": "SE"}, None, "desk")
        found["POST", p + "/withdraw"] = (back + "/withdraw", {}, None, "desk")
        found["POST", p + "/accept"] = (coming() + "/accept", {"office": "Brussel", "shares": 2, "category": "B"}, None, "desk")
        found["POST", p + "/complete"] = (going + "/complete", {"voted": True, "activities": "closed", "repay": True}, None, "desk")
        found["POST", p + "/receive"] = (come() + "/receive", {"person": {"identity": {
            "family_name": "Vandermeersch", "given_name": "Ilse"}}}, None, "desk")
        d = "/v1/members/{id}/doubles"
        declared, _ = self.fresh()
        pair = {"unit": "SE", "other": theirs}
        self.node.post("/v1/members/%s/doubles" % declared, pair, 200)
        member, _ = self.fresh()
        found["POST", d] = ("/v1/members/%s/doubles" % member, dict(pair, note="Both say so"), None, "desk")
        found["POST", d + "/settle"] = ("/v1/members/%s/doubles/settle" % declared, dict(
            pair, outcome="two_persons", reason="not the same person"), None, "desk")
        found["GET", "/v1/doubles"] = ("/v1/doubles?limit=5", None, None, "desk")
        found["GET", "/v1/duplicates"] = ("/v1/duplicates?limit=5", None, None, "desk")
        found["GET", "/v1/lookups"] = ("/v1/lookups?limit=5", None, None, "operator")

    def add_year_examples(self, found):
        found["GET", "/v1/periods"] = ("/v1/periods?unit=BE", None, None, "reports")
        found["POST", "/v1/periods"] = ("/v1/periods", {"year": 2020}, None, "operator")
        found["GET", "/v1/periods/{code}/{year}"] = ("/v1/periods/BE/%d" % self.year, None, None, "reports")
        found["GET", "/v1/reports/activity"] = ("/v1/reports/activity?from=2024-01-01&to=2024-12-31&by=sector,office&each=month", None,
                                                None, "reports")
        found["GET", "/v1/reports/shares"] = ("/v1/reports/shares?limit=3", None, None, "operator")

    def office_etag(self, office):
        return {"If-Match": self.node.get("/v1/units/BE/offices/" + office)["etag"]}

    def examples(self):
        """A request for every route that ends as described: (method, template) → (path, body, headers, role)."""
        dated = {"effective_on": "2024-05-01"}
        whole = {"identity": {"member_no": "4711", "given_name": "Ilse", "family_name": "Vandermeersch", "language": "nl",
                              "birth_date": "1980-02-03"},
                 "contact": {"email": "ilse@post.example", "phone": "+32 2 000 00 00", "street": "Verzonnenstraat 1", "postcode": "1000",
                             "city": "Brussel", "country": "BE"}, "bank": {"iban": "BE68539007547034"}}
        company = {"identity": {"legal_name": "Verzonnen BV"}}
        opened = self.node.post("/v1/units/BE/offices", {"name": "Gent-%d" % len(self.id()), "city": "Gent", "country": "BE",
                                                         "effective_on": "2020-01-01"}, 201, role="operator").json["id"]
        token = self.node.post("/v1/tokens", {"name": "to end", "role": "desk"}, role="operator").json["id"]
        unit = self.node.call("GET", "/v1/units/BE", role="operator")
        self.cluster["SE"].token("operator")
        m = "/v1/members/{id}"
        found = {
            ("GET", "/v1/members"): ("/v1/members?limit=2&unit=BE", None, None, "desk"),
            ("POST", "/v1/members"): ("/v1/members", cluster.admission("x", "Brussel", person=whole), None, "desk"),
            ("GET", m): ("/v1/members/%s?as_of=2024-12-31" % self.someone, None, None, "desk"),
            ("GET", m + "/history"): ("/v1/members/%s/history" % self.someone, None, None, "desk"),
            ("POST", "/v1/batch"): ("/v1/batch", json.dumps({"op": "member.admit", **{k: v for k, v in cluster.admission(
                "b", "Brussel", person_type="legal", category="C", person=company).items() if k != "status"}}) + '\n{"op":"no"}\n',
                {"Content-Type": "application/x-ndjson"}, "desk"),
            ("GET", "/v1/units"): ("/v1/units", None, None, "reports"),
            ("GET", "/v1/units/{code}"): ("/v1/units/BE", None, None, "reports"),
            ("PUT", "/v1/units/{code}"): ("/v1/units/BE", dict({k: unit.json[k] for k in (
                "name", "country", "currency", "languages", "time_zone", "contribution_bp")}, share_price_minor=3100,
                effective_on="2025-01-01"), {"If-Match": unit.headers["ETag"]}, "operator"),
            ("GET", "/v1/units/{code}/offices"): ("/v1/units/BE/offices", None, None, "reports"),
            ("POST", "/v1/units/{code}/offices"): ("/v1/units/BE/offices", {"name": "Luik", "city": "Luik", "country": "BE"}, None,
                                                   "operator"),
            ("GET", "/v1/units/{code}/offices/{id}"): ("/v1/units/BE/offices/" + opened, None, None, "reports"),
            ("GET", "/v1/peers"): ("/v1/peers", None, None, "reports"),
            ("POST", "/v1/peers"): ("/v1/peers", {"card": self.card, "fingerprint": self.words_of(self.card)}, None, "operator"),
            ("DELETE", "/v1/peers/{code}"): ("/v1/peers/FR", None, None, "operator"),
            ("GET", "/v1/tokens"): ("/v1/tokens", None, None, "operator"),
            ("POST", "/v1/tokens"): ("/v1/tokens", {"name": "x", "role": "reports", "days": 3}, None, "operator"),
            ("DELETE", "/v1/tokens/{id}"): ("/v1/tokens/" + token, None, None, "operator"),
            ("GET", "/v1/changes"): ("/v1/changes?unit=all&limit=20", None, {"Accept": "application/x-ndjson"}, "integration"),
            ("GET", "/v1/events"): ("/v1/events?unit=BE&limit=3", None, None, "desk"),
            ("GET", "/v1/events/{log}/{seq}"): ("/v1/events/%s/%d" % (self.event["log"], self.event["seq"]), None, None, "desk"),
            ("GET", "/v1/events/{log}/{seq}/receipt"): ("/v1/events/%s/%d/receipt" % (self.event["log"], self.event["seq"]), None, None,
                                                        "desk"),
            ("GET", "/v1/conflicts"): ("/v1/conflicts?limit=5", None, None, "desk"),
            ("GET", "/v1/status"): ("/v1/status", None, None, "reports"),
            ("GET", "/v1/reports/members"): ("/v1/reports/members?as_of=2024-12-31&by=category,office,person_type", None, None, "reports"),
            ("GET", "/v1/reports/flows"): ("/v1/reports/flows?from=2024-01-01&to=2024-12-31&by=category", None, None, "reports"),
            ("GET", "/healthz"): ("/healthz", None, None, None),
            ("GET", "/readyz"): ("/readyz", None, None, None),
            ("GET", "/metrics"): ("/metrics", None, None, None),
        }
        member, headers = self.fresh()
        found["PATCH", m] = ("/v1/members/" + member, {"category": "B", **dated}, headers, "desk")
        member, headers = self.fresh()
        found["POST", m + "/shares"] = ("/v1/members/%s/shares" % member, {"shares": 3, **dated}, headers, "desk")
        for action in ("withdrawal", "resign", "exclude", "death"):
            member, headers = self.fresh()
            found["POST", "%s/%s" % (m, action)] = ("/v1/members/%s/%s" % (member, action), dated, headers, "desk")
        member, headers = self.applicant()
        found["POST", m + "/admit"] = ("/v1/members/%s/admit" % member, {
            "category": "B", "person_type": "natural", "office": "Brussel", "shares": 1, **dated}, headers, "desk")
        member, headers = self.applicant()
        found["POST", m + "/refuse"] = ("/v1/members/%s/refuse" % member, dated, headers, "desk")
        for action in ("grant", "refuse"):
            member, headers = self.withdrawing()
            found["POST", m + "/withdrawal/" + action] = ("/v1/members/%s/withdrawal/%s" % (member, action), dated, headers, "desk")
        at = "/v1/units/{code}/offices/{id}"
        found["PATCH", at] = ("/v1/units/BE/offices/" + opened, {"city": "Gent-Zuid"}, self.office_etag(opened), "operator")
        found["POST", at + "/close"] = ("/v1/units/BE/offices/%s/close" % opened, {}, None, "operator")
        self.add_register_examples(found)
        self.add_work_examples(found)
        self.add_token_examples(found)
        self.add_posting_examples(found)
        self.add_access_examples(found)
        self.add_request_examples(found)
        self.add_guest_examples(found)
        self.add_moving_examples(found)
        self.add_ending_examples(found)
        self.add_year_examples(found)
        self.add_erasure_examples(found)
        return found

    def add_erasure_examples(self, found):
        m = "/v1/members/{id}"
        def tagged(member):
            return {"If-Match": self.node.call("GET", "/v1/members/" + member).headers["ETag"]}
        member = self.node.admit("erase-%d" % len(self.id()), person=dict(cluster.person("erase"), contact={"email": "e@post.example"}))
        found["POST", m + "/erase"] = ("/v1/members/%s/erase" % member, {"classes": ["contact"], "ground": "asked", "note": "a letter"},
                                       tagged(member), "desk")
        member, headers = self.fresh()
        found["POST", m + "/restrict"] = ("/v1/members/%s/restrict" % member, {"classes": ["contact"], "until": "2199-01-01"}, headers, "desk")
        member, headers = self.fresh()
        self.node.post("/v1/members/%s/restrict" % member, {"classes": ["bank"]}, 200, headers=headers)
        found["POST", m + "/lift"] = ("/v1/members/%s/lift" % member, {"classes": ["bank"]}, tagged(member), "desk")
        found["GET", m + "/export"] = ("/v1/members/%s/export" % self.someone, None, None, "desk")
        found["GET", "/v1/erasures"] = ("/v1/erasures?limit=3", None, None, "operator")
        found["GET", "/v1/retention"] = ("/v1/retention?limit=3", None, None, "desk")
        found["POST", "/v1/retention"] = ("/v1/retention", {"members": [self.someone], "classes": ["contact"]}, None, "desk")

    def words_of(self, card):
        """As the operator hears them; from the other program's mouth: peer trust without --yes."""
        done = run("peer", "trust", "--data", self.node.data, "-", stdin=card, status=1)
        return re.search(r"Words:\n\s+(\S+)", done.stderr).group(1)

    # ---- tests ----

    def test_every_documented_route_answers_as_described(self):
        examples = self.examples()
        self.assertEqual(set(examples), set(self.routes))
        for (method, template), (path, body, headers, role) in examples.items():
            with self.subTest(route=method + " " + template):
                if template.endswith("offices/{id}/close"):
                    headers = self.office_etag(path.split("/")[-2])
                if (method, template) == ("DELETE", "/v1/peers/{code}"):
                    wait_until("the new peer is listed", lambda: self.node.peer("FR"))
                answer = self.node_of(template).call(method, path, body, role=role, headers=headers)
                self.assertLess(answer.status, 300, "%s %s: %r" % (method, path, answer))
                self.assertIn(str(answer.status), self.routes[method, template]["responses"], "%s %s: %r" % (method, path, answer))
                self.check_answer(method, template, answer)
                self.check_request(method, template, body)
                self.assertEqual("Location" in answer.headers, answer.status == 201, answer.headers)
                if answer.headers.get("Location"):
                    self.assertTrue(answer.headers["Location"].startswith("/v1/tokens/" if path.endswith("/token") else path.replace("/pass", "/access")), answer.headers)
                    where = self.node.call("GET", answer.headers["Location"], role=role)
                    self.assertIn(where.status, (200, 405), "%s: %r" % (answer.headers, where))

    def check_request(self, method, template, body):
        described = self.routes[method, template].get("requestBody")
        self.assertEqual(body is not None, described is not None, "%s %s" % (method, template))
        if described and isinstance(body, dict):
            self.schemas.check(body, described["content"]["application/json"]["schema"], "request of %s %s" % (method, template))

    def test_reports_come_as_csv_too(self):
        for path in ("/v1/reports/members", "/v1/reports/flows", "/v1/reports/activity", "/v1/reports/postings", "/v1/reports/shares"):
            role = "operator" if path.endswith("shares") else "reports"
            answer = self.node.call("GET", path, role=role, headers={"Accept": "text/csv"})
            self.assertEqual((answer.status, answer.type), (200, "text/csv"))
            header = answer.body.decode().splitlines()[0]
            described = self.routes["GET", path]["responses"]["200"]["content"]["text/csv"]["schema"]["description"]
            self.assertEqual([word.strip() for word in header.split(",")], [word.strip() for word in described.split(",")])

    def test_a_report_names_the_closed_years_it_touches_and_whether_they_still_say_what_was_published(self):
        reports = {"members": "as_of=2019-12-31", "flows": "from=2018-05-01&to=2019-01-01", "activity": "from=2019-12-01&to=2020-01-31"}

        def told(name, role="reports"):
            found = self.node.get("/v1/reports/%s?%s&unit=BE" % (name, reports[name]), role=role)["closed_years"]
            return {year["year"]: year["adjusted"] for year in found}

        for name in reports:
            self.assertIs(told(name)[self.year], False)
        body = cluster.admission("late", self.office, day="2019-02-03")
        refused = self.node.post("/v1/members", body, 409)
        self.assertEqual(refused.json["field"], "effective_on")
        self.node.post("/v1/members", dict(body, adjusts_closed=True))
        for name in reports:
            self.assertIs(told(name)[self.year], True)
        self.assertEqual(self.node.get("/v1/reports/members?as_of=2018-12-31")["closed_years"], [])
        lines = self.node.call("GET", "/v1/reports/flows?" + reports["flows"], headers={"Accept": "text/csv"}).body.decode().split("\r\n")
        today = self.node.get("/v1/periods/BE/%d" % self.year)["closed_on"]
        self.assertIn("closed,BE,,,,,%d,%s" % (self.year, today), lines)
        differ = [line.split(",")[-1] for line in lines if line.startswith("adjusted,BE,,,,,%d," % self.year)]
        period = self.node.get("/v1/periods/BE/%d" % self.year)
        self.assertEqual(differ, [str(len(period["adjustments"]))])
        joined = next(a for a in period["adjustments"] if a["figure"] == "joined" and "category" not in a)
        self.assertEqual((joined["closed"], joined["now"]), (0, 1))

    def concrete(self, template):
        for name, value in (("{id}", ID), ("{code}", "BE"), ("{log}", HASH), ("{seq}", "1"), ("{person}", ID), ("{purpose}", "1"), ("{access}", ID),
                            ("{proposal}", ID), ("{request}", ID), ("{year}", str(self.year))):
            template = template.replace(name, value)
        return template

    def test_a_route_is_closed_to_whom_it_is_not_described_for(self):
        for (method, template), op in self.routes.items():
            roles = op.get("x-roles")
            with self.subTest(route=method + " " + template):
                self.assertEqual(roles is None, op.get("security") == [])
                path = self.concrete(template)
                answer = self.node.call(method, path, role=None)
                self.assertEqual(answer.status, 200 if roles is None else 401, repr(answer))
                self.check_answer(method, template, answer)
                for role in ROLES if roles else ():
                    # An unknown parameter is refused after the role, and before anything is done.
                    at = path.replace(ID, self.someone, 1) if role == "member" else path
                    answer = self.node.call(method, at + "?no-such-parameter=1", role=role)
                    self.assertEqual(answer.status, 400 if role in roles else 403, "%s: %r" % (role, answer))
                    self.check_answer(method, template, answer)

    def test_what_is_required_of_a_request_is_asked_for(self):
        for (method, template), op in self.routes.items():
            with self.subTest(route=method + " " + template):
                names = {p["name"] for p in map(self.schemas.resolve, op.get("parameters", ())) if p["in"] == "header" and p["required"]}
                self.assertEqual("Idempotency-Key" in names, method == "POST")
                role = (op.get("x-roles") or [None])[0]
                if method == "POST":
                    answer = self.node.call(method, self.concrete(template), {}, role=role, headers={"Idempotency-Key": None})
                    self.assertEqual((answer.status, answer.json["field"]), (400, "idempotency-key"))
                    self.check_answer(method, template, answer)
                if "If-Match" in names:
                    answer = self.node.call(method, self.concrete(template), {}, role=role)
                    self.assertEqual((answer.status, answer.json["field"]), (428, "if-match"))
                    self.check_answer(method, template, answer)

    def test_a_field_that_is_not_described_is_refused_everywhere(self):
        for (method, template), (path, body, headers, role) in self.examples().items():
            if not isinstance(body, dict):
                continue
            with self.subTest(route=method + " " + template):
                if template.endswith("offices/{id}/close"):
                    headers = self.office_etag(path.split("/")[-2])
                body = dict(copy.deepcopy(body), surprise=1)
                with self.assertRaises(AssertionError):
                    self.check_request(method, template, body)
                answer = self.node_of(template).call(method, path, body, role=role, headers=headers)
                self.assertEqual((answer.status, answer.json.get("field")), (400, "surprise"), repr(answer))
                self.check_answer(method, template, answer)

    def test_a_required_field_that_is_missing_is_named(self):
        for (method, template), (path, body, headers, role) in self.examples().items():
            described = self.routes[method, template].get("requestBody")
            if not isinstance(body, dict):
                continue
            schema = self.schemas.resolve(described["content"]["application/json"]["schema"])
            for name in schema.get("required", ()):
                with self.subTest(route=method + " " + template, field=name):
                    less = {key: value for key, value in body.items() if key != name}
                    answer = self.node_of(template).call(method, path, less, role=role, headers=headers)
                    self.assertEqual((answer.status, answer.json.get("field")), (400, name), repr(answer))

    def test_every_parameter_that_is_described_is_taken_and_no_other(self):
        for (method, template), op in self.routes.items():
            params = [p["name"] for p in map(self.schemas.resolve, op.get("parameters", ())) if p["in"] == "query" and method == "GET"]
            values = {"q": "someone", "unit": "BE", "as_of": "2024-12-31", "from": "2024-01-01", "to": "2024-12-31", "by": "category",
                      "limit": "5", "log": self.event["log"], "wait": "1", "member": self.someone, "month": "2024-03",
                      "activity_no": "P-1", "invoice_no": "2024-1", "each": "year", "country": "DE", "on": "2024-05-01",
                      "reference": "A1", "overlapping": "true", "open": "true"}
            with self.subTest(route=method + " " + template):
                some = {"members": self.someone, "activities": self.activity, "invoices": self.invoice,
                        "postings": self.posting}
                path = self.concrete(template).replace(ID, next((some[word] for word in template.split("/") if word in some), self.office))
                if template == "/v1/reports/activity":
                    values["by"] = "sector,culture,office,currency"
                path = path.replace(HASH, self.event["log"])
                for name in params if method == "GET" else ():  # of others, the examples carry them
                    if name != "after":
                        answer = self.node.call(method, "%s?%s=%s" % (path, name, values[name]), role=op["x-roles"][0])
                        self.assertEqual(answer.status, 200, "%s: %r" % (name, answer))
                        self.check_answer(method, template, answer)

    def test_no_other_method_and_no_other_path_is_there(self):
        for path in self.document["paths"]:
            documented = {method for method, at in self.routes if at == path}
            for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND"} - documented:
                answer = self.node.call(method, self.concrete(path), role="operator")
                self.assertEqual(answer.status, 405, "%s %s: %r" % (method, path, answer))
                self.assertEqual(set(answer.headers["Allow"].split(", ")), documented)
                self.assertEqual(answer.type, "application/problem+json")
        for path in ("/", "/v1", "/v1/", "/v2/members", "/v1/member", "/v1/members/", "/v1/members/%s/" % ID, "/v1/members/%s/x" % ID,
                     "/v1/change", "/v1/persons", "/v1/debug", "/admin", "/metrics/", "/v1/units/BE/members", "/openapi.yaml",
                     "/v1/../v1/status", "//v1/status", "/v1/STATUS", "/v1/status%00"):
            answer = self.node.call("GET", path, role="operator")
            self.assertIn(answer.status, (400, 404), path)

    def test_head_is_get_without_the_body(self):
        answer = self.node.call("HEAD", "/healthz", role=None)
        self.assertEqual((answer.status, answer.body), (200, b""))


if __name__ == "__main__":
    unittest.main()
