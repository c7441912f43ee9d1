"""A node that comes back from an old copy of its data, or runs twice: it writes at once, signs no position twice, gets back what
the copy had lost, and says what happened."""

import os
import shutil
import unittest

import cluster
from cluster import Cluster, run, wait_until


class RestoreTest(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster("BE", "SE", start=False)
        self.addCleanup(self.cluster.close)
        self.be, self.se = self.cluster["BE"], self.cluster["SE"]
        for node in self.cluster:
            for role in ("desk", "operator", "reports"):
                node.token(role)  # now, so that every copy has them

    def assert_no_position_twice(self, *nodes, clones=False):
        """One header for each position of each log, everywhere: a chain that verifies, and the same events at all."""
        seen = {}
        for node in nodes:
            for event in node.events():
                at = (event["log"], event["seq"])
                what = (event["unit"], event["clock"], event["kind"], event.get("subject"))
                self.assertEqual(seen.setdefault(at, what), what, "two events at %s %d" % at)
            for word in ("fork", "frozen") + (() if clones else ("clone",)):
                self.assertFalse([w for w in node.status()["warnings"] if word in w], node.status()["warnings"])

    def test_a_node_restored_from_an_old_copy_writes_alone_and_gets_its_lost_tail_back(self):
        old = os.path.join(self.cluster.folder, "old")
        self.be.start()
        self.be.admit_many("kept-%d" % n for n in range(20))
        self.assertEqual(self.be.stop(), 0)
        self.be.copy_data(old)
        self.cluster.start()
        lost = self.be.admit_many("lost-%d" % n for n in range(30))
        self.be.admit("lost-30")
        self.cluster.wait_members({"BE": 51})
        self.assertEqual(self.be.stop(), 0)
        self.assertEqual(self.se.stop(), 0)

        self.be.replace_data(old)
        self.be.start()
        self.be.admit_many("after-%d" % n for n in range(10))  # with nobody in reach
        self.assertEqual(self.be.members(), 30)
        self.assertEqual(self.be.call("GET", "/v1/members/" + lost[0]).status, 404)

        self.se.start()
        self.cluster.wait_members({"BE": 61})
        self.cluster.wait_equal()
        self.assertEqual(self.be.get("/v1/members/" + lost[0], role="desk")["status"], "member")
        self.assert_no_position_twice(self.be, self.se)
        self.be.admit("and-on")
        self.cluster.wait_members({"BE": 62})
        expected = self.cluster.wait_equal()
        for node in (self.be, self.se):
            self.assertEqual(node.stop(), 0)
            run("verify", "--data", node.data)
        self.cluster.start()
        self.assertEqual(self.cluster.wait_equal(), expected)

    def test_a_node_restored_again_and_again_without_a_peer_ends_with_all_of_its_tails(self):
        old = os.path.join(self.cluster.folder, "old")
        self.be.start()
        self.be.admit("first")
        self.be.stop()
        self.be.copy_data(old)
        expected = 1
        for n in range(5):
            self.cluster.start()
            self.be.admit_many("%d-%d" % (n, i) for i in range(5))
            expected += 5
            self.cluster.wait_members({"BE": expected}, "SE")
            self.be.kill()
            self.be.replace_data(old)
        self.cluster.start()
        self.cluster.wait_members({"BE": expected})
        self.be.admit("last")
        self.cluster.wait_members({"BE": expected + 1})
        self.cluster.wait_equal()
        self.assert_no_position_twice(self.be, self.se)

    def test_two_clones_of_one_node_that_both_write_end_alike_and_raise_an_alarm(self):
        self.be.start()
        self.be.admit_many("both-%d" % n for n in range(5))
        self.be.stop()
        folder = os.path.join(self.cluster.folder, "clone")
        os.mkdir(folder)
        twin = cluster.Node(folder, "BE", listens=False)
        shutil.copytree(self.be.data, twin.data)
        twin.tokens = self.be.tokens
        twin.set_config("listen", "none")  # the first of the two: of [sync]
        twin.set_config("port", twin.http_port)
        self.cluster.nodes["twin"] = twin
        self.cluster.start()
        self.be.admit_many("here-%d" % n for n in range(10))
        twin.admit_many("there-%d" % n for n in range(7))
        expected = 22
        for n in range(3):
            for node in (self.be, twin):
                node.admit("%s-%d" % ("twin" if node is twin else "here", n))
                expected += 1
                self.cluster.wait_members({"BE": expected})
        self.cluster.wait_equal()

        def alarms(node):
            return [w for w in node.status()["warnings"] if w.startswith("clone: unit BE")]
        for node in (self.be, twin):
            wait_until("%s raises the alarm" % node.data, lambda: alarms(node))
            self.assertEqual(len(alarms(node)), 1)
        self.assert_no_position_twice(self.be, twin, self.se, clones=True)
        twin.stop()
        self.be.admit("the one that goes on")
        self.cluster.nodes.pop("twin")
        self.cluster.wait_members({"BE": expected + 1})
        self.cluster.wait_equal()


NINE = ("BE", "AT", "DE", "ES", "FR", "HU", "IT", "NL", "SE")


class WholeFederationTest(unittest.TestCase):
    def test_a_restored_node_writes_with_nobody_in_reach_and_all_nine_end_with_the_same_state(self):
        nine = Cluster(*NINE, start=False)
        self.addCleanup(nine.close)
        be, others = nine["BE"], [nine[code] for code in NINE[1:]]
        for node in nine:
            for role in ("desk", "operator", "reports"):
                node.token(role)  # now, so that the copy has them
        old = os.path.join(nine.folder, "old")
        be.start()
        be.admit_many("kept-%d" % n for n in range(5))
        self.assertEqual(be.stop(), 0)
        be.copy_data(old)
        nine.start()
        be.admit_many("lost-%d" % n for n in range(10))
        nine.wait_members({"BE": 15})
        for node in nine:
            self.assertEqual(node.stop(), 0)

        be.replace_data(old)
        be.start()
        be.admit_many("after-%d" % n for n in range(3))
        self.assertEqual(be.members(), 8)
        for node in others:
            node.start()
        others[0].admit("elsewhere")
        nine.wait_members({"BE": 18, others[0].code: 1})
        nine.wait_equal()
        self.assertEqual(len(nine.nodes), 9)


if __name__ == "__main__":
    unittest.main()
