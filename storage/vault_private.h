/* The inside of the vault, for vault*.c, received*.c and openings.c. */
#ifndef SMARTNODE_STORAGE_VAULT_PRIVATE_H
#define SMARTNODE_STORAGE_VAULT_PRIVATE_H

#include <pthread.h>
#include <sodium.h>

#include "proto/base/map.h"
#include "storage/vault_erase.h"

enum {
    WRAP_NONCE = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
    WRAP_TAG = crypto_aead_xchacha20poly1305_ietf_ABYTES,
    WRAP_OVERHEAD = WRAP_NONCE + WRAP_TAG,
    SLOT_PLAIN = VAULT_CLASSES * KEY_BYTES,
    SLOT_PLAIN_EARLIER = 4 * KEY_BYTES, /* release 0.1: without activity links and counting */
    SLOT_WRAPPED = SLOT_PLAIN + WRAP_OVERHEAD,
    KEY_WRAPPED = KEY_BYTES + WRAP_OVERHEAD,
    KEY_SLOT = 8,
    KEY_KEY_CAPSULE = KEY_POSITION + 1,
    LINK_PLAIN = ID_BYTES + 1,
    LINK_PLAIN_ABROAD = LINK_PLAIN + HASH_BYTES,
};

/* What a wrapped value is, in its associated data. Stored for ever: never renumbered. */
enum wrap_use {
    WRAP_CHECK = 1,
    WRAP_INDEX_KEY = 2,
    WRAP_SLOT = 3,
    WRAP_ESCROW = 4,
    WRAP_LINK = 5,
    WRAP_RECEIVED = 6,
    WRAP_VISIT = 7,
    WRAP_ASK = 8,
    WRAP_TAKEN = 9,
    WRAP_INDEX_PAGE = 10,
    WRAP_OPENED = 11,
    WRAP_LOOKED = 12,
    WRAP_VISITED = 13,
    WRAP_PARTED = 14
};
enum { WRAP_LOOKUP_OUTPUT = 16, WRAP_LOOKUP_RESULT = 17, WRAP_LOOKUP_RECORD = 18 }; /* lookups.c */

/* What a label names. Stored for ever: never renumbered. */
enum label_use {
    LABEL_PAGE = 1,
    LABEL_OPENED = 2,
    LABEL_LOOKED = 3,
    LABEL_VISIT = 4,
    LABEL_VISITS_OF = 5,
    LABEL_TAKEN = 6,
    LABEL_PARTED = 7
};
enum { LABEL_BYTES = 16 };

/* How far the conversion of a vault of format 1 is: vault-meta "vault.form". */
enum vault_form { FORM_NONE = 0, FORM_MOVING = 1, FORM_MOVED = 2, FORM_NOW = 3 };

struct secrets {
    uint8_t wrap[KEY_BYTES];
    uint8_t index[KEY_BYTES];
};

/* Slots with keys of the same classes. */
struct pool {
    unsigned classes; /* 0 = unused */
    uint8_t *keys;    /* locked pages: SLOT_PLAIN bytes for each slot of the batch */
    uint64_t first;   /* slot number of keys[0] */
    uint32_t count;   /* slots in the batch */
    uint32_t next;    /* of the batch, the next to give out */
    uint32_t fill;    /* size of the next batch */
};

struct staged_entry {
    struct index_entry entry;
    uint32_t before; /* 1 + the number of the one before of the same token; 0 = none */
};

struct staged {
    pthread_mutex_t lock; /* the writer changes them, any thread looks them up */
    struct map links;     /* entity → struct staged_link */
    struct map tokens;    /* token → u32: 1 + the number of its last entry */
    struct staged_entry *entries;
    size_t n, cap;
};

struct vault {
    struct db *db;
    struct secrets *secrets; /* locked pages */
    struct pool pools[VAULT_POOLS];
    uint8_t pool_evict; /* the next to make room for another sort */
    struct staged staged;
    void (*random)(void *arg, uint8_t *out, size_t len);
    void *random_arg;
};

/* Appends the value of a key to out. ERR_NOTFOUND says "no such <what>". */
int vault_read_value(struct vault *v, enum table t, struct slice key, const char *what, struct buf *out,
                     struct err *err) NODISCARD;
/* nonce ‖ ciphertext with tag; out has plain.len + WRAP_OVERHEAD bytes. which: bytes that name the row, at most ID_BYTES. */
/* Nonces for n wraps of one call, drawn together: a draw for each is a call into the kernel for each. */
enum { WRAP_NONCES_MAX = 32 };
struct wrap_nonces {
    size_t wanted, left; /* still to be drawn; the last of bytes */
    uint8_t bytes[WRAP_NONCES_MAX][WRAP_NONCE];
};
const uint8_t *wrap_nonce(struct vault *v, struct wrap_nonces *n);
void vault_wrap_with(const struct vault *v, enum wrap_use use, struct slice which, struct slice plain,
                     const uint8_t nonce[WRAP_NONCE], uint8_t *out);
void vault_wrap(struct vault *v, enum wrap_use use, struct slice which, struct slice plain, uint8_t *out);
/* ERR_FORGED if it is not a value of len bytes wrapped as this one; out is then zero. */
int vault_unwrap(const struct vault *v, enum wrap_use use, struct slice which, struct slice wrapped, uint8_t *out,
                 size_t len) NODISCARD;

