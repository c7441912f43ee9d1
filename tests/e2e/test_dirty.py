"""Dirty files: 80 kinds of mistakes that registers make, each in a row of its own between right ones. An import takes exactly the right rows
and gives field and reason for every other one, twice in a row; the rejected rows, mended, are imported from the file that names them. A file
NAME.expected.csv beside each lists its mistakes: row, field, reason."""

import csv
import json
import os
import shutil
import tempfile
import unittest

import cluster
from cluster import run

MEMBER = {"member_no": "", "type": "natural", "category": "A", "given_name": "Ann", "family_name": "Maes", "legal_name": "",
          "birth_date": "1980-02-29", "language": "nl", "email": "ann@example.be", "phone": "+32 470 12 34 56", "street": "Hoogstraat 1",
          "postcode": "9000", "city": "Gent", "country": "BE", "iban": "BE71 0961 2345 6769", "office": "Brussel", "applied_on": "",
          "admitted_on": "2020-03-01", "refused_on": "", "shares": "1", "left_on": "", "left_reason": ""}
ACTIVITY = {"activity_no": "", "member_no": "M-1", "sector": "music", "culture": "yes", "office": "", "text": "Trio",
            "opened_on": "2021-01-10", "closed_on": ""}
INVOICE = {"invoice_no": "", "op": "", "credits_no": "", "activity_no": "A-1", "date": "2022-04-05", "sector": "", "amount": "100.00",
           "currency": "", "rate": "", "contribution": "", "client": "Atelier", "text": "Concert", "cancelled": ""}

# What stands in the register before, to be contradicted and referred to.
MEMBERS_BEFORE = [dict(MEMBER, member_no="M-1"), dict(MEMBER, member_no="M-2", left_on="2023-06-30", left_reason="resigned")]
ACTIVITIES_BEFORE = [dict(ACTIVITY, activity_no="A-1"), dict(ACTIVITY, activity_no="A-2", closed_on="2023-02-01"),
                     dict(ACTIVITY, activity_no="A-3", member_no="M-2")]
INVOICES_BEFORE = [dict(INVOICE, invoice_no="I-1"), dict(INVOICE, invoice_no="I-2", cancelled="yes")]

