"""The specification suffices: a reader made from docs/PROTOCOL.md alone (tests/golden/second_reader.py) reads the golden files, refuses
them when a bit is turned, and, with the program at hand, reads what that writes today."""

import base64
import glob
import os
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
GOLDEN = os.path.join(ROOT, "tests", "golden")
sys.path.insert(0, GOLDEN)

import second_reader as reader  # noqa: E402  (the path above)


def golden(*path):
    with open(os.path.join(GOLDEN, *path), "rb") as file:
        return file.read()


def check_equal(a, b):
    if a != b:
        raise AssertionError("%r is not %r" % (a, b))


def example_log():
    chain = golden("events", "chain.bin")
    return [chain[at:at + 32] for at in range(0, len(chain), 32)], golden("events", "run.bin"), golden("events", "seal.bin")


class GoldenLog(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.chain, cls.frames, cls.seal = example_log()
        cls.events, cls.values = reader.read_run(cls.chain[0], 1, cls.chain[0], cls.frames, cls.seal)
        cls.later, key, at = [], reader.payload(1, 1, cls.events[0][1])[14], cls.chain[-1]
        for n in 2, 3, 4:
            chain = golden("events", "chain-%d.bin" % n)
            events, values = reader.read_run(cls.chain[0], 1 + len(cls.events + cls.later), at, golden("events", "run-%d.bin" % n),
                                             golden("events", "seal-%d.bin" % n), key)
            check_equal([chain[at:at + 32] for at in range(0, len(chain), 32)], values)
            cls.later, at, cls.values = cls.later + events, values[-1], cls.values + values[1:]

    def test_chain_commitments_and_seal(self):
        self.assertEqual(self.chain, self.values[:19])
        for n, (header, _) in enumerate(self.events + self.later, 1):
            self.assertEqual(reader.Header(golden("events", "header-%02d.bin" % n)).hash, header.hash)

    def test_a_later_part_of_the_log_verifies_by_the_same_seal(self):
        pairs = reader.frames(self.frames)
        head = sum(len(header) + len(body) + (3 if len(header) > 127 else 2) + (len(body) > 127) for header, body in pairs[:10])
        _, values = reader.read_run(self.chain[0], 11, self.chain[10], self.frames[head:], self.seal, self.signing_key())
        self.assertEqual(self.chain[10:], values)

    def signing_key(self):
        return reader.payload(1, 1, self.events[0][1])[14]

    def test_every_payload_reads(self):
        files = sorted(glob.glob(os.path.join(GOLDEN, "events", "payload-*.bin")), key=kind_of)
        events = sorted(self.events + self.later, key=lambda event: event[0].kind)
        self.assertEqual([header.kind for header, _ in events], [kind_of(path) for path in files])
        for (header, body), path in zip(events, files):
            self.assertEqual(golden("events", os.path.basename(path)), body)
            reader.payload(header.kind, header.version, body)
        admitted = reader.payload(34, 1, self.events[8][1])
        self.assertEqual((20513, 3, 2, 3, 3000, b"EUR"), tuple(admitted[n] for n in (3, 8, 9, 11, 12, 13)))

    def test_the_first_event_its_certificate_and_root_statement(self):
        pairs = reader.frames(self.frames)
        log, opened = reader.read_first(*pairs[0])
        self.assertEqual(self.chain[0], log)
        self.assertEqual("b591a5f227a2f9fdeb71070b2d1812ceb52561bd838b09112e599f9ee58efc9e", opened[8].hex())
        self.assertEqual(reader.H("smart.unit-id", opened[13]), opened[8])
        self.assertEqual(reader.H("smart.fed", b"example"), opened[10])
        self.assertEqual(golden("events", "root-statement.bin"), opened[20])

    def test_nothing_can_be_changed(self):
        for at in range(0, len(self.frames), 11):
            with self.subTest(at=at), self.assertRaises(reader.Refused):
                reader.read_run(self.chain[0], 1, self.chain[0], turned(self.frames, at), self.seal, self.signing_key())
        with self.assertRaises(reader.Refused):
            reader.read_run(self.chain[0], 1, self.chain[0], self.frames, turned(self.seal, 9))

    def test_a_header_has_one_encoding(self):
        data = golden("events", "header-02.bin")
        for other in (data + b"\x58\x01", b"\x08\x81\x00" + data[2:], data[2:4] + data[:2] + data[4:], data[:2] + data, data[:-1]):
            with self.assertRaises(reader.Refused):
                reader.Header(other)

    def test_what_makes_a_payload_malformed(self):
        body = self.events[8][1]
        for other in (body + b"\x48\x02", body + b"\x20\x00", body + b"\x20\x81\x00", body + b"\x7b\x7c", body[:-1], body + b"\x00\x01",
                      body + b"\x32\x20" + bytes(32), body.replace(b"\x48\x02", b"\x48\x03"), body.replace(b"\x40\x03", b"\x40\x01"),
                      body + b"\xa0\x06\x01" * 600):
            with self.assertRaises(reader.Malformed):
                reader.payload(34, 1, other)
        reader.payload(34, 1, body + b"\xa0\x06\x01")

    def body(self, kind):
        return next(body for header, body in self.later if header.kind == kind)

    def test_what_later_payloads_say(self):
        office = bytes([0x0F]) * 16
        self.assertEqual((5, 15000, b"EUR"), tuple(reader.payload(44, 1, self.body(44))[n] for n in (8, 9, 10)))
        absorbed = reader.payload(48, 1, self.body(48))
        self.assertEqual((bytes([0x5A]) * 16, 5, 15000, b"EUR", 1), tuple(absorbed[n] for n in range(8, 13)))
        invoice = reader.payload(108, 1, self.body(108))
        self.assertEqual((2, 1, office, 125050, b"EUR", 650, 8128), tuple(invoice[n] for n in range(8, 15)))
        self.assertEqual([(office, 2, 0, b"EUR"), (office, 2, 1, b"EUR"), (office, 2, 1, b"SEK")], reader.payload(112, 1, self.body(112))[8])
        self.assertEqual([(1, 0, b"", 4711), (1, 2, b"", 0), (33, 0, b"EUR", 14133000), (65, 0, b"SEK", -250)],
                         reader.payload(256, 1, self.body(256))[9])

    def test_what_payloads_of_members_who_move_say(self):
        def of(kind, *numbers):
            found = reader.payload(kind, 1, self.body(kind))
            return tuple(found[n] for n in numbers)
        def id_of(byte, size=16):
            return bytes([byte]) * size
        self.assertEqual((id_of(0x5E, 32),), of(21, 8))
        terms = (2, 1, id_of(0x50), 4, 25000, b"SEK")
        self.assertEqual((id_of(0xB5, 32),) + terms, of(65, *range(8, 15)))
        self.assertEqual((id_of(0x5E, 32),) + terms + (1, 2), of(66, *range(8, 17)))
        self.assertEqual((id_of(0xDE, 32), id_of(0x5D), 2, 300), of(71, 8, 9, 10, 11))
        self.assertEqual((id_of(0x5B), id_of(0xDE, 32), 3, 3), of(80, 8, 9, 10, 11))
        self.assertEqual((id_of(0x5B), 3, 72, id_of(0x9A, 32)), of(83, 8, 10, 13, 14))
        self.assertEqual(([1, 2, 3], 1, 2, [(id_of(0xD1, 32), 9, 7), (id_of(0xD1, 32), 300, 1), (id_of(0xD3, 32), 2, 32768)]), of(96, 8, 9, 10, 11))
        self.assertEqual(([1],), of(99, 8))
        header = next(header for header, _ in self.later if header.kind == 66)
        self.assertEqual([5, 6], [reference[0] for reference in header.references])
        self.assertEqual([15, 8], [capsule[0] for capsule in header.capsules])

    def test_what_makes_payloads_of_members_who_move_malformed(self):
        def changed(kind, old, new):
            body = self.body(kind)
            self.assertEqual(1, body.count(old), kind)
            return kind, body.replace(old, new)
        place = b"\x5a\x26\x0a\x20" + bytes([0xFF]) * 32 + b"\x10\x05\x18\x07"
        reader.payload(96, 1, self.body(96) + place)
        for kind, other in (
                changed(21, b"\x42\x20" + bytes([0x5E]) * 32, b""), changed(64, b"\x48", b"\x50"), changed(65, b"\x50\x01", b"\x50\x02"),
                changed(66, b"\x78\x01\x80\x01\x02", b"\x78\x01\x80\x01\x03"), changed(66, b"\x78\x01\x80\x01\x02", b"\x78\x01"),
                changed(71, b"\x50\x02", b"\x50\x04"), changed(80, b"\x50\x03", b"\x50\x10"), changed(81, b"\x40\x02", b"\x40\x00"),
                changed(83, b"\x68\x48", b"\x68\xd1\x44"), changed(86, b"\x20\x01", b""), changed(96, b"\x40\x02\x40\x03", b"\x40\x03\x40\x02"),
                changed(96, b"\x48\x01", b"\x48\x80\x02"), (96, self.body(96) + place.replace(b"\xff", b"\x0f")), (96, self.body(96) + place * 2),
                (96, self.body(96) + place[:-1] + b"\x00"), (97, self.body(97)[:-4]), changed(98, b"\x40\x01\x40\x02\x40\x03", b""),
                (99, self.body(99) + b"\x42\x01\x02"), (67, self.body(67) + b"\x32\x20" + bytes(32)), (82, self.body(81) + b"\x32\x20" + bytes(32))):
            with self.subTest(kind=kind, body=other.hex()), self.assertRaises(reader.Malformed):
                reader.payload(kind, 1, other)
        for kind, unit in (20, 0x5E), (64, 0x5E), (65, 0xB5), (70, 0xDE), (80, 0xDE), (86, 0xB5):
            found = reader.payload(kind, 1, self.body(kind))
            reader.judge_writer(kind, found, bytes(32))
            with self.assertRaises(reader.Malformed):
                reader.judge_writer(kind, found, bytes([unit]) * 32)

    def test_a_cancellation_names_the_event_before_it(self):
        for kind in 51, 107, 110, 226:
            header = next(header for header, _ in self.later if header.kind == kind)
            self.assertEqual([(9, self.chain[0], header.seq - 1, self.values[header.seq - 1])], header.references)

    def test_what_makes_a_later_payload_malformed(self):
        def changed(kind, old, new):
            body = self.body(kind)
            self.assertEqual(1, body.count(old))
            return kind, body.replace(old, new)
        cell, figure = self.body(112)[-30:], b"\x4a\x04\x08\x01\x20"
        for kind, other in (
                changed(44, b"\x40\x05", b"\x40\x00"), changed(47, bytes([0x5C]) * 16, bytes([0x5B]) * 16), (48, self.body(48)[:-2] + b"\x60\x00"),
                changed(49, b"\x40\x01", b""), changed(104, b"\x20\x01", b""), changed(104, b"\x48\x01", b"\x48\x00"),
                changed(108, b"\x05\xea", b"\x05\xeb"), changed(108, b"\x68\x8a\x05", b"\x68\x0a"), (112, self.body(112) + cell),
                (112, self.body(112) + b"\x42\x00"), (256, self.body(256) + figure + b"\x00"), changed(256, b"\x40\xe9\x0f", b"\x40\x05"),
                changed(224, b"\x42\x02DE", b"\x42\x02D1"), changed(224, b"\x20\x01", b""), (226, self.body(226) + b"\x32\x20" + bytes(32)),
                (256, self.body(256) + b"\xa0\x06\x01" * 2560), (110, self.body(110) + b"\x32\x20" + bytes(32))):
            with self.subTest(kind=kind, body=other.hex()), self.assertRaises(reader.Malformed):
                reader.payload(kind, 1, other)
        reader.payload(256, 1, self.body(256) + b"\xa0\x06\x01" * 2000)
        with self.assertRaises(reader.Malformed):
            reader.payload(111, 1, self.body(110) + b"\x32\x20" + bytes(32))
        reader.payload(113, 1, self.body(110) + b"\x32\x20" + bytes(32))

    def test_links_and_pseudonym(self):
        capsule, plain = golden("events", "capsule-4.bin"), golden("events", "links.bin")
        header = next(header for header, _ in self.later if header.kind == 108)
        self.assertEqual([(4, reader.H("smart.capsule", capsule), len(capsule))], header.capsules)
        self.assertEqual(plain, reader.open_capsule(capsule, 4, key=bytes([1, 2, 3]) + bytes(29)))
        links = reader.read_person(4, plain)
        self.assertEqual((bytes([0x5B]) * 16, bytes([0xB5]) * 32, bytes([0xAC]) * 16, b"2026-0317"), tuple(links[n] for n in (1, 2, 3, 4)))
        with self.assertRaises(reader.Refused):
            reader.read_person(4, plain[18:])
        year_key, pseudonym = reader.pseudonym(bytes([6]) + bytes(31), 2026)
        self.assertEqual((golden("events", "year-key.bin"), golden("events", "pseudonym.bin")), (year_key, pseudonym))
        self.assertEqual(pseudonym, reader.payload(112, 1, self.body(112))[2])

    def test_postings(self):
        issued, changed = reader.payload(224, 1, self.body(224)), reader.payload(225, 1, self.body(225))
        self.assertEqual((20513, b"DE", 20666), tuple(issued[n] for n in (3, 8, 9)))
        self.assertEqual((20513, b"AT", 20574), tuple(changed[n] for n in (3, 8, 9)))
        body = self.body(224)
        self.assertEqual(b"\x48\xf4\xc2\x02", body[-4:])
        # 2028-03-01 is 24 months later; April is not, February before is not, the second of a month is not.
        for days, well in (21244, True), (21275, False), (20513, True), (20485, False), (20667, False):
            last = days << 1
            other = body[:-4] + b"\x48" + bytes([last & 127 | 128, last >> 7 & 127 | 128, last >> 14])
            with self.subTest(days=days):
                if well:
                    reader.payload(224, 1, other)
                else:
                    self.assertRaises(reader.Malformed, reader.payload, 224, 1, other)
        capsule, plain = golden("events", "capsule-posting.bin"), golden("events", "posting.bin")
        header = next(header for header, _ in self.later if header.kind == 224)
        self.assertEqual([(4, reader.H("smart.capsule", capsule), len(capsule))], header.capsules)
        self.assertEqual(plain, reader.open_capsule(capsule, 4, key=bytes([1, 2, 3]) + bytes(29)))
        links = reader.read_person(4, plain)
        self.assertEqual((b"A1-2026-0042", 20526, 20696), (links[4], reader.zigzag(links[5]), reader.zigzag(links[10])))

    def test_the_examples_of_the_document_are_these_bytes(self):
        with open(os.path.join(ROOT, "docs", "PROTOCOL.md"), encoding="utf-8") as file:
            examples = "".join(file.read().split("## 15. Examples")[1].split())
        for name in ("header-01", "payload-34-member.admitted", "header-09", "seal", "payload-44-shares.repaid", "payload-51-entry.cancelled",
                     "header-26", "payload-108-invoice.issued", "links", "payload-112-person.active", "year-key", "pseudonym",
                     "payload-66-handover.completed", "header-43", "payload-96-erasure.ordered", "guest-record", "payload-256-period.closed", "payload-225-posting.changed", "posting", "capsule-1"):
            self.assertIn(golden("events", name + ".bin").hex(), examples, name)
        self.assertIn(self.values[35].hex(), examples)
        self.assertIn(self.values[56].hex(), examples)

    def test_capsules(self):
        first, second = golden("events", "capsule-1.bin"), golden("events", "capsule-2.bin")
        self.assertEqual(b"example", reader.open_capsule(first, 5, key=bytes([1, 2, 3]) + bytes(29)))
        self.assertEqual(b"example", reader.open_capsule(second, 15, secret=bytes([2]) + bytes(31)))
        for at in (0, 1, 30, 60, len(first) - 1):
            with self.subTest(at=at), self.assertRaises(reader.Refused):
                reader.open_capsule(turned(first, at), 5, key=bytes([1, 2, 3]) + bytes(29))
        with self.assertRaises(reader.Refused):
            reader.open_capsule(first, 1, key=bytes([1, 2, 3]) + bytes(29))

    def test_what_capsules_hold(self):
        def held(name):
            return bytes.fromhex(golden("person-%s.hex" % name).decode())
        for capsule_class, name in (1, "identity"), (2, "contact"), (3, "bank"), (4, "links"), (5, "note"), (7, "guest"), (8, "dossier"):
            self.assertTrue(reader.read_person(capsule_class, held(name)))
        self.assertEqual(1, reader.read_key_capsule(held("escrow-day"))[1])
        keys = reader.read_key_capsule(held("escrow-data"))
        self.assertEqual(2, keys[1])
        self.assertTrue(keys[4])
        self.assertEqual([(1, 0), (2, 1000), (6, 2026)], [key[:2] for key in reader.read_key_capsule(held("grant"))[4]])
        with self.assertRaises(reader.Refused):
            reader.read_key_capsule(held("grant").replace(b"\x10\xea\x0f", b"\x10\xea\x07"))

    def test_guest_record_and_dossier(self):
        for capsule_class, name in (7, "guest-record"), (8, "dossier"):
            plain = golden("events", name + ".bin")
            capsule = golden("events", "capsule-%d.bin" % capsule_class)
            self.assertEqual(plain, reader.open_capsule(capsule, capsule_class, key=bytes([1, 2, 3]) + bytes(29)))
            self.assertEqual(0, (len(capsule) - 57) % 256)
        record = reader.read_person(7, golden("events", "guest-record.bin"))
        self.assertEqual((2, 3, 1, b"Moved within the town"), tuple(record[n] for n in (6, 7, 8, 11)))
        self.assertEqual([(300, 104), (301, 108)], [(work[3], work[4]) for work in record[9]])
        self.assertEqual([{2: b"+32 2 000 00 00", 5: "Liège".encode()}], record[10])
        dossier = reader.read_person(8, golden("events", "dossier.bin"))
        self.assertEqual([2, 300], [activity[2] for activity in dossier[2]])
        with self.assertRaises(reader.Refused):
            reader.read_person(7, golden("events", "guest-record.bin")[18:])


def kind_of(path):
    return int(os.path.basename(path).split("-")[1])


def turned(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]


class GoldenPapers(unittest.TestCase):
    def test_cards(self):
        card = reader.read_card(reader.unarmour(golden("card-full.txt"), "UNIT CARD"))
        self.assertEqual(golden("card-fingerprint.txt").decode().strip(), reader.fingerprint(card))
        self.assertEqual([], reader.read_card(reader.unarmour(golden("card-unreachable.txt"), "UNIT CARD"))[14])

    def test_receipts(self):
        card = reader.read_card(reader.unarmour(golden("card-full.txt"), "UNIT CARD"))
        for n in range(1, 5):
            data = reader.unarmour(golden("receipt-%d.txt" % n), "RECEIPT")
            _, header, _, _ = reader.read_receipt(data, card)
            self.assertEqual(n, header.seq)

    def test_a_receipt_of_another_unit_or_with_a_bit_turned_proves_nothing(self):
        data = reader.unarmour(golden("receipt-2.txt"), "RECEIPT")
        for at in range(0, len(data), 13):
            with self.subTest(at=at), self.assertRaises(reader.Refused):
                reader.read_receipt(turned(data, at))

    def test_a_pass_however_it_was_typed(self):
        for name in "pass.txt", "pass-typed.txt":
            federation, production, unit, pass_id, key = reader.read_pass(golden(name).decode())
            self.assertEqual((reader.H("smart.fed", b"example")[:8], 0, b"\xb1" * 32, b"\x1d" * 16),
                             (federation, production, unit, pass_id))
            self.assertEqual(golden("pass-key.txt").decode().strip(), reader.x25519(key, bytes([9]) + bytes(31)).hex())

    def test_a_slip_in_a_pass_is_told_from_another_code(self):
        text = golden("pass.txt").decode().strip()
        for at in range(4, len(text)):
            with self.subTest(at=at), self.assertRaises(reader.Mistyped):
                reader.read_pass(text[:at] + ("Q" if text[at] != "Q" else "R") + text[at + 1:])
            with self.subTest(cut=at), self.assertRaises(reader.Mistyped):
                reader.read_pass(text[:at])
        for other in "SN2:" + text[4:], "SN1:" + later(text[4:]):
            self.assertRaises(reader.Later, reader.read_pass, other)
        for other in "SN0:" + text[4:], text[4:], "https://example.org/":
            with self.assertRaises(reader.Refused) as refused:
                reader.read_pass(other)
            self.assertIs(reader.Refused, type(refused.exception))


def later(letters):
    body = b"\x02" + base64.b32decode(letters + "===")[1:-4] + b"more"
    return base64.b32encode(body + reader.H("smart.pass-check", body)[:4]).decode().rstrip("=")


@unittest.skipUnless(os.environ.get("SMARTNODE"), "reads what the program writes when SMARTNODE names it")
class Program(unittest.TestCase):
    def test_card_and_receipt(self):
        from cluster import Node, run  # only here: the rest needs no program
        with tempfile.TemporaryDirectory() as folder:
            node = Node(folder, "BE", federation="second").init()
            self.addCleanup(node.stop)
            node.start().admit(1)
            card = reader.read_card(reader.unarmour(run("card", "--data", node.data).stdout.encode(), "UNIT CARD"))
            self.assertEqual((b"BE", reader.H("smart.fed", b"second"), reader.H("smart.unit-id", card[4])), (card[2], card[5], card[1]))
            kinds = []
            for event in node.events():
                text = run("receipt", "export", "--data", node.data, "--log", event["log"], "--seq", event["seq"]).stdout
                log, header, body, opened = reader.read_receipt(reader.unarmour(text.encode(), "RECEIPT"), card)
                self.assertEqual((event["log"], event["seq"], card[9]), (log.hex(), header.seq, opened[14]))
                reader.payload(header.kind, header.version, body)
                kinds.append(header.kind)
            node.stop()
            self.assertTrue({1, 2, 16, 17, 34} <= set(kinds), kinds)


if __name__ == "__main__":
    unittest.main()
