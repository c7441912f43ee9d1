/* Traces of equivocation (docs/PROTOCOL.md §12.6). Each line is what a core does; the order is part of the contract (node/sync/sync.h).
 * A line `A>B want L1 from 2` is a message as A sends it, `B: append L1 2..4` another effect. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/trace/trace.h"

static void
two_branches_of_one_log_freeze_it_everywhere(void **state)
{
    begin(3);
    pair_commit(&w, 0, 3);
    pair_clone(&w, 0, 2);
    pair_commit(&w, 0, 2);
    pair_commit(&w, 2, 4);
    pair_link(&w, 0, 1);
    pair_run(&w, 100);
    pair_trace_clear(&w);
    pair_link(&w, 1, 2);
    pair_run(&w, 2000);
    expect("B>C hello\n"
           "C>B hello echo\n"
           "B>C hello echo\n"
           "B>C heads full L1:6\n"
           "C>B heads full L1:8\n"
           "B>A close want\n"
           "B>C want L1 from 7\n"
           "C>B evidence L1 from 5, 4+0\n"
           "B>C close want\n"
           "B: freeze L1 at 4 with proof\n"
           "B: alarm fork: two sealed histories of one log, after event 4: frozen\n"
           "B>A evidence L1 from 5, 2+4\n"
           "B>C evidence L1 from 5, 2+4\n"
           "A: freeze L1 at 4 with proof\n"
           "A: alarm fork: two sealed histories of one log, after event 4: frozen\n"
           "A: alarm clone: the log that this node writes has a second history: a clone or a stolen key\n"
           "C: freeze L1 at 4 with proof\n"
           "C: alarm fork: two sealed histories of one log, after event 4: frozen\n"
           "C: alarm clone: the log that this node writes has a second history: a clone or a stolen key\n");
    assert_int_equal(w.nodes[0].frozen, 1);
    assert_int_equal(w.nodes[2].alarms[ALARM_CLONE], 1);
    end();
}

static void
a_fork_before_the_run_at_hand_is_followed_back(void **state)
{
    begin(3);
    pair_commit(&w, 0, 3);
    pair_clone(&w, 0, 2);
    for (int i = 0; i < 4; i++) {
        pair_commit(&w, 0, 2);
        pair_commit(&w, 2, 3);
    }
    pair_link(&w, 0, 1);
    pair_run(&w, 100);
    pair_trace_clear(&w);
    pair_link(&w, 1, 2);
    pair_run(&w, 2000);
    expect("B>C hello\n"
           "C>B hello echo\n"
           "B>C hello echo\n"
           "B>C heads full L1:12\n"
           "C>B heads full L1:16\n"
           "B>A close want\n"
           "B>C want L1 from 13\n"
           "C>B evidence L1 from 11, 3+0\n"
           "B>C close want\n"
           "B: freeze L1 at 0\n"
           "B: alarm fork: two sealed histories of one log, before event 10: frozen\n"
           "B>C want L1 from 11\n"
           "C>B evidence L1 from 8, 3+0\n"
           "B>C want L1 from 8\n"
           "C>B evidence L1 from 5, 3+0\n"
           "B: freeze L1 at 4 with proof\n"
           "B>A evidence L1 from 5, 8+3\n"
           "B>C evidence L1 from 5, 8+3\n"
           "A: freeze L1 at 4 with proof\n"
           "A: alarm fork: two sealed histories of one log, after event 4: frozen\n"
           "A: alarm clone: the log that this node writes has a second history: a clone or a stolen key\n"
           "C: freeze L1 at 4 with proof\n"
           "C: alarm fork: two sealed histories of one log, after event 4: frozen\n"
           "C: alarm clone: the log that this node writes has a second history: a clone or a stolen key\n");
    end();
}

static void
a_branch_that_is_shorter_is_found_too(void **state)
{
    begin(3);
    pair_commit(&w, 0, 3);
    pair_clone(&w, 0, 2);
    pair_commit(&w, 0, 4);
    pair_commit(&w, 2, 2);
    pair_link(&w, 0, 1);
    pair_run(&w, 100);
    pair_trace_clear(&w);
    pair_link(&w, 1, 2);
    pair_run(&w, 2000);
    expect("B>C hello\n"
           "C>B hello echo\n"
           "B>C hello echo\n"
           "B>C heads full L1:8\n"
           "C>B heads full L1:6\n"
           "C: alarm clone: a peer holds 8 events of the log that this node writes, we 6\n"
           "C>B want L1 from 7\n"
           "B>C evidence L1 from 1, 8+0\n"
           "B>C want L1 from 7\n"
           "C: freeze L1 at 4 with proof\n"
           "C: alarm fork: two sealed histories of one log, after event 4: frozen\n"
           "C: alarm clone: the log that this node writes has a second history: a clone or a stolen key\n"
           "C>B evidence L1 from 1, 6+8\n"
           "C>B evidence L1 from 1, 6+8\n"
           "C>B evidence L1 from 5, 2+0\n"
           "B>A close want\n"
           "B: freeze L1 at 4 with proof\n"
           "B: alarm fork: two sealed histories of one log, after event 4: frozen\n"
           "B>A evidence L1 from 1, 6+8\n"
           "A: freeze L1 at 4 with proof\n"
           "A: alarm fork: two sealed histories of one log, after event 4: frozen\n"
           "A: alarm clone: the log that this node writes has a second history: a clone or a stolen key\n");
    end();
}

static void
two_writers_of_one_log_meet(void **state)
{
    begin(2);
    pair_commit(&w, 0, 3);
    pair_clone(&w, 0, 1);
    pair_commit(&w, 0, 2);
    pair_commit(&w, 1, 2);
    pair_link(&w, 0, 1);
    pair_run(&w, 2000);
    expect("A>B hello\n"
           "B>A hello echo\n"
           "A>B hello echo\n"
           "A>B heads full L1:6\n"
           "B>A heads full L1:6\n"
           "B: alarm clone: a peer holds 6 events of the log that this node writes, we 6\n"
           "B>A want L1 from 7\n"
           "A: alarm clone: a peer holds 6 events of the log that this node writes, we 6\n"
           "A>B want L1 from 7\n"
           "A>B evidence L1 from 5, 2+0\n"
           "B>A evidence L1 from 5, 2+0\n"
           "B: freeze L1 at 4 with proof\n"
           "B: alarm fork: two sealed histories of one log, after event 4: frozen\n"
           "B: alarm clone: the log that this node writes has a second history: a clone or a stolen key\n"
           "B>A evidence L1 from 5, 2+2\n"
           "A: freeze L1 at 4 with proof\n"
           "A: alarm fork: two sealed histories of one log, after event 4: frozen\n"
           "A: alarm clone: the log that this node writes has a second history: a clone or a stolen key\n"
           "A>B evidence L1 from 5, 2+2\n");
    end();
}

static void
the_proof_reaches_who_holds_one_branch_only_and_outlives_a_restart(void **state)
{
    begin(4);
    pair_commit(&w, 0, 3);
    pair_clone(&w, 0, 2);
    pair_commit(&w, 0, 2);
    pair_commit(&w, 2, 4);
    pair_link(&w, 0, 1);
    pair_link(&w, 0, 3);
    pair_run(&w, 100);
    pair_link(&w, 1, 2);
    pair_unlink(&w, 0, 3);
    pair_run(&w, 2000);
    pair_restart(&w, 1, false);
    pair_run(&w, 100);
    pair_trace_clear(&w);
    pair_link(&w, 1, 3);
    pair_run(&w, 2000);
    expect("B>D hello\n"
           "D>B hello echo\n"
           "B>D hello echo\n"
           "B>D heads full L1:6\n"
           "D>B heads full L1:6\n"
           "B>D evidence L1 from 5, 2+4\n"
           "D: freeze L1 at 4 with proof\n"
           "D: alarm fork: two sealed histories of one log, after event 4: frozen\n");
    end();
}

/* The store after a root statement decided: what is left of the log, as far as it stands. */
static void
decide(uint32_t node, const struct log_id *log, size_t left, uint64_t stands_to)
{
    struct pair_log *l = pair_find(&w.nodes[node], log);
    struct sync_event ev = {.type = SYNC_LOG_HELD};
    assert_non_null(l);
    for (; l->n > left; l->n--) {
        free(l->events[l->n - 1].header);
        free(l->events[l->n - 1].payload);
    }
    l->frozen = false;
    l->stands_to = stands_to;
    ev.log_held.log = l->id;
    ev.log_held.unit = l->unit;
    ev.log_held.signing_key = l->signing;
    ev.log_held.head_seq = l->n;
    ev.log_held.head_chain = l->n > 0 ? l->events[l->n - 1].chain : crypto_chain_start(l->id);
    ev.log_held.stands_to = stands_to;
    if (stands_to <= l->n)
        ev.log_held.stands_chain = l->events[stands_to - 1].chain;
    pair_step(&w, node, &ev);
}

