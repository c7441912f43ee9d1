/* Checks of personal data. See person.h. Errors say which field and why, never what stood there. */
#include "node/command/person.h"

#include "node/command/rows.h"
#include "node/command/text.h"

enum { IBAN_MIN = 15, IBAN_MAX = 34, PHONE_DIGITS_MIN = 5, LANGUAGE_MIN = 2, LANGUAGE_MAX = 35 };

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool
is_capital(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool
is_small(char c)
{
    return c >= 'a' && c <= 'z';
}

static char
capital(char c)
{
    return is_small(c) ? (char)(c - 'a' + 'A') : c;
}

bool
iban_ok(const char *iban)
{
    size_t len = strlen(iban);
    if (len < IBAN_MIN || len > IBAN_MAX || !is_capital(iban[0]) || !is_capital(iban[1]) || !is_digit(iban[2]) ||
        !is_digit(iban[3]))
        return false;
    unsigned rest = 0;
    for (size_t i = 0; i < len; i++) {
        char c = iban[(i + 4) % len];
        if (is_digit(c))
            rest = (rest * 10 + (unsigned)(c - '0')) % 97;
        else if (is_capital(c))
            rest = (rest * 100 + 10 + (unsigned)(c - 'A')) % 97;
        else
            return false;
    }
    return rest == 1;
}

static int
clean(struct person_text *t, const char *field, struct err *err)
{
    return text_clean(t->s, field, t->s, sizeof(t->s), err);
}

static int
check_language(const char *s, struct err *err)
{
    size_t len = strlen(s);
    bool ok = len == 0 || (len >= LANGUAGE_MIN && len <= LANGUAGE_MAX);
    for (const char *p = s; *p != '\0'; p++)
        ok = ok && (is_digit(*p) || is_capital(*p) || is_small(*p) || *p == '-');
    return ok ? 0 : err_field(err, ERR_INVALID, "language", "language: a tag such as nl or fr-BE");
}

static int
check_birth(struct civil_date birth, struct civil_date today, struct err *err)
{
    if (date_is_none(birth))
        return 0;
    if (birth.days < DATE_MIN.days)
        return err_field(err, ERR_INVALID, "birth_date", "birth date: before 1900");
    if (birth.days > today.days)
        return err_field(err, ERR_INVALID, "birth_date", "birth date: in the future");
    return 0;
}

static int
check_identity(struct person_identity *p, uint8_t person_type, struct civil_date today, struct err *err)
{
    struct {
        struct person_text *text;
        const char *field;
    } texts[] = {
        {&p->member_no, "member_no"},   {&p->given_name, "given_name"}, {&p->family_name, "family_name"},
        {&p->legal_name, "legal_name"}, {&p->language, "language"},
    };
    int rc = 0;
    for (size_t i = 0; i < ARRAY_LEN(texts) && rc == 0; i++)
        rc = clean(texts[i].text, texts[i].field, err);
    if (rc == 0)
        rc = check_language(p->language.s, err);
    if (rc == 0)
        rc = check_birth(p->birth_date, today, err);
    if (rc != 0)
        return rc;
    if (person_type == PERSON_NATURAL && p->family_name.s[0] == '\0')
        return err_field(err, ERR_INVALID, "family_name", "family name: missing for a natural person");
    if (person_type == PERSON_NATURAL && p->legal_name.s[0] != '\0')
        return err_field(err, ERR_INVALID, "legal_name", "legal name: only legal persons have one");
    if (person_type == PERSON_LEGAL && p->legal_name.s[0] == '\0')
        return err_field(err, ERR_INVALID, "legal_name", "legal name: missing for a legal person");
    if (person_type == PERSON_LEGAL && !date_is_none(p->birth_date))
        return err_field(err, ERR_INVALID, "birth_date", "birth date: only natural persons have one");
    return 0;
}

static int
check_email(const char *s, struct err *err)
{
    if (*s == '\0')
        return 0;
    const char *at = strchr(s, '@');
    bool ok = at && at != s && !strchr(at + 1, '@') && !strpbrk(s, " ,;<>\"");
    if (ok) {
        const char *domain = at + 1;
        size_t len = strlen(domain);
        ok = len >= 3 && strchr(domain, '.') && !strstr(domain, "..") && domain[0] != '.' && domain[len - 1] != '.';
    }
    return ok ? 0 : err_field(err, ERR_INVALID, "email", "e-mail: not an address of the form name@domain");
}

static int
check_phone(const char *s, struct err *err)
{
    size_t digits = 0;
    bool ok = true;
    for (const char *p = s; *p != '\0'; p++) {
        if (is_digit(*p))
            digits++;
        else
            ok = ok && strchr(" +-/().", *p);
    }
    if (*s == '\0' || (ok && digits >= PHONE_DIGITS_MIN))
        return 0;
    return err_field(err, ERR_INVALID, "phone", "phone: at least %d digits, and only + - / ( ) . and spaces besides",
                     PHONE_DIGITS_MIN);
}

static int
check_contact(struct person_contact *p, struct err *err)
{
    struct {
        struct person_text *text;
        const char *field;
    } texts[] = {
        {&p->email, "email"},       {&p->phone, "phone"}, {&p->street, "street"},
        {&p->postcode, "postcode"}, {&p->city, "city"},   {&p->country, "country"},
    };
    int rc = 0;
    for (size_t i = 0; i < ARRAY_LEN(texts) && rc == 0; i++)
        rc = clean(texts[i].text, texts[i].field, err);
    if (rc == 0)
        rc = check_email(p->email.s, err);
    if (rc == 0)
        rc = check_phone(p->phone.s, err);
    if (rc != 0)
        return rc;
    char *c = p->country.s;
    for (char *q = c; *q != '\0'; q++)
        *q = capital(*q);
    if (*c != '\0' && !(strlen(c) == 2 && is_capital(c[0]) && is_capital(c[1])))
        return err_field(err, ERR_INVALID, "country", "country: two letters, such as BE");
    return 0;
}

static int
check_bank(struct person_bank *p, struct err *err)
{
    int rc = clean(&p->iban, "iban", err);
    if (rc != 0)
        return rc;
    char *to = p->iban.s;
    for (const char *from = p->iban.s; *from != '\0'; from++)
        if (*from != ' ')
            *to++ = capital(*from);
    *to = '\0';
    if (p->iban.s[0] != '\0' && !iban_ok(p->iban.s))
        return err_field(err, ERR_INVALID, "iban", "IBAN: its check digits do not fit");
    return 0;
}

int
person_check(const struct person_input *in, uint8_t person_type, struct civil_date today, struct person_input *ret,
             struct err *err)
{
    struct person_input p = *in;
    int rc = 0;
    if (p.has_identity)
        rc = check_identity(&p.identity, person_type, today, err);
    if (rc == 0 && p.has_contact)
        rc = check_contact(&p.contact, err);
    if (rc == 0 && p.has_bank)
        rc = check_bank(&p.bank, err);
    if (rc == 0)
        *ret = p;
    person_wipe(&p, sizeof(p));
    return rc;
}

int
person_capsule(struct draft *d, uint8_t class, const struct person_input *p, struct err *err)
{
    struct buf *plain = draft_capsule(d, class);
    switch (class) {
    case CLASS_IDENTITY: return person_identity_encode(&p->identity, plain, err);
    case CLASS_CONTACT: return person_contact_encode(&p->contact, plain, err);
    default: MUST(class == CLASS_BANK); return person_bank_encode(&p->bank, plain, err);
    }
}

bool
person_contact_empty(const struct person_contact *c)
{
    return c->email.s[0] == '\0' && c->phone.s[0] == '\0' && c->street.s[0] == '\0' && c->postcode.s[0] == '\0' &&
           c->city.s[0] == '\0' && c->country.s[0] == '\0';
}

bool
person_bank_empty(const struct person_bank *b)
{
    return b->iban.s[0] == '\0';
}
