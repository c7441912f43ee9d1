"""A desk without a portal: the commands member, activity, invoice, period and report on a running node, as people type them, and as
programs read them (--json, --csv, exit status)."""

import csv
import io
import json
import os
import unittest

import cluster
from cluster import Cluster, run


class DeskTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster("BE")
        cls.addClassCleanup(cls.cluster.close)
        cls.node = cls.cluster["BE"]
        cls.tokens = {}
        for role in ("desk", "operator", "reports"):
            cls.tokens[role] = os.path.join(cls.cluster.folder, role)
            with open(cls.tokens[role], "w", encoding="ascii") as file:
                file.write(cls.node.token(role) + "\n")

    def do(self, *args, status=0, role="desk"):
        return run(*args, "--data", self.node.data, "--token-file", self.tokens[role], status=status)

    def json(self, *args, role="desk"):
        return json.loads(self.do(*args, "--json", role=role).stdout)

    def read(self, *args):
        """What needs no token: it is read from the data directory."""
        return run(*args, "--data", self.node.data)

    def refused(self, text, *args, status=1, role="desk"):
        done = self.do(*args, status=status, role=role)
        self.assertIn(text, done.stderr)
        self.assertEqual(done.stdout, "")

    def admit(self, *more):
        return self.json("member", "admit", "--type", "natural", "--category", "A", "--office", "Brussel", "--shares", 2, "--on",
                         "2024-01-10", "--given-name", "Ilse", "--family-name", "Vandermeersch", *more)["id"]

    def history(self, member):
        return self.json("member", "show", member, "--history")["events"]

    @staticmethod
    def name(event):
        return "%s.%d" % (event["log"][:12], event["seq"])

    # ---- members ----

    def test_shares_of_somebody_who_left_are_repaid_in_the_decimals_of_the_currency(self):
        member = self.admit()
        self.do("member", "resign", member, "--on", "2024-06-30")
        self.assertIn("60.00 EUR for 2 shares", self.do("member", "show", member).stdout)
        self.refused("--amount", "member", "repay", member, "--shares", 1, "--amount", "30.001")
        self.do("member", "repay", member, "--shares", 1, "--amount", "30,00", "--on", "2024-07-01", "--note", "by transfer")
        self.assertEqual(self.json("member", "show", member)["owed"], [{"shares": 1, "amount_minor": 3000, "currency": "EUR"}])
        self.do("member", "repay", member, "--shares", 1, "--on", "2024-07-02")
        self.assertNotIn("owed", self.json("member", "show", member))

    def test_a_command_with_the_same_key_is_done_once(self):
        member = self.admit()
        for words in (("member", "change", member, "--city", "Gent"), ("member", "resign", member, "--on", "2024-06-30"),
                      ("member", "repay", member, "--shares", 1)):
            first, again = (self.json(*words, "--idempotency-key", "once-" + words[1]) for _ in range(2))
            self.assertEqual(first, again)
        self.assertEqual(4, len(self.history(member)))
        self.refused("another request", "member", "repay", member, "--shares", 2, "--idempotency-key", "once-repay")

    def test_an_entry_is_corrected_and_cancelled_by_its_name_in_the_history(self):
        member = self.admit()
        self.do("member", "subscribe", member, "--shares", 5, "--on", "2024-03-01")
        subscribed = self.history(member)[-1]
        shown = self.do("member", "show", member, "--history").stdout
        self.assertIn(self.name(subscribed), shown)
        self.do("member", "correct", member, "--event", self.name(subscribed), "--shares", 3)
        self.assertEqual(self.json("member", "show", member)["shares"], 5)
        corrected = self.history(member)
        self.assertEqual([e["outcome"] for e in corrected if e["kind"] == "shares.subscribed"], ["replaced", "applied"])
        self.assertEqual({e["effective_on"] for e in corrected[1:]}, {"2024-03-01"})
        self.do("member", "cancel", member, "--event", self.name(corrected[-1]))
        self.assertEqual(self.json("member", "show", member)["shares"], 2)
        self.refused("there is no such event", "member", "cancel", member, "--event", "0" * 12 + ".9")
        self.refused("named as its history shows", "member", "cancel", member, "--event", "last")
        self.refused("needs --event", "member", "correct", member, status=2)

    def test_a_company_has_representatives_until_they_end(self):
        company = self.json("member", "admit", "--type", "legal", "--category", "C", "--office", "Brussel", "--shares", 1, "--on",
                            "2024-01-10", "--legal-name", "Verzonnen BV")["id"]
        self.do("member", "representative", company, "--given-name", "Jan", "--family-name", "Maes", "--on", "2024-02-01")
        listed = self.do("member", "representatives", company).stdout
        self.assertIn("Jan Maes", listed)
        self.do("member", "end-representative", company, "--representative", listed.split()[0], "--on", "2024-03-01")
        self.assertEqual(self.json("member", "representatives", company)["representatives"], [])

    def test_consents_and_names_are_kept_with_their_dates(self):
        member = self.admit()
        self.do("member", "consent", member, "--purpose", "newsletter", "--text-version", "2024-1", "--on", "2024-02-01")
        self.assertIn("newsletter since 2024-02-01", self.do("member", "show", member).stdout)
        self.do("member", "withdraw-consent", member, "--purpose", "newsletter", "--on", "2024-05-01")
        self.assertNotIn("consents", self.json("member", "show", member))
        self.do("member", "change", member, "--family-name", "Maes", "--given-name", "Ilse", "--on", "2024-04-01")
        lines = self.do("member", "names", member).stdout.splitlines()
        self.assertEqual([line.split() for line in lines], [["2024-01-10", "Ilse", "Vandermeersch"], ["2024-04-01", "Ilse", "Maes"]])

    def test_two_records_of_one_person_are_merged_and_the_merge_is_undone(self):
        one, other = self.admit(), self.admit()
        self.refused("into", "member", "merge", one, "--into", one, "--on", "2024-05-01")
        self.do("member", "merge", one, "--into", other, "--on", "2024-05-01")
        self.assertEqual(self.json("member", "show", one)["merged_into"], other)
        self.assertEqual(self.json("member", "show", other)["shares"], 4)
        self.do("member", "unmerge", one)
        self.assertEqual([self.json("member", "show", m)["shares"] for m in (one, other)], [2, 2])
        self.refused("not merged", "member", "unmerge", one)

    # ---- work ----

    def test_work_goes_from_opening_to_credit_note_and_back(self):
        self.admit("--member-no", "D-1")
        made = self.do("activity", "open", "--member-no", "D-1", "--sector", "music", "--culture", "--number", "DP-1", "--on", "2024-02-03",
                       "--text", "Concerts").stdout
        activity = made.split()[2].rstrip(",")
        self.refused("another activity", "activity", "open", "--member-no", "D-1", "--sector", "music", "--number", "DP-1", "--on",
                     "2024-02-03")
        self.do("activity", "change", activity, "--sector", "photography", "--on", "2024-04-01")
        self.assertIn("DP-1", self.do("activity", "list").stdout)
        shown = self.json("activity", "show", "--number", "dp 1")
        self.assertEqual((shown["id"], shown["sector_name"], shown["culture"]), (activity, "photography", True))
        invoice = self.json("invoice", "issue", "--activity-no", "DP-1", "--amount", "1250,50", "--number", "D-118", "--client",
                            "Verzonnen VZW", "--on", "2024-05-06")["id"]
        text = self.do("invoice", "show", invoice).stdout
        for line in ("amount                1 250.50 EUR", "contribution          81.28 EUR", "client                Verzonnen VZW"):
            self.assertIn(line, text)
        self.do("invoice", "correct", invoice, "--amount", "1000")
        self.do("invoice", "credit", invoice, "--amount", "250", "--on", "2024-06-01")
        self.assertEqual(self.json("invoice", "show", invoice)["credited_minor"], 25000)
        credit = next(e for e in self.json("invoice", "show", invoice)["events"] if e["kind"] == "invoice.credited")
        self.do("invoice", "cancel", invoice, "--event", self.name(credit))
        self.assertEqual(self.json("invoice", "show", invoice)["credit_notes"], 0)
        self.assertIn("1 000.00 EUR", self.do("invoice", "list", "--month", "2024-05").stdout)
        self.do("invoice", "cancel", invoice)
        self.assertEqual(self.json("invoice", "show", "--number", "D-118")["status"], "cancelled")
        self.do("activity", "close", activity, "--on", "2024-12-01")
        self.assertEqual(self.json("activity", "show", activity)["status"], "closed")
        closing = self.json("activity", "show", activity)["events"][-1]
        self.do("activity", "cancel", activity, "--event", self.name(closing))
        self.assertEqual(self.json("activity", "show", activity)["status"], "open")

    def test_a_page_ends_with_how_to_go_on(self):
        self.admit("--member-no", "D-2")
        for i in range(3):
            self.do("activity", "open", "--member-no", "D-2", "--sector", "research", "--number", "page-%d" % i, "--on", "2024-02-03")
        seen, more = [], ()
        while more is not None:
            lines = self.do("activity", "list", "--limit", 2, *more).stdout.splitlines()
            seen += [line.split()[0] for line in lines if not line.startswith(("…", "none"))]
            more = ("--after", lines[-1].split()[-1]) if lines[-1].startswith("…") else None
        self.assertEqual(len(seen), len(set(seen)))
        found = {a["id"] for a in self.json("activity", "list", "--limit", 500)["activities"]}
        self.assertEqual(set(seen), found)

    def test_wrong_usage_is_told_before_anybody_is_asked(self):
        for args in (("activity", "fly"), ("activity", "open"), ("activity", "show"), ("activity", "close", "x"), ("invoice", "issue"),
                     ("invoice", "list", "x"), ("invoice", "credit"), ("period",), ("period", "close"), ("period", "show", "24"),
                     ("member", "repay", "0" * 32), ("member", "merge", "0" * 32, "--into", "x"), ("report", "work"),
                     ("report", "activity"), ("report", "shares", "--by", "category")):
            done = run(*args, "--url", "http://127.0.0.1:1", status=2) if args[0] != "report" else run(*args, status=2)
            self.assertIn("smartnode", done.stderr, args)
        self.assertEqual(run("activity", "list", "--url", "http://127.0.0.1:1", "--token-file", self.tokens["desk"], status=4).stdout, "")
        for command in ("member", "activity", "invoice", "period", "report"):
            self.assertIn("Examples:", run(command, "--help").stdout)

    # ---- years and reports ----

    def test_a_closed_year_is_shown_with_what_has_changed_since(self):
        self.refused("not for the role desk", "period", "close", 2018)
        self.do("period", "close", 2018, role="operator")
        self.refused("closed", "period", "close", 2018, role="operator")
        self.assertIn("as it was fixed", self.read("period", "list").stdout)
        self.refused("2018", "member", "admit", "--type", "natural", "--category", "A", "--office", "Brussel", "--shares", 1, "--on",
                     "2018-05-01", "--family-name", "Late")
        self.do("member", "admit", "--type", "natural", "--category", "A", "--office", "Brussel", "--shares", 1, "--on", "2018-05-01",
                "--family-name", "Late", "--adjusts-closed")
        self.assertIn("figures differ today", self.read("period", "list").stdout)
        shown = json.loads(self.read("period", "show", 2018, "--json").stdout)
        self.assertIn({"figure": "capital_minor", "currency": "EUR", "closed": 0, "now": 3000}, shown["adjustments"])
        self.assertIn("30.00", self.read("period", "show", 2018).stdout)
        self.assertIn("2018 was closed on", self.read("report", "members", "--as-of", "2018-12-31").stdout)
        self.do("period", "close", 2018, "--again", role="operator")
        self.assertEqual(json.loads(self.read("period", "show", 2018, "--json").stdout)["adjustments"], [])
        self.assertIn("as it was fixed", self.read("period", "list").stdout)
        self.assertIn("is not closed", run("period", "show", 2017, "--data", self.node.data, status=1).stderr)

    def test_reports_of_work_and_shares_say_the_same_to_people_and_programs(self):
        self.admit("--member-no", "D-3")
        self.do("activity", "open", "--member-no", "D-3", "--sector", "journalism", "--number", "DP-3", "--on", "2024-08-01")
        self.do("invoice", "issue", "--activity-no", "DP-3", "--amount", "1234.56", "--on", "2024-08-15")
        self.do("invoice", "issue", "--activity-no", "DP-3", "--amount", "5000", "--currency", "HUF", "--on", "2024-08-15")
        asked = ("report", "activity", "--from", "2024-08-01", "--to", "2024-08-31", "--by", "sector", "--each", "month")
        rows = [r for r in json.loads(self.read(*asked, "--json").stdout)["rows"] if r["sector_name"] == "journalism"]
        money = {r["currency"]: (r["turnover_minor"], r["invoices"]) for r in rows if "currency" in r}
        self.assertEqual(money, {"EUR": (123456, 1), "HUF": (500000, 1)})
        lines = [r for r in csv.DictReader(io.StringIO(self.read(*asked, "--csv").stdout)) if r["sector"] == "journalism"]
        self.assertEqual({r["currency"]: r["turnover"] for r in lines if r["currency"]}, {"EUR": "1234.56", "HUF": "5000.00"})
        self.assertEqual({r["period"] for r in lines}, {"2024-08"})
        self.assertIn("1 234.56", self.read(*asked).stdout)

        api = self.node.get("/v1/reports/shares?limit=500")["operations"]
        own = json.loads(self.read("report", "shares", "--json").stdout)["operations"]
        self.assertEqual(own, api)
        sheet = list(csv.DictReader(io.StringIO(self.read("report", "shares", "--csv").stdout)))
        self.assertEqual([int(r["number"]) for r in sheet], [o["number"] for o in api])
        capital = json.loads(self.read("report", "members", "--json").stdout)["capital"]
        self.assertEqual(sum(o["minor"] for o in api if o["stands"]), sum(c["minor"] for c in capital))


if __name__ == "__main__":
    unittest.main()
