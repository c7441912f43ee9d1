"""The node as a service: what Prometheus, the journal and systemd say of it, by their own programs. A program that is missing here is
a failure, since ops/bootstrap installs it."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

import cluster
from cluster import Cluster, run, wait_until

UNIT = os.path.join(cluster.ROOT, "ops", "systemd", "smartnode.service")
EXPOSURE_MAX = 2.0

# In name spaces of its own: /run is empty but for a journal's socket; what is sent there is printed.
JOURNAL = """
import os, socket, subprocess, sys
subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
os.makedirs("/run/systemd/journal")
entries = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
entries.bind("/run/systemd/journal/socket")
entries.settimeout(%d)
node = subprocess.Popen([sys.argv[1], "run", "--data", sys.argv[2]])
try:
    sys.stdout.write(entries.recv(65536).decode())
finally:
    node.terminate()
    node.wait()
""" % cluster.WAIT_S


def tool(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=cluster.COMMAND_S, **options)


def set_section(node, section, key, value):
    """Another value of a key that the configuration has in that section."""
    path = os.path.join(node.data, "smartnode.conf")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    text, n = re.subn(r"(?s)(\[%s\].*?\n%s = )[^\n]*" % (section, key), r"\g<1>" + value, text, count=1)
    assert n == 1
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


class MetricsTest(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster("BE", "SE")
        self.addCleanup(self.cluster.close)
        self.be, self.se = self.cluster["BE"], self.cluster["SE"]

    def metrics(self, node):
        return node.call("GET", "/metrics", role=None)

    def value(self, node, name):
        found = re.search(r"^%s (\S+)$" % re.escape(name), self.metrics(node).body.decode(), re.M)
        self.assertIsNotNone(found, name)
        return float(found.group(1))

    def test_promtool_has_nothing_to_say_about_the_metrics(self):
        self.be.admit_many(str(n) for n in range(3))
        self.cluster.wait_members({"BE": 3}, "SE")
        answer = self.metrics(self.se)
        self.assertIn("version=0.0.4", answer.headers["Content-Type"])
        text = answer.body.decode()
        for name in ("smartnode_peer_lag_seconds{peer=\"BE\"}", "smartnode_peer_lag_events{peer=\"BE\"}",
                     "smartnode_map_fill_ratio{environment=\"vault\"}", "smartnode_waiting_oldest_seconds",
                     "smartnode_seal_failures_total", "smartnode_writer_queue", "smartnode_http_rejected_total{reason=\"full\"}",
                     "smartnode_capsules", "smartnode_build_info", "process_start_time_seconds", "process_resident_memory_bytes"):
            self.assertIn("\n" + name, text)
        families = re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M)
        self.assertEqual([n for n, kind in families if (kind == "counter") != n.endswith("_total")], [])
        checked = tool("promtool", "check", "metrics", input=text)
        self.assertEqual((checked.returncode, checked.stdout + checked.stderr), (0, ""))

    def test_the_lag_of_a_peer_grows_while_it_is_gone_and_ends_when_it_is_back(self):
        lag = 'smartnode_peer_lag_seconds{peer="BE"}'
        wait_until("SE holds what BE has", lambda: self.value(self.se, lag) == 0)
        self.assertEqual(self.value(self.se, 'smartnode_peer_connected{peer="BE"}'), 1)
        self.be.stop()
        first = wait_until("the lag is seen", lambda: self.value(self.se, lag))
        wait_until("the lag grows", lambda: self.value(self.se, lag) > first)
        self.assertEqual(self.value(self.se, 'smartnode_peer_connected{peer="BE"}'), 0)
        self.be.start()
        wait_until("the lag is gone", lambda: self.value(self.se, lag) == 0)

    def test_a_request_that_is_refused_is_counted_by_its_reason(self):
        name = 'smartnode_http_rejected_total{reason="invalid"}'
        before = self.value(self.be, name)
        self.assertEqual(self.be.call("POST", "/v1/members", {"nonsense": 1}, key="k").status, 400)
        self.assertEqual(self.value(self.be, name), before + 1)


class LogTest(unittest.TestCase):
    def setUp(self):
        self.cluster = Cluster("BE", start=False)
        self.addCleanup(self.cluster.close)
        self.node = self.cluster["BE"]

    def test_where_there_is_no_terminal_each_line_is_json_with_its_code(self):
        self.node.start()
        self.node.stop()
        lines = [json.loads(line) for line in self.node.log().splitlines()]
        self.assertEqual([line["code"] for line in lines], ["start", "stop"])
        self.assertEqual({line["unit"] for line in lines}, {"BE"})
        self.assertNotIn("::ffff", lines[0]["msg"])

    def test_the_journal_gets_fields(self):
        set_section(self.node, "log", "format", "journal")
        spaces = ["--mount", "--propagation", "private"] + ([] if os.geteuid() == 0 else ["--user", "--map-root-user"])
        done = tool("unshare", *spaces, sys.executable, "-c", JOURNAL, cluster.PROGRAM, self.node.data)
        self.assertEqual(done.returncode, 0, done.stderr)
        fields = dict(line.split("=", 1) for line in done.stdout.splitlines())
        self.assertEqual((fields["PRIORITY"], fields["UNIT"], fields["CODE"], fields["SYSLOG_IDENTIFIER"]),
                         ("5", "BE", "start", "smartnode"))
        self.assertIn("unit BE", fields["MESSAGE"])


class ConfigCheckTest(unittest.TestCase):
    def test_every_mistake_is_named_with_line_key_and_what_to_put_there(self):
        nodes = Cluster("BE", start=False)
        self.addCleanup(nodes.close)
        node = nodes["BE"]
        self.assertIn("fit to run", run("config", "check", "--data", node.data).stdout)
        path = os.path.join(node.data, "smartnode.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write("[http]\nport = 99999\nprot = 1\njust words\ntls_cert = /nonexistent\n[log]\nformat = xml\n")
        os.chmod(os.path.join(node.data, "node.key"), 0o644)
        done = run("config", "check", "--data", node.data, status=2)
        for line, text in ((2, "http.port: "), (3, "http.prot: unknown key"), (4, "not key = value"), (5, "http.tls_cert: "),
                           (7, "log.format: ")):
            self.assertRegex(done.stderr, r"(?m)^%s:%d: %s" % (re.escape(path), line, text))
        self.assertIn("chmod 600", done.stderr)
        told = json.loads(run("config", "check", "--data", node.data, "--json", status=2).stdout)
        self.assertEqual([m.get("line") for m in told["mistakes"]], [2, 3, 4, 7, 5, None])
        self.assertRegex(run("run", "--data", node.data, status=None).stderr, "node.key|smartnode.conf line")


class CommandsTest(unittest.TestCase):
    def test_an_init_with_a_bad_value_makes_nothing(self):
        folder = tempfile.mkdtemp(prefix="smartnode-e2e-")
        self.addCleanup(shutil.rmtree, folder, True)
        good = {"--country": "BE", "--currency": "EUR", "--language": "nl", "--time-zone": "Europe/Brussels", "--office": "Brussel",
                "--contribution-bp": "650", "--share-price": "3000"}
        for option, value in (("--currency", "eur"), ("--currency", "EURO"), ("--time-zone", "Mars/Base"), ("--time-zone", "../etc/passwd"),
                              ("--language", "n!"), ("--office", ""), ("--office", "Brus\nsel"), ("--country", "be"),
                              ("--listen", "udp://x:1"), ("--share-price", "1000000001")):
            values = [part for pair in dict(good, **{option: value}).items() for part in pair]
            done = run("init", "--data", os.path.join(folder, "data"), "--unit", "BE", "--name", "Smart", "--federation", "smart", "--test",
                       "--keys-out", os.path.join(folder, "keys"), *values, status=None)
            self.assertIn(done.returncode, (1, 2), option)
            self.assertEqual(os.listdir(folder), [], (option, done.stderr))

    def test_the_same_change_with_the_same_key_is_done_once(self):
        nodes = Cluster("BE")
        self.addCleanup(nodes.close)
        node = nodes["BE"]
        admit = ["member", "admit", "--data", node.data, "--category", "A", "--type", "natural", "--office", node.city, "--shares", 1,
                 "--given-name", "Jan", "--family-name", "Maes", "--json"]
        env = {"SMARTNODE_TOKEN": node.token()}
        ids = [json.loads(run(*admit, *more, env=env).stdout)["id"]
               for more in (["--idempotency-key", "a"], ["--idempotency-key", "a"], ["--idempotency-key", "b"], [], [])]
        self.assertEqual(ids[0], ids[1])
        self.assertEqual(len(set(ids)), 4)
        self.assertIn("--idempotency-key", run("member", "--help").stdout)

    def test_a_wrong_command_line_ends_with_status_2_and_a_file_that_is_missing_is_named_once(self):
        nodes = Cluster("BE", start=False)
        self.addCleanup(nodes.close)
        data = nodes["BE"].data
        run("token", "create", "--data", data, "--role", "king", "--name", "x", status=2)
        run("token", "create", "--data", data, "--role", "desk", status=2)
        run("token", "revoke", "--data", data, status=2)
        told = run("peer", "trust", "--data", data, "nofile", status=1).stderr
        self.assertEqual(told, "smartnode: nofile: No such file or directory\n")


class SystemdTest(unittest.TestCase):
    def setting(self, name):
        with open(UNIT, encoding="utf-8") as file:
            return re.findall(r"^%s=(.*)$" % name, file.read(), re.M)

    def test_the_unit_is_well_formed_and_shut_in(self):
        folder = tempfile.mkdtemp(prefix="smartnode-e2e-")
        self.addCleanup(shutil.rmtree, folder, True)
        copy = os.path.join(folder, "smartnode.service")
        with open(UNIT, encoding="utf-8") as file:
            text = file.read()
        with open(copy, "w", encoding="utf-8") as file:  # the program is where it was built
            file.write(re.sub(r"(?m)^(Exec\w+=)smartnode ", r"\g<1>%s " % cluster.PROGRAM, text))
        verified = tool("systemd-analyze", "verify", "--man=no", copy)
        self.assertEqual([line for line in verified.stderr.splitlines() if "smartnode.service" in line], [])
        rated = tool("systemd-analyze", "security", "--offline=true", "--threshold=%d" % (EXPOSURE_MAX * 10), UNIT)
        self.assertEqual(rated.returncode, 0, rated.stdout + rated.stderr)
        found = re.search(r"Overall exposure level for smartnode.service: ([\d.]+)", rated.stdout)
        self.assertLessEqual(float(found.group(1)), EXPOSURE_MAX)
        self.assertEqual(self.setting("Type"), ["notify"])
        self.assertTrue(self.setting("WatchdogSec"))

    def allowed_calls(self):
        groups, calls = {}, None
        for line in tool("systemd-analyze", "syscall-filter").stdout.splitlines():
            if line.startswith("@"):
                calls = groups.setdefault(line.strip(), set())
            elif line.startswith("    ") and not line.strip().startswith("#"):
                calls.add(line.strip())

        def expand(name):
            return set().union(*(expand(part) for part in groups[name])) if name.startswith("@") else {name}
        allowed = set()
        for setting in self.setting("SystemCallFilter"):
            named = set().union(*(expand(name) for name in setting.lstrip("~").split()))
            allowed = allowed - named if setting.startswith("~") else allowed | named
        return allowed

    def test_the_node_makes_no_system_call_that_the_unit_forbids(self):
        nodes = Cluster("BE", "SE", start=False)
        self.addCleanup(nodes.close)
        be, se = nodes["BE"], nodes["SE"]
        trace = os.path.join(nodes.folder, "trace")
        se.start()
        with open(be.log_path, "ab") as log:
            be.process = subprocess.Popen(["strace", "-f", "-qq", "-o", trace, "-e", "signal=none", cluster.PROGRAM, "run", "--data", be.data],
                                          stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=cluster.die_with_parent,
                                          env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"))  # it cannot look while being traced
        be.wait_ready()
        be.admit_many(str(n) for n in range(20))
        se.admit_many(str(n) for n in range(20))
        nodes.wait_members({"BE": 20, "SE": 20}, "BE", "SE")
        be.status()
        be.call("GET", "/metrics", role=None)
        with open(os.path.join(be.data, "lock"), encoding="ascii") as file:
            node = int(file.read().split()[0])
        os.kill(node, signal.SIGHUP)
        run("config", "check", "--data", be.data)
        os.kill(node, signal.SIGTERM)
        self.assertEqual(be.process.wait(cluster.WAIT_S), 0)
        be.process = None
        with open(trace, encoding="utf-8", errors="replace") as file:
            called = set(re.findall(r"^\d+ +(\w+)\(", file.read(), re.M)) - {"execve"}
        self.assertGreater(len(called), 30)
        self.assertEqual(called - self.allowed_calls(), set())


if __name__ == "__main__":
    unittest.main()
