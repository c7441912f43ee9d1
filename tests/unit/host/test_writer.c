/* The writer's thread: every request is answered once, whatever happens to its group; what cannot be stored harms nobody else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/host/writer.h"
#include "tests/support/node.h"

enum { JOBS = 24, NOTICES_KEPT = 256 };

struct bench {
    struct test_node node;
    struct writer *writer;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int done, alarms;
    size_t n_notices;
    struct writer_notice notices[NOTICES_KEPT];
};

struct ticket {
    struct api_job job; /* first: the writer gives it back */
    struct bench *bench;
    struct api_op op;
    int answers;
};

static void
on_notice(void *arg, const struct writer_notice *n)
{
    struct bench *b = arg;
    pthread_mutex_lock(&b->lock);
    if (b->n_notices < NOTICES_KEPT)
        b->notices[b->n_notices++] = *n;
    pthread_cond_broadcast(&b->changed);
    pthread_mutex_unlock(&b->lock);
}

static void
on_rebuilding(void *arg, uint64_t done, uint64_t total)
{
    (void)arg;
    (void)done;
    (void)total;
}

static void
on_alarm(void *arg, const struct log_about *about, const char *text)
{
    struct bench *b = arg;
    (void)about;
    (void)text;
    pthread_mutex_lock(&b->lock);
    b->alarms++;
    pthread_cond_broadcast(&b->changed);
    pthread_mutex_unlock(&b->lock);
}

static void
on_done(struct api_job *job)
{
    struct ticket *t = (struct ticket *)job;
    struct bench *b = t->bench;
    pthread_mutex_lock(&b->lock);
    t->answers++;
    b->done++;
    pthread_cond_broadcast(&b->changed);
    pthread_mutex_unlock(&b->lock);
}

static void
start(struct bench *b)
{
    struct writer_config c = {.engine = b->node.engine,
                              .db = b->node.db,
                              .notice = on_notice,
                              .rebuilding = on_rebuilding,
                              .alarm = on_alarm,
                              .arg = b};
    struct err err = {0};
    assert_int_equal(writer_start(&c, &b->writer, &err), 0);
}

static int
setup(void **state)
{
    struct bench *b = calloc(1, sizeof(*b));
    assert_non_null(b);
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->changed, NULL);
    test_node_make(&b->node);
    *state = b;
    return 0;
}

static int
teardown(void **state)
{
    struct bench *b = *state;
    writer_stop(&b->writer);
    db_fail_after(0);
    test_node_remove(&b->node);
    pthread_mutex_destroy(&b->lock);
    pthread_cond_destroy(&b->changed);
    free(b);
    return 0;
}

static void
prepare(struct bench *b, struct ticket *t, unsigned i)
{
    *t = (struct ticket){.bench = b};
    test_node_admission(&t->op, i);
    t->job = (struct api_job){.actor = {{0xAC}}, .n = 1, .ops = &t->op, .done = on_done};
}

static struct ticket *
submit(struct bench *b, unsigned n)
{
    struct ticket *t = calloc(n, sizeof(*t));
    struct err err = {0};
    assert_non_null(t);
    for (unsigned i = 0; i < n; i++) {
        prepare(b, &t[i], i);
        assert_int_equal(writer_submit(b->writer, &t[i].job, &err), 0);
    }
    return t;
}

static void
wait_done(struct bench *b, int n)
{
    pthread_mutex_lock(&b->lock);
    while (b->done < n)
        pthread_cond_wait(&b->changed, &b->lock);
    pthread_mutex_unlock(&b->lock);
}

/* Under lock. */
static int
count_locked(const struct bench *b, enum writer_notice_type type)
{
    int n = 0;
    for (size_t i = 0; i < b->n_notices; i++)
        n += b->notices[i].type == type;
    return n;
}

static int
count_notices(struct bench *b, enum writer_notice_type type)
{
    pthread_mutex_lock(&b->lock);
    int n = count_locked(b, type);
    pthread_mutex_unlock(&b->lock);
    return n;
}

static void
wait_notice(struct bench *b, enum writer_notice_type type)
{
    pthread_mutex_lock(&b->lock);
    while (count_locked(b, type) == 0)
        pthread_cond_wait(&b->changed, &b->lock);
    pthread_mutex_unlock(&b->lock);
}

static void
test_every_job_is_answered_once(void **state)
{
    struct bench *b = *state;
    start(b);
    struct ticket *t = submit(b, JOBS);
    wait_done(b, JOBS);
    writer_stop(&b->writer);
    for (int i = 0; i < JOBS; i++) {
        assert_int_equal(t[i].answers, 1);
        assert_int_equal(t[i].op.result.err.code, ERR_NONE);
        assert_true(t[i].op.result.has_position);
    }
    assert_true(count_notices(b, NOTICE_OWN_LOG) >= 1);
    test_node_check(&b->node);
    free(t);
}

static void
test_stop_answers_what_was_submitted(void **state)
{
    struct bench *b = *state;
    bool urgent;
    start(b);
    struct ticket *t = submit(b, JOBS);
    writer_stop(&b->writer);
    for (int i = 0; i < JOBS; i++)
        assert_int_equal(t[i].answers, 1);
    assert_false(engine_vault_pending(b->node.engine, &urgent)); /* the vault has followed */
    free(t);
}

