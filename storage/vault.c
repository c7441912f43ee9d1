/* The vault: opening, the pool of slots, escrow keys. See vault.h; docs/STORAGE.md "Vault".
 *
 * Invariants: (1) every key on disk is inside a wrapped value, bound to its table and number, so that rows cannot be swapped;
 * (2) META_NEXT_SLOT is beyond every slot that was ever written, and moves in the very commit that writes a batch, so that no
 * slot number is written twice; (3) keys in memory are in locked, guarded pages and wiped once given out. */
#include "storage/vault_private.h"

enum {
    POOL_FILL_FIRST = 256, /* a start that admits few members leaves few slots unused */
    POOL_FILL_GROWTH = 4,
    KEY_ESCROW = 8,
};

_Static_assert(crypto_aead_xchacha20poly1305_ietf_KEYBYTES == KEY_BYTES, "wrap key");
_Static_assert(sizeof(((struct slot_keys *)0)->keys) == SLOT_PLAIN, "a slot is its keys");

static const char META_CHECK[] = "vault.check";
static const char META_INDEX_KEY[] = "vault.index-key";
static const char META_NEXT_SLOT[] = "vault.next-slot";
static const char META_OWN_PREFIX[] = "vault.";

static int open_secrets(struct vault *v, const struct vault_opts *opts, struct err *err);
static int create_secrets(struct vault *v, struct err *err);
static int fill_pool(struct vault *v, struct pool *p, struct err *err);
static struct slice text_slice(const char *text);
static void wrap_number(struct vault *v, enum wrap_use use, uint64_t number, struct slice plain, uint8_t *out);
static int unwrap_number(const struct vault *v, enum wrap_use use, uint64_t number, struct slice wrapped, uint8_t *out,
                         size_t len);
static int get_u64(struct db_txn *txn, const char *name, uint64_t *ret, struct err *err);
static uint32_t day_biased(struct civil_date day);

/* ---- opening -------------------------------------------------------------------------------- */

static void
random_system(void *arg UNUSED, uint8_t *out, size_t len)
{
    randombytes_buf(out, len);
}

int
vault_open(const struct vault_opts *opts, struct vault **ret, struct err *err)
{
    int rc = crypto_init(err);
    if (rc != 0)
        return rc;
    struct vault *v = calloc(1, sizeof(*v));
    if (!v)
        return err_set(err, ERR_NOMEM, "vault: out of memory");
    v->random = random_system;
    staged_init(&v->staged);
    v->secrets = sodium_malloc(sizeof(*v->secrets));
    if (!v->secrets) {
        rc = err_set(err, ERR_NOMEM, "vault: no locked memory");
        goto done;
    }
    memcpy(v->secrets->wrap, opts->wrap_key, sizeof(v->secrets->wrap));
    struct db_opts db = {
        .path = opts->path,
        .map_bytes = opts->map_bytes,
        .kind = DB_VAULT,
        .create = opts->create,
        .read_only = opts->read_only,
        .volatile_for_simulation = opts->volatile_for_simulation,
    };
    rc = db_open(&db, &v->db, err);
    if (rc == 0)
        rc = open_secrets(v, opts, err);
    if (rc == 0)
        rc = vault_convert(v, opts, err);
done:
    if (rc != 0) {
        vault_close(&v);
        return rc;
    }
    *ret = v;
    return 0;
}

void
vault_close(struct vault **v)
{
    if (!*v)
        return;
    if ((*v)->db)
        db_close(&(*v)->db);
    for (size_t i = 0; i < VAULT_POOLS; i++)
        sodium_free((*v)->pools[i].keys); /* wipes, as the next does */
    sodium_free((*v)->secrets);
    staged_release(&(*v)->staged);
    free(*v);
    *v = NULL;
}

struct db *
vault_db(struct vault *v)
{
    return v->db;
}

void
vault_set_random(struct vault *v, void (*fill)(void *arg, uint8_t *out, size_t len), void *arg)
{
    v->random = fill ? fill : random_system;
    v->random_arg = arg;
}

