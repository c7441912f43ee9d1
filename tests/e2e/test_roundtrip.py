"""Round trip: generated registers of three currencies → import → more operations, over the API and from a file → export → import into an
empty node → the same figures in every report, to the minor unit; as CSV and as NDJSON. And imports that are killed and run again."""

import csv
import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
import unittest

import cluster
from cluster import run, wait_until

SCALES = {"BE": "2", "HU": "20", "SE": "20"}  # per cent: registers of some hundred members
FILES = ("members", "activities", "invoices")
REPORTS = (
    ["/v1/reports/members?unit=%s&by=category,office,person_type&as_of=" + day for day in
     ("2017-12-31", "2019-02-28", "2021-06-30", "2023-12-31", "2024-05-15", "2025-12-31", "2026-06-30")]
    + ["/v1/reports/flows?unit=%s&by=category,office&" + span for span in
       ("from=2017-01-01&to=2025-12-31", "from=2019-03-07&to=2023-08-19", "from=2024-01-01&to=2024-12-31")]
    + ["/v1/reports/activity?unit=%s&by=office,sector,culture,currency&" + span for span in
       ("from=2017-01-01&to=2020-12-31&each=year", "from=2021-01-01&to=2025-12-31&each=year", "from=2024-01-01&to=2024-06-30&each=month")]
    + ["/v1/reports/activity?unit=%s&by=currency&each=month&from=2017-01-01&to=2025-12-31", "/v1/periods/%s/2023",
       "/v1/reports/postings?unit=%s&each=month&from=2024-01-01&to=2027-12-31"])


def generate(folder, *codes):
    units = {}
    for code in codes:
        subprocess.run([cluster.GENERATE, "-o", folder, "-p", SCALES[code], "-u", code, "-d", os.path.join(cluster.ROOT, "ops", "demo")], check=True, capture_output=True)
        with open(os.path.join(folder, "units.csv"), encoding="utf-8", newline="") as file:
            units.update((row["code"], row) for row in csv.DictReader(file))
    return units


class Empty(cluster.Node):
    """A node of which nothing is described."""

    def init(self):
        run("init", "--data", self.data, "--unit", self.code, "--name", "Smart " + self.code, "--federation", self.federation, "--test",
            "--keys-out", os.path.join(self.folder, "keys"), "--http-port", self.http_port, "--listen", "none", "--map-gib", 2)
        return self


def imported(data, *args):
    """Rejected rows are no failure here, but what is wrong with the first of them is shown."""
    done = run("import", "--data", data, "--json", *args, status=None)
    if done.returncode not in (0, 3):
        raise AssertionError(done.stderr)
    got = json.loads(done.stdout)
    for file in got["files"]:
        if file["rejected"]:
            with open(file["rejected_file"], encoding="utf-8") as rejected:
                raise AssertionError("%s: %s" % (file["file"], rejected.read()[:2000]))
    return got


def figures(node):
    """Every report without what it was computed from."""
    found = []
    for path in REPORTS:
        document = node.get(path % node.code, role="reports")
        found.append((path, {key: value for key, value in document.items() if key not in ("computed_from", "computed_at", "log", "seq")}))
    return found


def ids(node):
    with tempfile.TemporaryDirectory() as folder:
        run("export", "--data", node.data, "--out", folder, "--format", "ndjson")
        rows = {}
        for name in os.listdir(folder):
            with open(os.path.join(folder, name), encoding="utf-8") as file:
                rows[name.split(".")[0]] = [json.loads(line) for line in file]
    return rows


