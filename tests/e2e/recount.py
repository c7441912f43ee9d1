"""The reports of a unit, counted again from what `smartnode export` wrote: row by row, every question from the first row on.

It knows the exported files (docs/FILES.md) and the rules of the register in words (docs/PROTOCOL.md §10), and nothing else: no view, no
sum that is kept, no code of the node. A row that the rules do not allow is an error of the export, and raised as one.

The answers are dicts of what is not zero:
  members   cell -> n                                       cell: (category, office, person type), "" where not asked for
  capital   currency -> {"shares", "minor", "owed_minor"}
  flows     cell -> {figure: n}, and currency -> {figure: n}
  activity  cell -> {figure: n}                             cell: (office, sector, culture, currency); currency "" has activities,
                                                            and people unless they are asked for by currency
Months are "2024-03"; days "2024-03-17": as texts they stand in the order of time. Money is in minor units."""

import collections
import csv
import os

MINOR_DIGITS = {"EUR": 2, "SEK": 2, "HUF": 2}
GUARDED = "=+-@\t\r"


class BadExport(ValueError):
    pass


def cell_text(text):
    """Without the apostrophe that keeps a spreadsheet from taking the cell for a formula."""
    return text[1:] if len(text) > 1 and text[0] == "'" and text[1] in GUARDED else text


def minor_units(text, currency):
    digits = MINOR_DIGITS[currency]
    whole, _, rest = text.partition(".")
    if not (whole.isdigit() and (rest == "" or rest.isdigit()) and len(rest) <= digits):
        raise BadExport("%r is no amount of %s" % (text, currency))
    return int(whole + rest.ljust(digits, "0"))


def read(directory, name):
    with open(os.path.join(directory, name), encoding="utf-8-sig", newline="") as file:
        rows = [{key: cell_text(value) for key, value in row.items()} for row in csv.DictReader(file)]
    for number, row in enumerate(rows, 2):
        row["where"] = "%s:%d" % (name, number)
    return rows


def need(condition, row, what):
    if not condition:
        raise BadExport("%s: %s: %s" % (row["where"], row["op"], what))


def not_zero(counts):
    """cell -> figures, without zeros and without cells that have nothing else."""
    left = {cell: {figure: n for figure, n in figures.items() if n != 0} for cell, figures in counts.items()}
    return {cell: figures for cell, figures in left.items() if figures}


class Export:
    """The rows of an exported directory. activities and invoices may be missing."""

    def __init__(self, directory):
        self.descriptions = sorted(read(directory, "unit.csv"), key=lambda row: row["effective_on"])
        offices = os.path.join(directory, "offices.csv")
        self.offices = {row["name"]: row["office"] for row in (read(directory, "offices.csv") if os.path.exists(offices) else [])}
        # Entries of one day stand in the file in the order in which they count.
        self.operations = sorted(read(directory, "operations.csv"), key=lambda row: row["effective_on"])
        self.activities, self.invoices = [], []
        if os.path.exists(os.path.join(directory, "activity_operations.csv")):
            # Of work only the months count.
            self.activities = sorted(read(directory, "activity_operations.csv"), key=lambda row: row["effective_on"][:7])
        if os.path.exists(os.path.join(directory, "invoices.csv")):
            self.invoices = read(directory, "invoices.csv")

    def description(self, day):
        in_force = [row for row in self.descriptions if row["effective_on"] <= day]
        if not in_force:
            raise BadExport("nothing describes the unit on %s" % day)
        return in_force[-1]

    def office(self, text):
        return self.offices.get(text, text)


# ---- members ----


class Record:
    def __init__(self):
        self.status = "none"  # applied, refused, member, left, dead, merged
        self.asked = False    # to withdraw
        self.category = self.office = self.person_type = ""
        self.held = {}        # currency -> [shares, minor]
        self.owed = {}
        self.into = None

    @property
    def cell(self):
        return self.category, self.office, self.person_type


def add_money(to, currency, shares, minor):
    there = to.setdefault(currency, [0, 0])
    there[0] += shares
    there[1] += minor


