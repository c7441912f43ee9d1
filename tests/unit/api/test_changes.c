/* The stream of changes: what is in it, resuming by cursor, cursors of another history, and clients that wait. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <jansson.h>
#include <poll.h>
#include <stdatomic.h>
#include <unistd.h>

#include "node/apply/apply.h"
#include "storage/changes.h"
#include "tests/support/api_server.h"
#include "tests/support/storage.h"

enum { POLLERS = 64, PATH_BYTES_MAX = 256 };

static char answer[ANSWER_BYTES_MAX];
static struct test_unit own, other;
static struct test_log own_log, other_log;

/* ---- what the node holds ---- */

/* Stores what is pending in the log and applies it, as one commit of the writer. */
static void
commit(struct api_server *s, struct test_log *log)
{
    struct apply *apply;
    struct state *state;
    struct db_txn *txn;
    struct log_row row;
    bool more;
    struct err err;

    assert_int_equal(state_new(s->db, &state, &err), 0);
    assert_int_equal(apply_new(s->db, state, &apply, &err), 0);
    assert_int_equal(db_begin_write(s->db, &txn, &err), 0);
    state_begin(state, txn);
    test_log_store(log, txn, &row);
    assert_int_equal(apply_log(apply, txn, row.no, 0, &more, &err), 0);
    assert_int_equal(state_flush(state, &err), 0);
    assert_int_equal(db_commit(&txn, &err), 0);
    apply_free(&apply);
    state_free(&state);
}

/* One more event, told as the writer tells it. */
static void
change(struct api_server *s, struct test_log *log)
{
    (void)test_log_filler(log);
    commit(s, log);
    api_changed(s->api);
}

/* What a later version writes. */
static void
unknown_event(struct test_log *log)
{
    struct event_payload p = {.kind = KIND_MEMBER_RESIGNED};
    struct buf payload;
    struct err err;

    buf_init(&payload, PAYLOAD_BYTES_MAX);
    p.common.has_actor = p.common.has_salt = p.common.has_effective = p.common.has_subject = true;
    p.common.effective = date_from_ymd(2026, 1, 2);
    assert_int_equal(event_payload_encode(&p, &payload, &err), 0);
    (void)test_log_raw(log, 40000, 1, false, buf_slice(&payload), NULL, 0, NULL, 0);
    buf_free(&payload);
}

/* The clock, which is asked several times on the way of a request, also between its reading and its waiting: then something is
 * committed just there. */
static struct mono_ms (*plain_clock)(void *arg);
static atomic_bool commits_come;

static struct mono_ms
clock_with_a_commit(void *arg)
{
    struct api_server *s = arg;

    if (atomic_load(&commits_come)) {
        change(s, &own_log);
    }
    return plain_clock(arg);
}

static void
prepare(struct api_server *s)
{
    plain_clock = s->deps.now_mono;
    s->deps.now_mono = clock_with_a_commit;
    test_unit_make(&own, "BE", 7);
    test_unit_make(&other, "SE", 8);
    s->deps.unit = own.id;
    test_log_start(&own_log, &own, 1, NULL, 0);
    (void)test_log_filler(&own_log);
    commit(s, &own_log);
    test_log_start(&other_log, &other, 1, NULL, 0);
    (void)test_log_filler(&other_log);
    (void)test_log_filler(&other_log);
    commit(s, &other_log);
    unknown_event(&own_log);
    (void)test_log_raw(&own_log, KIND_OFFICE_OPENED, 1, false, slice_of("\xff", 1), NULL, 0, NULL, 0);
    commit(s, &own_log);
}

static int
setup(void **state)
{
    struct api_server *s = calloc(1, sizeof(*s));

    s->prepare = prepare;
    server_start(s);
    *state = s;
    return 0;
}

static int
teardown(void **state)
{
    server_stop(*state);
    test_log_release(&own_log);
    test_log_release(&other_log);
    free(*state);
    return 0;
}

/* ---- asking ---- */

static const char *
body_of(const char *text)
{
    const char *end = strstr(text, "\r\n\r\n");

    assert_non_null(end);
    return end + 4;
}

static json_t *
parsed(const char *text)
{
    json_t *j = json_loads(body_of(text), JSON_REJECT_DUPLICATES, NULL);

    assert_non_null(j);
    return j;
}

static json_t *
pull(struct api_server *s, const char *query)
{
    char path[PATH_BYTES_MAX];

    snprintf(path, sizeof(path), "/v1/changes%s", query);
    assert_int_equal(client_request(s, "GET", path, s->integration, "", NULL, answer, sizeof(answer)), 200);
    return parsed(answer);
}

