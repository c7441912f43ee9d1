"""Reads a copied data directory as a thief would who has its key files too: without the program, after docs/STORAGE.md and
docs/PROTOCOL.md. Formats are those of tests/golden/second_reader.py; the ciphers of the vault and the scans are libsodium's."""

import collections
import ctypes
import ctypes.util
import os
import re
import sys

import lmdb

import cluster

sys.path.insert(0, os.path.join(cluster.ROOT, "tests", "golden"))
import second_reader as reader  # noqa: E402

_sodium = ctypes.CDLL(ctypes.util.find_library("sodium") or "libsodium.so.23")
if _sodium.sodium_init() < 0:
    raise RuntimeError("libsodium")

MAP_BYTES = 4 << 30
SLOT, ESCROW, LINK, RECEIVED, VISIT = 3, 4, 5, 6, 7  # use of a wrapped value
SLOT_CLASSES = (1, 2, 3, 5, 4, 6)
KINDS_OF_MEMBERS = set(range(32, 80)) | set(range(96, 104))

Key = collections.namedtuple("Key", "where value")
Event = collections.namedtuple("Event", "log seq unit header fields frame")
At = collections.namedtuple("At", "log seq index")


def number(data):
    return int.from_bytes(data, "big")


def unwrap(wrap_key, use, which, wrapped):
    """The plaintext of a wrapped value of the vault; None if it is none."""
    if len(wrapped) < 40:
        return None
    aad, size = bytes([use]) + which, ctypes.c_ulonglong()
    out = ctypes.create_string_buffer(max(1, len(wrapped) - 40))
    sealed = wrapped[24:]
    if _sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(out, ctypes.byref(size), None, sealed, ctypes.c_ulonglong(len(sealed)), aad,
                                                         ctypes.c_ulonglong(len(aad)), wrapped[:24], wrap_key) != 0:
        return None
    return out.raw[:size.value]


def wrap(wrap_key, use, which, plain):
    aad, nonce = bytes([use]) + which, os.urandom(24)
    out = ctypes.create_string_buffer(len(plain) + 16)
    _sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(out, None, plain, ctypes.c_ulonglong(len(plain)), aad, ctypes.c_ulonglong(len(aad)),
                                                      None, nonce, wrap_key)
    return nonce + out.raw


def shared_key(secret, data):
    """The key of a capsule of version 2 for whoever has the secret."""
    out, public = ctypes.create_string_buffer(32), ctypes.create_string_buffer(32)
    _sodium.crypto_scalarmult_curve25519_base(public, secret)
    if _sodium.crypto_scalarmult_curve25519(out, secret, data[1:33]) != 0:
        return bytes(32)
    return reader.H("smart.sealbox", out.raw + data[1:33] + public.raw)


def fits(key, capsule):
    """Whether the key opens the capsule: the key hash commits to it (§6)."""
    at = 33 if capsule[0] == 2 else 1
    return reader.H("smart.keyhash", key + capsule[at:at + 24]) == capsule[at + 24:at + 56]


