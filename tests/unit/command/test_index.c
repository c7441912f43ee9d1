/* Searching blind: what finds whom, and that both sides fold alike. Invented persons only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "node/command/command.h"
#include "node/command/text.h"
#include "tests/support/storage.h"

static const uint8_t WRAP_KEY[KEY_BYTES] = {7};

struct place {
    char dir[TEST_PATH_MAX];
    struct vault *vault;
};

static int
setup(void **state)
{
    struct place *p = calloc(1, sizeof(*p));
    struct err err;
    assert_non_null(p);
    test_dir_make(p->dir);
    struct vault_opts opts = {.path = p->dir,
                              .map_bytes = TEST_MAP_BYTES,
                              .wrap_key = WRAP_KEY,
                              .create = true,
                              .volatile_for_simulation = true};
    assert_int_equal(vault_open(&opts, &p->vault, &err), 0);
    *state = p;
    return 0;
}

static int
teardown(void **state)
{
    struct place *p = *state;
    vault_close(&p->vault);
    test_dir_remove(p->dir);
    free(p);
    return 0;
}

static void
set(struct person_text *t, const char *text)
{
    memcpy(t->s, text, strlen(text) + 1);
}

static struct person_input
named(const char *given, const char *family, const char *legal)
{
    struct person_input p = {.has_identity = true, .identity.birth_date = DATE_NONE};
    set(&p.identity.given_name, given);
    set(&p.identity.family_name, family);
    set(&p.identity.legal_name, legal);
    return p;
}

/* Whether all tokens of the search text are among the person's. */
static bool
finds(const struct vault *v, const struct person_input *p, const char *text)
{
    struct index_token of[INDEX_TOKENS_MAX], q[INDEX_TOKENS_MAX];
    size_t n_of, n_q;
    struct err err;
    assert_int_equal(index_tokens(v, p, of, &n_of, &err), 0);
    assert_int_equal(index_query(v, text, q, &n_q, &err), 0);
    assert_true(n_q > 0);
    for (size_t i = 0; i < n_q; i++) {
        bool found = false;
        for (size_t j = 0; j < n_of; j++)
            found = found || (q[i].field == of[j].field && memcmp(q[i].token, of[j].token, VAULT_TOKEN_BYTES) == 0);
        if (!found)
            return false;
    }
    return true;
}

static void
folds_to(const char *text, const char *expected)
{
    char out[TEXT_FOLDED_MAX];
    struct err err;
    assert_int_equal(text_fold(text, out, sizeof(out), &err), 0);
    assert_string_equal(out, expected);
}

static void
folding_forgets_case_marks_and_letters_that_keyboards_lack(void **state)
{
    folds_to("M\xC3\xBCller", "muller");
    folds_to("MULLER", "muller");
    folds_to("Mueller", "mueller");
    folds_to("Mu\xCC\x88ller", "muller");
    folds_to("Stra\xC3\x9F"
             "e",
             "strasse");
    folds_to("STRASSE", "strasse");
    folds_to("S\xC3\xB8ren \xC3\x98", "soren o");
    folds_to("\xC5\x81\xC3\xB3"
             "d\xC5\xBA",
             "lodz");
    folds_to("\xC4\x90okovi\xC4\x87", "dokovic");
    folds_to("\xC3\x86sop \xC5\x92uvre", "aesop oeuvre");
    folds_to("\xC4\xB0stanbul", "istanbul");
    folds_to("\xEF\xAC\x81n", "fin");
    folds_to("\xCE\x9F\xCE\x94\xCE\x9F\xCE\xA3 \xCE\xBF\xCE\xB4\xCE\xBF\xCF\x82",
             "\xCE\xBF\xCE\xB4\xCE\xBF\xCF\x83 \xCE\xBF\xCE\xB4\xCE\xBF\xCF\x83");
    char out[8] = "x";
    struct err err;
    assert_int_equal(text_fold("Andr\xE9", out, sizeof(out), &err), ERR_INVALID);
    assert_int_equal(text_fold("much too long", out, sizeof(out), &err), ERR_LIMIT);
    assert_string_equal(out, "");
}

static void
a_name_is_found_however_it_is_typed(void **state)
{
    struct place *p = *state;
    struct person_input m = named("J\xC3\xB6rg",
                                  "M\xC3\xBCller-Stra\xC3\x9F"
                                  "e",
                                  "");
    assert_true(finds(p->vault, &m, "M\xC3\xBCller"));
    assert_true(finds(p->vault, &m, "MULLER"));
    assert_true(finds(p->vault, &m, "  jorg   strasse "));
    assert_true(finds(p->vault, &m, "STRASSE, J\xC3\x96RG"));
    assert_true(finds(p->vault, &m,
                      "M\xC3\xBCller-Stra\xC3\x9F"
                      "e"));
    assert_false(finds(p->vault, &m, "Mueller"));
    assert_false(finds(p->vault, &m, "Jorg Maes"));
}