/* The check value is an empty text: opening it proves the key, and nothing can be learned from it. */
static int
open_secrets(struct vault *v, const struct vault_opts *opts, struct err *err)
{
    struct db_txn *txn;
    int rc = db_begin_read(v->db, &txn, err);
    if (rc != 0)
        return rc;
    struct slice value;
    uint64_t next;
    bool fresh = false;
    rc = db_get(txn, TABLE_VAULT_META, text_slice(META_CHECK), &value, err);
    if (rc == ERR_NOTFOUND) {
        fresh = true;
        rc = get_u64(txn, META_NEXT_SLOT, &next, err);
        rc = rc == 0 ? err_set(err, ERR_CORRUPT, "vault: its check value is missing") : rc == ERR_NOTFOUND ? 0 : rc;
        goto done;
    }
    if (rc == 0 && unwrap_number(v, WRAP_CHECK, 0, value, NULL, 0) != 0)
        rc = err_set(err, ERR_DENIED, "vault: not the vault key that this vault was made with");
    if (rc == 0)
        rc = db_get(txn, TABLE_VAULT_META, text_slice(META_INDEX_KEY), &value, err);
    if (rc == ERR_NOTFOUND ||
        (rc == 0 && unwrap_number(v, WRAP_INDEX_KEY, 0, value, v->secrets->index, sizeof(v->secrets->index)) != 0))
        rc = err_set(err, ERR_CORRUPT, "vault: the index key does not open");
done:
    db_abort(&txn);
    if (rc != 0 || !fresh)
        return rc;
    if (!opts->create || opts->read_only)
        return err_set(err, ERR_NOTFOUND, "vault: not created");
    return create_secrets(v, err);
}

static int
create_secrets(struct vault *v, struct err *err)
{
    struct db_txn *txn;
    int rc = db_begin_write(v->db, &txn, err);
    if (rc != 0)
        return rc;
    uint8_t check[WRAP_OVERHEAD], index[KEY_WRAPPED], next[8];
    v->random(v->random_arg, v->secrets->index, sizeof(v->secrets->index));
    wrap_number(v, WRAP_CHECK, 0, slice_of(NULL, 0), check);
    wrap_number(v, WRAP_INDEX_KEY, 0, slice_of(v->secrets->index, sizeof(v->secrets->index)), index);
    be64_put(next, 1);
    rc = db_put(txn, TABLE_VAULT_META, text_slice(META_CHECK), slice_of(check, sizeof(check)), err);
    if (rc == 0)
        rc = db_put(txn, TABLE_VAULT_META, text_slice(META_INDEX_KEY), slice_of(index, sizeof(index)), err);
    if (rc == 0)
        rc = db_put(txn, TABLE_VAULT_META, text_slice(META_NEXT_SLOT), slice_of(next, sizeof(next)), err);
    if (rc == 0)
        rc = vault_form_put(txn, FORM_NOW, err);
    if (rc == 0)
        return db_commit(&txn, err);
    db_abort(&txn);
    return rc;
}

/* "format" belongs to storage/db. */
static bool
name_is_free(const char *name)
{
    return strncmp(name, META_OWN_PREFIX, strlen(META_OWN_PREFIX)) != 0 && strcmp(name, "format") != 0;
}

int
vault_meta_put(struct vault *v, const char *name, struct slice value, struct err *err)
{
    MUST(name_is_free(name));
    struct db_txn *txn;
    int rc = db_begin_write(v->db, &txn, err);
    if (rc != 0)
        return rc;
    rc = db_put(txn, TABLE_VAULT_META, text_slice(name), value, err);
    if (rc == 0)
        return db_commit(&txn, err);
    db_abort(&txn);
    return rc;
}

int
vault_read_value(struct vault *v, enum table t, struct slice key, const char *what, struct buf *out, struct err *err)
{
    struct db_txn *txn;
    int rc = db_begin_read(v->db, &txn, err);
    if (rc != 0)
        return rc;
    struct slice value;
    rc = db_get(txn, t, key, &value, err);
    if (rc == ERR_NOTFOUND)
        rc = err_set(err, ERR_NOTFOUND, "vault: no such %s", what);
    if (rc == 0) {
        buf_put(out, value.data, value.len);
        rc = buf_check(out, what, err);
    }
    db_abort(&txn);
    return rc;
}

int
vault_meta_get(struct vault *v, const char *name, struct buf *out, struct err *err)
{
    MUST(name_is_free(name));
    return vault_read_value(v, TABLE_VAULT_META, text_slice(name), "note", out, err);
}

/* ---- slots ---------------------------------------------------------------------------------- */

int
vault_class_index(uint8_t class)
{
    switch (class) {
    case CLASS_IDENTITY: return 0;
    case CLASS_CONTACT: return 1;
    case CLASS_BANK: return 2;
    case CLASS_NOTE: return 3;
    case CLASS_ACTIVITY:
    case CLASS_GUEST:
    case CLASS_DOSSIER: return 4; /* §6: under the class 4 key */
    case CLASS_COUNTING: return 5;
    default: return -1;
    }
}

