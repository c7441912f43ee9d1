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
PAST = "ES"  # keeps its register for a shorter time than others: asked first who is past the legal date
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
        self.member = self.past = None

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
        return issued

    # ---- moving ----

    def standing(self, node):
        """Members and flows of both units on the day before, of and after the move, as a node reports them."""
        found = {}
        for day in (self.today - DAY, self.today, self.today + DAY):
            members = node.get_json("/v1/reports/members?as_of=%s" % day)["rows"]
            flows = node.get_json("/v1/reports/flows?from=%s&to=%s" % (day, day))["rows"]
            for unit in (HOME, NEW_HOME):
                found[day, unit] = dict({"members": sum(r["members"] for r in members if r["unit"] == unit)}, **{
                    name: sum(r[name] for r in flows if r["unit"] == unit) for name in ("joined", "moved_in", "moved_out")})
            found[day, "every"] = sum(r["members"] for r in members)
        return found

    def turn(self, node):
        return next((h["turn"] for h in node.get_json("/v1/handovers", "desk")["handovers"] if h["member"] == self.member), None)

    def wait_turn(self, node, turn):
        self.wait("the desk of %s sees: %s" % (node.row["name"], turn), lambda: self.turn(node) == turn)

    def step(self, node, what, options, **body):
        command("member", "handover", what, self.member, *options)
        node.post("/v1/members/%s/handover/%s" % (self.member, what), body)

    def hand_over(self):
        say("She moves to Stockholm. Brussels offers her to %s; nothing has moved yet, and Brussels may take the offer back." %
            self.new.row["name"])
        self.step(self.home, "offer", ["--to", NEW_HOME], to=NEW_HOME, proposed=self.today.isoformat())
        self.wait_turn(self.new, "we_accept")
        say("Stockholm's desk sees that it must act, and accepts her: its office, one share of its own.")
        self.step(self.new, "accept", ["--office", NEW_OFFICE, "--shares", "1"], office=NEW_OFFICE, shares=1)
        self.wait_turn(self.home, "we_complete")
        say("Brussels completes. This alone moves her: one share repaid there and one taken here, and her pass ended.")
        self.step(self.home, "complete", [], activities="closed")

        def received():
            seen = self.seen(self.new, self.member, NEW_HOME)
            return self.turn(self.new) is None and seen["personal"] == "here" and seen["person"]

        person = self.wait("Stockholm's node has received her by itself", received)
        claim(all(person.get(c, {}).items() >= PERSON[c].items() for c in PASS_CLASSES if c == "contact"),
              "Stockholm reads her contact data", self.new)
        say("Stockholm's node receives her by itself, seals her data under keys of its own and finds her by name: %s %s, %s." %
            (person["identity"]["given_name"], person["identity"]["family_name"], person["contact"]["email"]))
        call(self.new, "GET", "/v1/members?q=" + PERSON["identity"]["family_name"])
        self.wait("Stockholm finds her by name", lambda: [self.member] == [
            m["id"] for m in self.new.get_json("/v1/members?q=" + PERSON["identity"]["family_name"], "desk")["members"]])
        old = self.seen(self.home, self.member, HOME)
        claim((old["status"], old["left_reason"], old["shares"]) == ("left", "moved", 0), "she has left Belgium by moving", self.home)

    def refuse_old_pass(self, issued):
        status, _, text = self.host.request("POST", "/v1/passes/verify", {"pass": issued["pass"]}, "desk")
        answer = json.loads(text)
        claim(status == 403 and answer["reason"] in ("moved", "revoked"), "Berlin refuses the pass that Belgium gave", self.host)
        say("Berlin refuses the pass that Brussels had given her (%s); Stockholm would give her another." % answer["reason"])

    def show_reports(self, before):
        after = self.standing(self.witness)
        yesterday, tomorrow = self.today - DAY, self.today + DAY
        expected = dict(before)
        for day in (self.today, tomorrow):
            for unit, by in ((HOME, -1), (NEW_HOME, 1)):
                expected[day, unit] = dict(before[day, unit], members=before[day, unit]["members"] + by)
        expected[self.today, HOME]["moved_out"] += 1
        expected[self.today, NEW_HOME]["moved_in"] += 1
        claim(after == expected, "the reports of both units add up: %s is not %s" % (after, expected), self.witness)
        for node in self.nodes:
            claim(self.standing(node) == after, "%s reports the same" % node.row["name"], node)
        call(self.witness, "GET", "/v1/reports/members?as_of=%s" % self.today)
        call(self.witness, "GET", "/v1/reports/flows?from=%s&to=%s" % (self.today, self.today))
        rows = []
        for day, name in ((yesterday, "the day before"), (self.today, "the day of the move"), (tomorrow, "the day after")):
            home, new = after[day, HOME], after[day, NEW_HOME]
            rows.append([name, day.isoformat(), number(home["members"]), number(home["moved_out"]), number(new["members"]),
                         number(new["moved_in"]), number(home["members"] + new["members"]), number(after[day, "every"])])
        table(["", "", ">members BE", ">moved out", ">members SE", ">moved in", ">both", ">all units"], rows)
        say("All nine nodes report the same. She is counted in one unit on each day, and nobody joined or left the federation.")

    def move(self, issued):
        show.phase("she moves to Stockholm")
        before = self.standing(self.witness)
        self.hand_over()
        self.wait_agreed()
        self.refuse_old_pass(issued)
        self.show_reports(before)
        show.done("moved")

    # ---- erased ----

    def order(self, node, member, classes):
        command("erase", member, *[word for c in classes for word in ("--class", c)])
        path = "/v1/members/%s" % member
        return node.post(path + "/erase", {"classes": classes}, {"If-Match": node.etag(path)})

    def wait_receipts(self, node, member, order):
        def confirmed():
            found = node.get_json("/v1/erasures?member=" + member, "desk")["erasures"]
            mine = [e for e in found if e["log"] == order["log"] and e["seq"] >= order["seq"] and e["unit"] == node.code]
            return mine and all(e["complete"] and len(e["confirmed"]) == len(self.nodes) for e in mine) and mine

        receipts = self.wait("all nine have confirmed the erasure to %s" % node.row["name"], confirmed)
        show.text("        %s: %s erased; receipts of %s" % (node.code, ", ".join(receipts[0]["classes"]),
                                                             " ".join(sorted(c["unit"] for c in receipts[0]["confirmed"]))))

    def erase_contact(self):
        say("She wants her address and e-mail gone. Stockholm, her home, erases the class contact.")
        at_new = self.order(self.new, self.member, ["contact"])
        claim(at_new["erased"] == ["contact"] and not at_new.get("restricted"), "Stockholm erases contact", self.new)
        say("Brussels, where she was a member until today, is asked for everything: contact goes; the register must be kept, so "
            "its class identity is restricted.")
        at_home = self.order(self.home, self.member, ["contact", "identity"])
        until = {r["class"]: r["until"] for r in at_home["restricted"]}
        claim(at_home["erased"] == ["contact"] and list(until) == ["identity"] and until["identity"] > self.today.isoformat(),
              "Brussels erases contact and restricts identity until a legal date", self.home)
        say("No desk in Brussels reads it any more; on %s it is erased." % until["identity"])
        return [(self.new, self.member, at_new), (self.home, self.member, at_home)]

    def check_member(self):
        at_new, at_home = self.seen(self.new, self.member, NEW_HOME), self.seen(self.home, self.member, HOME)
        claim("contact" not in at_new["person"] and at_new["person"]["identity"]["family_name"] == PERSON["identity"]["family_name"],
              "Stockholm has her name and no contact data", self.new)
        claim(not {"identity", "contact"} & set(at_home.get("person", {})), "no desk in Brussels reads her", self.home)

    def due(self, node):
        """A former member of a unit whose register data is past its date, and the unit's rules."""
        after = ""
        while after is not None:
            page = node.get_json("/v1/retention" + after, "desk")
            for member in page["members"]:
                if member["status"] == "left" and "identity" in {d["class"] for d in member["due"]}:
                    return member, page["rules"]
            after = page["next"] and "?after=" + page["next"]
        return None, None

    def erase_past(self):
        """Of a former member of some unit, whose legal date has passed; of which unit, who it is, and words that must be gone."""
        for node in sorted(self.nodes, key=lambda n: n.code != PAST):
            due, rules = self.due(node)
            if due:
                break
        claim(due, "there is a former member whose legal date has passed", node)
        since = next(d["since"] for d in due["due"] if d["class"] == "identity")
        years = next(r for r in rules if r["what"] == "register")
        say("%s keeps its register for %d years from leaving (%s). A member who left on %s asks for the same: the date has passed on "
            "%s, and the register class is erased too." % (node.row["name"], years["years"], years["ground"], due["left_on"], since))
        command("retention")
        order = self.order(node, due["id"], ["contact", "identity"])
        claim(sorted(order["erased"]) == ["contact", "identity"] and not order.get("restricted"), "both classes are erased", node)
        return node, due["id"], order

    def check_past(self, node, member):
        claim("identity" not in node.get_json("/v1/members/" + member, "desk").get("person", {}), "the name is gone", node)

    def erase(self):
        show.phase("her contact data is erased in all nine units")
        orders = self.erase_contact()
        node, past, order = self.erase_past()
        say("Each unit carries it out by itself, rewrites its vault and says so in its own log: nine receipts for each order.")
        show.text("        $ smartnode erasures")
        for ordered in orders + [(node, past, order)]:
            self.wait_receipts(*ordered)
        self.check_member()
        self.check_past(node, past)
        self.past = node, past
        self.wait_agreed()
        show.done("erased; the states of all nine nodes are the same")