static const char *
text_in(const json_t *j, const char *key)
{
    const char *text = json_string_value(json_object_get(j, key));

    return text != NULL ? text : "";
}

static json_int_t
number_in(const json_t *j, const char *key)
{
    return json_integer_value(json_object_get(j, key));
}

static void
assert_change(const json_t *page, size_t i, const char *unit, json_int_t seq, const char *kind, const char *outcome)
{
    const json_t *c = json_array_get(json_object_get(page, "changes"), i);

    assert_string_equal(text_in(c, "change"), "event");
    assert_string_equal(text_in(c, "unit"), unit);
    assert_int_equal(number_in(c, "seq"), seq);
    assert_string_equal(text_in(c, "kind"), kind);
    assert_string_equal(text_in(c, "outcome"), outcome);
}

static size_t
n_changes(const json_t *page)
{
    return json_array_size(json_object_get(page, "changes"));
}

/* ---- what is in it ---- */

static void
the_own_units_events_come_in_order_with_what_became_of_them(void **state)
{
    json_t *page = pull(*state, "");

    assert_int_equal(n_changes(page), 4);
    assert_change(page, 0, "BE", 1, "log.opened", "applied");
    assert_change(page, 1, "BE", 2, "office.opened", "applied");
    assert_change(page, 2, "BE", 3, "unknown", "applied");
    assert_change(page, 3, "BE", 4, "office.opened", "void");
    const json_t *changes = json_object_get(page, "changes");
    assert_int_equal(number_in(json_array_get(changes, 2), "kind_no"), 40000);
    assert_string_equal(text_in(json_array_get(changes, 3), "reason"), "cannot be read");
    assert_int_equal(strncmp(text_in(json_array_get(changes, 1), "path"), "/v1/units/BE/offices/", 21), 0);
    assert_non_null(json_object_get(json_object_get(json_array_get(changes, 1), "facets"), "name"));
    assert_string_equal(text_in(page, "next"), text_in(json_array_get(changes, 3), "cursor"));
    assert_true(json_is_false(json_object_get(page, "more")));
    json_decref(page);
}

static void
other_units_are_there_for_whoever_asks(void **state)
{
    json_t *all = pull(*state, "?unit=all"), *se = pull(*state, "?unit=SE");

    assert_int_equal(n_changes(all), 7);
    assert_change(all, 2, "SE", 1, "log.opened", "applied");
    assert_change(all, 4, "SE", 3, "office.opened", "applied");
    assert_change(all, 5, "BE", 3, "unknown", "applied");
    assert_int_equal(n_changes(se), 3);
    assert_true(json_is_false(json_object_get(se, "more")));
    assert_string_equal(text_in(se, "next"), text_in(all, "next"));
    json_decref(all);
    json_decref(se);
}

/* Pages of every size, for every unit, one after the other give what one page gives, once and in order. */
static void
pages_of_any_size_add_up(void **state)
{
    static const char *const units[] = {"BE", "SE", "all"};

    for (size_t u = 0; u < ARRAY_LEN(units); u++) {
        char query[PATH_BYTES_MAX];
        snprintf(query, sizeof(query), "?unit=%s", units[u]);
        json_t *whole = pull(*state, query);
        for (int limit = 1; limit <= 8; limit++) {
            char after[64] = "";
            size_t seen = 0;
            bool more = true;
            while (more) {
                snprintf(query, sizeof(query), "?unit=%s&limit=%d%s%s", units[u], limit, after[0] ? "&after=" : "",
                         after);
                json_t *page = pull(*state, query);
                for (size_t i = 0; i < n_changes(page); i++) {
                    assert_true(json_equal(json_array_get(json_object_get(page, "changes"), i),
                                           json_array_get(json_object_get(whole, "changes"), seen++)));
                }
                more = json_is_true(json_object_get(page, "more"));
                snprintf(after, sizeof(after), "%s", text_in(page, "next"));
                json_decref(page);
            }
            assert_int_equal(seen, n_changes(whole));
        }
        json_decref(whole);
    }
}

