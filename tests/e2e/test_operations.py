"""docs/OPERATIONS.md holds: two nodes put up by its marked commands alone, run as they stand there, federate, are copied and
restored; and its tables say what the program does."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import unittest

import cluster
from cluster import wait_until

NEXT = os.path.join(cluster.BUILD, "next", "smartnode")
DOCUMENT = os.path.join(cluster.ROOT, "docs", "OPERATIONS.md")
BLOCK = re.compile(r"<!-- tested: (\w+) -->\n```sh\n(.*?)```", re.S)


def read(path):
    with open(os.path.join(cluster.ROOT, path), encoding="utf-8") as file:
        return file.read()


def table(text, heading):
    """Rows of the first table under a heading, without its head."""
    section = re.split(r"^#+ ", text, flags=re.M)
    section = next(part for part in section if part.startswith(heading + "\n"))
    rows = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]


class Machine:
    """Where one operator sits: a directory, the variables of the document, and the commands as they stand there."""

    def __init__(self, folder, unit, peer, name, country, currency, language, zone, office):
        self.desk = os.path.join(folder, unit)
        os.makedirs(os.path.join(self.desk, "bin"))
        shutil.copy(cluster.PROGRAM, os.path.join(self.desk, "bin", "smartnode"))
        self.unit, self.peer_name = unit, peer
        self.http_port = cluster.free_port()
        self.data = os.path.join(self.desk, "data")
        self.env = dict(
            {key: value for key, value in os.environ.items() if not key.startswith("SMARTNODE")},
            PATH=os.path.join(self.desk, "bin") + ":" + os.environ["PATH"], SMARTNODE_DATA=self.data,
            KEYS=os.path.join(self.desk, "safe"), UNIT=unit, NAME=name, COUNTRY=country, CURRENCY=currency, LANGUAGE=language, ZONE=zone,
            OFFICE=office, ADDRESS="127.0.0.1", SYNC_PORT=str(cluster.free_port()), HTTP_PORT=str(self.http_port), PEER=peer,
            PEER_CARD=peer + ".card", COPY=os.path.join(self.desk, "copy"),
            NEW=NEXT)
        self.node = None

    def do(self, block, status=0):
        """What it printed; with status None what it printed as an error, too."""
        done = subprocess.run(["/bin/sh", "-e", "-c", block], cwd=self.desk, env=self.env, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=cluster.COMMAND_S, check=False)
        if status is not None and done.returncode != status:
            raise AssertionError("%s: status %d\n%s\n%s%s" % (self.unit, done.returncode, block, done.stdout, done.stderr))
        return done.stdout if status is not None else done.stdout + done.stderr

    def run(self, block):
        """The terminal of its own: a process group, so that Ctrl-C reaches what the shell started."""
        with open(os.path.join(self.desk, "log"), "ab") as log:
            self.node = subprocess.Popen(["/bin/sh", "-c", block], cwd=self.desk, env=self.env, stdin=subprocess.DEVNULL, stdout=log,
                                         stderr=log, start_new_session=True, preexec_fn=cluster.die_with_parent)
        wait_until("%s is ready" % self.unit, self.ready)

    def readiness(self):
        with contextlib.closing(cluster.Http(self.http_port, None)) as client:
            return client.call("GET", "/readyz", headers={"Connection": "close"}).body.decode().strip()

    def ready(self):
        try:
            return self.readiness() == "ready"
        except OSError:
            if self.node.poll() is not None:
                raise AssertionError("%s ended: %s" % (self.unit, read(os.path.join(self.desk, "log")))) from None
            return False

    def stop(self):
        if self.node is not None and self.node.poll() is None:
            os.killpg(self.node.pid, signal.SIGINT)
            self.node.wait(cluster.WAIT_S)
        self.node = None

    def members(self, block):
        """The number that the report of one unit shows."""
        found = re.search(r"^[A-Z]{2}\s+([\d ]+)$", self.do(block, status=None), re.M)
        return int(found.group(1).replace(" ", "")) if found else None


class OperationsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.text = read(DOCUMENT)
        cls.blocks = dict(BLOCK.findall(cls.text))
        cls.used = set()

    def test_two_nodes_put_up_by_the_document_alone_federate_and_come_back_from_a_copy(self):
        folder = tempfile.mkdtemp(prefix="smartnode-e2e-")
        self.addCleanup(shutil.rmtree, folder, True)
        be = Machine(folder, "BE", "SE", "Smart Belgium", "BE", "EUR", "nl", "Europe/Brussels", "Brussel")
        se = Machine(folder, "SE", "BE", "Smart Sweden", "SE", "SEK", "sv", "Europe/Stockholm", "Stockholm")
        block, used = self.blocks, self.used

        def each(name):
            used.add(name)
            for machine in (be, se):
                machine.do(block[name])

        each("init")
        each("card")
        for machine, other in ((be, se), (se, be)):  # by e-mail
            shutil.copy(os.path.join(other.desk, other.unit + ".card"), machine.desk)
        each("trust")
        each("token")
        for machine in (be, se):
            self.addCleanup(machine.stop)
            machine.run(block["run"])
        used.add("run")
        each("admit")
        used.add("report")
        for machine in (be, se):
            wait_until("%s sees the other's member" % machine.unit, lambda: machine.members(block["report"]) == 1)

        with open(os.path.join(be.desk, "members.csv"), "w", encoding="utf-8") as file:
            file.write("\n".join([cluster.CSV_COLUMNS] + [cluster.csv_row(n, "Brussel") for n in range(25)]) + "\n")
        be.do(block["import"])
        wait_until("the imported members are seen", lambda: se.members(block["report"]) == 26)
        told = be.do(block["status"])
        self.assertIn("SE    current", told)
        used |= {"import", "status"}
        be.do(block["platform"])
        for _ in range(3):  # what is there already is not told again
            be.do(block["changes"])
        with open(os.path.join(be.desk, "changes.ndjson"), encoding="utf-8") as file:
            kinds = [json.loads(line)["kind"] for line in file]
        self.assertEqual((kinds.count("member.admitted"), kinds[0]), (26, "log.opened"))
        used |= {"platform", "changes"}

        be.stop()
        be.do(block["copy"])
        be.run(block["run"])
        be.do(block["admit"])
        wait_until("what the copy will not have is seen", lambda: se.members(block["report"]) == 27)
        be.stop()
        be.do(block["restore"])
        be.run(block["run"])
        be.do(block["admit"])
        wait_until("both have everything", lambda: se.members(block["report"]) == 28)
        own = block["report"].replace("$PEER", "$UNIT")
        wait_until("the lost tail is back", lambda: be.members(own) == 28)
        for machine in (be, se):
            machine.stop()
            machine.do(block["verify"])
            machine.do(block["rebuild"])
        self.assertEqual(be.members(own), 28)
        used |= {"copy", "restore", "verify", "rebuild"}

        shutil.rmtree(be.data)
        se.run(block["run"])
        be.env["PEER_DATA"] = se.data
        told = be.do(block["recover"])
        self.assertIn("every peer pins it anew", told)
        shutil.copy(os.path.join(be.desk, "BE.card"), se.desk)
        se.do(block["trust"])
        be.do(block["token"])
        be.run(block["run"])
        self.assertEqual(be.members(own), 28)
        be.do(block["admit"])
        wait_until("the recovered node is heard", lambda: se.members(block["report"]) == 29)
        used.add("recover")

    def test_an_operators_day(self):
        """Start, check, rotate a token, read the status, a disk that is full and has room again, a new version of the program."""
        block, used = self.blocks, self.used
        folder = tempfile.mkdtemp(prefix="smartnode-e2e-")
        self.addCleanup(shutil.rmtree, folder, True)
        be = Machine(folder, "BE", "SE", "Smart Belgium", "BE", "EUR", "nl", "Europe/Brussels", "Brussel")
        be.data = be.env["SMARTNODE_DATA"] = self.small_disk(os.path.join(be.desk, "disk"))
        own = block["report"].replace("$PEER", "$UNIT")
        be.do(block["init"])
        be.do(block["token"])
        self.addCleanup(be.stop)
        be.run(block["run"])
        be.do(block["admit"])

        old = next(line.split("\t")[0] for line in be.do(block["tokens"]).splitlines() if "desk" in line)
        shutil.copy(os.path.join(be.desk, "desk.token"), os.path.join(be.desk, "old.token"))
        be.env["TOKEN_ID"] = old
        be.do(block["rotate"])
        be.do(block["admit"])
        refused = be.do(block["admit"].replace("desk.token", "old.token"), status=None)
        self.assertIn("token", refused)
        self.assertEqual(be.members(own), 2)

        self.assertIn("no peer is the keeper", be.do(block["status"]))
        status = block["status"].replace("smartnode status", "smartnode status --json")
        self.assertEqual(json.loads(be.do(status))["status"]["state"], "ready")

        there = self.fill(be, block["admit"])
        self.assertEqual(be.readiness(), "full")
        self.assertEqual(be.members(own), there)
        self.assertRegex(be.do(block["status"]), "needs attention\n! disk or map is full")
        refused = be.do(block["admit"], status=None)
        self.assertIn("disk or map is full, nothing was stored", refused)
        self.assertEqual(be.members(own), there)
        self.assertIsNone(be.node.poll())
        os.unlink(os.path.join(be.data, "ballast"))
        wait_until("the node comes back by itself", be.ready)
        be.do(block["admit"])
        self.assertEqual(be.members(own), there + 1)
        self.assertNotIn("disk or map is full\n", be.do(block["status"]))

        before = subprocess.run([cluster.PROGRAM, "--version"], capture_output=True, text=True, check=True).stdout.strip()
        be.stop()
        told = be.do(block["upgrade"])
        self.assertNotIn(before + "\n", told)
        self.assertIn("fit to run", told)
        be.run(block["run"])
        self.assertEqual(json.loads(be.do(status))["status"]["program"], told.splitlines()[0])
        be.do(block["admit"])
        self.assertEqual(be.members(own), there + 2)
        be.stop()
        be.do(block["verify"])
        used |= {"tokens", "rotate", "upgrade"}

    def test_a_desks_day(self):
        """From an admission to a closed year, with the documented commands only."""
        block = self.blocks
        folder = tempfile.mkdtemp(prefix="smartnode-e2e-")
        self.addCleanup(shutil.rmtree, folder, True)
        be = Machine(folder, "BE", "SE", "Smart Belgium", "BE", "EUR", "nl", "Europe/Brussels", "Brussel")
        be.do(block["init"])
        be.do(block["token"])
        self.addCleanup(be.stop)
        be.run(block["run"])
        self.assertRegex(be.do(block["desk"]), r"shares\s+2\n")
        be.do(block["correct"])
        told = be.do(block["work"])
        self.assertRegex(told, r"2024-118 .* 1 250\.50 EUR  Verzonnen VZW")
        self.assertRegex(told, r"BE +music +yes +EUR .* 1 250\.50 .* 250\.50")
        told = be.do(block["posting"])
        self.assertRegex(told, r"DE +2024-03-04 +2024-10-31 +issued +A1-2024-17\n")
        self.assertRegex(told, r"BE +2024-03 +DE +1 +1 +0 +1\n")
        told = be.do(block["leave"])
        self.assertRegex(told, r"status\s+left\n")
        self.assertNotIn("owed", told)
        sheet = read(os.path.join(be.desk, "shares.csv")).splitlines()
        self.assertEqual([line.split(",")[-4:] for line in sheet[1:] if ",yes," in line and ",shares.repaid," in line],
                         [["0", "0.00", "3", "90.00"]])
        self.assertIn("nobody admitted here", be.do(block["duplicates"]))
        told = be.do(block["year"])
        self.assertRegex(told, r"members +B +0 +1\n")
        self.assertRegex(told, r"BE: 2023 was closed on \S+; \d+ figures have changed since")
        be.stop()
        be.do(block["verify"])
        self.used |= {"desk", "correct", "work", "posting", "leave", "duplicates", "year"}

    def small_disk(self, place):
        """A file system of its own, with a data directory to be made in it."""
        if os.geteuid() != 0:
            self.skipTest("only root may mount the small disk")
        os.makedirs(place)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,mode=0700", "tmpfs", place], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", place], check=True)
        return os.path.join(place, "data")

    def fill(self, machine, admit):
        """Fills the disk, then writes until that is refused, for the node has some room in its own files, and more of it when a reader is
        done: until three in a row are refused. Returns the number of members."""
        with open(os.path.join(machine.data, "ballast"), "wb", buffering=0) as ballast:
            with contextlib.suppress(OSError):
                while True:
                    ballast.write(bytes(4096))
        own = self.blocks["report"].replace("$PEER", "$UNIT")
        before = machine.members(own)
        answers = []
        def refused():
            answers.append(machine.do(admit, status=None))
            return not any("done:" in answer for answer in answers[-3:]) and len(answers) >= 3
        wait_until("writes are refused", refused)
        self.assertIn("disk or map is full, nothing was stored", answers[-1])
        return before + sum("done:" in answer for answer in answers)

    def test_z_every_marked_block_is_run_by_a_test(self):
        self.assertEqual(self.used, set(self.blocks))

    def test_every_key_of_the_configuration_is_listed_with_its_default(self):
        listed = {}
        for key, default, meaning in table(self.text, "Configuration"):
            section, name = re.fullmatch(r"`\[(\w+)\] (\w+)`", key).groups()
            listed[section, name] = default.strip("`")
            self.assertTrue(meaning)
        sample, section = {}, None
        for line in read("ops/smartnode.conf.sample").splitlines():
            if re.fullmatch(r"\[\w+\]", line):
                section = line[1:-1]
            found = re.fullmatch(r"(; )?(\w+) = (\S+)", line)
            if found:
                sample[section, found.group(2)] = "" if found.group(1) else found.group(3)
        self.assertEqual(listed, sample)

    def test_the_exit_statuses_are_those_of_the_program(self):
        numbers = re.search(r"enum exit_status \{(.*?)\};", read("node/cli/cli.h"), re.S).group(1)
        self.assertEqual([row[0] for row in table(self.text, "Exit status")], re.findall(r"= (\d)", numbers))

    def test_every_message_that_is_explained_is_one_that_the_program_has(self):
        sources = ""
        for room in ("node", "proto", "storage"):
            for top, _, names in os.walk(os.path.join(cluster.ROOT, room)):
                sources += "".join(read(os.path.join(top, name)) for name in names if name.endswith(".c"))
        sources = re.sub(r'"\s*\n\s*"', "", sources)
        for heading in ("Messages", "Status"):
            rows = table(self.text, heading) if heading == "Messages" else [
                re.split(r"\s*\|\s*", line)[1:] for line in self.text.splitlines() if re.match(r"\| `(no peer|clone|two tips|fork)", line)]
            for row in rows:
                self.assertTrue(row[0].strip("`") in sources, row[0])

    def test_every_chapter_that_is_referred_to_is_there(self):
        def anchor_of(heading):
            return re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")
        headings = {anchor_of(h) for h in re.findall(r"^#+ (.*)$", self.text, re.M)}
        for anchor in re.findall(r"\]\(#([a-z0-9-]+)\)", self.text):
            self.assertIn(anchor, headings)
        for top, _, names in os.walk(os.path.join(cluster.ROOT, "node")):
            for name in names:
                for chapter in re.findall(r'OPERATIONS\.md \\?"([^"\\]+)', read(os.path.join(top, name))):
                    self.assertIn(anchor_of(chapter), headings, name)


if __name__ == "__main__":
    unittest.main()
