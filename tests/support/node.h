/* A node's engine over real environments in a temporary directory, with a clock and randomness of the test's own. Failures are
 * failures of the running cmocka test. Invented persons only. */
#ifndef SMARTNODE_TESTS_SUPPORT_NODE_H
#define SMARTNODE_TESTS_SUPPORT_NODE_H

#include "node/host/engine.h"
#include "tests/support/storage.h"

enum { TEST_NODE_TODAY = 20000 };

struct test_node {
    char dir[TEST_PATH_MAX], scratch[TEST_PATH_MAX];
    struct identity identity;
    struct db *db;
    struct vault *vault;
    struct engine *engine;
    int64_t now_ms;
    int32_t today;
    bool allow_clock_back;
    size_t vault_map_bytes;
    const char (*keep)[UNIT_CODE_MAX]; /* units whose capsules it keeps, from the next opening on */
    uint8_t n_keep;
    uint64_t random;
};

/* The same bytes in every run; arg is the uint64_t that they go on from. */
void test_draw(void *arg, uint8_t *out, size_t len);
/* An identity with keys from the seed. */
void test_identity_make(struct identity *id, const char *code, uint8_t seed);

/* A new node whose unit is described and has one office, "Gent". */
void test_node_make(struct test_node *n);
/* Another unit, with keys from the seed. */
void test_node_make_as(struct test_node *n, const char *code, uint8_t seed);
/* What `from` holds of its own logs and `to` does not yet, as from a peer. Returns the number of runs. */
size_t test_node_carry(const struct test_node *from, struct test_node *to);
/* Seals what is pending in a log of another unit, and the node stores it, as from a peer. */
void test_node_deliver(struct test_node *n, struct test_log *log);
/* Opens environments and engine (a start), closes them (a stop, or a crash: nothing is written on the way). */
void test_node_open(struct test_node *n);
void test_node_close(struct test_node *n);
void test_node_remove(struct test_node *n);
/* apply_check, deep. */
void test_node_check(struct test_node *n);

/* An admission of the i-th invented person, with identity and contact. */
void test_node_admission(struct api_op *op, unsigned i);
/* A group with one operation: its result is in op->result. 0 or the group's error, after engine_abort. */
int test_node_exec(struct test_node *n, struct api_op *op, struct err *err);
/* The same, and nothing of it may go wrong; the vault is written too. */
void test_node_done(struct test_node *n, struct api_op *op);
/* test_node_exec as what the daemon's rounds take to run an operation; arg is the node. */
int test_node_by_engine(void *arg, const struct actor_id *actor, struct api_op *op, struct err *err);
/* Carries out every erasure that is due. */
void test_node_erase_due(struct test_node *n);
/* That this is what the node's own desk reads of its member. */
void test_node_reads(struct test_node *n, const struct subject_id *member, const char *family, const char *email);
/* Admits that person; who it is now. */
struct subject_id test_node_admit(struct test_node *n, unsigned i);
/* The log that is being written; fails if none is. */
struct log_row test_node_log(struct test_node *n);

#endif
