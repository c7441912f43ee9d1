/* How long what is known of a person is kept: the periods of each country and those that a unit sets, the day from which each class may be
 * erased, what is there to erase, and that nothing dated before an erasure is entered again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "node/command/retention.h"
#include "tests/support/member_desk.h"

static struct retention_rules
rules_of(const char *country)
{
    const struct retention_settings settings = RETENTION_DEFAULT;
    struct retention_rules r;
    retention_rules_of(country, &settings, &r);
    return r;
}

static int
setup(void **state)
{
    static struct member_desk f;
    desk_setup(&f);
    *state = &f;
    return 0;
}

static int
teardown(void **state)
{
    desk_teardown(*state);
    return 0;
}

static int
day_of(int year, int month, int day)
{
    return date_from_ymd(year, month, day).days;
}

static void
expect_due(const struct member_desk *f, const struct retention_rules *r, uint8_t class, struct civil_date last_work,
           int year, int month, int day)
{
    struct retention_date d = retention_due(r, &f->row, class, last_work);
    char text[DATE_TEXT_MAX], expected[DATE_TEXT_MAX];
    assert_true(d.has);
    assert_string_equal(date_format(d.due, text), date_format(date_from_ymd(year, month, day), expected));
}

/* ---- rules ---- */

static void
each_country_has_its_periods_and_names_a_law(void **state)
{
    static const struct {
        const char *country;
        unsigned register_years, work_years;
    } expected[] = {{"AT", 7, 7}, {"BE", 10, 10}, {"DE", 10, 10}, {"ES", 6, 6},  {"FR", 10, 10},
                    {"HU", 8, 8}, {"IT", 10, 10}, {"NL", 7, 7},   {"SE", 10, 7}, {"XX", 10, 10}, /* the longest */
                    {"", 10, 10}};
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        struct retention_rules r = rules_of(expected[i].country);
        assert_int_equal(r.v[RETAIN_REGISTER], expected[i].register_years);
        assert_int_equal(r.v[RETAIN_WORK], expected[i].work_years);
        assert_int_equal(r.v[RETAIN_CONTACT], 180);
        assert_int_equal(r.v[RETAIN_BANK], 90);
        assert_int_equal(r.v[RETAIN_REFUSED], 180);
        for (size_t k = 0; k < RETAIN_N; k++) {
            assert_true(strlen(r.ground[k]) > 0);
            assert_false(r.set[k]);
        }
    }
}

static void
what_the_unit_sets_takes_the_place_of_the_countrys(void **state)
{
    struct retention_settings settings = RETENTION_DEFAULT;
    struct retention_rules r;
    settings.v[RETAIN_REGISTER] = 3;
    settings.v[RETAIN_BANK] = 0;
    retention_rules_of("SE", &settings, &r);
    assert_int_equal(r.v[RETAIN_REGISTER], 3);
    assert_int_equal(r.v[RETAIN_BANK], 0);
    assert_int_equal(r.v[RETAIN_WORK], 7);
    assert_true(r.set[RETAIN_REGISTER] && r.set[RETAIN_BANK]);
    assert_false(r.set[RETAIN_WORK]);
    assert_string_equal(r.ground[RETAIN_REGISTER], "set by the unit");
}

/* ---- dates ---- */

static void
of_a_member_and_of_an_open_application_no_date_runs(void **state)
{
    struct member_desk *f = *state;
    struct retention_rules r = rules_of("BE");
    desk_put(f, MAIN, KIND_APPLICATION_RECEIVED, day_of(2015, 2, 1));
    for (uint8_t class = CLASS_IDENTITY; class <= CLASS_NOTE; class ++)
        assert_false(retention_due(&r, &f->row, class, DATE_NONE).has);
    desk_put(f, MAIN, KIND_MEMBER_ADMITTED, day_of(2015, 3, 1));
    for (uint8_t class = CLASS_IDENTITY; class <= CLASS_NOTE; class ++)
        assert_false(retention_due(&r, &f->row, class, date_from_ymd(2016, 1, 1)).has);
}

static void
a_refused_application_is_kept_for_its_days(void **state)
{
    struct member_desk *f = *state;
    struct retention_rules r = rules_of("BE");
    struct position application = desk_put(f, MAIN, KIND_APPLICATION_RECEIVED, day_of(2021, 1, 1));
    desk_put_ref(f, MAIN, KIND_APPLICATION_REFUSED, day_of(2021, 1, 31), REF_APPLICATION, application);
    for (uint8_t class = CLASS_IDENTITY; class <= CLASS_NOTE; class ++)
        expect_due(f, &r, class, DATE_NONE, 2021, 7, 31); /* the day after 180 days */
}

static void
the_register_is_due_the_day_after_its_years(void **state)
{
    struct member_desk *f = *state;
    static const struct {
        const char *country;
        int year;
    } expected[] = {{"AT", 2027}, {"BE", 2030}, {"ES", 2026}, {"HU", 2028}, {"NL", 2027}, {"SE", 2030}};
    desk_put(f, MAIN, KIND_MEMBER_ADMITTED, day_of(2015, 3, 1));
    desk_put(f, MAIN, KIND_MEMBER_RESIGNED, day_of(2020, 6, 30));
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        struct retention_rules r = rules_of(expected[i].country);
        expect_due(f, &r, CLASS_IDENTITY, DATE_NONE, expected[i].year, 7, 1);
    }
}