/* A and B hold the branch that stands; C held the other one and nothing is left of it, for its first run crossed the fork. */
static void
who_rolled_back_fetches_the_branch_that_stands(void **state)
{
    begin(3);
    pair_commit(&w, 0, 3);
    pair_clone(&w, 0, 2);
    pair_commit(&w, 0, 2);
    pair_commit(&w, 2, 4);
    pair_link(&w, 0, 1);
    pair_run(&w, 100);
    pair_link(&w, 1, 2);
    pair_run(&w, 2000);
    pair_trace_clear(&w);
    decide(0, &w.named[0], 6, 6);
    decide(1, &w.named[0], 6, 6);
    pair_run(&w, 100);
    pair_trace_clear(&w);
    decide(2, &w.named[0], 0, 6);
    pair_run(&w, 5000);
    expect("C>B want L1 from 1\n"
           "B>C batch L1 1..6\n"
           "C: append L1 1..6 opens\n"
           "C>B heads L1:6\n");
    assert_int_equal(pair_find(&w.nodes[2], &w.named[0])->n, 6);
    assert_true(pair_equal(&w));
    end();
}

/* C has not heard of the end and shows its branch to those who have: it is no news. */
static void
what_was_decided_freezes_nobody_again(void **state)
{
    begin(3);
    pair_commit(&w, 0, 3);
    pair_clone(&w, 0, 2);
    pair_commit(&w, 0, 2);
    pair_commit(&w, 2, 4);
    pair_link(&w, 0, 1);
    pair_run(&w, 100);
    decide(0, &w.named[0], 6, 6);
    decide(1, &w.named[0], 6, 6);
    pair_run(&w, 100);
    pair_link(&w, 1, 2);
    pair_run(&w, 5000);
    assert_int_equal(w.nodes[1].alarms[ALARM_FORK], 0);
    assert_int_equal(w.nodes[0].alarms[ALARM_FORK], 0);
    assert_int_equal(pair_find(&w.nodes[1], &w.named[0])->frozen, false);
    assert_int_equal(pair_find(&w.nodes[1], &w.named[0])->n, 6);
    end();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_branches_of_one_log_freeze_it_everywhere),
        cmocka_unit_test(a_fork_before_the_run_at_hand_is_followed_back),
        cmocka_unit_test(a_branch_that_is_shorter_is_found_too),
        cmocka_unit_test(two_writers_of_one_log_meet),
        cmocka_unit_test(the_proof_reaches_who_holds_one_branch_only_and_outlives_a_restart),
        cmocka_unit_test(who_rolled_back_fetches_the_branch_that_stands),
        cmocka_unit_test(what_was_decided_freezes_nobody_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
