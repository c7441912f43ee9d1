/* Floods and odd peers: every table has its limit, and what is over it ends in a refusal, never in growth. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/syncpair.h"

static struct pair w;

static void
begin(uint32_t nodes)
{
    pair_init(&w, nodes, 1, (struct vnet_faults){.delay_min_ms = 1, .delay_max_ms = 1});
    w.tracing = true;
    pair_commit(&w, 0, 3);
    pair_link(&w, 0, 1);
    pair_run(&w, 100);
}

static struct sync_session_info
info(uint32_t node)
{
    struct sync_session_info i;
    assert_int_equal(sync_sessions(w.nodes[node].core, &i, 1), 1);
    return i;
}

static void
heads_of_too_many_logs_are_remembered_up_to_the_limit(void **state)
{
    begin(2);
    struct head *heads = calloc(MESSAGE_HEADS_MAX, sizeof(*heads));
    assert_non_null(heads);
    for (int round = 0; round < 4; round++) {
        struct message m = {.type = MSG_HEADS};
        for (uint32_t i = 0; i < MESSAGE_HEADS_MAX; i++) {
            be32_put(heads[i].log.b, (uint32_t)round << 16 | i);
            heads[i].unit = w.nodes[0].unit.id;
            heads[i].seq = 7;
        }
        m.heads.heads = heads;
        m.heads.n = MESSAGE_HEADS_MAX;
        pair_inject(&w, 0, 1, &m);
        pair_run(&w, 10);
    }
    free(heads);
    assert_true(info(1).claims <= SYNC_CLAIMS_MAX);
    assert_true(info(1).wants_open <= SYNC_WANTS_FIRST_MAX + 1);
    assert_true(info(1).dropped > 0);
    /* The true log goes on all the same. */
    pair_commit(&w, 0, 2);
    pair_run(&w, 100);
    assert_int_equal(pair_find(&w.nodes[1], &w.named[0])->n, 6);
    pair_release(&w);
}

static struct sync_session_lag
lag(uint32_t node)
{
    struct sync_session_lag l;
    assert_int_equal(sync_session_lags(w.nodes[node].core, &l, 1), 1);
    return l;
}

static void
a_session_knows_how_far_each_side_is_behind(void **state)
{
    begin(2);
    assert_true(lag(1).heads_heard);
    assert_int_equal(lag(1).behind_logs, 0);
    assert_int_equal(lag(0).unannounced_events, 0);
    struct head h = {.seq = 40, .log = w.named[0], .unit = w.nodes[0].unit.id};
    struct message m = {.type = MSG_HEADS};
    m.heads.heads = &h;
    m.heads.n = 1;
    w.nodes[0].reads_stop = true;
    pair_inject(&w, 0, 1, &m);
    pair_run(&w, 2);
    assert_int_equal(lag(1).behind_logs, 1);
    assert_int_equal(lag(1).behind_events, 40 - pair_find(&w.nodes[1], &w.named[0])->n);
    pair_commit(&w, 0, 2);
    assert_int_equal(lag(0).unannounced_events, 2);
    pair_unlink(&w, 0, 1);
    struct sync_session_lag none;
    assert_int_equal(sync_session_lags(w.nodes[0].core, &none, 1), 0);
    pair_release(&w);
}

static void
heads_of_units_that_are_not_trusted_are_not_remembered(void **state)
{
    begin(2);
    struct head h = {.seq = 5};
    struct message m = {.type = MSG_HEADS};
    memset(h.unit.b, 9, sizeof(h.unit.b));
    m.heads.heads = &h;
    m.heads.n = 1;
    uint32_t claims = info(1).claims;
    pair_inject(&w, 0, 1, &m);
    pair_run(&w, 10);
    assert_int_equal(info(1).claims, claims);
    assert_int_equal(info(1).dropped, 1);
    pair_release(&w);
}

/* Some element of the group. */
static struct oprf_element
element(void)
{
    struct oprf_element e;
    assert_true(hex_decode("609a0ae68c15a3cf6903766461307e5c8bb2f95e7e6550e1ffa2dc99e412803c", e.b, sizeof(e.b)));
    return e;
}

