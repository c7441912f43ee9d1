/* The list of changes: numbers that stay, marks that know what was listed before them, and what a roll back leaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "storage/changes.h"
#include "tests/support/storage.h"

enum { LOGS = 3, ENTRIES_MAX = 4096 };

/* What the list should say, entry by entry. */
struct entry {
    uint8_t type;
    uint32_t log_no;
    uint64_t seq;
    uint8_t tag[CHANGES_TAG_BYTES];
};

struct fixture {
    char path[TEST_PATH_MAX];
    struct db *db;
    struct db_txn *txn;
    struct test_unit unit;
    struct test_log logs[LOGS];
    struct log_row rows[LOGS];
    uint64_t listed[LOGS];
    struct entry entries[ENTRIES_MAX];
    uint64_t n;
    uint64_t random;
};

static int
setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    test_dir_make(f->path);
    f->db = test_db_open_volatile(f->path, DB_MAIN);
    test_unit_make(&f->unit, "BE", 1);
    assert_int_equal(db_begin_write(f->db, &f->txn, NULL), 0);
    for (uint32_t i = 0; i < LOGS; i++) {
        test_log_start(&f->logs[i], &f->unit, i + 1, NULL, 0);
        test_log_store(&f->logs[i], f->txn, &f->rows[i]);
    }
    f->random = 88172645463325252U;
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;
    db_abort(&f->txn);
    for (size_t i = 0; i < LOGS; i++)
        test_log_release(&f->logs[i]);
    db_close(&f->db);
    test_dir_remove(f->path);
    free(f);
    return 0;
}

static uint64_t
pick(struct fixture *f, uint64_t below)
{
    f->random ^= f->random << 13;
    f->random ^= f->random >> 7;
    f->random ^= f->random << 17;
    return f->random % below;
}

static void
write_events(struct fixture *f, size_t log, size_t n, size_t per_run)
{
    test_log_fill(&f->logs[log], f->txn, n, per_run, &f->rows[log]);
}

static void
model_add(struct fixture *f, uint8_t type, size_t log, uint64_t first, uint64_t last)
{
    for (uint64_t seq = first; seq <= last; seq++) {
        assert_true(f->n < ENTRIES_MAX);
        f->entries[f->n++] = (struct entry){.type = type, .log_no = f->rows[log].no, .seq = seq};
    }
}

static void
tag_at(struct fixture *f, uint64_t number, uint8_t tag[CHANGES_TAG_BYTES])
{
    static struct evlog_chains kept[2];
    struct changes_row row;
    struct log_row log;
    assert_int_equal(changes_at(f->txn, number, &row, NULL), 0);
    assert_int_equal(evlog_get(f->txn, row.log_no, &log, NULL), 0);
    assert_int_equal(changes_tag(f->txn, &row, &log, number, kept, ARRAY_LEN(kept), tag, NULL), 0);
}

/* Lists the log up to a seq, as the model does, and remembers the tags of what is new. */
static void
list(struct fixture *f, size_t log, uint64_t upto)
{
    uint64_t from = f->n;
    assert_int_equal(changes_list(f->txn, &f->rows[log], upto, NULL), 0);
    if (upto > f->listed[log]) {
        model_add(f, CHANGES_EVENTS, log, f->listed[log] + 1, upto);
        f->listed[log] = upto;
    }
    for (uint64_t i = from; i < f->n; i++)
        tag_at(f, i + 1, f->entries[i].tag);
}

static void
cut(struct fixture *f, size_t log, uint64_t last)
{
    uint64_t from = f->n;
    struct log_row *row = &f->rows[log];
    struct chain_value chain;
    assert_int_equal(evlog_truncate(f->txn, row, last, NULL), 0);
    for (uint64_t i = 0; i < from; i++)
        if (f->entries[i].type == CHANGES_EVENTS && f->entries[i].log_no == row->no &&
            f->entries[i].seq > row->head_seq)
            f->entries[i].type = CHANGES_GONE;
    if (f->listed[log] > row->head_seq) {
        model_add(f, CHANGES_WITHDRAWN, log, row->head_seq + 1, f->listed[log]);
        f->listed[log] = row->head_seq;
    }
    for (uint64_t i = from; i < f->n; i++)
        tag_at(f, i + 1, f->entries[i].tag);
    /* The log goes on from there with other events. */
    assert_int_equal(evlog_chain_at(f->txn, row, row->head_seq, &chain, NULL), 0);
    f->logs[log].seq = f->logs[log].sealed = row->head_seq;
    f->logs[log].chain = chain;
    f->logs[log].clock.v += 1;
}

