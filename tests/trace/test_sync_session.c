/* Traces of sessions, wants and runs. Each line is what a core does; the order is part of the contract (node/sync/sync.h).
 * A line `A>B want L1 from 2` is a message as A sends it, `B: append L1 2..4` another effect. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/trace/trace.h"

static void
a_greeting_opens_a_session_and_what_is_new_is_fetched(void **state)
{
    begin(2);
    pair_commit(&w, 0, 3);
    pair_link(&w, 0, 1);
    pair_run(&w, 100);
    expect("A>B hello\n"
           "B>A hello echo\n"
           "A>B hello echo\n"
           "A>B heads full L1:4\n"
           "B>A heads full\n"
           "B>A want L1 from 1\n"
           "A>B batch L1 1..4\n"
           "B: append L1 1..4 opens\n"
           "B>A heads L1:4\n");
    /* Live: the want stays open at the head. */
    pair_commit(&w, 0, 2);
    pair_run(&w, 100);
    expect("A>B heads L1:6\n"
           "A>B batch L1 5..6\n"
           "B: append L1 5..6\n"
           "B>A heads L1:6\n");
    assert_true(pair_equal(&w));
    end();
}

static void
crossing_hellos_open_one_session(void **state)
{
    begin(2);
    /* Both dial: both say Hello before either has heard one. */
    struct sync_event up = {.type = SYNC_CONN_UP};
    up.conn_up.dialled = true;
    w.nodes[0].epoch[1] = w.nodes[1].epoch[0] = 9;
    up.conn_up.conn = 9 << 8 | 1;
    up.conn_up.unit = w.nodes[1].unit.id;
    pair_step(&w, 0, &up);
    up.conn_up.conn = 9 << 8 | 0;
    up.conn_up.unit = w.nodes[0].unit.id;
    pair_step(&w, 1, &up);
    pair_run(&w, 100);
    expect("A>B hello\n"
           "B>A hello\n"
           "B>A hello echo\n"
           "A>B hello echo\n"
           "A>B heads full\n"
           "B>A heads full\n");
    end();
}

static void
a_hello_that_was_lost_is_said_again(void **state)
{
    begin(2);
    vnet_cut(&w.net, 0, 1, true);
    pair_link(&w, 0, 1);
    pair_run(&w, 4000);
    vnet_cut(&w.net, 0, 1, false);
    pair_run(&w, 2000);
    expect("A>B hello\n"
           "A>B hello\n"
           "B>A hello echo\n"
           "A>B hello echo\n"
           "A>B heads full\n"
           "B>A heads full\n");
    end();
}

static void
a_restart_that_nobody_noticed_is_noticed_by_its_nonce(void **state)
{
    begin(2);
    pair_link(&w, 0, 1);
    pair_run(&w, 100);
    pair_trace_clear(&w);
    pair_restart(&w, 0, true);
    pair_commit(&w, 0, 1);
    pair_run(&w, 100);
    expect("A>B hello\n"
           "B>A hello echo\n"
           "A>B hello echo\n"
           "A>B heads full L1:2\n"
           "B>A heads full\n"
           "B>A want L1 from 1\n"
           "A>B batch L1 1..2\n"
           "B: append L1 1..2 opens\n"
           "B>A heads L1:2\n");
    end();
}

static void
silence_of_fifteen_seconds_greets_anew(void **state)
{
    begin(2);
    pair_link(&w, 0, 1);
    pair_run(&w, 100);
    w.trace_pings = true;
    pair_trace_clear(&w);
    pair_run(&w, 6000);
    vnet_cut(&w.net, 0, 1, true);
    pair_run(&w, 16000);
    vnet_cut(&w.net, 0, 1, false);
    pair_run(&w, 5000);
    expect("A>B ping\n"
           "B>A ping\n"
           "A>B ping\n"
           "B>A ping\n"
           "A>B ping\n"
           "B>A ping\n"
           "A>B ping\n"
           "B>A hello echo\n"
           "A>B hello echo\n"
           "B>A hello echo\n"
           "A>B hello echo\n"
           "B>A hello echo\n"
           "B>A heads full\n"
           "A>B heads full\n");
    end();
}