def tell(nodes):
    """With running nodes; they agree at the end. What prove() needs to know."""
    story = Story(nodes)
    issued = story.served_abroad()
    story.move(issued)
    story.erase()
    return story


def prove(story, directory):
    """With stopped nodes: nothing that was erased is left in a file of theirs, and every log verifies."""
    show.phase("nine data directories are searched for what was erased, and every log is verified")
    unit, past = story.past
    needles = os.path.join(directory, "needles")
    with open(needles, "w", encoding="utf-8") as f:
        f.write("".join(word + "\n" for word in (PERSON["contact"]["email"], PERSON["contact"]["street"])))
    command("erase", "--prove", "--quick", "--class", "contact", "--needles", "FILE", story.member, past)
    command("verify")
    proof = [SMARTNODE, "erase", "--prove", "--quick", "--json", "--class", "contact", "--needles", needles, story.member, past, "--data"]
    chains = [(node, [proof + [node.data], [SMARTNODE, "verify", "--json", "--data", node.data]]) for node in story.nodes]
    chains.append((unit, [[SMARTNODE, "erase", "--prove", "--quick", "--json", "--class", "identity", past, "--data", unit.data]]))
    outputs = run_chains(chains, lambda running, done: show.progress("%d done, now %s" % (sum(done), ", ".join(running))))
    os.remove(needles)
    proofs = [json.loads(out[0]) for out in outputs]
    for (node, _), found in zip(chains, proofs):
        claim(found["clean"], "nothing that was erased is left", node)
    for (node, _), out in zip(chains, outputs[:len(story.nodes)]):
        claim(json.loads(out[1])["ok"], "every log verifies", node)
    show.done("%s bytes searched in nine directories, nothing is left; nine times all is well" %
              number(sum(found["bytes"] for found in proofs)))
