"""Proves by symbol that the pure rooms do no I/O: what their objects leave undefined.

An #include says what could be called, `nm -u` what is. The list says what is allowed, so that a
call nobody thought of is found too. Calls between the pure rooms are resolved first.
"""

import glob
import os
import re
import subprocess

MEMORY_AND_TEXT = (
    r"mem(cpy|move|set|cmp|chr|rchr|mem|pcpy)|explicit_bzero|bcmp|stpn?cpy|"
    r"str(len|nlen|n?cmp|n?casecmp|chr|chrnul|rchr|str|spn|cspn|pbrk|dup|ndup|tou?ll?|tou[ml]ax)|"
    r"str(ncpy|cpy|ncat|cat)|"
    r"(__isoc23_)?strto(u?ll?|[ui]max)|"
    r"strerror_r|__xpg_strerror_r|malloc|calloc|realloc|reallocarray|free|v?snprintf|qsort|qsort_r|bsearch|abort|"
    r"__errno_location|llabs|labs|abs|__(mul|div|mod|udiv|umod)ti[34]|__popcountdi2"
)
TOOLCHAIN = (
    r"_GLOBAL_OFFSET_TABLE_|__stack_chk_fail|__(asan|ubsan|tsan|msan|sanitizer|sanitizer_cov|gcov)_.*|"
    r"__start_.*|__stop_.*"
)
HASHES = r"crypto_(generichash|shorthash|verify|sign_verify|sign_ed25519_verify)\w*|sodium_\w+"
DETERMINISTIC = "|".join((MEMORY_AND_TEXT, TOOLCHAIN, HASHES))
# Making keys and nonces is what proto/ is for; still no clock, socket, disk or output.
CRYPTO = r"crypto_\w+|randombytes_\w+|protobuf_c_\w+|utf8proc_\w+"

ALLOWED = {
    "proto": re.compile("^(%s|%s)$" % (DETERMINISTIC, CRYPTO)),
    "rules": re.compile("^(%s)$" % DETERMINISTIC),
    "sync": re.compile("^(%s)$" % DETERMINISTIC),
}
# proto/base/check.c: the last words of an invariant that did not hold.
ABORT_OUTPUT = re.compile(r"^(v?fprintf|v?dprintf|fputs|fputc|fflush|fwrite|stderr|write)$")
ABORT_OBJECTS = ("proto/base/check.o",)
# Generated code asserts that it was given a message of its own type.
GENERATED_ABORT = "__assert_fail"

ROOMS = (
    ("proto", ("obj/proto/base/*.o", "obj/proto/*.o", "gen/*.o")),
    ("rules", ("obj/node/rules/*.o",)),
    ("sync", ("obj/node/sync/*.o",)),
)
# What the fortified calls are called, e.g. __memcpy_chk.
FORTIFIED = re.compile(r"^__(\w+)_chk$")


def nm(flags, path):
    text = subprocess.run(["nm", *flags, path], check=True, capture_output=True, text=True).stdout
    return [line.split()[-1].split("@")[0] for line in text.splitlines() if line.strip()]


def objects(root, build, patterns):
    """Objects whose source still exists: a build directory keeps the old ones."""
    for pattern in patterns:
        for path in sorted(glob.glob(os.path.join(build, pattern))):
            name = os.path.relpath(path, build)
            source = name[len("obj/"):-2] + ".c" if name.startswith("obj/") else None
            if source is None or os.path.exists(os.path.join(root, source)):
                yield path, name[len("obj/"):] if source else name


def check(root, build):
    """Yields (object, message)."""
    own = set()
    for room, patterns in ROOMS:
        found = list(objects(root, build, patterns))
        for path, _name in found:
            own.update(nm(["--defined-only", "--extern-only"], path))
        for path, name in found:
            for symbol in sorted(set(nm(["-u"], path))):
                fortified = FORTIFIED.match(symbol)
                plain = fortified.group(1) if fortified else symbol
                if plain in own or ALLOWED[room].match(plain):
                    continue
                if name in ABORT_OBJECTS and ABORT_OUTPUT.match(plain):
                    continue
                if name.startswith("gen/") and plain == GENERATED_ABORT:
                    continue
                yield name, "%s may not call %s" % (room, symbol)


def unbuilt(root, build):
    """Yields the sources of the pure rooms that have no object: then nothing is proven."""
    for directory in ("proto/base", "proto", "node/rules", "node/sync"):
        for source in sorted(glob.glob(os.path.join(root, directory, "*.c"))):
            name = os.path.relpath(source, root)
            if not os.path.exists(os.path.join(build, "obj", name[:-2] + ".o")):
                yield name
