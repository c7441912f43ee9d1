/* The proof of an erasure: searches every byte of every file of a data directory for what must not be there any more. It knows nothing
 * of pages and tables, and so finds what they have forgotten. docs/OPERATIONS.md "Proving an erasure".
 *
 * Looked for, at every offset: (a) rows of the vault that still open and still hold a key (storage/vault_probe.h); (b) capsules by the
 * length and hash that their event commits to; (c) needles: plaintext in UTF-8 and UTF-16LE, upper and lower case alike and in both
 * normal forms of Unicode, and raw bytes. */
#ifndef SMARTNODE_HOST_PROVE_H
#define SMARTNODE_HOST_PROVE_H

#include "proto/event.h"
#include "storage/vault_probe.h"

enum { PROVE_NEEDLES_MAX = 4096, PROVE_COMMITMENTS_MAX = 1 << 20, PROVE_NEEDLE_MIN = 4, PROVE_NEEDLE_MAX = 256 };

enum prove_kind {
    PROVE_KEY,         /* a key of an erased class in a row of the vault: failure */
    PROVE_KEY_CAPSULE, /* a capsule of class 15, which seals such keys: failure */
    PROVE_NEEDLE,      /* failure */
    PROVE_CIPHERTEXT,  /* a capsule of another class: noted, for without a key it is nothing */
    PROVE_ROW,         /* a row that opens and has no key of an erased class left: noted */
    PROVE_KINDS,
};
const char *prove_kind_name(enum prove_kind kind); /* "key", "key-capsule", "needle", "ciphertext", "row" */

struct prove_needles;
/* ERR_NOMEM. */
int prove_needles_new(struct prove_needles **ret, struct err *err) NODISCARD;
void prove_needles_free(struct prove_needles **n); /* wipes */
/* Adds a text (UTF-8) or raw bytes. ERR_INVALID: not UTF-8, or shorter than PROVE_NEEDLE_MIN characters or bytes (it would be found
 * by chance); ERR_LIMIT: longer than PROVE_NEEDLE_MAX bytes, or too many. */
int prove_needles_text(struct prove_needles *n, struct slice text, struct err *err) NODISCARD;
int prove_needles_raw(struct prove_needles *n, struct slice bytes, struct err *err) NODISCARD;
size_t prove_needles_count(const struct prove_needles *n);

struct prove_what {
    const struct vault_probe *probe; /* NULL = none */
    bool rows_in_vault_only;         /* the probe in files below vault/ alone, where the program writes rows */
    const struct capsule_commitment *commitments; /* borrowed */
    size_t n_commitments;
    const struct prove_needles *needles; /* NULL = none */
    unsigned threads;                    /* 0 = one for each processor, at most 8 */
};

struct prove_hit {
    const char *file; /* path below the directory */
    uint64_t offset;
    enum prove_kind kind;
    size_t
        which; /* row of the probe's slots or received keys, commitment, or needle, by the order in which it was given */
};
struct prove_file {
    const char *file;
    uint64_t bytes;
    uint64_t hits[PROVE_KINDS];
    bool skipped; /* LMDB's lock.mdb, which holds process ids alone and must not be opened beside an open environment */
};
/* Called by the thread that called prove_search: progress about four times a second, each hit, and each file at its end. */
struct prove_report {
    void (*progress)(void *arg, uint64_t done, uint64_t total);
    void (*hit)(void *arg, const struct prove_hit *hit);
    void (*file)(void *arg, const struct prove_file *file);
    void *arg;
};
struct prove_result {
    uint64_t files, bytes;
    uint64_t hits[PROVE_KINDS];
};

/* Searches all regular files below dir, symbolic links not followed. A file that grows meanwhile is searched as long as it was when it
 * was opened. No environment below dir may be open in this process (unless all are skipped files). report may be NULL.
 * ERR_IO, ERR_NOTFOUND, ERR_NOMEM, ERR_LIMIT (more than PROVE_COMMITMENTS_MAX). */
int prove_search(const char *dir, const struct prove_what *what, const struct prove_report *report,
                 struct prove_result *ret, struct err *err) NODISCARD;
/* Whether nothing was found that must not be there. */
bool prove_clean(const struct prove_result *r);

#endif