static void
a_third_gets_it_through_the_one_between(void **state)
{
    begin(3);
    pair_link(&w, 0, 1);
    pair_link(&w, 1, 2);
    pair_run(&w, 100);
    pair_trace_clear(&w);
    pair_commit(&w, 0, 1);
    pair_run(&w, 100);
    expect("A>B heads L1:1\n"
           "B>A want L1 from 1\n"
           "A>B batch L1 1..2\n"
           "B: append L1 1..2 opens\n"
           "B>A heads L1:2\n"
           "B>C heads L1:2\n"
           "C>B want L1 from 1\n"
           "B>C batch L1 1..2\n"
           "C: append L1 1..2 opens\n"
           "C>B heads L1:2\n"
           "A>B heads L1:2\n");
    assert_true(pair_equal(&w));
    end();
}

static void
predecessors_are_fetched_with_their_successor(void **state)
{
    begin(2);
    pair_commit(&w, 0, 2);
    pair_restart(&w, 0, false);
    pair_commit(&w, 0, 1);
    pair_link(&w, 0, 1);
    pair_run(&w, 1000);
    expect("A>B hello\n"
           "B>A hello echo\n"
           "A>B hello echo\n"
           "A>B heads full L2:2\n"
           "B>A heads full\n"
           "B>A want L2 from 1\n"
           "A>B batch L2 1..2\n"
           "B: append L2 1..2 opens\n"
           "B>A want L1 from 1\n"
           "A>B batch L1 1..3\n"
           "B: append L1 1..3 opens\n"
           "B>A close want\n"
           "B>A heads L2:2\n");
    assert_true(pair_equal(&w));
    end();
}

static void
catching_up_is_paced_by_credit(void **state)
{
    begin(2);
    pair_commit_bytes(&w, 0, 30, 60000);
    w.nodes[1].append_delay_ms = 5;
    pair_link(&w, 0, 1);
    pair_run(&w, 1000);
    expect("A>B hello\n"
           "B>A hello echo\n"
           "A>B hello echo\n"
           "A>B heads full L1:31\n"
           "B>A heads full\n"
           "B>A want L1 from 1\n"
           "A>B batch L1 1..4\n"
           "A>B batch L1 5..7\n"
           "A>B batch L1 8..10\n"
           "A>B batch L1 11..13\n"
           "A>B batch L1 14..16\n"
           "A>B batch L1 17..19\n"
           "B: append L1 1..4 opens\n"
           "B: append L1 5..7\n"
           "B: append L1 8..10\n"
           "B>A credit\n"
           "B: append L1 11..13\n"
           "B: append L1 14..16\n"
           "B: append L1 17..19\n"
           "B>A credit\n"
           "A>B batch L1 20..22\n"
           "A>B batch L1 23..25\n"
           "A>B batch L1 26..28\n"
           "A>B batch L1 29..31\n"
           "B: append L1 20..22\n"
           "B: append L1 23..25\n"
           "B: append L1 26..28\n"
           "B>A credit\n"
           "B: append L1 29..31\n"
           "B>A heads L1:31\n");
    assert_true(pair_equal(&w));
    end();
}

static void
the_unit_itself_is_asked_before_a_relay(void **state)
{
    begin(3);
    pair_commit(&w, 0, 3);
    pair_link(&w, 0, 1);
    pair_run(&w, 100);
    pair_link(&w, 1, 2);
    w.nodes[1].reads_stop = true;
    pair_run(&w, 1000);
    pair_trace_clear(&w);
    pair_link(&w, 0, 2);
    pair_run(&w, 1000);
    expect("A>C hello\n"
           "C>A hello echo\n"
           "A>C hello echo\n"
           "A>C heads full L1:4\n"
           "C>A heads full\n"
           "C>B close want\n"
           "C>A want L1 from 1\n"
           "A>C batch L1 1..4\n"
           "C: append L1 1..4 opens\n"
           "C>B heads L1:4\n"
           "C>A heads L1:4\n");
    end();
}