class Register:
    """All records after the entries up to a day, and what happened on the way: (day, figure, cell), (day, figure, currency, n)."""

    def __init__(self, export, until):
        self.export = export
        self.records = collections.defaultdict(Record)
        self.happened, self.money = [], []
        for row in export.operations:
            if row["effective_on"] <= until:
                self.take(row)

    def take(self, row):
        record = self.records[row["id"]]
        name = row["op"].replace("member.", "", 1).replace(".", "_")
        act = getattr(self, "on_" + name, None)
        need(act is not None, row, "unknown operation")
        need(record.status != "merged", row, "the record was given up")
        act(row, record)

    def note(self, row, figure, cell):
        self.happened.append((row["effective_on"], figure, cell))

    def pay(self, row, figure, currency, n):
        self.money.append((row["effective_on"], figure, currency, n))

    def facts(self, row, record):
        record.category, record.person_type = row["category"], row["person_type"]
        record.office = self.export.office(row["office"])
        need(record.category in ("A", "B", "C") and record.person_type in ("natural", "legal") and record.office, row, "facts are missing")

    def subscribe(self, row, record):
        unit = self.export.description(row["effective_on"])
        currency = row["currency"] or unit["currency"]
        price = minor_units(row["share_price"] or unit["share_price"], currency)
        shares = int(row["shares"])
        need(shares > 0, row, "no shares")
        add_money(record.held, currency, shares, shares * price)
        self.pay(row, "shares_in", currency, shares)
        self.pay(row, "minor_in", currency, shares * price)

    def leave(self, row, record, figure, status="left"):
        need(record.status == "member", row, "is no member")
        self.note(row, figure, record.cell)
        record.status, record.asked = status, False
        for currency, (shares, minor) in record.held.items():
            self.pay(row, "shares_out", currency, shares)
            self.pay(row, "minor_out", currency, minor)
            add_money(record.owed, currency, shares, minor)
        record.held = {}

    def on_apply(self, row, record):
        need(record.status in ("none", "refused", "left"), row, "is " + record.status)
        record.status = "applied"
        self.facts(row, record)
        self.note(row, "applied", record.cell)

    def on_refuse(self, row, record):
        need(record.status == "applied", row, "has not applied")
        record.status = "refused"
        self.note(row, "refused", record.cell)

    def on_admit(self, row, record):
        need(record.status in ("none", "applied", "refused", "left"), row, "is " + record.status)
        record.status = "member"
        self.facts(row, record)
        self.note(row, "joined", record.cell)
        self.subscribe(row, record)

    def on_shares(self, row, record):
        need(record.status == "member", row, "is no member")
        self.subscribe(row, record)

    def move(self, row, record, figure, **changes):
        before = record.cell
        for name, value in changes.items():
            setattr(record, name, value)
        if record.cell != before:
            self.note(row, figure + "_out", before)
            self.note(row, figure + "_in", record.cell)

    def on_category(self, row, record):
        need(record.status == "member" and row["category"] not in ("", record.category), row, "no change of category")
        self.move(row, record, "changed", category=row["category"])

    def on_data(self, row, record):
        need(record.status != "none", row, "nobody is there")
        office = self.export.office(row["office"])
        if office and record.status == "member":
            self.move(row, record, "relocated", office=office)
        elif office and record.status == "applied":
            record.office = office

    def on_withdrawal(self, row, record):
        need(record.status == "member" and not record.asked, row, "cannot ask")
        record.asked = True
        self.note(row, "withdrawal_requested", record.cell)

    def on_withdrawal_grant(self, row, record):
        need(record.asked, row, "nobody asked")
        self.leave(row, record, "withdrawn")

    def on_withdrawal_refuse(self, row, record):
        need(record.asked, row, "nobody asked")
        record.asked = False
        self.note(row, "withdrawal_refused", record.cell)

    def on_resign(self, row, record):
        self.leave(row, record, "resigned")

    def on_exclude(self, row, record):
        self.leave(row, record, "excluded")

    def on_death(self, row, record):
        self.leave(row, record, "deceased", "dead")

    def on_repay(self, row, record):
        need(record.status != "none", row, "nobody is there")
        currency = row["currency"]
        need(currency in record.owed or not currency and len(record.owed) == 1, row, "nothing is owed")
        currency = currency or next(iter(record.owed))
        owed, shares = record.owed[currency], int(row["shares"])
        need(row["amount"] or shares == owed[0], row, "the amount is missing")
        amount = minor_units(row["amount"], currency) if row["amount"] else owed[1]
        need(0 < shares <= owed[0] and amount <= owed[1], row, "more than is owed")
        owed[0] -= shares
        owed[1] -= amount
        self.pay(row, "shares_repaid", currency, shares)
        self.pay(row, "minor_repaid", currency, amount)
        if owed[0] == 0:
            self.pay(row, "minor_forgone", currency, owed[1])
            del record.owed[currency]

    def on_merge(self, row, record):
        kept = self.records[row["other"]]
        need(record.status != "none", row, "nobody is there")
        need(kept is not record and kept.status not in ("none", "merged"), row, "nobody is there to be kept")
        need(not record.held or kept.status == "member", row, "the record that is kept cannot hold shares")
        self.note(row, "merged", record.cell)
        for currency, (shares, minor) in record.held.items():
            for way in ("out", "in"):
                self.pay(row, "shares_merged_" + way, currency, shares)
                self.pay(row, "minor_merged_" + way, currency, minor)
            add_money(kept.held, currency, shares, minor)
        for currency, (shares, minor) in record.owed.items():
            add_money(kept.owed, currency, shares, minor)
        record.held, record.owed, record.status, record.into = {}, {}, "merged", row["other"]

    def on_representative(self, row, record):
        need(record.person_type == "legal" and record.status not in ("none", "dead"), row, "no legal person")

    def on_representative_end(self, row, record):
        need(record.person_type == "legal", row, "no legal person")

    def on_consent(self, row, record):
        need(record.status not in ("none", "dead"), row, "nobody is there")

    on_consent_withdraw = on_consent


