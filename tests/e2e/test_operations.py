"""The runbook is true: the commands of docs/OPERATIONS.md put up two nodes that federate, as they stand there."""

import os
import re
import signal
import subprocess
import tempfile
import unittest

import cluster

DOC = os.path.join(cluster.ROOT, "docs", "OPERATIONS.md")
BLOCK = re.compile(r"^```sh run ?(?P<how>[^\n]*)\n(?P<text>.*?)^```$", re.M | re.S)
COMMAND_S = 60


class Runbook(unittest.TestCase):
    def setUp(self):
        self.base = tempfile.TemporaryDirectory(prefix="smartnode-runbook-")
        self.addCleanup(self.base.cleanup)
        bin_dir = os.path.join(self.base.name, "bin")
        os.mkdir(bin_dir)
        os.symlink(cluster.PROGRAM, os.path.join(bin_dir, "smartnode"))
        self.env = dict(os.environ, BASE=os.path.join(self.base.name, "srv"), PATH=bin_dir + ":" + os.environ["PATH"])
        for name in ("BE_PEERS", "SE_PEERS", "BE_HTTP", "SE_HTTP"):
            self.env[name] = str(cluster.free_port())
        self.nodes = []
        self.addCleanup(self.stop)

    def stop(self):
        for node in self.nodes:
            node.send_signal(signal.SIGTERM)
        for node in self.nodes:
            node.wait(COMMAND_S)

    def shell(self, text):
        return subprocess.run(["bash", "-euo", "pipefail", "-c", text], env=self.env, cwd=self.base.name, capture_output=True, text=True,
                              timeout=COMMAND_S)

    def start(self, text):
        log = os.path.join(self.base.name, "node%d.log" % len(self.nodes))
        with open(log, "w", encoding="utf-8") as file:
            node = subprocess.Popen(["bash", "-euc", "exec " + text.strip()], env=self.env, cwd=self.base.name, stdout=file, stderr=file,
                                    preexec_fn=cluster.die_with_parent)
        self.nodes.append(node)
        port = self.env["BE_HTTP" if len(self.nodes) == 1 else "SE_HTTP"]
        ready = "curl -sS -o /dev/null -w '%{http_code}' http://127.0.0.1:" + port + "/readyz"
        cluster.wait_until("node %d is ready" % len(self.nodes), lambda: self.shell(ready).stdout == "200")

    def test_the_commands_of_the_runbook_put_up_two_nodes_that_federate(self):
        with open(DOC, encoding="utf-8") as file:
            blocks = list(BLOCK.finditer(file.read()))
        self.assertGreater(len(blocks), 8)
        for block in blocks:
            how, text = block["how"], block["text"]
            if how == "background":
                self.start(text)
            elif how.startswith("until "):
                cluster.wait_until(text, lambda: how[len("until "):] in self.shell(text).stdout)
            else:
                done = self.shell(text)
                self.assertEqual(done.returncode, 0, "%s\n%s%s" % (text, done.stdout, done.stderr))
        self.assertEqual(len(self.nodes), 2)


if __name__ == "__main__":
    unittest.main()