static void
a_want_moves_on_from_a_peer_that_stalls(void **state)
{
    begin(4);
    pair_commit(&w, 0, 3);
    pair_link(&w, 0, 1);
    pair_link(&w, 0, 2);
    pair_run(&w, 100);
    pair_trace_clear(&w);
    w.nodes[1].reads_stop = true;
    pair_link(&w, 1, 3);
    pair_run(&w, 100);
    pair_link(&w, 2, 3);
    pair_run(&w, 6000);
    expect("B>D hello\n"
           "D>B hello echo\n"
           "B>D hello echo\n"
           "B>D heads full L1:4\n"
           "D>B heads full\n"
           "D>B want L1 from 1\n"
           "C>D hello\n"
           "D>C hello echo\n"
           "C>D hello echo\n"
           "C>D heads full L1:4\n"
           "D>C heads full\n"
           "D>B close want\n"
           "D>C want L1 from 1\n"
           "C>D batch L1 1..4\n"
           "D: append L1 1..4 opens\n"
           "D>B heads L1:4\n"
           "D>C heads L1:4\n");
    end();
}

static void
a_head_that_is_false_costs_time_and_nothing_else(void **state)
{
    begin(2);
    pair_commit(&w, 0, 1);
    pair_link(&w, 0, 1);
    pair_run(&w, 100);
    pair_trace_clear(&w);
    /* A claims of its own log what it does not have. */
    struct head lie = {.log = w.named[0], .unit = w.nodes[0].unit.id, .seq = 1000};
    struct message m = {.type = MSG_HEADS};
    m.heads.heads = &lie;
    m.heads.n = 1;
    pair_inject(&w, 0, 1, &m);
    pair_run(&w, 16000);
    /* Truth goes on meanwhile. */
    pair_commit(&w, 0, 1);
    pair_run(&w, 12000);
    expect("A>B heads L1:1000\n"
           "B>A close want\n"
           "B>A want L1 from 3\n"
           "A>B heads L1:3\n"
           "A>B batch L1 3..3\n"
           "B: append L1 3..3\n"
           "B>A heads L1:3\n");
    end();
}

static void
a_disk_that_is_full_pauses_and_tries_again(void **state)
{
    begin(2);
    pair_commit(&w, 0, 3);
    w.nodes[1].appends_fail = true;
    pair_link(&w, 0, 1);
    pair_run(&w, 1000);
    w.nodes[1].appends_fail = false;
    pair_run(&w, 6000);
    expect("A>B hello\n"
           "B>A hello echo\n"
           "A>B hello echo\n"
           "A>B heads full L1:4\n"
           "B>A heads full\n"
           "B>A want L1 from 1\n"
           "A>B batch L1 1..4\n"
           "B: append L1 1..4 opens\n"
           "B>A close want\n"
           "B>A want L1 from 1\n"
           "A>B batch L1 1..4\n"
           "B: append L1 1..4 opens\n"
           "B>A heads L1:4\n");
    assert_true(pair_equal(&w));
    end();
}

static void
another_federation_is_refused_once_aloud(void **state)
{
    begin(2);
    w.nodes[0].unit.federation = crypto_federation("Other");
    pair_restart(&w, 0, false);
    pair_link(&w, 0, 1);
    pair_run(&w, 61000);
    expect("A>B hello\n"
           "B: alarm hello: hello refused: federation\n"
           "B>A bye federation\n"
           "B: close for 60000 ms\n"
           "A: close for 10000 ms\n"
           "A>B hello\n"
           "A>B hello\n"
           "A>B hello\n"
           "A>B hello\n"
           "A>B hello\n"
           "A>B hello\n"
           "A>B hello\n"
           "A>B hello\n"
           "A>B hello\n"
           "A>B hello\n"
           "B>A hello\n"
           "A: alarm hello: hello refused: federation\n"
           "A>B bye federation\n"
           "A: close for 60000 ms\n"
           "B: close for 10000 ms\n");
    end();
}

