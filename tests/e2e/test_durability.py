"""Acknowledged is durable: a node is killed in the middle of every kind of ingest, and what it had answered with success is there
afterwards, once; what it had not answered can be sent again and is there once, too."""

import http.client
import json
import os
import subprocess
import threading
import unittest

import cluster
from cluster import Cluster, run, wait_until

CYCLES = 4
THREADS = 6


class Writer(threading.Thread):
    """Writes single members over one connection until it breaks. acknowledged: numbers answered with 201; unknown: the one that was
    under way, with the key it was sent with."""

    def __init__(self, node, prefix):
        super().__init__(daemon=True)
        self.client, self.office = node.http(), node.city
        self.prefix, self.acknowledged, self.unknown, self.problem = prefix, {}, None, None

    def run(self):
        try:
            while True:
                number = "%s-%d" % (self.prefix, len(self.acknowledged))
                self.unknown = number
                answer = self.client.call("POST", "/v1/members", cluster.admission(number, self.office), key=number)
                if answer.status != 201:
                    self.problem = "%s: %r" % (number, answer)
                    return
                self.acknowledged[number] = answer.json["id"]
        except (OSError, http.client.HTTPException):
            return


class DurabilityTest(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster("BE", start=False)
        self.addCleanup(self.cluster.close)
        self.node = self.cluster["BE"]
        self.node.token()
        self.node.token("operator")

    def assert_each_once(self, expected):
        self.assertEqual(self.node.numbers(), dict.fromkeys(expected, 1))

    def assert_verifies(self):
        run("verify", "--data", self.node.data)

    def killed_while_writing(self, cycle):
        writers = [Writer(self.node, "%d-%d" % (cycle, n)) for n in range(THREADS)]
        for writer in writers:
            writer.start()
        wanted = 40 + 60 * cycle
        wait_until("writes are acknowledged", lambda: sum(len(w.acknowledged) for w in writers) > wanted or
                   any(w.problem for w in writers))
        self.node.kill()
        for writer in writers:
            writer.join(cluster.WAIT_S)
            self.assertIsNone(writer.problem)
        return writers

    def test_single_writes_that_were_acknowledged_survive_kill_9(self):
        acknowledged, everything = {}, set()
        for cycle in range(CYCLES):
            self.node.start()
            for writer in self.killed_while_writing(cycle):
                acknowledged.update(writer.acknowledged)
                everything |= set(writer.acknowledged) | {writer.unknown}
                self.unknown = writer.unknown
            there = self.node.numbers()
            self.assertEqual(set(acknowledged) - set(there), set())
            self.assertEqual(set(there) - everything, set())
            self.assert_verifies()
        self.node.start()
        for number in sorted(everything):
            answer = self.node.post("/v1/members", cluster.admission(number, self.node.city), key=number)
            self.assertEqual(acknowledged.get(number, answer.json["id"]), answer.json["id"])
        self.assert_each_once(everything)

    def test_lines_of_a_batch_are_there_once_after_kill_9_and_the_same_batch_again(self):
        lines = [{"op": "member.admit", "category": "A", "person_type": "natural", "office": self.node.city, "shares": 1,
                  "effective_on": "2024-03-01", "person": cluster.person(n)} for n in range(6000)]
        body = "".join(json.dumps(line) + "\n" for line in lines)
        halfway = []
        for cycle in range(CYCLES):
            self.node.start()
            sender = threading.Thread(target=self.send_batch, args=(body,), daemon=True)
            sender.start()
            before = self.own_seq()
            wait_until("lines are written", lambda: self.own_seq() >= before + 1 or not sender.is_alive())
            self.node.kill()
            sender.join(cluster.WAIT_S)
            there = self.node.numbers()
            halfway.append(0 < len(there) < len(lines))
            self.assertEqual(set(there.values()), {1})
            self.assert_verifies()
        self.assertTrue(any(halfway), "no batch was ever interrupted")
        self.node.start()
        answers = self.node.batch(lines, key="the-batch")
        self.assertEqual({answer["status"] for answer in answers}, {201})
        self.assert_each_once(str(n) for n in range(len(lines)))

    def send_batch(self, body):
        try:
            self.node.call("POST", "/v1/batch", body, headers={"Content-Type": "application/x-ndjson"}, key="the-batch")
        except (OSError, http.client.HTTPException):
            pass

    def own_seq(self):
        """Events of this process."""
        try:
            metrics = self.node.call("GET", "/metrics", role=None).body.decode()
        except (OSError, http.client.HTTPException):
            return 1 << 60
        return int(next(line.split()[1] for line in metrics.splitlines() if line.startswith("smartnode_events_written_total ")))

    # ---- import ----

    def csv(self, rows):
        path = os.path.join(self.cluster.folder, "members.csv")
        with open(path, "w", encoding="utf-8") as file:
            file.write(cluster.CSV_COLUMNS + "\n")
            for number in range(rows):
                file.write(cluster.csv_row(number, self.node.city, left_on="2024-06-30" if number % 3 == 0 else "") + "\n")
        return path

    def import_again_and_again(self, path, rows):
        """The same file completes what is missing; once more changes nothing. Returns the fingerprint."""
        run("import", "--data", self.node.data, "--json", path, env={"SMARTNODE_TOKEN": self.node.token()})
        self.assert_each_once(str(n) for n in range(rows))
        again = json.loads(run("import", "--data", self.node.data, "--json", path,
                               env={"SMARTNODE_TOKEN": self.node.token()}).stdout)
        self.assertEqual((again["rows"], again["imported"], again["already_there"], again["rejected"]), (rows, 0, rows, 0))
        self.assert_each_once(str(n) for n in range(rows))

    def data_bytes(self):
        return os.path.getsize(os.path.join(self.node.data, "main", "data.mdb"))

    def import_process(self, path):
        return subprocess.Popen([cluster.PROGRAM, "import", "--data", self.node.data, path], stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL, preexec_fn=cluster.die_with_parent,
                                env=dict(os.environ, SMARTNODE_TOKEN=self.node.token()))

    def test_an_import_into_the_directory_goes_on_where_kill_9_stopped_it(self):
        rows, halfway = 12000, []
        path = self.csv(rows)
        for cycle in range(CYCLES):
            before = self.data_bytes()
            process = self.import_process(path)
            wait_until("the import writes", lambda: self.data_bytes() > before or process.poll() is not None)
            process.kill()
            process.wait()
            there = self.node.numbers()
            halfway.append(0 < len(there) < rows)
            self.assertLessEqual(set(there.values()), {1})
            self.assert_verifies()
        self.assertTrue(any(halfway), "no import was ever interrupted")
        self.import_again_and_again(path, rows)

    def test_an_import_through_the_node_goes_on_where_kill_9_of_the_node_stopped_it(self):
        rows, halfway = 6000, []
        path = self.csv(rows)
        for cycle in range(CYCLES):
            self.node.start()
            before = self.own_seq()
            process = self.import_process(path)
            wait_until("the import writes", lambda: self.own_seq() > before or process.poll() is not None)
            self.node.kill()
            status = process.wait(cluster.COMMAND_S)
            there = self.node.numbers()
            halfway.append(0 < len(there) < rows)
            if halfway[-1]:
                self.assertNotEqual(status, 0, "an import that was cut off says that all is well")
            self.assertLessEqual(set(there.values()), {1})
            self.assert_verifies()
        self.assertTrue(any(halfway), "no import was ever interrupted")
        self.node.start()
        self.import_again_and_again(path, rows)
        counted = self.node.members(day="2024-12-31")
        self.assertEqual(counted, rows - len(range(0, rows, 3)))


if __name__ == "__main__":
    unittest.main()
