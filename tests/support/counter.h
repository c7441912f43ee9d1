/* A counter at which requests are handed in: rows on disk, a world, and what writer and apply do with a draft (it gives positions and
 * folds). For tests of the commands. Failures are failures of the running cmocka test. Invented persons only. */
#ifndef SMARTNODE_TESTS_SUPPORT_COUNTER_H
#define SMARTNODE_TESTS_SUPPORT_COUNTER_H

#include "node/command/rows.h"
#include "tests/support/storage.h"

struct counter {
    char dir[TEST_PATH_MAX], vault_dir[TEST_PATH_MAX];
    struct db *db;
    struct db_txn *txn;
    struct state *state; /* NULL: rows straight from the tables */
    struct dag *dag;
    struct member_world world;
    struct command_ctx ctx;
    struct log_id log;
    uint64_t seq;
    uint8_t drawn;
    struct office_id office;
    struct vault *vault; /* of counter_setup_vault, else NULL */
    uint32_t log_no;
};

extern const struct civil_date COUNTER_TODAY;

/* For cmocka: *state is a struct counter, with one office and a share price of 30 EUR from day 10,000 on. */
int counter_setup(void **state);
int counter_setup_with_state(void **state); /* rows by way of the row cache */
int counter_teardown(void **state);

/* The same, and members get keys, activities and invoices capsules and links, as the writer gives them. */
int counter_setup_vault(void **state);
int counter_setup_vault_with_state(void **state);
/* Keys of a member, who has none any more after forget. */
void counter_give_keys(struct counter *k, const struct subject_id *member);
void counter_forget_keys(struct counter *k, const struct subject_id *member);
/* Capsules and link of a draft about work, then its row; the kinds from 104 on. */
void counter_record_work(struct counter *k, const struct draft *d, const struct event_header *h,
                         const struct position *at);
void counter_store(struct counter *k, enum table t, struct slice key, const struct buf *row);

struct unit_described counter_unit_facts(int64_t price);
struct office_facts counter_office_facts(const char *name);
struct office_id counter_open_office(struct counter *k, const char *name, struct civil_date on);
void counter_describe(struct counter *k, int64_t price, struct civil_date on);

/* A row of a closed year. */
void counter_close_year(struct counter *k, uint16_t year);

struct member_request counter_request(enum member_action action, int32_t on);
/* Of somebody new, a natural person of category A. */
struct member_request counter_someone(const struct counter *k, enum member_action action, int32_t on);
struct member_request counter_about(struct subject_id subject, enum member_action action, int32_t on);

struct draft counter_accepted(const struct counter *k, const struct member_request *r);
void counter_refused(const struct counter *k, const struct member_request *r, int code, const char *field);
/* Folds a draft into its row and releases it. */
struct position counter_record(struct counter *k, struct draft *d);
/* Accepted and recorded; ret_at may be NULL. Returns whom it is about. */
struct subject_id counter_done(struct counter *k, struct member_request r, struct position *ret_at);

#endif
