"""What the demo is made of: a node and its HTTP interface, processes, and what is shown of them.

Every process that is started here is ended by stop_all(), and by the kernel if the demo itself is killed.
"""
import collections
import ctypes
import http.client
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("BUILD") or "build")
SMARTNODE = os.path.join(BUILD, "smartnode")

AT_ONCE = 2  # commands side by side
START_S, STALL_S, STOP_S = 60, 120, 30
POLL_S = 0.02
PDEATHSIG = 1  # PR_SET_PDEATHSIG of prctl(2)

libc = ctypes.CDLL(None, use_errno=True)
children = []  # every process that was started and may still run


class Failure(Exception):
    def __init__(self, text, log=None):
        super().__init__(text)
        self.log = log


class Node:
    def __init__(self, row, directory):
        self.row = row
        self.code = row["code"]
        self.data = os.path.join(directory, "nodes", self.code)
        self.log = os.path.join(directory, "logs", self.code + ".log")
        self.card = os.path.join(directory, "cards", self.code + ".card")
        self.made = os.path.join(directory, "data", self.code)
        self.http, self.peers = reserved_port(), reserved_port()
        self.tokens = {}
        self.process = None
        self.received = self.lag = 0
        self.fingerprint = None

    @property
    def http_port(self):
        return self.http.getsockname()[1]

    @property
    def endpoint(self):
        return "tcp://127.0.0.1:%d" % self.peers.getsockname()[1]

    def request(self, method, path, body=None, role="reports", headers=None):
        """(status, headers, text) of an answer of this node. OSError where it does not answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=30)
        try:
            sent = {"Authorization": "Bearer " + self.tokens[role]} if role else {}
            if method == "POST":
                sent["Idempotency-Key"] = uuid.uuid4().hex
            if body is not None:
                sent["Content-Type"] = "application/json"
            sent.update(headers or {})
            connection.request(method, path, body=None if body is None else json.dumps(body), headers=sent)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read().decode()
        except http.client.HTTPException as problem:
            raise OSError(str(problem)) from problem
        finally:
            connection.close()

    def get(self, path, role="reports"):
        status, _, body = self.request("GET", path, role=role)
        if status != 200:
            raise Failure("%s answers %d to %s: %s" % (self.code, status, path, body.strip()), self.log)
        return body

    def get_json(self, path, role="reports"):
        return json.loads(self.get(path, role))

    def post(self, path, body=None, headers=None):
        """What a desk's request is answered with, as a value; a Failure if it is refused."""
        status, _, text = self.request("POST", path, body, "desk", headers)
        if status not in (200, 201, 202):
            raise Failure("%s answers %d to POST %s: %s" % (self.code, status, path, text.strip()), self.log)
        return json.loads(text) if text else None

    def etag(self, path):
        status, headers, text = self.request("GET", path, role="desk")
        if not headers["ETag"]:
            raise Failure("%s answers %d without an ETag to %s: %s" % (self.code, status, path, text.strip()), self.log)
        return headers["ETag"]

    def start(self):
        with open(self.log, "ab") as log:
            self.process = spawn([SMARTNODE, "run", "--data", self.data], log, log)

    def wait_ready(self):
        deadline = time.monotonic() + START_S
        while True:
            check_alive([self])
            try:
                self.get("/readyz", None)
                return
            except (OSError, Failure):
                if time.monotonic() > deadline:
                    raise Failure("the node of %s is not ready after %d s" % (self.code, START_S), self.log)
                time.sleep(POLL_S)

    def stop(self):
        """Asks the process to end and waits until it has."""
        self.process.terminate()
        try:
            status = self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            raise Failure("the node of %s does not end" % self.code, self.log)
        children.remove(self.process)
        if status != 0:
            raise Failure("the node of %s ended with status %d" % (self.code, status), self.log)

    def metrics(self):
        return dict(re.findall(r"^(smartnode_\w+) (\d+)$", self.get("/metrics", None), re.M))