static void
flood_of(enum message_type type, uint32_t limit)
{
    struct message m = {.type = type};
    begin(2);
    w.nodes[0].reads_stop = true;
    if (type == MSG_CAPSULE_WANT) {
        m.capsule_want.log = w.named[0];
        m.capsule_want.seq = 2;
    } else if (type == MSG_ADMISSION_ASK) {
        m.admission_ask.blinded = element();
    } else {
        m.event_want.log = w.named[0];
        m.event_want.seq = 2;
    }
    for (uint32_t i = 0; i < limit; i++)
        pair_inject(&w, 1, 0, &m);
    pair_run(&w, 10);
    assert_true(info(0).open);
    pair_inject(&w, 1, 0, &m);
    pair_run(&w, 10);
    assert_false(info(0).open);
    assert_int_equal(w.nodes[0].alarms[ALARM_MALFORMED], 1);
    pair_release(&w);
}

static void
too_many_unanswered_requests_end_the_session(void **state)
{
    flood_of(MSG_CAPSULE_WANT, SYNC_CAPSULE_WANTS_MAX);
    flood_of(MSG_EVENT_WANT, SYNC_EVENT_WANTS_MAX);
    flood_of(MSG_ADMISSION_ASK, SYNC_ADMISSION_ASKS_MAX);
}

static void
garbage_ends_the_session_and_it_greets_again_later(void **state)
{
    begin(2);
    pair_trace_clear(&w);
    uint8_t bytes[] = {0x0a, 0xff, 0xff};
    vnet_send(&w.net, w.now_ms, 0, 1, w.nodes[0].epoch[1], slice_of(bytes, sizeof(bytes)));
    pair_run(&w, 100);
    assert_int_equal(w.nodes[1].alarms[ALARM_MALFORMED], 1);
    assert_int_equal(sync_totals(w.nodes[1].core).faults, 1);
    assert_int_equal(sync_totals(w.nodes[1].core).seal_failures, 0);
    assert_false(info(1).open);
    pair_run(&w, 70000);
    assert_true(info(1).open);
    assert_true(info(0).open);
    pair_release(&w);
}

static void
need_capsule(uint32_t index, uint64_t seq, bool right)
{
    struct sync_event ev = {.type = SYNC_CAPSULE_NEEDED};
    uint8_t bytes[HASH_BYTES + 8];
    memcpy(bytes, w.named[0].b, HASH_BYTES);
    be64_put(bytes + HASH_BYTES, right ? seq : seq + 1);
    ev.capsule_needed.unit = w.nodes[0].unit.id;
    ev.capsule_needed.log = w.named[0];
    ev.capsule_needed.seq = seq;
    ev.capsule_needed.index = index;
    ev.capsule_needed.hash = capsule_hash(slice_of(bytes, sizeof(bytes)));
    pair_step(&w, 1, &ev);
}

static void
capsules_are_asked_for_and_checked(void **state)
{
    begin(3);
    for (uint64_t seq = 1; seq <= 4; seq++)
        need_capsule(0, seq, true);
    pair_run(&w, 100);
    assert_int_equal(w.nodes[1].capsules_got, 4);
    need_capsule(0, 3, false);
    pair_run(&w, 100);
    assert_int_equal(w.nodes[1].capsules_got, 4);
    assert_int_equal(w.nodes[1].capsules_missing, 1);
    need_capsule(1, 3, true);
    pair_run(&w, 100);
    assert_int_equal(w.nodes[1].capsules_missing, 2);
    pair_release(&w);
}

static void
more_capsules_than_fit_a_session_wait_for_their_turn(void **state)
{
    begin(2);
    for (uint32_t i = 0; i < 8; i++) {
        for (uint64_t seq = 1; seq <= 4; seq++)
            need_capsule(2 * i, seq, true);
    }
    vnet_cut(&w.net, 0, 1, true); /* answers under way are lost */
    pair_run(&w, 6000);
    vnet_cut(&w.net, 0, 1, false);
    pair_run(&w, 1000);
    assert_int_equal(w.nodes[1].capsules_got + w.nodes[1].capsules_missing, 32);
    pair_release(&w);
}

static void
a_table_that_differs_under_equal_heads_is_an_alarm(void **state)
{
    begin(2);
    w.nodes[1].table.b[0] = 1;
    pair_run(&w, 130000);
    assert_true(w.nodes[0].alarms[ALARM_DIVERGED] + w.nodes[1].alarms[ALARM_DIVERGED] > 0);
    pair_release(&w);
    begin(2);
    pair_run(&w, 130000);
    assert_int_equal(w.nodes[0].alarms[ALARM_DIVERGED] + w.nodes[1].alarms[ALARM_DIVERGED], 0);
    pair_release(&w);
}

