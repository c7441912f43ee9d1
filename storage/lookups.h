/* Double admission (docs/PROTOCOL.md §12.8), what this node keeps of it: which members are to be asked about (main), outputs of the own
 * members that were computed once, what other units answered, and the record of every question in both directions (vault, wrapped).
 *
 * Threads: questions are put and expired in the writer's transactions; the rest by the thread that asks and answers
 * (node/host/lookup.h), reads by any. */
#ifndef SMARTNODE_STORAGE_LOOKUPS_H
#define SMARTNODE_STORAGE_LOOKUPS_H

#include "proto/oprf.h"
#include "storage/vault.h"

/* Seed of the key that this unit answers with: it follows from the index key. Wipe it. */
void vault_oprf_seed(const struct vault *v, uint8_t out[32]);

/* ---- members to be asked about: main ---- */

#define LOOKUP_ASKED_MS (INT64_C(30) * 86400000) /* so long a unit that does not answer is asked again */

struct lookup_question {
    struct wall_ms since; /* of the admission or application */
    struct subject_id subject;
};
/* In a write transaction of main. */
int lookup_question_put(struct db_txn *txn, const struct lookup_question *q, struct err *err) NODISCARD;
/* The oldest of before `before`, at most max; *ret_n of them. */
int lookup_questions_expire(struct db_txn *txn, struct wall_ms before, size_t max, size_t *ret_n,
                            struct err *err) NODISCARD;
/* In the order of time, after `after` (NULL = from the start), at most max. */
int lookup_questions(struct db_txn *txn, const struct lookup_question *after, struct lookup_question *ret, size_t max,
                     size_t *ret_n, struct err *err) NODISCARD;

/* ---- outputs of own members ---- */

struct lookup_output {
    struct subject_id subject;
    struct position at; /* of the identity that it was computed of: another one in force makes it stale */
    uint8_t person_type;
    uint8_t bucket;
    struct oprf_output output;
};
/* One vault commit; a later one of a subject takes the place of an earlier one. */
int lookup_outputs_put(struct vault *v, const struct lookup_output *outputs, size_t n, struct err *err) NODISCARD;
/* ERR_NOTFOUND; ERR_CORRUPT: does not open. */
int lookup_output_get(struct vault *v, const struct subject_id *subject, struct lookup_output *ret,
                      struct err *err) NODISCARD;

/* ---- what was answered ---- */

enum lookup_outcome {
    LOOKUP_NONE = 1,     /* asked by us: nobody there; asked of us: answered */
    LOOKUP_HIT = 2,      /* asked by us */
    LOOKUP_ANSWERED = 3, /* asked of us; there is no saying whether there was a hit */
    LOOKUP_LIMIT = 4,    /* refused by the rate limit of whoever was asked */
    LOOKUP_UNAVAILABLE = 5,
};
const char *lookup_outcome_word(enum lookup_outcome o);

struct lookup_result {
    struct subject_id subject; /* ours */
    struct unit_id unit;       /* that was asked */
    struct wall_ms at;
    enum lookup_outcome outcome; /* NONE or HIT */
    struct subject_id other;     /* the member there; of a hit */
};

enum lookup_direction { LOOKUP_OURS = 1, LOOKUP_THEIRS = 2 };
/* Names no person. */
struct lookup_record {
    struct wall_ms at;
    uint32_t n; /* tells records of the same millisecond apart; given by lookup_store */
    struct unit_id unit;
    enum lookup_direction direction;
    enum lookup_outcome outcome;
};

/* One vault commit of a result (or NULL) and a record (or NULL). */
int lookup_store(struct vault *v, const struct lookup_result *result, const struct lookup_record *record,
                 struct err *err) NODISCARD;
/* ERR_NOTFOUND: not answered yet. */
int lookup_result_get(struct vault *v, const struct subject_id *subject, const struct unit_id *unit,
                      struct lookup_result *ret, struct err *err) NODISCARD;
/* Hits in the order of (subject, unit), after that pair (NULL = from the start), at most max. */
enum { LOOKUP_RESULT_KEY_BYTES = ID_BYTES + HASH_BYTES };
int lookup_hits(struct vault *v, const uint8_t after[LOOKUP_RESULT_KEY_BYTES], struct lookup_result *ret, size_t max,
                size_t *ret_n, struct err *err) NODISCARD;
/* In the order of time, after a record's key (NULL = from the start). */
enum { LOOKUP_RECORD_KEY_BYTES = 12 };
void lookup_record_key(const struct lookup_record *r, uint8_t out[LOOKUP_RECORD_KEY_BYTES]);
int lookup_records(struct vault *v, const uint8_t after[LOOKUP_RECORD_KEY_BYTES], struct lookup_record *ret, size_t max,
                   size_t *ret_n, struct err *err) NODISCARD;
/* Drops records of before `records` and answers without a hit of before `results`, at most max of each in one vault commit; *ret_n
 * of them in all. */
int lookup_expire(struct vault *v, struct wall_ms records, struct wall_ms results, size_t max, size_t *ret_n,
                  struct err *err) NODISCARD;
/* Everything about these members: outputs and results. One vault commit. */
int lookup_forget(struct vault *v, const struct subject_id *subjects, size_t n, struct err *err) NODISCARD;
/* The same within a write transaction of the vault. *ret_n: rows that were there. */
int lookup_erase(struct db_txn *txn, const struct subject_id *subjects, size_t n, uint64_t *ret_n,
                 struct err *err) NODISCARD;

#endif
