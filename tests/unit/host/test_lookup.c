/* Double admission between two nodes without a network: what one sends is carried to the other by hand, the clock is the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

#include "node/host/lookup.h"
#include "storage/lookups.h"
#include "tests/support/node.h"

enum { SENT_MAX = 64, HOUR = 3600000, DAY = 86400000 };

static const struct unit_id THERE = {{0x7E}}, HERE = {{0xAE}};

struct side {
    struct test_node node;
    struct lookup *lookup;
    struct unit_id peer;
    enum api_peer_state peer_state;
    int64_t mono_ms;
    uint64_t random;
    size_t n_sent, n_alarms;
    struct sync_event sent[SENT_MAX];
    struct buf entries; /* of the last answer */
};

static struct civil_date
today_of(void *arg)
{
    return (struct civil_date){((struct side *)arg)->node.today};
}

static struct wall_ms
wall_of(void *arg)
{
    return (struct wall_ms){((struct side *)arg)->node.now_ms};
}

static struct mono_ms
mono_of(void *arg)
{
    return (struct mono_ms){((struct side *)arg)->mono_ms};
}

static void
random_of(void *arg, uint8_t *out, size_t len)
{
    test_draw(&((struct side *)arg)->random, out, len);
}

static size_t
peers_of(void *arg, struct api_peer *ret, size_t max)
{
    struct side *s = arg;
    assert_true(max > 0);
    ret[0] = (struct api_peer){.unit = s->peer, .state = s->peer_state, .code = "SE"};
    return 1;
}

static void
send_of(void *arg, const struct sync_event *ev)
{
    struct side *s = arg;
    assert_true(s->n_sent < SENT_MAX);
    s->sent[s->n_sent] = *ev;
    if (ev->type == SYNC_ADMISSION_DONE) {
        buf_clear(&s->entries);
        buf_put(&s->entries, ev->admission_done.entries.data, ev->admission_done.entries.len);
        s->sent[s->n_sent].admission_done.entries = buf_slice(&s->entries);
    }
    s->n_sent++;
}

static void
alarm_of(void *arg, const struct log_about *about, const char *text)
{
    (void)about;
    (void)text;
    ((struct side *)arg)->n_alarms++;
}

static void
side_open(struct side *s, uint64_t per_hour)
{
    struct lookup_config c = {.db = s->node.db,
                              .vault = s->node.vault,
                              .unit = s->node.identity.unit,
                              .per_hour = per_hour,
                              .today = today_of,
                              .now_wall = wall_of,
                              .now_mono = mono_of,
                              .random = random_of,
                              .peers = peers_of,
                              .send = send_of,
                              .alarm = alarm_of,
                              .arg = s};
    struct err err;
    assert_int_equal(lookup_new(&c, &s->lookup, &err), 0);
}

struct pair {
    struct side ours, theirs;
};

static int
setup(void **state)
{
    struct pair *p = calloc(1, sizeof(*p));
    assert_non_null(p);
    test_node_make(&p->ours.node);
    test_node_make(&p->theirs.node);
    (void)test_node_admit(&p->theirs.node, 100); /* so that ids differ from those drawn at ours */
    p->ours.peer = THERE;
    p->theirs.peer = HERE;
    p->ours.peer_state = p->theirs.peer_state = PEER_CURRENT;
    p->ours.mono_ms = p->theirs.mono_ms = 1000;
    p->ours.random = 5;
    p->theirs.random = 6;
    buf_init(&p->ours.entries, MESSAGE_BYTES_MAX);
    buf_init(&p->theirs.entries, MESSAGE_BYTES_MAX);
    side_open(&p->ours, 60);
    side_open(&p->theirs, 60);
    *state = p;
    return 0;
}

static int
teardown(void **state)
{
    struct pair *p = *state;
    struct side *sides[] = {&p->ours, &p->theirs};
    for (size_t i = 0; i < ARRAY_LEN(sides); i++) {
        lookup_free(&sides[i]->lookup);
        buf_free(&sides[i]->entries);
        test_node_remove(&sides[i]->node);
    }
    free(p);
    return 0;
}

static struct api_op *
exec(struct side *s, struct api_op *op)
{
    struct err err = {0};
    assert_int_equal(test_node_exec(&s->node, op, &err), 0);
    if (op->result.err.code != ERR_NONE)
        fail_msg("%s: %s", op->result.err.field, op->result.err.text);
    assert_int_equal(engine_vault_flush(s->node.engine, &err), 0);
    return op;
}