bool
vault_key_there(const struct data_key *key)
{
    return !sodium_is_zero(key->b, sizeof(key->b));
}

/* The pool of a sort of slots. Where all are taken by other sorts, one of those gives way: its slots stay unused. */
static struct pool *
pool_of(struct vault *v, unsigned classes)
{
    struct pool *p = NULL;
    for (size_t i = 0; i < VAULT_POOLS && !p; i++)
        if (v->pools[i].classes == classes || v->pools[i].classes == 0)
            p = &v->pools[i];
    if (!p) {
        p = &v->pools[v->pool_evict];
        v->pool_evict = (uint8_t)((v->pool_evict + 1) % VAULT_POOLS);
        sodium_memzero(p->keys, (size_t)VAULT_POOL_FILL * SLOT_PLAIN);
        p->count = p->next = 0;
    }
    if (p->classes != classes)
        p->fill = POOL_FILL_FIRST;
    p->classes = classes;
    return p;
}

int
vault_take_classes(struct vault *v, unsigned classes, struct slot_keys *ret, struct err *err)
{
    MUST(classes != 0 && (classes & ~(unsigned)VAULT_ALL_CLASSES) == 0);
    struct pool *p = pool_of(v, classes);
    if (p->next == p->count) {
        int rc = fill_pool(v, p, err);
        if (rc != 0)
            return rc;
    }
    uint8_t *plain = p->keys + (size_t)p->next * SLOT_PLAIN;
    ret->slot = p->first + p->next;
    memcpy(ret->keys, plain, SLOT_PLAIN);
    sodium_memzero(plain, SLOT_PLAIN);
    p->next++;
    return 0;
}

int
vault_take(struct vault *v, struct slot_keys *ret, struct err *err)
{
    return vault_take_classes(v, VAULT_ALL_CLASSES, ret, err);
}

static int
put_batch(struct vault *v, struct pool *p, struct db_txn *txn, uint64_t first, struct err *err)
{
    struct wrap_nonces nonces = {.wanted = p->fill};
    v->random(v->random_arg, p->keys, (size_t)p->fill * SLOT_PLAIN);
    for (uint32_t i = 0; i < p->fill; i++) {
        uint8_t key[KEY_SLOT], *row, *plain = p->keys + (size_t)i * SLOT_PLAIN;
        for (unsigned c = 0; c < VAULT_CLASSES; c++)
            if (!(p->classes & 1U << c))
                sodium_memzero(plain + c * KEY_BYTES, KEY_BYTES);
        be64_put(key, first + i);
        int rc = db_put_reserve(txn, TABLE_SLOTS, slice_of(key, sizeof(key)), SLOT_WRAPPED, &row, err);
        if (rc != 0)
            return rc;
        vault_wrap_with(v, WRAP_SLOT, slice_of(key, sizeof(key)), slice_of(plain, SLOT_PLAIN), wrap_nonce(v, &nonces),
                        row);
    }
    uint8_t next[8];
    be64_put(next, first + p->fill);
    return db_put(txn, TABLE_VAULT_META, text_slice(META_NEXT_SLOT), slice_of(next, sizeof(next)), err);
}

/* The pool counts as empty until the commit is durable: a key that is not on disk must not seal anything. */
static int
fill_pool(struct vault *v, struct pool *p, struct err *err)
{
    if (!p->keys) {
        p->keys = sodium_allocarray(VAULT_POOL_FILL, SLOT_PLAIN);
        if (!p->keys)
            return err_set(err, ERR_NOMEM, "vault: no locked memory for keys");
    }
    p->count = p->next = 0;
    struct db_txn *txn;
    int rc = db_begin_write(v->db, &txn, err);
    if (rc != 0)
        return rc;
    uint64_t first;
    rc = get_u64(txn, META_NEXT_SLOT, &first, err);
    if (rc == ERR_NOTFOUND)
        rc = err_set(err, ERR_CORRUPT, "vault: the mark of unused slots is missing");
    if (rc == 0)
        rc = put_batch(v, p, txn, first, err);
    if (rc == 0)
        rc = db_commit(&txn, err);
    else
        db_abort(&txn);
    if (rc != 0) {
        sodium_memzero(p->keys, (size_t)p->fill * SLOT_PLAIN);
        return rc;
    }
    p->first = first;
    p->count = p->fill;
    p->fill = p->fill * POOL_FILL_GROWTH < VAULT_POOL_FILL ? p->fill * POOL_FILL_GROWTH : VAULT_POOL_FILL;
    return 0;
}

