/* What status warns of: each thing once, until its source is well again or its time is over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>

#include "node/host/warnings.h"

static char listed[API_WARNINGS_MAX][API_WARNING_BYTES_MAX + 1];

static bool
raise(struct warnings *w, enum warning_source source, const char *text, int64_t ms)
{
    return warnings_raise(w, source, text, (struct wall_ms){ms}, (struct mono_ms){ms});
}

static size_t
list(const struct warnings *w, int64_t ms)
{
    return warnings_list(w, (struct wall_ms){ms}, listed, ARRAY_LEN(listed));
}

static void
the_same_again_is_logged_once_a_minute_and_stands_once(void **state)
{
    struct warnings w = {0};
    (void)state;
    assert_true(raise(&w, WARNING_ANY, "a disk is full", 1));
    assert_false(raise(&w, WARNING_ANY, "a disk is full", WARNINGS_REPEAT_MS));
    assert_true(raise(&w, WARNING_ANY, "a disk is full", WARNINGS_REPEAT_MS + 1));
    assert_int_equal(list(&w, WARNINGS_REPEAT_MS + 2), 1);
    assert_string_equal(listed[0], "a disk is full");
}

static void
what_the_upkeep_could_not_do_is_over_once_it_can(void **state)
{
    struct warnings w = {0};
    (void)state;
    (void)raise(&w, WARNING_UPKEEP, "tried again", 1);
    (void)raise(&w, WARNING_ANY, "a fork", 2);
    (void)raise(&w, WARNING_UPKEEP, "tried again, otherwise", 3);
    assert_int_equal(list(&w, 4), 3);
    warnings_settle(&w, WARNING_ANY);
    assert_int_equal(list(&w, 4), 3);
    warnings_settle(&w, WARNING_UPKEEP);
    assert_int_equal(list(&w, 4), 1);
    assert_string_equal(listed[0], "a fork");
    assert_true(raise(&w, WARNING_UPKEEP, "tried again", 5)); /* news again */
    assert_int_equal(list(&w, 6), 2);
}

static void
the_oldest_makes_room_and_all_are_over_in_time(void **state)
{
    struct warnings w = {0};
    char text[32];
    (void)state;
    for (int i = 0; i <= API_WARNINGS_MAX; i++) {
        snprintf(text, sizeof(text), "number %d", i);
        (void)raise(&w, WARNING_ANY, text, i);
    }
    assert_int_equal(list(&w, 100), API_WARNINGS_MAX);
    for (size_t i = 0; i < API_WARNINGS_MAX; i++)
        assert_string_not_equal(listed[i], "number 0");
    assert_int_equal(list(&w, WARNINGS_KEPT_MS + API_WARNINGS_MAX), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_again_is_logged_once_a_minute_and_stands_once),
        cmocka_unit_test(what_the_upkeep_could_not_do_is_over_once_it_can),
        cmocka_unit_test(the_oldest_makes_room_and_all_are_over_in_time),
    };
    return cmocka_run_group_tests_name("warnings", tests, NULL, NULL);
}