static void
test_and_production_do_not_meet(void **state)
{
    begin(2);
    w.nodes[0].unit.production = true;
    pair_restart(&w, 0, false);
    pair_link(&w, 0, 1);
    pair_run(&w, 100);
    expect("A>B hello\n"
           "B: alarm hello: hello refused: test against production\n"
           "B>A bye test against production\n"
           "B: close for 60000 ms\n"
           "A: close for 10000 ms\n");
    end();
}

static void
a_unit_that_is_not_trusted_is_refused_until_it_is(void **state)
{
    begin(2);
    pair_commit(&w, 0, 1);
    pair_trust(&w, 1, 0, false, NULL);
    pair_link(&w, 0, 1);
    pair_run(&w, 100);
    expect("A>B hello\n"
           "B: alarm hello: hello refused: not trusted\n"
           "B>A bye not trusted\n"
           "B: close for 60000 ms\n"
           "A: close for 10000 ms\n");
    pair_trust(&w, 1, 0, true, NULL);
    pair_run(&w, 11000);
    expect("B>A hello\n"
           "B>A hello\n"
           "A>B hello\n"
           "B>A hello echo\n"
           "A>B hello echo\n"
           "A>B heads full L1:2\n"
           "B>A heads full\n"
           "B>A want L1 from 1\n"
           "A>B batch L1 1..2\n"
           "B: append L1 1..2 opens\n"
           "B>A heads L1:2\n");
    end();
}

static void
a_log_of_another_unit_code_is_refused_and_not_asked_for_again(void **state)
{
    begin(2);
    pair_commit(&w, 0, 1);
    pair_trust(&w, 1, 0, true, "ZZ");
    pair_link(&w, 0, 1);
    pair_run(&w, 200000);
    expect("A>B hello\n"
           "B>A hello echo\n"
           "A>B hello echo\n"
           "A>B heads full L1:2\n"
           "B>A heads full\n"
           "B>A want L1 from 1\n"
           "A>B batch L1 1..2\n"
           "B>A close want\n"
           "B: alarm refused: log not admitted: unit code UA, pinned as ZZ\n"
           "B: fingerprints needed\n"
           "B>A fingerprints\n"
           "A>B heads full L1:2\n"
           "B>A heads full\n"
           "B: fingerprints needed\n"
           "B>A fingerprints\n"
           "A>B heads full L1:2\n"
           "B>A heads full\n"
           "B: fingerprints needed\n"
           "B>A fingerprints\n"
           "A>B heads full L1:2\n"
           "B>A heads full\n");
    end();
}

static void
a_run_that_does_not_verify_closes_the_session(void **state)
{
    begin(2);
    pair_commit(&w, 0, 1);
    pair_link(&w, 0, 1);
    pair_run(&w, 100);
    pair_trace_clear(&w);
    w.nodes[0].logs[0].events[1].seal.b[5] ^= 1;
    pair_restart(&w, 0, false);
    pair_commit(&w, 0, 1);
    w.nodes[0].logs[1].events[1].seal.b[5] ^= 1;
    pair_run(&w, 100);
    expect("A>B hello\n"
           "B>A hello echo\n"
           "A>B hello echo\n"
           "A>B heads full L2:2\n"
           "B>A heads full L1:2\n"
           "B>A want L2 from 1\n"
           "A>B batch L2 1..2\n"
           "B: alarm malformed: malformed: seal: the signature does not fit\n"
           "B>A bye malformed\n"
           "B: close for 60000 ms\n"
           "A: close for 10000 ms\n");
    end();
}

