"""What a node reports, against the same counted again from what it exports (recount.py, which shares nothing with it).

A generated register and its work come in by import; then everything else that happens to a register is done to it at random, refusals
included: who may do what is the node's to judge, and only what it took is in the export. Then every report is asked for over HTTP, as JSON
and as CSV, at random dates, for every month and year, and by every grouping. A seed gives the same work each time."""

import collections
import contextlib
import csv
import datetime
import io
import itertools
import json
import os
import random
import subprocess
import tempfile
import unittest
import urllib.parse

import cluster
import recount
from cluster import run

FIRST, LAST = datetime.date(2017, 1, 1), datetime.date(2025, 12, 31)
DATES = 200
MEMBERS_BY = ("category", "office", "person_type")
WORK_BY = ("office", "sector", "culture", "currency")


def subsets(names):
    return [by for n in range(len(names) + 1) for by in itertools.combinations(names, n)]


def a_day(rng, first=FIRST, last=LAST):
    return (first + datetime.timedelta(rng.randrange((last - first).days + 1))).isoformat()


# ---- doing things to a register ----


class Desk:
    """Sends operations in batches and remembers which of them the node took: (line, answer)."""

    def __init__(self, node, rng):
        self.node, self.rng = node, rng
        self.done = collections.defaultdict(list)
        self.refused = collections.Counter()
        self.made = 0

    def send(self, lines):
        """The lines that were taken, each with its answer."""
        taken = []
        for start in range(0, len(lines), 500):
            part = lines[start:start + 500]
            for line, answer in zip(part, self.node.batch(part), strict=True):
                if answer["status"] < 300:
                    taken.append((line, answer))
                    self.done[line["op"]].append((line, answer))
                elif answer["status"] in (404, 409) or answer["problem"].get("field") == "category":
                    self.refused[line["op"]] += 1
                else:
                    raise AssertionError("%r: %r" % (line, answer))
        return taken

    def number(self):
        self.made += 1
        return "N%05d" % self.made

    def some(self, things, n):
        return self.rng.sample(things, min(n, len(things)))

    def after(self, day, days=400):
        return min(datetime.date.fromisoformat(day) + datetime.timedelta(self.rng.randrange(days)), LAST).isoformat()

    def office(self):
        return self.rng.choice(self.node.offices)

    def new_person(self, legal=False):
        name = {"legal_name": "Atelier " + self.number()} if legal else {"given_name": "Ilse", "family_name": "Vandermeersch"}
        return {"identity": dict(name, member_no=self.number())}

    def price(self):
        """Shares at the unit's price, at one of old days, or paid for in another currency."""
        n = {"shares": self.rng.randrange(1, 9)}
        way = self.rng.randrange(4)
        if way > 1:
            n.update(share_price_minor=self.rng.randrange(1, 9999),
                     currency=self.node.currency if way == 2 else self.rng.choice(["EUR", "SEK", "HUF"]))
        return n

    # ---- members ----

    def applicants(self, n):
        came = self.send([{"op": "member.apply", "category": category, "person_type": "legal" if legal else "natural",
                           "office": self.office(), "effective_on": a_day(self.rng), "person": self.new_person(legal)}
                          for legal, category in ((False, "A"), (True, "C"), (False, "C"), (False, "B")) for _ in range(n // 4)])
        self.rng.shuffle(came)
        ids = [answer["id"] for _, answer in came]
        self.send([{"op": "member.data", "id": answer["id"], "office": self.office(), "effective_on": self.after(line["effective_on"], 40)}
                   for line, answer in came[:n // 3]])
        half = len(came) // 2
        self.send([{"op": "member.refuse", "id": answer["id"], "effective_on": self.after(line["effective_on"], 60)}
                   for line, answer in came[:half]])
        self.send([dict(self.price(), op="member.admit", id=answer["id"], category=line["category"], person_type=line["person_type"],
                        office=self.office(), effective_on=self.after(line["effective_on"], 60)) for line, answer in came[n // 4:]])
        self.send([{"op": "member.apply", "id": answer["id"], "category": "C", "person_type": line["person_type"], "office": self.office(),
                    "effective_on": self.after(line["effective_on"], 900)} for line, answer in came[:half]])
        legal = [answer["id"] for line, answer in came if line["person_type"] == "legal"]
        self.send([{"op": "member.representative", "id": who, "effective_on": a_day(self.rng, datetime.date(2024, 1, 1)),
                    "person": {"identity": {"given_name": "Ilse", "family_name": "Vandermeersch"}}} for who in legal])
        self.send([{"op": "member.representative.end", "id": who, "other": person["id"], "effective_on": "2025-12-31"}
                   for who in legal[::2]
                   for person in self.node.get("/v1/members/%s/representatives" % who, "desk")["representatives"]])
        return ids

    def changes(self, ids, n):
        rng = self.rng
        self.send([{"op": "member.category", "id": who, "category": rng.choice("ABC"), "effective_on": a_day(rng)}
                   for who in self.some(ids, n)])
        self.send([{"op": "member.data", "id": who, "office": self.office(), "effective_on": a_day(rng)} for who in self.some(ids, n)])
        self.send([dict(self.price(), op="member.shares", id=who, effective_on=a_day(rng)) for who in self.some(ids, n)])
        self.send([{"op": "member.consent", "id": who, "purpose": str(rng.randrange(1, 4)), "effective_on": a_day(rng)}
                   for who in self.some(ids, n // 3)])
        self.send([{"op": "member.consent.withdraw", "id": line["id"], "purpose": line["purpose"],
                    "effective_on": self.after(line["effective_on"])} for line, _ in self.done["member.consent"][::2]])
        asked = self.send([{"op": "member.withdrawal", "id": who, "effective_on": a_day(rng)} for who in self.some(ids, n)])
        self.send([{"op": "member.withdrawal." + rng.choice(["grant", "refuse"]), "id": line["id"],
                    "effective_on": self.after(line["effective_on"], 200)} for line, _ in asked[n // 5:]])
        for op in ("member.resign", "member.exclude", "member.death"):
            self.send([{"op": op, "id": who, "effective_on": a_day(rng)} for who in self.some(ids, n // 2)])

    def left(self, ids):
        """Of these who has left, with the day."""
        with contextlib.closing(self.node.http("desk")) as client:
            people = [client.call("GET", "/v1/members/" + who).json for who in ids]
        return [person for person in people if person["status"] == "left"]

    def repayments(self, ids, n):
        """In parts and as a whole, in full and for less; then some come back, and are repaid what is left from before."""
        rng = self.rng
        for _ in range(2):
            lines = []
            for person in self.left(self.some(ids, n)):
                for owed in person.get("owed", []):
                    part = rng.randrange(1, owed["shares"] + 1)
                    line = {"op": "member.repay", "id": person["id"], "shares": part, "currency": owed["currency"],
                            "effective_on": self.after(person["left_on"])}
                    if rng.randrange(3) == 0:
                        line["amount_minor"] = rng.randrange(owed["amount_minor"] // owed["shares"] * part + 1)
                    lines.append(line)
            self.send(lines)
            self.send([dict(self.price(), op="member.admit", id=person["id"], category=rng.choice("AC"),
                            person_type=person["person_type"], office=self.office(), effective_on=self.after(person["left_on"]))
                       for person in self.left(self.some(ids, n // 4))])
            self.send([{"op": "member.data", "id": person["id"], "office": self.office(),
                        "effective_on": self.after(person["left_on"])} for person in self.left(self.some(ids, n // 8))])

    def merges(self, ids, n):
        """Each record is in one merge, or in two that follow each other; some are undone."""
        pool = self.some(ids, 3 * n)
        merged = self.send([{"op": "member.merge", "id": pool[i], "other": pool[i + 1],
                             "effective_on": a_day(self.rng, datetime.date(2024, 1, 1))} for i in range(0, len(pool) - 1, 3)])
        after = dict(zip(pool, pool[1:]))
        merged += self.send([{"op": "member.merge", "id": line["other"], "other": after[line["other"]], "effective_on": "2025-12-30"}
                             for line, _ in merged[::3] if line["other"] in after])
        undone = self.send([{"op": "member.unmerge", "id": line["id"]} for line, _ in self.some(merged, 2 + n // 3)])
        self.send([{"op": "member.resign", "id": line["other"], "effective_on": "2025-12-31"} for line, _ in merged[::2]])
        return [line["id"] for line, _ in undone]

    def mend(self, n):
        """Corrections of entries, with other facts and dates, and of corrections; cancellations, also of what was corrected."""
        rng = self.rng
        for _ in range(2):
            lines = []
            for op in ("member.admit", "member.shares", "member.category", "member.data", "member.apply", "member.resign", "member.repay",
                       "member.withdrawal", "member.withdrawal.grant", "member.exclude"):
                for line, answer in self.some(self.done[op], n):
                    new = {key: value for key, value in line.items() if key not in ("person", "corrects")}
                    new.update(id=answer["id"], corrects={"log": answer["log"], "seq": answer["seq"]})
                    if "effective_on" in line and rng.randrange(2):
                        new["effective_on"] = a_day(rng)
                    if "category" in line and new.get("person_type") != "legal" and rng.randrange(2):
                        new["category"] = rng.choice("ABC")
                    if "office" in line:
                        new["office"] = self.office()
                    if op in ("member.admit", "member.shares"):
                        new.update(self.price())
                    lines.append(new)
            rng.shuffle(lines)
            self.send(lines)
            self.send([{"op": "member.cancel", "id": answer["id"], "event": {"log": answer["log"], "seq": answer["seq"]}}
                       for op in sorted(self.done) if op.startswith("member.") and "merge" not in op and op != "member.cancel"
                       for _, answer in self.some(self.done[op], n // 4)])

    # ---- work ----

    def work(self, ids, n):
        rng = self.rng
        opened = self.send([{"op": "activity.open", "member": who, "activity_no": self.number(), "office": self.office(),
                             "sector": rng.choice(["music", "consulting", "500"]), "culture": rng.randrange(2) == 0,
                             "effective_on": a_day(rng)} for who in self.some(ids, n)])
        activities = [answer["id"] for _, answer in opened]
        lines = [{"op": "activity.change", "activity": rng.choice(activities),
                  "effective_on": self.after(rng.choice(opened)[0]["effective_on"])}
                 for _ in range(n)]
        for line in lines:
            line.update(rng.choice([{"culture": rng.randrange(2) == 0}, {"office": self.office()}, {"sector": "music"}]))
        changed = self.send(lines)
        issued = self.send([self.document(rng.choice(opened)) for _ in range(3 * n)])
        closed = self.send([{"op": "activity.close", "activity": answer["id"], "effective_on": self.after(line["effective_on"], 700)}
                            for line, answer in opened[::3]])
        self.mend_work(opened, changed, closed, issued, n)

    def document(self, of):
        line, answer = of
        new = {"op": "invoice.issue", "activity": answer["id"], "invoice_no": self.number(), "date": self.after(line["effective_on"]),
               "amount_minor": self.rng.randrange(1, 900000), "client": "Studio Nord"}
        way = self.rng.randrange(5)
        if way == 0:
            new["currency"] = self.rng.choice(["EUR", "SEK", "HUF"])
        elif way == 1:
            new.update(sector=self.rng.choice(["music", "501"]), culture=self.rng.randrange(2) == 0)
        elif way == 2:
            new["rate_bp"] = self.rng.randrange(2000)
        return new

    def mend_work(self, opened, changed, closed, issued, n):
        rng = self.rng
        at = lambda answer: {"log": answer["log"], "seq": answer["seq"]}
        credited = self.send([{"op": "invoice.credit", "invoice": answer["id"], "invoice_no": self.number(),
                               "date": self.after(line["date"], 120), "amount_minor": rng.randrange(1, line["amount_minor"] + 1)}
                              for line, answer in rng.choices(issued, k=n)])
        self.send([dict(rng.choice([{}, {"office": self.office()}, {"culture": True}, {"currency": "SEK"}]), op="invoice.issue",
                        activity=line["activity"], invoice=answer["id"], corrects=at(answer), amount_minor=rng.randrange(1, 900000))
                   for line, answer in self.some(issued, n // 2)])
        self.send([{"op": "invoice.cancel", "invoice": answer["id"], "event": at(answer)}
                   for _, answer in self.some(credited, n // 6) + self.some(issued, n // 4)])
        self.send([{"op": "activity.change", "activity": answer["id"], "corrects": at(answer), "sector": "photography"}
                   for _, answer in self.some(changed, n // 6)])
        self.send([{"op": "activity.cancel", "activity": answer["id"], "event": at(answer)}
                   for _, answer in self.some(changed, n // 6) + self.some(closed, n // 8) + self.some(opened, n // 8)])


# ---- what the node answers ----


def not_zero(rows, cell_of, figures_of):
    found = {}
    for row in rows:
        figures = {name: n for name, n in figures_of(row).items() if n != 0}
        cell = cell_of(row)
        if cell in found:
            raise AssertionError("two rows of %r" % (cell,))
        if figures:
            found[cell] = figures
    return found


class Reports:
    """Reports of a node's own unit, as JSON and as CSV: both must say the same."""

    def __init__(self, node):
        self.unit, self.client = node.code, node.http("operator")

    def ask(self, name, accept, **query):
        path = "/v1/reports/%s?%s" % (name, urllib.parse.urlencode(dict(query, unit=self.unit)))
        answer = self.client.call("GET", path, headers={"Accept": accept})
        if answer.status == 400 and "more than" in answer.json.get("detail", ""):
            return None
        if answer.status != 200:
            raise AssertionError("%s: %r" % (path, answer))
        return answer

    def csv(self, answer):
        """(record, cell without the unit) -> {figure: n}, without zeros."""
        rows = csv.DictReader(io.StringIO(answer.body.decode(), newline=""))
        found = collections.defaultdict(dict)
        for row in rows:
            if row["record"] != "source" and int(row["value"]) != 0:
                if row["unit"] != self.unit:
                    raise AssertionError(row)
                cell = tuple(value for key, value in row.items() if key not in ("record", "unit", "figure", "value"))
                found[row["record"], cell][row["figure"]] = int(row["value"])
        return dict(found)

    def register(self, name, by, **query):
        """(cells, money) of members or flows."""
        query["by"] = ",".join(by)
        json_form = self.ask(name, "application/json", **query).json
        cells = not_zero(json_form["rows"], lambda row: tuple(row.get(key, "") for key in MEMBERS_BY),
                         lambda row: {key: n for key, n in row.items() if key not in MEMBERS_BY + ("unit",)})
        money = not_zero(json_form["capital"], lambda row: row["currency"],
                         lambda row: {key: n for key, n in row.items() if key not in ("unit", "currency")})
        as_csv = self.csv(self.ask(name, "text/csv", **query))
        expected = {("count", cell + ("",)): figures for cell, figures in cells.items()}
        expected.update({("capital", ("", "", "", currency)): figures for currency, figures in money.items()})
        if as_csv != expected:
            raise AssertionError("CSV and JSON of %s %r differ" % (name, query))
        return cells, money

    @staticmethod
    def work_cell(row):
        culture = {True: "yes", False: "no", None: ""}[row.get("culture")]
        return row.get("office", ""), row.get("sector_name", ""), culture, row.get("currency", "")

    def activity(self, by, first, last, each=None):
        """Period ("" without each) -> cell -> {figure: n}. None: too many rows for one answer."""
        query = {"from": first + "-01", "to": last + "-28", "by": ",".join(by)}
        if each:
            query["each"] = each
        answer = self.ask("activity", "application/json", **query)
        if answer is None:
            return None
        rows = answer.json["rows"]
        found = not_zero(rows, lambda row: (row.get("period", ""), self.work_cell(row)),
                         lambda row: {key: n for key, n in row.items()
                                      if key not in WORK_BY + ("unit", "period", "sector_name")})
        as_csv = collections.defaultdict(dict)
        for (record, cell), figures in self.csv(self.ask("activity", "text/csv", **query)).items():
            if record != ("people" if "people" in figures else "work"):
                raise AssertionError((record, figures))
            as_csv[cell[0], cell[1:]].update(figures)
        if as_csv != found:
            raise AssertionError("CSV and JSON of activity %r differ" % query)
        periods = collections.defaultdict(dict)
        for (period, cell), figures in found.items():
            periods[period][cell] = figures
        return periods

    def shares(self):
        """All lines of the share register, page by page; and that its CSV has the same."""
        lines, after = [], None
        while True:
            query = {"limit": 500, **({"after": after} if after else {})}
            page = self.ask("shares", "application/json", **query).json
            names = ("number", "member", "kind", "effective_on", "currency", "shares", "minor", "shares_repaid", "minor_repaid")
            as_csv = list(csv.DictReader(io.StringIO(self.ask("shares", "text/csv", **query).body.decode(), newline="")))
            if [[row[key] for key in names] for row in as_csv] != [[str(row[key]) for key in names] for row in page["operations"]]:
                raise AssertionError("CSV and JSON of the share register differ")
            lines += page["operations"]
            after = page["next"]
            if after is None:
                return lines


# ---- the tests ----


class Unit:
    def __init__(self, folder, code):
        self.folder = os.path.join(folder, "generated")
        self.made, self.exported = os.path.join(self.folder, code), os.path.join(folder, "export")
        with open(os.path.join(cluster.ROOT, "ops", "demo", "units.csv"), encoding="utf-8", newline="") as file:
            facts = next(row for row in csv.DictReader(file) if row["code"] == code)
        self.node = cluster.Node(folder, code, offices=facts["offices"].split(";"), contribution_bp=int(facts["contribution_bp"]),
                                 share_price=int(facts["share_price_minor"])).init()

    def fill(self, scale, seed):
        """scale: percent of the generated register; seed: of what is done to it."""
        self.generate(scale)
        self.load("members.csv", "activities.csv", "invoices.csv")
        self.node.start()
        self.desk = Desk(self.node, random.Random(seed))
        self.act()
        self.node.stop()
        run("count", "--data", self.node.data)
        self.export()
        self.rows = recount.Export(self.exported)
        self.node.start()
        self.reports = Reports(self.node)

    def generate(self, scale):
        subprocess.run([cluster.GENERATE, "--out", self.folder, "--data", os.path.join(cluster.ROOT, "ops", "demo"), "--unit",
                        self.node.code, "--scale", str(scale)], check=True, capture_output=True)

    def load(self, *names):
        for name in names:
            path = os.path.join(self.made, name)
            result = json.loads(run("import", "--json", "--data", self.node.data, path).stdout)
            if result["imported"] != result["rows"]:
                raise AssertionError("%s: %r" % (name, result))

    def export(self):
        run("export", "--data", self.node.data, "--out", self.exported + "/")

    def ids(self):
        """Of all members in the order in which they were entered: ids are random, this is not."""
        return list(dict.fromkeys(event["subject"] for event in self.node.events()
                                  if event["kind"].startswith(("member.", "application."))))

    def act(self):
        ids = self.ids()
        n = max(60, len(ids) // 8)
        ids += self.desk.applicants(n)
        self.desk.changes(ids, n)
        self.desk.repayments(ids, n)
        self.desk.work(ids, n)
        self.desk.merges(ids, n // 3)
        self.desk.repayments(ids, n // 2)
        self.desk.mend(n // 3)


class Recounted:
    """Mixed into a test case for each unit."""

    CODE, SCALE, SEED = None, None, None

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="smartnode-recount-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.unit = Unit(cls.folder.name, cls.CODE)
        cls.addClassCleanup(cls.unit.node.stop)
        cls.unit.fill(cls.SCALE, cls.SEED)
        cls.rows, cls.reports = cls.unit.rows, cls.unit.reports

    def setUp(self):
        self.rng = random.Random(self.SEED + 1)
        self.maxDiff = None

    def test_everything_that_can_happen_has_happened(self):
        done = {op: len(lines) for op, lines in self.unit.desk.done.items()}
        for op in ("apply", "refuse", "admit", "shares", "category", "data", "withdrawal", "withdrawal.grant", "withdrawal.refuse",
                   "resign", "exclude", "death", "repay", "consent", "consent.withdraw", "representative", "representative.end", "merge",
                   "unmerge", "cancel"):
            self.assertGreater(done.get("member." + op, 0), 1, op)
        for op in ("activity.open", "activity.change", "activity.close", "activity.cancel", "invoice.issue", "invoice.credit",
                   "invoice.cancel"):
            self.assertGreater(done.get(op, 0), 1, op)
        corrected = collections.Counter(op for op, lines in self.unit.desk.done.items() for line, _ in lines if "corrects" in line)
        for op in ("member.admit", "member.shares", "member.category", "member.data", "member.resign", "invoice.issue", "activity.change"):
            self.assertGreater(corrected[op], 0, op)
        _, money = recount.flows(self.rows, FIRST.isoformat(), LAST.isoformat())
        self.assertGreater(len(money), 1)
        self.assertGreater(sum(figures.get("minor_forgone", 0) for figures in money.values()), 0)
        self.assertGreater(sum(figures.get("minor_merged_in", 0) for figures in money.values()), 0)

    def test_members_and_capital_of_random_days(self):
        for _ in range(DATES):
            day, by = a_day(self.rng), self.rng.choice(subsets(MEMBERS_BY))
            with self.subTest(day=day, by=by):
                cells, money = self.reports.register("members", by, as_of=day)
                self.assertEqual({cell: figures["members"] for cell, figures in cells.items()}, recount.members(self.rows, day, by))
                self.assertEqual(money, recount.capital(self.rows, day))

    def test_flows_between_random_days(self):
        for _ in range(DATES):
            (first, last), by = sorted([a_day(self.rng), a_day(self.rng)]), self.rng.choice(subsets(MEMBERS_BY))
            with self.subTest(first=first, last=last, by=by):
                cells, money = recount.flows(self.rows, first, last, by)
                answered = self.reports.register("flows", by, **{"from": first, "to": last})
                self.assertEqual(answered[0], cells)
                self.assertEqual(answered[1], money)

    def test_activity_of_every_month_by_every_grouping(self):
        for by in subsets(WORK_BY):
            for year in range(FIRST.year, LAST.year + 1):
                span = recount.months("%d-01" % year, "%d-12" % year)
                answered = self.reports.activity(by, span[0], span[-1], "month") or {
                    month: self.reports.activity(by, month, month)[""] for month in span}
                for month in span:
                    with self.subTest(by=by, month=month):
                        self.assertEqual(answered.get(month, {}), recount.activity(self.rows, month, month, by))

    def test_activity_of_every_year_and_of_random_spans_by_every_grouping(self):
        years = range(FIRST.year, LAST.year + 1)
        every = recount.months("2017-01", "2025-12")
        for by in subsets(WORK_BY):
            answered = self.reports.activity(by, every[0], every[-1], "year")
            for year in years:
                with self.subTest(by=by, year=year):
                    expected = recount.activity(self.rows, "%d-01" % year, "%d-12" % year, by)
                    self.assertEqual(answered[str(year)], expected)
                    self.assertEqual(self.reports.activity(by, "%d-01" % year, "%d-12" % year)[""], expected)
            first, last = sorted(self.rng.sample(every, 2))
            with self.subTest(by=by, first=first, last=last):
                self.assertEqual(self.reports.activity(by, first, last).get("", {}), recount.activity(self.rows, first, last, by))

    def test_every_share_operation_sums_to_the_capital_shown(self):
        lines = self.reports.shares()
        numbers = [line["number"] for line in lines]
        self.assertEqual(sorted(set(numbers)), list(range(1, max(numbers) + 1)))
        self.assertEqual(numbers, sorted(numbers))
        for line in lines:
            if not line["stands"]:
                self.assertEqual([line[key] for key in ("shares", "minor", "shares_repaid", "minor_repaid")], [0, 0, 0, 0])
        for day in [LAST.isoformat()] + [a_day(self.rng) for _ in range(DATES)]:
            sums = collections.defaultdict(collections.Counter)
            for line in lines:
                if line["effective_on"] <= day:
                    sums[line["currency"]].update(shares=line["shares"], minor=line["minor"])
            with self.subTest(day=day):
                _, money = self.reports.register("members", (), as_of=day)
                shown = {currency: {key: n for key, n in figures.items() if key != "owed_minor"} for currency, figures in money.items()}
                self.assertEqual(recount.not_zero(sums), {currency: figures for currency, figures in shown.items() if figures})


class Belgium(Recounted, unittest.TestCase):
    CODE, SCALE, SEED = "BE", 2, 41702


class Sweden(Recounted, unittest.TestCase):
    CODE, SCALE, SEED = "SE", 15, 1700


class Published(unittest.TestCase):
    """Belgium in its full size. What its people invoiced is in the demo: an import of it takes longer than a test should."""

    def test_the_members_of_belgium_are_those_that_were_published(self):
        with tempfile.TemporaryDirectory(prefix="smartnode-recount-") as folder:
            unit = Unit(folder, "BE")
            self.addCleanup(unit.node.stop)
            unit.generate(100)
            unit.load("members.csv")
            unit.export()
            unit.node.start()
            rows, reports = recount.Export(unit.exported), Reports(unit.node)
            everybody = ("", "", "")
            (end, capital), (before, _) = (reports.register("members", (), as_of="%d-12-31" % year) for year in (2024, 2023))
            flows, money = reports.register("flows", (), **{"from": "2024-01-01", "to": "2024-12-31"})
            self.assertEqual(end, {everybody: {"members": 41702}})
            self.assertEqual(before, {everybody: {"members": 37676}})
            self.assertEqual((flows[everybody]["joined"], flows[everybody].get("resigned", 0) + flows[everybody].get("withdrawn", 0),
                              flows[everybody]["excluded"]), (4207, 175, 6))
            self.assertEqual(41702 - 4207 + 175 + 6, 37676)
            self.assertEqual(recount.members(rows, "2024-12-31", ("category",)),
                             {("A", "", ""): 41580, ("B", "", ""): 94, ("C", "", ""): 28})
            self.assertEqual(recount.members(rows, "2023-12-31"), {everybody: 37676})
            self.assertEqual((flows, money), recount.flows(rows, "2024-01-01", "2024-12-31"))
            lines = [line for line in reports.shares() if line["effective_on"] <= "2024-12-31"]
            self.assertEqual({"EUR": {"shares": sum(line["shares"] for line in lines), "minor": sum(line["minor"] for line in lines)}},
                             {currency: {key: figures[key] for key in ("shares", "minor")} for currency, figures in capital.items()})
            self.assertEqual(capital, recount.capital(rows, "2024-12-31"))
            unit.node.stop()


if __name__ == "__main__":
    unittest.main()
