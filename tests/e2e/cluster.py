"""Real nodes for the end-to-end tests: processes of the program, the links between them, an HTTP client, waiting.

Everything lies in one temporary directory that goes away at the end. Only processes that were started here are stopped, each by
its own id; the kernel ends them too if the test itself is killed. Nothing sleeps: whatever takes time is polled until a deadline,
which is generous, since a loaded machine is not a failure.

Start nodes from the main thread: the kernel ties a child to the thread that made it."""

import collections
import contextlib
import ctypes
import datetime
import http.client
import json
import os
import random
import selectors
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.parse
import uuid
import zoneinfo

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
PROGRAM = os.path.abspath(os.environ.get("SMARTNODE", os.path.join(BUILD, "smartnode")))
GENERATE = os.path.abspath(os.environ.get("SMARTNODE_GENERATE", os.path.join(BUILD, "smartnode-generate")))

WAIT_S = 60
POLL_S = 0.02
COMMAND_S = 120
FEDERATION = "smart"
SINCE = "2017-01-01"
DAY = "2024-12-31"

UNITS = {"BE": ("Brussel", "Europe/Brussels", "EUR"), "SE": ("Stockholm", "Europe/Stockholm", "SEK"),
         "FR": ("Paris", "Europe/Paris", "EUR"), "DE": ("Berlin", "Europe/Berlin", "EUR"),
         "AT": ("Wien", "Europe/Vienna", "EUR"), "ES": ("Madrid", "Europe/Madrid", "EUR"),
         "HU": ("Budapest", "Europe/Budapest", "HUF")}

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1
_ports_given = set()


def today():
    """The day of the units, who share one time of day; that of this machine may be another one."""
    return datetime.datetime.now(zoneinfo.ZoneInfo("Europe/Brussels")).date()


def die_with_parent():
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def wait_until(what, check, within_s=WAIT_S):
    """Polls until check() gives something true and returns it; fails with what, and with what was seen last."""
    end = time.monotonic() + within_s
    pause = threading.Event()
    while True:
        seen = check()
        if seen:
            return seen
        if time.monotonic() > end:
            raise AssertionError("not within %d s: %s (last seen: %r)" % (within_s, what, seen))
        pause.wait(POLL_S)


