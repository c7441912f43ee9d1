/* Personal data as entered: what is put right, and each refusal with the field at fault. Invented persons only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "node/command/names.h"
#include "node/command/person.h"

static const struct civil_date TODAY = {20000};

static void
set(struct person_text *t, const char *text)
{
    assert_true(strlen(text) <= PERSON_TEXT_MAX);
    memcpy(t->s, text, strlen(text) + 1);
}

static struct person_input
someone(void)
{
    struct person_input p = {.has_identity = true, .has_contact = true, .has_bank = true};
    set(&p.identity.member_no, "BE-0000001");
    set(&p.identity.given_name, "Imke");
    set(&p.identity.family_name, "Vandersanden");
    set(&p.identity.language, "nl-BE");
    p.identity.birth_date = (struct civil_date){5000};
    set(&p.contact.email, "imke@mail.example");
    set(&p.contact.phone, "+32 (0)470/12.34-56");
    set(&p.contact.street, "Dorpsstraat 1");
    set(&p.contact.postcode, "9000");
    set(&p.contact.city, "Gent");
    set(&p.contact.country, "BE");
    set(&p.bank.iban, "BE68 5390 0754 7034");
    return p;
}

static void
refused(const struct person_input *p, uint8_t type, const char *field)
{
    struct person_input out = {0};
    struct err err = {0};
    assert_int_equal(person_check(p, type, TODAY, &out, &err), ERR_INVALID);
    assert_string_equal(err.field, field);
    assert_false(out.has_identity);
}

static void
accepted(const struct person_input *p, uint8_t type, struct person_input *ret)
{
    struct err err = {0};
    assert_int_equal(person_check(p, type, TODAY, ret, &err), 0);
}

static void
what_is_right_is_kept_in_one_form(void **state)
{
    struct person_input p = someone(), out;
    memcpy(p.identity.given_name.s,
           "  \xC2\xA0"
           "Ande\xCC\x81  ",
           sizeof("  \xC2\xA0"
                  "Ande\xCC\x81  "));
    set(&p.contact.country, "be");
    set(&p.bank.iban, "be68 5390 0754 7034");
    accepted(&p, PERSON_NATURAL, &out);
    assert_string_equal(out.identity.given_name.s, "And\xC3\xA9");
    assert_string_equal(out.contact.country.s, "BE");
    assert_string_equal(out.bank.iban.s, "BE68539007547034");
    assert_string_equal(out.contact.phone.s, "+32 (0)470/12.34-56");
}

static void
only_the_classes_given_are_looked_at(void **state)
{
    struct person_input p = {.has_contact = true}, out;
    set(&p.bank.iban, "nonsense");
    set(&p.contact.city, "Gent");
    accepted(&p, PERSON_NATURAL, &out);
    assert_true(person_bank_empty(&(struct person_bank){0}));
    assert_false(person_contact_empty(&out.contact));
}

static void
each_text_is_refused_by_its_name(void **state)
{
    static const struct {
        size_t offset;
        const char *field;
    } texts[] = {
        {offsetof(struct person_input, identity.member_no), "member_no"},
        {offsetof(struct person_input, identity.given_name), "given_name"},
        {offsetof(struct person_input, identity.family_name), "family_name"},
        {offsetof(struct person_input, identity.legal_name), "legal_name"},
        {offsetof(struct person_input, identity.language), "language"},
        {offsetof(struct person_input, contact.email), "email"},
        {offsetof(struct person_input, contact.phone), "phone"},
        {offsetof(struct person_input, contact.street), "street"},
        {offsetof(struct person_input, contact.postcode), "postcode"},
        {offsetof(struct person_input, contact.city), "city"},
        {offsetof(struct person_input, contact.country), "country"},
        {offsetof(struct person_input, bank.iban), "iban"},
    };
    /* not UTF-8, a control character, a line separator, a direction override, an unassigned code point */
    static const char *const bad[] = {"Andr\xE9",
                                      "a\x01"
                                      "b",
                                      "a\nb",
                                      "a\xE2\x80\xA8"
                                      "b",
                                      "a\xE2\x80\xAE"
                                      "b",
                                      "a\xEF\xBF\xBF"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        for (size_t j = 0; j < ARRAY_LEN(bad); j++) {
            struct person_input p = someone();
            set((struct person_text *)(void *)((char *)&p + texts[i].offset), bad[j]);
            refused(&p, 0, texts[i].field);
        }
    }
}

