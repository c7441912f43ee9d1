"""Members who move: what happens to a member of Belgium who is served in Berlin, moves to Stockholm and has her data erased.

Told with the nodes of the demo, on top of what they have imported. Each step says who does what and with which command or call,
does it, and raises a Failure if what it says is not so. The member is invented and joins after the years whose figures are published.
"""
import datetime
import json
import os
import shlex
import textwrap

from nodes import SMARTNODE, Failure, agreed, number, run_chains, show, table, wait_until

HOME, HOST, NEW_HOME = "BE", "DE", "SE"
HOST_OFFICE, NEW_OFFICE, SECTOR = "Berlin", "Stockholm", "music"
WITNESS = "FR"  # whose node is asked for the reports: it has no part in the story
PERSON = {
    "identity": {"member_no": "BE-DEMO-1", "given_name": "Marieke", "family_name": "Zonderland", "birth_date": "1991-05-17",
                 "language": "nl"},
    "contact": {"email": "marieke.zonderland@kroonkurk.example", "street": "Kroonkurkenstraat 7", "postcode": "1000",
                "city": "Brussel", "country": "BE"},
}
NAME = "%(given_name)s %(family_name)s" % PERSON["identity"]
PASS_CLASSES = ["identity", "contact"]
HOME_AMOUNT_MINOR, HOST_AMOUNT_MINOR = 65000, 48000
CLIENT = "Tonhalle Nord"
DAY = datetime.timedelta(days=1)
WIDTH = 110


def say(text):
    for line in textwrap.wrap(text, WIDTH - 6):
        show.text("      " + line)


def call(node, method, path, body=None):
    """The line of an HTTP call."""
    show.text("        %s http://127.0.0.1:%d%s%s" % (method, node.http_port, path, "  " + json.dumps(body, ensure_ascii=False) if body else ""))


def command(*words):
    show.text("        $ smartnode " + shlex.join(words))


def claim(true, text, node):
    if not true:
        raise Failure("it is not so that " + text, node.log)


