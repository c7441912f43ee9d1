/* The vault: a second, small LMDB environment with what opens personal data. Data keys wrapped by the node's vault key, the
 * blind index, escrow keys, key capsules, and whose an activity or invoice is. Nothing of it is ever in the main environment or its
 * backups. docs/STORAGE.md, docs/PROTOCOL.md §6.
 *
 * Keys come from a pool: slots are drawn and made durable ahead of need, so that an admission is one commit of the main
 * environment, which stores only the slot's number (storage/keyslots.h). A slot holds one key for each class, or for some.
 * Threads: takes, fills and index writes by the writer thread; reads by any. */
#ifndef SMARTNODE_STORAGE_VAULT_H
#define SMARTNODE_STORAGE_VAULT_H

#include "proto/crypto.h"
#include "storage/db.h"

struct vault;

enum {
    VAULT_CLASSES = 6,
    VAULT_ALL_CLASSES = (1 << VAULT_CLASSES) - 1,
    VAULT_POOL_FILL = 4096,
    VAULT_TOKEN_BYTES = 16
};

/* Keys of one (subject, generation): index 0 identity, 1 contact, 2 bank, 3 note, 4 activity links, 5 counting. Zeros: the slot has
 * none of that class (it never had, or it was destroyed). Wipe after use. */
struct slot_keys {
    uint64_t slot;
    struct data_key keys[VAULT_CLASSES];
};
/* Index of a class in slot_keys, -1 if it has none. */
int vault_class_index(uint8_t class);

struct vault_opts {
    const char *path;
    size_t map_bytes;
    const uint8_t *wrap_key; /* 32 bytes; copied */
    bool create;
    bool read_only;
    bool volatile_for_simulation;
    /* A vault of an older format is brought along: called now and then, and at the end (done = all). NULL = nobody is told. */
    void (*progress)(void *arg, uint64_t done, uint64_t all);
    void *progress_arg;
};

/* A vault of an older format is brought along before it returns (docs/STORAGE.md "Vaults of format 1"); interrupted, the next opening goes on.
 * ERR_DENIED: the wrap key is not the one the vault was made with. ERR_NOTFOUND: no vault there and not `create`. ERR_VERSION: read_only,
 * and of an older format. And what db_open gives. */
int vault_open(const struct vault_opts *opts, struct vault **ret, struct err *err) NODISCARD;
void vault_close(struct vault **v);
struct db *vault_db(struct vault *v);

/* What the host binds the vault to (its unit) or notes in it, by name. Names beginning "vault.", and "format", are taken (MUST).
 * put: one vault commit. get: appends to out; ERR_NOTFOUND. Values are stored in clear. */
int vault_meta_put(struct vault *v, const char *name, struct slice value, struct err *err) NODISCARD;
int vault_meta_get(struct vault *v, const char *name, struct buf *out, struct err *err) NODISCARD;

/* Next unused slot with keys of `classes` (1 << index, at least one) and of no others; fills the pool of such slots when it is empty:
 * one durable vault commit of slots, few after a start and up to VAULT_POOL_FILL once it is seen that many are needed. No slot is
 * ever given out twice: those of a batch that a process had not used when it ended stay unused, and so do those of a sort that was
 * not asked for while VAULT_POOLS others were. vault_take: of all classes. */
enum { VAULT_POOLS = 4 };
int vault_take_classes(struct vault *v, unsigned classes, struct slot_keys *ret, struct err *err) NODISCARD;
int vault_take(struct vault *v, struct slot_keys *ret, struct err *err) NODISCARD;
/* No slot up to and including `used` is given out from now on: a vault restored from before the main environment would give away
 * again the numbers that its rows name. One vault commit if anything has to change. Before the first take. */
int vault_skip_used(struct vault *v, uint64_t used, struct err *err) NODISCARD;
/* ERR_NOTFOUND: never there or destroyed. ERR_CORRUPT: does not open; the text names the slot. A slot of an earlier release has
 * no keys of the last two classes. */
int vault_slot(struct vault *v, uint64_t slot, struct slot_keys *ret, struct err *err) NODISCARD;
bool vault_key_there(const struct data_key *key);
/* Stores keys that came back from escrow, in one vault commit: a slot of number 0 gets a new number, which is set in it; another is
 * written over. No take before it in this process (MUST). ERR_FULL; after an error the numbers set are not in use. */
int vault_put_slots(struct vault *v, struct slot_keys *slots, size_t n, struct err *err) NODISCARD;
/* Keys and nonces for the simulator and tests come from this; NULL = libsodium's. */
void vault_set_random(struct vault *v, void (*fill)(void *arg, uint8_t *out, size_t len), void *arg);

/* Escrow key of a day, the latest if several. ERR_NOTFOUND. */
int vault_escrow_get(struct vault *v, struct civil_date day, struct data_key *ret, struct err *err) NODISCARD;
int vault_escrow_put(struct vault *v, struct civil_date day, const struct data_key *key, struct err *err) NODISCARD;

