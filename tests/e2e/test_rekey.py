"""New keys by the root key on nodes that run: peers follow a rotation by themselves, a revocation once they have the new card, and a
copy of the stolen data directory convinces nobody any more."""

import os
import unittest

from cluster import Cluster, run


class RekeyTest(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster("BE", "SE", start=False)
        self.addCleanup(self.cluster.close)
        self.be, self.se = self.cluster["BE"], self.cluster["SE"]
        for node in self.cluster:
            for role in ("desk", "operator", "reports"):
                node.token(role)

    def rekey(self, *options, status=0):
        root = os.path.join(self.cluster.folder, "keys", "BE-root.key")
        return run("rekey", "--data", self.be.data, "--root-key", root, "--yes", *options, status=status)

    def test_peers_follow_a_rotation_by_themselves(self):
        self.cluster.start()
        self.be.admit("before")
        self.cluster.wait_members({"BE": 1})
        self.rekey(status=5)  # the node must be stopped
        self.assertEqual(self.be.stop(), 0)
        self.rekey()
        self.be.start()
        self.be.admit("after")
        self.cluster.wait_members({"BE": 2})
        self.cluster.wait_equal()

    def test_a_revoked_copy_convinces_nobody(self):
        stolen = os.path.join(self.cluster.folder, "stolen")
        self.cluster.start()
        self.be.admit("before")
        self.cluster.wait_members({"BE": 1})
        self.assertEqual(self.be.stop(), 0)
        self.be.copy_data(stolen)
        self.rekey("--revoke")
        self.se.trust(self.be)
        self.be.start()
        self.be.admit("after")
        self.cluster.wait_members({"BE": 2})
        self.cluster.wait_equal()

        mine = os.path.join(self.cluster.folder, "mine")
        self.assertEqual(self.be.stop(), 0)
        self.be.copy_data(mine)
        self.be.replace_data(stolen)
        self.be.start()
        self.be.admit("forged")  # it does not know yet, and is not let in anywhere
        self.assertEqual(self.be.stop(), 0)
        self.be.replace_data(mine)
        self.be.start()
        self.cluster.wait_members({"BE": 2})
        self.cluster.wait_equal()
        for node in self.cluster:
            self.assertEqual(node.stop(), 0)
            run("verify", "--data", node.data)


if __name__ == "__main__":
    unittest.main()