class Registers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="smartnode-roundtrip-")
        cls.units = generate(os.path.join(cls.folder, "generated"), "BE", "HU", "SE")

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def tearDown(self):
        for node in getattr(self, "nodes", []):
            node.kill()

    def node(self, code, name, kind=cluster.Node):
        unit, folder = self.units[code], os.path.join(self.folder, name)
        os.makedirs(folder, exist_ok=True)
        node = kind(folder, code, listens=False, offices=unit["offices"].split(";"), contribution_bp=int(unit["contribution_bp"]),
                    share_price=int(unit["share_price_minor"])).init()
        self.nodes = getattr(self, "nodes", []) + [node]
        return node

    def done(self, node, lines):
        answers = node.batch(lines)
        bad = [(line, answer) for line, answer in zip(lines, answers) if answer["status"] >= 400]
        self.assertEqual(bad, [])
        return answers


class RoundTrip(Registers):
    def work_on(self, node):
        """What desks do beyond what a register exports: over the API of the running node."""
        rows = ids(node)
        left = {r["id"] for r in rows["operations"] if r["op"] in ("member.resign", "member.exclude", "member.death")}
        people = [r for r in rows["members"] if r["type"] == "natural" and r.get("admitted_on") and r["id"] not in left]
        gone = [r for r in rows["members"] if r.get("left_on") and r.get("shares")]
        legal = [r for r in rows["members"] if r["type"] == "legal" and r.get("admitted_on") and not r.get("left_on")]
        people = [r for r in people if not r.get("left_on") and r["admitted_on"] < "2024-06-01"]
        offices = sorted({r["office"] for r in rows["offices"]})
        day = "2026-02-03"
        answers = self.done(node, [
            {"op": "member.shares", "id": people[0]["id"], "shares": 3, "effective_on": day},
            {"op": "member.shares", "id": people[0]["id"], "shares": 2, "effective_on": day},
            {"op": "member.shares", "id": people[0]["id"], "shares": 2, "effective_on": day},
            {"op": "member.category", "id": people[1]["id"], "category": "B" if people[1]["category"] != "B" else "A",
             "effective_on": "2025-11-05"},
            {"op": "member.data", "id": people[2]["id"], "office": offices[-1], "effective_on": "2025-10-01",
             "person": {"contact": {"email": "=cmd@example.org", "phone": "+32 2 555 55 55"}}, "note": "moved, as she said"},
            {"op": "member.consent", "id": people[3]["id"], "purpose": "newsletter", "text_version": "v2", "effective_on": day},
            {"op": "member.withdrawal", "id": people[4]["id"], "effective_on": "2025-12-01"},
            {"op": "member.withdrawal.grant", "id": people[4]["id"], "effective_on": "2025-12-20"},
            {"op": "member.resign", "id": people[5]["id"], "effective_on": "2025-12-31"},
            {"op": "member.death", "id": people[6]["id"], "effective_on": "2026-01-15"},
            {"op": "member.repay", "id": gone[0]["id"], "shares": 1, "effective_on": day},
            {"op": "member.repay", "id": people[5]["id"], "shares": 1, "amount_minor": 1, "currency": node.currency,
             "effective_on": day},
            {"op": "member.merge", "id": people[7]["id"], "other": people[8]["id"], "effective_on": "2024-08-08"},
            {"op": "member.merge", "id": people[9]["id"], "other": people[10]["id"], "effective_on": "2025-08-08"},
            {"op": "member.exclude", "id": people[11]["id"], "effective_on": "2025-06-06"},
            {"op": "member.resign", "id": people[12]["id"], "effective_on": "2025-06-07"},
        ])
        place = {"log": answers[3]["log"], "seq": answers[3]["seq"]}
        before = next(r for r in people[13:] if r["admitted_on"] < "2023-06-01")
        self.done(node, [
            {"op": "member.shares", "id": before["id"], "shares": 1, "effective_on": "2023-11-11", "adjusts_closed": True},
            {"op": "member.category", "id": people[1]["id"], "category": "B" if people[1]["category"] != "B" else "A",
             "effective_on": "2025-03-04", "corrects": place},
            {"op": "member.cancel", "id": people[12]["id"], "event": {"log": answers[15]["log"], "seq": answers[15]["seq"]}},
            {"op": "member.unmerge", "id": people[9]["id"]},
        ])
        if legal:
            self.done(node, [{"op": "member.representative", "id": legal[0]["id"], "effective_on": day,
                              "person": {"identity": {"given_name": "Jo", "family_name": "Maes"}}}])
        self.work_with_invoices(node, rows, people)
        self.work_abroad(node, people)

    def work_with_invoices(self, node, rows, people):
        issued = [r for r in rows["invoices"] if r["op"] == "invoice.issue" and not r.get("cancelled")]
        credited = {r["invoice"] for r in rows["invoices"] if r["op"] == "invoice.credit"}
        free = [r for r in issued if r["invoice"] not in credited and r["amount_minor"] > 100]
        ended = {r["activity"] for r in rows["activity_operations"] if r["op"] == "activity.close"}
        running = [r for r in rows["activity_operations"] if r["op"] == "activity.open" and r["activity"] not in ended]
        answers = self.done(node, [
            {"op": "activity.open", "member": people[0]["id"], "sector": "music", "culture": True, "activity_no": "N-1", "text": "Trio",
             "effective_on": "2025-04-10"},
            {"op": "activity.change", "activity": running[0]["activity"], "sector": "crafts and construction", "culture": False,
             "effective_on": "2025-12-10"},
            {"op": "activity.close", "activity": running[1]["activity"], "effective_on": "2026-03-10"},
            {"op": "invoice.credit", "invoice": free[0]["invoice"], "amount_minor": free[0]["amount_minor"] // 3, "date": "2026-01-11"},
            {"op": "invoice.credit", "invoice": free[0]["invoice"], "amount_minor": free[0]["amount_minor"] // 3, "date": "2026-01-11"},
            {"op": "invoice.credit", "invoice": free[1]["invoice"], "date": "2026-01-12", "invoice_no": "CN 77"},
        ])
        made = self.done(node, [
            {"op": "invoice.issue", "activity_no": "N-1", "date": "2025-05-%02d" % day, "amount_minor": 12345, "client": "-Atelier"}
            for day in (2, 2, 17)] + [
            {"op": "invoice.issue", "activity": answers[0]["id"], "date": "2025-06-01", "amount_minor": 99901, "rate_bp": 700,
             "invoice_no": "N-2025-1"}])
        self.done(node, [{"op": "invoice.cancel", "invoice": made[2]["id"],
                          "event": {"log": made[2]["log"], "seq": made[2]["seq"]}}])
        # Recorded late: somebody who invoiced after the day on which, as it turns out, she was excluded; and an activity that had closed.
        owners = {r["activity"]: r["id"] for r in rows["activity_operations"] if r["op"] == "activity.open"}
        others = {r["id"] for r in people[20:]}
        late = next(r for r in issued if r["date"] >= "2025-08-01" and owners[r["activity"]] in others)
        self.done(node, [{"op": "member.exclude", "id": owners[late["activity"]], "effective_on": "2025-06-30"}])
        late = next(r for r in issued if r["date"] >= "2025-08-01" and r["activity"] in {x["activity"] for x in running[5:]})
        opened = next(r["effective_on"] for r in running if r["activity"] == late["activity"])
        self.done(node, [{"op": "activity.close", "activity": late["activity"], "effective_on": max(opened, "2025-05-15")}])

    def work_abroad(self, node, people):
        some = [p["id"] for p in people[13:20]]
        posting = {"op": "posting.issue", "country": "AT", "from": "2025-01-13", "to": "2025-06-30"}
        made = self.done(node, [dict(posting, member=some[n], reference="A1-%d" % n, text="=Tour") for n in range(4)] + [
            dict(posting, member=some[4]), dict(posting, member=some[4], **{"from": "2025-07-01", "to": "2025-07-01"})])
        self.done(node, [
            {"op": "posting.change", "posting": made[0]["id"], "to": "2025-09-15"},
            {"op": "posting.change", "posting": made[0]["id"], "country": "FR", "effective_on": "2025-08-01", "reference": "A1-0b"},
            {"op": "posting.change", "posting": made[1]["id"], "from": "2024-12-30"},
            {"op": "posting.change", "posting": made[2]["id"], "to": "2025-03-03", "text": "shorter"},
            {"op": "posting.cancel", "posting": made[3]["id"], "event": {"log": made[3]["log"], "seq": made[3]["seq"]}},
            # Recorded late: who was posted had left on that day. The node cancels that posting by itself, not later than at its next start.
            {"op": "member.resign", "id": some[2], "effective_on": "2024-12-31"}])
        self.cancelled = made[2]["id"]

    def postings(self, node):
        fields = ("id", "country", "from", "to", "member", "reference", "text", "stays")
        found = node.get("/v1/postings?limit=500", role="desk")["postings"]
        return sorted([p.get(f) for f in fields] for p in found if p["status"] == "issued")

    def operations_from_a_file(self, node):
        """While the node runs, through it; again, and all of it is there."""
        path = os.path.join(node.folder, "more.csv")
        with open(path, "w", encoding="utf-8") as file:
            file.write("op,member_no,effective_on,category,person_type,office,shares,family_name,purpose\n"
                       "member.apply,X-1,2025-09-01,A,natural,%s,,Nieuw,\n"
                       "member.admit,X-1,2025-09-20,A,natural,%s,2,,\n"
                       "member.consent,X-1,2025-09-20,,,,,,newsletter\n"
                       "member.shares,X-1,2025-10-01,,,,4,,\n"
                       "member.shares,X-1,2025-10-01,,,,4,,\n"
                       "member.resign,X-1,2025-12-24,,,,,,\n"
                       "member.repay,X-1,2026-01-05,,,,10,,\n" % (node.offices[0], node.offices[1]))
        token = os.path.join(node.folder, "token")
        with open(token, "w", encoding="utf-8") as file:
            file.write(node.token())
        first = imported(node.data, "--token-file", token, path)
        self.assertEqual((first["imported"], first["rejected"]), (7, 0))
        again = imported(node.data, "--token-file", token, path)
        self.assertEqual((again["already_there"], again["rejected"]), (7, 0))
        path = os.path.join(node.folder, "abroad.csv")
        with open(path, "w", encoding="utf-8") as file:
            file.write("reference,member_no,country,from,to,op,effective_on\n"
                       "F-1,X-1,NL,2025-10-01,2025-10-31,,\n"
                       ",X-1,NL,2025-11-03,2025-11-28,,\n"
                       "F-1,,NL,,2025-11-01,posting.change,2025-10-01\n")
        first = imported(node.data, "--token-file", token, path)
        self.assertEqual((first["imported"], first["completed"], first["rejected"]), (3, 0, 0))
        again = imported(node.data, "--token-file", token, path)
        self.assertEqual((again["already_there"], again["rejected"]), (3, 0))

    def round_trip(self, code):
        node = self.node(code, code + "-first")
        for name in FILES:
            got = imported(node.data, os.path.join(self.folder, "generated", code, name + ".csv"))
            self.assertEqual((got["imported"], got["rejected"]), (got["rows"], 0), name)
        node.start()
        node.post("/v1/periods", {"year": 2023}, role="operator")
        self.work_on(node)
        self.operations_from_a_file(node)
        node.stop()
        run("count", "--data", node.data)
        node.start()
        wait_until("the posting of who had left is cancelled",
                   lambda: node.get("/v1/postings/" + self.cancelled, role="desk")["status"] == "cancelled")
        expected, abroad = figures(node), self.postings(node)
        self.assertEqual(len(abroad), 6)
        self.assertGreater(sum(len(document.get("rows", [])) for _, document in expected), 100)
        for form in ("csv", "ndjson"):
            with self.subTest(unit=code, form=form):
                folder = os.path.join(self.folder, code + form)
                run("export", "--data", node.data, "--out", folder, "--format", form)
                other = self.node(code, code + "-" + form, Empty)
                trial = imported(other.data, "--dry-run", folder)
                real = imported(other.data, folder)
                self.assertEqual(real["rejected"], 0)
                self.assertEqual([(f["imported"], f["rejected"]) for f in trial["files"]],
                                 [(f["imported"], f["rejected"]) for f in real["files"]])
                again = imported(other.data, folder)
                self.assertEqual((again["already_there"], again["imported"]), (again["rows"], 0))
                other.start()
                for (path, mine), (_, theirs) in zip(expected, figures(other)):
                    self.assertEqual(mine, theirs, path)
                self.assertEqual(abroad, self.postings(other))
                other.stop()
        node.stop()

    def test_belgium_in_euro(self):
        self.round_trip("BE")

    def test_hungary_in_forint(self):
        self.round_trip("HU")

    def test_sweden_in_krona(self):
        self.round_trip("SE")


class Killed(Registers):
    """kill -9 at random moments; whatever was written by then, the same command again ends as one that was not killed."""

    KILLS = 6

    def kill_now_and_then(self, command, seed):
        """Starts the command again and again; ends when it ended by itself."""
        rng, kills = random.Random(seed), 0
        while True:
            process = subprocess.Popen([cluster.PROGRAM, *map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                       preexec_fn=cluster.die_with_parent)
            try:
                out, err = process.communicate(timeout=rng.uniform(0.01, 0.3) if kills < self.KILLS else cluster.COMMAND_S)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.communicate()
                kills += 1
                continue
            self.assertEqual(process.returncode, 0, err)
            self.kills = getattr(self, "kills", 0) + kills
            return json.loads(out)

    def state(self, node):
        """What stands in the register, without what an import draws."""
        rows = ids(node)
        numbers = {r["id"]: r["member_no"] for r in rows["members"]}
        offices = {r["office"]: r["name"] for r in rows["offices"]}
        work = {r["activity"]: r["activity_no"] for r in rows["activity_operations"] if r["op"] == "activity.open"}
        drawn = {**numbers, **offices, **work, **{r["invoice"]: r["invoice_no"] for r in rows["invoices"] if r["op"] == "invoice.issue"}}
        return {name: sorted(json.dumps({k: drawn.get(v, v) if isinstance(v, str) else v for k, v in r.items() if k != "number"},
                                        sort_keys=True) for r in of) for name, of in rows.items()}

    def commands(self, node, *more):
        return [["import", "--data", node.data, "--json", *more, os.path.join(self.folder, "generated", node.code, name + ".csv")]
                for name in FILES]

    def test_a_killed_import_into_a_directory(self):
        whole, killed = self.node("BE", "whole"), self.node("BE", "killed")
        for command in self.commands(whole):
            run(*command)
        for seed, command in enumerate(self.commands(killed)):
            got = self.kill_now_and_then(command, seed)
            self.assertEqual(got["rejected"], 0)
        self.assertGreater(self.kills, 0)
        self.assertEqual(self.state(killed), self.state(whole))

    def test_a_killed_import_through_a_node(self):
        whole, killed = self.node("BE", "whole-http"), self.node("BE", "killed-http")
        for command in self.commands(whole):
            run(*command)
        token = os.path.join(killed.folder, "token")
        with open(token, "w", encoding="utf-8") as file:
            file.write(killed.token())
        killed.start()
        for seed, command in enumerate(self.commands(killed, "--token-file", token)):
            got = self.kill_now_and_then(command, seed)
            self.assertEqual(got["rejected"], 0)
        killed.stop()
        run("count", "--data", killed.data)
        self.assertGreater(self.kills, 0)
        self.assertEqual(self.state(killed), self.state(whole))


if __name__ == "__main__":
    unittest.main()