static void
who_left_on_a_leap_day_is_not_due_before_the_years_are_over(void **state)
{
    struct member_desk *f = *state;
    struct retention_rules r = rules_of("AT");
    desk_put(f, MAIN, KIND_MEMBER_ADMITTED, day_of(2015, 3, 1));
    desk_put(f, MAIN, KIND_MEMBER_RESIGNED, day_of(2020, 2, 29));
    struct retention_date d = retention_due(&r, &f->row, CLASS_IDENTITY, DATE_NONE);
    assert_true(d.has);
    assert_true(d.due.days > day_of(2027, 2, 28));
    assert_true(d.due.days <= day_of(2027, 3, 2));
}

static void
work_is_due_after_the_end_of_the_year_of_the_last_invoice(void **state)
{
    struct member_desk *f = *state;
    struct retention_rules se = rules_of("SE"), be = rules_of("BE");
    desk_put(f, MAIN, KIND_MEMBER_ADMITTED, day_of(2015, 3, 1));
    desk_put(f, MAIN, KIND_MEMBER_RESIGNED, day_of(2020, 6, 30));
    expect_due(f, &se, CLASS_ACTIVITY, date_from_ymd(2019, 1, 1), 2027, 1, 1);
    expect_due(f, &be, CLASS_ACTIVITY, date_from_ymd(2019, 12, 1), 2030, 1, 1);
    /* never before the membership is over */
    expect_due(f, &se, CLASS_ACTIVITY, date_from_ymd(2005, 1, 1), 2020, 7, 1);
    /* without an invoice there is nothing of accounts */
    expect_due(f, &be, CLASS_ACTIVITY, DATE_NONE, 2020, 12, 28);
}

static void
contact_and_bank_wait_for_the_last_repayment(void **state)
{
    struct member_desk *f = *state;
    struct retention_rules r = rules_of("BE");
    desk_put(f, MAIN, KIND_MEMBER_ADMITTED, day_of(2015, 3, 1));
    desk_put(f, MAIN, KIND_MEMBER_RESIGNED, day_of(2020, 6, 30));
    assert_false(retention_due(&r, &f->row, CLASS_CONTACT, DATE_NONE).has); /* money is owed */
    assert_false(retention_due(&r, &f->row, CLASS_BANK, DATE_NONE).has);
    assert_false(retention_due(&r, &f->row, CLASS_NOTE, DATE_NONE).has);
    assert_true(retention_due(&r, &f->row, CLASS_IDENTITY, DATE_NONE).has);
    struct member_entry repaid = desk_entry(f, MAIN, KIND_SHARES_REPAID, day_of(2021, 1, 1));
    repaid.shares = 2;
    repaid.amount_minor = 6000;
    memcpy(repaid.currency, "EUR", sizeof(repaid.currency));
    desk_add(f, &repaid);
    expect_due(f, &r, CLASS_BANK, DATE_NONE, 2021, 4, 2);
    expect_due(f, &r, CLASS_CONTACT, DATE_NONE, 2021, 7, 1);
    expect_due(f, &r, CLASS_NOTE, DATE_NONE, 2021, 7, 1);
}

/* ---- what was erased ---- */

static void
erase(struct member_desk *f, int day, uint16_t classes)
{
    struct member_entry e = desk_entry(f, MAIN, KIND_ERASURE_ORDERED, day);
    e.classes = classes;
    e.ground = GROUND_ASKED;
    desk_add(f, &e);
}

static void
what_is_dated_before_an_erasure_is_not_entered_again(void **state)
{
    struct member_desk *f = *state;
    struct err err = {0};
    const uint16_t contact = 1U << (CLASS_CONTACT - 1), bank = 1U << (CLASS_BANK - 1);
    desk_put(f, MAIN, KIND_MEMBER_ADMITTED, day_of(2015, 3, 1));
    assert_true(date_is_none(retention_erased_on(&f->row, CLASS_CONTACT)));
    assert_int_equal(retention_check_erased(&f->row, CLASS_CONTACT, DATE_NONE, "email", &err), 0);
    erase(f, day_of(2020, 5, 1), contact | bank);
    erase(f, day_of(2021, 5, 1), contact);
    assert_int_equal(retention_erased_on(&f->row, CLASS_CONTACT).days, day_of(2021, 5, 1));
    assert_int_equal(retention_erased_on(&f->row, CLASS_BANK).days, day_of(2020, 5, 1));
    assert_false(retention_holds(&f->row, CLASS_CONTACT));
    assert_int_equal(retention_check_erased(&f->row, CLASS_CONTACT, date_from_ymd(2021, 5, 1), "email", &err), 0);
    assert_int_equal(retention_check_erased(&f->row, CLASS_CONTACT, date_from_ymd(2021, 4, 30), "email", &err),
                     ERR_CONFLICT);
    assert_string_equal(err.field, "email");
    assert_string_equal(err.text,
                        "email: contact was erased on 2021-05-01; what is dated before that day is not entered again");
    assert_int_equal(retention_check_erased(&f->row, CLASS_IDENTITY, DATE_NONE, "family_name", &err), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_country_has_its_periods_and_names_a_law),
        cmocka_unit_test(what_the_unit_sets_takes_the_place_of_the_countrys),
        cmocka_unit_test_setup_teardown(of_a_member_and_of_an_open_application_no_date_runs, setup, teardown),
        cmocka_unit_test_setup_teardown(a_refused_application_is_kept_for_its_days, setup, teardown),
        cmocka_unit_test_setup_teardown(the_register_is_due_the_day_after_its_years, setup, teardown),
        cmocka_unit_test_setup_teardown(who_left_on_a_leap_day_is_not_due_before_the_years_are_over, setup, teardown),
        cmocka_unit_test_setup_teardown(work_is_due_after_the_end_of_the_year_of_the_last_invoice, setup, teardown),
        cmocka_unit_test_setup_teardown(contact_and_bank_wait_for_the_last_repayment, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_dated_before_an_erasure_is_not_entered_again, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
