/* See person_read.h. */
#include "node/host/person_read.h"

#include <sodium.h>

#include "node/command/person_open.h"
#include "node/command/text.h"

enum { FOUND_MAX = 64 };

int
member_read(struct db_txn *txn, const struct unit_id *unit, const struct subject_id *subject, struct member_row *ret,
            struct err *err)
{
    uint8_t key[KEY_MEMBER];
    struct slice value;
    key_member(key, subject, unit);
    int rc = db_get(txn, TABLE_MEMBERS, slice_of(key, sizeof(key)), &value, err);
    return rc != 0 ? rc : member_row_decode(value, unit, subject, ret, err);
}

int
number_key(const char *number, uint8_t out[NUMBER_KEY_BYTES], struct err *err)
{
    char folded[TEXT_FOLDED_MAX];
    const char *cursor = folded;
    struct slice word;
    size_t n = 0;
    if (text_fold(number, folded, sizeof(folded), err) != 0)
        return err_field(err, ERR_INVALID, "member_no", "member_no: not a number of letters and digits");
    while (text_word(&cursor, &word)) {
        memmove(folded + n, word.data, word.len);
        n += word.len;
    }
    if (n == 0)
        return err_field(err, ERR_INVALID, "member_no", "member_no: has no letter or digit");
    crypto_generichash(out, NUMBER_KEY_BYTES, (const uint8_t *)folded, n, NULL, 0);
    return 0;
}

static int
same_number(struct db_txn *txn, struct vault *vault, const struct member_row *row, const uint8_t key[NUMBER_KEY_BYTES],
            bool *ret, struct err *err)
{
    struct person_input p;
    uint8_t other[NUMBER_KEY_BYTES];
    struct err ignored;
    int rc = person_open(txn, vault, row, 1U << CLASS_IDENTITY, &p, err);
    if (rc != 0)
        return rc;
    *ret = p.has_identity && number_key(p.identity.member_no.s, other, &ignored) == 0 &&
           memcmp(other, key, NUMBER_KEY_BYTES) == 0;
    person_wipe(&p, sizeof(p));
    return 0;
}

int
member_by_number(struct db_txn *txn, struct vault *vault, const struct unit_id *unit, const char *number,
                 bool *ret_found, struct member_row *ret, struct err *err)
{
    struct index_token tokens[INDEX_TOKENS_MAX];
    struct subject_id found[FOUND_MAX];
    struct person_input p = {.has_identity = true, .identity = {.birth_date = DATE_NONE}};
    struct subject_id after;
    uint8_t key[NUMBER_KEY_BYTES];
    size_t n_tokens = 0, n = 0;
    bool started = false;
    *ret_found = false;
    snprintf(p.identity.member_no.s, sizeof(p.identity.member_no.s), "%s", number);
    int rc = number_key(number, key, err);
    if (rc == 0)
        rc = index_tokens(vault, &p, tokens, &n_tokens, err);
    if (rc != 0 || n_tokens == 0)
        return rc;
    do {
        rc = vault_index_find(vault, tokens[0].token, started ? &after : NULL, FOUND_MAX, found, &n, err);
        for (size_t i = 0; rc == 0 && i < n && !*ret_found; i++) {
            struct member_row row;
            rc = member_read(txn, unit, &found[i], &row, err);
            if (rc == ERR_NOTFOUND) {
                rc = 0; /* the index is ahead of this transaction */
                continue;
            }
            if (rc == 0)
                rc = same_number(txn, vault, &row, key, ret_found, err);
            if (rc == 0 && *ret_found)
                *ret = row;
            else if (rc == 0)
                member_row_release(&row);
        }
        if (n > 0)
            after = found[n - 1];
        started = true;
    } while (rc == 0 && n == FOUND_MAX && !*ret_found);
    return rc;
}
