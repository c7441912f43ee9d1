/* What tests of storage set up again and again: a vault alone, a log that is being written. Setups and teardowns of cmocka. */
#ifndef SMARTNODE_TESTS_SUPPORT_STORAGE_SETUP_H
#define SMARTNODE_TESTS_SUPPORT_STORAGE_SETUP_H

#include "storage/vault.h"
#include "tests/support/storage.h"

/* The state is a struct vault_alone. */
struct vault_alone {
    char dir[TEST_PATH_MAX];
    struct vault *vault;
};
int vault_alone_setup(void **state);
int vault_alone_teardown(void **state);

/* The state is a struct log_world: a main environment in a write transaction, and a log of a unit whose first event is pending. */
struct log_world {
    char path[TEST_PATH_MAX];
    struct db *db;
    struct db_txn *txn;
    struct test_unit unit;
    struct test_log log;
    struct log_row row; /* for what the test stores */
};
int log_world_setup(void **state);
int log_world_teardown(void **state);

#endif
