/* Whom another unit is asked about: the same bytes however a name was typed, other bytes for anybody else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>

#include "node/command/lookup.h"

static struct person_identity
person(const char *family, const char *given, const char *legal, struct civil_date birth)
{
    struct person_identity p = {.birth_date = birth};
    snprintf(p.family_name.s, sizeof(p.family_name.s), "%s", family);
    snprintf(p.given_name.s, sizeof(p.given_name.s), "%s", given);
    snprintf(p.legal_name.s, sizeof(p.legal_name.s), "%s", legal);
    return p;
}

static bool
same(const struct person_identity *a, const struct person_identity *b, uint8_t type)
{
    struct buf x, y;
    struct err err;
    buf_init(&x, LOOKUP_INPUT_MAX);
    buf_init(&y, LOOKUP_INPUT_MAX);
    assert_int_equal(lookup_input(a, type, &x, &err), 0);
    assert_int_equal(lookup_input(b, type, &y, &err), 0);
    bool is = slice_eq(buf_slice(&x), buf_slice(&y));
    buf_free(&x);
    buf_free(&y);
    return is;
}

static void
bytes_are_as_the_protocol_has_them(void **state)
{
    static const char expected[] = "\x01\x00\x0cvan de meers\x00\x04jose\x00\x0a"
                                   "1980-02-03";
    struct person_identity p = person("Van  de Meers", "José", "", date_from_ymd(1980, 2, 3));
    struct buf x;
    struct err err;
    buf_init(&x, LOOKUP_INPUT_MAX);
    assert_int_equal(lookup_input(&p, PERSON_NATURAL, &x, &err), 0);
    assert_int_equal(x.len, sizeof(expected) - 1);
    assert_memory_equal(x.data, expected, sizeof(expected) - 1);
    buf_free(&x);
}

static void
spelling_case_and_marks_do_not_matter(void **state)
{
    struct civil_date day = date_from_ymd(1980, 2, 3);
    struct person_identity a = person("Østergård-Łuk", "Ana María", "", day),
                           b = person("ostergard LUK", "ANA-MARIA", "", day);
    assert_true(same(&a, &b, PERSON_NATURAL));
    a = person("", "", "Atelier Zuid, BV", DATE_NONE);
    b = person("", "", "ATELIER ZUID BV.", DATE_NONE);
    assert_true(same(&a, &b, PERSON_LEGAL));
}

static void
other_persons_differ(void **state)
{
    struct civil_date day = date_from_ymd(1980, 2, 3);
    struct person_identity a = person("Maes", "Jan", "Maes", day),
                           others[] = {
                               person("Maes Jan", "", "Maes Jan", day),
                               person("Jan", "Maes", "Jan", day),
                               person("Maes", "Jan", "Maesen", date_from_ymd(1980, 3, 2)),
                           };
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        assert_false(same(&a, &others[i], PERSON_NATURAL));
        assert_false(same(&a, &others[i], PERSON_LEGAL));
    }
}

static void
without_a_name_or_birth_date_there_is_no_question(void **state)
{
    struct civil_date day = date_from_ymd(1980, 2, 3);
    const struct {
        struct person_identity p;
        uint8_t type;
    } none[] = {
        {person("Maes", "Jan", "", DATE_NONE), PERSON_NATURAL},
        {person("", "Jan", "", day), PERSON_NATURAL},
        {person("-", "Jan", "", day), PERSON_NATURAL},
        {person("Maes", "Jan", "", day), PERSON_LEGAL},
        {person("Maes", "Jan", "Maes", day), 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(none); i++) {
        struct buf x;
        struct err err;
        buf_init(&x, LOOKUP_INPUT_MAX);
        assert_int_equal(lookup_input(&none[i].p, none[i].type, &x, &err), ERR_NOTFOUND);
        assert_int_equal(x.len, 0);
        buf_free(&x);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_as_the_protocol_has_them),
        cmocka_unit_test(spelling_case_and_marks_do_not_matter),
        cmocka_unit_test(other_persons_differ),
        cmocka_unit_test(without_a_name_or_birth_date_there_is_no_question),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