static void
lines_end_in_one_that_says_where_to_go_on(void **state)
{
    struct api_server *s = *state;
    size_t n = 0;

    assert_int_equal(client_request(s, "GET", "/v1/changes?unit=all&limit=6", s->integration,
                                    "Accept: application/x-ndjson\r\n", NULL, answer, sizeof(answer)),
                     200);
    assert_non_null(strstr(answer, "Content-Type: application/x-ndjson\r\n"));
    char *rest = answer + (body_of(answer) - answer), *line;
    while ((line = strsep(&rest, "\n")) != NULL && line[0] != '\0') {
        json_t *j = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(j);
        if (n < 6) {
            assert_non_null(json_object_get(j, "cursor"));
        } else {
            assert_true(json_is_true(json_object_get(j, "more")));
            assert_non_null(json_object_get(j, "next"));
        }
        n++;
        json_decref(j);
    }
    assert_int_equal(n, 7);
}

static void
only_the_platform_and_operators_may_read_it(void **state)
{
    struct api_server *s = *state;

    assert_int_equal(client_request(s, "GET", "/v1/changes", s->operator_token, "", NULL, answer, sizeof(answer)), 200);
    assert_int_equal(client_request(s, "GET", "/v1/changes", s->desk, "", NULL, answer, sizeof(answer)), 403);
    assert_int_equal(client_request(s, "GET", "/v1/changes", s->reports, "", NULL, answer, sizeof(answer)), 403);
    assert_int_equal(client_request(s, "GET", "/v1/changes", NULL, "", NULL, answer, sizeof(answer)), 401);
}

/* ---- cursors ---- */

static void
now_is_the_end_and_goes_on_from_there(void **state)
{
    struct api_server *s = *state;
    char query[PATH_BYTES_MAX];
    json_t *now = pull(s, "?after=now");

    assert_int_equal(n_changes(now), 0);
    snprintf(query, sizeof(query), "?after=%s", text_in(now, "next"));
    change(s, &other_log);
    change(s, &own_log);
    json_t *page = pull(s, query);
    assert_int_equal(n_changes(page), 1);
    assert_change(page, 0, "BE", 5, "office.opened", "applied");
    json_decref(page);
    json_decref(now);
}

static void
a_cursor_that_is_none_is_refused(void **state)
{
    static const char *const bad[] = {"",
                                      "x",
                                      "-",
                                      "1",
                                      "1-",
                                      "1-0011223344",
                                      "1-00112233445566778",
                                      "1-00112233445566zz",
                                      "+1-0011223344556677",
                                      "%201-0011223344556677",
                                      "99999999999999999999-0011223344556677",
                                      "1-0011223344556677%20"};
    static const char *const bad_query[] = {"limit=0", "limit=501", "wait=31", "wait=-1",
                                            "wait=x",  "unit=be",   "since=1"};
    struct api_server *s = *state;
    char path[PATH_BYTES_MAX];

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        snprintf(path, sizeof(path), "/v1/changes?after=%s", bad[i]);
        assert_int_equal(client_request(s, "GET", path, s->integration, "", NULL, answer, sizeof(answer)), 400);
        assert_non_null(strstr(answer, "\"field\":\"after\""));
    }
    for (size_t i = 0; i < ARRAY_LEN(bad_query); i++) {
        snprintf(path, sizeof(path), "/v1/changes?%s", bad_query[i]);
        assert_int_equal(client_request(s, "GET", path, s->integration, "", NULL, answer, sizeof(answer)), 400);
    }
    assert_int_equal(client_request(s, "GET", "/v1/changes?unit=FR", s->integration, "", NULL, answer, sizeof(answer)),
                     404);
}

static void
assert_gone(struct api_server *s, const char *cursor)
{
    char path[PATH_BYTES_MAX];

    snprintf(path, sizeof(path), "/v1/changes?wait=30&after=%s", cursor);
    assert_int_equal(client_request(s, "GET", path, s->integration, "", NULL, answer, sizeof(answer)), 410);
    assert_non_null(strstr(answer, "application/problem+json"));
    assert_non_null(strstr(answer, "\"field\":\"after\""));
    assert_non_null(strstr(answer, "read members, activities, invoices and postings anew"));
    assert_non_null(strstr(answer, "after=now"));
}

static void
a_cursor_of_another_history_is_gone(void **state)
{
    struct api_server *s = *state;
    json_t *page = pull(s, "?unit=all&limit=3");
    char cursor[64];

    snprintf(cursor, sizeof(cursor), "%s", text_in(page, "next"));
    json_decref(page);
    cursor[strlen(cursor) - 1] ^= 1;
    assert_gone(s, cursor);
    assert_gone(s, "8-0011223344556677"); /* ahead by one */
    assert_gone(s, "0-0011223344556677");
}