static void
assert_as_modelled(struct fixture *f)
{
    struct changes_mark end;
    struct changes_row row;
    bool holds;
    struct err err;
    if (changes_check(f->txn, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(changes_end(f->txn, &end, NULL), 0);
    assert_int_equal(end.number, f->n);
    for (uint64_t number = 1; number <= f->n; number++) {
        const struct entry *e = &f->entries[number - 1];
        struct changes_mark mark = {.number = number};
        assert_int_equal(changes_at(f->txn, number, &row, NULL), 0);
        assert_int_equal(row.type, e->type);
        assert_int_equal(row.log_no, e->log_no);
        assert_int_equal(row.first + (number - (row.last - row.count) - 1), e->seq);
        memcpy(mark.tag, e->tag, sizeof(mark.tag));
        assert_int_equal(changes_holds(f->txn, &mark, &holds, NULL), 0);
        assert_int_equal(holds, e->type != CHANGES_GONE);
        mark.tag[3] ^= 1;
        assert_int_equal(changes_holds(f->txn, &mark, &holds, NULL), 0);
        assert_false(holds);
    }
    assert_int_equal(changes_at(f->txn, f->n + 1, &row, NULL), ERR_NOTFOUND);
}

static void
an_empty_list_ends_before_its_first_number(void **state)
{
    struct fixture *f = *state;
    struct changes_mark end = {.number = 7}, other = {.number = 0, .tag = {1}};
    bool holds;
    assert_int_equal(changes_end(f->txn, &end, NULL), 0);
    assert_int_equal(end.number, 0);
    assert_int_equal(changes_holds(f->txn, &end, &holds, NULL), 0);
    assert_true(holds);
    assert_int_equal(changes_holds(f->txn, &other, &holds, NULL), 0);
    assert_false(holds);
    end.number = 1;
    assert_int_equal(changes_holds(f->txn, &end, &holds, NULL), 0);
    assert_false(holds);
    assert_int_equal(changes_check(f->txn, NULL), 0);
}

static void
a_log_that_goes_on_extends_the_last_row_and_keeps_all_tags(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 20; i++) {
        write_events(f, 0, 3, 2);
        list(f, 0, f->rows[0].head_seq - 1);
        list(f, 0, f->rows[0].head_seq);
        list(f, 0, 2); /* listed long ago */
        assert_as_modelled(f);
    }
    assert_int_equal(db_table_entries(f->txn, TABLE_CHANGES), 1);
    list(f, 1, 1);
    write_events(f, 0, 1, 1);
    list(f, 0, f->rows[0].head_seq);
    assert_int_equal(db_table_entries(f->txn, TABLE_CHANGES), 3);
    assert_as_modelled(f);
}

static void
what_was_applied_before_there_was_a_list_is_listed_at_once(void **state)
{
    struct fixture *f = *state;
    write_events(f, 0, 9, 4);
    write_events(f, 2, 5, 5);
    f->rows[0].applied_seq = 8;
    f->rows[2].applied_seq = 6;
    assert_int_equal(evlog_put(f->txn, &f->rows[0], NULL), 0);
    assert_int_equal(evlog_put(f->txn, &f->rows[2], NULL), 0);
    assert_int_equal(changes_check(f->txn, NULL), 0); /* none yet */
    for (int i = 0; i < 2; i++)
        assert_int_equal(changes_list_all(f->txn, NULL), 0);
    model_add(f, CHANGES_EVENTS, 0, 1, 8);
    model_add(f, CHANGES_EVENTS, 2, 1, 6);
    for (uint64_t i = 0; i < f->n; i++)
        tag_at(f, i + 1, f->entries[i].tag);
    assert_as_modelled(f);
}

static void
a_roll_back_leaves_gaps_says_so_and_uses_no_number_again(void **state)
{
    struct fixture *f = *state;
    write_events(f, 0, 11, 4); /* 1, then 2…5, 6…9, 10…12 */
    list(f, 0, 7);
    list(f, 1, 1);
    list(f, 0, 10);
    list(f, 2, 1);
    list(f, 0, 12);
    assert_int_equal(f->n, 14);
    cut(f, 0, 8); /* the run that crosses it goes as a whole */
    assert_int_equal(f->rows[0].head_seq, 5);
    assert_int_equal(f->n, 14 + 7);
    assert_as_modelled(f);
    write_events(f, 0, 6, 3);
    list(f, 0, 11);
    assert_as_modelled(f);
    cut(f, 0, 0);
    assert_int_equal(f->listed[0], 0);
    assert_as_modelled(f);
}

static void
any_history_of_appends_and_roll_backs_is_listed_as_it_was(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 300; i++) {
        size_t log = pick(f, LOGS);
        uint64_t held = f->rows[log].head_seq;
        if (pick(f, 12) == 0 && held > 1)
            cut(f, log, 1 + pick(f, held));
        else
            write_events(f, log, 1 + pick(f, 8), 1 + pick(f, 4));
        held = f->rows[log].head_seq;
        if (pick(f, 4) != 0)
            list(f, log, f->listed[log] + pick(f, held - f->listed[log] + 1));
        if (i % 10 == 0)
            assert_as_modelled(f);
    }
    assert_as_modelled(f);
    assert_true(f->n > 500);
}