def reserved_port():
    """A bound socket that does not listen: nobody else is given its port, and a node may still listen there."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", 0))
    return s


def number(n):
    return format(n, ",")


# ---- what is shown ----


class Show:
    """Phases with their times; between them a line of progress that a terminal overwrites."""

    EVERY_S = 5

    def __init__(self):
        self.begun = self.phase_begun = self.shown = time.monotonic()
        self.terminal = sys.stdout.isatty()
        self.open_line = False

    def text(self, line=""):
        if self.open_line:
            sys.stdout.write("\r\033[K")
        self.open_line = False
        print(line, flush=True)

    def phase(self, line):
        self.phase_begun = self.shown = time.monotonic()
        self.text("demo: %s" % line)

    def progress(self, line):
        now = time.monotonic()
        if self.terminal:
            width = shutil.get_terminal_size().columns - 1
            sys.stdout.write("\r\033[K" + ("      " + line)[:width])
            sys.stdout.flush()
            self.open_line = True
        elif now - self.shown >= self.EVERY_S:
            self.shown = now
            self.text("      %s" % line)

    def done(self, line):
        self.text("      %s, %.1f s" % (line, time.monotonic() - self.phase_begun))


show = Show()


def table(head, rows):
    """Rows of texts under a header; a column whose name begins with > stands to the right."""
    names = [name.lstrip(">") for name in head]
    widths = [max(len(line[i]) for line in [names] + rows) for i in range(len(head))]
    for line in [names] + rows:
        cells = [c.rjust(w) if h.startswith(">") else c.ljust(w) for c, w, h in zip(line, widths, head)]
        show.text("      " + "   ".join(cells).rstrip())


# ---- processes ----


def with_us():
    """In a child: it ends when we do, however that comes."""
    libc.prctl(PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def spawn(argv, out, err):
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True,
                               preexec_fn=with_us)
    children.append(process)
    return process


def run_all(jobs, each_turn=None):
    """Runs commands, AT_ONCE side by side, and returns their outputs. A job is (node, argv)."""
    return [outputs[0] for outputs in run_chains([(node, [argv]) for node, argv in jobs], each_turn)]


def run_chains(jobs, each_turn=None):
    """The same with commands that follow each other: a job is (node, list of argv), its output a list."""
    waiting = collections.deque((i, job[0], list(job[1]), []) for i, job in enumerate(jobs))
    running, outputs = [], [None] * len(jobs)
    while waiting or running:
        while waiting and len(running) < AT_ONCE:
            i, node, chain, before = waiting.popleft()
            out = tempfile.TemporaryFile()
            with open(node.log, "ab") as log:
                running.append((i, node, chain, before, out, spawn(chain[0], out, log)))
        time.sleep(0.005)
        for job in list(running):
            i, node, chain, before, out, process = job
            if process.poll() is None:
                continue
            running.remove(job)
            children.remove(process)
            out.seek(0)
            before.append(out.read().decode())
            out.close()
            if process.returncode != 0:
                raise Failure("%s ended with status %d" % (shlex.join(chain[0][:2]), process.returncode), node.log)
            if len(chain) > 1:
                waiting.appendleft((i, node, chain[1:], before))
            else:
                outputs[i] = before
        if each_turn:
            each_turn([job[1].code for job in running], [o is not None for o in outputs])
    return outputs


def stop_all():
    """Asks every process that still runs to end, and waits; only one that does not listen is killed."""
    clean = True
    for process in children:
        if process.poll() is None:
            process.terminate()
    deadline = time.monotonic() + STOP_S
    for process in children:
        try:
            process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        clean = clean and process.returncode == 0
    children.clear()
    return clean


def check_alive(nodes):
    for node in nodes:
        if node.process.poll() is not None:
            raise Failure("the node of %s ended with status %d" % (node.code, node.process.returncode), node.log)


def agreed(nodes):
    """Whether every node has heard all peers, lacks nothing that they announced, and has the same state."""
    for node in nodes:
        node.fingerprint = node.get_json("/v1/status").get("fingerprint")
    if len({n.fingerprint for n in nodes}) != 1 or nodes[0].fingerprint is None:
        return False
    for node in nodes:
        peers = node.get_json("/v1/peers")["peers"]
        if len(peers) != len(nodes) - 1 or any(p["lag_events"] != 0 or "last_heard" not in p for p in peers):
            return False
    return True


def wait_until(what, nodes, check):
    """What check() gives once it gives something; a Failure if that is not so in STALL_S. The nodes must stay alive."""
    deadline = time.monotonic() + STALL_S
    while True:
        check_alive(nodes)
        seen = check()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise Failure("not within %d s: %s" % (STALL_S, what), nodes[0].log)
        show.progress("waiting until %s" % what)
        time.sleep(POLL_S)
