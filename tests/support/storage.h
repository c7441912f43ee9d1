/* For tests that need real environments and real logs: temporary directories, and units that write signed logs from seeds, so
 * that every run of a test sees the same bytes. Failures are failures of the running cmocka test. */
#ifndef SMARTNODE_TESTS_SUPPORT_STORAGE_H
#define SMARTNODE_TESTS_SUPPORT_STORAGE_H

#include "storage/evlog.h"

enum { TEST_PATH_MAX = 256, TEST_MAP_BYTES = 64 * 1024 * 1024 };

/* A new empty directory; remove takes it away with all that it holds. */
void test_dir_make(char path[TEST_PATH_MAX]);
void test_dir_remove(const char *path);
/* The bytes of a file as another one, which is made or replaced. */
void test_file_copy(const char *from, const char *to);

/* Opens with default sync; creates. */
struct db *test_db_open(const char *path, enum db_kind kind);
/* For tests that commit a lot and never look at what a crash leaves. */
struct db *test_db_open_volatile(const char *path, enum db_kind kind);

/* Every row of every table of the environment, hashed: equal exactly if the contents are. */
struct hash test_db_digest(struct db *db);
/* How many rows a table has, in a read transaction of its own. */
uint64_t test_table_rows(struct db *db, enum table t);

/* A unit of the test federation: keys from the code and a seed. */
struct test_unit {
    char code[UNIT_CODE_MAX];
    struct unit_id id;
    struct federation_id federation;
    struct sign_public root;
    struct sign_secret root_secret;
    struct box_public exchange, transport, recovery;
    struct box_secret exchange_secret, transport_secret, recovery_secret;
    struct actor_id actor;
};
void test_unit_make(struct test_unit *u, const char *code, uint8_t seed);

/* A log that is being written. What was appended is pending until it is sealed into a run. */
struct test_log {
    const struct test_unit *unit;
    struct log_id id; /* known from the first event on */
    struct sign_public signing;
    struct sign_secret signing_secret;
    struct log_opened opened;
    struct event_header first;
    struct chain_value chain; /* after the last event */
    uint64_t seq;             /* of the last event */
    uint64_t sealed;          /* last seq under a seal */
    struct hlc clock;
    struct buf frames; /* of the pending events, then of the run that was sealed last */
};

/* Starts log `number` of the unit: its first event is pending. Predecessors may be NULL if n is 0. */
void test_log_start(struct test_log *log, const struct test_unit *unit, uint32_t number,
                    const struct log_predecessor *predecessors, size_t n);
/* The same with a root statement, which the caller fills but for unit, federation, nonce and signing key. */
void test_log_start_statement(struct test_log *log, const struct test_unit *unit, uint32_t number,
                              const struct log_predecessor *predecessors, size_t n, struct root_statement *statement);
void test_log_release(struct test_log *log);
/* The log at its last event, as a predecessor of another. */
struct log_predecessor test_log_at(const struct test_log *log);

/* Appends an event; p->kind decides. Actor and salt are filled in. refs may be NULL if n is 0. Returns its position. */
struct position test_log_event(struct test_log *log, const struct event_payload *p, const struct event_ref *refs,
                               size_t n);
/* Appends any payload bytes under any kind and version, commitments to capsules included. */
struct position test_log_raw(struct test_log *log, uint16_t kind, uint16_t version, bool must_understand,
                             struct slice payload, const struct event_ref *refs, size_t n,
                             const struct capsule_commitment *capsules, size_t n_capsules);
/* Some event that is always well-formed: an office is opened, whose id comes from the log and seq. */
struct position test_log_filler(struct test_log *log);

/* Seals what is pending; the run borrows from the log until the next event. chain_after may be NULL. */
void test_log_seal(struct test_log *log, struct run *ret, struct chain_value *ret_chain_after);
/* Seals what is pending and appends it in the transaction, verified as from a peer; creates the log with its first run. */
void test_log_store(struct test_log *log, struct db_txn *txn, struct log_row *ret_row);
/* n fillers, sealed and stored in runs of per_run. */
void test_log_fill(struct test_log *log, struct db_txn *txn, size_t n, size_t per_run, struct log_row *ret_row);

#endif
