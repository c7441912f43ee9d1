"""A unit's own platform: it follows what changes and loads in bulk, is killed at any moment, and so is its node. It is told every
event once and in order; what it loads is there once."""

import collections
import http.client
import json
import os
import random
import subprocess
import sys
import threading
import unittest

import cluster
from cluster import Cluster, run, wait_until
from test_durability import Writer

CLIENT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "platform_client.py")
CYCLES = 6
LINES = 4000


class Client:
    """A process of platform_client.py."""

    def __init__(self, node, what, *args):
        self.process = subprocess.Popen([sys.executable, "-B", CLIENT, what, str(node.http_port), *map(str, args)], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, preexec_fn=cluster.die_with_parent,
                                        env=dict(os.environ, SMARTNODE_TOKEN=node.token("integration")))

    def ended(self):
        return self.process.poll() is not None

    def kill(self):
        """True if it was under way; one that gave up by itself is a failure."""
        was = self.process.poll() is None
        self.process.kill()
        said = self.process.communicate()[1]
        if not was and self.process.returncode != 0:
            raise AssertionError(said)
        return was

    def finish(self):
        said = self.process.communicate(timeout=cluster.COMMAND_S)[1]
        if self.process.returncode != 0:
            raise AssertionError(said)


def read_changes(path):
    """Whole lines of what a puller wrote."""
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.endswith("\n")]


def count_lines(path):
    with open(path, "rb") as file:
        return file.read().count(b"\n")


def number(change):
    return int(change["cursor"].split("-")[0])


def at(event):
    return event["log"], event["seq"]