# What is wrong; the field and the reason that the import must give.
MEMBERS = [
    ({"admitted_on": "2024-02-30"}, "admitted_on", "no such day"),
    ({"admitted_on": "March 2024"}, "admitted_on", "not a date"),
    ({"admitted_on": "01.03.24"}, "admitted_on", "four digits"),
    ({"admitted_on": "1999-12-31"}, "admitted_on", "no share price"),
    ({"admitted_on": ""}, "admitted_on", "missing"),
    ({"applied_on": "2020-03-02"}, "admitted_on", "before applied_on"),
    ({"refused_on": "2020-04-01"}, "refused_on", "admitted as well"),
    ({"office": "Atlantis"}, "office", "no such office"),
    ({"office": "Oud"}, "office", "closed on that day"),
    ({"office": ""}, "office", "missing"),
    ({"category": "D"}, "category", "only A, B and C"),
    ({"type": "company"}, "type", "only natural and legal"),
    ({"type": "legal", "category": "C"}, "legal_name", ""),
    ({"type": "legal", "legal_name": "Atelier", "given_name": "", "family_name": "", "birth_date": ""}, "category", ""),
    ({"shares": "0"}, "shares", "at least one share"),
    ({"shares": "two"}, "shares", "not a whole number"),
    ({"shares": "1000001"}, "shares", "more than"),
    ({"shares": ""}, "shares", "missing"),
    ({"family_name": ""}, "family_name", ""),
    ({"given_name": "Andr\ufffd"}, "given_name", ""),
    ({"street": "Hoogstraat 1\nbus 2"}, "street", ""),
    ({"birth_date": "2093-05-17"}, "birth_date", "future"),
    ({"email": "ann.example.be"}, "email", ""),
    ({"phone": "ask Jan"}, "phone", ""),
    ({"country": "BEL"}, "country", "two letters"),
    ({"iban": "BE72 0961 2345 6769"}, "iban", "check digits"),
    ({"left_on": "2019-12-31", "left_reason": "resigned"}, "left_on", "before admitted_on"),
    ({"left_reason": "resigned"}, "left_on", "missing although"),
    ({"left_on": "2023-01-31"}, "left_reason", "missing although"),
    ({"left_on": "2023-01-31", "left_reason": "retired"}, "left_reason", "no such reason"),
    ({"member_no": ""}, "member_no", "missing"),
    ({"member_no": "--"}, "member_no", "no letter or digit"),
    ({"member_no": "R-1"}, "member_no", "the same as in row 1"),
    ({"member_no": "r 1"}, "member_no", "the same as in row 1"),
    ({"member_no": "M-1", "category": "B"}, "category", "another category"),
    ({"member_no": "M-2", "admitted_on": "2020-03-02"}, "admitted_on", "another admitted_on"),
]
ACTIVITIES = [
    ({"member_no": "M-99"}, "member_no", "no member has it"),
    ({"member_no": ""}, "member_no", "missing"),
    ({"sector": "juggling"}, "sector", ""),
    ({"sector": ""}, "sector", "missing"),
    ({"culture": "maybe"}, "culture", ""),
    ({"office": "Atlantis"}, "office", "no such office"),
    ({"opened_on": ""}, "opened_on", "missing"),
    ({"opened_on": "2021-02-30"}, "opened_on", "no such day"),
    ({"opened_on": "2019-01-10"}, "member_no", ""),
    ({"closed_on": "2020-12-31"}, "closed_on", "before opened_on"),
    ({"activity_no": "/"}, "activity_no", "no letter or digit"),
    ({"activity_no": "R-1", "text": "Quartet"}, "activity_no", "the same as in row 1"),
    ({"activity_no": "A-1", "sector": "photography"}, "sector", "another sector"),
    ({"activity_no": "A-2", "closed_on": "2023-03-01"}, "closed_on", "another closed_on"),
    ({"text": "x" * 300}, "text", "longer than"),
]
INVOICES = [
    ({"activity_no": "A-99"}, "activity_no", "no activity has it"),
    ({"activity_no": ""}, "activity_no", "missing"),
    ({"activity_no": "A-2", "date": "2023-03-05"}, "activity_no", "closed"),
    ({"activity_no": "A-3", "date": "2023-09-05"}, "activity_no", ""),
    ({"date": "2020-12-31"}, "activity_no", "not open"),
    ({"date": "2999-01-01"}, "date", ""),
    ({"date": ""}, "date", "missing"),
    ({"amount": ""}, "amount", "missing"),
    ({"amount": "0"}, "amount", "zero"),
    ({"amount": "-5.00"}, "amount", "negative"),
    ({"amount": "12.345"}, "amount", ""),
    ({"amount": "1.000.000.000.000,00"}, "amount", ""),
    ({"amount": "12 EUR and a half"}, "amount", ""),
    ({"currency": "EURO"}, "currency", "three capital letters"),
    ({"rate": "101"}, "rate", ""),
    ({"contribution": "9.00"}, "contribution", "rounding"),
    ({"contribution": "101.00"}, "contribution", "more than the amount"),
    ({"op": "invoice.lose"}, "op", "no such operation"),
    ({"credits_no": "I-1"}, "credits_no", "only a credit note"),
    ({"cancelled": "perhaps"}, "cancelled", ""),
    ({"invoice_no": "R-1", "amount": "7.00"}, "invoice_no", "the same as in row 1"),
    ({"invoice_no": "I-1", "amount": "7.00"}, "amount", "another amount"),
    ({"op": "invoice.credit", "credits_no": "I-99", "activity_no": ""}, "credits_no", "no invoice has it"),
    ({"op": "invoice.credit", "activity_no": ""}, "credits_no", "missing"),
    ({"op": "invoice.credit", "credits_no": "I-1", "activity_no": "", "amount": "100.01"}, "amount", "left to be credited"),
    ({"op": "invoice.credit", "credits_no": "I-1", "activity_no": "", "currency": "SEK"}, "currency", "the invoice is in EUR"),
    ({"op": "invoice.credit", "credits_no": "I-2", "activity_no": ""}, "credits_no", "was cancelled"),
    ({"op": "invoice.credit", "credits_no": "I-1", "activity_no": "", "sector": "music"}, "sector", "of its invoice"),
]