static void
three_letters_find_what_begins_so(void **state)
{
    struct place *p = *state;
    struct person_input m = named("Bo", "Janssens", ""), jan = named("Jan", "Li", "");
    assert_true(finds(p->vault, &m, "jan"));
    assert_true(finds(p->vault, &jan, "jan"));
    assert_true(finds(p->vault, &m, "Bo"));
    assert_true(finds(p->vault, &jan, "li"));
    assert_false(finds(p->vault, &m, "ja"));
    assert_false(finds(p->vault, &m, "jans"));
    assert_false(finds(p->vault, &m, "ans"));
    struct person_input e = named("",
                                  "\xC3\x89t\xC3\xA9"
                                  "bien",
                                  "");
    assert_true(finds(p->vault, &e, "ete"));
}

static void
numbers_dates_addresses_and_phones_are_found_whole(void **state)
{
    struct place *p = *state;
    struct person_input m = named("", "", "Atelier 3000");
    m.has_contact = true;
    set(&m.identity.member_no, "BE-0000123");
    m.identity.birth_date = date_from_ymd(1980, 2, 29);
    set(&m.contact.email, "Info@Atelier.example");
    set(&m.contact.phone, "+32 470 12 34 56");
    assert_true(finds(p->vault, &m, "be-0000123"));
    assert_true(finds(p->vault, &m, "BE0000123"));
    assert_false(finds(p->vault, &m, "BE-0000124"));
    assert_true(finds(p->vault, &m, "1980-02-29"));
    assert_false(finds(p->vault, &m, "1980-02-28"));
    assert_true(finds(p->vault, &m, "info@ATELIER.example"));
    assert_false(finds(p->vault, &m, "info@atelier.exam"));
    assert_true(finds(p->vault, &m, "0470/12.34.56"));
    assert_true(finds(p->vault, &m, "0032470123456"));
    assert_false(finds(p->vault, &m, "0470/12.34.57"));
    assert_true(finds(p->vault, &m, "atelier 3000"));
    assert_true(finds(p->vault, &m, "atelier 1980-02-29"));
    m.has_contact = false;
    assert_false(finds(p->vault, &m, "info@atelier.example"));
}

static void
tokens_are_each_there_once_and_bounded(void **state)
{
    struct place *p = *state;
    struct person_input m = named("Anna Anna", "anna", "");
    struct index_token t[INDEX_TOKENS_MAX];
    size_t n;
    struct err err;
    assert_int_equal(index_tokens(p->vault, &m, t, &n, &err), 0);
    assert_int_equal(n, 2);
    char many[PERSON_TEXT_MAX + 1] = "";
    for (size_t i = 0; i + 4 < sizeof(many); i += 4)
        snprintf(many + i, 5, "%c%c%c ", (char)('a' + i % 26), (char)('a' + i / 26), (char)('a' + i % 7));
    m = named(many, many, many);
    assert_int_equal(index_tokens(p->vault, &m, t, &n, &err), 0);
    assert_int_equal(n, INDEX_TOKENS_MAX);
    m = (struct person_input){0};
    assert_int_equal(index_tokens(p->vault, &m, t, &n, &err), 0);
    assert_int_equal(n, 0);
}

static void
a_search_for_nothing_is_refused(void **state)
{
    struct place *p = *state;
    static const char *const bad[] = {"", "   ", "-", "Andr\xE9"};
    struct index_token t[INDEX_TOKENS_MAX];
    size_t n = 9;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err err;
        assert_int_equal(index_query(p->vault, bad[i], t, &n, &err), ERR_INVALID);
        assert_string_equal(err.field, "q");
        assert_int_equal(n, 9);
    }
}

int
main(void)
{
#define INDEX_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folding_forgets_case_marks_and_letters_that_keyboards_lack),
        INDEX_TEST(a_name_is_found_however_it_is_typed),
        INDEX_TEST(three_letters_find_what_begins_so),
        INDEX_TEST(numbers_dates_addresses_and_phones_are_found_whole),
        INDEX_TEST(tokens_are_each_there_once_and_bounded),
        INDEX_TEST(a_search_for_nothing_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
