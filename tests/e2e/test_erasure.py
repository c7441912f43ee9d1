"""Erasing what is known of a member: every unit confirms, who is down is listed as silent until then, and what was erased does not come back,
neither from an old copy of the data nor by an import. Restriction until the legal date, what is due, and what a person may have."""

import base64
import csv
import hashlib
import html.parser
import json
import os
import shutil
import unittest

from cluster import Cluster, admission, run, wait_until

EMAIL = "wilhelmina.oosterzele@example.org"
IBAN = "BE68539007547034"


class ErasureTest(unittest.TestCase):
    def cluster_of(self, *codes, **options):
        made = Cluster(*codes, **options)
        self.addCleanup(made.close)
        return made

    def member(self, node, number="E1", given="Wilhelmina", **more):
        body = admission(number, node.city, **more)
        body["person"] = {"identity": {"member_no": number, "given_name": given, "family_name": "Oosterzele"},
                          "contact": {"email": EMAIL, "phone": "+32 2 555 01 02", "city": "Ekeren"}, "bank": {"iban": IBAN}}
        return node.post("/v1/members", body).json["id"]

    def order(self, node, member, classes, what="erase", status=200, **more):
        etag = node.call("GET", "/v1/members/" + member).headers["ETag"]
        answer = node.call("POST", "/v1/members/%s/%s" % (member, what), dict({"classes": classes}, **more), headers={"If-Match": etag})
        self.assertEqual(answer.status, status, answer)
        return answer.json

    def leave(self, node, member, day):
        etag = node.call("GET", "/v1/members/" + member).headers["ETag"]
        node.post("/v1/members/%s/resign" % member, {"effective_on": day}, 200, headers={"If-Match": etag})

    def erasures(self, node, member):
        return node.get("/v1/erasures?member=" + member)["erasures"]

    def wait_confirmed(self, node, member, codes):
        wait_until("%s confirm" % codes, lambda: [sorted(c["unit"] for c in e["confirmed"])
                                                  for e in self.erasures(node, member)] == [sorted(codes)])

    def shown(self, node, member):
        return node.call("GET", "/v1/members/" + member).json

    def found(self, node, text):
        return [m["id"] for m in node.call("GET", "/v1/members?q=" + text).json["members"]]


class ConfirmationTest(ErasureTest):
    def test_every_unit_confirms_and_one_that_is_down_is_silent_until_it_is_back(self):
        made = self.cluster_of("BE", "SE", "DE")
        member = self.member(made["BE"])
        made.wait_members({"BE": 1})
        refused = self.order(made["BE"], member, ["contact", "bank"], status=400, until="2040-01-01")
        self.assertEqual(refused["field"], "until")
        self.assertIn("to hide data until a day, restrict it", refused["detail"])
        refused = run("erase", member, "--class", "contact", "--until", "2040-01-01", env={"SMARTNODE_TOKEN": "x"}, status=2).stderr
        self.assertIn("--until goes with --restrict", refused)
        made["DE"].stop()
        self.assertEqual(self.order(made["BE"], member, ["contact", "bank"])["erased"], ["contact", "bank"])
        self.wait_confirmed(made["BE"], member, ["BE", "SE"])
        open_one, = self.erasures(made["BE"], member)
        self.assertEqual([s["unit"] for s in open_one["silent"]], ["DE"])
        self.assertFalse(open_one["complete"])
        self.assertIsNotNone(open_one["backups_until"])
        made["DE"].start()
        self.wait_confirmed(made["BE"], member, ["BE", "DE", "SE"])
        self.assertTrue(self.erasures(made["BE"], member)[0]["complete"])
        self.assertEqual(made["BE"].get("/v1/erasures?open=true")["erasures"], [])
        shown = self.shown(made["BE"], member)
        self.assertNotIn("contact", shown["person"])
        self.assertNotIn("bank", shown["person"])
        self.assertEqual(shown["person"]["identity"]["family_name"], "Oosterzele")
        self.assertEqual(sorted(shown["erased"]), ["bank", "contact"])
        self.assertEqual(self.found(made["BE"], EMAIL), [])
        self.assertEqual(self.found(made["BE"], "Oosterzele"), [member])
        made.wait_equal()
        text = run("erasures", "--url", "http://127.0.0.1:%d" % made["BE"].http_port,
                   env={"SMARTNODE_TOKEN": made["BE"].token()}).stdout
        self.assertIn("confirmed: ", text)
        self.assertNotIn("silent", text)
        for node in made:
            node.stop()
            run("verify", "--data", node.data)
            run("erase", "--prove", "--class", "contact", "--class", "bank", member, "--data", node.data)

    def test_what_was_erased_can_be_entered_anew_and_is_then_found(self):
        made = self.cluster_of("BE")
        node = made["BE"]
        member = self.member(node)
        self.order(node, member, ["contact"])
        self.wait_confirmed(node, member, ["BE"])
        etag = node.call("GET", "/v1/members/" + member).headers["ETag"]
        answer = node.call("PATCH", "/v1/members/" + member, {"person": {"contact": {"email": "new@example.org"}}},
                           headers={"If-Match": etag})
        self.assertEqual(answer.status, 200, answer)
        wait_until("found", lambda: self.found(node, "new@example.org") == [member])
        self.assertEqual(self.shown(node, member)["person"]["contact"]["email"], "new@example.org")
        node.kill()
        node.start()
        self.assertEqual(self.shown(node, member)["person"]["contact"]["email"], "new@example.org")


