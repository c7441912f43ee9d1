/* See storage_setup.h. */
#include "tests/support/storage_setup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

int
vault_alone_setup(void **state)
{
    struct vault_alone *f = calloc(1, sizeof(*f));
    uint8_t wrap[32] = {7};
    struct err err = {0};
    assert_non_null(f);
    test_dir_make(f->dir);
    struct vault_opts opts = {
        .path = f->dir, .map_bytes = TEST_MAP_BYTES, .wrap_key = wrap, .create = true, .volatile_for_simulation = true};
    assert_int_equal(vault_open(&opts, &f->vault, &err), 0);
    *state = f;
    return 0;
}

int
vault_alone_teardown(void **state)
{
    struct vault_alone *f = *state;
    vault_close(&f->vault);
    test_dir_remove(f->dir);
    free(f);
    return 0;
}

int
log_world_setup(void **state)
{
    struct log_world *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    test_dir_make(f->path);
    f->db = test_db_open_volatile(f->path, DB_MAIN);
    test_unit_make(&f->unit, "BE", 1);
    test_log_start(&f->log, &f->unit, 1, NULL, 0);
    assert_int_equal(db_begin_write(f->db, &f->txn, NULL), 0);
    *state = f;
    return 0;
}

int
log_world_teardown(void **state)
{
    struct log_world *f = *state;
    db_fail_after(0);
    db_abort(&f->txn);
    test_log_release(&f->log);
    db_close(&f->db);
    test_dir_remove(f->path);
    free(f);
    return 0;
}
