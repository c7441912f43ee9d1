"""Bad input: what is refused says which field, row or peer is at fault, and nothing has changed."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import unittest

import cluster
from cluster import Cluster, admission, run, wait_until


class RequestTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster("BE", "SE")
        cls.addClassCleanup(cls.cluster.close)
        cls.be = cls.cluster["BE"]
        cls.member = cls.be.admit("1")
        cls.cluster.wait_members({"BE": 1})
        cls.cluster.wait_equal()

    def seen(self):
        return (self.be.fingerprint(), self.cluster["SE"].fingerprint(), self.be.members(), len(self.be.events()),
                len(self.be.get("/v1/peers")["peers"]), len(self.be.get("/v1/tokens")["tokens"]))

    @contextlib.contextmanager
    def nothing_changes(self):
        for role in ("desk", "operator", "reports"):
            self.be.token(role)
        before = self.seen()
        yield
        self.assertEqual(self.seen(), before)

    def refused(self, status, at_fault, method, path, body=None, **how):
        """at_fault: the field, or (with a space in it, or upper case) a part of the detail."""
        with self.nothing_changes():
            answer = self.be.call(method, path, body, **how)
        self.assertEqual((answer.status, answer.type), (status, "application/problem+json"), repr(answer))
        problem = answer.json
        self.assertEqual(problem["status"], status)
        self.assertTrue(problem["type"].startswith("urn:smartnode:problem:"))
        if " " in at_fault:
            self.assertIn(at_fault, problem["detail"])
        else:
            self.assertEqual(problem.get("field"), at_fault, problem)
        return problem

    def etag(self):
        return {"If-Match": self.be.call("GET", "/v1/members/" + self.member).headers["ETag"]}

    def test_json_that_is_malformed_is_refused_with_its_place(self):
        for body in ("{", '{"status": "admitted",}', "[1]", "", '{"a":1} {"b":2}', '{"status":"admitted","status":"applied"}',
                     "\xff\xfe"):
            problem = self.refused(400, " ", "POST", "/v1/members", body.encode("latin-1"))
            self.assertNotIn("field", problem)
        self.assertIn("line 1", self.be.call("POST", "/v1/members", "{,}").json["detail"])

    def test_json_that_is_nested_too_deep_is_refused(self):
        self.refused(400, "nested deeper", "POST", "/v1/members", "[" * 100000)

    def test_a_body_that_is_too_large_is_refused_with_the_limit_before_it_is_sent(self):
        head = ("POST /v1/members HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nIdempotency-Key: large\r\n"
                "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (self.be.token(), 1048576 + 1))
        with self.nothing_changes(), socket.create_connection(("127.0.0.1", self.be.http_port), cluster.WAIT_S) as conn:
            conn.sendall(head.encode())
            answer = b""
            while b"}" not in answer:
                got = conn.recv(4096)
                self.assertTrue(got, answer)
                answer += got
        self.assertEqual(answer.split()[1], b"413")
        self.assertIn(b"1048576", answer)

    def test_an_unknown_field_is_named_with_its_path(self):
        self.refused(400, "nickname", "POST", "/v1/members", admission("2", "Brussel", nickname="x"))
        self.refused(400, "person.identity.nickname", "POST", "/v1/members",
                     admission("2", "Brussel", person={"identity": {"given_name": "A", "family_name": "B", "nickname": "x"}}))

    def test_an_unknown_parameter_is_named(self):
        self.refused(400, "asof", "GET", "/v1/reports/members?asof=2024-01-01")

    def test_a_date_that_does_not_exist_is_refused(self):
        for day in ("2024-02-30", "2023-02-29", "2024-13-01", "01-03-2024", "1899-12-31", "2200-01-01", "yesterday"):
            self.refused(400, "effective_on", "POST", "/v1/members", admission("2", "Brussel", day))
        self.refused(400, "as_of", "GET", "/v1/reports/members?as_of=2024-02-30")

    def test_an_office_that_the_unit_does_not_have_is_refused(self):
        self.refused(404, "office", "POST", "/v1/members", admission("2", "Atlantis"))

    def test_an_admission_without_a_share_is_refused(self):
        body = admission("2", "Brussel")
        del body["shares"]
        self.refused(400, "shares", "POST", "/v1/members", body)

    def test_a_category_or_a_kind_of_person_that_does_not_exist_is_refused(self):
        self.refused(400, "category", "POST", "/v1/members", admission("2", "Brussel", category="D"))
        self.refused(400, "person_type", "POST", "/v1/members", admission("2", "Brussel", person_type="robot"))

    def test_a_member_leaves_once(self):
        member = self.be.admit("leaver")
        path = "/v1/members/" + member
        etag = self.be.call("GET", path).headers["ETag"]
        self.be.post(path + "/resign", {"effective_on": "2024-06-30"}, 200, headers={"If-Match": etag})
        etag = self.be.call("GET", path).headers["ETag"]
        self.cluster.wait_equal()
        for way in ("resign", "exclude", "death", "withdrawal"):
            answer = self.refused(409, " ", "POST", "%s/%s" % (path, way), {"effective_on": "2024-07-01"}, headers={"If-Match": etag})
            self.assertIn("member", answer["detail"])

    def test_a_member_that_does_not_exist_is_not_found(self):
        self.refused(404, " ", "GET", "/v1/members/" + "0" * 32)
        self.refused(404, "subject", "POST", "/v1/members/" + "0" * 32 + "/resign", headers=self.etag())

    def test_a_token_that_is_missing_wrong_or_revoked_is_refused(self):
        for value in (None, "Bearer ", "Bearer snt_" + "A" * 43, "Basic abc", "Bearer " + "x" * 3000):
            self.refused(401, "authorization", "POST", "/v1/members", admission("2", "Brussel"), headers={"Authorization": value})
        text = run("token", "create", "--data", self.be.data, "--role", "desk", "--name", "gone").stdout.strip()
        headers = {"Authorization": "Bearer " + text}
        self.assertEqual(self.be.call("GET", "/v1/members", headers=headers).status, 200)
        listed = [line.split("\t") for line in run("token", "list", "--data", self.be.data).stdout.splitlines()]
        run("token", "revoke", "--data", self.be.data, next(line[0] for line in listed if line[4] == "gone"))
        self.refused(401, "authorization", "GET", "/v1/members", headers=headers)

    def test_a_token_of_another_unit_is_refused(self):
        self.refused(401, "authorization", "GET", "/v1/members",
                     headers={"Authorization": "Bearer " + self.cluster["SE"].token("desk")})

    def test_a_role_does_what_it_may_and_no_more(self):
        for role, method, path, body in (("reports", "POST", "/v1/members", admission("2", "Brussel")),
                                         ("operator", "GET", "/v1/members", None), ("desk", "GET", "/v1/tokens", None),
                                         ("reports", "GET", "/v1/events", None),
                                         ("desk", "POST", "/v1/tokens", {"name": "x", "role": "operator"})):
            self.assertIn(role, self.refused(403, "not for", method, path, body, role=role)["detail"])

    def test_a_change_of_what_was_changed_meanwhile_is_refused(self):
        member = self.be.admit("etag")
        path = "/v1/members/" + member
        old = self.be.call("GET", path).headers["ETag"]
        self.be.post(path + "/shares", {"shares": 2, "effective_on": "2024-05-01"}, 200, headers={"If-Match": old})
        self.cluster.wait_equal()
        body = {"shares": 3, "effective_on": "2024-05-02"}
        self.refused(412, "if-match", "POST", path + "/shares", body, headers={"If-Match": old})
        self.refused(428, "if-match", "POST", path + "/shares", body)
        self.refused(400, "if-match", "POST", path + "/shares", body, headers={"If-Match": '"nonsense"'})

    def test_a_change_of_an_office_or_a_unit_that_was_changed_meanwhile_is_refused(self):
        made = self.be.post("/v1/units/BE/offices", {"name": "Luik", "city": "Luik", "country": "BE"}, role="operator")
        unit = {"name": "Smart in Belgium", "country": "BE", "currency": "EUR", "languages": ["fr"], "time_zone": "Europe/Brussels",
                "contribution_bp": 650, "share_price_minor": 3000}
        for method, path, body in (("PATCH", "/v1/units/BE/offices/" + made.json["id"], {"city": "Liège"}), ("PUT", "/v1/units/BE", unit)):
            old = {"If-Match": self.be.call("GET", path, role="operator").headers["ETag"]}
            answer = self.be.call(method, path, body, role="operator", headers=old)
            self.assertEqual(answer.status, 200, repr(answer))
            self.cluster.wait_equal()
            self.refused(412, "if-match", method, path, body, role="operator", headers=old)

    def test_an_idempotency_key_stands_for_one_request(self):
        first = self.be.post("/v1/members", admission("once", "Brussel"), key="the-key")
        self.cluster.wait_equal()
        self.refused(422, "idempotency-key", "POST", "/v1/members", admission("twice", "Brussel"), key="the-key")
        with self.nothing_changes():
            again = self.be.post("/v1/members", admission("once", "Brussel"), key="the-key")
        self.assertEqual(again.json["id"], first.json["id"])
        self.assertEqual(again.headers["Idempotent-Replay"], "true")
        self.refused(400, "idempotency-key", "POST", "/v1/members", admission("2", "Brussel"), headers={"Idempotency-Key": None})

    def test_a_line_of_a_batch_that_is_wrong_is_named_by_its_number(self):
        good = dict(admission("x", "Brussel"), op="member.admit")
        del good["status"]
        lines = [dict(good, office="Atlantis"), {"op": "member.fly"}, dict(good, effective_on="2024-02-30"), dict(good, nick=1)]
        with self.nothing_changes():
            answers = self.be.batch(lines)
        self.assertEqual([(a["line"], a["status"], a["problem"]["field"]) for a in answers],
                         [(1, 404, "office"), (2, 400, "op"), (3, 400, "effective_on"), (4, 400, "nick")])

    def test_rows_that_cannot_be_imported_are_named_with_row_and_field_and_the_others_are_there(self):
        path = os.path.join(self.cluster.folder, "members.csv")
        bad = [cluster.csv_row("bad-1", "Atlantis"), cluster.csv_row("bad-2", "Brussel", "2024-02-30"),
               cluster.csv_row("bad-3", "Brussel").replace(",A,", ",Z,"), cluster.csv_row("", "Brussel"),
               cluster.csv_row("bad-5", "Brussel", "2024-05-01", "2024-04-01"), "too,few"]
        env = {"SMARTNODE_TOKEN": self.be.token()}

        def bring_in(rows):
            with open(path, "w", encoding="utf-8") as file:
                file.write("\n".join([cluster.CSV_COLUMNS] + rows) + "\n")
            done = run("import", "--data", self.be.data, "--json", path, env=env, status=3)
            result = json.loads(done.stdout)
            with open(result["rejected_file"], encoding="utf-8") as file:
                return result, file.read()

        with self.nothing_changes():
            result, rejected = bring_in(bad)
        self.assertEqual((result["rows"], result["imported"], result["rejected"]), (6, 0, 6))
        rows = rejected.splitlines()
        self.assertIn("error_row", rows[0])
        for number, (row, field) in enumerate(zip(rows[1:], ("office", "admitted_on", "category", "member_no", "left_on")), 1):
            self.assertIn(field, row)
            self.assertIn(str(number), row)
        result, rejected = bring_in([cluster.csv_row("good-1", "Brussel")] + bad)
        self.assertEqual((result["imported"], result["rejected"]), (1, 6))
        self.assertEqual(self.be.numbers()["good-1"], 1)
        self.cluster.wait_equal()

    def test_a_column_that_does_not_exist_stops_an_import(self):
        path = os.path.join(self.cluster.folder, "columns.csv")
        with open(path, "w", encoding="utf-8") as file:
            file.write(cluster.CSV_COLUMNS + ",shoe_size\n" + cluster.csv_row("x", "Brussel") + ",42\n")
        with self.nothing_changes():
            done = run("import", "--data", self.be.data, path, env={"SMARTNODE_TOKEN": self.be.token()}, status=1)
        self.assertIn("shoe_size", done.stderr)

    def test_a_card_is_pinned_only_with_the_words_that_belong_to_it(self):
        other = self.cluster.add("FR")
        with open(other.card(), encoding="utf-8") as file:
            card = file.read()
        words = self.be.peer("SE")["fingerprint"]
        self.refused(409, "fingerprint", "POST", "/v1/peers", {"card": card, "fingerprint": words}, role="operator")
        self.refused(400, "card", "POST", "/v1/peers", {"card": card.replace("A", "B"), "fingerprint": words}, role="operator")
        self.cluster.nodes.pop("FR")

    def test_what_is_no_http_is_refused_and_the_node_goes_on(self):
        with self.nothing_changes():
            for bytes_sent in (b"NONSENSE\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
                               b"POST /v1/members HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n{}\n"):
                with socket.create_connection(("127.0.0.1", self.be.http_port), cluster.WAIT_S) as conn:
                    conn.sendall(bytes_sent)
                    with contextlib.suppress(ConnectionResetError):
                        got = conn.recv(4096)
                        self.assertTrue(got == b"" or got.split()[1].startswith(b"4"), got)

    def test_what_is_no_peer_is_dropped_and_the_node_goes_on(self):
        with self.nothing_changes():
            for bytes_sent in (b"GET / HTTP/1.1\r\n\r\n", b"\xff" + b"\x00" * 8 + b"\x01\x7f" + b"x" * 5000, os.urandom(4096)):
                with socket.create_connection(("127.0.0.1", self.be.sync_port), cluster.WAIT_S) as conn:
                    with contextlib.suppress(OSError):
                        conn.sendall(bytes_sent)
                        while conn.recv(4096):
                            pass
        self.be.admit("still-there")
        self.cluster.wait_equal()


class StartTest(unittest.TestCase):
    """The program is asked to start, or to trust, what does not fit."""

    def setUp(self):
        self.cluster = Cluster("BE", topology=[], start=False)
        self.addCleanup(self.cluster.close)
        self.be = self.cluster["BE"]
        self.be.start()
        self.be.admit_many(range(3))
        for role in ("desk", "operator", "reports"):
            self.be.token(role)
        self.before = (self.be.fingerprint(), self.be.members(), len(self.be.events()))
        self.be.stop()

    def assert_unchanged(self):
        if self.be.process is None:
            self.be.start()
        self.assertEqual((self.be.fingerprint(), self.be.members(), len(self.be.events())), self.before)

    def start_refused(self, *texts, status=1):
        done = run("run", "--data", self.be.data, status=status)
        for text in texts:
            self.assertIn(text, done.stderr)

    def config(self, line, section="[sync]"):
        path = os.path.join(self.be.data, "smartnode.conf")
        with open(path, encoding="utf-8") as file:
            text = file.read()
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace(section, section + "\n" + line, 1))
        return text.split("\n").index(section) + 2, lambda: self.write_config(text)

    def write_config(self, text):
        with open(os.path.join(self.be.data, "smartnode.conf"), "w", encoding="utf-8") as file:
            file.write(text)

    def test_a_configuration_with_an_unknown_key_or_a_bad_value_is_refused_with_its_line(self):
        for line, section, said in (("colour = red", "[sync]", "unknown key colour in [sync]"), ("port = 99999", "[http]", "http.port"),
                                    ("map_gib = much", "[storage]", "storage.map_gib"), ("listen = nowhere", "[sync]", "sync.listen")):
            number, undo = self.config(line, section)
            self.start_refused("line %d" % number, said, status=2)
            done = run("config", "check", "--data", self.be.data, status=2)
            self.assertIn("smartnode.conf:%d: " % number, done.stderr)
            undo()
        self.assertIn("fit to run", run("config", "check", "--data", self.be.data).stdout)
        self.assert_unchanged()

    def test_a_port_that_is_in_use_is_named(self):
        for port in self.be.http_port, self.be.sync_port:
            with socket.socket() as other:
                other.bind(("127.0.0.1", port))
                other.listen(1)
                self.start_refused(str(port), "in use", status=5)
        self.assert_unchanged()

    def test_data_of_another_unit_than_the_key_is_refused(self):
        other = self.cluster.add("SE")
        key, kept = os.path.join(self.be.data, "node.key"), os.path.join(self.cluster.folder, "kept")
        shutil.copy(key, kept)
        shutil.copy(os.path.join(other.data, "node.key"), key)
        self.start_refused("another unit", "node.key", "SE")
        shutil.copy(kept, key)
        self.cluster.nodes.pop("SE")
        self.assert_unchanged()

    def test_a_key_file_that_others_can_read_is_refused(self):
        for name in ("node.key", "vault.key"):
            path = os.path.join(self.be.data, name)
            os.chmod(path, 0o644)
            self.start_refused(name)
            os.chmod(path, 0o600)
        self.assert_unchanged()

    def test_a_vault_of_another_key_is_refused(self):
        other = self.cluster.add("SE")
        key, kept = os.path.join(self.be.data, "vault.key"), os.path.join(self.cluster.folder, "kept")
        shutil.copy(key, kept)
        shutil.copy(os.path.join(other.data, "vault.key"), key)
        self.start_refused("vault")
        shutil.copy(kept, key)
        self.cluster.nodes.pop("SE")
        self.assert_unchanged()

    def test_data_of_a_newer_format_is_refused(self):
        path = os.path.join(self.be.data, "main", "data.mdb")
        with open(path, "rb") as file:
            content = file.read()
        now, newer = b"format\x00\x00\x00\x01\x01", b"format\x00\x00\x00\x02\x01"
        self.assertIn(now, content)
        with open(path, "wb") as file:
            file.write(content.replace(now, newer))
        self.start_refused("format")
        with open(path, "wb") as file:
            file.write(content)
        self.assert_unchanged()

    def test_a_directory_without_a_node_says_how_to_make_one(self):
        done = run("run", "--data", os.path.join(self.cluster.folder, "nothing"), status=1)
        self.assertIn("smartnode init", done.stderr)

    def test_a_second_process_on_one_data_directory_is_refused_with_the_first_ones_number(self):
        self.be.start()
        self.start_refused(str(self.be.process.pid), status=5)
        for command in (("rebuild",),):
            done = run(*command, "--data", self.be.data, status=5)
            self.assertIn(str(self.be.process.pid), done.stderr)
        self.assert_unchanged()

    def test_init_does_not_touch_a_node_that_is_there(self):
        done = run("init", "--data", self.be.data, "--unit", "BE", "--name", "x", "--federation", "smart", "--test", "--keys-out",
                   os.path.join(self.cluster.folder, "more-keys"), status=1)
        self.assertIn("nothing was changed", done.stderr)
        self.assert_unchanged()

    def test_init_that_cannot_describe_the_unit_or_is_of_two_kinds_makes_nothing(self):
        data, keys = (os.path.join(self.cluster.folder, name) for name in ("unmade", "unmade-keys"))
        common = ("init", "--data", data, "--unit", "XX", "--name", "x", "--federation", "smart", "--keys-out", keys)
        for options, said in ((("--test", "--office", "Lille"), "--share-price"), (("--test", "--country", "FR"), "--time-zone"),
                              (("--test", "--production"), "exclude"), (("--production", "--test"), "exclude")):
            self.assertIn(said, run(*common, *options, status=2).stderr)
        self.assertFalse(os.path.exists(data) or os.path.exists(keys))

    def test_offline_keys_do_not_go_into_the_data_directory_by_whatever_path(self):
        data = os.path.join(self.cluster.folder, "apart")
        os.mkdir(data)
        os.symlink("apart", os.path.join(self.cluster.folder, "alias"))
        for keys in (data, os.path.join(data, "keys"), os.path.join(self.cluster.folder, "alias", "keys"), os.path.relpath(data) + "//keys",
                     os.path.join(data, "..", "apart", "k")):
            done = run("init", "--data", data, "--unit", "XX", "--name", "x", "--federation", "smart", "--test", "--keys-out", keys, status=1)
            self.assertIn("keys-out", done.stderr)
        self.assertEqual(os.listdir(data), [])

    def trust_refused(self, other, *texts):
        done = self.be.trust(other, status=1)
        for text in texts:
            self.assertIn(text, done.stderr)
        self.assertEqual(run("peer", "list", "--data", self.be.data).stdout, "")
        self.cluster.nodes.pop(other.code)
        self.assert_unchanged()

    def test_a_card_of_another_federation_is_refused(self):
        self.trust_refused(self.cluster.add("FR", federation="elsewhere"), "FR", "elsewhere", "smart")

    def test_a_production_card_is_refused_by_a_test_node(self):
        self.trust_refused(self.cluster.add("FR", production=True), "FR", "production", "test")

    def test_a_card_with_our_own_code_is_refused(self):
        other = self.cluster.add("BE", name="second")
        done = self.be.trust(other, status=1)
        self.assertIn("our own code BE", done.stderr)
        self.cluster.nodes.pop("second")
        self.assert_unchanged()

    def test_a_card_in_which_a_letter_was_changed_is_refused(self):
        other = self.cluster.add("FR")
        with open(other.card(), encoding="utf-8") as file:
            lines = file.read().split("\n")
        middle = lines[len(lines) // 2]
        lines[len(lines) // 2] = middle[:9] + ("x" if middle[9] != "x" else "y") + middle[10:]
        done = run("peer", "trust", "--data", self.be.data, "--yes", "-", stdin="\n".join(lines), status=1)
        self.assertIn("smartnode:", done.stderr)
        self.assertEqual(run("peer", "list", "--data", self.be.data).stdout, "")
        self.cluster.nodes.pop("FR")
        self.assert_unchanged()

    def test_a_peer_that_does_not_trust_us_is_shown_as_refusing(self):
        stranger = self.cluster.add("SE")
        stranger.trust(self.be)
        self.cluster.start()
        stranger.admit("1")
        seen = wait_until("SE sees that BE refuses it", lambda: (lambda p: p if p["state"] == "refused" else None)(stranger.peer("BE")))
        self.assertIn("pinned", seen["reason"])
        self.assertIsNone(stranger.members("BE"))
        self.assertIsNone(self.be.members("SE"))
        self.assertEqual(self.be.get("/v1/peers")["peers"], [])
        self.cluster.nodes.pop("SE").stop()
        self.assert_unchanged()


if __name__ == "__main__":
    unittest.main()
