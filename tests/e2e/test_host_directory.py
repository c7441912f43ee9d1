"""What a thief has who takes a host's whole data directory and its key files: of whom he can read anything, and what he can link. The
thief (thief.py) reads without the program. Each search is shown to find what is planted. Invented persons."""

import base64
import collections
import csv
import datetime
import itertools
import os
import random
import shutil
import unittest

from cluster import Cluster, admission, run, wait_until
from thief import Directory, KINDS_OF_MEMBERS, RECEIVED, fits, number, reader, wrap

PERSONS, INVOICES = 8, 6  # own members of the host, invoices of each in each month
MONTHS = ("2024-04", "2024-05")
GRAM = 8
PERMUTATIONS = 300
LINKED = 6.0  # standard deviations beyond what chance gives
OPENED, ISSUED, ACTIVE = 104, 108, 112


class Person:
    def __init__(self, n, unit):
        self.no = "%s-4%d077%d" % (unit, n, n)
        self.given, self.family = "Voornaam%s%d" % (unit.title(), n), "Geheimzin%s%d" % (unit.title(), n)
        self.email, self.phone, self.street = "post%s%d@verzonnen.example" % (unit.lower(), n), "+32 2 555 01 %02d" % n, "Stille %s Straat %d77" % (unit, n)
        self.id = None

    def texts(self):
        return [self.no, self.given, self.family, self.email, self.phone, self.street]

    def body(self, office):
        asked = admission(self.no, office)
        asked["person"] = {"identity": {"member_no": self.no, "given_name": self.given, "family_name": self.family},
                           "contact": {"email": self.email, "phone": self.phone, "street": self.street}}
        return asked