static void
a_name_may_not_grow_beyond_its_bound_by_normalising(void **state)
{
    struct person_input p = someone();
    /* U+1D160 becomes three characters in NFC (composition exclusion): 64 × 4 bytes in, 64 × 12 out. */
    for (size_t i = 0; i < 64; i++)
        memcpy(p.contact.street.s + 4 * i, "\xF0\x9D\x85\xA0", 4);
    p.contact.street.s[256] = '\0';
    refused(&p, PERSON_NATURAL, "street");
}

static void
natural_and_legal_persons_need_their_names(void **state)
{
    struct person_input p = someone(), out;
    set(&p.identity.family_name, "  ");
    refused(&p, PERSON_NATURAL, "family_name");
    accepted(&p, 0, &out);
    p = someone();
    set(&p.identity.legal_name, "Atelier 3000");
    refused(&p, PERSON_NATURAL, "legal_name");
    refused(&p, PERSON_LEGAL, "birth_date");
    p.identity.birth_date = DATE_NONE;
    accepted(&p, PERSON_LEGAL, &out);
    set(&p.identity.legal_name, "");
    refused(&p, PERSON_LEGAL, "legal_name");
}

static void
birth_dates_lie_between_1900_and_today(void **state)
{
    struct person_input p = someone(), out;
    p.identity.birth_date = (struct civil_date){TODAY.days + 1};
    refused(&p, PERSON_NATURAL, "birth_date");
    p.identity.birth_date = TODAY;
    accepted(&p, PERSON_NATURAL, &out);
    p.identity.birth_date = DATE_MIN;
    accepted(&p, PERSON_NATURAL, &out);
    p.identity.birth_date.days--;
    refused(&p, PERSON_NATURAL, "birth_date");
    p.identity.birth_date = DATE_NONE;
    accepted(&p, PERSON_NATURAL, &out);
}

static void
emails_phones_countries_and_languages_have_a_form(void **state)
{
    static const struct {
        size_t offset;
        const char *field, *bad[8], *good[4];
    } forms[] = {
        {offsetof(struct person_input, contact.email),
         "email",
         {"imke", "@mail.example", "imke@", "imke@mail", "a@b@c.d", "imke@mail..example", "imke@.example",
          "i m@mail.example"},
         {"", "imke@mail.example", "i.v+x@sub.mail.example", "\xC3\xA9@mail.example"}},
        {offsetof(struct person_input, contact.phone),
         "phone",
         {"1234", "call me", "0470 12 34 56 x9", "+", "-----", "12345;", "(12)",
          "\xD9\xA1\xD9\xA2\xD9\xA3\xD9\xA4\xD9\xA5"},
         {"", "12345", "+32 470 12 34 56", "(02) 12.34/5-6"}},
        {offsetof(struct person_input, contact.country),
         "country",
         {"B", "BEL", "B1", "12", "b e",
          "\xC3\x89"
          "E",
          "-E", "Belgium"},
         {"", "BE", "se", "It"}},
        {offsetof(struct person_input, identity.language),
         "language",
         {"n", "nl_BE", "nl BE", "n\xC3\xA9", "nl/BE", "nl.", "abcdefghijklmnopqrstuvwxyz-0123456789", "!"},
         {"", "nl", "fr-BE", "zh-Hant-TW"}},
    };
    struct person_input out;
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        struct person_input p = someone();
        struct person_text *t = (struct person_text *)(void *)((char *)&p + forms[i].offset);
        for (size_t j = 0; j < ARRAY_LEN(forms[i].bad); j++) {
            set(t, forms[i].bad[j]);
            refused(&p, PERSON_NATURAL, forms[i].field);
        }
        for (size_t j = 0; j < ARRAY_LEN(forms[i].good); j++) {
            set(t, forms[i].good[j]);
            accepted(&p, PERSON_NATURAL, &out);
        }
    }
}

