"""docs/OPERATIONS.md holds: two nodes put up by its marked commands alone, run as they stand there, federate, are copied and
restored; and its tables say what the program does."""

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
        os.symlink(cluster.PROGRAM, os.path.join(self.desk, "bin", "smartnode"))
        self.unit, self.peer_name = unit, peer
        self.http_port = cluster.free_port()
        self.data = os.path.join(self.desk, "data")
        self.env = dict(
            {key: value for key, value in os.environ.items() if not key.startswith("SMARTNODE")},
            PATH=os.path.join(self.desk, "bin") + ":" + os.environ["PATH"], SMARTNODE_DATA=self.data,
            KEYS=os.path.join(self.desk, "safe"), UNIT=unit, NAME=name, COUNTRY=country, CURRENCY=currency, LANGUAGE=language, ZONE=zone,
            OFFICE=office, ADDRESS="127.0.0.1", SYNC_PORT=str(cluster.free_port()), HTTP_PORT=str(self.http_port), PEER=peer,
            PEER_CARD=peer + ".card", COPY=os.path.join(self.desk, "copy"))
        self.node = None

    def do(self, block, status=0):
        done = subprocess.run(["/bin/sh", "-e", "-c", block], cwd=self.desk, env=self.env, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=cluster.COMMAND_S, check=False)
        if status is not None and done.returncode != status:
            raise AssertionError("%s: status %d\n%s\n%s%s" % (self.unit, done.returncode, block, done.stdout, done.stderr))
        return done.stdout

    def run(self, block):
        """The terminal of its own: a process group, so that Ctrl-C reaches what the shell started."""
        with open(os.path.join(self.desk, "log"), "ab") as log:
            self.node = subprocess.Popen(["/bin/sh", "-c", block], cwd=self.desk, env=self.env, stdin=subprocess.DEVNULL, stdout=log,
                                         stderr=log, start_new_session=True, preexec_fn=cluster.die_with_parent)
        wait_until("%s is ready" % self.unit, self.ready)

    def ready(self):
        try:
            return cluster.Http(self.http_port, None).call("GET", "/readyz", headers={"Connection": "close"}).status == 200
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

    def test_two_nodes_put_up_by_the_document_alone_federate_and_come_back_from_a_copy(self):
        folder = tempfile.mkdtemp(prefix="smartnode-e2e-")
        self.addCleanup(shutil.rmtree, folder, True)
        be = Machine(folder, "BE", "SE", "Smart Belgium", "BE", "EUR", "nl", "Europe/Brussels", "Brussel")
        se = Machine(folder, "SE", "BE", "Smart Sweden", "SE", "SEK", "sv", "Europe/Stockholm", "Stockholm")
        block, used = self.blocks, set()

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
        self.assertEqual(used, set(block), "blocks that no test runs")

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
        numbers = re.search(r"enum exit_status \{(.*?)\};", read("node/host/cli.h"), re.S).group(1)
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
                self.assertIn(row[0].strip("`"), sources)

    def test_every_chapter_that_is_referred_to_is_there(self):
        headings = {re.sub(r"[^a-z0-9 -]", "", h.lower()).replace(" ", "-") for h in re.findall(r"^#+ (.*)$", self.text, re.M)}
        for anchor in re.findall(r"\]\(#([a-z0-9-]+)\)", self.text):
            self.assertIn(anchor, headings)
        for top, _, names in os.walk(os.path.join(cluster.ROOT, "node")):
            for name in names:
                for chapter in re.findall(r'OPERATIONS\.md \\?"([^"\\]+)', read(os.path.join(top, name))):
                    self.assertIn(chapter.lower().replace(" ", "-"), headings, name)


if __name__ == "__main__":
    unittest.main()