/* Admits the i-th person; ask: at the desk. */
static struct subject_id
admit(struct side *s, unsigned i, bool ask)
{
    struct api_op *op = calloc(1, sizeof(*op));
    assert_non_null(op);
    test_node_admission(op, i);
    op->member.ask = ask;
    struct subject_id id = exec(s, op)->result.subject;
    free(op);
    return id;
}

static void
resign(struct side *s, const struct subject_id *who)
{
    struct api_op *op = calloc(1, sizeof(*op));
    assert_non_null(op);
    op->kind = OP_MEMBER;
    op->status_on_success = 200;
    op->member.request.action = ACTION_RESIGN;
    op->member.request.has_subject = true;
    op->member.request.subject = *who;
    op->member.request.effective = (struct civil_date){s->node.today};
    op->member.request.person.identity.birth_date = DATE_NONE;
    (void)exec(s, op);
    free(op);
}

/* Brings the question at `ours` to `theirs`; the answer stays with theirs. */
static struct sync_event
carry_question(struct pair *p, size_t i)
{
    const struct sync_event *q = &p->ours.sent[i];
    struct sync_effect asked = {.type = SYNC_ADMISSION_ASKED, .conn = 3};
    assert_int_equal(q->type, SYNC_ADMISSION_ASK);
    assert_memory_equal(&q->admission_ask.unit, &THERE, sizeof(THERE));
    asked.admission_asked.number = q->admission_ask.number;
    asked.admission_asked.unit = HERE;
    asked.admission_asked.bucket = q->admission_ask.bucket;
    asked.admission_asked.blinded = q->admission_ask.blinded;
    p->theirs.n_sent = 0;
    lookup_take(p->theirs.lookup, &asked);
    lookup_turn(p->theirs.lookup);
    assert_int_equal(p->theirs.n_sent, 1);
    assert_int_equal(p->theirs.sent[0].type, SYNC_ADMISSION_DONE);
    assert_int_equal(p->theirs.sent[0].admission_done.conn, 3);
    return p->theirs.sent[0];
}

static void
carry_answer(struct pair *p, const struct sync_event *a)
{
    struct sync_effect answered = {.type = SYNC_ADMISSION_ANSWERED};
    answered.admission_answered.number = a->admission_done.number;
    answered.admission_answered.unit = THERE;
    answered.admission_answered.status = a->admission_done.status;
    answered.admission_answered.evaluated = a->admission_done.evaluated;
    answered.admission_answered.entries = a->admission_done.entries;
    lookup_take(p->ours.lookup, &answered);
    lookup_turn(p->ours.lookup);
}

/* One question and its answer; its status. */
static enum admission_status
ask(struct pair *p)
{
    p->ours.n_sent = 0;
    lookup_wake(p->ours.lookup);
    lookup_turn(p->ours.lookup);
    assert_int_equal(p->ours.n_sent, 1);
    struct sync_event a = carry_question(p, 0);
    p->ours.n_sent = 0;
    carry_answer(p, &a);
    return a.admission_done.status;
}

static void
asks_nothing(struct pair *p)
{
    p->ours.n_sent = 0;
    lookup_wake(p->ours.lookup);
    lookup_turn(p->ours.lookup);
    assert_int_equal(p->ours.n_sent, 0);
}

static size_t
hits(struct side *s, struct lookup_result *ret)
{
    struct lookup_result room[8];
    size_t n = 0;
    struct err err;
    assert_int_equal(lookup_hits(s->node.vault, NULL, room, ARRAY_LEN(room), &n, &err), 0);
    if (n > 0 && ret)
        *ret = room[0];
    return n;
}

static void
who_is_there_is_found_and_asked_about_once(void **state)
{
    struct pair *p = *state;
    struct lookup_result hit;
    struct lookup_stats stats;
    struct subject_id there = admit(&p->theirs, 1, false), here = admit(&p->ours, 1, true);
    assert_int_equal(ask(p), ADMISSION_ANSWERED);
    assert_int_equal(p->theirs.entries.len, LOOKUP_ENTRIES_STEP * LOOKUP_ENTRY_BYTES);
    assert_int_equal(hits(&p->ours, &hit), 1);
    assert_memory_equal(&hit.subject, &here, sizeof(here));
    assert_memory_equal(&hit.unit, &THERE, sizeof(THERE));
    assert_memory_equal(&hit.other, &there, sizeof(there));
    asks_nothing(p);
    lookup_stats(p->ours.lookup, &stats);
    assert_int_equal(stats.asked, 1);
    assert_int_equal(stats.hits, 1);
    assert_int_equal(stats.open, 1);
    lookup_stats(p->theirs.lookup, &stats);
    assert_int_equal(stats.answered, 1);
    assert_int_equal(p->ours.n_alarms + p->theirs.n_alarms, 0);
}

