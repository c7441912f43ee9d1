"""recount.py against figures that were counted by hand: nine people, three activities, eight documents."""

import os
import tempfile
import unittest

import recount

UNIT = """effective_on,name,country,currency,languages,time_zone,rate,share_price
2017-01-01,Smart,BE,EUR,nl,Europe/Brussels,6.5,30.00
2024-01-01,Smart,BE,EUR,nl fr,Europe/Brussels,6.5,35.00
"""
OFFICES = """office,op,name,city,country,effective_on
0a,open,Gent,Gent,BE,2017-01-01
0b,open,Luik,Luik,BE,2017-01-01
"""
# ann: stays · bob: moves, leaves, is repaid in two parts and less, comes back · cat: changes category · dan: applies, is refused · eve: asks,
# is refused, asks, goes · fay and fae: one person, fay is given up · gus: dies · law: a legal person, is excluded, pays in kronor
OPERATIONS = """id,member_no,op,effective_on,category,person_type,office,shares,share_price,amount,currency,other
ann,1,member.admit,2023-01-10,A,natural,Gent,2,30.00,,EUR,
bob,2,member.admit,2023-01-10,A,natural,Gent,3,,,,
cat,3,member.admit,2023-05-01,A,natural,Luik,1,30.00,,EUR,
bob,2,member.data,2023-06-01,,,Luik,,,,,
bob,2,member.data,2023-06-02,,,Luik,,,,,
ann,1,member.data,2023-06-02,,,,,,,,
cat,3,member.category,2024-02-01,B,,,,,,,
dan,4,member.apply,2024-02-01,A,natural,Gent,,,,,
dan,4,member.data,2024-02-02,,,Luik,,,,,
dan,4,member.refuse,2024-02-03,,,,,,,,
eve,5,member.admit,2023-12-31,A,natural,Luik,1,30.00,,EUR,
eve,5,member.withdrawal,2024-03-01,,,,,,,,
eve,5,member.withdrawal.refuse,2024-03-02,,,,,,,,
eve,5,member.withdrawal,2024-03-03,,,,,,,,
eve,5,member.withdrawal.grant,2024-03-31,,,,,,,,
bob,2,member.resign,2024-03-01,,,,,,,,
bob,2,member.repay,2024-04-01,,,,1,,30.00,EUR,
bob,2,member.data,2024-04-15,,,Gent,,,,,
bob,2,member.repay,2024-05-01,,,,2,,50.00,EUR,
bob,2,member.admit,2024-06-01,A,natural,Gent,1,35.00,,EUR,
fay,6,member.admit,2024-01-15,A,natural,Gent,1,35.00,,EUR,
fae,7,member.admit,2024-01-16,A,natural,Luik,2,35.00,,EUR,
fay,6,member.merge,2024-07-01,,,,,,,,fae
fae,7,member.resign,2024-08-01,,,,,,,,
gus,8,member.admit,2024-01-17,A,natural,Luik,1,,,,
gus,8,member.withdrawal,2024-01-18,,,,,,,,
gus,8,member.death,2024-01-19,,,,,,,,
law,9,member.admit,2024-01-20,C,legal,Luik,10,350.50,,SEK,
law,9,member.representative,2024-01-20,,,,,,,,ann
law,9,member.shares,2024-01-21,,,,1,,,,
law,9,member.exclude,2024-12-31,,,,,,,,
"""
ACTIVITIES = """activity,activity_no,id,member_no,op,effective_on,sector,culture,office,text
one,A1,ann,1,activity.open,2024-01-05,music,yes,Gent,'-songs
two,A2,fay,6,activity.open,2024-02-05,500,no,Luik,
one,A1,ann,1,activity.change,2024-03-01,music,no,Gent,
two,A2,fay,6,activity.close,2024-03-20,,,,
six,A3,fae,7,activity.open,2024-03-01,music,yes,Gent,
"""
INVOICES = """invoice,invoice_no,op,credits_no,activity,activity_no,date,sector,culture,office,amount,currency,rate,contribution,cancelled
i1,1,invoice.issue,,one,A1,2024-01-31,music,yes,Gent,1000.00,EUR,6.5,65.00,
i2,2,invoice.issue,,two,A2,2024-02-05,500,no,Luik,100.10,EUR,6.5,6.51,
i3,3,,,six,A3,2024-03-05,music,yes,Gent,200,SEK,6.5,13,
i1,C1,invoice.credit,1,one,A1,2024-03-01,,,,250.00,EUR,,16.25,
,C2,invoice.credit,2,two,A2,2024-12-01,,,,0.10,EUR,,0.01,
i4,4,invoice.issue,,one,A1,2024-03-07,music,no,Gent,77.00,EUR,6.5,5.01,yes
i5,5,invoice.issue,,six,A3,2024-02-29,music,yes,Gent,300.00,EUR,6.5,19.50,
i6,6,invoice.issue,,one,A1,2023-12-31,music,yes,Gent,5.00,EUR,6.5,0.33,no
"""


