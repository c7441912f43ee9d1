/* What status and metrics show: how long the oldest event waits, how full the store is, and what a person is told first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "node/api/prometheus.h"
#include "node/cli/status_show.h"
#include "node/host/health.h"
#include "tests/support/node.h"

static struct health
health_at(struct test_node *n, int64_t later_ms)
{
    struct health h;
    health_read(n->db, n->vault, n->dir, (struct wall_ms){n->now_ms + later_ms}, &h);
    return h;
}

/* As apply notes that an event waits for one that is not held. */
static void
put_waiting(struct test_node *n, uint64_t seq)
{
    uint8_t key[KEY_WAITING] = {0x77};
    struct db_txn *txn = NULL;
    struct err err = {0};
    be32_put(key + KEY_POSITION, 1);
    be64_put(key + KEY_POSITION + 4, seq);
    assert_int_equal(db_begin_write(n->db, &txn, &err), 0);
    assert_int_equal(db_put(txn, TABLE_WAITING, slice_of(key, sizeof(key)), slice_of("", 1), &err), 0);
    assert_int_equal(db_commit(&txn, &err), 0);
}

static void
the_age_of_what_waits_is_that_of_the_oldest_event(void **state)
{
    static struct test_node n;
    test_node_make(&n);
    struct health h = health_at(&n, 5000);
    assert_int_equal(h.waiting, 0);
    assert_int_equal(h.waiting_oldest_ms, 0);
    struct api_op op;
    n.now_ms += 60000;
    test_node_admission(&op, 1);
    assert_int_equal(test_node_exec(&n, &op, &(struct err){0}), 0);
    uint64_t last = test_node_log(&n).head_seq;
    put_waiting(&n, last);
    h = health_at(&n, 5000);
    assert_int_equal(h.waiting, 1);
    assert_in_range(h.waiting_oldest_ms, 5000, 6000);
    put_waiting(&n, 1);
    h = health_at(&n, 5000);
    assert_int_equal(h.waiting, 2);
    assert_true(h.waiting_oldest_ms >= 65000);
    assert_true(health_at(&n, 15000).waiting_oldest_ms == h.waiting_oldest_ms + 10000);
    test_node_remove(&n);
}

static void
what_is_stored_is_counted(void **state)
{
    static struct test_node n;
    test_node_make(&n);
    struct health before = health_at(&n, 0);
    struct api_op op;
    test_node_admission(&op, 1);
    assert_int_equal(test_node_exec(&n, &op, &(struct err){0}), 0);
    struct health h = health_at(&n, 0);
    assert_int_equal(h.logs, 1);
    assert_true(h.applied > before.applied);
    assert_true(h.capsules > before.capsules);
    assert_true(h.main.used_bytes > 0 && h.main.used_bytes < h.main.map_bytes);
    assert_true(h.vault.used_bytes > 0 && h.disk_free_bytes > 0 && h.disk_free_bytes <= h.disk_bytes);
    test_node_remove(&n);
}

static void
a_label_is_quoted(void **state)
{
    struct buf b;
    buf_init(&b, 1024);
    prom_sample(&b, "x", "peer", "a\"b\\c", 7);
    prom_one_milli(&b, "y_seconds", "gauge", "Why.", 1234);
    buf_put_u8(&b, 0);
    assert_string_equal((const char *)b.data,
                        "x{peer=\"a\\\"b\\\\c\"} 7\n# HELP y_seconds Why.\n# TYPE y_seconds gauge\ny_seconds 1.234\n");
    buf_free(&b);
}

/* ---- what is wrong ---- */

static size_t
problems(const char *status, const char *peers, const char *expected)
{
    json_t *s = json_loads(status, 0, NULL), *p = json_loads(peers, 0, NULL);
    assert_non_null(s);
    assert_non_null(p);
    json_t *list = status_problems(s, p);
    size_t n = json_array_size(list);
    if (expected) {
        assert_true(n > 0);
        assert_non_null(strstr(json_string_value(json_array_get(list, 0)), expected));
    }
    json_decref(list);
    json_decref(s);
    json_decref(p);
    return n;
}

#define STORE(used, free)                                    \
    "{\"state\":\"ready\",\"storage\":{\"used_bytes\":" used \
    ",\"map_bytes\":1000000,\"disk_bytes\":1000000,\"disk_free_bytes\":" free "}}"

static void
what_is_wrong_is_said_with_what_to_do(void **state)
{
    assert_int_equal(problems(STORE("1000", "900000"), "[]", NULL), 0);
    assert_int_equal(problems(STORE("810000", "900000"), "[]", "raise map_gib"), 1);
    assert_int_equal(problems(STORE("1000", "1000"), "[]", "make room"), 1);
    assert_int_equal(problems("{\"state\":\"full\"}", "[]", "Make room"), 1);
    assert_int_equal(problems("{\"state\":\"ready\",\"warnings\":[\"no keeper\"]}", "[]", "no keeper"), 1);
    assert_int_equal(problems("{\"state\":\"ready\",\"waiting\":{\"n\":2,\"oldest_s\":7200}}", "[]", "pin the unit"),
                     1);
    assert_int_equal(problems("{\"state\":\"ready\",\"waiting\":{\"n\":2,\"oldest_s\":60}}", "[]", NULL), 0);
    assert_int_equal(problems("{\"state\":\"ready\",\"conflicts\":3}", "[]", "GET /v1/conflicts"), 1);
}

static void
a_peer_is_a_problem_when_it_refuses_or_is_late(void **state)
{
    assert_int_equal(problems("{\"state\":\"ready\"}", "[{\"code\":\"SE\",\"state\":\"current\",\"lag_s\":0}]", NULL),
                     0);
    assert_int_equal(problems("{\"state\":\"ready\"}", "[{\"code\":\"SE\",\"state\":\"down\",\"lag_s\":20}]", NULL), 0);
    assert_int_equal(problems("{\"state\":\"ready\"}", "[{\"code\":\"SE\",\"state\":\"down\",\"lag_s\":900}]",
                              "SE is not connected, for 15 min"),
                     1);
    assert_int_equal(problems("{\"state\":\"ready\"}",
                              "[{\"code\":\"SE\",\"state\":\"catching-up\",\"lag_s\":900,\"lag_events\":4200}]",
                              "SE: 4 200 events behind, for 15 min"),
                     1);
    assert_int_equal(problems("{\"state\":\"ready\"}",
                              "[{\"code\":\"SE\",\"state\":\"refused\",\"lag_s\":1,\"reason\":\"refuses our key\"}]",
                              "SE refuses our key"),
                     1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_age_of_what_waits_is_that_of_the_oldest_event),
        cmocka_unit_test(what_is_stored_is_counted),
        cmocka_unit_test(a_label_is_quoted),
        cmocka_unit_test(what_is_wrong_is_said_with_what_to_do),
        cmocka_unit_test(a_peer_is_a_problem_when_it_refuses_or_is_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