def free_port():
    """A port that nothing has. Below the range from which the kernel gives ports to outgoing connections: those come and go by the
    thousand in these tests and would now and then sit on the port of a node that restarts."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
        low, high = (int(word) for word in file.read().split())
    choices = range(10000, low) if low > 12000 else range(high + 1, 65536) if high < 64000 else [0]
    while True:
        port = random.SystemRandom().choice(choices)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            port = probe.getsockname()[1]
        if port not in _ports_given:
            _ports_given.add(port)
            return port


def run(*args, stdin=None, env=None, cwd=None, status=0):
    """A command of the program. status: the exit status that it must end with; None = any."""
    done = subprocess.run([PROGRAM, *map(str, args)], input=stdin, capture_output=True, text=True, cwd=cwd, timeout=COMMAND_S,
                          env=dict(os.environ, **(env or {})), check=False)
    if status is not None and done.returncode != status:
        raise AssertionError("smartnode %s: status %d instead of %d\n%s%s" % (
            " ".join(map(str, args)), done.returncode, status, done.stdout, done.stderr))
    return done


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def type(self):
        return (self.headers.get("Content-Type") or "").split(";")[0]

    def __repr__(self):
        return "%d %s" % (self.status, self.body[:400])


class Http:
    """One connection to a node, kept open. One thread."""

    def __init__(self, port, token):
        self.port, self.token, self.conn = port, token, None

    def close(self):
        if self.conn:
            self.conn.close()
        self.conn = None

    def call(self, method, path, body=None, headers=None, key=None):
        """An error of the connection is raised: whether the node has done it is then unknown."""
        all_headers = {}
        if self.token:
            all_headers["Authorization"] = "Bearer " + self.token
        if method == "POST":
            all_headers["Idempotency-Key"] = key or uuid.uuid4().hex
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        if body is not None:
            all_headers["Content-Type"] = "application/json"
        for name, value in (headers or {}).items():
            all_headers.pop(name, None)
            if value is not None:
                all_headers[name] = value
        if self.conn is None:
            self.conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_S)
        try:
            self.conn.request(method, path, body=body.encode() if isinstance(body, str) else body, headers=all_headers)
            got = self.conn.getresponse()
            return Answer(got.status, dict(got.getheaders()), got.read())
        except (OSError, http.client.HTTPException):
            self.close()
            raise


def person(number, given="Ilse", family="Vandermeersch"):
    return {"identity": {"member_no": str(number), "given_name": given, "family_name": family}}


def admission(number, office, day="2024-03-01", **more):
    return dict({"status": "admitted", "category": "A", "person_type": "natural", "office": office, "shares": 1,
                 "effective_on": day, "person": person(number)}, **more)


CSV_COLUMNS = ("member_no,type,category,given_name,family_name,legal_name,birth_date,language,email,phone,street,postcode,city,"
               "country,iban,office,applied_on,admitted_on,refused_on,shares,left_on,left_reason")


def csv_row(number, office, day="2024-03-01", left_on=""):
    return "%s,natural,A,Ilse,Vandermeersch,,1980-02-03,nl,,,,,,,,%s,,%s,,1,%s,%s" % (
        number, office, day, left_on, "resigned" if left_on else "")


class Node:
    def __init__(self, folder, code, listens=True, advertise=None, production=False, federation=FEDERATION, offices=None,
                 contribution_bp=650, share_price=3000):
        self.folder, self.code, self.listens = folder, code, listens
        self.production, self.federation = production, federation
        self.city, self.zone, self.currency = UNITS.get(code, (code.title(), "Europe/Brussels", "EUR"))
        self.offices = offices or [self.city]
        self.contribution_bp, self.share_price = contribution_bp, share_price
        self.data = os.path.join(folder, code)
        self.log_path = os.path.join(folder, code + ".log")
        self.http_port, self.sync_port = free_port(), free_port()
        self.endpoint = "tcp://127.0.0.1:%d" % self.sync_port
        self.advertise = advertise if advertise is not None else [self.endpoint] if listens else []
        self.process, self.tokens = None, {}
        self.environment = {}  # beside the test's own

    # ---- making ----

    def init(self):
        listen = self.endpoint if self.listens else "none"
        options = ["--listen", listen]
        for endpoint in self.advertise:
            options += ["--advertise", endpoint]
        for office in self.offices:
            options += ["--office", office]
        self.init_output = run(
            "init", "--data", self.data, "--unit", self.code, "--name", "Smart " + self.code, "--federation", self.federation,
            "--production" if self.production else "--test", "--keys-out", os.path.join(self.folder, "keys"), "--country",
            self.code[:2], "--currency", self.currency, "--language", "fr", "--time-zone", self.zone, "--contribution-bp", self.contribution_bp,
            "--share-price", self.share_price, "--since", SINCE, "--http-port", self.http_port, "--map-gib", 2, *options).stdout
        return self

    def token(self, role="desk"):
        if role not in self.tokens:
            self.tokens[role] = run("token", "create", "--data", self.data, "--role", role, "--name", role,
                                    env=self.environment).stdout.strip()
        return self.tokens[role]

    def card(self):
        path = os.path.join(self.folder, self.code + ".card")
        with open(path, "w", encoding="utf-8") as file:
            file.write(run("card", "--data", self.data).stdout)
        return path

    def trust(self, other, endpoint=None, status=0):
        """endpoint: where other is dialled instead of what its card says."""
        more = ["--endpoint", endpoint] if endpoint else []
        return run("peer", "trust", "--data", self.data, "--yes", *more, other.card(), status=status)

    # ---- running ----

    def spawn(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([PROGRAM, "run", "--data", self.data], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            cwd=self.folder, env=dict(os.environ, **self.environment), preexec_fn=die_with_parent)
        return self

    def wait_ready(self):
        def ready():
            if self.process.poll() is not None:
                raise AssertionError("%s ended with status %d:\n%s" % (self.code, self.process.returncode, self.log()))
            try:
                return self.call("GET", "/readyz", role=None).status == 200
            except (OSError, http.client.HTTPException):
                return False
        wait_until("%s is ready" % self.code, ready)
        return self

    def start(self):
        return self.spawn().wait_ready()

    def kill(self):
        """kill -9"""
        self._end(signal.SIGKILL)

    def stop(self):
        """As systemd stops it; says whether it ended well."""
        return self._end(signal.SIGTERM)

    def _end(self, with_signal):
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(with_signal)
        try:
            status = self.process.wait(WAIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            status = None
        self.process = None
        return status

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    # ---- asking ----

    def http(self, role="desk"):
        return Http(self.http_port, self.token(role) if role else None)

    def call(self, method, path, body=None, role="desk", headers=None, key=None):
        client = self.http(role)
        with contextlib.closing(client):
            return client.call(method, path, body, headers, key)

    def get(self, path, role="operator"):
        answer = self.call("GET", path, role=role)
        if answer.status != 200:
            raise AssertionError("GET %s at %s: %r" % (path, self.code, answer))
        return answer.json

    def post(self, path, body=None, status=201, role="desk", headers=None, key=None):
        answer = self.call("POST", path, body, role, headers, key)
        if answer.status != status:
            raise AssertionError("POST %s at %s: %r" % (path, self.code, answer))
        return answer

    def admit(self, number, **more):
        return self.post("/v1/members", admission(number, self.city, **more)).json["id"]

    def batch(self, lines, key=None):
        answer = self.post("/v1/batch", "".join(json.dumps(line) + "\n" for line in lines), 200, key=key,
                           headers={"Content-Type": "application/x-ndjson"})
        return [json.loads(line) for line in answer.body.splitlines()]

    def admit_many(self, numbers):
        lines = self.batch([dict({k: v for k, v in admission(n, self.city).items() if k != "status"}, op="member.admit")
                            for n in numbers])
        bad = [line for line in lines if line["status"] != 201]
        if bad:
            raise AssertionError("%s: %r" % (self.code, bad[:3]))
        return [line["id"] for line in lines]

    def status(self):
        return self.get("/v1/status")

    def fingerprint(self):
        return self.status()["fingerprint"]

    def peer(self, code):
        return next((p for p in self.get("/v1/peers")["peers"] if p["code"] == code), None)

    def members(self, unit=None, day=DAY):
        """How many members a unit has, as this node's report knows it; None = it does not know the unit."""
        answer = self.call("GET", "/v1/reports/members?as_of=%s&unit=%s" % (day, unit or self.code), role="reports")
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise AssertionError("members at %s: %r" % (self.code, answer))
        return sum(row["members"] for row in answer.json["rows"])

    def numbers(self):
        """Member numbers of the own unit with how often each is there, from its export; may be asked of a stopped node, too."""
        lines = run("export", "--data", self.data, "--ndjson", "--out", "-").stdout.splitlines()
        return collections.Counter(json.loads(line)["member_no"] for line in lines)

    def events(self):
        found, after = [], ""
        with contextlib.closing(self.http("operator")) as client:
            while after is not None:
                page = client.call("GET", "/v1/events?limit=500" + (after and "&after=" + urllib.parse.quote(after))).json
                found += page["events"]
                after = page["next"]
        return found

    # ---- its files ----

    def copy_data(self, to):
        """As a backup takes it: only of a node that does not run."""
        if self.process is not None:
            raise AssertionError("%s runs" % self.code)
        shutil.copytree(self.data, to)
        return to

    def replace_data(self, by):
        shutil.rmtree(self.data)
        shutil.copytree(by, self.data)

    def set_config(self, key, value):
        path = os.path.join(self.data, "smartnode.conf")
        with open(path, encoding="utf-8") as file:
            lines = file.read().split("\n")
        found = [i for i, line in enumerate(lines) if line.split("=")[0].strip() == key]
        lines[found[0]] = "%s = %s" % (key, value)
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(lines))


