"""What a desk does with invoices that were mistaken: corrected more than once, given up as a whole, credited before."""

import os
import unittest

from cluster import Cluster, csv_row, CSV_COLUMNS, run


class DeskWork(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster("HU", topology=[])
        cls.addClassCleanup(cls.cluster.close)
        cls.node = cls.cluster["HU"]
        cls.member = cls.node.admit(1)
        cls.activity = cls.node.post("/v1/activities", {
            "member": cls.member, "sector": "music", "effective_on": "2024-03-01"}).json["id"]

    def issue(self, amount=10000):
        made = self.node.post("/v1/invoices", {"activity": self.activity, "date": "2024-04-03", "amount_minor": amount})
        return "/v1/invoices/" + made.json["id"]

    def tag(self, path):
        return {"If-Match": self.node.call("GET", path).headers["ETag"]}

    def change(self, method, path, body, status=200, of=None):
        answer = self.node.call(method, path, body, headers=self.tag(of or path))
        self.assertEqual(answer.status, status, answer)
        return answer

    def shown(self, path):
        invoice = self.node.get(path, "desk")
        return invoice["status"], invoice["amount_minor"], invoice["contribution_minor"]

    def test_an_invoice_is_corrected_again_and_again(self):
        path = self.issue()
        for amount in (20000, 30000, 10001):
            self.change("PATCH", path, {"amount_minor": amount})
        self.assertEqual(self.shown(path), ("issued", 10001, 650))

    def test_a_corrected_invoice_is_cancelled_as_a_whole_and_comes_back_as_it_was_last(self):
        path = self.issue()
        self.change("PATCH", path, {"amount_minor": 20000})
        self.change("POST", path + "/cancellations", {}, of=path)
        self.assertEqual(self.shown(path), ("cancelled", 20000, 1300))
        again = self.change("POST", path + "/cancellations", {}, 409, of=path)
        self.assertIn("is cancelled already", again.json["detail"])
        self.change("PATCH", path, {"client": "Verzonnen Kft"})
        self.assertEqual(self.shown(path), ("issued", 20000, 1300))

    def test_what_stands_in_the_way_of_a_cancellation_is_said_with_what_to_do(self):
        path = self.issue()
        self.change("POST", path + "/credit-notes", {"amount_minor": 1, "date": "2024-05-02"}, of=path)
        refused = self.change("POST", path + "/cancellations", {}, 409, of=path)
        self.assertEqual(refused.json["field"], "event")
        self.assertIn("invoice.credited of 2024-05", refused.json["detail"])
        self.assertIn("cancel that one first", refused.json["detail"])


class Order(unittest.TestCase):
    PEOPLE, EACH = 12, 20

    def test_a_file_sorted_by_person_does_not_become_a_log_sorted_by_person(self):
        with_cluster = Cluster("HU", topology=[], start=False)
        self.addCleanup(with_cluster.close)
        node = with_cluster["HU"]
        people = range(self.PEOPLE)
        self.imported(node, "members", [CSV_COLUMNS] + [csv_row("M-%d" % p, node.city) for p in people])
        self.imported(node, "activities", ["activity_no,member_no,sector,office,opened_on"] + [
            "A-%02d-%02d,M-%d,music,%s,2024-03-01" % (p, i, p, node.city) for p in people for i in range(self.EACH)])
        self.imported(node, "invoices", ["invoice_no,activity_no,date,amount"] + [
            "F-%02d-%02d,A-%02d-%02d,2024-04-%02d,%d" % (p, i, p, i, i + 1, 100 + i) for p in people for i in range(self.EACH)])
        node.start()
        for kind, path in (("activity.opened", "/v1/activities/"), ("invoice.issued", "/v1/invoices/")):
            whose = [node.get(path + e["subject"], "desk")["member"] for e in node.events() if e["kind"] == kind]
            self.assertEqual(len(whose), self.PEOPLE * self.EACH)
            neighbours = sum(a == b for a, b in zip(whose, whose[1:]))
            self.assertLess(neighbours, len(whose) / 3)  # 228 in a sorted log; some 20 in one without order

    @staticmethod
    def imported(node, what, lines):
        path = os.path.join(node.folder, what + ".csv")
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        run("import", "--data", node.data, path)


if __name__ == "__main__":
    unittest.main()