CELL = ("category", "office", "person_type")


def project(cell, names, by):
    return tuple(value if name in by else "" for name, value in zip(names, cell))


def members(export, day, by=()):
    counts = collections.Counter(project(record.cell, CELL, by) for record in Register(export, day).records.values()
                                 if record.status == "member")
    return dict(counts)


def capital(export, day):
    sums = collections.defaultdict(lambda: collections.Counter())
    for record in Register(export, day).records.values():
        for currency, (shares, minor) in record.held.items():
            sums[currency].update(shares=shares, minor=minor)
        for currency, (_, minor) in record.owed.items():
            sums[currency].update(owed_minor=minor)
    return not_zero(sums)


def flows(export, first, last, by=()):
    """What happened from one day to another, both included: (by cell, by currency)."""
    register = Register(export, last)
    counts, money = collections.defaultdict(collections.Counter), collections.defaultdict(collections.Counter)
    for day, figure, cell in register.happened:
        if day >= first:
            counts[project(cell, CELL, by)][figure] += 1
    for day, figure, currency, n in register.money:
        if day >= first:
            money[currency][figure] += n
    return not_zero(counts), not_zero(money)


# ---- work ----

WORK_CELL = ("office", "sector", "culture", "currency")


def months(first, last):
    """All months from one to another, both included."""
    year, month = int(first[:4]), int(first[5:7])
    found = []
    while "%04d-%02d" % (year, month) <= last:
        found.append("%04d-%02d" % (year, month))
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
    return found


def count_activities(export, first, last, by, counts):
    now = {}  # activity -> its cell while it is open
    closed = set()
    for row in export.activities:
        month, activity = row["effective_on"][:7], row["activity"]
        if month > last:
            continue
        was = now.get(activity)
        need(activity not in closed, row, "is closed")
        need((was is None) == (row["op"] == "activity.open"), row, "is open" if was else "is not open")
        if row["op"] == "activity.close":
            closed.add(activity)
            del now[activity]
            figure, cell = "activities_closed", was
        else:
            need(row["op"] in ("activity.open", "activity.change"), row, "unknown operation")
            named = (export.office(row["office"]), row["sector"], row["culture"])
            cell = now[activity] = tuple(new or old for new, old in zip(named, was or ("", "", "no"))) + ("",)
            need(all(cell[:3]), row, "facts are missing")
            figure = "activities_opened" if was is None else None
        if figure and month >= first:
            counts[project(cell, WORK_CELL, by)][figure] += 1
    for cell in now.values():
        counts[project(cell, WORK_CELL, by)]["activities_open"] += 1


def stands(export):
    """Invoices and credit notes that count, each with the invoice that gives it its cell."""
    issued = {row["invoice"]: row for row in export.invoices if row["op"] in ("", "invoice.issue") and row["cancelled"] != "yes"}
    for row in export.invoices:
        if row["cancelled"] == "yes":
            continue
        if row["op"] in ("", "invoice.issue"):
            yield row, row
        else:
            need(row["op"] == "invoice.credit", row, "unknown operation")
            # A number of an invoice that was cancelled may be another's now, an id never.
            about = [issued[row["invoice"]]] if row["invoice"] in issued else [
                other for other in issued.values() if not row["invoice"] and other["invoice_no"] == row["credits_no"]]
            need(len(about) == 1, row, "%d invoices are credited by it" % len(about))
            yield row, about[0]


def work_cell(export, invoice):
    return export.office(invoice["office"]), invoice["sector"], invoice["culture"] or "no", invoice["currency"]


def persons(export):
    """Activity -> the member whose it is; of records that were merged the one that was kept."""
    into = {row["id"]: row["other"] for row in export.operations if row["op"] == "member.merge"}
    found = {}
    for row in export.activities:
        if row["op"] == "activity.open":
            member = row["id"]
            while member in into:
                member = into[member]
            found[row["activity"]] = member
    return found


def activity(export, first, last, by=()):
    """Of the months from one to another, both included; people only of one month, or of one calendar year."""
    counts, people = collections.defaultdict(collections.Counter), collections.defaultdict(set)
    count_activities(export, first, last, by, counts)
    whose = persons(export)
    span = months(first, last)
    with_people = len(span) == 1 or len(span) == 12 and first.endswith("-01")
    for row, invoice in stands(export):
        if not first <= row["date"][:7] <= last:
            continue
        cell = work_cell(export, invoice)
        money = counts[project(cell, WORK_CELL, tuple(by) + ("currency",))]
        amount, contribution = (minor_units(row[name], invoice["currency"]) for name in ("amount", "contribution"))
        if row is invoice:
            money.update(invoices=1, turnover_minor=amount, contribution_minor=contribution)
            need(row["activity"] in whose, row, "of an activity that is not there")
            people[project(cell, WORK_CELL, by)].add(whose[row["activity"]])
        else:
            money.update(credit_notes=1, credited_minor=amount, contribution_back_minor=contribution)
    for cell, who in people.items():
        if with_people:
            counts[cell]["people"] += len(who)
    return not_zero(counts)