class Directory:
    """Everything of a stopped node's data directory."""

    def __init__(self, path):
        self.path = path
        self.files = {}
        for folder, _, names in os.walk(path):
            for name in names:
                with open(os.path.join(folder, name), "rb") as file:
                    self.files[os.path.relpath(os.path.join(folder, name), path)] = file.read()
        self.main, self.vault = self.tables("main"), self.tables("vault")
        self.wrap_key = bytes.fromhex(self.secret("vault.key", "secret")[0])
        self.secrets = [Key("node.key " + name, bytes.fromhex(value)) for name in ("exchange_secret", "transport_secret", "signing_seed")
                        for value in self.secret("node.key", name)]
        self._read_events()
        self.keys = self._read_keys()
        self.key_capsules = {At(self.log_numbers[key[:32]], number(key[32:40]), key[40]): value for key, value in self.vault["key-capsules"]}
        self.capsules = {At(number(key[:4]), number(key[4:12]), key[12]): value for key, value in self.main["capsules"]}
        self.opened_keys = self._open_key_capsules()

    def secret(self, file, name):
        return re.findall(r"^%s *= *([0-9a-f]{64})$" % name, self.files[file].decode(), re.M)

    def tables(self, name):
        found = collections.defaultdict(list)
        with lmdb.open(os.path.join(self.path, name), readonly=True, lock=False, max_dbs=64, map_size=MAP_BYTES) as env:
            with env.begin() as txn:
                names = [key for key, _ in txn.cursor()]
            for table in names:
                db = env.open_db(table, create=False)
                with env.begin() as txn:
                    found[table.decode()] = [(bytes(key), bytes(value)) for key, value in txn.cursor(db)]
        return found

    def put(self, env_name, table, key, value):
        """Plants a row: only for tests of what is tested."""
        with lmdb.open(os.path.join(self.path, env_name), max_dbs=64, map_size=MAP_BYTES) as env:
            db = env.open_db(table.encode(), create=False)
            with env.begin(write=True) as txn:
                txn.put(key, value, db=db)

    def _read_events(self):
        self.log_numbers, units = {}, {}
        for key, row in self.main["logs"]:
            self.log_numbers[row[1:33]], units[number(key)] = number(key), row[33:65]
        self.events = {}
        for key, row in self.main["runs"]:
            log = number(key[:4])
            for header_bytes, payload in reader.frames(row[8 + 2 + 2 + 32 + 64:]):
                header = reader.Header(header_bytes)
                fields = {}
                for field, _, value in reader.fields(payload):
                    fields.setdefault(field, value)
                self.events[log, header.seq] = Event(log, header.seq, units[log], header, fields, header_bytes + payload)

    def _read_keys(self):
        """All keys that the vault has under the wrap key."""
        found = []
        for key, row in self.vault["slots"]:
            plain = unwrap(self.wrap_key, SLOT, key, row)
            if plain is None:
                raise AssertionError("a slot does not open: the reader is wrong")
            found += [Key("slot %d" % number(key), plain[at:at + 32]) for at in range(0, len(plain), 32) if any(plain[at:at + 32])]
        for key, row in self.vault["received"]:
            plain = unwrap(self.wrap_key, RECEIVED, reader.H("vault.received", key)[:16], row[6:])
            if plain is None:
                raise AssertionError("a received key does not open: the reader is wrong")
            found.append(Key("received " + key[:16].hex(), plain))
        for key, row in self.vault["escrow"]:
            plain = unwrap(self.wrap_key, ESCROW, key, row)
            if plain is None:
                raise AssertionError("an escrow key does not open: the reader is wrong")
            found.append(Key("escrow", plain))
        return found

    def _open_key_capsules(self):
        """Opens what the keys at hand open, and with what was in there again, until nothing new comes. {At: content}"""
        opened, fresh = {}, True
        while fresh:
            fresh = False
            secrets = self.secrets + [key for key in self.keys if not key.where.startswith("slot")]
            for at, data in self.key_capsules.items():
                if at in opened:
                    continue
                tried = [shared_key(key.value, data) for key in secrets] if data[0] == 2 else [key.value for key in self.keys + self.secrets]
                if not any(fits(key, data) for key in tried):
                    continue
                opened[at] = self.read_key_capsule(data, next(key for key in tried if fits(key, data)))
                self.keys += [Key("key capsule %d/%d" % at[:2], key) for _, _, key in opened[at][4]]
                if 5 in opened[at]:
                    self.keys.append(Key("key capsule %d/%d" % at[:2], opened[at][5]))
                fresh = True
        return opened

    @staticmethod
    def read_key_capsule(data, key):
        at = 33 if data[0] == 2 else 1
        plain = reader.xchacha_open(key, data[at:at + 24], data[at + 56:], bytes([data[0], 15])).rstrip(b"\0")
        return reader.read_key_capsule(plain[:-1])

    def class_of(self, at):
        return self.events[at.log, at.seq].header.capsules[at.index][0]

    def open_all(self, among=None):
        """{At: (class, plaintext)} of every capsule that any key of this directory opens, in its own main environment or in another's."""
        among = among or self
        values, found = [key.value for key in self.keys + self.secrets], {}
        for at, data in among.capsules.items():
            for key in values:
                tried = shared_key(key, data) if data[0] == 2 else key
                if fits(tried, data):
                    found[at] = among.class_of(at), reader.open_capsule(data, among.class_of(at), tried)
                    break
        return found

    def whose(self, at, plain=None):
        """Whom a capsule is about: by its event, or by what stands in it."""
        event = self.events[at.log, at.seq]
        if event.header.kind in KINDS_OF_MEMBERS:
            return event.fields.get(2)
        if plain is not None and self.class_of(at) in (4, 7):
            return reader.read_person(self.class_of(at), plain)[1]
        return None

    # ---- bytes ----

    def search(self, needles, files=None):
        """{needle: file} of texts that stand anywhere in UTF-8 or UTF-16, in the letters given, small or large."""
        forms = {}
        for needle in needles:
            for text in {needle, needle.lower(), needle.upper()}:
                for coding in ("utf-8", "utf-16-le", "utf-16-be"):
                    forms[text.encode(coding)] = needle
        some = re.compile(b"|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True)))
        return {forms[hit.group()]: name for name, data in (files or self.files).items() for hit in some.finditer(data)}

    def holds(self, data):
        """Files that have these bytes anywhere."""
        return [name for name, content in self.files.items() if data in content]

    def scan(self, capsules):
        """Places in any file, live or not, with a key of one of the capsules, in clear or wrapped."""
        commitments = [(data[1:25], data[25:57]) for data in capsules if data[0] == 1]
        found, out = [], ctypes.create_string_buffer(192)

        def is_key(window):
            return window.count(0) < 6 and any(reader.H("smart.keyhash", window + nonce) == hash_ for nonce, hash_ in commitments)

        for name, data in self.files.items():
            for at in range(len(data) - 31):
                if is_key(data[at:at + 32]):
                    found.append((name, at, "clear"))
            if not name.startswith("vault" + os.sep):
                continue
            for at in range(len(data) - 24 - 31):
                nonce, sealed = data[at:at + 24], data[at + 24:at + 24 + 192]
                if nonce.count(0) >= 6:
                    continue
                # The stream's first block is the authenticator's.
                _sodium.crypto_stream_xchacha20_xor_ic(out, sealed, ctypes.c_ulonglong(len(sealed)), nonce, ctypes.c_ulonglong(1),
                                                       self.wrap_key)
                for part in range(0, len(sealed) - 31, 32):
                    if is_key(out.raw[part:part + 32]):
                        found.append((name, at, "wrapped"))
        return found