/* The case for which a number with the event's own hash would not do: the same event comes to the same number, after another one. */
static void
a_mark_of_another_history_is_not_held_even_at_the_same_event(void **state)
{
    struct fixture *f = *state;
    struct changes_mark mark, again;
    bool holds;
    write_events(f, 0, 4, 4);
    write_events(f, 1, 4, 4);
    list(f, 0, 3);
    assert_int_equal(changes_end(f->txn, &again, NULL), 0);
    assert_int_equal(db_commit(&f->txn, NULL), 0);

    assert_int_equal(db_begin_write(f->db, &f->txn, NULL), 0);
    list(f, 0, 5);
    list(f, 1, 2);
    assert_int_equal(changes_end(f->txn, &mark, NULL), 0);
    db_abort(&f->txn);

    assert_int_equal(db_begin_write(f->db, &f->txn, NULL), 0);
    assert_int_equal(changes_list(f->txn, &f->rows[0], 3, NULL), 0);
    assert_int_equal(changes_holds(f->txn, &mark, &holds, NULL), 0);
    assert_false(holds); /* ahead */
    assert_int_equal(changes_holds(f->txn, &again, &holds, NULL), 0);
    assert_true(holds);
    assert_int_equal(changes_list(f->txn, &f->rows[2], 1, NULL), 0);
    assert_int_equal(changes_list(f->txn, &f->rows[0], 4, NULL), 0);
    assert_int_equal(changes_list(f->txn, &f->rows[1], 2, NULL), 0);
    struct changes_row row;
    assert_int_equal(changes_at(f->txn, mark.number, &row, NULL), 0);
    assert_int_equal(row.log_no, f->rows[1].no);
    assert_int_equal(changes_holds(f->txn, &mark, &holds, NULL), 0);
    assert_false(holds);
}

static void
rows_without_sense_are_corrupt(void **state)
{
    struct fixture *f = *state;
    uint8_t key[8], copy[64];
    struct slice value;
    struct changes_row row;
    struct changes_mark end;
    list(f, 0, 1);
    list(f, 1, 1);
    be64_put(key, 2);
    assert_int_equal(db_get(f->txn, TABLE_CHANGES, slice_of(key, 8), &value, NULL), 0);
    size_t len = value.len;
    memcpy(copy, value.data, len);
    for (size_t cut_at = 0; cut_at < len; cut_at++) {
        assert_int_equal(db_put(f->txn, TABLE_CHANGES, slice_of(key, 8), slice_of(copy, cut_at), NULL), 0);
        assert_int_equal(changes_at(f->txn, 2, &row, NULL), ERR_CORRUPT);
        assert_int_equal(changes_end(f->txn, &end, NULL), ERR_CORRUPT);
        assert_int_equal(changes_check(f->txn, NULL), ERR_CORRUPT);
    }
    /* Byte 20 is the type, 19 the end of the count, 3 of the log's number, 11 of the first seq. */
    for (size_t at = 3; at <= 20; at += at == 11 ? 8 : at == 3 ? 8 : 1) {
        copy[at] ^= 4;
        assert_int_equal(db_put(f->txn, TABLE_CHANGES, slice_of(key, 8), slice_of(copy, len), NULL), 0);
        assert_int_equal(changes_check(f->txn, NULL), ERR_CORRUPT);
        copy[at] ^= 4;
    }
    assert_int_equal(db_put(f->txn, TABLE_CHANGES, slice_of(key, 8), slice_of(copy, len), NULL), 0);
    assert_int_equal(changes_check(f->txn, NULL), 0);
    be64_put(key, 1);
    assert_int_equal(db_del(f->txn, TABLE_CHANGES, slice_of(key, 8), NULL), 0);
    assert_int_equal(changes_at(f->txn, 1, &row, NULL), ERR_CORRUPT);
    assert_int_equal(changes_check(f->txn, NULL), ERR_CORRUPT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_empty_list_ends_before_its_first_number, setup, teardown),
        cmocka_unit_test_setup_teardown(a_log_that_goes_on_extends_the_last_row_and_keeps_all_tags, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_applied_before_there_was_a_list_is_listed_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_roll_back_leaves_gaps_says_so_and_uses_no_number_again, setup, teardown),
        cmocka_unit_test_setup_teardown(any_history_of_appends_and_roll_backs_is_listed_as_it_was, setup, teardown),
        cmocka_unit_test_setup_teardown(a_mark_of_another_history_is_not_held_even_at_the_same_event, setup, teardown),
        cmocka_unit_test_setup_teardown(rows_without_sense_are_corrupt, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
