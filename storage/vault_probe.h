/* Recognises rows of a vault in any bytes, wherever they lie: for the proof that destroyed keys are gone (node/host/prove.h). A probe
 * has its own copy of the wrap key in locked memory and needs no environment: it is made while the vault is open and used after it
 * was closed, since reading the files of an open environment in its own process would drop its locks.
 * Threads: a probe is not changed by looking; any number at once. */
#ifndef SMARTNODE_STORAGE_VAULT_PROBE_H
#define SMARTNODE_STORAGE_VAULT_PROBE_H

#include "storage/received.h"
#include "storage/vault_erase.h"

struct vault_probe;

/* 64 members of 1,024 generations each. */
enum { VAULT_PROBE_ROWS_MAX = 65536 };

/* Rows to look for: a slot, or a received key. key of a received row is not needed. ERR_NOMEM, ERR_LIMIT. */
int vault_probe_new(const struct vault *v, const struct vault_erase_slot *slots, size_t n_slots,
                    const struct received_key *received, size_t n_received, struct vault_probe **ret,
                    struct err *err) NODISCARD;
void vault_probe_free(struct vault_probe **p);
/* Rows are at most this long; a look at an offset needs so many bytes after it, or all there are. */
size_t vault_probe_reach(const struct vault_probe *p);

enum vault_probe_kind { VAULT_PROBE_SLOT = 1, VAULT_PROBE_RECEIVED = 2 };
struct vault_probe_hit {
    enum vault_probe_kind kind;
    size_t row; /* its number in the array it was given in */
    unsigned
        classes; /* of the classes asked for: those of which there is a key that is not zero; 0 = none is left in it */
};
/* Whether these could be random bytes, as ciphertext is: of 10^12 sequences of random bytes one is refused. What has many zero bytes, or six in
 * a row, comes from a structure. Of a long sequence the first 256 are looked at. */
bool vault_probe_random(struct slice bytes);
/* Whether a row that is looked for begins exactly at bytes. */
bool vault_probe_at(const struct vault_probe *p, struct slice bytes, struct vault_probe_hit *ret);

#endif