static void
ibans_are_proved_by_their_check_digits(void **state)
{
    static const char *const good[] = {"BE68539007547034", "DE89370400440532013000", "FR1420041010050500013M02606",
                                       "NL91ABNA0417164300", "GB82WEST12345698765432"};
    static const char *const bad[] = {"BE69539007547034",
                                      "BE6853900754703",
                                      "DE89370400440532013001",
                                      "be68539007547034",
                                      "BE68-5390-0754-7034",
                                      "6868539007547034",
                                      "BE",
                                      "",
                                      "GB82WEST12345698765432GB82WEST12345698765432"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_true(iban_ok(good[i]));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(iban_ok(bad[i]));
    struct person_input p = someone();
    set(&p.bank.iban, "BE69 5390 0754 7034");
    refused(&p, PERSON_NATURAL, "iban");
}

static void
refusals_never_repeat_what_was_entered(void **state)
{
    struct person_input p = someone(), out;
    struct err err;
    set(&p.contact.email, "quetzalcoatlus");
    assert_int_equal(person_check(&p, PERSON_NATURAL, TODAY, &out, &err), ERR_INVALID);
    assert_null(strstr(err.text, "quetzal"));
}

static void
words_are_parsed_exactly_and_back(void **state)
{
    uint8_t n = 77;
    enum member_action action;
    uint64_t shares = 77;
    struct subject_id id;
    struct err err;
    assert_int_equal(category_parse("B", &n, &err), 0);
    assert_int_equal(n, CATEGORY_B);
    assert_int_equal(category_parse("D", &n, &err), ERR_INVALID);
    assert_string_equal(err.field, "category");
    assert_int_equal(category_parse("a", &n, &err), ERR_INVALID);
    assert_int_equal(category_parse(NULL, &n, &err), ERR_INVALID);
    assert_int_equal(n, CATEGORY_B);
    assert_int_equal(person_type_parse("legal", &n, &err), 0);
    assert_int_equal(n, PERSON_LEGAL);
    assert_int_equal(person_type_parse("company", &n, &err), ERR_INVALID);
    assert_string_equal(err.field, "person_type");
    for (int a = ACTION_APPLY; a <= ACTION_DECEASE; a++) {
        assert_int_equal(member_action_parse(member_action_name((enum member_action)a), &action, &err), 0);
        assert_int_equal(action, a);
        assert_string_not_equal(event_kind_name(member_action_kind(action)), "unknown");
    }
    assert_int_equal(member_action_parse("dismiss", &action, &err), ERR_INVALID);
    assert_string_equal(err.field, "action");
    assert_int_equal(shares_parse("1000000", &shares, &err), 0);
    assert_int_equal(shares, 1000000);
    static const char *const bad[] = {"0", "", "-1", "two", "1.5", "1000001", "99999999999999999999999", " 1"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(shares_parse(bad[i], &shares, &err), ERR_INVALID);
        assert_string_equal(err.field, "shares");
    }
    assert_int_equal(subject_parse("000102030405060708090a0b0c0d0e0f", "member", &id, &err), 0);
    assert_int_equal(id.b[15], 15);
    assert_int_equal(subject_parse("0001", "member", &id, &err), ERR_INVALID);
    assert_string_equal(err.field, "member");
    assert_string_equal(member_status_name(STATUS_LEFT), "left");
    assert_string_equal(left_reason_name(LEFT_DECEASED), "deceased");
    assert_string_equal(outcome_name(OUTCOME_CONFLICT), "conflict");
    assert_string_equal(outcome_name((enum outcome)0), "unknown");
    assert_string_equal(category_name(0), "unknown");
    assert_string_equal(person_type_name(9), "unknown");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_right_is_kept_in_one_form),
        cmocka_unit_test(only_the_classes_given_are_looked_at),
        cmocka_unit_test(each_text_is_refused_by_its_name),
        cmocka_unit_test(a_name_may_not_grow_beyond_its_bound_by_normalising),
        cmocka_unit_test(natural_and_legal_persons_need_their_names),
        cmocka_unit_test(birth_dates_lie_between_1900_and_today),
        cmocka_unit_test(emails_phones_countries_and_languages_have_a_form),
        cmocka_unit_test(ibans_are_proved_by_their_check_digits),
        cmocka_unit_test(refusals_never_repeat_what_was_entered),
        cmocka_unit_test(words_are_parsed_exactly_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
