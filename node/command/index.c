/* What the blind index holds of a person, and what a search text looks for. Both sides fold by the same functions, so that
 * "Straße" finds "STRASSE". See command.h. */
#include "node/command/command.h"
#include "node/command/lookup.h"
#include "node/command/person.h"
#include "node/command/text.h"
#include "proto/oprf.h"

#include <sodium/utils.h>

enum {
    PREFIX_CHARS = 3,
    PHONE_DIGITS_MIN = 5,
    PHONE_KEPT_DIGITS = 8, /* the last ones: with and without the country's prefix it is the same number */
    PHONE_QUERY_DIGITS_MIN = 8,
};

struct tokens {
    const struct vault *vault;
    struct index_token *out;
    size_t n;
};

/* Beyond INDEX_TOKENS_MAX nothing is added: a person of that many words is found by the first of them. */
static void
add(struct tokens *t, uint8_t field, struct slice text)
{
    struct index_token token = {.field = field};
    if (text.len == 0 || t->n == INDEX_TOKENS_MAX)
        return;
    vault_token(t->vault, field, text, token.token);
    for (size_t i = 0; i < t->n; i++)
        if (memcmp(&t->out[i], &token, sizeof(token)) == 0)
            return;
    t->out[t->n++] = token;
}

static bool
is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool
has_digit(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (is_digit(s.data[i]))
            return true;
    return false;
}

/* Copies the digits of text; returns how many. */
static size_t
digits_of(const char *text, char *out, size_t cap)
{
    size_t n = 0;
    for (const char *p = text; *p != '\0' && n < cap; p++)
        if (is_digit((uint8_t)*p))
            out[n++] = *p;
    return n;
}

static void
add_phone(struct tokens *t, const char *text)
{
    char digits[PERSON_TEXT_MAX];
    size_t n = digits_of(text, digits, sizeof(digits));
    size_t kept = n > PHONE_KEPT_DIGITS ? PHONE_KEPT_DIGITS : n;
    if (n >= PHONE_DIGITS_MIN)
        add(t, INDEX_PHONE, slice_of(digits + n - kept, kept));
    sodium_memzero(digits, sizeof(digits));
}

/* Letters and digits of a folded text as one: "be-000123" and "BE 000123" are the same number. */
static struct slice
joined(char *folded)
{
    const char *cursor = folded;
    struct slice word;
    size_t n = 0;
    while (text_word(&cursor, &word)) {
        memmove(folded + n, word.data, word.len);
        n += word.len;
    }
    return slice_of(folded, n);
}

static void
add_number(struct tokens *t, char *folded)
{
    add(t, INDEX_MEMBER_NO, joined(folded));
}

/* A word with a digit is a member number to whoever searches, so it is indexed as one too ("Atelier 3000"). */
static void
add_words(struct tokens *t, const char *folded)
{
    struct slice word;
    bool whole;
    while (text_word(&folded, &word)) {
        add(t, INDEX_NAME, word);
        struct slice prefix = text_prefix(word, PREFIX_CHARS, &whole);
        bool shorter = whole && text_prefix(word, PREFIX_CHARS - 1, &whole).len == word.len;
        if (!shorter)
            add(t, INDEX_NAME_PREFIX, prefix);
        if (has_digit(word))
            add(t, INDEX_MEMBER_NO, word);
    }
}

static void
add_birth(struct tokens *t, struct civil_date d)
{
    char text[DATE_TEXT_MAX];
    date_format(d, text);
    add(t, INDEX_BIRTH, slice_of(text, strlen(text)));
    sodium_memzero(text, sizeof(text));
}

/* Whether the person is natural or legal is not known here: both, where both can be. */
static int
add_buckets(struct tokens *t, const struct person_identity *p, struct err *err)
{
    static const uint8_t types[] = {PERSON_NATURAL, PERSON_LEGAL};
    uint8_t room[LOOKUP_INPUT_MAX];
    int rc = 0;
    for (size_t i = 0; i < ARRAY_LEN(types) && rc == 0; i++) {
        struct buf input;
        struct err none;
        buf_fixed(&input, room, sizeof(room));
        rc = lookup_input(p, types[i], &input, &none);
        uint8_t bucket = rc == 0 ? lookup_bucket(buf_slice(&input)) : 0;
        if (rc == 0)
            add(t, INDEX_BUCKET, slice_of(&bucket, 1));
        else if (rc != ERR_NOTFOUND && err)
            *err = none;
        sodium_memzero(room, input.len);
        rc = rc == ERR_NOTFOUND ? 0 : rc;
    }
    return rc;
}

