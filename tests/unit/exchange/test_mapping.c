/* node/exchange/mapping.c: what a mapping file says, and where it is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "node/exchange/mapping.h"

static struct mapping *
mapping_of(const char *text)
{
    struct mapping *m = NULL;
    struct err err = {0};
    if (mapping_parse(text, "be.mapping", &m, &err) != 0)
        fail_msg("%s", err.text);
    return m;
}

static void
every_section_is_taken(void **state)
{
    struct mapping *m = mapping_of("\xef\xbb\xbf[file]\r\ntype = invoices\r\nformat = csv\nencoding = Latin-2\n"
                                   "delimiter = semicolon ; a comment\ndate = mdy\ndecimal = comma\nempty = NULL\n"
                                   "empty = -\n\n# nothing\n[columns]\nmember_no = Lid Nr.: é\n[values.category]\n"
                                   "A = Gebruiker\nA = Gebruikster\nB = b = c\n[defaults]\ncountry = BE\n"
                                   "[ignore]\ncolumn = Opmerking\n");
    const struct mapping_file *f = mapping_file(m);
    assert_int_equal(f->type, TABLE_OF_INVOICES);
    assert_int_equal(f->format, TABLE_CSV);
    assert_int_equal(f->encoding, ENCODING_LATIN_2);
    assert_int_equal(f->delimiter, ';');
    assert_int_equal(f->rules.date, DATE_ORDER_MDY);
    assert_int_equal(f->rules.decimal, ',');
    assert_string_equal(mapping_theirs(m, "member_no"), "Lid Nr.: é");
    assert_null(mapping_theirs(m, "office"));
    assert_string_equal(mapping_value(m, "category", "Gebruikster"), "A");
    assert_string_equal(mapping_value(m, "category", "b = c"), "B");
    assert_null(mapping_value(m, "category", "gebruiker"));
    assert_null(mapping_value(m, "type", "Gebruiker"));
    assert_true(mapping_has_values(m, "category"));
    assert_false(mapping_has_values(m, "country"));
    assert_string_equal(mapping_default(m, "country"), "BE");
    assert_true(mapping_ignores(m, " OPMERKING "));
    assert_false(mapping_ignores(m, "Opmerkingen"));
    assert_true(mapping_is_empty(m, "NULL"));
    assert_true(mapping_is_empty(m, "-"));
    assert_false(mapping_is_empty(m, "null"));
    mapping_free(&m);
    assert_null(m);
}

static void
no_mapping_is_an_empty_one(void **state)
{
    assert_int_equal(mapping_file(NULL)->encoding, ENCODING_UNNAMED);
    assert_null(mapping_theirs(NULL, "office"));
    assert_null(mapping_value(NULL, "office", "x"));
    assert_null(mapping_default(NULL, "office"));
    assert_false(mapping_ignores(NULL, "office"));
    assert_false(mapping_is_empty(NULL, ""));
}

static void
what_is_wrong_is_said_with_its_line(void **state)
{
    static const struct {
        const char *text, *why;
    } CASES[] = {
        {"[file]\nencodign = UTF-8\n", "line 2: unknown key encodign"},
        {"[file]\n\nencoding = EBCDIC\n", "line 3: no encoding"},
        {"[file]\ndelimiter = ;\n", "line 2: delimiter has no value"},
        {"[file]\ndelimiter = pipe\n", "line 2: a delimiter is"},
        {"[file]\ndate = ydm\n", "line 2: the order"},
        {"[file]\ndecimal = dot\n", "line 2: a decimal mark"},
        {"[file]\ntype = people\n", "line 2: a file is of members"},
        {"[file]\nformat = xlsx\n", "line 2: a format is"},
        {"[file]\ndecimal = comma\ndecimal = comma\n", "line 3: decimal stands twice"},
        {"[colums]\na = b\n", "line 2: unknown section"},
        {"a = b\n", "line 1: unknown section"},
        {"[columns]\na = b\n\na = c\n", "line 4: a stands in line 2"},
        {"[columns]\na = b\n c = d\n", "line 3: a stands in line 2"},
        {"[columns]\na\n", "line 2: neither"},
        {"[ignore]\ncolumns = x\n", "line 2: unknown key in [ignore]"},
        {"[values.a]\nA = x\nB = x\n", "line 3: “x” has a value"},
        {"[columns]\na = \xe9\n", "line 2: not UTF-8"},
        {"[columns]\naaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff = x\n", "line 2: a section or key"},
    };
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct mapping *m = NULL;
        struct err err = {0};
        if (mapping_parse(CASES[i].text, "be.mapping", &m, &err) == 0 || !strstr(err.text, CASES[i].why))
            fail_msg("%s: %s", CASES[i].text, err.text);
        assert_null(m);
        assert_non_null(strstr(err.text, "be.mapping"));
    }
}

static void
a_line_that_is_too_long_is_refused_and_not_cut(void **state)
{
    char text[512] = "[columns]\na = ";
    struct mapping *m = NULL;
    struct err err = {0};
    memset(text + strlen(text), 'x', MAPPING_LINE_MAX);
    assert_int_equal(mapping_parse(text, "be.mapping", &m, &err), ERR_LIMIT);
    assert_non_null(strstr(err.text, "line 2"));
}

static void
more_entries_than_there_may_be_are_refused(void **state)
{
    size_t cap = (size_t)(MAPPING_ENTRIES_MAX + 2) * 32, n = 0;
    char *text = calloc(1, cap);
    struct mapping *m = NULL;
    struct err err = {0};
    n += (size_t)snprintf(text, cap, "[ignore]\n");
    for (int i = 0; i <= MAPPING_ENTRIES_MAX; i++)
        n += (size_t)snprintf(text + n, cap - n, "column = c%d\n", i);
    assert_int_equal(mapping_parse(text, "be.mapping", &m, &err), ERR_LIMIT);
    free(text);
}

static void
names_that_are_none_of_ours_are_found_by_the_importer(void **state)
{
    static const char *const OURS[] = {"member_no", "office"};
    struct mapping *m = mapping_of("[columns]\nmember_no = a\n[values.offce]\nA = x\n[ignore]\ncolumn = b\n");
    struct err err = {0};
    assert_int_equal(mapping_check(m, OURS, ARRAY_LEN(OURS), &err), ERR_INVALID);
    assert_string_equal(err.text, "be.mapping line 4: there is no column offce here");
    assert_string_equal(err.field, "offce");
    mapping_free(&m);
}

static void
the_sample_is_right(void **state)
{
    struct mapping *m = NULL;
    struct err err = {0};
    if (mapping_load("ops/import-mapping.sample", &m, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(mapping_file(m)->type, TABLE_OF_MEMBERS);
    mapping_free(&m);
    assert_int_equal(mapping_load("/nonexistent/mapping", &m, &err), ERR_NOTFOUND);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_section_is_taken),
        cmocka_unit_test(no_mapping_is_an_empty_one),
        cmocka_unit_test(what_is_wrong_is_said_with_its_line),
        cmocka_unit_test(a_line_that_is_too_long_is_refused_and_not_cut),
        cmocka_unit_test(more_entries_than_there_may_be_are_refused),
        cmocka_unit_test(names_that_are_none_of_ours_are_found_by_the_importer),
        cmocka_unit_test(the_sample_is_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