class LongRecordTest(ErasureTest):
    ENDED = 300

    def test_somebody_who_ended_hundreds_of_passes_sees_who_has_access_and_is_erased_and_that_is_proved(self):
        made = self.cluster_of("BE")
        node = made["BE"]
        member = self.member(node)
        path = "/v1/members/%s" % member
        for _ in range(self.ENDED):
            gone = node.post(path + "/pass", {"classes": ["contact"]}).json["id"]
            node.post(path + "/access/%s/revoke" % gone, {"reason": "not_needed"}, 200)
        stands = node.post(path + "/pass", {"classes": ["identity"]}).json["id"]
        first = node.get(path + "/access?limit=40", role="desk")
        self.assertEqual((stands, True), (first["access"][0]["id"], first["access"][0]["stands"]))
        seen, page = [a["id"] for a in first["access"]], first
        while page["next"]:
            page = node.get(path + "/access?limit=40&after=" + page["next"], role="desk")
            self.assertFalse(any(a["stands"] for a in page["access"]))
            seen += [a["id"] for a in page["access"]]
        self.assertEqual((self.ENDED + 1, self.ENDED + 1), (len(seen), len(set(seen))))
        desk = {"SMARTNODE_TOKEN": node.token()}
        text = run("member", "access", member, "--data", node.data, env=desk).stdout
        self.assertEqual(self.ENDED + 1, len(text.splitlines()))
        self.assertTrue(text.splitlines()[0].startswith(stands), text)
        self.assertGreater(self.order(node, member, ["contact"])["events"], 20)
        wait_until("done", lambda: {e["here"] for e in self.erasures(node, member)} == {"done"})
        shown = run("erasures", "--data", node.data, env=desk).stdout
        self.assertEqual(1, shown.count(member), shown)
        self.assertRegex(shown, r"contact  \(2\d orders\)\n  confirmed: BE \(")
        self.assertEqual("Oosterzele", self.shown(node, member)["person"]["identity"]["family_name"])
        node.stop()
        run("verify", "--data", node.data)
        run("erase", "--prove", member, "--quick", "--data", node.data)