static void
test_full_answers_all_and_comes_back(void **state)
{
    struct bench *b = *state;
    struct writer_stats s;
    start(b);
    db_fail_after(1);
    struct ticket *t = submit(b, 1);
    wait_done(b, 1);
    assert_int_equal(t[0].answers, 1);
    assert_int_equal(t[0].op.result.err.code, ERR_FULL);
    assert_false(t[0].op.result.has_position);
    free(t);
    t = submit(b, 2);
    wait_done(b, 3);
    assert_int_equal(t[0].op.result.err.code, ERR_NONE);
    assert_int_equal(t[1].op.result.err.code, ERR_NONE);
    writer_stats(b->writer, &s);
    assert_false(s.is_full);
    assert_int_equal(s.full, 1);
    writer_stop(&b->writer);
    test_node_check(&b->node);
    free(t);
}

/* Nobody writes: the node finds out by itself that there is room again. */
static void
test_full_ends_without_a_request(void **state)
{
    struct bench *b = *state;
    struct writer_stats s = {.is_full = true};
    start(b);
    db_fail_after(1);
    struct ticket *t = submit(b, 1);
    wait_done(b, 1);
    while (s.is_full)
        writer_stats(b->writer, &s);
    assert_int_equal(s.full, 1);
    free(t);
}

/* A run that storage refuses, in one group with good jobs and a good run of another log. */
static void
test_a_bad_run_takes_nobody_with_it(void **state)
{
    struct bench *b = *state;
    struct test_unit good_unit, bad_unit;
    struct test_log good, bad;
    struct run run;
    struct chain_value chain;
    test_unit_make(&good_unit, "NL", 2);
    test_unit_make(&bad_unit, "FR", 3);
    test_log_start(&good, &good_unit, 1, NULL, 0);
    test_log_start(&bad, &bad_unit, 1, NULL, 0);
    test_log_seal(&bad, &run, &chain);
    run.count = RUN_EVENTS_MAX + 1; /* ERR_LIMIT in evlog_append */
    struct writer_append *a = writer_append_new(&run, &chain, &bad.opened, &bad.first);
    test_log_seal(&good, &run, &chain);
    struct writer_append *c = writer_append_new(&run, &chain, &good.opened, &good.first);
    assert_non_null(a);
    assert_non_null(c);
    start(b);
    writer_append(b->writer, a);
    writer_append(b->writer, c);
    struct ticket *t = submit(b, 4);
    wait_done(b, 4);
    for (int i = 0; i < 4; i++)
        assert_int_equal(t[i].op.result.err.code, ERR_NONE);
    wait_notice(b, NOTICE_APPENDED);
    wait_notice(b, NOTICE_APPEND_FAILED);
    writer_stop(&b->writer);
    for (size_t i = 0; i < b->n_notices; i++) {
        const struct writer_notice *n = &b->notices[i];
        if (n->type == NOTICE_APPENDED)
            assert_memory_equal(&n->log, &good.id, sizeof(n->log));
        if (n->type == NOTICE_APPEND_FAILED)
            assert_memory_equal(&n->log, &bad.id, sizeof(n->log));
    }
    test_log_release(&good);
    test_log_release(&bad);
    test_node_check(&b->node);
    free(t);
}

/* A run after a gap was not stored; to say it was would leave the core ahead of the disk for ever. */
static void
test_a_gap_is_told_as_a_failure(void **state)
{
    struct bench *b = *state;
    struct test_unit unit;
    struct test_log log;
    struct run run;
    struct chain_value chain;
    test_unit_make(&unit, "NL", 2);
    test_log_start(&log, &unit, 1, NULL, 0);
    test_log_seal(&log, &run, &chain);
    struct writer_append *a = writer_append_new(&run, &chain, &log.opened, &log.first);
    test_log_filler(&log);
    test_log_seal(&log, &run, &chain);
    test_log_filler(&log);
    test_log_seal(&log, &run, &chain);
    struct writer_append *c = writer_append_new(&run, &chain, NULL, NULL);
    start(b);
    writer_append(b->writer, a);
    writer_append(b->writer, c);
    wait_notice(b, NOTICE_APPEND_FAILED);
    writer_stop(&b->writer);
    assert_int_equal(count_notices(b, NOTICE_APPENDED), 1);
    for (size_t i = 0; i < b->n_notices; i++)
        if (b->notices[i].type == NOTICE_APPENDED)
            assert_int_equal(b->notices[i].seq, 1);
    test_log_release(&log);
}

/* The disk was full when a proof came: it is kept until it is stored. */
static void
test_a_freeze_is_tried_again(void **state)
{
    struct bench *b = *state;
    struct log_row own = test_node_log(&b->node), row = {0};
    struct err err = {0};
    start(b);
    db_fail_after(1);
    writer_capsule(b->writer, writer_capsule_new(&own.id, 0, 0, true, slice_of("proof", 5)));
    while (row.state != LOG_FROZEN) {
        struct db_txn *txn = NULL;
        assert_int_equal(db_begin_read(b->node.db, &txn, &err), 0);
        assert_int_equal(evlog_find(txn, &own.id, &row, &err), 0);
        db_abort(&txn);
    }
    writer_stop(&b->writer);
    assert_true(b->alarms >= 1);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_every_job_is_answered_once),      T(test_stop_answers_what_was_submitted),
        T(test_full_answers_all_and_comes_back), T(test_full_ends_without_a_request),
        T(test_a_bad_run_takes_nobody_with_it),  T(test_a_gap_is_told_as_a_failure),
        T(test_a_freeze_is_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
