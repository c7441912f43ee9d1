"""Shows that each rule of the lint can fail: bad trees, and a good one that passes."""

import os
import shlex
import subprocess
import tempfile

PURPOSE = "/* A file of the self-test, with a purpose. */\n"
GUARDED = PURPOSE + "#ifndef X_H\n#define X_H\n#endif\n"
CODE = PURPOSE + "\nint probe(void);\n\nint\nprobe(void)\n{\n    return %s;\n}\n"


def including(*headers):
    """A file with these includes, in the order that the layout wants."""
    return PURPOSE + "".join("#include %s\n" % h for h in sorted(headers, key=layout_order))


def layout_order(header):
    return header[0] == "<", header


GOOD = {
    "proto/base/err.h": GUARDED,
    "proto/wire.c": including('"events.pb-c.h"', "<sodium.h>", '"proto/base/err.h"'),
    "storage/db.h": GUARDED,
    "storage/db.c": including("<lmdb.h>", '"proto/base/err.h"'),
    "node/rules/rules.h": GUARDED,
    "node/apply/apply.c": including('"node/rules/rules.h"', '"storage/db.h"'),
    "node/net/net.c": including("<zmq.h>"),
    "node/api/http.c": including("<microhttpd.h>", "<jansson.h>"),
    "node/cli/main.c": including("<time.h>", '"storage/db.h"') + '/* strcpy( printf( */\n',
    "tests/unit/sync/test_a.c": including("<time.h>", "<lmdb.h>", '"storage/db.h"'),
}

# (what, rule that must find it, files beside the good ones)
BAD = (
    ("lmdb outside storage", "layers", {"node/host/x.c": including("<lmdb.h>")}),
    ("zmq outside net", "layers", {"node/host/x.c": including("<zmq.h>")}),
    ("microhttpd outside api", "layers", {"node/host/x.c": including("<microhttpd.h>")}),
    ("jansson outside api and host", "layers", {"node/command/x.c": including("<jansson.h>")}),
    ("generated types in sync", "layers", {"node/sync/x.c": including('"events.pb-c.h"')}),
    ("generated types in another file", "layers", {"proto/x.c": including('"events.pb-c.h"')}),
    ("a private header", "layers",
     {"proto/budget.h": GUARDED, "storage/x.c": including('"proto/budget.h"')}),
    ("sync includes storage", "layers", {"node/sync/x.c": including('"storage/db.h"')}),
    ("storage includes rules", "layers", {"storage/x.c": including('"node/rules/rules.h"')}),
    ("base includes proto", "layers",
     {"proto/y.h": GUARDED, "proto/base/x.c": including('"proto/y.h"')}),
    ("a clock in sync", "layers", {"node/sync/x.c": including("<time.h>")}),
    ("a socket in proto", "layers", {"proto/x.c": including("<sys/socket.h>")}),
    ("not from the top", "layers", {"storage/x.c": including('"db.h"')}),
    ("a banned call", "calls", {"storage/x.c": CODE % "strcpy(a, b)"}),
    ("a sleeping test", "calls", {"tests/x.c": CODE % "usleep(10)"}),
    ("output in storage", "output", {"storage/x.c": CODE % 'fprintf(stderr, "x")'}),
    ("no purpose", "purpose", {"storage/x.c": "int x;\n"}),
    ("only a licence line", "purpose", {"storage/x.c": "/* SPDX-License-Identifier: EUPL-1.2 */\n"}),
    ("no guard", "guard", {"storage/x.h": PURPOSE}),
    ("unfinished work", "unfinished", {"storage/x.c": PURPOSE + "/* TO" + "DO: later */\n"}),
    ("a machine's path", "machine", {"docs/x.md": "see /ro" + "ot/x\n"}),
    ("a space at the end", "space", {"docs/x.md": "text \n"}),
    ("a tab", "space", {"storage/x.c": PURPOSE + "int\tx;\n"}),
    ("no last newline", "space", {"docs/x.md": "text"}),
    ("a long file", "size", {"storage/x.c": PURPOSE + "/* more */\n" * 900}),
    ("a generated file", "built", {"proto/events.pb-c.h": GUARDED}),
    ("another layout", "format", {"storage/x.c": PURPOSE + "int  x  ;\n"}),
)

# (what, source, code, whether the symbols must be found)
OBJECTS = (
    ("a clock called", "node/sync/x.c", "extern long time(long *);\nlong f(void);\n"
     "long f(void) { return time(0); }\n", True),
    ("randomness called", "node/sync/x.c", "extern void randombytes_buf(void *, unsigned long);\n"
     "void f(void *p);\nvoid f(void *p) { randombytes_buf(p, 8); }\n", True),
    ("storage called from rules", "node/rules/x.c", "extern int mdb_get(void);\nint f(void);\n"
     "int f(void) { return mdb_get(); }\n", True),
    ("output from proto", "proto/x.c", "extern int puts(const char *);\nint f(void);\n"
     'int f(void) { return puts("x"); }\n', True),
    ("randomness in proto", "proto/x.c", "extern void randombytes_buf(void *, unsigned long);\n"
     "void f(void *p);\nvoid f(void *p) { randombytes_buf(p, 8); }\n", False),
    ("memory in sync", "node/sync/x.c", "extern void *malloc(unsigned long);\nvoid *f(void);\n"
     "void *f(void) { return malloc(8); }\n", False),
)


def write(root, files):
    for name, text in files.items():
        path = os.path.join(root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)


def compile_object(root, build, source):
    target = os.path.join(build, "obj", source[:-2] + ".o")
    os.makedirs(os.path.dirname(target), exist_ok=True)
    subprocess.run(shlex.split(os.environ.get("CC") or "cc") + ["-O0", "-ffreestanding", "-c", "-o", target,
                    os.path.join(root, source)], check=True)


def found_in(lint, files, objects=()):
    """The names of the rules that find something in such a tree."""
    style = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../.clang-format")
    with tempfile.TemporaryDirectory() as root, tempfile.TemporaryDirectory() as build:
        write(root, files)
        with open(style, encoding="utf-8") as file:
            write(root, {".clang-format": file.read()})
        for source in objects:
            compile_object(root, build, source)
        _, found = lint(root, build if objects else None)
        return {name for name, findings in found.items() if findings}


def run(lint):
    results = [("a good tree", not found_in(lint, GOOD))]
    for what, rule, files in BAD:
        results.append((what, rule in found_in(lint, {**GOOD, **files})))
    for what, source, code, bad in OBJECTS:
        results.append((what, ("symbols" in found_in(lint, {source: PURPOSE + code}, [source]))
                        == bad))
    results.append(("a source without its object", "symbols" in found_in(
        lint, {"proto/x.c": PURPOSE, "proto/y.c": PURPOSE}, ["proto/x.c"])))
    for what, right in results:
        if not right:
            print("self-test: wrong verdict on: " + what)
    failed = sum(1 for _, right in results if not right)
    print("lint self-test: %d cases passed, %d failed" % (len(results) - failed, failed))
    return 1 if failed else 0
