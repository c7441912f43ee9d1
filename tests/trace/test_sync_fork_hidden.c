/* Traces of forks that do not show by themselves (docs/PROTOCOL.md §7, §12.6): a successor names one of the branches, or the proof
 * comes before the log. Lines as in test_sync_fork.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/trace/trace.h"

/* A's branch and C's are equally long, and a log that both hold goes on from A's. */
static void
a_branch_that_a_successor_of_the_other_names_is_told_all_the_same(void **state)
{
    begin(3);
    pair_commit(&w, 0, 3);
    pair_clone(&w, 0, 2);
    pair_commit(&w, 0, 2);
    pair_commit(&w, 2, 2);
    pair_restart(&w, 0, false);
    pair_commit(&w, 0, 1);
    (void)pair_copy_log(&w, 0, 2, &w.named[1]);
    pair_restart(&w, 2, false);
    pair_link(&w, 0, 1);
    pair_run(&w, 100);
    pair_trace_clear(&w);
    pair_link(&w, 1, 2);
    pair_run(&w, 2000);
    expect("B>C hello\n"
           "C>B hello echo\n"
           "B>C hello echo\n"
           "B>C heads full L2:2\n"
           "C>B heads full L1:6 L2:2\n"
           "B>C want L1 from 7\n"
           "C>B evidence L1 from 5, 2+0\n"
           "B: freeze L1 at 4 with proof\n"
           "B: alarm fork: two sealed histories of one log, after event 4: frozen\n"
           "B>A evidence L1 from 5, 2+2\n"
           "B>C evidence L1 from 5, 2+2\n"
           "A: freeze L1 at 4 with proof\n"
           "A: alarm fork: two sealed histories of one log, after event 4: frozen\n"
           "C: freeze L1 at 4 with proof\n"
           "C: alarm fork: two sealed histories of one log, after event 4: frozen\n");
    end();
}

/* Both branches have a successor, and everybody has both. */
static void
branches_that_are_both_named_are_told_all_the_same(void **state)
{
    begin(2);
    pair_commit(&w, 0, 3);
    pair_clone(&w, 0, 1);
    pair_commit(&w, 0, 2);
    pair_commit(&w, 1, 2);
    pair_restart(&w, 0, false);
    pair_commit(&w, 0, 1);
    pair_restart(&w, 1, false);
    w.nodes[1].opened = 7; /* else its log is the other's */
    pair_commit(&w, 1, 1);
    (void)pair_copy_log(&w, 0, 1, &w.named[1]);
    (void)pair_copy_log(&w, 1, 0, &w.named[2]);
    pair_restart(&w, 0, false);
    pair_restart(&w, 1, false);
    pair_trace_clear(&w);
    pair_link(&w, 0, 1);
    pair_run(&w, 2000);
    expect("A>B hello\n"
           "B>A hello echo\n"
           "A>B hello echo\n"
           "A>B heads full L1:6 L2:2 L3:2\n"
           "B>A heads full L1:6 L3:2 L2:2\n"
           "B>A want L1 from 7\n"
           "A>B want L1 from 7\n"
           "A>B evidence L1 from 5, 2+0\n"
           "B>A evidence L1 from 5, 2+0\n"
           "B: freeze L1 at 4 with proof\n"
           "B: alarm fork: two sealed histories of one log, after event 4: frozen\n"
           "B>A evidence L1 from 5, 2+2\n"
           "A: freeze L1 at 4 with proof\n"
           "A: alarm fork: two sealed histories of one log, after event 4: frozen\n"
           "A>B evidence L1 from 5, 2+2\n");
    end();
}

static void
begin_with_proof_at_b(void)
{
    begin(4);
    pair_commit(&w, 0, 300);
    pair_clone(&w, 0, 2);
    pair_commit(&w, 0, 2);
    pair_commit(&w, 2, 4);
    pair_link(&w, 0, 1);
    pair_run(&w, 200);
    pair_link(&w, 1, 2);
    pair_run(&w, 2000);
    assert_int_equal(w.nodes[1].frozen, 1);
    w.nodes[3].append_delay_ms = 50;
    w.nodes[3].appends_fail = true;
    pair_trace_clear(&w);
    pair_link(&w, 1, 3);
    pair_run(&w, 1000);
}

static void
of_a_log_frozen_before_it_was_stored_the_first_run_is_fetched(void **state)
{
    begin_with_proof_at_b();
    expect("B>D hello\n"
           "D>B hello echo\n"
           "B>D hello echo\n"
           "B>D heads full L1:303\n"
           "D>B heads full\n"
           "D>B want L1 from 1\n"
           "B>D batch L1 1..193\n"
           "B>D batch L1 194..303\n"
           "B>D evidence L1 from 302, 2+4\n"
           "D: append L1 1..193 opens\n"
           "D: append L1 194..303\n"
           "D>B close want\n"
           "D: freeze L1 at 301 with proof\n"
           "D: alarm fork: two sealed histories of one log, after event 301: frozen\n");
    w.nodes[3].appends_fail = false;
    pair_run(&w, 7000);
    expect("D>B want L1 from 1\n"
           "B>D batch L1 1..193\n"
           "B>D batch L1 194..303\n"
           "B>D evidence L1 from 302, 2+4\n"
           "D: append L1 1..193 opens\n"
           "D>B close want\n"
           "D>B heads L1:193\n");
    assert_int_equal(pair_find(&w.nodes[3], &w.named[0])->n, 193);
    assert_true(pair_find(&w.nodes[3], &w.named[0])->frozen);
    end();
}

static void
a_proof_without_a_log_outlives_a_restart(void **state)
{
    begin_with_proof_at_b();
    pair_unlink(&w, 1, 3);
    pair_restart(&w, 3, false);
    w.nodes[3].appends_fail = false;
    pair_trace_clear(&w);
    pair_link(&w, 0, 3); /* A is frozen too; before it repeats the proof, D knows */
    pair_run(&w, 2000);
    expect("A>D hello\n"
           "D>A hello echo\n"
           "A>D hello echo\n"
           "A>D heads full L1:303\n"
           "D>A heads full\n"
           "D>A evidence L1 from 302, 2+4\n"
           "D>A want L1 from 1\n"
           "A>D batch L1 1..193\n"
           "A>D batch L1 194..303\n"
           "A>D evidence L1 from 302, 2+4\n"
           "D: append L1 1..193 opens\n"
           "D>A close want\n"
           "D>A heads L1:193\n");
    assert_true(pair_find(&w.nodes[3], &w.named[0])->frozen);
    end();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_branch_that_a_successor_of_the_other_names_is_told_all_the_same),
        cmocka_unit_test(branches_that_are_both_named_are_told_all_the_same),
        cmocka_unit_test(of_a_log_frozen_before_it_was_stored_the_first_run_is_fetched),
        cmocka_unit_test(a_proof_without_a_log_outlives_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
