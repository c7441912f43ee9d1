/* Traces of questions about one person, §12.8: who is asked, what comes back, and what becomes of a question that nobody answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/support/syncpair.h"

static struct pair w;

static void
begin(void)
{
    pair_init(&w, 2, 1, (struct vnet_faults){.delay_min_ms = 1, .delay_max_ms = 1});
    pair_link(&w, 0, 1);
    pair_run(&w, 100);
    w.tracing = true;
}

static void
expect(const char *trace)
{
    assert_string_equal(pair_trace(&w), trace);
    pair_trace_clear(&w);
}

static void
ask(uint64_t number, uint8_t bucket)
{
    struct sync_event ev = {.type = SYNC_ADMISSION_ASK};
    ev.admission_ask.unit = w.nodes[1].unit.id;
    ev.admission_ask.number = number;
    ev.admission_ask.bucket = bucket;
    assert_true(hex_decode("609a0ae68c15a3cf6903766461307e5c8bb2f95e7e6550e1ffa2dc99e412803c",
                           ev.admission_ask.blinded.b, OPRF_ELEMENT_BYTES));
    pair_step(&w, 0, &ev);
}

static void
a_question_is_asked_and_answered(void **state)
{
    begin();
    ask(7, 200);
    ask(8, 3);
    pair_run(&w, 10);
    expect("A>B ask 7, bucket 200\n"
           "A>B ask 8, bucket 3\n"
           "B: asked 7\n"
           "B>A answer 7, status 1, 64 entries\n"
           "B: asked 8\n"
           "B>A answer 8, status 1, 64 entries\n"
           "A: answered 7, status 1\n"
           "A: answered 8, status 1\n");
    pair_release(&w);
}

static void
a_refusal_is_an_answer(void **state)
{
    begin();
    w.nodes[1].admission_status = ADMISSION_RATE_LIMIT;
    ask(7, 0);
    pair_run(&w, 10);
    expect("A>B ask 7, bucket 0\n"
           "B: asked 7\n"
           "B>A answer 7, status 2, 0 entries\n"
           "A: answered 7, status 2\n");
    pair_release(&w);
}

static void
without_a_session_a_question_goes_back_at_once(void **state)
{
    begin();
    pair_unlink(&w, 0, 1);
    pair_trace_clear(&w);
    ask(7, 0);
    expect("A: unanswered 7\n");
    pair_release(&w);
}

static void
a_question_goes_back_when_the_session_ends_or_nobody_answers(void **state)
{
    begin();
    w.nodes[1].reads_stop = true;
    ask(7, 0);
    pair_run(&w, 10);
    pair_unlink(&w, 0, 1);
    expect("A>B ask 7, bucket 0\n"
           "B: asked 7\n"
           "A: unanswered 7\n");
    pair_link(&w, 0, 1);
    pair_run(&w, 100);
    pair_trace_clear(&w);
    ask(7, 0);
    pair_run(&w, SYNC_ADMISSION_MS - 1);
    assert_int_equal(w.nodes[0].admissions_unanswered, 1);
    pair_run(&w, 2);
    assert_int_equal(w.nodes[0].admissions_unanswered, 2);
    pair_release(&w);
}

static void
an_answer_that_nobody_waits_for_is_dropped(void **state)
{
    begin();
    struct message m = {.type = MSG_ADMISSION_ANSWER};
    struct sync_session_info info;
    m.admission_answer.number = 9;
    m.admission_answer.status = ADMISSION_NOT_AVAILABLE;
    pair_inject(&w, 1, 0, &m);
    pair_run(&w, 10);
    assert_int_equal(sync_sessions(w.nodes[0].core, &info, 1), 1);
    assert_int_equal(info.dropped, 1);
    assert_int_equal(w.nodes[0].admissions_answered, 0);
    pair_release(&w);
}

static void
more_questions_than_a_session_takes_go_back(void **state)
{
    begin();
    w.nodes[1].reads_stop = true;
    for (uint64_t i = 0; i < SYNC_ADMISSION_ASKS_MAX + 1; i++)
        ask(i, 0);
    pair_run(&w, 10);
    assert_int_equal(w.nodes[0].admissions_unanswered, 1);
    assert_int_equal(w.nodes[1].alarms[ALARM_MALFORMED], 0);
    pair_release(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_question_is_asked_and_answered),
        cmocka_unit_test(a_refusal_is_an_answer),
        cmocka_unit_test(without_a_session_a_question_goes_back_at_once),
        cmocka_unit_test(a_question_goes_back_when_the_session_ends_or_nobody_answers),
        cmocka_unit_test(an_answer_that_nobody_waits_for_is_dropped),
        cmocka_unit_test(more_questions_than_a_session_takes_go_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