def written(folder, **texts):
    names = {"unit": UNIT, "offices": OFFICES, "operations": OPERATIONS, "activity_operations": ACTIVITIES, "invoices": INVOICES}
    for name, text in dict(names, **texts).items():
        with open(os.path.join(folder, name + ".csv"), "w", encoding="utf-8") as file:
            file.write(text)
    return recount.Export(folder)


class CountedByHand(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="smartnode-recount-")
        self.addCleanup(self.folder.cleanup)
        self.export = written(self.folder.name)

    def test_members_of_a_day(self):
        self.assertEqual(recount.members(self.export, "2017-01-01"), {})
        self.assertEqual(recount.members(self.export, "2023-12-31"), {("", "", ""): 4})
        self.assertEqual(recount.members(self.export, "2024-02-29", ("category",)), {("A", "", ""): 5, ("B", "", ""): 1, ("C", "", ""): 1})
        self.assertEqual(recount.members(self.export, "2024-02-29", ("office", "person_type")), {
            ("", "0a", "natural"): 2, ("", "0b", "natural"): 4, ("", "0b", "legal"): 1})
        # Who leaves on a day is no member on it, who is admitted on it is.
        self.assertEqual(recount.members(self.export, "2024-03-01"), {("", "", ""): 6})
        self.assertEqual(recount.members(self.export, "2024-12-30"), {("", "", ""): 4})
        self.assertEqual(recount.members(self.export, "2024-12-31", ("category", "office", "person_type")), {
            ("A", "0a", "natural"): 2, ("B", "0b", "natural"): 1})

    def test_flows_between_days(self):
        cells, _ = recount.flows(self.export, "2023-01-01", "2023-12-31", ("office",))
        self.assertEqual(cells, {("", "0a", ""): {"joined": 2, "relocated_out": 1}, ("", "0b", ""): {"joined": 2, "relocated_in": 1}})
        cells, _ = recount.flows(self.export, "2024-01-01", "2024-12-31")
        self.assertEqual(cells, {("", "", ""): {
            "joined": 5, "resigned": 2, "withdrawn": 1, "excluded": 1, "deceased": 1, "changed_in": 1, "changed_out": 1, "merged": 1,
            "applied": 1, "refused": 1, "withdrawal_requested": 3, "withdrawal_refused": 1}})
        cells, _ = recount.flows(self.export, "2024-02-01", "2024-02-03", ("category", "office"))
        self.assertEqual(cells, {("A", "0b", ""): {"changed_out": 1, "refused": 1}, ("B", "0b", ""): {"changed_in": 1},
                                 ("A", "0a", ""): {"applied": 1}})
        self.assertEqual(recount.flows(self.export, "2024-09-01", "2024-12-30"), ({}, {}))

    def test_capital_of_a_day_and_what_moved_it(self):
        self.assertEqual(recount.capital(self.export, "2023-12-31"), {"EUR": {"shares": 7, "minor": 21000}})
        # bob is owed 90, gus 35.
        self.assertEqual(recount.capital(self.export, "2024-03-01"), {
            "EUR": {"shares": 8, "minor": 26000, "owed_minor": 12500}, "SEK": {"shares": 10, "minor": 350500}})
        # bob was repaid 30 and 50, and lets 10 go.
        self.assertEqual(recount.capital(self.export, "2024-05-31")["EUR"], {"shares": 7, "minor": 23000, "owed_minor": 6500})
        self.assertEqual(recount.capital(self.export, "2024-12-31"), {
            "EUR": {"shares": 4, "minor": 12500, "owed_minor": 3000 + 3500 + 10500 + 3500}, "SEK": {"owed_minor": 350500}})
        _, money = recount.flows(self.export, "2024-03-31", "2024-07-01")
        self.assertEqual(money, {"EUR": {
            "shares_in": 1, "minor_in": 3500, "shares_out": 1, "minor_out": 3000, "shares_repaid": 3, "minor_repaid": 8000,
            "minor_forgone": 1000, "shares_merged_in": 1, "shares_merged_out": 1, "minor_merged_in": 3500, "minor_merged_out": 3500}})

    def test_activity_of_months_and_years(self):
        self.assertEqual(recount.activity(self.export, "2023-12", "2023-12"), {
            ("", "", "", ""): {"people": 1}, ("", "", "", "EUR"): {"invoices": 1, "turnover_minor": 500, "contribution_minor": 33}})
        self.assertEqual(recount.activity(self.export, "2024-03", "2024-03", ("sector", "culture")), {
            ("", "music", "yes", ""): {"activities_opened": 1, "activities_open": 1, "people": 1},
            ("", "music", "no", ""): {"activities_open": 1},
            ("", "500", "no", ""): {"activities_closed": 1},
            ("", "music", "yes", "EUR"): {"credit_notes": 1, "credited_minor": 25000, "contribution_back_minor": 1625},
            ("", "music", "yes", "SEK"): {"invoices": 1, "turnover_minor": 20000, "contribution_minor": 1300}})
        # fay and fae are one person: two people worked in 2024, not three; i4 was cancelled.
        self.assertEqual(recount.activity(self.export, "2024-01", "2024-12"), {
            ("", "", "", ""): {"activities_opened": 3, "activities_closed": 1, "activities_open": 2, "people": 2},
            ("", "", "", "EUR"): {"invoices": 3, "turnover_minor": 140010, "contribution_minor": 9101, "credit_notes": 2,
                                  "credited_minor": 25010, "contribution_back_minor": 1626},
            ("", "", "", "SEK"): {"invoices": 1, "turnover_minor": 20000, "contribution_minor": 1300}})
        by_currency = recount.activity(self.export, "2024-01", "2024-12", ("currency", "office"))
        self.assertEqual({cell: figures["people"] for cell, figures in by_currency.items() if "people" in figures}, {
            ("0a", "", "", "EUR"): 2, ("0b", "", "", "EUR"): 1, ("0a", "", "", "SEK"): 1})

    def test_people_are_not_added_up_over_months(self):
        for first, last in (("2024-01", "2024-02"), ("2023-12", "2024-11"), ("2023-01", "2024-12")):
            self.assertNotIn("people", str(recount.activity(self.export, first, last)))
        self.assertIn("people", str(recount.activity(self.export, "2024-02", "2024-02")))

    def test_rows_that_the_rules_do_not_allow_are_no_export(self):
        for line in ("ann,1,member.admit,2024-01-01,A,natural,Gent,1,30.00,,EUR,", "dan,4,member.resign,2024-05-01,,,,,,,,",
                     "bob,2,member.repay,2024-05-02,,,,1,,10.00,EUR,", "fay,6,member.data,2024-08-01,,,Luik,,,,,",
                     "cat,3,member.category,2024-03-01,B,,,,,,,", "ann,1,member.withdrawal.grant,2024-01-01,,,,,,,,",
                     "ann,1,member.merge,2024-01-01,,,,,,,,nobody", "ann,1,member.marry,2024-01-01,,,,,,,,",
                     "ann,1,member.shares,2016-01-01,,,,1,,,,"):
            with self.subTest(line=line), self.assertRaises(recount.BadExport):
                recount.members(written(self.folder.name, operations=OPERATIONS + line + "\n"), "2030-01-01")
        for line in ("two,A2,fay,6,activity.change,2024-04-01,music,no,Luik,", "one,A1,ann,1,activity.open,2024-04-01,music,no,Luik,",
                     "xxx,A9,ann,1,activity.close,2024-04-01,,,,"):
            with self.subTest(line=line), self.assertRaises(recount.BadExport):
                recount.activity(written(self.folder.name, activity_operations=ACTIVITIES + line + "\n"), "2024-01", "2030-12")
        for line in ("i4,C9,invoice.credit,4,one,A1,2024-04-01,,,,1.00,EUR,,0.07,", ",9,invoice.issue,,zzz,A9,2024-04-01,music,no,Gent,1.00,EUR,6.5,0.07,",
                     "i9,9,invoice.issue,,one,A1,2024-04-01,music,no,Gent,1.005,EUR,6.5,0.07,"):
            with self.subTest(line=line), self.assertRaises(recount.BadExport):
                recount.activity(written(self.folder.name, invoices=INVOICES + line + "\n"), "2024-01", "2024-12")


if __name__ == "__main__":
    unittest.main()
