"""A unit's own platform, as a process of its own that the tests can kill at any moment:

    platform_client.py pull PORT FILE SEED         follows /v1/changes into FILE, one change a line, for ever
    platform_client.py load PORT LINES BATCH       sends LINES (a file of NDJSON) as one batch under one key, from its start
    platform_client.py resume PORT LINES PROGRESS SEED    sends them in batches of any size, each line under a key of its own, from
                                                   where PROGRESS says, or some lines before

The token is in $SMARTNODE_TOKEN. What it knows is in its files alone: killed and started again, it goes on from them."""

import http.client
import json
import os
import random
import sys
import threading
import time

TIMEOUT_S = 60
PAUSE_S = 0.05
UPLOAD_PIECE_LINES = 50


class Platform:
    def __init__(self, port, token):
        self.port, self.token, self.conn = port, token, None

    def call(self, method, path, body=None, headers=None):
        """An answer of 2xx, or None if there was none."""
        try:
            if self.conn is None:
                self.conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)
            self.conn.request(method, path, body=body, headers=dict(headers or {}, Authorization="Bearer " + self.token))
            answer = self.conn.getresponse()
            text = answer.read().decode()
        except (OSError, http.client.HTTPException):
            self.conn = None
            return None
        if answer.status == 503:
            return None
        if answer.status // 100 != 2:
            raise SystemExit("%s %s: %d %s" % (method, path, answer.status, text))
        return text


def pause():
    threading.Event().wait(PAUSE_S)


# ---- changes ----

def whole_lines(path):
    """What is there in whole lines; a line that was cut off by a kill is cut away."""
    with open(path, "a+b") as file:
        file.seek(0)
        text = file.read()
        end = text.rfind(b"\n") + 1
        file.truncate(end)
    return text[:end].decode().splitlines()


def changes_of(text, lines):
    """The changes of an answer, and where to go on. A stream of lines without its last one was cut off: what came counts."""
    if not lines:
        page = json.loads(text)
        return page["changes"], page["next"]
    found = [json.loads(line) for line in text.splitlines()]
    return found[:-1], found[-1]["next"]


def pull(port, path, seed):
    chance = random.Random(seed)
    platform = Platform(port, os.environ["SMARTNODE_TOKEN"])
    known = whole_lines(path)
    after = json.loads(known[-1])["cursor"] if known else None
    with open(path, "a", encoding="utf-8") as file:
        while True:
            lines = chance.random() < 0.5
            query = "unit=all&limit=%d&wait=%d" % (chance.choice((1, 2, 7, 50, 500)), chance.choice((0, 1, 2)))
            text = platform.call("GET", "/v1/changes?%s%s" % (query, "&after=" + after if after else ""),
                                 headers={"Accept": "application/x-ndjson"} if lines else {})
            if text is None:
                pause()
                continue
            changes, after = changes_of(text, lines)
            for change in changes:
                file.write(json.dumps(change) + "\n")
                if chance.random() < 0.1:
                    file.flush()  # so that a kill may come within a page, and within a line
            file.flush()


# ---- bulk ----

def check(answers, expected):
    found = [json.loads(line) for line in answers.splitlines()]
    bad = [line for line in found if line["status"] not in (200, 201)]
    if bad or len(found) != expected:
        raise SystemExit("%d lines answered of %d, refused: %r" % (len(found), expected, bad[:3]))


def pieces(lines):
    for start in range(0, len(lines), UPLOAD_PIECE_LINES):
        yield "".join(lines[start:start + UPLOAD_PIECE_LINES]).encode()


def send(platform, key, lines):
    """Until it is answered: a node that was killed comes back."""
    end = time.monotonic() + TIMEOUT_S
    while time.monotonic() < end:
        answers = platform.call("POST", "/v1/batch", pieces(lines),
                                {"Idempotency-Key": key, "Content-Type": "application/x-ndjson"})
        if answers is not None:
            check(answers, len(lines))
            return
        pause()
    raise SystemExit("no answer")


def read_lines(path):
    with open(path, encoding="utf-8") as file:
        return file.readlines()


def load(port, path, key):
    send(Platform(port, os.environ["SMARTNODE_TOKEN"]), key, read_lines(path))


def resume(port, path, progress, seed):
    chance = random.Random(seed)
    platform = Platform(port, os.environ["SMARTNODE_TOKEN"])
    lines = [json.dumps(dict(json.loads(line), idempotency_key="line %d" % n)) + "\n" for n, line in enumerate(read_lines(path))]
    done = 0
    if os.path.exists(progress):
        with open(progress, encoding="ascii") as file:
            done = int(file.read())
    done = max(0, done - chance.randrange(300))
    while done < len(lines):
        some = lines[done:done + chance.choice((1, 30, 400))]
        send(platform, "batch %d %d" % (seed, done), some)
        done += len(some)
        with open(progress + ".new", "w", encoding="ascii") as file:
            file.write(str(done))
        os.replace(progress + ".new", progress)


def main(what, port, *rest):
    if what == "pull":
        pull(int(port), rest[0], int(rest[1]))
    elif what == "load":
        load(int(port), *rest)
    else:
        resume(int(port), rest[0], rest[1], int(rest[2]))


if __name__ == "__main__":
    main(*sys.argv[1:])