class NoWayBackTest(ErasureTest):
    def test_an_old_copy_of_the_data_does_not_bring_it_back(self):
        made = self.cluster_of("BE", "SE")
        node = made["BE"]
        member = self.member(node)
        made.wait_members({"BE": 1})
        node.token(), node.token("operator")  # so that the copy knows them
        node.stop()
        old = node.copy_data(os.path.join(made.folder, "old"))
        node.start()
        self.order(node, member, ["contact", "bank", "note"])
        self.wait_confirmed(node, member, ["BE", "SE"])
        wait_until("SE holds the confirmation", lambda: len(self.erasures(made["SE"], member)[0]["confirmed"]) == 2)
        node.stop()
        node.replace_data(old)
        node.start()
        wait_until("erased again", lambda: "contact" not in self.shown(node, member)["person"])
        wait_until("carried out", lambda: [e["here"] for e in self.erasures(node, member)] == ["done"])
        self.assertEqual(self.found(node, EMAIL), [])

    def test_an_old_vault_beside_a_newer_register_is_erased_again(self):
        made = self.cluster_of("BE")
        node = made["BE"]
        member = self.member(node)
        node.stop()
        vault = os.path.join(made.folder, "vault")
        shutil.copytree(os.path.join(node.data, "vault"), vault)
        node.start()
        self.order(node, member, ["contact"])
        self.wait_confirmed(node, member, ["BE"])
        node.stop()
        shutil.rmtree(os.path.join(node.data, "vault"))
        shutil.copytree(vault, os.path.join(node.data, "vault"))
        node.start()
        wait_until("carried out again", lambda: "all erasures are carried out again" in node.log() and
                   [e["here"] for e in self.erasures(node, member)] == ["done"])
        self.assertEqual(self.found(node, EMAIL), [])
        self.assertEqual(self.found(node, "Oosterzele"), [member])