class Cluster:
    """N units. topology: which pairs trust each other and dial: "all", or a list of (code, code) where the first dials the second
    and both trust; trusting alone is trust()."""

    def __init__(self, *codes, topology="all", start=True, **options):
        self.folder = tempfile.mkdtemp(prefix="smartnode-e2e-")
        self.nodes, self.links = {}, []
        try:
            for code in codes:
                self.add(code, **options.get(code, {}))
            pairs = [(a, b) for a in codes for b in codes if a != b] if topology == "all" else topology
            for a, b in pairs:
                self[a].trust(self[b])
            if start:
                self.start()
        except BaseException:
            self.close()
            raise

    def __getitem__(self, code):
        return self.nodes[code]

    def __iter__(self):
        return iter(self.nodes.values())

    def add(self, code, name=None, **options):
        """name: of a second node of the same code, which needs a folder of its own."""
        folder = os.path.join(self.folder, name) if name else self.folder
        os.makedirs(folder, exist_ok=True)
        self.nodes[name or code] = Node(folder, code, **options).init()
        return self.nodes[name or code]

    def link(self, a, b):
        """a trusts b and dials it over a link that can be cut."""
        link = Link(b.sync_port)
        self.links.append(link)
        a.trust(b, "tcp://127.0.0.1:%d" % link.port)
        return link

    def start(self):
        for node in self:
            if node.process is None:
                node.spawn()
        for node in self:
            node.wait_ready()

    def wait_equal(self, *codes):
        """Until all (or these) nodes have one fingerprint, and returns it."""
        nodes = [self[code] for code in codes] if codes else list(self)

        def equal():
            seen = {node.fingerprint() for node in nodes}
            return seen.pop() if len(seen) == 1 else None
        try:
            return wait_until("equal fingerprints", equal)
        except AssertionError as err:
            raise AssertionError("%s\n%s" % (err, self.describe(nodes))) from None

    def describe(self, nodes):
        lines = []
        for node in nodes:
            counts = {code: node.members(code) for code in sorted({n.code for n in nodes})}
            lines.append("%s: members %r, fingerprint %s, warnings %r, peers %r" % (
                node.code, counts, node.fingerprint()[:12], node.status()["warnings"],
                [(p["code"], p["state"], p.get("reason"), p["lag_events"]) for p in node.get("/v1/peers")["peers"]]))
        return "\n".join(lines)

    def wait_members(self, expected, *codes):
        """Until every node (or these) reports these members of the units: {"BE": 3}."""
        nodes = [self[code] for code in codes] if codes else list(self)
        for node in nodes:
            for unit, count in expected.items():
                try:
                    wait_until("%d members of %s at %s" % (count, unit, node.code), lambda: node.members(unit) == count)
                except AssertionError as err:
                    raise AssertionError("%s\n%s" % (err, self.describe(nodes))) from None

    def close(self):
        for node in self:
            if node.process is not None and node.process.poll() is None:
                node.process.send_signal(signal.SIGTERM)
        for node in self:
            node.stop()
        for link in self.links:
            link.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Link:
    """A TCP relay in front of a port. Each way can be held: its bytes wait and arrive late, as on a network that loses packets; the
    sender only sees silence. cut() ends what is connected and answers nobody until heal(). delay_s: of each way."""

    CHUNK = 65536
    HELD_MAX = 1 << 20  # then the sender's own window fills

    def __init__(self, target_port, delay_s=0.0):
        self.target_port, self.delay_s = target_port, delay_s
        self.held = {"there": False, "back": False}
        self.up, self.closing = True, False
        self.passed = {"there": 0, "back": 0}
        self.pairs = []
        self.selector = selectors.DefaultSelector()
        self.listener = None
        self.port = free_port()
        self.calls, self.lock = [], threading.Lock()
        self.wake_r, self.wake_w = socket.socketpair()
        self.wake_r.setblocking(False)
        self.selector.register(self.wake_r, selectors.EVENT_READ)
        self._listen()
        self.thread = threading.Thread(target=self._loop, daemon=True)
        self.thread.start()

    # From any thread; done when they return.
    def cut(self):
        self._ask(self._cut)

    def heal(self):
        self._ask(self._heal)

    def hold(self, *ways):
        self._ask(lambda: self.held.update({way: True for way in ways}))

    def close(self):
        if self.thread.is_alive():
            self._ask(self._finish)
            self.thread.join(WAIT_S)

    def _ask(self, what):
        done = threading.Event()
        with self.lock:
            self.calls.append((what, done))
        self.wake_w.send(b".")
        if not done.wait(WAIT_S):
            raise AssertionError("the link does not answer")

    def _cut(self):
        self.up = False
        for pair in list(self.pairs):
            self._drop(pair)
        if self.listener:
            self.selector.unregister(self.listener)
            self.listener.close()
            self.listener = None

    def _heal(self):
        self.held = {"there": False, "back": False}
        if not self.up:
            self.up = True
            self._listen()

    def _finish(self):
        self.closing = True
        self._cut()

    def _listen(self):
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", self.port))
        self.listener.listen(16)
        self.listener.setblocking(False)
        self.selector.register(self.listener, selectors.EVENT_READ)

    def _accept(self):
        try:
            near, _ = self.listener.accept()
        except OSError:
            return
        far = socket.socket()
        try:
            far.connect(("127.0.0.1", self.target_port))
        except OSError:
            near.close()
            far.close()
            return
        # Each way: from, to, [(when, bytes)]
        pair = {"there": (near, far, []), "back": (far, near, [])}
        for sock in (near, far):
            sock.setblocking(False)
            self.selector.register(sock, selectors.EVENT_READ, pair)
        self.pairs.append(pair)

    def _drop(self, pair):
        if pair in self.pairs:
            self.pairs.remove(pair)
            for sock in pair["there"][:2]:
                self.selector.unregister(sock)
                sock.close()

    def _read(self, sock, pair):
        way = "there" if pair["there"][0] is sock else "back"
        queue = pair[way][2]
        if sum(len(chunk) for _, chunk in queue) >= self.HELD_MAX:
            return
        try:
            chunk = sock.recv(self.CHUNK)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        if chunk:
            queue.append((time.monotonic() + self.delay_s, chunk))
        elif not self.held[way]:
            self._drop(pair)

    def _write(self, pair):
        now = time.monotonic()
        for way, (_, to, queue) in pair.items():
            while queue and not self.held[way] and queue[0][0] <= now:
                when, chunk = queue[0]
                try:
                    sent = to.send(chunk)
                except BlockingIOError:
                    break
                except OSError:
                    self._drop(pair)
                    return
                self.passed[way] += sent
                queue[0] = (when, chunk[sent:])
                if not queue[0][1]:
                    queue.pop(0)

    def _wait_s(self):
        times = [queue[0][0] - time.monotonic() for pair in self.pairs for way, (_, _, queue) in pair.items()
                 if queue and not self.held[way]]
        return max(0.001, min(times)) if times else None

    def _loop(self):
        while not self.closing:
            for key, _ in self.selector.select(self._wait_s()):
                if key.fileobj is self.wake_r:
                    with contextlib.suppress(BlockingIOError):
                        self.wake_r.recv(4096)
                elif key.fileobj is self.listener:
                    self._accept()
                elif key.data in self.pairs:
                    self._read(key.fileobj, key.data)
            for pair in list(self.pairs):
                self._write(pair)
            with self.lock:
                calls, self.calls = self.calls, []
            for what, done in calls:
                what()
                done.set()
        self.selector.close()
        self.wake_r.close()
        self.wake_w.close()
