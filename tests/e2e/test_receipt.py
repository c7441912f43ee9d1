"""A receipt proves one event to whoever has the unit's card: with the program alone, without a node. Nothing in it can be changed."""

import os
import random
import shutil
import subprocess
import unittest

import cluster
from cluster import Cluster, run

FLIPS = 200


class ReceiptTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster("BE", "SE")
        cls.addClassCleanup(cls.cluster.close)
        be = cls.cluster["BE"]
        member = be.admit("1")
        be.admit_many(range(2, 40))
        event = be.get("/v1/members/%s/history" % member, role="desk")["events"][0]
        cls.log, cls.seq = event["log"], event["seq"]
        cls.empty = os.path.join(cls.cluster.folder, "empty")
        os.mkdir(cls.empty)
        cls.receipt = os.path.join(cls.empty, "receipt")
        run("receipt", "export", "--data", be.data, "--log", cls.log, "--seq", cls.seq, "--out", cls.receipt)
        cls.cards = {node.code: shutil.copy(node.card(), cls.empty) for node in cls.cluster}
        with open(cls.receipt, "rb") as file:
            cls.text = file.read()

    def verify(self, path, card="BE", status=None):
        env = {"SMARTNODE_DATA": os.path.join(self.cluster.folder, "nothing-here")}
        return run("receipt", "verify", "--card", self.cards[card], path, cwd=self.empty, env=env, status=status)

    def test_a_receipt_verifies_in_an_empty_directory_and_says_what_it_proves(self):
        told = self.verify(self.receipt, status=0).stdout
        for text in ("genuine", "Smart BE", "%s %d" % (self.log, self.seq), cluster.FEDERATION):
            self.assertIn(text, told)

    def test_an_event_in_the_middle_of_a_seal_has_a_receipt_too(self):
        path = os.path.join(self.empty, "middle")
        run("receipt", "export", "--data", self.cluster["BE"].data, "--log", self.log, "--seq", self.seq + 20, "--out", path)
        self.assertIn("%s %d" % (self.log, self.seq + 20), self.verify(path, status=0).stdout)

    def test_the_node_of_another_unit_gives_the_same_receipt(self):
        self.cluster.wait_members({"BE": 39}, "SE")
        answer = self.cluster["SE"].call("GET", "/v1/events/%s/%d/receipt" % (self.log, self.seq))
        self.assertEqual((answer.status, answer.type), (200, "text/plain"))
        path = os.path.join(self.empty, "from-sweden")
        with open(path, "wb") as file:
            file.write(answer.body)
        self.verify(path, status=0)

    def test_the_card_of_another_unit_proves_nothing(self):
        done = self.verify(self.receipt, card="SE", status=1)
        self.assertIn("smartnode:", done.stderr)

    def test_no_bit_of_a_receipt_can_be_flipped(self):
        chosen = random.Random(1).sample(range(8 * len(self.text)), min(FLIPS, 8 * len(self.text)))
        for bit in chosen:
            changed = bytearray(self.text)
            changed[bit // 8] ^= 1 << bit % 8
            with open(os.path.join(self.empty, "flipped-%d" % bit), "wb") as file:
                file.write(changed)
        each = 'for f in flipped-*; do "$0" receipt verify --card "$1" $f >/dev/null 2>&1; echo $f $?; done'
        done = subprocess.run(["/bin/sh", "-c", each, cluster.PROGRAM, self.cards["BE"]], cwd=self.empty, capture_output=True,
                              text=True, timeout=cluster.COMMAND_S, check=True)
        results = dict(line.split() for line in done.stdout.splitlines())
        self.assertEqual(len(results), len(chosen))
        self.assertEqual([(name, status) for name, status in results.items() if status != "1"], [])

    def test_a_receipt_that_was_cut_off_proves_nothing(self):
        path = os.path.join(self.empty, "cut")
        for length in (0, 1, len(self.text) // 2, len(self.text) - 40):
            with open(path, "wb") as file:
                file.write(self.text[:length])
            self.assertIn("smartnode:", self.verify(path, status=1).stderr)

    def test_an_event_that_is_not_held_has_no_receipt(self):
        done = run("receipt", "export", "--data", self.cluster["BE"].data, "--log", self.log, "--seq", 4711, status=1)
        self.assertIn("4711", done.stderr)


if __name__ == "__main__":
    unittest.main()
