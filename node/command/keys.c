/* Escrow: what seals data keys. See keys.h; docs/PROTOCOL.md §6. */
#include "node/command/keys.h"

#include <sodium/utils.h>

#include "storage/received.h"

/* In this order for ever: what an earlier release sealed must come out the same. */
static const uint8_t SLOT_CLASSES[VAULT_CLASSES] = {CLASS_IDENTITY, CLASS_CONTACT,  CLASS_BANK,
                                                    CLASS_NOTE,     CLASS_ACTIVITY, CLASS_COUNTING};

enum { KEY_PLAIN_MAX = 1024 };

/* Why a nonce that is not random is safe here: it is a keyed hash of the whole plaintext, so a nonce can come back only with the
 * plaintext it was used for, and then the capsule is the same capsule. Deriving it from unit, subject and generation alone would
 * use one nonce for two plaintexts as soon as a slot of the same subject and generation held other keys (a restored vault). The
 * hash is over a secret 256-bit key first, so the nonce says nothing about the data keys. */
static void
derive_nonce(const struct data_key *escrow, struct slice plain, uint8_t nonce[CAPSULE_NONCE_BYTES])
{
    struct slice parts[] = {slice_of(escrow->b, sizeof(escrow->b)), plain};
    struct hash h = crypto_hash_parts("smart.keynonce", parts, ARRAY_LEN(parts));
    memcpy(nonce, h.b, CAPSULE_NONCE_BYTES);
}

int
member_keys_capsule(const struct data_key *escrow, const struct unit_id *unit, const struct subject_id *subject,
                    uint32_t generation, const struct slot_keys *keys, struct buf *out, struct err *err)
{
    struct key_capsule_content content = {.use = KEY_USE_ESCROW_DATA, .unit = *unit, .subject = *subject};
    _Static_assert((int)VAULT_CLASSES <= (int)DATA_KEYS_MAX, "a slot fits into one capsule");
    for (size_t i = 0; i < VAULT_CLASSES; i++) {
        MUST(vault_class_index(SLOT_CLASSES[i]) == (int)i);
        if (vault_key_there(&keys->keys[i]))
            content.keys[content.n_keys++] = (struct keyed_class){SLOT_CLASSES[i], generation, keys->keys[i]};
    }
    if (content.n_keys == 0)
        return err_set(err, ERR_NOTFOUND, "escrow: the slot has no keys");
    struct buf plain;
    buf_init(&plain, KEY_PLAIN_MAX);
    int rc = key_capsule_encode(&content, &plain, err);
    if (rc == 0) {
        uint8_t nonce[CAPSULE_NONCE_BYTES];
        derive_nonce(escrow, buf_slice(&plain), nonce);
        rc = capsule_seal(escrow, CLASS_KEY, nonce, buf_slice(&plain), out, err);
    }
    buf_free(&plain);
    sodium_memzero(&content, sizeof(content));
    return rc;
}

int
escrow_capsule(const struct box_public *recovery, const struct unit_id *unit, const struct data_key *escrow,
               void (*draw)(void *arg, uint8_t *out, size_t len), void *draw_arg, struct buf *out, struct err *err)
{
    struct key_capsule_content content = {.use = KEY_USE_ESCROW_DAY, .unit = *unit, .escrow_key = *escrow};
    struct buf plain;
    buf_init(&plain, KEY_PLAIN_MAX);
    int rc = key_capsule_encode(&content, &plain, err);
    if (rc == 0) {
        uint8_t seed[KEY_BYTES], nonce[CAPSULE_NONCE_BYTES];
        draw(draw_arg, seed, sizeof(seed));
        draw(draw_arg, nonce, sizeof(nonce));
        rc = capsule_seal_to(recovery, CLASS_KEY, seed, nonce, buf_slice(&plain), out, err);
        sodium_memzero(seed, sizeof(seed));
    }
    buf_free(&plain);
    sodium_memzero(&content, sizeof(content));
    return rc;
}

/* What a completed handover brought along; of several former homes that of the least id, so that it stays the same. */
static int
year_key_of_former_home(struct vault *vault, const struct subject_id *member, uint16_t year, struct data_key *ret,
                        struct err *err)
{
    enum { YEARS_MAX = 64 };
    const struct received_filter along = {.class = CLASS_COUNTING, .kind = KIND_HANDOVER_COMPLETED, .on = DATE_NONE};
    struct received_key keys[YEARS_MAX];
    size_t n = 0, i = 0;
    int rc = received_list(vault, member, &along, keys, YEARS_MAX, &n, NULL, err);
    if (rc != 0)
        return rc;
    while (i < n && keys[i].generation != year)
        i++;
    if (i < n)
        *ret = keys[i].key;
    sodium_memzero(keys, n * sizeof(*keys));
    return i < n ? 0 : ERR_NOTFOUND;
}

static int
own_year_key(struct db_txn *txn, struct vault *vault, const struct subject_id *member, const struct keys_going *going,
             uint16_t year, struct data_key *ret, struct err *err)
{
    struct data_key counting;
    int rc = keyslots_first(txn, vault, member, going, CLASS_COUNTING, &counting, err);
    if (rc != 0)
        return rc;
    counting_year_key(&counting, year, ret);
    sodium_memzero(&counting, sizeof(counting));
    return 0;
}

int
member_year_key(struct db_txn *txn, struct vault *vault, const struct subject_id *member,
                const struct keys_going *going, uint16_t year, struct data_key *ret, struct err *err)
{
    struct data_key own;
    /* Whose own key is destroyed is counted no more, whatever came along. */
    int rc = own_year_key(txn, vault, member, going, year, &own, err);
    if (rc != 0)
        return rc;
    rc = year_key_of_former_home(vault, member, year, ret, err);
    if (rc == ERR_NOTFOUND || rc == ERR_CORRUPT) {
        *ret = own;
        rc = 0;
    }
    sodium_memzero(&own, sizeof(own));
    return rc;
}

static struct subject_id
pseudonym_of(struct data_key *key)
{
    struct subject_id ret = counting_pseudonym(key);
    sodium_memzero(key, sizeof(*key));
    return ret;
}

int
member_pseudonym(struct db_txn *txn, struct vault *vault, const struct subject_id *member, uint16_t year,
                 struct subject_id *ret, struct err *err)
{
    struct data_key key;
    int rc = member_year_key(txn, vault, member, NULL, year, &key, err);
    if (rc == 0)
        *ret = pseudonym_of(&key);
    return rc;
}

int
member_own_pseudonym(struct db_txn *txn, struct vault *vault, const struct subject_id *member, uint16_t year,
                     struct subject_id *ret, struct err *err)
{
    struct data_key key;
    int rc = own_year_key(txn, vault, member, NULL, year, &key, err);
    if (rc == 0)
        *ret = pseudonym_of(&key);
    return rc;
}