/* Blind index. A token is a keyed hash of (field, text), the key being the vault's own. */
void vault_token(const struct vault *v, uint8_t field, struct slice text, uint8_t out[VAULT_TOKEN_BYTES]);
struct index_entry {
    uint8_t token[VAULT_TOKEN_BYTES];
    struct subject_id subject;
};
/* One vault commit: entries, and that log_no (≥ 1) is followed up to seq. Entries may repeat. */
int vault_index_put(struct vault *v, const struct index_entry *entries, size_t n, uint32_t log_no, uint64_t seq,
                    struct err *err) NODISCARD;
/* The index follows every log from its start again: it has a new sort of entries. One vault commit. */
int vault_index_restart(struct vault *v, struct err *err) NODISCARD;
int vault_index_cursor(struct vault *v, uint32_t log_no, uint64_t *ret_seq, struct err *err) NODISCARD; /* 0 if none */
/* Subjects of a token, in order, after `after` (NULL = from the start), at most max; staged ones (below) among them. Each call reads
 * the whole list of the token, 0.1 to 0.3 µs an entry. An entry may outlive what it was made from (a name or number that was changed, a commit of the main environment that failed): readers compare
 * with the row or the link. */
int vault_index_find(struct vault *v, const uint8_t token[VAULT_TOKEN_BYTES], const struct subject_id *after,
                     size_t max, struct subject_id *ret, size_t *ret_n, struct err *err) NODISCARD;
/* All subjects of a token, in order, for who needs them all: *ret is the caller's to free (NULL where there are none). ERR_NOMEM. */
int vault_index_all(struct vault *v, const uint8_t token[VAULT_TOKEN_BYTES], struct subject_id **ret, size_t *ret_n,
                    struct err *err) NODISCARD;
/* Whether (token, subject) is there. */
int vault_index_has(struct vault *v, const uint8_t token[VAULT_TOKEN_BYTES], const struct subject_id *subject,
                    bool *ret, struct err *err) NODISCARD;

/* Key capsules (class 15), own and kept for others. put: one vault commit; the same again is fine. get: appends to out;
 * ERR_NOTFOUND. */
struct key_capsule {
    struct position at;
    uint8_t index;
    struct slice bytes;
};
int vault_capsules_put(struct vault *v, const struct key_capsule *capsules, size_t n, struct err *err) NODISCARD;
int vault_capsule_get(struct vault *v, const struct position *at, uint8_t index, struct buf *out,
                      struct err *err) NODISCARD;

/* Links: whose an activity, an invoice or a posting is. They are here because the pages of the main environment keep what was deleted, while the
 * vault is rewritten at an erasure. A link and its index entries (INDEX_WORK_OF of the member, the unit's own number) are durable
 * before the commit of the event in the main environment: a link without an event is harmless, an event without a link cannot be
 * counted.
 *
 * stage: keeps them in memory, where vault_link_get and vault_index_find see them at once, of every thread; a later link of the same
 * entity takes the place of an earlier one. commit: one vault commit of all that is staged, none if nothing is; after an error they are
 * still staged. drop: forgets them. The three by the writer's thread. ERR_NOMEM, ERR_LIMIT (VAULT_STAGED_MAX). */
enum {
    LINK_ACTIVITY = 1,
    LINK_INVOICE = 2,
    LINK_OTHER_UNIT = 4, /* the member is another unit's */
    LINK_POSTING = 8,
    LINK_ABROAD = 16, /* the activity or invoice is another unit's, of a member of this one */
};
enum { VAULT_STAGED_MAX = 1 << 17 };
struct vault_link {
    struct subject_id entity, member;
    uint8_t flags;
    struct unit_id
        unit; /* LINK_ABROAD: whose the activity or invoice is; LINK_OTHER_UNIT: whose the member is; zeros of a link of an earlier release, and of all others */
};
int vault_links_stage(struct vault *v, const struct vault_link *link, const struct index_entry *entries,
                      size_t n_entries, struct err *err) NODISCARD;
int vault_links_commit(struct vault *v, struct err *err) NODISCARD;
void vault_links_drop(struct vault *v);
/* One vault commit. */
int vault_links_put(struct vault *v, const struct vault_link *links, size_t n, const struct index_entry *entries,
                    size_t n_entries, struct err *err) NODISCARD;
/* ERR_NOTFOUND: not linked (yet). ERR_CORRUPT: does not open. */
int vault_link_get(struct vault *v, const struct subject_id *entity, struct vault_link *ret, struct err *err) NODISCARD;
/* Removes links and index entries of the entities, in one vault commit. Walks the whole index. */
int vault_links_del(struct vault *v, const struct subject_id *entities, size_t n, struct err *err) NODISCARD;

/* Everything that one vault commit may hold; what is absent is n = 0, or log_no 0. */
struct vault_batch {
    const struct index_entry *entries;
    size_t n_entries;
    const struct key_capsule *capsules;
    size_t n_capsules;
    const struct vault_link *links;
    size_t n_links;
    uint32_t log_no; /* is followed up to seq (vault_index_cursor) */
    uint64_t seq;
};
int vault_put(struct vault *v, const struct vault_batch *batch, struct err *err) NODISCARD;

#endif