class HostDirectory(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster("BE", "DE", "FR", start=False)
        cls.addClassCleanup(cls.cluster.close)
        cls.home, cls.host, cls.third = (cls.cluster[code] for code in ("BE", "DE", "FR"))
        cls.own = [Person(n, "DE") for n in range(PERSONS)]
        cls.import_work()
        cls.people = {name: Person(n, "BE") for n, name in enumerate(("granted", "passed", "french", "none", "nobody"))}
        cls.cluster.start()
        for person in cls.people.values():
            person.id = cls.home.post("/v1/members", person.body(cls.home.city)).json["id"]
        cls.cluster.wait_equal()
        cls.serve()
        cls.before, cls.france, cls.elsewhere = (cls.steal(code, "before") for code in ("DE", "FR", "BE"))
        cls.cluster.start()
        cls.revoke()
        cls.after = cls.steal("DE", "after")

    # ---- what happens ----

    @classmethod
    def import_work(cls):
        """Members, activities and invoices of the host from files in which they stand person by person; then people are counted."""
        folder = cls.cluster.folder
        members = [{"member_no": p.no, "type": "natural", "category": "A", "given_name": p.given, "family_name": p.family, "email": p.email,
                    "phone": p.phone, "street": p.street, "office": cls.host.city, "admitted_on": "2024-03-01", "shares": 1} for p in cls.own]
        activities = [{"activity_no": "ACT-%s" % p.no, "member_no": p.no, "sector": "music", "text": "Titel " + p.family,
                       "opened_on": "2024-03-05"} for p in cls.own]
        # Clients and texts of different lengths, the same for all invoices of a person.
        invoices = [{"invoice_no": "INV-%s-%s-%d" % (p.no, month, i), "activity_no": "ACT-%s" % p.no, "date": "%s-%02d" % (month, 3 + i),
                     "amount": "100.00", "client": "Kunde" * (1 + n) + p.family, "text": "x" * (7 * n)}
                    for n, p in enumerate(cls.own) for month in MONTHS for i in range(INVOICES)]
        for kind, rows in (("members", members), ("activities", activities), ("invoices", invoices)):
            path = os.path.join(folder, kind + ".csv")
            with open(path, "w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, rows[0])
                writer.writeheader()
                writer.writerows(rows)
            run("import", "--data", cls.host.data, "--type", kind, path)
        run("count", "--data", cls.host.data)

    @classmethod
    def serve(cls):
        """A grant for DE, one for FR, a pass that is shown at DE; work of both visitors there."""
        grant = {"host": "DE", "classes": ["identity", "contact", "activity"], "purpose": "1"}
        granted, passed, french = (cls.people[name].id for name in ("granted", "passed", "french"))
        cls.access = cls.home.post("/v1/members/%s/access" % granted, grant).json["id"]
        cls.home.post("/v1/members/%s/access" % french, dict(grant, host="FR", classes=["contact"]))
        cls.text = cls.home.post("/v1/members/%s/pass" % passed, {"classes": ["identity", "contact"]}).json["pass"]
        cls.cluster.wait_equal()

        def opened():
            answer = cls.host.call("POST", "/v1/passes/verify", {"pass": cls.text})
            return answer.status == 200 and "contact" in answer.json.get("person", {})
        wait_until("the pass opens at the host", opened)
        wait_until("the grant opens at the host", lambda: "contact" in cls.seen(granted).get("person", {}))
        office = cls.host.get("/v1/units/DE/offices")["offices"][0]["id"]
        for n, member in enumerate((granted, passed)):
            activity = wait_until("work can be recorded", lambda: cls.host.call("POST", "/v1/activities", {
                "member": member, "member_unit": "BE", "office": office, "sector": "music", "activity_no": "GAST-%d" % n}).json.get("id"))
            for i in range(INVOICES):
                cls.host.post("/v1/invoices", {"activity": activity, "amount_minor": 10000, "invoice_no": "GR-%d-%d" % (n, i), "client": "Theater"})
        cls.host.post("/v1/guest-records", status=202)
        cls.home.get("/v1/members/%s" % granted, "desk")
        cls.cluster.wait_equal()

        def journal(member):
            """How much the home's vault holds of the work and of the looks; equal logs do not say that it has been told."""
            known = cls.home.get("/v1/members/%s/openings" % member, "desk")
            return len([w for r in known["units"] for w in r["work"]]), sum(look["count"] for look in known["own_desk"])
        for member in (granted, passed):
            wait_until("the home knows what was done at the host", lambda: journal(member)[0] == 1 + INVOICES)
        wait_until("the home's own look is in its journal", lambda: journal(granted)[1])

    @classmethod
    def seen(cls, member):
        return cls.host.get("/v1/members/%s?unit=BE" % member, "desk")

    @classmethod
    def revoke(cls):
        """The host's confirmation comes after its vault was rewritten."""
        member = cls.people["granted"].id
        cls.home.post("/v1/members/%s/access/%s/revoke" % (member, cls.access), {"reason": "asked"}, 200)
        cls.confirmed = wait_until("the host has confirmed that its copy is destroyed", lambda: [
            e for e in cls.home.events() if e["kind"] == "copies.destroyed"])

    @classmethod
    def steal(cls, code, name):
        for node in cls.cluster:
            node.stop()
        return Directory(cls.cluster[code].copy_data(os.path.join(cls.cluster.folder, "stolen-%s-%s" % (code, name))))

    def copy_of(self, directory):
        """To plant something in."""
        to = os.path.join(self.cluster.folder, "planted-" + self.id().rsplit(".", 1)[1])
        self.addCleanup(shutil.rmtree, to, True)
        return shutil.copytree(directory.path, to)

    # ---- (a) keys ----

    def opened_of_the_home(self, directory):
        """{(member, class): how many capsules} of members of BE that the thief opens. He may have all ciphertexts of BE, as a keeper has."""
        names = {bytes.fromhex(person.id): name for name, person in self.people.items()}
        found = collections.Counter()
        for among in (directory, self.elsewhere):
            for at, (class_, plain) in directory.open_all(among).items():
                name = names.get(among.whose(at, plain))
                if name:
                    found[name, class_] += 1
        return found

    def of(self, name, class_):
        """The capsules of a class in the member's own events."""
        member, home = bytes.fromhex(self.people[name].id), self.elsewhere
        return [data for at, data in home.capsules.items() if home.class_of(at) == class_ and home.whose(at) == member]

    def test_the_thief_opens_those_who_were_granted_and_nobody_else(self):
        for name in self.people:
            self.assertTrue(self.of(name, 1) and self.of(name, 2), "there is nothing to open of " + name)
        found = self.opened_of_the_home(self.before)
        self.assertLessEqual({("granted", 1), ("granted", 2), ("granted", 4), ("passed", 4)}, set(found))
        self.assertLessEqual({key for key in found if key[0] != "granted"}, {("passed", 4), ("passed", 7)})

    def test_a_key_that_lay_there_would_be_found(self):
        person, capsule = bytes.fromhex(self.people["nobody"].id), self.of("nobody", 1)[0]
        secret = next(key.value for key in self.elsewhere.keys if fits(key.value, capsule))
        planted = Directory(self.copy_of(self.before))
        key = person + bytes(32) + b"\x01" + bytes(4) + bytes(40)
        row = bytes(6) + wrap(planted.wrap_key, RECEIVED, reader.H("vault.received", key)[:16], secret)
        planted.put("vault", "received", key, row)
        self.assertIn(("nobody", 1), self.opened_of_the_home(Directory(planted.path)))
        self.assertIn("wrapped", {how for _, _, how in Directory(planted.path).scan([capsule])})
        with open(os.path.join(planted.path, "main", "data.mdb"), "ab") as file:
            file.write(b"xyz" + secret)
        self.assertIn("clear", {how for _, _, how in Directory(planted.path).scan([capsule])})

    def test_a_pass_opens_names_and_addresses_with_its_secret_alone(self):
        secret = reader.read_pass(self.text)[4]
        self.assertFalse([name for name, data in self.before.files.items() if secret in data or self.text.encode() in data])
        raw = base64.b32decode(self.text[4:] + "=" * (-len(self.text[4:]) % 8))
        self.assertEqual(self.before.holds(raw[58:74]), [])
        self.before.secrets.append(type(self.before.secrets[0])("pass", secret))
        try:
            keys = list(self.before.keys)
            self.before._open_key_capsules()
            self.assertLessEqual({("passed", 1), ("passed", 2)}, set(self.opened_of_the_home(self.before)))
        finally:
            self.before.keys = keys
            self.before.secrets.pop()

    def test_after_a_revocation_nothing_of_the_member_opens_any_more(self):
        member = bytes.fromhex(self.people["granted"].id)
        self.assertEqual([key for key in self.opened_of_the_home(self.after) if key[0] == "granted"], [])
        self.assertEqual([content[1] for content in self.after.opened_keys.values() if content.get(3) == member], [])
        self.assertEqual([key.hex() for key, _ in self.after.vault["received"] if key[:16] == member], [])
        one_of_each_key, opened = {}, [(among, at, plain) for among in (self.before, self.elsewhere)
                                       for at, (_, plain) in self.before.open_all(among).items()]
        for data in [among.capsules[at] for among, at, plain in opened if among.whose(at, plain) == member]:
            one_of_each_key[next(key.value for key in self.before.keys if fits(key.value, data))] = data
        self.assertGreaterEqual(len(one_of_each_key), 3)
        self.assertEqual(self.after.scan(one_of_each_key.values()), [])
        for key in one_of_each_key:
            self.assertEqual(self.after.holds(key), [])

    def test_no_byte_of_what_gave_the_keys_is_left_in_the_files(self):
        member = bytes.fromhex(self.people["granted"].id)
        rows = [row[6:] for key, row in self.before.vault["received"] if key[:16] == member]
        sealed = [self.before.key_capsules[at] for at, content in self.before.opened_keys.items() if content.get(3) == member]
        self.assertTrue(rows and sealed)
        for data in rows + sealed:
            self.assertEqual(self.before.holds(data[8:40]), [os.path.join("vault", "data.mdb")])
            self.assertEqual(self.after.holds(data[8:40]), [])

    def test_another_unit_opens_what_was_sealed_to_it_alone(self):
        found = self.opened_of_the_home(self.france)
        self.assertIn(("french", 2), found)
        self.assertLessEqual(set(found), {("french", 2), ("french", 4)})
        french = bytes.fromhex(self.people["french"].id)
        self.assertEqual({key[:16] for key, _ in self.france.vault["received"]}, {french})
        ours = {bytes.fromhex(person.id) for person in self.people.values()}
        self.assertLessEqual({content.get(3) for content in self.france.opened_keys.values()} & ours, {french})

    # ---- (b) bytes ----

    def test_no_name_number_or_address_stands_anywhere_in_the_files(self):
        needles = [text for person in self.own + list(self.people.values()) for text in person.texts()] + ["GAST-0", "GR-0-0", "Theater"]
        for directory in (self.before, self.after, self.france):
            self.assertEqual(directory.search(needles), {})
        for code in ("DE", "FR"):
            self.assertEqual(self.before.search(needles, {"log": self.cluster[code].log().encode()}), {})

    def test_a_name_that_lay_there_would_be_found(self):
        for coding in ("utf-8", "utf-16-le", "utf-16-be"):
            planted = {"main/data.mdb": b"\x01" + self.people["none"].family.upper().encode(coding) + b"\x02"}
            self.assertEqual(self.before.search(self.people["none"].texts(), planted), {self.people["none"].family: "main/data.mdb"})

    # ---- (c) what links ----

    def work(self, directory):
        """{activity or invoice: member}: what the thief is not to find out otherwise, from the capsules that the host's own keys open."""
        found = {}
        for at, (class_, plain) in directory.open_all().items():
            event = directory.events[at.log, at.seq]
            if class_ == 4 and event.header.kind in (OPENED, ISSUED):
                found[event.fields[2]] = reader.read_person(4, plain)[1]
        return found

    def things(self, directory, kinds=(OPENED, ISSUED), vault=()):
        """What is stored in clear of each activity and invoice of the host, and of each counted person; with rows of the vault as they lie
        there, for a thief who has no vault.key."""
        whose, rows = self.work(directory), collections.defaultdict(list)
        for table, pairs in itertools.chain(directory.main.items(), vault and vault.items()):
            if table in ("runs", "capsules"):
                continue
            for key, value in pairs:
                data = key + value
                for entity in {data[at:at + 16] for at in range(len(data) - 15)} & whose.keys():
                    rows[entity].append((table, data.replace(entity, b"")))
        found = []
        for event in sorted(directory.events.values(), key=lambda e: (e.log, e.seq)):
            if event.header.kind in kinds and event.fields.get(2) in whose:
                found.append(Thing(directory, event, whose[event.fields[2]], rows[event.fields[2]]))
        return found

    @staticmethod
    def imported(things):
        return [t for t in things if t.kind == ISSUED and t.month in {number_of(month) for month in MONTHS}]

    def test_no_stored_byte_is_shared_by_the_invoices_of_one_person(self):
        things = self.things(self.before)
        self.assertEqual(collections.Counter(t.kind for t in things), {OPENED: PERSONS + 2, ISSUED: (PERSONS * len(MONTHS) + 2) * INVOICES})
        for name in sorted({name for t in things for name in t.fields}):
            self.assertLess(excess(things, shared(things, lambda t: {t.fields.get(name)} - {None})), LINKED, name)
        self.assertLess(excess(things, shared(things, lambda t: t.grams)), LINKED, "some bytes")

    def test_an_import_does_not_record_one_person_after_the_other(self):
        things = self.imported(self.things(self.before))
        for what, order in (("position", lambda t: (t.event.log, t.event.seq)), ("clock", lambda t: t.event.header.clock),
                            ("id", lambda t: t.event.fields[2]), ("nonce", lambda t: t.fields["capsule nonce"])):
            for near in (1, 5):
                self.assertEqual(len(things), PERSONS * len(MONTHS) * INVOICES)
                self.assertLess(excess(things, neighbours(things, order, near)), LINKED, (what, near))

    def test_nothing_in_the_vault_links_without_its_key(self):
        things = self.things(self.before, vault=self.before.vault)
        self.assertIn("row of links", {name for t in things for name in t.fields})
        self.assertLess(excess(things, shared(things, lambda t: t.grams)), LINKED)
        # Whose they are stands nowhere with a day or the place of an event, neither of members nor of visitors.
        home = self.elsewhere
        for directory in (self.before, self.france, home):
            members = {event.fields[2] for d in (directory, home) for event in d.events.values()
                       if event.header.kind in KINDS_OF_MEMBERS and len(event.fields.get(2, b"")) == 16}
            logs = set(directory.log_numbers)
            for table in ("index-lists", "opened", "looked", "visited", "links", "taken", "parted"):
                for data in (key + value for key, value in directory.vault[table]):
                    grams = {data[at:at + 16] for at in range(len(data) - 15)}
                    self.assertFalse(grams & members, table)
                    self.assertFalse({data[at:at + 32] for at in range(len(data) - 31)} & logs, table)
        self.assertTrue(self.before.vault["index-lists"] and home.vault["visited"] and home.vault["looked"])
        for table in ("blind-index", "openings", "looks", "visits"):
            self.assertEqual([d.vault[table] for d in (self.before, home) if d.vault[table]], [], table)

    def test_an_index_in_clear_would_be_found_to_link(self):
        token = {member: os.urandom(16) for member in self.work(self.before).values()}
        planted = {"blind-index": [(token[member] + entity, b"") for entity, member in self.work(self.before).items()]}
        things = self.things(self.before, vault=planted)
        self.assertGreater(excess(things, shared(things, lambda t: t.grams)), LINKED)

    def test_the_searches_find_what_links(self):
        things = self.things(self.before)
        mark = {member: os.urandom(4) for member in {t.whose for t in things}}
        for t in things:
            t.fields["planted"] = mark[t.whose]
        self.assertGreater(excess(things, shared(things, lambda t: {t.fields["planted"]})), LINKED)
        marked = {id(t): t.grams | {mark[t.whose] + bytes(4)} for t in things}
        self.assertGreater(excess(things, shared(things, lambda t: marked[id(t)])), LINKED)
        imported = self.imported(things)
        self.assertGreater(excess(imported, neighbours(imported, lambda t: t.whose, 1)), LINKED)

    def test_what_counts_people_leads_to_none_of_their_invoices(self):
        things = self.things(self.before)
        counted = self.counted(self.before)
        self.assertEqual(len(counted), PERSONS * len(MONTHS))
        for month in {t.month for t in counted}:
            told = [t.event.fields[2] for t in counted if t.month == month]
            self.assertEqual(told, sorted(told))
        both = counted + things

        def linked(values):
            found = shared(both, values, lambda t: t.month)
            cross = {(i, j): n for (i, j), n in found.items() if (both[i].kind == ACTIVE) != (both[j].kind == ACTIVE)}
            return excess(both, cross, lambda t: (t.kind, t.month))
        self.assertLess(linked(lambda t: t.grams), LINKED)
        self.assertGreater(linked(lambda t: t.grams | {t.whose[:GRAM]}), LINKED)  # as it would be if something did
        # Another year has other pseudonyms, and the subject of no other event is one.
        subjects = {e.fields.get(2) for e in self.before.events.values() if e.header.kind != ACTIVE}
        self.assertFalse(subjects & {t.event.fields[2] for t in counted})

    def counted(self, directory):
        """Counted people; whose a pseudonym is, from the counting keys of the host's own members."""
        slots = {number(value): key[:16] for key, value in directory.main["keyslots"]}
        pseudonyms = {}
        for key in directory.keys:
            if key.where.startswith("slot"):
                member = slots.get(int(key.where.split()[1]))
                if member:
                    pseudonyms[reader.pseudonym(key.value, 2024)[1]] = member
        found = []
        for event in sorted(directory.events.values(), key=lambda e: (e.log, e.seq)):
            if event.header.kind == ACTIVE and event.fields[2] in pseudonyms:
                found.append(Thing(directory, event, pseudonyms[event.fields[2]], []))
        return found


def number_of(month):
    return int(month[:4]) * 12 + int(month[5:]) - 1


class Thing:
    """An event with all that is stored of it in clear: by field, and as strings of GRAM bytes wherever they stand."""

    def __init__(self, directory, event, whose, rows):
        header, fields = event.header, event.fields
        self.event, self.whose, self.kind = event, whose, header.kind
        days = reader.zigzag(fields[3])
        self.month = day_month(days)
        self.cell = (self.kind, self.month) + tuple(fields.get(n) for n in (8, 9, 10, 12))
        capsules = [directory.capsules[at] for at in ((event.log, event.seq, n) for n in range(16)) if at in directory.capsules]
        self.fields = {"payload %d" % n: value for n, value in fields.items()}
        self.fields.update({"log": event.log, "clock": header.clock, "commitment": header.commitment, "length": header.payload_bytes,
                            "version": header.version, "references": tuple(header.references)})
        for n, commitment in enumerate(header.capsules):
            for what, value in zip(("class", "hash", "length"), commitment):
                self.fields["capsule %d %s" % (n, what)] = value
        for data in capsules:
            self.fields["capsule nonce"], self.fields["capsule key hash"], self.fields["capsule size"] = data[1:25], data[25:57], len(data)
        for table, data in rows:
            self.fields.setdefault("row of " + table, data)
        stored = [event.frame] + capsules + [data for _, data in rows]
        self.grams = {data[at:at + GRAM] for data in stored for at in range(len(data) - GRAM + 1)}


def day_month(days):
    day = datetime.date(1970, 1, 1) + datetime.timedelta(days=days)
    return day.year * 12 + day.month - 1


def shared(things, values, cell=lambda t: t.cell):
    """{(i, j): values that both have and not all of their cell}"""
    found = collections.Counter()
    cells = collections.defaultdict(list)
    for i, t in enumerate(things):
        cells[cell(t)].append(i)
    for members in cells.values():
        holders = collections.defaultdict(list)
        for i in members:
            for value in values(things[i]):
                holders[value].append(i)
        for those in holders.values():
            if 1 < len(those) < len(members):
                found.update(itertools.combinations(those, 2))
    return found


def neighbours(things, order, near):
    found = {}
    line = sorted(range(len(things)), key=lambda i: order(things[i]))
    for at, i in enumerate(line):
        for j in line[at + 1:at + 1 + near]:
            if things[i].cell == things[j].cell:
                found[min(i, j), max(i, j)] = 1
    return found


def excess(things, weights, cell=lambda t: t.cell):
    """By how many standard deviations the weight of pairs of one person is above what it is if the persons are dealt out anew within
    their cells."""
    weights = [(i, j, n) for (i, j), n in weights.items()]
    labels = [t.whose for t in things]
    cells = collections.defaultdict(list)
    for i, t in enumerate(things):
        cells[cell(t)].append(i)
    draw = random.Random(5)

    def weight(of):
        return sum(n for i, j, n in weights if of[i] == of[j])
    seen, dealt = weight(labels), []
    for _ in range(PERMUTATIONS):
        other = list(labels)
        for members in cells.values():
            mixed = [labels[i] for i in members]
            draw.shuffle(mixed)
            for i, label in zip(members, mixed):
                other[i] = label
        dealt.append(weight(other))
    mean = sum(dealt) / len(dealt)
    variance = sum((x - mean) ** 2 for x in dealt) / len(dealt)
    return (seen - mean) / variance ** 0.5 if variance else 0.0 if seen == mean else float("inf")


if __name__ == "__main__":
    unittest.main()