static void
nobody_else_is_found_and_an_import_asks_nobody(void **state)
{
    struct pair *p = *state;
    (void)admit(&p->theirs, 1, false);
    (void)admit(&p->ours, 1, false);
    asks_nothing(p);
    (void)admit(&p->ours, 2, true);
    assert_int_equal(ask(p), ADMISSION_ANSWERED);
    assert_int_equal(hits(&p->ours, NULL), 0);
}

static void
whoever_left_is_not_found_and_on_no_list(void **state)
{
    struct pair *p = *state;
    struct subject_id there = admit(&p->theirs, 1, false), other = admit(&p->theirs, 2, false);
    struct subject_id here = admit(&p->ours, 2, true);
    assert_int_equal(ask(p), ADMISSION_ANSWERED); /* so that an output is kept */
    assert_int_equal(hits(&p->ours, NULL), 1);
    resign(&p->theirs, &there);
    (void)admit(&p->ours, 1, true);
    assert_int_equal(ask(p), ADMISSION_ANSWERED);
    assert_int_equal(hits(&p->ours, NULL), 1);
    (void)other;
    resign(&p->ours, &here);
    p->ours.mono_ms += 2 * HOUR;
    lookup_turn(p->ours.lookup);
    assert_int_equal(hits(&p->ours, NULL), 0);
}

static void
the_identity_in_force_counts(void **state)
{
    struct pair *p = *state;
    struct subject_id there = admit(&p->theirs, 1, false);
    struct api_op *op = calloc(1, sizeof(*op));
    assert_non_null(op);
    (void)admit(&p->ours, 1, true);
    assert_int_equal(ask(p), ADMISSION_ANSWERED);
    assert_int_equal(hits(&p->ours, NULL), 1);
    /* She is called like the second person from now on: asked about that one she is found, though an output of the first was kept. */
    test_node_admission(op, 2);
    op->member.request = (struct member_request){.action = ACTION_CHANGE_DATA,
                                                 .has_subject = true,
                                                 .subject = there,
                                                 .effective = {TEST_NODE_TODAY},
                                                 .person = op->member.request.person};
    op->member.office_text[0] = '\0';
    (void)exec(&p->theirs, op);
    free(op);
    (void)admit(&p->ours, 2, true);
    assert_int_equal(ask(p), ADMISSION_ANSWERED);
    assert_int_equal(hits(&p->ours, NULL), 2);
}

static void
over_the_limit_a_question_waits_and_is_not_lost(void **state)
{
    struct pair *p = *state;
    struct lookup_record records[8];
    size_t n = 0;
    struct err err;
    lookup_free(&p->theirs.lookup);
    side_open(&p->theirs, 1);
    (void)admit(&p->theirs, 2, false);
    (void)admit(&p->ours, 1, true);
    assert_int_equal(ask(p), ADMISSION_ANSWERED);
    (void)admit(&p->ours, 2, true);
    assert_int_equal(ask(p), ADMISSION_RATE_LIMIT);
    assert_int_equal(hits(&p->ours, NULL), 0);
    asks_nothing(p); /* at once */
    p->ours.mono_ms += LOOKUP_REFUSED_MS;
    p->theirs.mono_ms += LOOKUP_REFUSED_MS;
    assert_int_equal(ask(p), ADMISSION_RATE_LIMIT);
    p->ours.mono_ms += HOUR;
    p->theirs.mono_ms += HOUR;
    assert_int_equal(ask(p), ADMISSION_ANSWERED);
    assert_int_equal(hits(&p->ours, NULL), 1);
    assert_int_equal(lookup_records(p->theirs.node.vault, NULL, records, ARRAY_LEN(records), &n, &err), 0);
    assert_int_equal(n, 4);
    assert_int_equal(records[3].outcome, LOOKUP_ANSWERED);
    assert_memory_equal(&records[3].unit, &HERE, sizeof(HERE));
    assert_int_equal(records[3].direction, LOOKUP_THEIRS);
}