class ImportTest(ErasureTest):
    HEAD = ["member_no", "type", "category", "given_name", "family_name", "email", "iban", "office", "admitted_on", "shares"]

    def write(self, made, row):
        path = os.path.join(made.folder, "members.csv")
        with open(path, "w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([self.HEAD, row])
        return path

    def imported(self, node, path, code=0):
        return run("import", path, "--data", node.data, "--rejected", path + ".rejected", "--json", status=code)

    def test_a_row_that_holds_what_was_erased_is_rejected_and_enters_nothing(self):
        made = self.cluster_of("BE")
        node = made["BE"]
        row = ["I1", "natural", "A", "Wilhelmina", "Oosterzele", EMAIL, IBAN, node.city, "2020-03-01", "1"]
        full = self.write(made, row)
        node.stop()
        self.imported(node, full)
        node.start()
        member, = self.found(node, "Oosterzele")
        self.order(node, member, ["contact", "bank"])
        self.wait_confirmed(node, member, ["BE"])
        day = self.erasures(node, member)[0]["effective_on"]
        # by HTTP, an entry of a day before it
        etag = node.call("GET", "/v1/members/" + member).headers["ETag"]
        answer = node.call("PATCH", "/v1/members/" + member, {"effective_on": "2021-01-01", "person": {"contact": {"email": EMAIL}}},
                           headers={"If-Match": etag})
        self.assertEqual(answer.status, 409, answer)
        self.assertIn("contact was erased on " + day, str(answer.json))
        node.stop()
        self.imported(node, full, code=None)
        with open(full + ".rejected", encoding="utf-8") as file:
            rejected = file.read()
        self.assertIn("email: contact was erased on " + day, rejected)
        self.imported(node, self.write(made, row[:5] + ["", ""] + row[7:]))
        node.start()
        shown = self.shown(node, member)
        self.assertEqual(sorted(shown["person"]), ["identity"])
        self.assertEqual(sorted(shown["erased"]), ["bank", "contact"])
        self.assertEqual(self.found(node, EMAIL), [])


class BackupTest(ErasureTest):
    def test_a_confirmation_names_the_newest_copy_that_was_reported(self):
        made = self.cluster_of("BE")
        node = made["BE"]
        for day in ("2024-02-01", "2024-01-01"):  # the newest stands
            run("erase", "--backup-taken", day, "--data", node.data)
        self.assertNotEqual(run("erase", "--backup-taken", "2999-01-01", "--data", node.data, status=None).returncode, 0)
        self.assertNotEqual(run("erase", "--backup-taken", "yesterday", "--data", node.data, status=None).returncode, 0)
        member = self.member(node)
        self.order(node, member, ["contact"])
        self.wait_confirmed(node, member, ["BE"])
        self.assertEqual(self.erasures(node, member)[0]["backups_until"], "2024-03-07")  # 35 days later


class LegalDateTest(ErasureTest):
    def five_years(self):
        made = self.cluster_of("BE", start=False)
        with open(os.path.join(made["BE"].data, "smartnode.conf"), "a", encoding="utf-8") as file:
            file.write("register_years = 5\nwork_years = 5\n")
        made.start()
        return made, made["BE"]

    def test_the_register_is_restricted_until_its_date_and_erased_after_it(self):
        made, node = self.five_years()
        recent, past = self.member(node, "L1", day="2020-03-01"), self.member(node, "L2", day="2017-03-01")
        self.order(node, recent, ["identity"], status=409)  # a member still
        self.leave(node, recent, "2024-06-30")
        self.leave(node, past, "2018-06-30")
        answer = self.order(node, recent, ["identity", "contact"])
        self.assertEqual(answer["erased"], ["contact"])
        self.assertEqual(answer["restricted"], [{"class": "identity", "until": "2029-07-01"}])
        shown = self.shown(node, recent)
        self.assertNotIn("identity", shown.get("person", {}))
        exported = run("export", "--data", node.data, "--ndjson", "--out", "-").stdout
        self.assertIn(recent, exported)
        self.assertNotIn("L1", exported)
        self.assertIn('"L2"', exported)
        self.assertEqual(self.order(node, past, ["identity"])["erased"], ["identity"])
        self.wait_confirmed(node, past, ["BE"])
        self.assertEqual(self.shown(node, past)["personal"], "here")  # contact and bank were not asked for
        self.order(node, recent, ["identity"], "lift")
        self.assertEqual(self.shown(node, recent)["person"]["identity"]["family_name"], "Oosterzele")

    def test_whose_work_is_is_in_no_exported_file_while_it_is_restricted(self):
        made = self.cluster_of("BE")
        node = made["BE"]
        member, other = self.member(node, "W1"), self.member(node, "W2")
        for who, name in ((member, "hidden"), (other, "shown")):
            activity = node.post("/v1/activities", {"member": who, "sector": "music", "activity_no": name + "-activity", "text": name + " title",
                                                    "effective_on": "2024-04-01"}).json["id"]
            node.post("/v1/invoices", {"activity": activity, "amount_minor": 50000, "invoice_no": name + "-invoice", "client": name + " client",
                                       "date": "2024-04-02"})
            node.post("/v1/postings", {"member": who, "country": "SE", "from": "2024-05-06", "to": "2024-06-07",
                                       "reference": name + "-reference", "text": name + " work"})
        self.order(node, member, ["activity"], "restrict")
        folder = os.path.join(made.folder, "exported")
        run("export", "--data", node.data, "--out", folder, "--format", "ndjson")
        texts = {}
        for name in os.listdir(folder):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                texts[name] = file.read()
        for name, text in texts.items():
            self.assertNotIn("hidden", text, name)
        for name in ("activity_operations.ndjson", "postings.ndjson"):
            self.assertIn("shown", texts[name])
            self.assertIn(other, texts[name])
            self.assertNotIn(member, texts[name])
        # what is in clear in the log is still there, by month
        posting, = [row for row in map(json.loads, texts["postings.ndjson"].splitlines()) if row.get("op") == "posting.issue" and not row.get("id")]
        self.assertEqual((posting["from"], posting["to"], posting["country"]), ("2024-05-01", "2024-06-30", "SE"))

    def test_what_is_due_is_proposed_and_carried_out_in_bulk(self):
        made, node = self.five_years()
        past, current = self.member(node, "D1", day="2017-03-01"), self.member(node, "D2", day="2024-03-01")
        self.leave(node, past, "2018-06-30")
        page = node.call("GET", "/v1/retention").json
        self.assertEqual([d["class"] for d in page["members"][0]["due"]], ["identity", "activity"])  # money is owed: contact and bank wait
        etag = node.call("GET", "/v1/members/" + past).headers["ETag"]
        node.post("/v1/members/%s/repayments" % past, {"shares": 1, "effective_on": "2018-07-31"}, 200, headers={"If-Match": etag})
        page = node.call("GET", "/v1/retention").json
        self.assertEqual([m["id"] for m in page["members"]], [past])
        self.assertLessEqual({"identity", "contact", "bank"}, {d["class"] for d in page["members"][0]["due"]})
        results = node.post("/v1/retention", {"members": [past, current]}, 200).json["results"]
        self.assertLessEqual({"identity", "contact", "bank"}, set(results[0]["erased"]))
        self.assertEqual(results[1]["problem"]["status"], 409)
        self.wait_confirmed(node, past, ["BE"])
        self.assertEqual(node.call("GET", "/v1/retention").json["members"], [])
        self.assertEqual(self.shown(node, current)["person"]["contact"]["email"], EMAIL)

    def test_an_a1_stays_as_long_as_an_invoice_of_the_year_of_its_end(self):
        made, node = self.five_years()
        member = self.member(node, "D3", day="2021-03-01")
        posting = node.post("/v1/postings", {"member": member, "country": "DE", "from": "2022-02-20", "to": "2022-02-28",
                                             "reference": "A1-77"}, 201).json["id"]
        self.leave(node, member, "2022-03-31")
        etag = node.call("GET", "/v1/members/" + member).headers["ETag"]
        node.post("/v1/members/%s/repayments" % member, {"shares": 1, "effective_on": "2022-03-31"}, 200, headers={"If-Match": etag})
        due = node.call("GET", "/v1/retention").json["members"][0]
        self.assertEqual(due["id"], member)
        self.assertNotIn("activity", {d["class"] for d in due["due"]})
        node.post("/v1/retention", {"members": [member]}, 200)
        answer = self.order(node, member, ["activity"])
        self.assertNotIn("activity", answer.get("erased", []))
        self.assertEqual([r["until"] for r in answer["restricted"] if r["class"] == "activity"], ["2028-01-01"])
        self.order(node, member, ["activity"], "lift")
        shown = node.get("/v1/postings/" + posting, "desk")
        self.assertEqual((shown["personal"], shown["reference"]), ("here", "A1-77"))


class MergedTest(ErasureTest):
    def test_of_a_person_with_two_records_both_are_erased_and_the_answer_says_so(self):
        made = self.cluster_of("BE")
        node = made["BE"]
        kept, given_up = self.member(node, "M1"), self.member(node, "M2")
        etag = node.call("GET", "/v1/members/" + given_up).headers["ETag"]
        node.post("/v1/members/%s/merge" % given_up, {"into": kept}, 200, headers={"If-Match": etag})
        told = run("erase", kept, "--class", "contact", "--url", "http://127.0.0.1:%d" % node.http_port,
                   env={"SMARTNODE_TOKEN": node.token()}).stdout
        self.assertIn("2 records", told)
        for one in (kept, given_up):
            self.assertIn("%s: contact" % one, told)
            self.assertIn("contact", self.shown(node, one)["erased"])
        # by the one given up it is the same, and one alone only where that is asked
        answer = self.order(node, given_up, ["bank"])
        self.assertEqual([(r["id"], r["erased"]) for r in answer["records"]], [(given_up, ["bank"]), (kept, ["bank"])])
        self.assertNotIn("records", self.order(node, kept, ["note"], "restrict", with_merged=False))
        self.assertNotIn("restricted", self.shown(node, given_up))
        wait_until("carried out", lambda: {e["here"] for e in self.erasures(node, given_up)} == {"done"})


class MovedTest(ErasureTest):
    def test_the_old_home_sees_that_the_new_one_was_asked_and_decides_about_its_own_data(self):
        made = self.cluster_of("BE", "SE")
        old, new = made["BE"], made["SE"]
        member, other = self.member(old), self.member(old, "E2")
        made.wait_equal()
        turn = lambda node: next((h["turn"] for h in node.get("/v1/handovers", "desk")["handovers"] if h["member"] == member), "nobody")
        step = lambda node, what, **body: node.post("/v1/members/%s/handover/%s" % (member, what), body, 200)
        step(old, "offer", to="SE")
        wait_until("offered", lambda: turn(new) == "we_accept")
        step(new, "accept", office=new.city, shares=1)
        wait_until("accepted", lambda: turn(old) == "we_complete")
        step(old, "complete", activities="closed")
        wait_until("received", lambda: (turn(old), turn(new)) == ("nobody", "nobody"))
        asked = lambda: old.get("/v1/retention", "desk")["asked_elsewhere"]
        self.assertEqual(asked(), [])
        etag = new.call("GET", "/v1/members/%s?unit=SE" % member).headers["ETag"]
        answer = new.call("POST", "/v1/members/%s/erase" % member, {"classes": ["contact", "identity"], "ground": "wrongly_held"},
                          headers={"If-Match": etag})
        self.assertEqual((answer.status, answer.json["erased"]), (200, ["identity", "contact"]), answer)
        wait_until("BE is told", asked)
        told, = asked()
        self.assertEqual((told["id"], told["unit"], told["ground"]), (member, "SE", "wrongly_held"))
        self.assertEqual([(o["class"], o["may_go"]) for o in told["own"]], [("identity", False), ("contact", True)])
        self.assertGreater(told["own"][0]["due"], told["on"])
        self.assertEqual(told["own"][0]["rule"], "register")
        text = run("retention", "--url", "http://127.0.0.1:%d" % old.http_port, env={"SMARTNODE_TOKEN": old.token()}).stdout
        self.assertIn("%s  moved; erased at SE on %s" % (member, told["on"]), text)
        self.assertIn("contact (may go now)", text)
        # Nothing was erased at the old home, until its desk says so; what must be kept is restricted.
        self.assertEqual(self.shown(old, member)["person"]["contact"]["email"], EMAIL)
        answer = self.order(old, member, ["contact", "identity"])
        self.assertEqual((answer["erased"], [r["class"] for r in answer["restricted"]]), (["contact"], ["identity"]))
        self.assertEqual(asked(), [])
        self.assertEqual(self.shown(old, other)["person"]["contact"]["email"], EMAIL)


class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.text = set(), ""

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)

    def handle_data(self, data):
        self.text += data