/* The keys of a slot, zeros of those that it has not. ERR_NOTFOUND; ERR_CORRUPT: it does not open. Wipe. */
int vault_slot_read(const struct vault *v, struct db_txn *txn, uint64_t slot, uint8_t plain[SLOT_PLAIN],
                    struct err *err) NODISCARD;
void key_capsule_key(uint8_t out[KEY_KEY_CAPSULE], const struct position *at, uint8_t index);
struct received_key;
/* Which received key, in its associated data: of the key of its row. */
void received_which(const uint8_t key[KEY_RECEIVED], uint8_t out[ID_BYTES]);
/* Of a row of TABLE_RECEIVED, all but the key itself; and that. ERR_CORRUPT. */
int received_row_decode(struct slice key, struct slice row, struct received_key *ret, struct err *err) NODISCARD;
int received_row_open(const struct vault *v, struct slice key, struct slice row, struct received_key *k,
                      struct err *err) NODISCARD;

int vault_compare_ids(const void *a, const void *b);
/* Entries of the index that lead to one of the subjects, which are sorted; *ret is the caller's to free, also after an error. */
int vault_entries_of(struct vault *v, struct db_txn *txn, const struct subject_id *sorted, size_t n,
                     struct index_entry **ret, size_t *ret_n, struct err *err) NODISCARD;
/* Deletions in the caller's transaction, *count goes up by each row that was there. */
int received_erase(struct db_txn *txn, const struct vault_erase_received *what, size_t n, uint64_t *count,
                   struct err *err) NODISCARD;
int parted_erase(const struct vault *v, struct db_txn *txn, const struct vault_erase_received *what, size_t n,
                 uint64_t *count, struct err *err) NODISCARD;
int openings_erase(struct vault *v, struct db_txn *txn, const struct vault_erase_visitor *visitors, size_t n,
                   uint64_t *count, struct err *err) NODISCARD;
int looks_erase(struct vault *v, struct db_txn *txn, const struct subject_id *subjects, size_t n, uint64_t *count,
                struct err *err) NODISCARD;

/* Key of a row that does not say what it is of: a keyed hash. */
void vault_label(const struct vault *v, enum label_use use, struct slice text, uint8_t out[LABEL_BYTES]);
int vault_form_put(struct db_txn *txn, enum vault_form form, struct err *err) NODISCARD;
/* Rows of openings, looks and visits as they were in format 1, in the caller's transaction. */
int opened_put_old(struct vault *v, struct db_txn *txn, struct slice key, struct slice value,
                   struct err *err) NODISCARD;
int looked_put_old(struct vault *v, struct db_txn *txn, struct slice key, struct slice value,
                   struct err *err) NODISCARD;
int visited_put_old(struct vault *v, struct db_txn *txn, struct slice key, struct slice value,
                    struct err *err) NODISCARD;

/* Ids in memory. Zeros = empty; free after an error too. */
struct id_list {
    struct subject_id *v;
    size_t n, cap;
};
void ids_free(struct id_list *l);
int ids_add(struct id_list *l, const void *ids, size_t n, struct err *err) NODISCARD;
void ids_sort(struct id_list *l); /* each once */

/* The blind index on the disk (vault_lists.c). Arrays of entries are sorted by the call. ERR_CORRUPT: a page does not open. */
int lists_add(struct vault *v, struct db_txn *txn, struct index_entry *entries, size_t n, struct err *err) NODISCARD;
/* *count goes up by each entry that was there. */
int lists_remove(struct vault *v, struct db_txn *txn, struct index_entry *entries, size_t n, uint64_t *count,
                 struct err *err) NODISCARD;
/* Appends, in no order. */
int list_read(const struct vault *v, struct db_txn *txn, const uint8_t token[VAULT_TOKEN_BYTES], struct id_list *ret,
              struct err *err) NODISCARD;
int list_has(const struct vault *v, struct db_txn *txn, const struct index_entry *e, bool *ret,
             struct err *err) NODISCARD;
/* Every entry; one must not write. A page that does not open leads to nobody and is passed over. */
int lists_walk(const struct vault *v, struct db_txn *txn,
               int (*one)(void *arg, const struct index_entry *e, struct err *err), void *arg,
               struct err *err) NODISCARD;

/* ERR_FORGED: the row does not open. */
int link_open(const struct vault *v, struct slice key, struct slice row, struct vault_link *ret) NODISCARD;
int links_write(struct vault *v, struct db_txn *txn, const struct vault_link *links, size_t n,
                struct err *err) NODISCARD;

void staged_init(struct staged *s);
void staged_release(struct staged *s);
/* Appends what is staged of a token, in no order. */
int staged_append(struct vault *v, const uint8_t token[VAULT_TOKEN_BYTES], struct id_list *ret,
                  struct err *err) NODISCARD;

/* Moves what an older format has in clear, and takes the old bytes out of the file: vault_convert.c. */
int vault_convert(struct vault *v, const struct vault_opts *opts, struct err *err) NODISCARD;

#endif