static void
a_roll_back_is_told_and_cursors_within_it_are_gone(void **state)
{
    struct api_server *s = *state;
    char query[PATH_BYTES_MAX];
    struct db_txn *txn;
    struct log_row row;
    struct err err;
    json_t *before = pull(s, "?unit=all&limit=4"), *inside = pull(s, "?unit=all&limit=5");

    assert_int_equal(db_begin_write(s->db, &txn, &err), 0);
    assert_int_equal(evlog_find(txn, &other_log.id, &row, &err), 0);
    assert_int_equal(evlog_truncate(txn, &row, 0, &err), 0);
    assert_int_equal(db_commit(&txn, &err), 0);
    assert_gone(s, text_in(before, "next"));
    assert_gone(s, text_in(inside, "next"));
    json_t *page = pull(s, "?unit=all");
    assert_int_equal(n_changes(page), 4 + 3);
    assert_change(page, 2, "BE", 3, "unknown", "applied");
    for (size_t i = 0; i < 3; i++) {
        const json_t *c = json_array_get(json_object_get(page, "changes"), 4 + i);
        assert_string_equal(text_in(c, "change"), "withdrawn");
        assert_string_equal(text_in(c, "unit"), "SE");
        assert_int_equal(number_in(c, "seq"), (json_int_t)i + 1);
        snprintf(query, sizeof(query), "?unit=all&after=%s", text_in(c, "cursor"));
        json_t *rest = pull(s, query);
        assert_int_equal(n_changes(rest), 2 - i);
        json_decref(rest);
    }
    json_decref(page);
    json_decref(before);
    json_decref(inside);
}

/* ---- waiting ---- */

static void
poll_send(struct api_server *s, int fd, const char *query)
{
    char head[512];

    snprintf(head, sizeof(head), "GET /v1/changes?%s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n\r\n",
             query, s->integration);
    client_text(fd, head);
}

static int
poll_begin(struct api_server *s, const char *query)
{
    int fd = client_open(s);

    poll_send(s, fd, query);
    return fd;
}

static json_t *
poll_end(int fd)
{
    assert_true(client_answer(fd, answer, sizeof(answer)));
    assert_int_equal(answer_status(answer), 200);
    close(fd);
    return parsed(answer);
}

static void
who_waits_gets_the_change_when_it_comes(void **state)
{
    struct api_server *s = *state;

    for (int i = 0; i < 50; i++) { /* whether it was suspended already or just about to be */
        json_t *now = pull(s, "?after=now");
        char query[PATH_BYTES_MAX];
        snprintf(query, sizeof(query), "wait=30&after=%s", text_in(now, "next"));
        int fd = poll_begin(s, query);
        change(s, &other_log); /* not asked for: it waits on */
        change(s, &own_log);
        json_t *page = poll_end(fd);
        assert_int_equal(n_changes(page), 1);
        assert_change(page, 0, "BE", 5 + i, "office.opened", "applied");
        json_decref(page);
        json_decref(now);
    }
}

static void
a_commit_between_reading_and_waiting_is_not_missed(void **state)
{
    struct api_server *s = *state;
    int fd = poll_begin(s, "after=now");

    assert_true(client_answer(fd, answer, sizeof(answer)));
    atomic_store(&commits_come, true);
    poll_send(s, fd, "after=now&wait=30");
    json_t *page = poll_end(fd);
    atomic_store(&commits_come, false);
    assert_true(n_changes(page) > 0);
    json_decref(page);
}

static void
what_is_there_already_is_not_waited_for(void **state)
{
    json_t *page = pull(*state, "?wait=30");

    assert_int_equal(n_changes(page), 4);
    json_decref(page);
}

/* Opens connections until one is refused: then POLLERS are suspended, for certain. */
static void
fill_pollers(struct api_server *s, const char *query, int fds[POLLERS])
{
    struct pollfd p[POLLERS + 1];
    size_t n = POLLERS + 1, refused = n, k = 0;

    for (size_t i = 0; i < n; i++) {
        p[i] = (struct pollfd){.fd = poll_begin(s, query), .events = POLLIN};
    }
    assert_int_equal(poll(p, n, 60000), 1);
    for (size_t i = 0; i < n; i++) {
        if (p[i].revents != 0) {
            refused = i;
        } else {
            assert_true(k < POLLERS);
            fds[k++] = p[i].fd;
        }
    }
    assert_true(refused < n);
    assert_true(client_answer(p[refused].fd, answer, sizeof(answer)));
    assert_int_equal(answer_status(answer), 503);
    assert_non_null(strstr(answer, "Retry-After"));
    close(p[refused].fd);
}