class Dirty(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="smartnode-dirty-")

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def setUp(self):
        folder = tempfile.mkdtemp(dir=self.folder)
        self.node = cluster.Node(folder, "BE", listens=False).init()
        self.path = lambda name: os.path.join(folder, name)
        self.write("offices.csv", [
            {"op": "open", "name": "Oud", "city": "Gent", "country": "BE", "effective_on": "2017-01-01"},
            {"op": "close", "name": "Oud", "city": "", "country": "", "effective_on": "2019-01-01"}])
        self.write("members.csv", MEMBERS_BEFORE)
        self.write("activities.csv", ACTIVITIES_BEFORE)
        self.write("invoices.csv", INVOICES_BEFORE)
        for name in ("offices", "members", "activities", "invoices"):
            got = self.imported(name + ".csv")
            self.assertEqual((got["imported"], got["rejected"]), (got["rows"], 0), name)

    def write(self, name, rows, tail=""):
        with open(self.path(name), "w", encoding="utf-8", newline="") as file:
            out = csv.DictWriter(file, list(rows[0]))
            out.writeheader()
            out.writerows(rows)
            file.write(tail)

    def imported(self, name, *more, status=0):
        return json.loads(run("import", "--data", self.node.data, "--json", *more, self.path(name), status=status).stdout)

    def rejected(self, got):
        with open(got["rejected_file"], encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def check(self, kind, right, number, mistakes):
        """Every mistake stands between two right rows; row 1 is right and has the number R-1."""
        rows, expected = [dict(right, **{number: "R-1"})], []
        for i, (wrong, field, reason) in enumerate(mistakes):
            rows.append(dict(dict(right, **{number: "D-%d" % i}), **wrong))
            expected.append({"row": str(len(rows)), "field": field, "reason": reason})
            rows.append(dict(right, **{number: "R-%d" % (i + 2)}))
        self.write(kind + "-dirty.csv", rows)
        self.write(kind + "-dirty.expected.csv", expected)
        for turn in range(3):
            dry = ["--dry-run"] if turn == 0 else []
            got = self.imported(kind + "-dirty.csv", "--type", kind, *dry, status=3)
            self.assertEqual(got["rejected"], len(mistakes), self.rejected(got))
            self.assertEqual(got["already_there" if turn == 2 else "imported"], len(mistakes) + 1)
            for want, have in zip(expected, self.rejected(got)):
                self.assertEqual((have["error_row"], have["error_field"]), (want["row"], want["field"]), have["error_reason"])
                self.assertIn(want["reason"], have["error_reason"])
                self.assertNotEqual(have["error_reason"], "")
        self.mend(got, kind, right, number)

    def mend(self, got, kind, right, number):
        """In the very file that the import wrote, error columns and all."""
        rows = self.rejected(got)
        for i, row in enumerate(rows):
            row.update(dict(right, **{number: "Mended-%d" % i}))
        self.write(kind + "-mended.csv", rows)
        again = self.imported(kind + "-mended.csv", "--type", kind)
        self.assertEqual((again["imported"], again["rejected"]), (len(rows), 0))

    def test_members(self):
        self.check("members", MEMBER, "member_no", MEMBERS)

    def test_activities(self):
        self.check("activities", ACTIVITY, "activity_no", ACTIVITIES)

    def test_invoices(self):
        self.check("invoices", INVOICE, "invoice_no", INVOICES)

    def test_there_are_forty_kinds_at_least(self):
        kinds = [(of, tuple(sorted(wrong.items()))) for of, list_ in enumerate((MEMBERS, ACTIVITIES, INVOICES)) for wrong, _, _ in list_]
        self.assertEqual(len(kinds), len(set(kinds)))
        self.assertGreaterEqual(len(kinds), 40)

    def test_rows_that_are_no_rows(self):
        """Too many fields, too few, and a quote that is never closed."""
        self.write("members-torn.csv", [dict(MEMBER, member_no="T-1")])
        with open(self.path("members-torn.csv"), encoding="utf-8") as file:
            head, row = file.read().splitlines()[:2]
        lines = [head, row.replace("T-1", "T-2"), row.replace("T-1", "T-3") + ",surplus", row.replace("T-1", "T-4").rsplit(",", 1)[0],
                 row.replace("T-1", "T-5").replace("Hoogstraat", '"Hoogstraat'), row.replace("T-1", "T-6")]
        with open(self.path("members-torn.csv"), "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        got = self.imported("members-torn.csv", status=3)
        self.assertEqual((got["imported"], got["rejected"]), (2, 3))
        with open(got["rejected_file"], encoding="utf-8") as file:
            text = file.read()
        for reason in ("23 fields", "21 fields", "quote"):
            self.assertIn(reason, text)

    def test_equal_rows_without_a_number_are_as_many_as_they_are(self):
        rows = [dict(INVOICE, date="2022-05-05")] * 3 + [dict(INVOICE, date="2022-05-06")]
        self.write("invoices-equal.csv", rows[:2] + rows[3:])
        got = self.imported("invoices-equal.csv")
        self.assertEqual((got["imported"], got["already_there"]), (3, 0))
        self.write("invoices-equal.csv", rows)
        got = self.imported("invoices-equal.csv")
        self.assertEqual((got["imported"], got["already_there"]), (1, 3))

    def test_an_activity_without_a_number_is_known_again_among_many_invoices(self):
        self.write("activities-one.csv", [dict(ACTIVITY, activity_no="", text="Without a number")])
        self.assertEqual(self.imported("activities-one.csv")["imported"], 1)
        self.write("invoices-many.csv", [dict(INVOICE, invoice_no="N-%d" % i, date="2022-05-05") for i in range(300)])
        self.assertEqual(self.imported("invoices-many.csv")["imported"], 300)
        got = self.imported("activities-one.csv")
        self.assertEqual((got["imported"], got["already_there"]), (0, 1))

    def test_all_or_nothing_writes_nothing_for_one_wrong_row(self):
        self.write("members-few.csv", [dict(MEMBER, member_no="F-1"), dict(MEMBER, member_no="F-2", category="D")])
        got = self.imported("members-few.csv", "--all-or-nothing", status=3)
        self.assertEqual((got["imported"], got["rejected"], got["written"]), (1, 1, False))
        self.write("members-few.csv", [dict(MEMBER, member_no="F-1"), dict(MEMBER, member_no="F-2")])
        got = self.imported("members-few.csv", "--all-or-nothing")
        self.assertEqual((got["imported"], got["already_there"], got["written"]), (2, 0, True))

    def test_a_dry_run_sees_what_earlier_rows_would_make(self):
        rows = [dict(INVOICE, invoice_no="S-1"), dict(INVOICE, invoice_no="S-2", op="invoice.credit", credits_no="S-1", activity_no="",
                                                      amount="60.00"),
                dict(INVOICE, invoice_no="S-3", op="invoice.credit", credits_no="S-1", activity_no="", amount="60.00")]
        self.write("invoices-serial.csv", rows)
        trial = self.imported("invoices-serial.csv", "--dry-run", status=3)
        self.assertEqual((trial["imported"], trial["rejected"]), (2, 1))
        real = self.imported("invoices-serial.csv", status=3)
        self.assertEqual((real["imported"], real["rejected"]), (2, 1))
        self.assertEqual([r["error_reason"] for r in self.rejected(trial)], [r["error_reason"] for r in self.rejected(real)])


if __name__ == "__main__":
    unittest.main()