class FollowTest(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster("BE", "SE", start=False)
        self.addCleanup(self.cluster.close)
        self.be, self.se = self.cluster["BE"], self.cluster["SE"]
        for node in self.cluster:
            for role in ("desk", "operator", "reports", "integration"):
                node.token(role)
        self.file = os.path.join(self.cluster.folder, "changes")
        open(self.file, "w", encoding="utf-8").close()

    def pull_all(self, query="", after=None, node=None):
        """Every change from a cursor to the end, and the cursor there."""
        found, more = [], True
        while more:
            page = (node or self.be).get("/v1/changes?limit=500%s%s" % (query, "&after=" + after if after else ""), role="integration")
            found += page["changes"]
            after, more = page["next"], page["more"]
        return found, after

    def assert_told_once_and_in_order(self, changes):
        self.assertEqual([number(c) for c in changes], list(range(1, len(changes) + 1)))
        self.assertEqual({c["change"] for c in changes}, {"event"})
        told = collections.defaultdict(list)
        for change in changes:
            told[change["log"]].append(change["seq"])
        for log, seqs in told.items():
            self.assertEqual(seqs, list(range(1, len(seqs) + 1)), log)
        events = self.be.events()
        self.assertEqual(sorted(map(at, changes)), sorted(map(at, events)))
        facts = {at(e): (e["clock"], e["kind"], e.get("subject"), e["facets"]) for e in events}
        for change in changes:
            self.assertEqual((change["clock"], change["kind"], change.get("subject"), change["facets"]), facts[at(change)])

    def test_every_event_once_and_in_order_whoever_is_killed(self):
        chance = random.Random(20240301)
        self.se.start()
        puller, pullers = Client(self.be, "pull", self.file, 0), 1
        for cycle in range(CYCLES):
            self.be.start()
            writers = [Writer(self.be, "%d-%d" % (cycle, n)) for n in range(2)] + [Writer(self.se, "se-%d" % cycle)]
            for writer in writers:
                writer.start()
            kills = sorted(chance.randrange(20, 200) for _ in range(2))
            for wanted in kills:
                wait_until("writes are acknowledged", lambda: sum(len(w.acknowledged) for w in writers[:2]) > wanted)
                self.assertFalse(puller.ended())
                puller.kill()
                puller, pullers = Client(self.be, "pull", self.file, pullers), pullers + 1
            self.be.kill()
            for writer in writers[:2]:
                writer.join(cluster.WAIT_S)
                self.assertIsNone(writer.problem)
            self.se.kill()
            writers[2].join(cluster.WAIT_S)
            self.se.start()
        self.be.start()
        self.cluster.wait_equal()
        expected = len(self.be.events())
        wait_until("the puller has all", lambda: count_lines(self.file) >= expected)
        self.assertTrue(puller.kill())
        self.assertEqual(self.be.stop(), 0)
        run("verify", "--data", self.be.data)
        self.be.start()
        changes = read_changes(self.file)
        self.assert_told_once_and_in_order([c for c in changes if number(c) <= expected])
        self.assertEqual({c["unit"] for c in changes}, {"BE", "SE"})
        # Pulled again in other pages it is the same, also after the start.
        again, _ = self.pull_all("&unit=all")
        self.assertEqual([(c["cursor"], at(c)) for c in again[:len(changes)]], [(c["cursor"], at(c)) for c in changes])
        own, _ = self.pull_all()
        self.assertEqual([at(c) for c in own], [at(c) for c in again if c["unit"] == "BE"])

    def test_a_change_reaches_who_waits_and_a_stop_does_not_wait_for_them(self):
        self.be.start()
        _, after = self.pull_all()
        got = []
        waiting = threading.Thread(target=lambda: got.append(self.be.get("/v1/changes?wait=30&after=" + after, role="integration")))
        waiting.start()
        member = self.be.admit("1")
        waiting.join(cluster.WAIT_S)
        self.assertIn(member, {change.get("subject") for change in got[0]["changes"]})
        change = next(c for c in got[0]["changes"] if c.get("subject") == member)
        self.assertEqual(change["path"], "/v1/members/" + member)
        self.assertEqual(self.be.get(change["path"], role="integration")["id"], member)

        after = self.pull_all(after=after)[1]
        waiting = threading.Thread(target=self.wait_until_it_ends, args=(after,))
        waiting.start()
        self.assertEqual(self.be.get("/v1/changes?after=now", role="integration")["next"], after)
        self.assertEqual(self.be.stop(), 0)
        waiting.join(cluster.WAIT_S)
        self.assertFalse(waiting.is_alive())

    def wait_until_it_ends(self, after):
        """By an answer or by the end of the connection."""
        try:
            self.be.call("GET", "/v1/changes?wait=30&after=" + after, role="integration")
        except (OSError, http.client.HTTPException):
            pass

    def test_a_cursor_ahead_of_a_restored_node_is_gone_and_the_way_back_has_no_gap(self):
        old = os.path.join(self.cluster.folder, "old")
        self.be.start()
        self.be.admit_many("kept-%d" % n for n in range(20))
        _, kept = self.pull_all("&unit=all")
        self.assertEqual(self.be.stop(), 0)
        self.be.copy_data(old)
        self.cluster.start()
        self.be.admit_many("lost-%d" % n for n in range(10))
        self.se.admit_many("se-%d" % n for n in range(10))
        self.cluster.wait_equal()
        ahead = [c["cursor"] for c in self.pull_all("&unit=all", kept)[0]]
        self.be.kill()
        self.se.kill()
        self.be.replace_data(old)
        self.be.start()
        self.assert_gone(ahead)
        self.be.admit_many("after-%d" % n for n in range(60))  # the numbers are passed again
        self.assert_gone(ahead)
        # What was told up to the copy is still so.
        self.assertEqual(len([c for c in self.pull_all("", kept)[0] if c["kind"] == "member.admitted"]), 60)
        # What the problem says to do, while the lost tail comes back from the peer.
        now = self.be.get("/v1/changes?after=now&unit=all", role="integration")["next"]
        self.se.start()
        known = set(self.members())
        self.cluster.wait_equal()
        self.cluster.wait_members({"BE": 90})
        known |= {c["subject"] for c in self.pull_all("", now)[0] if c["kind"] == "member.admitted"}
        self.assertEqual(known, set(self.members()))
        self.assertEqual(len(known), 90)

    def assert_gone(self, cursors):
        for cursor in cursors:
            answer = self.be.call("GET", "/v1/changes?wait=30&after=" + cursor, role="integration")
            self.assertEqual((answer.status, answer.type), (410, "application/problem+json"), cursor)
            self.assertIn("read members, activities, invoices and postings anew", answer.json["detail"])

    def members(self):
        after = ""
        while after is not None:
            page = self.be.get("/v1/members?limit=500" + (after and "&after=" + after), role="integration")
            yield from (member["id"] for member in page["members"])
            after = page["next"]


class BulkTest(unittest.TestCase):
    """A load that is interrupted anywhere ends as one that was not."""

    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster("BE", topology=[], start=False)
        cls.addClassCleanup(cls.cluster.close)
        cls.lines = os.path.join(cls.cluster.folder, "lines")
        with open(cls.lines, "w", encoding="utf-8") as file:
            for n in range(LINES):
                file.write(json.dumps(cls.line(n, cls.cluster["BE"].city)) + "\n")
        whole = cls.cluster["BE"].start()
        Client(whole, "load", cls.lines, "the load").finish()
        cls.expected = cls.state(whole)
        whole.stop()

    @staticmethod
    def line(n, office):
        line = {"op": "member.apply" if n % 5 == 0 else "member.admit", "category": "ABC"[n % 3], "person_type": "natural",
                "office": office, "effective_on": "2024-%02d-%02d" % (1 + n % 12, 1 + n % 28), "person": cluster.person(n)}
        return line if n % 5 == 0 else dict(line, shares=1 + n % 4)

    @classmethod
    def state(cls, node):
        """Figures and members, without what is drawn at random."""
        reports = [node.get(path, role="reports") for path in (
            "/v1/reports/members?as_of=2024-12-31&by=category,office,person_type", "/v1/reports/members?as_of=2024-06-15&by=category",
            "/v1/reports/flows?from=2024-01-01&to=2024-12-31&by=category")]
        figures = [[{k: v for k, v in row.items() if k != "office"} for row in report["rows"]] + [report["capital"]] for report in reports]
        exported = [json.loads(line) for line in run("export", "--data", node.data, "--ndjson", "--out", "-").stdout.splitlines()]
        for member in exported:
            for key in ("id", "office_id", "log", "seq"):
                member.pop(key, None)
        return figures, sorted(exported, key=lambda member: int(member["member_no"]))

    def setUp(self):
        self.node = self.cluster.add("BE", name=self._testMethodName).start()
        self.addCleanup(self.node.kill)
        self.chance = random.Random(self._testMethodName)

    def assert_as_if_nothing_had_happened(self):
        figures, members = self.state(self.node)
        self.assertEqual([m["member_no"] for m in members], [str(n) for n in range(LINES)])
        self.assertEqual(figures, self.expected[0])
        self.assertEqual(members, self.expected[1])
        self.assertEqual(self.node.stop(), 0)
        run("verify", "--data", self.node.data)

    def own_events(self):
        changes = self.node.get("/v1/changes?after=now", role="integration")
        return int(changes["next"].split("-")[0])

    def interrupt(self, start, kill_node=()):
        """Starts the client again and again; kills it, or the node under it, once there is more than before."""
        under_way = 0
        for cycle in range(CYCLES):
            client = start(cycle)
            wanted = self.own_events() + self.chance.choice((0, 1, 300, 900))
            wait_until("more is there", lambda: client.ended() or self.own_events() > wanted)
            if cycle in kill_node:
                self.node.kill()
                under_way += not client.ended()
                self.node.start()
                wait_until("more is there", lambda: client.ended() or self.own_events() > wanted)
            under_way += client.kill()
        self.assertGreater(under_way, 0, "no load was ever interrupted")
        start(CYCLES).finish()

    def test_from_the_beginning_again_after_every_kill(self):
        self.interrupt(lambda cycle: Client(self.node, "load", self.lines, "the load"))
        self.assert_as_if_nothing_had_happened()

    def test_from_the_beginning_again_while_the_node_is_killed_too(self):
        self.interrupt(lambda cycle: Client(self.node, "load", self.lines, "the load"), kill_node=(0, 2, 3))
        self.assert_as_if_nothing_had_happened()

    def test_from_the_middle_in_other_batches_while_the_node_is_killed_too(self):
        progress = os.path.join(self.node.folder, "progress")
        self.interrupt(lambda cycle: Client(self.node, "resume", self.lines, progress, cycle), kill_node=(1, 4))
        self.assert_as_if_nothing_had_happened()


if __name__ == "__main__":
    unittest.main()