static void
a_unit_that_answers_none_is_asked_again(void **state)
{
    struct pair *p = *state;
    lookup_free(&p->theirs.lookup);
    side_open(&p->theirs, 0);
    (void)admit(&p->ours, 1, true);
    assert_int_equal(ask(p), ADMISSION_NOT_AVAILABLE);
    p->ours.mono_ms += LOOKUP_REFUSED_MS;
    assert_int_equal(ask(p), ADMISSION_NOT_AVAILABLE);
}

static void
a_unit_that_is_not_there_is_asked_when_it_comes_for_thirty_days(void **state)
{
    struct pair *p = *state;
    struct err err;
    size_t n = 0;
    (void)admit(&p->theirs, 1, false);
    p->ours.peer_state = PEER_DOWN;
    (void)admit(&p->ours, 1, true);
    asks_nothing(p);
    /* It comes, is asked, and goes before it has answered; a start later it is asked again. */
    p->ours.peer_state = PEER_CATCHING_UP;
    lookup_turn(p->ours.lookup);
    assert_int_equal(p->ours.n_sent, 1);
    struct sync_effect lost = {.type = SYNC_ADMISSION_UNANSWERED};
    lost.admission_unanswered.number = p->ours.sent[0].admission_ask.number;
    lookup_take(p->ours.lookup, &lost);
    asks_nothing(p);
    lookup_free(&p->ours.lookup);
    side_open(&p->ours, 60);
    p->ours.node.now_ms += 29 * (int64_t)DAY;
    assert_int_equal(engine_expire(p->ours.node.engine, 256, &n, &err), 0);
    assert_int_equal(n, 0);
    assert_int_equal(ask(p), ADMISSION_ANSWERED);
    assert_int_equal(hits(&p->ours, NULL), 1);
    p->ours.node.now_ms += 2 * (int64_t)DAY;
    assert_int_equal(engine_expire(p->ours.node.engine, 256, &n, &err), 0);
    assert_int_equal(n, 1);
    assert_int_equal(test_table_rows(p->ours.node.db, TABLE_LOOKUP_QUESTIONS), 0);
}

static void
a_question_that_was_lost_is_asked_again(void **state)
{
    struct pair *p = *state;
    (void)admit(&p->ours, 1, true);
    p->ours.n_sent = 0;
    lookup_wake(p->ours.lookup);
    lookup_turn(p->ours.lookup);
    assert_int_equal(p->ours.n_sent, 1);
    asks_nothing(p); /* it is under way */
    p->ours.mono_ms += LOOKUP_ANSWER_MS;
    asks_nothing(p);
    p->ours.mono_ms += LOOKUP_RETRY_MS;
    assert_int_equal(ask(p), ADMISSION_ANSWERED);
}

static void
an_answer_of_another_unit_or_with_another_key_finds_nobody(void **state)
{
    struct pair *p = *state;
    (void)admit(&p->theirs, 1, false);
    (void)admit(&p->ours, 1, true);
    lookup_wake(p->ours.lookup);
    lookup_turn(p->ours.lookup);
    struct sync_event a = carry_question(p, 0);
    struct sync_effect e = {.type = SYNC_ADMISSION_ANSWERED};
    e.admission_answered.number = a.admission_done.number;
    e.admission_answered.unit = HERE; /* was not asked */
    e.admission_answered.status = ADMISSION_ANSWERED;
    e.admission_answered.evaluated = a.admission_done.evaluated;
    e.admission_answered.entries = a.admission_done.entries;
    lookup_take(p->ours.lookup, &e);
    lookup_turn(p->ours.lookup);
    assert_int_equal(hits(&p->ours, NULL), 0);
    a.admission_done.evaluated = p->ours.sent[0].admission_ask.blinded; /* as if the key were 1 */
    carry_answer(p, &a);
    assert_int_equal(hits(&p->ours, NULL), 0);
}

int
main(void)
{
#define LOOKUP_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        LOOKUP_TEST(who_is_there_is_found_and_asked_about_once),
        LOOKUP_TEST(nobody_else_is_found_and_an_import_asks_nobody),
        LOOKUP_TEST(whoever_left_is_not_found_and_on_no_list),
        LOOKUP_TEST(the_identity_in_force_counts),
        LOOKUP_TEST(over_the_limit_a_question_waits_and_is_not_lost),
        LOOKUP_TEST(a_unit_that_answers_none_is_asked_again),
        LOOKUP_TEST(a_unit_that_is_not_there_is_asked_when_it_comes_for_thirty_days),
        LOOKUP_TEST(a_question_that_was_lost_is_asked_again),
        LOOKUP_TEST(an_answer_of_another_unit_or_with_another_key_finds_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
