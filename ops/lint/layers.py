"""Which room may include what: the layering of the house, by #include.

The table is the one in docs/ARCHITECTURE.md. A room that is not in a row's list is out of reach
for it, and so is a library that is not.
"""

import re

# The one place of each library. Two rooms may speak JSON: the API and the command-line client.
LIBRARY_HEADERS = (
    (re.compile(r"lmdb\.h$"), "lmdb"),
    (re.compile(r"zmq(_utils)?\.h$"), "zmq"),
    (re.compile(r"microhttpd\.h$"), "microhttpd"),
    (re.compile(r"jansson\.h$"), "jansson"),
    (re.compile(r"^curl/"), "curl"),
    (re.compile(r"^csv\.h$"), "csv"),
    (re.compile(r"sodium(\.h$|/)"), "sodium"),
    (re.compile(r".*\.pb-c\.h$"), "generated"),
    (re.compile(r"protobuf-c/"), "protobuf-c"),
    (re.compile(r"ini\.h$"), "inih"),
    (re.compile(r"utf8proc\.h$"), "utf8proc"),
    (re.compile(r"qrencode\.h$"), "qrencode"),
    (re.compile(r"png\.h$"), "png"),
    (re.compile(r"systemd/"), "systemd"),
    (re.compile(r"cmocka\.h$"), "cmocka"),
)

# Headers of the C library that mean a clock, a file, a socket, a thread or a signal.
IMPURE_HEADERS = re.compile(
    r"(time|unistd|fcntl|poll|pthread|threads|signal|dirent|netdb|syslog|locale|stdio_ext)\.h$"
    r"|(sys|netinet|arpa|linux)/")


class Room:
    def __init__(self, name, rooms, libraries, pure=False):
        self.name = name
        self.rooms = rooms
        self.libraries = libraries
        self.pure = pure


# Longest path first: proto/base/ is not proto/.
ROOMS = (
    Room("proto/base", ["proto/base"], ["sodium"], pure=True),
    Room("proto", ["proto/base", "proto"], ["sodium", "protobuf-c", "generated", "utf8proc"],
         pure=True),
    Room("storage", ["proto/base", "proto", "storage"], ["lmdb", "sodium", "utf8proc"]),
    Room("node/rules", ["proto/base", "proto", "node/rules"], [], pure=True),
    Room("node/sync", ["proto/base", "proto", "node/sync"], [], pure=True),
    Room("node/apply", ["proto/base", "proto", "storage", "node/rules", "node/apply"], []),
    Room("node/command", ["proto/base", "proto", "storage", "node/rules", "node/command"],
         ["sodium", "utf8proc"]),
    Room("node/view", ["proto/base", "proto", "storage", "node/rules", "node/view"],
         ["utf8proc"]),
    Room("node/api", ["proto/base", "proto", "storage", "node/command", "node/view", "node/api"],
         ["microhttpd", "jansson", "qrencode", "png"]),
    Room("node/net", ["proto/base", "proto", "node/net"], ["zmq"]),
    Room("node/host", ["proto/base", "proto", "storage", "node/rules", "node/sync", "node/apply",
                       "node/command", "node/view", "node/api", "node/net", "node/host"],
         ["sodium", "jansson", "inih", "systemd", "utf8proc"]),
    Room("node/exchange", ["proto/base", "proto", "storage", "node/rules", "node/command", "node/view", "node/api", "node/host",
                           "node/exchange"],
         ["sodium", "jansson", "curl", "csv", "inih", "utf8proc"]),
    Room("node/cli", ["proto/base", "proto", "storage", "node/rules", "node/sync", "node/apply", "node/command",
                      "node/view", "node/api", "node/net", "node/host", "node/exchange", "node/cli"],
         ["sodium", "jansson", "utf8proc"]),
)

# The generated types of protobuf-c stay inside these files, one line of reason each.
GENERATED_TYPES_ALLOWED = (
    "proto/wire.c",     # the messages between peers
    "proto/event_payload.h",  # payloads; private to event_*.c
    "proto/event_payload.c",
    "proto/event_payload_register.c",
    "proto/event_payload_work.c",
    "proto/person.c",   # the clear texts of capsules
    "proto/card.c",     # unit cards
    "proto/receipt.c",  # receipts
)
# The allocator with a byte budget needs the library's types, and nobody outside proto/ needs it.
RUNTIME_TYPES_ALLOWED = GENERATED_TYPES_ALLOWED + ("proto/budget.h", "proto/budget.c")
PRIVATE_HEADERS = {"proto/budget.h": "proto"}

# How an invariant that does not hold ends the process: the only output of the pure rooms.
ABORT_FILES = ("proto/base/check.c",)
# Must name what it bans.
BANNED_FILE = "proto/base/banned.h"
IMPURE_ALLOWED = ABORT_FILES + (BANNED_FILE,)

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def room_of(path):
    for room in ROOMS:
        if path.startswith(room.name + "/"):
            return room
    return None


def library_of(header):
    for pattern, library in LIBRARY_HEADERS:
        if pattern.match(header):
            return library
    return None


def check_file(path, lines, root_has):
    """Yields (line number, message). root_has(path) tells whether the project has that file."""
    room = room_of(path)
    if room is None:
        return
    for number, line in enumerate(lines, 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        header = match.group(2)
        library = library_of(header)
        if library is not None:
            if library not in room.libraries:
                yield number, "%s/ may not include %s (%s)" % (room.name, header, library)
            elif library == "generated" and path not in GENERATED_TYPES_ALLOWED:
                yield number, "generated types stay inside %s" % ", ".join(GENERATED_TYPES_ALLOWED)
            elif library == "protobuf-c" and path not in RUNTIME_TYPES_ALLOWED:
                yield number, "protobuf-c stays inside %s" % ", ".join(RUNTIME_TYPES_ALLOWED)
        elif match.group(1) == '"':
            yield from check_own(room, number, header, root_has)
        elif room.pure and IMPURE_HEADERS.match(header) and path not in IMPURE_ALLOWED:
            yield number, "%s/ has no clock, file, socket or thread: <%s>" % (room.name, header)


def check_own(room, number, header, root_has):
    target = room_of(header)
    if target is None or not root_has(header):
        yield number, 'include from the top of the tree, an existing header: "%s"' % header
    elif target.name not in room.rooms:
        yield number, "%s/ may not include %s/" % (room.name, target.name)
    elif PRIVATE_HEADERS.get(header, room.name) != room.name:
        yield number, "%s is private to %s/" % (header, target.name)
