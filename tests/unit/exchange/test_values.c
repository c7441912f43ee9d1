/* node/exchange/values.c: what registers write, and what is refused rather than guessed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "node/exchange/values.h"

static void
expect_date(const char *text, enum date_order order, const char *wanted)
{
    struct civil_date d = DATE_NONE;
    struct err err = {0};
    char out[DATE_TEXT_MAX];
    int rc = value_date(text, "day", order, &d, &err);
    if (rc != 0 || strcmp(date_format(d, out), wanted) != 0)
        fail_msg("“%s”: %s %s", text, rc == 0 ? date_format(d, out) : "refused", err.text);
}

static void
expect_no_date(const char *text, enum date_order order, const char *why)
{
    struct civil_date d = DATE_NONE;
    struct err err = {0};
    if (value_date(text, "day", order, &d, &err) != ERR_INVALID || !strstr(err.text, why))
        fail_msg("“%s”: %s", text, err.text);
    assert_string_equal(err.field, "day");
    assert_true(date_is_none(d));
}

static void
dates_are_read_in_the_ways_of_europe(void **state)
{
    static const char *const LAST_OF_2024[] = {
        "2024-12-31",
        "31/12/2024",
        "31.12.2024",
        "31-12-2024",
        "2024/12/31",
        "2024.12.31",
        "2024. 12. 31.",
        " 2024-12-31",
        "\u00a031/12/2024\u202f",
        "2024-12-31T00:00:00",
        "2024-12-31T00:00:00Z",
        "2024-12-31 00:00",
        "31/12/2024 00:00:00",
        "2024-12-31 00:00:00.000",
        "2024-12-31T00:00:00.0000000+00:00",
        "31. 12. 2024",
        "31.12.2024.",
    };
    for (size_t i = 0; i < ARRAY_LEN(LAST_OF_2024); i++)
        expect_date(LAST_OF_2024[i], DATE_ORDER_ANY, "2024-12-31");
    expect_date("1/2/2024", DATE_ORDER_ANY, "2024-02-01");
    expect_date("1.2.2024", DATE_ORDER_DMY, "2024-02-01");
    expect_date("29.2.2024", DATE_ORDER_ANY, "2024-02-29");
    expect_date("2024-1-5", DATE_ORDER_ANY, "2024-01-05");
}

static void
the_order_of_day_and_month_is_named_never_guessed(void **state)
{
    expect_date("1/2/2024", DATE_ORDER_MDY, "2024-01-02");
    expect_date("12/31/2024", DATE_ORDER_MDY, "2024-12-31");
    expect_date("2024-01-02", DATE_ORDER_MDY, "2024-01-02");
    expect_no_date("12/31/2024", DATE_ORDER_ANY, "date = mdy");
    expect_no_date("12/31/2024", DATE_ORDER_DMY, "no month 31");
    expect_no_date("31/12/2024", DATE_ORDER_MDY, "the month stands first");
    expect_no_date("31/12/2024", DATE_ORDER_YMD, "ymd");
}

static void
what_is_no_day_is_refused(void **state)
{
    static const char *const NOT[] = {
        "",
        " ",
        "today",
        "2024",
        "2024-12",
        "45657",
        "2024-12-31x",
        "31/12-2024",
        "31 12 2024",
        "20241231",
        "2024-012-31",
        "31//12/2024",
        "-31/12/2024",
        "31/12/02024",
        "1/2/24/2024",
        "2024..12.31",
        "T00:00",
    };
    for (size_t i = 0; i < ARRAY_LEN(NOT); i++)
        expect_no_date(NOT[i], DATE_ORDER_ANY, "not a date");
    expect_no_date("31/12/24", DATE_ORDER_ANY, "four digits");
    expect_no_date("24-12-31", DATE_ORDER_ANY, "four digits");
    expect_no_date("31/02/2024", DATE_ORDER_ANY, "no such day");
    expect_no_date("2024-13-01", DATE_ORDER_ANY, "");
    expect_no_date("00/01/2024", DATE_ORDER_ANY, "");
    expect_no_date("99/99/2024", DATE_ORDER_ANY, "no month 99");
    expect_no_date("2024-12-31T23:00:00", DATE_ORDER_ANY, "time of day");
    expect_no_date("2024-12-31 00:00:00.", DATE_ORDER_ANY, "time of day");
    expect_no_date("31/12/1024", DATE_ORDER_ANY, "");
}

static void
expect_amount(const char *text, const char *currency, char decimal, int64_t wanted)
{
    int64_t v = -1;
    struct err err = {0};
    int rc = value_amount(text, "amount", currency, decimal, &v, &err);
    if (rc != 0 || v != wanted)
        fail_msg("“%s”: %lld %s", text, (long long)v, err.text);
}

static void
expect_no_amount(const char *text, const char *currency, char decimal, const char *why)
{
    int64_t v = -1;
    struct err err = {0};
    if (value_amount(text, "amount", currency, decimal, &v, &err) == 0 || !strstr(err.text, why))
        fail_msg("“%s”: %lld %s", text, (long long)v, err.text);
    assert_string_equal(err.field, "amount");
    assert_int_equal(v, -1);
}

static void
amounts_are_read_with_either_mark_and_any_thousands(void **state)
{
    static const char *const SAME[] = {
        "1234.56",       "1234,56",    "1.234,56",    "1,234.56",  "1 234,56",   "1\u00a0234,56",
        "1\u202f234,56", "1'234.56",   "1’234.56",    "€1.234,56", "1.234,56 €", "EUR 1,234.56",
        "1234.56EUR",    " +1234.56 ", "eur 1234.56", "1234.5600", "0001234.56",
    };
    for (size_t i = 0; i < ARRAY_LEN(SAME); i++)
        expect_amount(SAME[i], "EUR", '\0', 123456);
    expect_amount("1.234.567", "EUR", '\0', 123456700);
    expect_amount("1 234 567", "EUR", '\0', 123456700);
    expect_amount("12,5", "EUR", '\0', 1250);
    expect_amount("12", "EUR", '\0', 1200);
    expect_amount(".5", "EUR", '\0', 50);
    expect_amount("0,00", "EUR", '\0', 0);
    expect_amount("1.234", "EUR", ',', 123400);
    expect_amount("1.234", "KWD", '.', 1234);
    expect_amount("1.200", "EUR", '.', 120);
    expect_amount("12 500 Ft", "HUF", '\0', 1250000);
    expect_amount("99 kr", "SEK", '\0', 9900);
    expect_amount("1 234", "JPY", '\0', 1234);
    expect_amount("0.005", "KWD", '\0', 5);
}

static void
a_minus_may_stand_on_either_side_or_be_parentheses(void **state)
{
    static const char *const SAME[] = {
        "-12.50",   "12.50-",    "(12.50)",    "- 12,50", "−12,50",     "-€12.50",   "€ -12.50",
        "€(12.50)", "(12.50 €)", "EUR 12.50-", "12,50−",  "-12,50 EUR", "(€ 12.50)",
    };
    for (size_t i = 0; i < ARRAY_LEN(SAME); i++)
        expect_amount(SAME[i], "EUR", '\0', -1250);
}

static void
an_amount_that_can_be_read_in_two_ways_is_refused(void **state)
{
    static const char *const TWO_WAYS[] = {"1.234", "1,234", "12.345", "123,456", "1.234-"};
    for (size_t i = 0; i < ARRAY_LEN(TWO_WAYS); i++) {
        expect_no_amount(TWO_WAYS[i], "EUR", '\0', "decimal = comma");
        expect_no_amount(TWO_WAYS[i], "JPY", '\0', "decimal = comma");
        expect_no_amount(TWO_WAYS[i], "KWD", '\0', "decimal = comma");
    }
}

static void
what_is_no_amount_is_refused(void **state)
{
    static const char *const NOT[] = {
        "",     " ",    "-",  "€",    "EUR",       "1.2.3",        "1,23,456",      "1.23.456,00", "12.",      "--5",
        "-5-",  "(5",   "5)", "(-5)", "1 23",      "1234.567.890", "1 234.567,8.9", "twelve",      "12x",      "1e3",
        "0x10", "1..5", ",",  "€5€",  "1'234 567", "12.5,",        "12,-",          "١٢",          "1.234.56",
    };
    for (size_t i = 0; i < ARRAY_LEN(NOT); i++)
        expect_no_amount(NOT[i], "EUR", '\0', "");
    expect_no_amount("12.345,6", "EUR", '.', "");
    expect_no_amount("12,345", "EUR", ',', "more decimals than the 2 of EUR");
    expect_no_amount("1234.567", "EUR", '\0', "more decimals");
    expect_no_amount("0.5", "JPY", '\0', "more decimals than the 0 of JPY");
    expect_no_amount("12.50 USD", "EUR", '\0', "another currency than EUR");
    expect_no_amount("12 Ft", "EUR", '\0', "another currency than EUR");
    expect_no_amount("10000000000000.01", "EUR", '\0', "too large");
    expect_no_amount("99999999999999999999999999999999999999", "EUR", '\0', "too large");
    expect_amount("10000000000000.00", "EUR", '\0', 1000000000000000);
}

static void
currencies_have_their_own_number_of_decimals(void **state)
{
    assert_int_equal(currency_decimals("EUR"), 2);
    assert_int_equal(currency_decimals("HUF"), 2);
    assert_int_equal(currency_decimals("SEK"), 2);
    assert_int_equal(currency_decimals("JPY"), 0);
    assert_int_equal(currency_decimals("KWD"), 3);
    assert_int_equal(currency_decimals("CLF"), 4);
    assert_int_equal(currency_decimals("ZZZ"), 2);
    assert_int_equal(currency_decimals(" BI"), 2);
    assert_int_equal(currency_decimals(""), 2);
}

static void
whole_numbers_have_no_parts(void **state)
{
    static const struct {
        const char *text;
        char decimal;
        uint64_t wanted;
    } RIGHT[] = {{"0", 0, 0}, {" 12 ", 0, 12}, {"1 234", 0, 1234}, {"2,00", 0, 2}, {"1.234", ',', 1234}, {"007", 0, 7}};
    static const struct {
        const char *text, *why;
    } WRONG[] = {{"1.5", "whole number"},          {"-1", "whole number"}, {"", "whole number"},
                 {"one", "whole number"},          {"1.234", "decimal ="}, {"1e3", "whole number"},
                 {"9999999999999999", "too large"}};
    for (size_t i = 0; i < ARRAY_LEN(RIGHT); i++) {
        uint64_t v = 77;
        struct err err = {0};
        if (value_uint(RIGHT[i].text, "n", RIGHT[i].decimal, &v, &err) != 0 || v != RIGHT[i].wanted)
            fail_msg("“%s”: %s", RIGHT[i].text, err.text);
    }
    for (size_t i = 0; i < ARRAY_LEN(WRONG); i++) {
        uint64_t v = 77;
        struct err err = {0};
        if (value_uint(WRONG[i].text, "n", '\0', &v, &err) == 0 || v != 77 || !strstr(err.text, WRONG[i].why))
            fail_msg("“%s”: %s", WRONG[i].text, err.text);
    }
}

static void
percentages_become_basis_points(void **state)
{
    static const struct {
        const char *text;
        uint32_t wanted;
    } RIGHT[] = {{"6,5 %", 650}, {"6.5%", 650}, {"6.5", 650}, {"0", 0}, {"100 %", 10000}, {"8,75\u00a0%", 875}};
    static const char *const WRONG[] = {"", "%", "100,01", "-5", "6.555", "0.065", "6,5 %%", "six", "1000"};
    for (size_t i = 0; i < ARRAY_LEN(RIGHT); i++) {
        uint32_t v = 0;
        struct err err = {0};
        if (value_percent(RIGHT[i].text, "rate", '\0', &v, &err) != 0 || v != RIGHT[i].wanted)
            fail_msg("“%s”: %u %s", RIGHT[i].text, v, err.text);
    }
    for (size_t i = 0; i < ARRAY_LEN(WRONG); i++) {
        uint32_t v = 0;
        if (value_percent(WRONG[i], "rate", '\0', &v, NULL) == 0)
            fail_msg("“%s”: %u", WRONG[i], v);
    }
}

static void
yes_and_no_are_known_in_the_languages_of_the_units(void **state)
{
    static const char *const YES[] = {"yes", "Ja", "OUI", "sí", "SÍ", "si\u0301", "igen", "1", "True", " ja "};
    static const char *const NO[] = {"no", "Nee", "nein", "NON", "nem", "nej", "0", "FALSE"};
    static const char *const NEITHER[] = {"", "2", "maybe", "y", "a very long word that is none of them"};
    struct err err = {0};
    bool v;
    for (size_t i = 0; i < ARRAY_LEN(YES); i++) {
        v = false;
        if (value_bool(YES[i], "flag", &v, &err) != 0 || !v)
            fail_msg("%s", YES[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(NO); i++) {
        v = true;
        if (value_bool(NO[i], "flag", &v, &err) != 0 || v)
            fail_msg("%s", NO[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(NEITHER); i++)
        assert_int_equal(value_bool(NEITHER[i], "flag", &v, &err), ERR_INVALID);
}

static void
spaces_of_every_kind_are_taken_off_the_ends_alone(void **state)
{
    static const char TEXT[] = " \t\u00a0\u3000a b\u202f\r\n";
    struct slice s = value_trimmed(TEXT, strlen(TEXT));
    assert_int_equal(s.len, 3);
    assert_memory_equal(s.data, "a b", 3);
    assert_int_equal(value_trimmed(" \u00a0", strlen(" \u00a0")).len, 0);
    assert_int_equal(value_trimmed("\xa0\xff", 2).len, 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dates_are_read_in_the_ways_of_europe),
        cmocka_unit_test(the_order_of_day_and_month_is_named_never_guessed),
        cmocka_unit_test(what_is_no_day_is_refused),
        cmocka_unit_test(amounts_are_read_with_either_mark_and_any_thousands),
        cmocka_unit_test(a_minus_may_stand_on_either_side_or_be_parentheses),
        cmocka_unit_test(an_amount_that_can_be_read_in_two_ways_is_refused),
        cmocka_unit_test(what_is_no_amount_is_refused),
        cmocka_unit_test(currencies_have_their_own_number_of_decimals),
        cmocka_unit_test(whole_numbers_have_no_parts),
        cmocka_unit_test(percentages_become_basis_points),
        cmocka_unit_test(yes_and_no_are_known_in_the_languages_of_the_units),
        cmocka_unit_test(spaces_of_every_kind_are_taken_off_the_ends_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
