"""A unit whose data directory is gone goes on from a peer: with its root key or as its custodian, with the members' names or without,
from the peer's directory or over the network. What was open is completed, nothing is lost, no position is signed twice."""

import os
import shutil
import unittest

import cluster
from cluster import Cluster, run, wait_until


MOVES = "2024-06-03"


class RecoverTest(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster("BE", "SE", "FR", start=False)
        self.addCleanup(self.cluster.close)
        self.be, self.se, self.fr = (self.cluster[code] for code in ("BE", "SE", "FR"))
        self.keys = os.path.join(self.cluster.folder, "keys")
        for node in self.cluster:
            self.tokens(node)
        run("peer", "trust", "--data", self.be.data, "--yes", "--keeper", self.se.card())
        conf = os.path.join(self.se.data, "smartnode.conf")
        with open(conf, encoding="utf-8") as file:
            text = file.read()
        with open(conf, "w", encoding="utf-8") as file:
            file.write(text.replace("; keep = NL", "keep = BE"))
        self.cluster.start()
        self.cluster.wait_equal()

    def tokens(self, node):
        node.tokens.clear()
        for role in ("desk", "operator", "reports"):
            node.token(role)

    def key(self, name):
        return os.path.join(self.keys, name)

    def recover(self, node, *options, status=0):
        return run("recover", "--data", node.data, "--listen", node.endpoint if node.listens else "none", "--http-port", node.http_port,
                   "--map-gib", 2, *(["--advertise", node.endpoint] if node.listens else []), *options, status=status)

    def wait_kept(self):
        """Until SE has every capsule of BE: what a directory made from SE's lacks says so."""
        folder = os.path.join(self.cluster.folder, "scratch")

        def kept():
            shutil.rmtree(folder, ignore_errors=True)
            told = run("recover", "--data", folder, "--from", self.se.data, "--unit", "BE", "--root-key", self.key("BE-root.key"),
                       "--map-gib", 1).stdout
            return " 0 are missing there" in told
        wait_until("SE keeps every capsule of BE", kept)
        shutil.rmtree(folder)

    def offer(self, number):
        """A member of BE whom FR has accepted: it is BE's turn, and BE will be gone."""
        member = self.be.admit(number)
        self.be.post("/v1/members/%s/handover/offer" % member, {"to": "FR", "effective_on": MOVES}, 200)
        wait_until("the offer is at FR", lambda: self.turn(self.fr, member) == "we_accept")
        self.fr.post("/v1/members/%s/handover/accept" % member, {"office": self.fr.city, "shares": 1, "effective_on": MOVES}, 200)
        wait_until("the acceptance is at SE", lambda: self.fr.fingerprint() == self.se.fingerprint() == self.be.fingerprint())
        return member

    def turn(self, node, member):
        answer = node.call("GET", "/v1/members/%s/handover" % member)
        return answer.json["turn"] if answer.status == 200 else None

    def name(self, node, member):
        answer = node.call("GET", "/v1/members/%s" % member)
        return answer.json.get("person", {}).get("identity", {}).get("family_name") if answer.status == 200 else None

    def assert_no_position_twice(self, *nodes):
        seen = {}
        for node in nodes:
            for event in node.events():
                at = (event["log"], event["seq"])
                what = (event["unit"], event["clock"], event["kind"], event.get("subject"))
                self.assertEqual(seen.setdefault(at, what), what, "two events at %s %d" % at)
            for word in ("fork", "frozen"):
                self.assertFalse([w for w in node.status()["warnings"] if word in w], node.status()["warnings"])

    def lose(self):
        self.be.kill()
        shutil.rmtree(self.be.data)

    def finish(self, *nodes):
        for node in nodes:
            self.assertEqual(node.stop(), 0)
            run("verify", "--data", node.data)

    def test_the_root_and_recovery_keys_bring_back_names_and_what_was_open(self):
        member = self.offer("moves")
        stays = self.be.admit("stays")
        self.cluster.wait_members({"BE": 2})
        self.wait_kept()
        self.lose()

        wrong = self.recover(self.be, "--from", self.se.data, "--unit", "BE", "--root-key", self.key("FR-root.key"), status=1)
        self.assertIn("not the root key", wrong.stderr)
        wrong = self.recover(self.be, "--from", self.se.data, "--unit", "BE", "--root-key", self.key("BE-root.key"), "--recovery-key",
                             self.key("SE-recovery.key"), status=1)
        self.assertIn("not the recovery key", wrong.stderr)
        self.assertFalse(os.path.exists(self.be.data))
        told = self.recover(self.be, "--from", self.se.data, "--unit", "BE", "--root-key", self.key("BE-root.key"), "--recovery-key",
                            self.key("BE-recovery.key")).stdout
        self.assertIn("every peer pins it anew", told)
        self.assertIn("Keys of 2 members", told)
        self.tokens(self.be)
        self.se.trust(self.be)
        self.fr.trust(self.be)
        self.be.start()
        self.assertEqual(self.name(self.be, stays), "Vandermeersch")
        found = self.be.get("/v1/members?q=vandermeersch", role="desk")["members"]
        self.assertEqual({row["id"] for row in found}, {member, stays})
        self.be.post("/v1/members/%s/handover/complete" % member, {"effective_on": MOVES}, 200)
        self.cluster.wait_members({"BE": 1, "FR": 1})
        self.be.admit("new")
        self.cluster.wait_members({"BE": 2})
        self.cluster.wait_equal()
        self.assert_no_position_twice(*self.cluster)
        self.finish(*self.cluster)

    def test_a_custodian_stands_in_and_the_old_node_comes_back_from_its_old_disk(self):
        old = os.path.join(self.cluster.folder, "old")
        take = self.certificate("custodian")
        member = self.offer("moves")
        self.assertEqual(self.be.stop(), 0)
        self.be.copy_data(old)
        shutil.rmtree(self.be.data)

        stand_in = cluster.Node(os.path.join(self.cluster.folder, "SE-for-BE"), "BE")
        os.mkdir(stand_in.folder)
        self.assertIn("custodian's key", self.recover(stand_in, *take[:-1], self.key("BE-root.key"), status=1).stderr)
        told = self.recover(stand_in, *take).stdout
        self.assertIn("opens nobody's name", told)
        self.tokens(stand_in)
        self.se.trust(stand_in)  # FR has not heard of it yet, so that the old node still finds somebody
        self.cluster.nodes["stand-in"] = stand_in
        stand_in.start()
        self.assertIsNone(self.name(stand_in, member))
        shown = stand_in.get("/v1/members/" + member, "desk")
        self.assertEqual((shown["personal"], "erased" in shown), ("lost", False))  # by nobody
        stand_in.post("/v1/members/%s/handover/complete" % member, {"effective_on": MOVES}, 200)
        self.cluster.nodes.pop("BE")
        self.cluster.wait_members({"BE": 0, "FR": 1})

        shutil.copytree(old, self.be.data)
        self.cluster.nodes["BE"] = self.be
        self.be.start()
        expected = 0
        for n in range(4):
            for node in (self.be, stand_in):
                node.admit("%d-%s" % (n, "old" if node is self.be else "new"))
                expected += 1
                self.cluster.wait_members({"BE": expected})
        self.cluster.wait_equal()
        wait_until("somebody raises the alarm", lambda: [
            w for node in self.cluster for w in node.status()["warnings"] if w.startswith(("clone:", "two tips:"))])
        self.assert_no_position_twice(*self.cluster)
        self.finish(*self.cluster)

    def certificate(self, name, *options):
        """Keys that SE makes for BE, and BE's certificate for them; the options of recover that take it."""
        safe = os.path.join(self.cluster.folder, name)
        keys, certificate = safe + ".keys", safe + ".certificate"
        with open(keys, "w", encoding="utf-8") as file:
            file.write(run("custodian", "keys", safe, "--unit", "BE", "--data", self.se.data).stdout)
        with open(certificate, "w", encoding="utf-8") as file:
            file.write(run("custodian", "certify", "--data", self.be.data, "--root-key", self.key("BE-root.key"), "--keys", keys, "--yes",
                           *options).stdout)
        return ("--from", self.se.data, "--certificate", certificate, "--custodian-key", os.path.join(safe, "BE-custodian.key"))

    def test_a_certificate_that_is_revoked_old_or_of_another_unit_is_refused(self):
        revoked, old = self.certificate("revoked"), self.certificate("old", "--serial", "2")
        keys = os.path.join(self.cluster.folder, "old.keys")
        self.assertIn("for another unit", run("custodian", "certify", "--data", self.fr.data, "--root-key", self.key("FR-root.key"), "--keys",
                                              keys, "--yes", status=1).stderr)
        self.assertIn("not the root key", run("custodian", "certify", "--data", self.be.data, "--root-key", self.key("FR-root.key"),
                                              "--keys", keys, "--yes", status=1).stderr)
        self.assertEqual(self.be.stop(), 0)
        run("rekey", "--data", self.be.data, "--root-key", self.key("BE-root.key"), "--yes", "--revoke-custodian", revoked[3])
        self.be.start()
        self.be.admit("under the new keys")
        self.cluster.wait_members({"BE": 1})
        self.cluster.wait_equal()
        stand_in = cluster.Node(os.path.join(self.cluster.folder, "SE-for-BE"), "BE")
        os.mkdir(stand_in.folder)
        for take, reason in ((revoked, "has revoked it"), (old, "an old certificate"), ((*old, "--unit", "FR"), "for the unit BE")):
            self.assertIn(reason, self.recover(stand_in, *take, status=1).stderr)
            self.assertFalse(os.path.exists(stand_in.data))

    def test_over_the_network_nothing_is_written_before_a_peer_was_heard(self):
        member = self.be.admit("stays")
        card = self.be.card()
        self.cluster.wait_members({"BE": 1})
        self.wait_kept()
        self.lose()
        self.recover(self.be, "--from", self.se.card(), "--from", self.fr.card(), "--card", card, "--root-key", self.key("BE-root.key"),
                     "--hear", "2", "--yes")
        self.tokens(self.be)
        self.be.start()
        answer = self.be.call("POST", "/v1/members", cluster.admission("early", self.be.city))
        self.assertEqual(answer.status, 503, answer)
        self.assertIn("recovered", answer.json["detail"])
        self.assertTrue([w for w in self.be.status()["warnings"] if w.startswith("recovered")])
        self.se.trust(self.be)
        wait_until("SE is heard", lambda: self.be.members("BE") == 1)
        self.assertEqual(self.be.call("POST", "/v1/members", cluster.admission("early", self.be.city)).status, 503)
        self.fr.trust(self.be)
        wait_until("it writes", lambda: self.be.call("POST", "/v1/members", cluster.admission("late", self.be.city)).status == 201)
        self.cluster.wait_members({"BE": 2})
        self.cluster.wait_equal()
        newest = [e for e in self.be.events() if e["unit"] == "BE" and e["kind"] == "log.opened"]
        self.assertEqual(len(newest), 3)  # of init, of the run that is gone, and one now

        # The capsules come from the keeper, beside all this; then the names open.
        def opened():
            self.assertEqual(self.be.stop(), 0)
            told = run("recover", "--data", self.be.data, "--recovery-key", self.key("BE-recovery.key")).stdout
            self.be.start()
            return "Keys of 2 members" in told and self.name(self.be, member)
        self.assertEqual(wait_until("the names come back", opened), "Vandermeersch")
        self.assert_no_position_twice(*self.cluster)
        self.finish(*self.cluster)

    def test_write_now_waits_for_nobody(self):
        card = self.be.card()
        self.be.admit("gone")
        self.cluster.wait_members({"BE": 1})
        self.lose()
        self.recover(self.be, "--from", self.se.card(), "--card", card, "--root-key", self.key("BE-root.key"), "--yes")
        self.tokens(self.be)
        self.be.start()
        self.assertEqual(self.be.call("POST", "/v1/members", cluster.admission("early", self.be.city)).status, 503)
        run("recover", "--data", self.be.data, "--write-now")
        self.assertNotEqual(self.be.call("POST", "/v1/members", cluster.admission("early", self.be.city)).status, 503)


if __name__ == "__main__":
    unittest.main()