def age(seconds):
    return "%d s" % seconds if seconds < 120 else "%d minutes" % (seconds // 60)


class Story:
    def __init__(self, nodes):
        self.nodes = nodes
        self.by_code = {node.code: node for node in nodes}
        self.home, self.host, self.new, self.witness = (self.by_code[code] for code in (HOME, HOST, NEW_HOME, WITNESS))
        self.today = datetime.date.fromisoformat(self.home.get_json("/v1/status")["today"])
        self.month_end = self.today.replace(day=1) - DAY  # of the last month that is over: people are counted in those
        self.month_begin = self.month_end.replace(day=1)
        self.joined = (self.month_begin - DAY).replace(day=1)
        self.member = None

    # ---- asking ----

    def wait(self, what, check, nodes=None):
        return wait_until(what, nodes or self.nodes, check)

    def wait_agreed(self, nodes=None):
        self.wait("all nodes agree", lambda: agreed(self.nodes), nodes)

    def seen(self, node, member, unit):
        return node.get_json("/v1/members/%s?unit=%s" % (member, unit), "desk")

    def members(self, day, *units):
        """Members on a day as the witness reports them, of some units or of all."""
        rows = self.witness.get_json("/v1/reports/members?as_of=%s" % day)["rows"]
        return sum(row["members"] for row in rows if not units or row["unit"] in units)

    def people(self):
        """People active in the last month: by unit, and without anybody twice over all units."""
        report = self.witness.get_json("/v1/reports/activity?from=%s&to=%s" % (self.month_begin, self.month_end))
        by_unit = {unit: sum(r.get("people", 0) for r in report["rows"] if r["unit"] == unit) for unit in self.by_code}
        return by_unit, sum(r.get("people", 0) for r in report.get("people_over_all_units", []))

    # ---- served abroad ----

    def join(self):
        body = {"status": "admitted", "category": "A", "person_type": "natural", "office": "Brussel", "shares": 1,
                "effective_on": self.joined.isoformat(), "person": PERSON}
        say("%s joins %s; the desk in Brussels admits her. She opens an activity there and is invoiced in %s." %
            (NAME, self.home.row["name"], self.month_begin.strftime("%Y-%m")))
        call(self.home, "POST", "/v1/members")
        self.member = self.home.post("/v1/members", body)["id"]
        self.work(self.home, {"member": self.member, "effective_on": self.joined.isoformat()}, HOME_AMOUNT_MINOR, "Zaal Zuid")
        show.text("        her id in every unit: %s" % self.member)

    def work(self, node, activity, amount_minor, client):
        """An activity and an invoice, both dated in the last month; their ids."""
        activity = dict({"sector": SECTOR, "effective_on": self.month_begin.isoformat()}, **activity)
        opened = node.post("/v1/activities", activity)["id"]
        invoice = {"activity": opened, "amount_minor": amount_minor, "client": client, "date": self.month_end.isoformat()}
        return opened, node.post("/v1/invoices", invoice)["id"]

    def issue_pass(self):
        path, asked = "/v1/members/%s/pass" % self.member, {"classes": PASS_CLASSES}
        say("She is to work in Berlin for a while and asks for a pass: a QR code that opens her name and contact data "
            "wherever she shows it, also while Belgium's node is down. The node keeps neither code nor secret.")
        command("member", "pass", self.member, "--classes", ",".join(PASS_CLASSES))
        key = {"Idempotency-Key": "demo-pass"}  # the same key, the same pass: once as text, once as a QR code
        issued = self.home.post(path, asked, key)
        status, _, code = self.home.request("POST", path, asked, "desk", dict(key, Accept="text/plain"))
        claim(status in (200, 201) and "█" in code, "the pass is shown as a QR code", self.home)
        for line in code.rstrip("\n").splitlines():
            show.text("        " + line)
        return issued

    def stop_home(self, issued):
        def arrived():
            status, _, text = self.host.request("POST", "/v1/passes/verify", {"pass": issued["pass"]}, "desk")
            return status == 200 and len(json.loads(text)["opened"]) == len(PASS_CLASSES)

        self.wait_agreed()
        say("She sends the code ahead, and the desk in Berlin tries it.")
        command("pass", "verify")
        self.wait("Berlin has fetched what the pass opens", arrived)
        pid = self.home.process.pid
        say("Belgium's node is stopped: process %d gets SIGTERM." % pid)
        show.text("        $ systemctl stop smartnode        (here: kill %d)" % pid)
        self.home.stop()
        try:
            self.home.get("/healthz", None)
            raise Failure("Belgium's node still answers", self.home.log)
        except OSError:
            pass
        claim(not os.path.exists("/proc/%d" % pid), "the process has ended", self.home)
        say("It has ended; nobody listens on port %d any more." % self.home.http_port)

    def visit(self, issued):
        running = [n for n in self.nodes if n is not self.home]
        say("The desk in Berlin scans the pass and verifies it at its own node.")
        call(self.host, "POST", "/v1/passes/verify", {"pass": issued["pass"][:12] + "…"})
        seen = self.host.post("/v1/passes/verify", {"pass": issued["pass"]})
        claim((seen["unit"], seen["member"], sorted(seen["opened"])) == (HOME, self.member, sorted(PASS_CLASSES)),
              "the pass opens her identity and contact in Berlin", self.host)
        claim(all(seen["person"][c].items() >= PERSON[c].items() for c in PASS_CLASSES), "Berlin reads what Brussels wrote",
              self.host)
        person = seen["person"]
        say("Good: %s %s of %s, %s, %s %s. What Berlin knows of Belgium is %s old; the pass allows %d hours." %
            (person["identity"]["given_name"], person["identity"]["family_name"], self.home.row["name"],
             person["contact"]["email"], person["contact"]["street"], person["contact"]["city"], age(seen["age_s"]),
             seen["stale_hours"]))
        say("Berlin opens an activity for her as a visitor and issues an invoice for it.")
        call(self.host, "POST", "/v1/activities", {"member": self.member[:8] + "…", "member_unit": HOME, "office": HOST_OFFICE,
                                                   "sector": SECTOR})
        call(self.host, "POST", "/v1/invoices", {"activity": "…", "amount_minor": HOST_AMOUNT_MINOR, "client": CLIENT})
        done = self.work(self.host, {"member": self.member, "member_unit": HOME, "office": HOST_OFFICE}, HOST_AMOUNT_MINOR, CLIENT)
        shown = self.host.get_json("/v1/invoices/" + done[1], "desk")
        claim((shown["member"], shown["member_unit"], shown["client"]) == (self.member, HOME, CLIENT),
              "Berlin's invoice is hers", self.host)
        say("Berlin writes down for her home what was opened and done, as every node does at the end of a day.")
        call(self.host, "POST", "/v1/guest-records")
        self.host.post("/v1/guest-records")
        claim(self.home.process.poll() is not None and all(n.process.poll() is None for n in running),
              "only Belgium's node was down meanwhile", self.host)
        return done

    def home_sees(self, issued, done):
        say("Belgium's node is started again and catches up.")
        show.text("        $ systemctl start smartnode")
        self.home.start()
        self.home.wait_ready()

        def told():
            records = [r for r in self.home.get_json("/v1/members/%s/openings" % self.member, "desk")["units"]
                       if r["unit"] == HOST and r["access"] == issued["id"]]
            return len([w for r in records for w in r["work"]]) == len(done) and any(r["count"] > 0 for r in records) and records

        records = self.wait("Belgium knows who looked", told)
        say("Brussels sees who looked: %s opened %s, %d times on %s with the pass." %
            (self.host.row["name"], " and ".join(sorted({c for r in records for c in r["classes"]})),
             sum(r["count"] for r in records), ", ".join(sorted({r["day"] for r in records if r["count"] > 0}))))
        call(self.home, "GET", "/v1/members/%s/openings" % self.member)

        def work(what):
            found = self.home.get_json("/v1/%s?member=%s" % (what, self.member), "desk")[what]
            return [w for w in found if w["unit"] == HOST and w["personal"] == "here"]

        activities = self.wait("Belgium sees the activity at the host", lambda: work("activities"))
        invoices = self.wait("Belgium sees the invoice at the host", lambda: work("invoices"))
        claim(([a["id"] for a in activities], [i["id"] for i in invoices]) == ([done[0]], [done[1]]),
              "Belgium sees the activity and the invoice that Berlin wrote", self.home)
        claim((invoices[0]["client"], invoices[0]["amount_minor"]) == (CLIENT, HOST_AMOUNT_MINOR),
              "Belgium reads client and amount of Berlin's invoice", self.home)
        say("And what was done: an activity and an invoice of %s %d.%02d to %s, in Berlin's log." %
            (invoices[0]["currency"], HOST_AMOUNT_MINOR // 100, HOST_AMOUNT_MINOR % 100, CLIENT))
        call(self.home, "GET", "/v1/invoices?member=%s" % self.member)

    def counted_once(self, members_before, people_before):
        say("Both units count who was active in %s, as every node does at its start and every hour; Berlin's is restarted for it." %
            self.month_begin.strftime("%Y-%m"))
        self.host.stop()
        self.host.start()
        self.host.wait_ready()
        before, every_before = people_before

        def counted():
            by_unit, every = self.people()
            return by_unit[HOME] == before[HOME] + 1 and by_unit[HOST] == before[HOST] + 1 and (by_unit, every)

        by_unit, every = self.wait("she is counted as active in both units", counted)
        self.wait_agreed()
        call(self.witness, "GET", "/v1/reports/activity?from=%s&to=%s" % (self.month_begin, self.month_end))
        table(["people active in %s" % self.month_begin.strftime("%Y-%m"), ">before", ">now"],
              [[self.by_code[c].row["name"], number(before[c]), number(by_unit[c])] for c in (HOME, HOST)] +
              [["all units together, nobody twice", number(every_before), number(every)]])
        claim(every == every_before + 1, "the federation counts her once", self.witness)
        now = {unit: self.members(self.today, unit) for unit in self.by_code}
        claim(now == dict(members_before, **{HOME: members_before[HOME] + 1}), "she is a member in Belgium and nowhere else",
              self.witness)
        say("She worked in two units and is one person; the visit made nobody a member: %s in Germany before and after." %
            number(now[HOST]))

    def served_abroad(self):
        show.phase("a member of Belgium is served in Berlin while Belgium's node is down")
        members = {unit: self.members(self.today, unit) for unit in self.by_code}
        people = self.people()
        self.join()
        issued = self.issue_pass()
        self.stop_home(issued)
        done = self.visit(issued)
        self.home_sees(issued, done)
        self.counted_once(members, people)
        show.done("served, seen and counted once")


def tell(nodes):
    story = Story(nodes)
    story.served_abroad()
    story.wait_agreed()