int
index_tokens(const struct vault *v, const struct person_input *p, struct index_token ret[INDEX_TOKENS_MAX],
             size_t *ret_n, struct err *err)
{
    struct tokens t = {.vault = v, .out = ret};
    char folded[TEXT_FOLDED_MAX] = "";
    int rc = 0;
    if (p->has_identity) {
        const struct person_text *names[] = {&p->identity.family_name, &p->identity.legal_name,
                                             &p->identity.given_name};
        rc = add_buckets(&t, &p->identity, err);
        if (rc == 0)
            rc = text_fold(p->identity.member_no.s, folded, sizeof(folded), err);
        if (rc == 0)
            add_number(&t, folded);
        if (rc == 0 && !date_is_none(p->identity.birth_date))
            add_birth(&t, p->identity.birth_date);
        for (size_t i = 0; i < ARRAY_LEN(names) && rc == 0; i++) {
            rc = text_fold(names[i]->s, folded, sizeof(folded), err);
            if (rc == 0)
                add_words(&t, folded);
        }
    }
    if (rc == 0 && p->has_contact) {
        add_phone(&t, p->contact.phone.s);
        rc = text_fold(p->contact.email.s, folded, sizeof(folded), err);
        if (rc == 0)
            add(&t, INDEX_EMAIL, slice_of(folded, strlen(folded)));
    }
    sodium_memzero(folded, sizeof(folded));
    if (rc != 0)
        return rc;
    *ret_n = t.n;
    return 0;
}

int
index_work_number(const struct vault *v, enum index_field field, const char *number, uint8_t ret[VAULT_TOKEN_BYTES],
                  struct err *err)
{
    char folded[TEXT_FOLDED_MAX];
    MUST(field == INDEX_INVOICE_NO || field == INDEX_ACTIVITY_NO || field == INDEX_POSTING_NO);
    if (text_fold(number, folded, sizeof(folded), err) != 0)
        return err_field(err, ERR_INVALID, "number", "number: not UTF-8, or too long");
    struct slice text = joined(folded);
    if (text.len > 0)
        vault_token(v, field, text, ret);
    sodium_memzero(folded, sizeof(folded));
    return text.len > 0 ? 0 : err_field(err, ERR_INVALID, "number", "number: has no letter or digit");
}

void
index_work_of(const struct vault *v, const struct subject_id *member, uint8_t ret[VAULT_TOKEN_BYTES])
{
    vault_token(v, INDEX_WORK_OF, slice_of(member->b, sizeof(member->b)), ret);
}

void
index_postings_of(const struct vault *v, const struct subject_id *member, uint8_t ret[VAULT_TOKEN_BYTES])
{
    vault_token(v, INDEX_POSTINGS_OF, slice_of(member->b, sizeof(member->b)), ret);
}

/* A whole text that can only be a phone number: an international or trunk prefix and enough digits. */
static bool
is_phone(const char *folded)
{
    char digits[TEXT_FOLDED_MAX];
    size_t n = digits_of(folded, digits, sizeof(digits));
    sodium_memzero(digits, n);
    const char *p = folded + strspn(folded, " (");
    return n >= PHONE_QUERY_DIGITS_MIN && (*p == '+' || *p == '0') &&
           strspn(folded, "0123456789 +-/().") == strlen(folded);
}

/* Three letters look for whatever begins so, any other number of them for the very word. */
static void
query_words(struct tokens *t, const char *part)
{
    struct slice word;
    bool whole, shorter;
    while (text_word(&part, &word)) {
        (void)text_prefix(word, PREFIX_CHARS, &whole);
        (void)text_prefix(word, PREFIX_CHARS - 1, &shorter);
        add(t, whole && !shorter ? INDEX_NAME_PREFIX : INDEX_NAME, word);
    }
}

/* One part between spaces; cut off by a NUL. */
static void
query_part(struct tokens *t, char *part)
{
    struct civil_date date;
    if (strchr(part, '@'))
        add(t, INDEX_EMAIL, slice_of(part, strlen(part)));
    else if (date_parse(part, "q", &date, NULL) == 0)
        add_birth(t, date);
    else if (has_digit(slice_of(part, strlen(part))))
        add_number(t, part);
    else
        query_words(t, part);
}

int
index_query(const struct vault *v, const char *text, struct index_token ret[INDEX_TOKENS_MAX], size_t *ret_n,
            struct err *err)
{
    struct tokens t = {.vault = v, .out = ret};
    char folded[TEXT_FOLDED_MAX];
    int rc = text_fold(text, folded, sizeof(folded), err);
    if (rc != 0)
        return err_field(err, ERR_INVALID, "q", "q: not UTF-8, or too long");
    if (is_phone(folded)) {
        add_phone(&t, folded);
    } else {
        char *end;
        for (char *part = folded; *part != '\0'; part = end) {
            part += strspn(part, " \t");
            end = part + strcspn(part, " \t");
            char cut = *end;
            *end = '\0';
            if (*part != '\0')
                query_part(&t, part);
            if (cut != '\0')
                end++;
        }
    }
    sodium_memzero(folded, sizeof(folded));
    if (t.n == 0)
        return err_field(err, ERR_INVALID, "q", "q: nothing to look for");
    *ret_n = t.n;
    return 0;
}