/* §3: a log has the suite of its event 1; another one further on is the relay's doing. */
static void
a_suite_turned_on_the_way_is_the_givers_fault(void **state)
{
    begin(3);
    pair_commit(&w, 0, 2);
    pair_link(&w, 0, 1);
    pair_run(&w, 100);
    pair_trace_clear(&w);
    w.nodes[1].logs[0].events[1].header[1] = 2;
    pair_link(&w, 1, 2);
    pair_run(&w, 100);
    pair_link(&w, 0, 2);
    pair_run(&w, 100);
    expect("B>C hello\n"
           "C>B hello echo\n"
           "B>C hello echo\n"
           "B>C heads full L1:3\n"
           "C>B heads full\n"
           "C>B want L1 from 1\n"
           "B>C batch L1 1..3\n"
           "C: alarm malformed: malformed: event 2: header: suite 2 is not supported\n"
           "C>B bye malformed\n"
           "C: close for 60000 ms\n"
           "B: close for 10000 ms\n"
           "A>C hello\n"
           "C>A hello echo\n"
           "A>C hello echo\n"
           "A>C heads full L1:3\n"
           "C>A heads full\n"
           "C>A want L1 from 1\n"
           "A>C batch L1 1..3\n"
           "C: append L1 1..3 opens\n"
           "C>A heads L1:3\n");
    assert_int_equal(w.nodes[2].alarms[ALARM_UNSUPPORTED], 0);
    end();
}

static void
a_log_of_an_unknown_suite_is_left_alone(void **state)
{
    begin(2);
    pair_commit(&w, 0, 1);
    struct pair_log *l = &w.nodes[0].logs[0];
    l->events[0].header[1] = 2;
    l->id = crypto_log_id(slice_of(l->events[0].header, l->events[0].header_len));
    w.named[0] = l->id;
    pair_restart(&w, 0, false);
    pair_link(&w, 0, 1);
    pair_run(&w, 30000);
    expect("A>B hello\n"
           "B>A hello echo\n"
           "A>B hello echo\n"
           "A>B heads full L1:2\n"
           "B>A heads full\n"
           "B>A want L1 from 1\n"
           "A>B batch L1 1..2\n"
           "B>A close want\n"
           "B: alarm unsupported: log not admitted: header: suite 2 is not supported\n");
    end();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_greeting_opens_a_session_and_what_is_new_is_fetched),
        cmocka_unit_test(crossing_hellos_open_one_session),
        cmocka_unit_test(a_hello_that_was_lost_is_said_again),
        cmocka_unit_test(a_restart_that_nobody_noticed_is_noticed_by_its_nonce),
        cmocka_unit_test(silence_of_fifteen_seconds_greets_anew),
        cmocka_unit_test(a_third_gets_it_through_the_one_between),
        cmocka_unit_test(predecessors_are_fetched_with_their_successor),
        cmocka_unit_test(catching_up_is_paced_by_credit),
        cmocka_unit_test(the_unit_itself_is_asked_before_a_relay),
        cmocka_unit_test(a_want_moves_on_from_a_peer_that_stalls),
        cmocka_unit_test(a_head_that_is_false_costs_time_and_nothing_else),
        cmocka_unit_test(a_disk_that_is_full_pauses_and_tries_again),
        cmocka_unit_test(another_federation_is_refused_once_aloud),
        cmocka_unit_test(test_and_production_do_not_meet),
        cmocka_unit_test(a_unit_that_is_not_trusted_is_refused_until_it_is),
        cmocka_unit_test(a_log_of_another_unit_code_is_refused_and_not_asked_for_again),
        cmocka_unit_test(a_run_that_does_not_verify_closes_the_session),
        cmocka_unit_test(a_suite_turned_on_the_way_is_the_givers_fault),
        cmocka_unit_test(a_log_of_an_unknown_suite_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
