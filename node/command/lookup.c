/* See lookup.h. */
#include "node/command/lookup.h"

#include <sodium/utils.h>

#include "node/command/text.h"
#include "proto/oprf.h"

_Static_assert((int)LOOKUP_INPUT_MAX <= (int)OPRF_INPUT_MAX, "whoever can be asked about");
_Static_assert(3 * (TEXT_FOLDED_MAX + 2) + 1 <= LOOKUP_INPUT_MAX, "the longest names and a date fit");

/* Length (2 bytes) and the words of a name, folded, one space between. *ret_any: there was one. */
static int
put_name(struct buf *out, const char *name, bool *ret_any, struct err *err)
{
    char folded[TEXT_FOLDED_MAX];
    const char *cursor = folded;
    struct slice word;
    size_t n = 0;
    int rc = text_fold(name, folded, sizeof(folded), err);
    if (rc != 0)
        return rc;
    while (text_word(&cursor, &word)) { /* words only move to the front: what is still to be read stays as it is */
        if (n > 0)
            folded[n++] = ' ';
        memmove(folded + n, word.data, word.len);
        n += word.len;
    }
    buf_put_u16(out, (uint16_t)n);
    buf_put(out, folded, n);
    sodium_memzero(folded, sizeof(folded));
    *ret_any = n > 0;
    return 0;
}

static int
put_natural(struct buf *out, const struct person_identity *p, bool *ret_known, struct err *err)
{
    char date[DATE_TEXT_MAX];
    bool any, given;
    if (date_is_none(p->birth_date))
        return 0;
    int rc = put_name(out, p->family_name.s, &any, err);
    if (rc == 0)
        rc = put_name(out, p->given_name.s, &given, err);
    if (rc != 0)
        return rc;
    date_format(p->birth_date, date);
    buf_put_u16(out, (uint16_t)strlen(date));
    buf_put(out, date, strlen(date));
    sodium_memzero(date, sizeof(date));
    *ret_known = any;
    return 0;
}

int
lookup_input(const struct person_identity *p, uint8_t person_type, struct buf *out, struct err *err)
{
    size_t before = out->len;
    bool known = false;
    int rc = 0;
    buf_put_u8(out, person_type);
    if (person_type == PERSON_NATURAL)
        rc = put_natural(out, p, &known, err);
    else if (person_type == PERSON_LEGAL)
        rc = put_name(out, p->legal_name.s, &known, err);
    if (rc == 0)
        rc = buf_check(out, "look-up", err);
    if (rc == 0 && !known)
        rc = err_set(err, ERR_NOTFOUND, "nothing to ask other units with: a name or the birth date is not known");
    if (rc != 0 && out->len > before) {
        sodium_memzero(out->data + before, out->len - before);
        out->len = before;
    }
    return rc;
}

void
index_bucket(const struct vault *v, uint8_t bucket, uint8_t ret[VAULT_TOKEN_BYTES])
{
    vault_token(v, INDEX_BUCKET, slice_of(&bucket, 1), ret);
}