static void
a_bounded_number_may_wait_and_all_are_woken(void **state)
{
    struct api_server *s = *state;
    int fds[POLLERS];

    fill_pollers(s, "wait=30&after=now", fds);
    json_t *page = pull(s, "?limit=1"); /* others are served meanwhile */
    assert_int_equal(n_changes(page), 1);
    json_decref(page);
    change(s, &own_log);
    for (size_t i = 0; i < POLLERS; i++) {
        page = poll_end(fds[i]);
        assert_int_equal(n_changes(page), 1);
        json_decref(page);
    }
    fill_pollers(s, "wait=30&after=now", fds); /* there is room again */
    change(s, &own_log);
    for (size_t i = 0; i < POLLERS; i++) {
        json_decref(poll_end(fds[i]));
    }
}

static void
who_has_waited_long_enough_is_answered_with_nothing(void **state)
{
    struct api_server *s = *state;
    int fds[POLLERS];

    fill_pollers(s, "wait=7&after=now", fds);
    struct pollfd p = {.fd = fds[0], .events = POLLIN};
    api_tick(s->api, (struct mono_ms){s->mono_ms + 6999});
    assert_int_equal(poll(&p, 1, 0), 0);
    pthread_mutex_lock(&s->lock);
    s->mono_ms += 7000;
    pthread_mutex_unlock(&s->lock);
    api_tick(s->api, (struct mono_ms){s->mono_ms});
    for (size_t i = 0; i < POLLERS; i++) {
        json_t *page = poll_end(fds[i]);
        assert_int_equal(n_changes(page), 0);
        assert_true(json_is_false(json_object_get(page, "more")));
        json_decref(page);
    }
}

static void
clients_that_went_away_while_they_waited_leave_nothing(void **state)
{
    struct api_server *s = *state;
    int fds[POLLERS];

    for (int turn = 0; turn < 3; turn++) {
        fill_pollers(s, "wait=30&after=now", fds);
        for (size_t i = 0; i < POLLERS; i++) {
            close(fds[i]);
        }
        change(s, &own_log);
    }
    json_t *page = pull(s, "?after=now");
    json_decref(page);
}

static void
a_stop_does_not_wait_for_who_waits(void **state)
{
    struct api_server *s = *state;
    int fds[POLLERS];

    fill_pollers(s, "wait=30&after=now", fds);
    api_stop(&s->api);
    for (size_t i = 0; i < POLLERS; i++) {
        (void)client_closed(fds[i], answer, sizeof(answer));
    }
}

static void
a_token_that_is_revoked_meanwhile_gets_nothing(void **state)
{
    struct api_server *s = *state;
    int fds[POLLERS];
    struct db_txn *txn;
    struct err err;

    fill_pollers(s, "wait=30&after=now", fds);
    assert_int_equal(db_begin_write(s->db, &txn, &err), 0);
    assert_int_equal(db_clear(txn, TABLE_TOKENS, &err), 0);
    assert_int_equal(db_commit(&txn, &err), 0);
    change(s, &own_log);
    for (size_t i = 0; i < POLLERS; i++) {
        assert_true(client_answer(fds[i], answer, sizeof(answer)));
        assert_int_equal(answer_status(answer), 401);
        close(fds[i]);
    }
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(the_own_units_events_come_in_order_with_what_became_of_them),
        T(other_units_are_there_for_whoever_asks),
        T(pages_of_any_size_add_up),
        T(lines_end_in_one_that_says_where_to_go_on),
        T(only_the_platform_and_operators_may_read_it),
        T(now_is_the_end_and_goes_on_from_there),
        T(a_cursor_that_is_none_is_refused),
        T(a_cursor_of_another_history_is_gone),
        T(a_roll_back_is_told_and_cursors_within_it_are_gone),
        T(who_waits_gets_the_change_when_it_comes),
        T(a_commit_between_reading_and_waiting_is_not_missed),
        T(what_is_there_already_is_not_waited_for),
        T(a_bounded_number_may_wait_and_all_are_woken),
        T(who_has_waited_long_enough_is_answered_with_nothing),
        T(clients_that_went_away_while_they_waited_leave_nothing),
        T(a_stop_does_not_wait_for_who_waits),
        T(a_token_that_is_revoked_meanwhile_gets_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