int
vault_skip_used(struct vault *v, uint64_t used, struct err *err)
{
    struct db_txn *txn;
    uint64_t next;
    uint8_t value[8];
    int rc = db_begin_read(v->db, &txn, err);
    if (rc != 0)
        return rc;
    rc = get_u64(txn, META_NEXT_SLOT, &next, err);
    db_abort(&txn);
    if (rc == ERR_NOTFOUND)
        return err_set(err, ERR_CORRUPT, "vault: the mark of unused slots is missing");
    if (rc != 0 || next > used)
        return rc;
    if (used == UINT64_MAX)
        return err_set(err, ERR_CORRUPT, "vault: no slots are left");
    rc = db_begin_write(v->db, &txn, err);
    if (rc != 0)
        return rc;
    be64_put(value, used + 1);
    rc = db_put(txn, TABLE_VAULT_META, text_slice(META_NEXT_SLOT), slice_of(value, sizeof(value)), err);
    if (rc == 0)
        return db_commit(&txn, err);
    db_abort(&txn);
    return rc;
}

int
vault_put_slots(struct vault *v, struct slot_keys *slots, size_t n, struct err *err)
{
    struct db_txn *txn;
    uint64_t next = 0;
    uint8_t value[8];
    for (size_t i = 0; i < VAULT_POOLS; i++)
        MUST(v->pools[i].count == 0); /* their numbers are given out without asking the table */
    int rc = db_begin_write(v->db, &txn, err);
    if (rc != 0)
        return rc;
    rc = get_u64(txn, META_NEXT_SLOT, &next, err);
    if (rc == ERR_NOTFOUND)
        rc = err_set(err, ERR_CORRUPT, "vault: the mark of unused slots is missing");
    for (size_t i = 0; rc == 0 && i < n; i++) {
        uint8_t key[KEY_SLOT], row[SLOT_WRAPPED];
        if (slots[i].slot == 0)
            slots[i].slot = next++;
        be64_put(key, slots[i].slot);
        vault_wrap(v, WRAP_SLOT, slice_of(key, sizeof(key)), slice_of(slots[i].keys, SLOT_PLAIN), row);
        rc = db_put(txn, TABLE_SLOTS, slice_of(key, sizeof(key)), slice_of(row, sizeof(row)), err);
    }
    be64_put(value, next);
    if (rc == 0)
        rc = db_put(txn, TABLE_VAULT_META, text_slice(META_NEXT_SLOT), slice_of(value, sizeof(value)), err);
    if (rc == 0)
        return db_commit(&txn, err);
    db_abort(&txn);
    return rc;
}

int
vault_slot_read(const struct vault *v, struct db_txn *txn, uint64_t slot, uint8_t plain[SLOT_PLAIN], struct err *err)
{
    uint8_t key[KEY_SLOT], keys[SLOT_PLAIN] = {0};
    struct slice row;
    be64_put(key, slot);
    int rc = db_get(txn, TABLE_SLOTS, slice_of(key, sizeof(key)), &row, err);
    if (rc == ERR_NOTFOUND)
        rc = err_set(err, ERR_NOTFOUND, "vault: no key slot %llu", (unsigned long long)slot);
    else if (rc == 0 &&
             vault_unwrap(v, WRAP_SLOT, slice_of(key, sizeof(key)), row, keys,
                          row.len == SLOT_PLAIN_EARLIER + WRAP_OVERHEAD ? SLOT_PLAIN_EARLIER : SLOT_PLAIN) != 0)
        rc = err_set(err, ERR_CORRUPT, "vault: key slot %llu does not open", (unsigned long long)slot);
    if (rc == 0)
        memcpy(plain, keys, sizeof(keys));
    sodium_memzero(keys, sizeof(keys));
    return rc;
}

int
vault_slot(struct vault *v, uint64_t slot, struct slot_keys *ret, struct err *err)
{
    struct db_txn *txn;
    uint8_t plain[SLOT_PLAIN];
    int rc = db_begin_read(v->db, &txn, err);
    if (rc != 0)
        return rc;
    rc = vault_slot_read(v, txn, slot, plain, err);
    db_abort(&txn);
    if (rc == 0) {
        ret->slot = slot;
        memcpy(ret->keys, plain, sizeof(plain));
        sodium_memzero(plain, sizeof(plain));
    }
    return rc;
}

/* ---- escrow --------------------------------------------------------------------------------- */

static void
escrow_key(uint8_t out[KEY_ESCROW], struct civil_date day, uint32_t n)
{
    be32_put(out, day_biased(day));
    be32_put(out + 4, n);
}

