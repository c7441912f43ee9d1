/* Row → position of the capsule → capsule → key slot → plaintext. See person_read.h. */
#include "node/host/person_read.h"

#include <sodium.h>

#include "node/command/text.h"

enum { SLOT_KEY_BYTES = ID_BYTES + 4, FOUND_MAX = 64, PLAIN_MAX = 8192 };

struct opener {
    struct db_txn *txn;
    struct vault *vault;
    const struct member_row *row;
    struct buf plain;
};

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

/* The capsule of a class, by its position and the header that names its index. */
static int
find_capsule(struct opener *o, uint8_t class, struct slice *ret, struct err *err)
{
    struct position at;
    struct log_row log;
    struct stored_event event;
    struct event_header header;
    if (!member_capsule_position(o->row, class, &at))
        return ERR_NOTFOUND;
    int rc = evlog_find(o->txn, &at.log, &log, err);
    if (rc == 0)
        rc = evlog_event(o->txn, log.no, at.seq, &event, err);
    if (rc == 0)
        rc = event_header_decode(event.header, &header, err);
    for (uint8_t i = 0; rc == 0 && i < header.n_capsules; i++)
        if (header.capsules[i].class == class)
            return capsules_get(o->txn, log.no, at.seq, i, ret, err);
    return rc != 0 ? rc : ERR_NOTFOUND;
}

/* A subject has one slot for each generation of its keys, and seldom more than one: tried from the newest. */
static int
open_class(struct opener *o, uint8_t class, struct err *err)
{
    uint8_t key[SLOT_KEY_BYTES];
    struct slice capsule, k, v;
    struct slot_keys keys;
    struct db_cursor *c = NULL;
    int index = vault_class_index(class);
    int rc = find_capsule(o, class, &capsule, err);
    if (rc != 0 || index < 0)
        return rc != 0 ? rc : ERR_NOTFOUND;
    memset(key, 0xff, sizeof(key));
    memcpy(key, o->row->subject.b, ID_BYTES);
    rc = db_cursor_open(o->txn, TABLE_KEYSLOTS, &c, err);
    if (rc != 0)
        return rc;
    rc = db_cursor_seek(c, slice_of(key, sizeof(key)), &k, &v, err);
    if (rc == ERR_NOTFOUND)
        rc = db_cursor_last(c, &k, &v, err);
    else if (rc == 0 && memcmp(k.data, key, SLOT_KEY_BYTES) != 0)
        rc = db_cursor_prev(c, &k, &v, err);
    bool opened = false;
    while (rc == 0 && !opened && k.len == SLOT_KEY_BYTES && v.len == 8 && memcmp(k.data, key, ID_BYTES) == 0) {
        rc = vault_slot(o->vault, be64_get(v.data), &keys, err);
        if (rc == 0 && vault_key_there(&keys.keys[index])) {
            buf_clear(&o->plain);
            rc = capsule_open(&keys.keys[index], class, capsule, &o->plain, err);
            opened = rc == 0;
        }
        if (rc == 0 || rc == ERR_NOTFOUND || rc == ERR_DENIED)
            rc = opened ? 0 : db_cursor_prev(c, &k, &v, err);
    }
    sodium_memzero(&keys, sizeof(keys));
    db_cursor_close(&c);
    return rc != 0 ? rc : opened ? 0 : ERR_NOTFOUND;
}

int
person_read(struct db_txn *txn, struct vault *vault, const struct member_row *row, unsigned classes,
            struct person_input *ret, struct err *err)
{
    uint8_t room[PLAIN_MAX];
    struct opener o = {.txn = txn, .vault = vault, .row = row};
    int rc = 0;
    buf_fixed(&o.plain, room, sizeof(room));
    memset(ret, 0, sizeof(*ret));
    ret->identity.birth_date = DATE_NONE;
    for (uint8_t class = CLASS_IDENTITY; rc == 0 && class <= CLASS_BANK; class ++) {
        if (!(classes & 1U << class))
            continue;
        rc = open_class(&o, class, err);
        if (rc == ERR_NOTFOUND) {
            rc = 0;
            continue;
        }
        struct slice plain = buf_slice(&o.plain);
        if (rc == 0 && class == CLASS_IDENTITY)
            ret->has_identity = (rc = person_identity_decode(plain, &ret->identity, err)) == 0;
        else if (rc == 0 && class == CLASS_CONTACT)
            ret->has_contact = (rc = person_contact_decode(plain, &ret->contact, err)) == 0;
        else if (rc == 0)
            ret->has_bank = (rc = person_bank_decode(plain, &ret->bank, err)) == 0;
    }
    sodium_memzero(room, sizeof(room));
    if (rc != 0)
        person_wipe(ret, sizeof(*ret));
    return rc;
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
    int rc = person_read(txn, vault, row, 1U << CLASS_IDENTITY, &p, err);
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
