"""A second reader of what smartnode signs: written from docs/PROTOCOL.md alone, with the standard library alone, sharing nothing
with the program. It reads headers, payloads, chains, seals, first events, certificates, root statements, receipts, cards,
passes and capsules. It is slow and not for use: it shows that the specification suffices. Anything that does not hold raises Refused."""

import base64
import datetime
import hashlib
import re
import string


TO_UPPER = str.maketrans(string.ascii_lowercase, string.ascii_uppercase)


class Refused(Exception):
    pass


class Mistyped(Refused):
    """Of a pass (§11)."""


class Later(Refused):
    """Of a pass (§11): of a later version."""


class Malformed(Refused):
    """Of a payload (§4): the event is void."""


def check(holds, why, error=Refused):
    if not holds:
        raise error(why)


# §1: hashes and signatures.

def H(use, data):
    return hashlib.blake2b(data, digest_size=32, person=use.encode("ascii")).digest()


P = 2 ** 255 - 19
L = 2 ** 252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_1 = pow(2, (P - 1) // 4, P)


def point(data):
    """A canonical encoding as extended coordinates."""
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    check(y < P, "point not canonical")
    u, v = (y * y - 1) % P, (D * y * y + 1) % P
    x = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    if v * x * x % P != u:
        x = x * ROOT_OF_MINUS_1 % P
    check(v * x * x % P == u, "not a point")
    check(x or not sign, "point not canonical")
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(n, p):
    sum_ = (0, 1, 1, 0)
    while n:
        if n & 1:
            sum_ = add(sum_, p)
        p, n = add(p, p), n >> 1
    return sum_


def encode(p):
    z = pow(p[2], P - 2, P)
    return ((p[1] * z % P) | (p[0] * z % P & 1) << 255).to_bytes(32, "little")


BASE = point(bytes([0x58]) + bytes([0x66]) * 31)
ZERO = encode((0, 1, 1, 0))


def verify_signature(key, message, signature, what):
    check(len(key) == 32 and len(signature) == 64, what + ": length")
    r, s = signature[:32], int.from_bytes(signature[32:], "little")
    check(s < L, what + ": S")
    a = point(key)
    for p in a, point(r):
        check(encode(times(8, p)) != ZERO, what + ": small order")
    k = int.from_bytes(hashlib.sha512(r + key + message).digest(), "little") % L
    minus_a = (P - a[0], a[1], 1, P - a[3])
    check(encode(add(times(s, BASE), times(k, minus_a))) == r, what + ": signature")


# Protobuf, as strict as §3 and §4 want it.

def varint(data, at, error=Refused):
    value = 0
    for n in range(10):
        check(at + n < len(data), "varint cut off", error)
        byte = data[at + n]
        value |= (byte & 127) << 7 * n
        if byte < 128:
            check(byte or not n, "varint not shortest", error)
            check(value < 2 ** 64, "varint too large", error)
            return value, at + n + 1
    raise error("varint too long")


def fields(data, error=Refused):
    """[(number, wire type, value)]: an int for 0, bytes for 1, 2 and 5."""
    at, found = 0, []
    while at < len(data):
        tag, at = varint(data, at, error)
        number, wire = tag >> 3, tag & 7
        check(1 <= number < 2 ** 29, "field number", error)
        check(wire in (0, 1, 2, 5), "wire type", error)
        if wire == 0:
            value, at = varint(data, at, error)
        else:
            size = {1: 8, 5: 4}.get(wire)
            if wire == 2:
                size, at = varint(data, at, error)
            check(size <= len(data) - at, "field cut off", error)
            value, at = data[at:at + size], at + size
        found.append((number, wire, value))
    return found


def zigzag(value):
    return value >> 1 ^ -(value & 1)


def strict(data, shape, repeated=()):
    """A frozen message: {number: value or list}. shape: {number: (wire type, test)}."""
    found, last = {}, 0
    for number, wire, value in fields(data):
        check(number in shape and shape[number][0] == wire, "field %d" % number)
        check(number > last or number == last and number in repeated, "order of fields")
        check(shape[number][1](value), "value of field %d" % number)
        if number in repeated:
            found.setdefault(number, []).append(value)
        else:
            found[number] = value
        last = number
    return found


def within(low, high):
    return lambda value: low <= value <= high


def long(size):
    return lambda value: len(value) == size


# §3

HEADER = {1: (0, within(1, 1)), 2: (0, within(1, 2 ** 63 - 1)), 3: (1, lambda v: v != bytes(8)), 4: (0, within(1, 65535)),
          5: (0, within(1, 65535)), 6: (0, within(1, 1)), 7: (2, bool), 8: (2, long(32)), 9: (0, within(1, 65536)), 10: (2, bool)}
REFERENCE = {1: (0, within(1, 255)), 2: (2, long(32)), 3: (0, within(1, 2 ** 63 - 1)), 4: (2, long(32))}
COMMITMENT = {1: (0, within(1, 255)), 2: (2, long(32)), 3: (0, within(1, 65536))}


def inner(data, shape):
    found = strict(data, shape)
    check(len(found) == len(shape), "field missing")
    return tuple(found[number] for number in sorted(shape))


class Header:
    def __init__(self, data):
        check(len(data) <= 2048, "header too long")
        found = strict(data, HEADER, repeated=(7, 10))
        check(all(number in found for number in (1, 2, 3, 4, 5, 8, 9)), "field missing")
        self.suite, self.seq, self.kind, self.version = found[1], found[2], found[4], found[5]
        self.clock = int.from_bytes(found[3], "little")
        self.must_understand = 6 in found
        self.commitment, self.payload_bytes = found[8], found[9]
        self.references = [inner(value, REFERENCE) for value in found.get(7, [])]
        self.capsules = [inner(value, COMMITMENT) for value in found.get(10, [])]
        check(len(self.references) <= 8 and len(self.capsules) <= 16, "too many")
        self.hash = H("smart.header", data)


# §4, §7 and §9

DATE = within(-25567, 84005)


def date(value):
    return value < 2 ** 32 and DATE(zigzag(value))


def text(most, least=1, test=lambda s: True):
    def fits(value):
        try:
            string = value.decode("utf-8")
        except UnicodeDecodeError:
            return False
        return least <= len(value) <= most and not any(c < " " or "\x7f" <= c <= "\x9f" for c in string) and test(string)
    return fits


def of(letters, least, most, first=""):
    return text(most, least, lambda s: all(c in letters for c in s) and s[0] in (first or letters))


UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
DIGITS = "0123456789"
LETTERS = UPPER + UPPER.lower() + DIGITS


def anything(value):
    return True


KEY, ID, SIG = (2, long(32)), (2, long(16)), (2, long(64))
CATEGORY, PERSON, SHARES, PRICE = (0, within(1, 3)), (0, within(1, 2)), (0, within(1, 10 ** 6)), (0, within(1, 10 ** 9))
NAME, COUNTRY, CURRENCY = (2, text(128)), (2, of(UPPER, 2, 2)), (2, of(UPPER, 3, 3))
CODE = (2, of(UPPER + DIGITS, 2, 8, UPPER))
HELD, REPAID, AMOUNT, BACK = (0, within(1, 10 ** 9)), (0, within(0, 10 ** 15)), (0, within(1, 10 ** 12)), (0, within(0, 10 ** 12))
WORD, ONE = (0, within(1, 65535)), (0, within(1, 1))
WORK = {8: WORD, 9: ONE, 10: ID}
OFFICE_TEXT = {8: NAME, 9: NAME, 10: COUNTRY}

TERMS = {9: CATEGORY, 10: PERSON, 11: ID, 12: SHARES, 13: PRICE, 14: CURRENCY}
CLASS, CLASSES, GROUND = (0, within(1, 255)), (0, within(1, 15)), (0, within(1, 255))

COMMON = {1: ID, 2: ID, 3: (0, date), 4: (0, within(1, 1)), 5: ID, 6: KEY}
# kind: (its fields, those that may be absent, whether it has a subject)
KINDS = {
    1: ({8: KEY, 9: CODE, 10: KEY, 11: (0, within(1, 1)), 12: KEY, 13: KEY, 14: KEY, 15: KEY, 16: KEY, 17: KEY,
         18: (0, within(1, 2 ** 64 - 1)), 19: SIG, 20: (2, bool), 21: SIG, 22: (2, text(64))}, (11, 20, 21, 22), False),
    2: ({8: (0, date)}, (), False),
    16: ({8: NAME, 9: COUNTRY, 10: CURRENCY, 11: (2, of(LETTERS + "-", 2, 35)), 12: (2, of(LETTERS + "_+/-", 1, 64)),
          13: (0, within(0, 10000)), 14: PRICE}, (), False),
    17: (OFFICE_TEXT, (), True), 18: (OFFICE_TEXT, (), True), 19: ({}, (), True),
    20: ({8: KEY}, (8,), False), 21: ({8: KEY}, (), False),
    32: ({8: CATEGORY, 9: PERSON, 10: ID}, (), True), 33: ({}, (), True),
    34: ({8: CATEGORY, 9: PERSON, 10: ID, 11: SHARES, 12: PRICE, 13: CURRENCY}, (), True),
    35: ({8: SHARES, 9: PRICE, 10: CURRENCY}, (), True), 36: ({8: CATEGORY}, (), True), 37: ({8: ID}, (8,), True),
    **{kind: ({}, (), True) for kind in range(38, 44)},
    44: ({8: HELD, 9: REPAID, 10: CURRENCY}, (), True), 45: ({8: ID}, (), True), 46: ({8: ID}, (), True), 47: ({8: ID}, (), True),
    48: ({8: ID, 9: HELD, 10: REPAID, 11: CURRENCY, 12: ONE}, (9, 10, 11, 12), True),
    49: ({8: WORD, 9: (2, text(64))}, (9,), True), 50: ({8: WORD}, (), True), 51: ({}, (), True),
    64: ({8: KEY, 9: (0, date)}, (), True), 65: ({8: KEY, **TERMS}, (), True),
    66: ({8: KEY, **TERMS, 15: ONE, 16: (0, within(1, 2))}, (15,), True), 67: ({}, (), True), 68: ({}, (), True),
    70: ({8: KEY, 9: ID}, (), True), 71: ({8: KEY, 9: ID, 10: (0, within(1, 3)), 11: WORD}, (), True),
    80: ({8: ID, 9: KEY, 10: CLASSES, 11: WORD, 12: (0, date)}, (12,), True), 81: ({8: GROUND}, (), True),
    83: ({8: ID, 10: CLASSES, 12: (0, date), 13: (0, within(1, 8784)), 14: KEY}, (), True), 85: ({}, (), True),
    86: ({8: KEY}, (), False),
    96: ({8: CLASS, 9: GROUND, 10: (0, within(0, 2 ** 32 - 1)), 11: (2, anything)}, (10, 11), True),
    97: ({8: (0, date), 9: (0, date)}, (8, 9), False),
    98: ({8: CLASS, 9: GROUND, 10: (0, date)}, (10,), True), 99: ({8: CLASS}, (), True),
    104: (WORK, (9,), True), 105: (WORK, (9,), True), 106: ({}, (), True), 107: ({}, (), True),
    108: ({**WORK, 11: AMOUNT, 12: CURRENCY, 13: (0, within(0, 10000)), 14: BACK}, (9,), True),
    109: ({8: AMOUNT, 9: BACK}, (), True), 110: ({}, (), True), 112: ({8: (2, anything)}, (8,), True),
    224: ({8: COUNTRY, 9: (0, date)}, (), True), 225: ({8: COUNTRY, 9: (0, date)}, (), True), 226: ({}, (), True),
    256: ({8: (0, within(1900, 2199)), 9: (2, anything)}, (), False)}
LISTS = {(16, 11), (96, 8), (96, 11), (98, 8), (99, 8), (112, 8), (256, 9)}
# (kind, field): (fields, those that may be absent) of the messages there
INSIDE = {(96, 11): ({1: KEY, 2: (0, within(1, 2 ** 63 - 1)), 3: (0, within(1, 65535))}, ()),
          (112, 8): ({1: ID, 2: WORD, 3: ONE, 4: CURRENCY}, (3,)),
          (256, 9): ({1: WORD, 2: CATEGORY, 3: CURRENCY, 4: (0, anything)}, (2, 3))}


def message_inside(shape, optional, data):
    found, count = {}, 0
    for number, wire, value in fields(data, Malformed):
        count += 1
        if number in shape:
            check(shape[number][0] == wire and shape[number][1](value), "field %d inside" % number, Malformed)
            check(number not in found, "field %d inside twice" % number, Malformed)
            found[number] = value
    check(all(number in found or number in optional for number in shape), "field missing inside", Malformed)
    return found, count


def ascending(keys):
    return all(a < b for a, b in zip(keys, keys[1:]))


def month(days):
    day = datetime.date(1970, 1, 1) + datetime.timedelta(days)
    return (day.year - 1900) * 12 + day.month - 1


def is_first(days):
    return (datetime.date(1970, 1, 1) + datetime.timedelta(days)).day == 1


def judge_list(kind, found):
    """Capsules of kind 96 as (log id, seq, indexes), cells of 112 as (office, sector, culture, currency), figures of 256 as (number, category, currency, value)."""
    if kind == 96:
        found[11] = [(f[1], f[2], f[3]) for f in found.get(11, [])]
        check(len(found[11]) <= 100 and ascending([f[:2] for f in found[11]]), "capsules", Malformed)
    if kind == 112:
        found[8] = [(f[1], f[2], f.get(3, 0), f[4]) for f in found.get(8, [])]
        check(len(found[8]) <= 64 and ascending(found[8]), "cells", Malformed)
    if kind == 256:
        found[9] = [(f[1], f.get(2, 0), f.get(3, b""), zigzag(f[4])) for f in found[9]]
        check(1 <= len(found[9]) <= 400 and ascending([f[:3] for f in found[9]]), "figures", Malformed)


def judge(kind, found):
    """What §9 asks besides: of more than one field."""
    check(kind != 16 or len(found[11]) <= 8, "languages", Malformed)
    check(kind not in (32, 34) or found[9] == 1 or found[8] == 3, "legal person", Malformed)
    check(kind not in (65, 66) or found[10] == 1 or found[9] == 3, "legal person", Malformed)
    check(not 45 <= kind <= 48 or found[8] != found[2], "the subject itself", Malformed)
    check(kind != 48 or all(n in found for n in (9, 10, 11)) or not any(n in found for n in (9, 10, 11, 12)), "shares", Malformed)
    check(not (104 <= kind <= 112 or 224 <= kind <= 226) or 4 in found, "not of a month", Malformed)
    check(kind != 86 or 4 in found, "not of a month", Malformed)
    if kind in (96, 98, 99):
        check(1 <= len(found[8]) <= 8 and ascending(found[8]), "classes", Malformed)
    if kind == 97:
        check((8 in found) == (9 in found), "backup", Malformed)
        check(8 not in found or zigzag(found[8]) <= zigzag(found[9]), "backup", Malformed)
    if kind in (224, 225):
        found[9] = zigzag(found[9])
        check(is_first(found[9]) and 0 <= month(found[9]) - month(found[3]) <= 24, "last month", Malformed)
    if kind == 108:
        check(found[14] <= found[11] and abs(found[14] * 10000 - found[11] * found[13]) < 1000000, "contribution", Malformed)
        check(int.from_bytes(found[2][:2], "big") == month(found[3]), "month of the id", Malformed)
    check(kind != 109 or found[9] <= found[8], "contribution", Malformed)
    judge_list(kind, found)


OTHER_UNIT = {20: 8, 21: 8, 64: 8, 65: 8, 66: 8, 70: 8, 71: 8, 80: 9, 86: 8}


def judge_writer(kind, found, unit):
    """What is malformed in the log of this unit (§9): it names itself where another is meant."""
    check(kind not in OTHER_UNIT or found.get(OTHER_UNIT[kind]) != unit, "the writing unit itself", Malformed)


def payload(kind, version, data):
    """{number: value, list where repeated}; dates as numbers of days. Of unknown kinds the common fields."""
    known = version == 1 and kind in KINDS
    own, optional, subject = KINDS[kind] if known else ({}, (), True)
    shape, found, count = {**COMMON, **own}, {}, 0
    for number, wire, value in fields(data, Malformed):
        count += 1
        if number not in shape:
            continue
        check(shape[number][0] == wire, "wire type of field %d" % number, Malformed)
        check(shape[number][1](value), "value of field %d" % number, Malformed)
        if (kind, number) in LISTS:
            if (kind, number) in INSIDE:
                value, more = message_inside(*INSIDE[kind, number], value)
                count += more
            found.setdefault(number, []).append(value)
            continue
        check(number not in found, "field %d twice" % number, Malformed)
        found[number] = value
    check(5 in found, "no salt", Malformed)
    if 3 in found:
        found[3] = zigzag(found[3])
    if 4 in found:
        check(3 in found and is_first(found[3]), "not a first", Malformed)
    owned = version == 1 and (kind <= 112 or 224 <= kind <= 226 or kind == 256)
    check(not owned or 6 not in found, "unit of the subject", Malformed)
    if known:
        check(count <= (2560 if kind == 256 else 512), "too many fields", Malformed)
        need = [number for number in own if number not in optional]
        need += ([1, 3] if kind >= 16 else []) + ([2] if subject else [])
        check(all(number in found for number in need), "field missing", Malformed)
        check(subject or 2 not in found, "subject", Malformed)
        check(kind > 2 or not (3 in found or 4 in found), "date", Malformed)
        judge(kind, found)
    return found


# §5

def seal_message(log, seq, chain):
    return b"\x01\x01" + log + seq.to_bytes(8, "big") + chain


def frames(data):
    at, found = 0, []
    while at < len(data):
        pair = []
        for _ in range(2):
            size, at = varint(data, at)
            check(size <= len(data) - at, "frame cut off")
            pair.append(data[at:at + size])
            at += size
        found.append(tuple(pair))
    return found


def chain_after(chain, header_hash):
    return H("smart.chain", chain + header_hash)


def read_run(log, first, chain, data, seal, signing_key=None):
    """The events (Header, payload) and chain values of a run; of a whole log the signing key is found in it."""
    events, values = [], [chain]
    check(len(data) <= 262144, "run too long")
    for header_bytes, payload_bytes in frames(data):
        header = Header(header_bytes)
        check(header.seq == first + len(events), "seq")
        check(header.payload_bytes == len(payload_bytes), "payload length")
        check(header.commitment == H("smart.payload", payload_bytes), "payload commitment")
        if header.seq == 1:
            check(log == chain == H("smart.log-id", header_bytes), "log id")
            signing_key = payload(1, 1, payload_bytes)[14]
        values.append(chain_after(values[-1], header.hash))
        events.append((header, payload_bytes))
    check(1 <= len(events) <= 256, "number of events")
    verify_signature(signing_key, seal_message(log, first + len(events) - 1, values[-1]), seal, "seal")
    return events, values


# §7

def certificate_message(unit, federation, production, serial, keys):
    return b"\x01\x02" + unit + federation + bytes([production]) + serial.to_bytes(8, "big") + b"".join(keys)


STATEMENT = {1: KEY, 2: KEY, 3: (0, within(1, 1)), 4: KEY, 5: KEY, 6: (2, bool), 7: KEY, 8: (0, within(1, 2 ** 64 - 1))}
STANDING = {1: KEY, 2: (0, within(0, 2 ** 63 - 1)), 3: KEY}


def read_statement(data, signature, opened):
    found = {5: [], 6: []}
    for number, wire, value in fields(data):
        check(number in STATEMENT, "unsupported: field %d" % number)
        check(STATEMENT[number][0] == wire and STATEMENT[number][1](value), "statement: field %d" % number)
        if number in (5, 6):
            found[number].append(value)
        else:
            check(number not in found, "statement: twice")
            found[number] = value
    check(all(number in found for number in (1, 2, 4, 7, 8)), "statement: field missing")
    for number, of_opened in (1, 8), (2, 10), (3, 11), (4, 12), (7, 14):
        check(found.get(number) == opened.get(of_opened), "statement: field %d does not fit" % number)
    standing = {}
    for value in found[6]:
        entry = once(value, STANDING)
        check(all(number <= 3 for number, _, _ in fields(value)), "unsupported: field of a position")
        check(entry[1] not in standing, "statement: log twice")
        check(entry[2] or entry[3] == entry[1], "statement: seq 0")
        standing[entry[1]] = entry[2], entry[3]
    check(len(found[5]) <= 64 and len(standing) <= 256, "statement: too many")
    verify_signature(opened[13], b"\x01\x03" + H("smart.rootst", data), signature, "root statement")
    return found[8], found[5], standing


def read_first(header_bytes, payload_bytes):
    """The log id and the fields of a first event that verifies by itself; whether its root key is pinned is for the caller."""
    header = Header(header_bytes)
    check(header.seq == 1 and header.kind == 1 and header.version == 1 and header.must_understand and not header.capsules, "first")
    check(header.payload_bytes == len(payload_bytes) and header.commitment == H("smart.payload", payload_bytes), "first: payload")
    opened = payload(1, 1, payload_bytes)
    verify_signature(opened[13], certificate_message(opened[8], opened[10], opened.get(11, 0), opened[18],
                                                     [opened[n] for n in (14, 15, 16, 17)]), opened[19], "certificate")
    check((20 in opened) == (21 in opened), "first: statement without signature")
    if 20 in opened:
        opened["statement"] = read_statement(opened[20], opened[21], opened)
    return H("smart.log-id", header_bytes), opened


# §11

def unarmour(data, what):
    lines = data.decode("ascii").splitlines()
    check(lines[0] == "-----BEGIN SMARTNODE %s-----" % what and lines[-1] == "-----END SMARTNODE %s-----" % what, "armour")
    check(all(len(line) == 64 for line in lines[1:-2]) and 1 <= len(lines[-2]) <= 64, "armour: lines")
    return base64.b64decode("".join(lines[1:-1]), validate=True)


def once(data, shape, repeated=(), optional=()):
    """An additive message whose unknown fields are passed over."""
    found = {number: [] for number in repeated}
    for number, wire, value in fields(data):
        if number in shape:
            check(shape[number][0] == wire and shape[number][1](value), "field %d" % number)
            if number in repeated:
                found[number].append(value)
            else:
                check(number not in found, "field twice")
                found[number] = value
    check(all(number in found or number in optional for number in shape), "field missing")
    return found


ANY = (2, bool)
BODY = {1: KEY, 2: CODE, 3: NAME, 4: KEY, 5: KEY, 6: NAME, 7: (0, within(1, 1)), 8: (0, within(1, 2 ** 64 - 1)), 9: KEY, 10: KEY,
        11: KEY, 12: KEY, 13: SIG, 14: ANY, 15: (0, date)}


def read_card(data):
    card = once(data, {1: (0, within(1, 1)), 2: ANY, 3: SIG})
    body = once(card[2], BODY, repeated=(14,), optional=(7,))
    check(len(body[14]) <= 8, "endpoints")
    check(H("smart.fed", body[6]) == body[5], "federation")
    verify_signature(body[4], certificate_message(body[1], body[5], body.get(7, 0), body[8], [body[n] for n in (9, 10, 11, 12)]),
                     body[13], "certificate")
    verify_signature(body[9], b"\x01\x04" + H("smart.card", card[2]), card[3], "card")
    body[15] = zigzag(body[15])
    return body


def fingerprint(body):
    data = H("smart.card", body[1] + body[4] + body[5] + bytes([body.get(7, 0)]))[:16]
    words = []
    for at in range(0, 16, 2):
        n = data[at] << 8 | data[at + 1]
        words.append("bdfghjklmnprstvz"[n >> 12] + "aiou"[n >> 10 & 3] + "bdfghjklmnprstvz"[n >> 6 & 15] + "aiou"[n >> 4 & 3]
                     + "bdfghjklmnprstvz"[n & 15])
    return "-".join(words)


RECEIPT = {1: (0, within(1, 1)), 2: ANY, 3: ANY, 4: KEY, 5: ANY, 6: ANY, 7: (2, lambda v: len(v) % 32 == 0 and len(v) <= 255 * 32),
           8: SIG}


def read_receipt(data, card=None):
    """(log id, header, payload bytes, first event) of the event that a receipt proves."""
    receipt = once(data, RECEIPT, optional=(7,))
    log, opened = read_first(receipt[2], receipt[3])
    if card:
        check((card[4], card[1], card[5], card.get(7)) == (opened[13], opened[8], opened[10], opened.get(11)), "another unit")
    header = Header(receipt[5])
    check(header.payload_bytes == len(receipt[6]) and header.commitment == H("smart.payload", receipt[6]), "payload")
    check(header.seq != 1 or receipt[4] == log and receipt[5] == receipt[2], "event 1 is another")
    check(header.seq != 2 or receipt[4] == chain_after(log, H("smart.header", receipt[2])), "does not follow event 1")
    chain, later = chain_after(receipt[4], header.hash), receipt.get(7, b"")
    for at in range(0, len(later), 32):
        chain = chain_after(chain, later[at:at + 32])
    verify_signature(opened[14], seal_message(log, header.seq + len(later) // 32, chain), receipt[8], "seal")
    return log, header, receipt[6], opened


# §6

def read_pass(text):
    """(federation, production, unit, pass id, secret key)"""
    check(len(text) <= 1024, "pass: length")
    plain = re.sub("[ \\t\\r\\n-]", "", text).translate(TO_UPPER)
    form = re.match("SN([1-9][0-9]*):", plain)
    check(form, "not a pass")
    check(form[1] == "1", "pass: version of the text", Later)
    letters = plain[form.end():]
    check(re.fullmatch("[A-Z2-7]*", letters) and len(letters) % 8 in (0, 2, 4, 5, 7), "pass: letters", Mistyped)
    data = base64.b32decode(letters + "=" * (-len(letters) % 8))
    check(base64.b32encode(data).decode().rstrip("=") == letters, "pass: bits left over", Mistyped)
    body = data[:-4]
    check(body and H("smart.pass-check", body)[:4] == data[-4:], "pass: check", Mistyped)
    check(body[0] <= 1, "pass: version", Later)
    check(len(body) == 74 and body[0] == 1 and body[9] <= 1, "not a pass")
    unit, pass_id, secret = body[10:42], body[42:58], body[58:]
    return body[1:9], body[9], unit, pass_id, H("smart.pass-key", secret + unit + pass_id)


def quarter(s, a, b, c, d):
    for x, y, z, turn in (a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7):
        s[x] = s[x] + s[y] & 0xffffffff
        v = s[z] ^ s[x]
        s[z] = (v << turn | v >> 32 - turn) & 0xffffffff


def rounds(key, sixteen):
    state = [int.from_bytes(part[at:at + 4], "little") for part in (b"expand 32-byte k", key, sixteen) for at in range(0, len(part), 4)]
    done = list(state)
    for _ in range(10):
        for a in range(4):
            quarter(done, a, a + 4, a + 8, a + 12)
        for a in range(4):
            quarter(done, a, (a + 1) % 4 + 4, (a + 2) % 4 + 8, (a + 3) % 4 + 12)
    return state, done


def words(numbers):
    return b"".join(n.to_bytes(4, "little") for n in numbers)


def stream(key, counter, nonce):
    state, done = rounds(key, counter.to_bytes(4, "little") + nonce)
    return words(a + b & 0xffffffff for a, b in zip(state, done))


def xchacha_open(key, nonce, sealed, associated):
    done = rounds(key, nonce[:16])[1]
    key, nonce = words(done[:4] + done[12:]), bytes(4) + nonce[16:]
    one_time = stream(key, 0, nonce)
    cipher, tag = sealed[:-16], sealed[-16:]
    r, s = int.from_bytes(one_time[:16], "little") & 0x0ffffffc0ffffffc0ffffffc0fffffff, int.from_bytes(one_time[16:32], "little")
    def padded(part):
        return part + bytes(-len(part) % 16)
    over = padded(associated) + padded(cipher) + len(associated).to_bytes(8, "little") + len(cipher).to_bytes(8, "little")
    sum_ = 0
    for at in range(0, len(over), 16):
        sum_ = (sum_ + int.from_bytes(over[at:at + 16] + b"\x01", "little")) * r % (2 ** 130 - 5)
    check((sum_ + s) % 2 ** 128 == int.from_bytes(tag, "little"), "capsule: tag")
    pad = b"".join(stream(key, 1 + n, nonce) for n in range(len(cipher) // 64 + 1))
    return bytes(a ^ b for a, b in zip(cipher, pad))


def x25519(secret, u):
    k = int.from_bytes(secret, "little") & (1 << 254) - 8 | 1 << 254
    x1 = (int.from_bytes(u, "little") & (1 << 255) - 1) % P
    x2, z2, x3, z3 = 1, 0, x1, 1
    for bit in range(254, -1, -1):
        swap = k >> bit & 1
        if swap:
            x2, z2, x3, z3 = x3, z3, x2, z2
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        da, cb, aa, bb = d * a % P, c * b % P, a * a % P, b * b % P
        x3, z3 = (da + cb) ** 2 % P, x1 * (da - cb) ** 2 % P
        x2, z2 = aa * bb % P, (aa - bb) * (aa + 121665 * (aa - bb)) % P
        if swap:
            x2, z2, x3, z3 = x3, z3, x2, z2
    return (x2 * pow(z2, P - 2, P) % P).to_bytes(32, "little")


def open_capsule(data, capsule_class, key=None, secret=None):
    """The plaintext: of version 1 by a data or escrow key, of version 2 by the secret half of the key that it is sealed to."""
    check(data and data[0] in (1, 2) and len(data) <= 65536, "capsule: version or length")
    at = 1
    if data[0] == 2:
        ephemeral, at = data[1:33], 33
        shared = x25519(secret, ephemeral)
        check(shared != bytes(32), "capsule: shared secret")
        key = H("smart.sealbox", shared + ephemeral + x25519(secret, (9).to_bytes(32, "little")))
    nonce, key_hash, sealed = data[at:at + 24], data[at + 24:at + 56], data[at + 56:]
    check(sealed and len(sealed) % 64 == 0, "capsule: length")
    check(H("smart.keyhash", key + nonce) == key_hash, "capsule: key")
    plain = xchacha_open(key, nonce, sealed, bytes([data[0], capsule_class])).rstrip(b"\0")
    check(plain[-1:] == b"\x80", "capsule: padding")
    return plain[:-1]


DATA_KEY = {1: (0, within(1, 255)), 2: (0, within(0, 2 ** 32 - 1)), 3: KEY}
KEY_CAPSULE = {1: (0, within(1, 4)), 2: KEY, 3: ID, 4: ANY, 5: KEY}


def read_key_capsule(plain):
    """{1: use, 2: unit, 3: subject, 4: [(class, generation, key)], 5: escrow key}"""
    found = once(plain, KEY_CAPSULE, repeated=(4,), optional=(3, 5))
    day = found[1] == 1
    found[4] = [tuple(once(value, DATA_KEY)[number] for number in (1, 2, 3)) for value in found[4]]
    check((3 in found) != day and (5 in found) == day and (not found[4]) == day and len(found[4]) <= 8, "key capsule: use")
    check(found[1] < 3 or all(c != 6 or 1900 <= generation <= 2199 for c, generation, _ in found[4]), "key capsule: year")
    return found


def short(most=256):
    return 2, text(most, 0)


PERSON = {1: {1: short(), 2: short(), 3: short(), 4: short(), 5: (0, date), 6: short()}, 2: {n: short() for n in range(1, 7)},
          3: {1: short()}, 5: {1: short(4096)},
          4: {1: ID, 2: KEY, 3: ID, 4: short(), 5: (0, date), 6: short(), 7: short(), 8: short(), 9: ID, 10: (0, date)},
          7: {1: ID, 2: KEY, 3: (0, date), 4: ID, 5: ID, 6: (0, within(1, 2 ** 32 - 1)), 7: (0, within(1, 65535)), 8: (0, within(1, 1)),
              9: ANY, 10: (2, anything), 11: short(1024)},
          8: {1: (0, date), 2: ANY, 3: short(1024)}}
MUST_BE_THERE = {4: (1,), 7: (1, 2, 3, 4)}
WORK_DONE = {1: ID, 2: KEY, 3: (0, within(1, 2 ** 63 - 1)), 4: WORD}
TAKEN_ALONG = {1: ID, 2: WORD, 3: ONE, 4: short(), 5: short(), 6: (0, date)}


def read_person(capsule_class, plain):
    shape = PERSON[capsule_class]
    lists = {7: (9, 10), 8: (2,)}.get(capsule_class, ())
    found = once(plain, shape, lists, [n for n in shape if n not in MUST_BE_THERE.get(capsule_class, ())])
    if capsule_class == 7:
        found[9] = [once(value, WORK_DONE) for value in found[9]]
        found[10] = [read_person(2, value) for value in found[10]]
        check(len(found[9]) <= 64 and len(found[10]) <= 1, "guest record: too many")
    if capsule_class == 8:
        found[2] = [once(value, TAKEN_ALONG, optional=(3, 4, 5, 6)) for value in found[2]]
        check(len(found[2]) <= 64, "dossier: too many")
    return found


def pseudonym(counting_key, year):
    """(year key, year pseudonym)"""
    year_key = H("smart.year-key", counting_key + year.to_bytes(2, "big"))
    return year_key, H("smart.pseudonym", year_key)[:16]