class ExportTest(ErasureTest):
    def test_a_person_gets_all_that_is_known_as_json_and_as_a_page(self):
        made = self.cluster_of("BE")
        node = made["BE"]
        attack = "<script>alert('x')</script>\"&"
        member = self.member(node, given=attack)
        answer = node.call("GET", "/v1/members/%s/export" % member)
        self.assertEqual(answer.status, 200, answer)
        known = answer.json
        self.assertEqual(known["schema"], "smartnode member export 1")
        self.assertEqual(known["identity"][0]["person"]["identity"]["given_name"], attack)
        self.assertEqual(known["contact"][0]["person"]["contact"]["email"], EMAIL)
        self.assertEqual(known["records"][0]["status"], "member")
        self.assertEqual(known["postings"], [])
        self.assertEqual(known["records"][0]["events"][0]["kind"], "member.admitted")
        page = node.call("GET", "/v1/members/%s/export" % member, headers={"Accept": "text/html"})
        self.assertEqual(page.type, "text/html")
        self.assertIn("default-src 'none'", page.headers["Content-Security-Policy"])
        style = page.body.split(b"<style>")[1].split(b"</style>")[0]
        self.assertIn("'sha256-%s'" % base64.b64encode(hashlib.sha256(style).digest()).decode(), page.headers["Content-Security-Policy"])
        self.assertNotIn(b"<script", page.body)
        parsed = Page()
        parsed.feed(page.body.decode())
        self.assertIn(attack, parsed.text)
        self.assertIn("Given name", parsed.text)
        self.assertNotIn("script", parsed.tags)
        path = os.path.join(made.folder, "known.html")
        run("member", "export", member, "--html", path, "--url", "http://127.0.0.1:%d" % node.http_port,
            env={"SMARTNODE_TOKEN": node.token()})
        with open(path, encoding="utf-8") as file:
            self.assertIn("&lt;script&gt;", file.read())

    def test_nobody_exports_another_member(self):
        made = self.cluster_of("BE")
        node = made["BE"]
        mine, other = self.member(node, "X1"), self.member(node, "X2")
        node.stop()
        token = run("token", "create", "--data", node.data, "--role", "member", "--member", mine, "--minutes", "60").stdout.strip()
        node.start()
        node.tokens["member"] = token
        self.assertEqual(node.call("GET", "/v1/members/%s/export" % mine, role="member").status, 200)
        self.assertEqual(node.call("GET", "/v1/members/%s/export" % other, role="member").status, 404)  # nothing of anybody else is there for it


if __name__ == "__main__":
    unittest.main()