/* The last entry of a day: its number, and its value in the transaction. ERR_NOTFOUND. */
static int
escrow_last(struct db_txn *txn, struct civil_date day, uint32_t *ret_n, struct slice *ret_value, struct err *err)
{
    struct db_cursor *c;
    int rc = db_cursor_open(txn, TABLE_ESCROW, &c, err);
    if (rc != 0)
        return rc;
    uint8_t from[KEY_ESCROW];
    struct slice key, value;
    bool found = false;
    escrow_key(from, day, 0);
    rc = db_cursor_seek(c, slice_of(from, sizeof(from)), &key, &value, err);
    while (rc == 0 && key.len == KEY_ESCROW && memcmp(key.data, from, 4) == 0) {
        found = true;
        *ret_n = be32_get(key.data + 4);
        *ret_value = value;
        rc = db_cursor_next(c, &key, &value, err);
    }
    db_cursor_close(&c);
    if (rc != 0 && rc != ERR_NOTFOUND)
        return rc;
    return found ? 0 : err_set(err, ERR_NOTFOUND, "vault: no escrow key of that day");
}

int
vault_escrow_get(struct vault *v, struct civil_date day, struct data_key *ret, struct err *err)
{
    struct db_txn *txn;
    int rc = db_begin_read(v->db, &txn, err);
    if (rc != 0)
        return rc;
    uint32_t n = 0;
    struct slice value = {0};
    struct data_key plain;
    rc = escrow_last(txn, day, &n, &value, err);
    uint64_t number = (uint64_t)day_biased(day) << 32 | n;
    if (rc == 0 && unwrap_number(v, WRAP_ESCROW, number, value, plain.b, sizeof(plain.b)) != 0)
        rc = err_set(err, ERR_CORRUPT, "vault: an escrow key does not open");
    db_abort(&txn);
    if (rc == 0) {
        *ret = plain;
        sodium_memzero(&plain, sizeof(plain));
    }
    return rc;
}

int
vault_escrow_put(struct vault *v, struct civil_date day, const struct data_key *key, struct err *err)
{
    struct db_txn *txn;
    int rc = db_begin_write(v->db, &txn, err);
    if (rc != 0)
        return rc;
    uint32_t n = 0;
    struct slice last;
    rc = escrow_last(txn, day, &n, &last, err);
    if (rc == 0 && n == UINT32_MAX)
        rc = err_set(err, ERR_LIMIT, "vault: too many escrow keys of one day");
    else if (rc == 0)
        n++;
    else if (rc == ERR_NOTFOUND)
        rc = 0;
    if (rc == 0) {
        uint8_t at[KEY_ESCROW], wrapped[KEY_WRAPPED];
        escrow_key(at, day, n);
        wrap_number(v, WRAP_ESCROW, (uint64_t)day_biased(day) << 32 | n, slice_of(key->b, sizeof(key->b)), wrapped);
        rc = db_put(txn, TABLE_ESCROW, slice_of(at, sizeof(at)), slice_of(wrapped, sizeof(wrapped)), err);
    }
    if (rc == 0)
        return db_commit(&txn, err);
    db_abort(&txn);
    return rc;
}

/* ---- helpers -------------------------------------------------------------------------------- */

static struct slice
text_slice(const char *text)
{
    return slice_of(text, strlen(text));
}

static void
wrap_number(struct vault *v, enum wrap_use use, uint64_t number, struct slice plain, uint8_t *out)
{
    uint8_t which[8];
    be64_put(which, number);
    vault_wrap(v, use, slice_of(which, sizeof(which)), plain, out);
}

static int
unwrap_number(const struct vault *v, enum wrap_use use, uint64_t number, struct slice wrapped, uint8_t *out, size_t len)
{
    uint8_t which[8];
    be64_put(which, number);
    return vault_unwrap(v, use, slice_of(which, sizeof(which)), wrapped, out, len);
}

static int
get_u64(struct db_txn *txn, const char *name, uint64_t *ret, struct err *err)
{
    struct slice value;
    int rc = db_get(txn, TABLE_VAULT_META, text_slice(name), &value, err);
    if (rc != 0)
        return rc;
    if (value.len != 8)
        return err_set(err, ERR_CORRUPT, "vault: %s", name);
    *ret = be64_get(value.data);
    return 0;
}

/* So that byte order is the order of days. */
static uint32_t
day_biased(struct civil_date day)
{
    return (uint32_t)day.days ^ UINT32_C(0x80000000);
}