static void
two_writers_of_one_unit_are_an_alarm(void **state)
{
    pair_init(&w, 3, 1, (struct vnet_faults){.delay_min_ms = 1, .delay_max_ms = 1});
    w.nodes[2].unit = w.nodes[0].unit; /* the same unit on another machine, with a log of its own */
    pair_restart(&w, 2, false);
    pair_link(&w, 0, 1);
    pair_link(&w, 1, 2);
    for (int i = 0; i < 6; i++) {
        pair_commit(&w, 0, 1);
        pair_run(&w, 200);
        pair_commit(&w, 2, 1);
        pair_run(&w, 200);
    }
    assert_true(w.nodes[1].alarms[ALARM_TWO_TIPS] > 0);
    assert_int_equal(w.nodes[1].frozen, 0);
    pair_release(&w);
}

/* C says that A's log is a predecessor of its own, before B has heard of that log. */
static void
naming_another_units_log_hides_it_from_nobody(void **state)
{
    struct head heads[4];
    pair_init(&w, 3, 1, (struct vnet_faults){.delay_min_ms = 1, .delay_max_ms = 1});
    pair_commit(&w, 0, 3);
    pair_copy_log(&w, 0, 2, &w.named[0])->unit = w.nodes[2].unit.id;
    pair_commit(&w, 2, 1);
    pair_link(&w, 1, 2);
    pair_run(&w, 100);
    assert_non_null(pair_find(&w.nodes[1], &w.named[1]));
    assert_null(pair_find(&w.nodes[1], &w.named[0]));
    pair_link(&w, 0, 1);
    pair_run(&w, 100);
    assert_non_null(pair_find(&w.nodes[1], &w.named[0]));
    assert_int_equal(sync_heads(w.nodes[1].core, heads, ARRAY_LEN(heads)), 2);
    pair_release(&w);
}

static void
events_that_contradict_the_contract_are_refused(void **state)
{
    struct sync_effects out;
    struct err err;
    struct sync_event ev = {.type = SYNC_APPENDED};
    begin(2);
    sync_effects_init(&out);
    struct mono_ms now = {w.now_ms};
    assert_int_equal(sync_step(w.nodes[0].core, now, &ev, &out, &err), ERR_INVALID);
    ev = (struct sync_event){.type = SYNC_LOG_HELD};
    ev.log_held.head_seq = (uint64_t)INT64_MAX + 1;
    assert_int_equal(sync_step(w.nodes[0].core, now, &ev, &out, &err), ERR_INVALID);
    ev = (struct sync_event){.type = SYNC_CONN_UP};
    ev.conn_up.conn = info(0).conn;
    assert_int_equal(sync_step(w.nodes[0].core, now, &ev, &out, &err), ERR_INVALID);
    ev = (struct sync_event){.type = SYNC_ADMISSION_ASK};
    ev.admission_ask.unit = w.nodes[1].unit.id;
    ev.admission_ask.number = 1;
    assert_int_equal(sync_step(w.nodes[0].core, now, &ev, &out, &err), ERR_INVALID); /* no element */
    ev.admission_ask.blinded = element();
    assert_int_equal(sync_step(w.nodes[0].core, now, &ev, &out, &err), 0);
    assert_int_equal(sync_step(w.nodes[0].core, now, &ev, &out, &err), ERR_INVALID); /* the number is in use */
    sync_effects_release(&out);
    pair_release(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_of_too_many_logs_are_remembered_up_to_the_limit),
        cmocka_unit_test(a_session_knows_how_far_each_side_is_behind),
        cmocka_unit_test(heads_of_units_that_are_not_trusted_are_not_remembered),
        cmocka_unit_test(too_many_unanswered_requests_end_the_session),
        cmocka_unit_test(garbage_ends_the_session_and_it_greets_again_later),
        cmocka_unit_test(capsules_are_asked_for_and_checked),
        cmocka_unit_test(more_capsules_than_fit_a_session_wait_for_their_turn),
        cmocka_unit_test(a_table_that_differs_under_equal_heads_is_an_alarm),
        cmocka_unit_test(two_writers_of_one_unit_are_an_alarm),
        cmocka_unit_test(naming_another_units_log_hides_it_from_nobody),
        cmocka_unit_test(events_that_contradict_the_contract_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
