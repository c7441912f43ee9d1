/* Carrying out an erasure, stopped at every write of it and failing at every write of it: afterwards it is complete, confirmed exactly once,
 * and no key of it is in any byte of the vault's files. Copies of vault and main environment of different age; capsules that come late;
 * restrictions at a host. Invented persons only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/host/ownlog.h"
#include "storage/erasures.h"
#include "storage/keyslots.h"
#include "storage/received.h"
#include "storage/vault_erase.h"
#include "tests/support/node.h"
#include "tests/support/register.h"

enum {
    EXIT_KILLED = 20,
    EXIT_BROKEN = 7,
    EXIT_NOT_REACHED = 8,
    NEEDLES_MAX = 8,
    STEPS_MAX = 2000,
    CONTACT = 1 << (CLASS_CONTACT - 1)
};

/* ---- every write of the process comes by here ---- */

static unsigned stop_at, fail_at, n_writes;

/* false: it is to fail. */
static bool
may_write(void)
{
    n_writes++;
    if (stop_at != 0 && n_writes == stop_at)
        _exit(EXIT_KILLED);
    if (fail_at != 0 && n_writes == fail_at) {
        errno = ENOSPC;
        return false;
    }
    return true;
}

static void *
real(const char *name)
{
    void *f = dlsym(RTLD_NEXT, name);
    if (!f)
        abort();
    return f;
}

/* Declared by the system's headers; here they come before those of the C library. */
ssize_t
pwrite(int fd, const void *bytes, size_t n, off_t at)
{
    static ssize_t (*next)(int, const void *, size_t, off_t);
    if (!next)
        *(void **)&next = real("pwrite");
    return may_write() ? next(fd, bytes, n, at) : -1;
}

ssize_t
write(int fd, const void *bytes, size_t n)
{
    static ssize_t (*next)(int, const void *, size_t);
    if (!next)
        *(void **)&next = real("write");
    return fd <= 2 || may_write() ? next(fd, bytes, n) : -1;
}

ssize_t
writev(int fd, const struct iovec *v, int n)
{
    static ssize_t (*next)(int, const struct iovec *, int);
    if (!next)
        *(void **)&next = real("writev");
    return may_write() ? next(fd, v, n) : -1;
}

int
rename(const char *from, const char *to)
{
    static int (*next)(const char *, const char *);
    if (!next)
        *(void **)&next = real("rename");
    return may_write() ? next(from, to) : -1;
}

int
unlink(const char *path)
{
    static int (*next)(const char *);
    if (!next)
        *(void **)&next = real("unlink");
    return may_write() ? next(path) : -1;
}

/* ---- a node with an erasure that is noted and not carried out ---- */

struct world {
    struct test_node n;
    struct subject_id member;
    struct position order, admitted;
    uint8_t contact_index;
    struct buf contact; /* the capsule, as it came */
    uint64_t slot;
    struct slot_keys keys;           /* before */
    struct buf needles[NEEDLES_MAX]; /* what must be nowhere: the wrapped row of the slot, its key, key capsules */
    size_t n_needles;
};

static void
needle(struct world *w, struct slice bytes)
{
    assert_in_range(w->n_needles, 0, NEEDLES_MAX - 1);
    struct buf *b = &w->needles[w->n_needles++];
    buf_init(b, CAPSULE_BYTES_MAX);
    buf_put(b, bytes.data, bytes.len);
}

static void
order(struct test_node *n, const struct subject_id *member, enum erase_action action, uint16_t classes)
{
    struct api_op *op = calloc(1, sizeof(*op));
    const struct retention_settings settings = RETENTION_DEFAULT;
    assert_non_null(op);
    op->kind = OP_ERASE;
    op->erase.request = (struct erase_request){
        .action = action, .member = *member, .classes = classes, .effective = DATE_NONE, .until = DATE_NONE};
    retention_rules_of("BE", &settings, &op->erase.request.rules);
    test_node_done(n, op);
    free(op);
}

/* The first event of the own log, from that number on, that holds a capsule of the class; which of its capsules that is. */
static void
find_capsule(struct test_node *n, uint64_t from, uint8_t class, struct position *at, uint8_t *ret)
{
    struct log_row log = test_node_log(n);
    struct db_txn *txn;
    struct err err = {0};
    bool found = false;
    assert_int_equal(db_begin_read(n->db, &txn, &err), 0);
    for (uint64_t seq = from; !found && seq <= log.head_seq; seq++) {
        struct stored_event ev;
        struct event_header h;
        assert_int_equal(evlog_event(txn, log.no, seq, &ev, &err), 0);
        assert_int_equal(event_header_decode(ev.header, &h, &err), 0);
        for (uint8_t i = 0; !found && i < h.n_capsules; i++) {
            found = h.capsules[i].class == class;
            *at = (struct position){.log = log.id, .seq = seq};
            *ret = i;
        }
    }
    db_abort(&txn);
    assert_true(found);
}

static bool
has_capsule(struct test_node *n, const struct position *at, uint8_t index, struct buf *ret)
{
    struct db_txn *txn;
    struct err err = {0};
    struct log_row log;
    struct slice bytes;
    assert_int_equal(db_begin_read(n->db, &txn, &err), 0);
    assert_int_equal(evlog_find(txn, &at->log, &log, &err), 0);
    int rc = capsules_get(txn, log.no, at->seq, index, &bytes, &err);
    if (rc == 0 && ret)
        buf_put(ret, bytes.data, bytes.len);
    db_abort(&txn);
    assert_true(rc == 0 || rc == ERR_NOTFOUND);
    return rc == 0;
}

static void
remember_keys(struct world *w)
{
    struct db_txn *txn;
    struct err err = {0};
    uint8_t row_key[8], index;
    uint32_t generation;
    struct position at;
    struct slice row;
    struct buf capsule;
    assert_int_equal(db_begin_read(w->n.db, &txn, &err), 0);
    assert_int_equal(keyslot_find(txn, &w->member, &generation, &w->slot, &err), 0);
    db_abort(&txn);
    assert_int_equal(vault_slot(w->n.vault, w->slot, &w->keys, &err), 0);
    needle(w, slice_of(&w->keys.keys[vault_class_index(CLASS_CONTACT)], KEY_BYTES));
    be64_put(row_key, w->slot);
    assert_int_equal(db_begin_read(vault_db(w->n.vault), &txn, &err), 0);
    assert_int_equal(db_get(txn, TABLE_SLOTS, slice_of(row_key, sizeof(row_key)), &row, &err), 0);
    needle(w, row);
    db_abort(&txn);
    find_capsule(&w->n, w->admitted.seq, CLASS_KEY, &at, &index); /* of the same event */
    assert_int_equal(at.seq, w->admitted.seq);
    buf_init(&capsule, CAPSULE_BYTES_MAX);
    assert_int_equal(vault_capsule_get(w->n.vault, &at, index, &capsule, &err), 0);
    needle(w, buf_slice(&capsule));
    buf_free(&capsule);
}

static int
setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    struct err err = {0};
    assert_non_null(w);
    buf_init(&w->contact, CAPSULE_BYTES_MAX);
    test_node_make(&w->n);
    w->member = test_node_admit(&w->n, 1);
    test_node_admit(&w->n, 2);
    assert_int_equal(engine_vault_flush(w->n.engine, &err), 0);
    find_capsule(&w->n, 1, CLASS_CONTACT, &w->admitted, &w->contact_index);
    assert_true(has_capsule(&w->n, &w->admitted, w->contact_index, &w->contact));
    remember_keys(w);
    order(&w->n, &w->member, ERASE_ORDER, CONTACT);
    struct log_row log = test_node_log(&w->n);
    w->order = (struct position){.log = log.id, .seq = log.head_seq};
    assert_true(engine_erasures_due(w->n.engine));
    *state = w;
    return 0;
}

static int
teardown(void **state)
{
    struct world *w = *state;
    test_node_remove(&w->n);
    for (size_t i = 0; i < w->n_needles; i++)
        buf_free(&w->needles[i]);
    buf_free(&w->contact);
    free(w);
    return 0;
}

/* ---- copies of a node's directories ---- */

static void
data_path(char out[TEST_PATH_MAX + 32], const char *dir, const char *which)
{
    snprintf(out, TEST_PATH_MAX + 32, "%s/%s/data.mdb", dir, which);
}

/* The environment of one node in the place of another's; both are closed. */
static void
copy_data(const char *from, const char *to, const char *which)
{
    char a[TEST_PATH_MAX + 32], b[TEST_PATH_MAX + 32];
    data_path(a, from, which);
    data_path(b, to, which);
    test_file_copy(a, b);
}

/* A node that is closed, again in a directory of its own, and closed. What it draws differs. */
static void
twin(const struct test_node *of, struct test_node *ret, unsigned seed)
{
    char path[TEST_PATH_MAX + 32];
    *ret = *of;
    ret->db = NULL;
    ret->vault = NULL;
    ret->engine = NULL;
    ret->random += seed;
    test_dir_make(ret->dir);
    test_dir_make(ret->scratch);
    for (int i = 0; i < 2; i++) {
        const char *which = i == 0 ? "main" : "vault";
        snprintf(path, sizeof(path), "%s/%s", ret->dir, which);
        assert_int_equal(mkdir(path, 0700), 0);
        copy_data(of->dir, ret->dir, which);
    }
}

/* ---- looking ---- */

static bool
file_holds(const char *path, struct slice what)
{
    struct buf b;
    uint8_t chunk[65536];
    size_t n;
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    buf_init(&b, 2 * (size_t)TEST_MAP_BYTES);
    while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
        buf_put(&b, chunk, n);
    fclose(f);
    assert_false(b.failed);
    bool found = memmem(b.data, b.len, what.data, what.len) != NULL;
    buf_free(&b);
    return found;
}

/* Whether a needle is in any file of the vault. */
static bool
vault_holds(const struct test_node *n, const struct buf *needles, size_t n_needles)
{
    char path[2 * TEST_PATH_MAX + 32], dir[TEST_PATH_MAX + 32];
    const struct dirent *e;
    bool found = false;
    snprintf(dir, sizeof(dir), "%s/vault", n->dir);
    DIR *d = opendir(dir);
    assert_non_null(d);
    while ((e = readdir(d)) != NULL) {
        struct stat st;
        snprintf(path, sizeof(path), "%s/%.200s", dir, e->d_name);
        if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
            continue;
        for (size_t i = 0; i < n_needles; i++)
            found = found || file_holds(path, buf_slice(&needles[i]));
    }
    closedir(d);
    return found;
}

/* Kind 97 of the own log that name the order. */
static size_t
times_confirmed(struct test_node *n, const struct position *order)
{
    struct db_txn *txn;
    struct err err = {0};
    uint32_t logs = 0;
    size_t times = 0;
    assert_int_equal(db_begin_read(n->db, &txn, &err), 0);
    assert_int_equal(evlog_count(txn, &logs, &err), 0);
    for (uint32_t no = 1; no <= logs; no++) {
        struct log_row log;
        assert_int_equal(evlog_get(txn, no, &log, &err), 0);
        for (uint64_t seq = 1; TYPE_EQ(&log.unit, &n->identity.unit) && seq <= log.head_seq; seq++) {
            struct stored_event ev;
            struct event_header h;
            assert_int_equal(evlog_event(txn, no, seq, &ev, &err), 0);
            assert_int_equal(event_header_decode(ev.header, &h, &err), 0);
            const struct event_ref *ref = event_header_ref(&h, REF_CONFIRMS);
            times +=
                h.kind == KIND_COPIES_DESTROYED && ref && TYPE_EQ(&ref->log, &order->log) && ref->seq == order->seq;
        }
    }
    db_abort(&txn);
    return times;
}

static enum erasure_state
state_of(struct test_node *n, const struct position *order)
{
    struct db_txn *txn;
    struct err err = {0};
    struct erasure_order o;
    assert_int_equal(db_begin_read(n->db, &txn, &err), 0);
    assert_int_equal(erasure_get(txn, order, &o, &err), 0);
    db_abort(&txn);
    return o.state;
}

static bool
is_zero(const struct data_key *k)
{
    static const struct data_key none;
    return memcmp(k, &none, sizeof(none)) == 0;
}

/* All of it is done, once, and nothing of it is left. n is open, and open afterwards. */
static void
expect_done(const struct world *w, struct test_node *n)
{
    struct slot_keys keys;
    struct err err = {0};
    assert_int_equal(state_of(n, &w->order), ERASURE_DONE);
    assert_int_equal(times_confirmed(n, &w->order), 1);
    assert_int_equal(vault_slot(n->vault, w->slot, &keys, &err), 0);
    assert_true(is_zero(&keys.keys[vault_class_index(CLASS_CONTACT)]));
    assert_memory_equal(&keys.keys[vault_class_index(CLASS_IDENTITY)], &w->keys.keys[vault_class_index(CLASS_IDENTITY)],
                        KEY_BYTES);
    assert_false(has_capsule(n, &w->admitted, w->contact_index, NULL));
    assert_false(vault_holds(n, w->needles, w->n_needles));
    test_node_check(n);
}

/* ---- stopped, failing ---- */

/* Carries it out in a process of its own. Its exit status. */
static int
carry_out(struct test_node *n, unsigned stop, unsigned fail)
{
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct err err = {0};
        bool rewrote;
        int rc = 0;
        test_node_open(n);
        n_writes = 0;
        stop_at = stop;
        fail_at = fail;
        for (int i = 0; rc == 0 && i < 8 && engine_erasures_due(n->engine); i++)
            rc = engine_erase(n->engine, &rewrote, &err);
        _exit(rc != 0 ? EXIT_BROKEN : n_writes < fail ? EXIT_NOT_REACHED : 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
stopped_at_any_write_it_is_completed_and_confirmed_once(void **state)
{
    struct world *w = *state;
    unsigned held = 0, stop = 1;
    test_node_close(&w->n);
    for (int status = EXIT_KILLED; status == EXIT_KILLED; stop++) {
        struct test_node n;
        assert_in_range(stop, 1, STEPS_MAX);
        twin(&w->n, &n, stop);
        status = carry_out(&n, stop, 0);
        if (status != 0)
            assert_int_equal(status, EXIT_KILLED);
        held += vault_holds(&n, w->needles, w->n_needles);
        n.random += 1000;
        test_node_open(&n);
        assert_int_equal(engine_erasures_due(n.engine) || times_confirmed(&n, &w->order) == 1, true);
        test_node_erase_due(&n);
        expect_done(w, &n);
        test_node_remove(&n);
    }
    /* the search does find what is there: before the new file took the old one's place it was */
    assert_true(held > 4);
    assert_true(stop - held > 4);
}

static void
failing_at_any_write_it_is_completed_and_confirmed_once(void **state)
{
    struct world *w = *state;
    unsigned failed = 0;
    int status = 0;
    test_node_close(&w->n);
    for (unsigned fail = 1; status != EXIT_NOT_REACHED; fail++) {
        struct test_node n;
        assert_in_range(fail, 1, STEPS_MAX);
        twin(&w->n, &n, fail);
        status = carry_out(&n, 0, fail);
        failed += status != 0 && status != EXIT_NOT_REACHED;
        n.random += 1000;
        test_node_open(&n);
        test_node_erase_due(&n);
        expect_done(w, &n);
        test_node_remove(&n);
    }
    assert_true(failed > 4);
}

/* In one process: a commit that fails leaves the rest to the next call. */
static void
a_commit_that_fails_is_made_up_for_by_the_next_call(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    bool rewrote, failed = true;
    test_node_close(&w->n);
    for (unsigned at = 1; failed; at++) {
        struct test_node n;
        twin(&w->n, &n, at);
        test_node_open(&n);
        db_fail_after(at);
        int rc = engine_erase(n.engine, &rewrote, &err);
        db_fail_after(0);
        failed = rc != 0;
        assert_int_equal(engine_erasures_due(n.engine), failed);
        test_node_erase_due(&n);
        expect_done(w, &n);
        test_node_remove(&n);
        assert_in_range(at, 1, STEPS_MAX);
    }
}

static void
without_the_rewrite_the_key_stays_readable(void **state)
{
    struct world *w = *state;
    struct vault_erase_slot slot = {.slot = w->slot, .classes = 1U << vault_class_index(CLASS_CONTACT)};
    struct vault_erase what = {.slots = &slot, .n_slots = 1};
    struct err err = {0};
    assert_int_equal(vault_erase(w->n.vault, &what, NULL, &err), 0);
    assert_true(vault_holds(&w->n, w->needles, w->n_needles));
    assert_false(vault_holds(&w->n, w->needles, 1)); /* bare, it is in no file ever */
    test_node_erase_due(&w->n);
    expect_done(w, &w->n);
}

/* ---- copies of another age ---- */

static void
after_an_older_vault_is_put_back_it_is_erased_again(void **state)
{
    struct world *w = *state;
    struct test_node n;
    test_node_close(&w->n);
    twin(&w->n, &n, 1);
    test_node_open(&n);
    test_node_erase_due(&n);
    expect_done(w, &n);
    test_node_close(&n);
    copy_data(w->n.dir, n.dir, "vault");
    assert_true(vault_holds(&n, w->needles, w->n_needles));
    test_node_open(&n);
    assert_true(engine_erasures_due(n.engine));
    test_node_erase_due(&n);
    expect_done(w, &n); /* and not confirmed a second time */
    test_node_close(&n);
    test_node_open(&n);
    assert_false(engine_erasures_due(n.engine));
    test_node_remove(&n);
}

static void
after_an_older_register_is_put_back_it_is_erased_again(void **state)
{
    struct world *w = *state;
    struct test_node n;
    test_node_close(&w->n);
    twin(&w->n, &n, 1);
    test_node_open(&n);
    test_node_erase_due(&n);
    test_node_close(&n);
    copy_data(w->n.dir, n.dir, "main");
    n.random += 1000;
    test_node_open(&n);
    assert_true(engine_erasures_due(n.engine));
    test_node_erase_due(&n);
    expect_done(w, &n);
    test_node_remove(&n);
}

/* ---- what comes late ---- */

static void
a_capsule_that_comes_after_its_erasure_is_not_stored(void **state)
{
    struct world *w = *state;
    struct err err = {0};
    uint8_t key_index;
    struct position key_at;
    for (int round = 0; round < 2; round++) { /* noted, and done */
        for (int wanted = 0; wanted < 2; wanted++) {
            assert_int_equal(engine_begin(w->n.engine, &err), 0);
            assert_int_equal((wanted ? engine_put_wanted : engine_put_capsule)(w->n.engine, &w->admitted.log,
                                                                               w->admitted.seq, w->contact_index,
                                                                               buf_slice(&w->contact), &err),
                             0);
            assert_int_equal(engine_commit(w->n.engine, &err), 0);
            assert_false(has_capsule(&w->n, &w->admitted, w->contact_index, NULL));
        }
        test_node_erase_due(&w->n);
    }
    find_capsule(&w->n, w->admitted.seq, CLASS_KEY, &key_at, &key_index);
    assert_int_equal(engine_begin(w->n.engine, &err), 0);
    assert_int_equal(
        engine_put_capsule(w->n.engine, &key_at.log, key_at.seq, key_index, buf_slice(&w->needles[2]), &err), 0);
    assert_int_equal(engine_commit(w->n.engine, &err), 0);
    expect_done(w, &w->n);
}

/* ---- at a host ---- */

static size_t
received_of(struct test_node *n, const struct subject_id *member, uint8_t class)
{
    struct received_key keys[8];
    struct received_filter filter = RECEIVED_ANY;
    struct err err = {0};
    size_t count = 0;
    filter.class = class;
    assert_int_equal(received_list(n->vault, member, &filter, keys, ARRAY_LEN(keys), &count, NULL, &err), 0);
    return count;
}

static void
a_restriction_destroys_what_a_host_holds_of_the_class(void **state)
{
    struct world *w = *state;
    struct test_node host = {0};
    struct err err = {0};
    struct db_txn *txn;
    struct db_cursor *cursor;
    struct slice k, v;
    struct buf row;
    test_node_make_as(&host, "DE", 3);
    while (test_node_carry(&w->n, &host) > 0) {
    }
    test_node_erase_due(&host);
    struct received_key keys[2] = {{.subject = w->member,
                                    .unit = w->n.identity.unit,
                                    .class = CLASS_IDENTITY,
                                    .generation = 1,
                                    .from = w->admitted,
                                    .kind = KIND_ACCESS_GRANTED,
                                    .until = DATE_NONE,
                                    .key = {{1, 2, 3}}}};
    keys[1] = keys[0];
    assert_int_equal(received_put(host.vault, keys, 1, &err), 0);
    buf_init(&row, CAPSULE_BYTES_MAX);
    assert_int_equal(db_begin_read(vault_db(host.vault), &txn, &err), 0);
    assert_int_equal(db_cursor_open(txn, TABLE_RECEIVED, &cursor, &err), 0);
    assert_int_equal(db_cursor_first(cursor, &k, &v, &err), 0);
    buf_put(&row, v.data, v.len);
    db_cursor_close(&cursor);
    db_abort(&txn);
    keys[1].class = CLASS_ACTIVITY;
    assert_int_equal(received_put(host.vault, &keys[1], 1, &err), 0);
    assert_true(vault_holds(&host, &row, 1));
    order(&w->n, &w->member, ERASE_RESTRICT, 1 << (CLASS_IDENTITY - 1));
    struct log_row log = test_node_log(&w->n);
    struct position at = {.log = log.id, .seq = log.head_seq};
    while (test_node_carry(&w->n, &host) > 0) {
    }
    assert_true(engine_erasures_due(host.engine));
    test_node_erase_due(&host);
    assert_int_equal(state_of(&host, &at), ERASURE_DONE);
    assert_int_equal(received_of(&host, &w->member, CLASS_IDENTITY), 0);
    assert_int_equal(received_of(&host, &w->member, CLASS_ACTIVITY), 1);
    assert_false(vault_holds(&host, &row, 1));
    assert_int_equal(times_confirmed(&host, &at), 0); /* a restriction asks for no confirmation */
    assert_int_equal(times_confirmed(&host, &w->order), 1);
    /* at home nothing goes by a restriction */
    test_node_erase_due(&w->n);
    assert_true(has_capsule(&w->n, &w->admitted, (uint8_t)(w->contact_index == 0 ? 1 : 0), NULL));
    buf_free(&row);
    test_node_check(&host);
    test_node_remove(&host);
}

static struct unit_id
stranger_id(void)
{
    struct test_unit stranger;
    test_unit_make(&stranger, "SE", 4);
    return stranger.id;
}

/* Any unit can write a row, and an order, under the id of another one's member, or visitor. */
static void
another_units_order_takes_no_links_and_no_keys_of_a_third(void **state)
{
    struct world *w = *state;
    struct test_node *n = &w->n;
    struct test_unit stranger;
    struct test_log log;
    struct err err = {0};
    struct civil_date on = {n->today};
    struct subject_id office = {{0x0F}};
    const struct subject_id visitor = {{0x77}};
    const struct unit_id home = {{7}};
    struct vault_link link;
    const struct vault_link links[] = {
        {.entity = {{0x55}}, .member = w->member, .flags = LINK_ACTIVITY},
        {.entity = {{0x56}}, .member = visitor, .flags = LINK_ACTIVITY | LINK_OTHER_UNIT, .unit = home},
        {.entity = {{0x57}}, .member = visitor, .flags = LINK_INVOICE | LINK_OTHER_UNIT, .unit = stranger_id()}};
    assert_int_equal(vault_links_put(n->vault, links, 3, NULL, 0, &err), 0);
    struct received_key given = {.subject = w->member,
                                 .unit = {{7}},
                                 .class = CLASS_ACTIVITY,
                                 .generation = 1,
                                 .from = {.log = {{8}}, .seq = 3},
                                 .kind = KIND_ACCESS_GRANTED,
                                 .until = DATE_NONE,
                                 .key = {{9}}};
    struct received_filter of_home = {.unit = &given.unit, .class = CLASS_ACTIVITY, .on = DATE_NONE};
    assert_int_equal(received_put(n->vault, &given, 1, &err), 0);
    test_unit_make(&stranger, "SE", 4);
    test_log_start(&log, &stranger, 1, NULL, 0);
    test_event(&log, KIND_OFFICE_OPENED, office, on, NULL, 0);
    test_admission(&log, w->member, on, office, CATEGORY_A, 1);
    struct event_payload p = test_payload(KIND_ERASURE_ORDERED, w->member, on);
    p.erasure = (struct erasure){.n_classes = 2, .classes = {CLASS_IDENTITY, CLASS_ACTIVITY}, .ground = 1};
    struct position at = test_log_event(&log, &p, NULL, 0);
    test_admission(&log, visitor, on, office, CATEGORY_A, 1);
    p.common.subject = visitor;
    test_log_event(&log, &p, NULL, 0);
    test_node_deliver(n, &log);
    assert_true(engine_erasures_due(n->engine));
    test_node_erase_due(n);
    assert_int_not_equal(state_of(n, &at), ERASURE_NOTED);
    assert_int_equal(vault_link_get(n->vault, &links[0].entity, &link, &err), 0);
    assert_int_equal(vault_link_get(n->vault, &links[1].entity, &link, &err), 0);
    assert_memory_equal(&link, &links[1], sizeof(link));
    assert_int_equal(vault_link_get(n->vault, &links[2].entity, &link, &err), ERR_NOTFOUND); /* its own visitor's */
    assert_int_equal(received_newest(n->vault, &given.subject, &of_home, &given, &err), 0);
    test_log_release(&log);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(stopped_at_any_write_it_is_completed_and_confirmed_once, setup, teardown),
        cmocka_unit_test_setup_teardown(failing_at_any_write_it_is_completed_and_confirmed_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_commit_that_fails_is_made_up_for_by_the_next_call, setup, teardown),
        cmocka_unit_test_setup_teardown(without_the_rewrite_the_key_stays_readable, setup, teardown),
        cmocka_unit_test_setup_teardown(after_an_older_vault_is_put_back_it_is_erased_again, setup, teardown),
        cmocka_unit_test_setup_teardown(after_an_older_register_is_put_back_it_is_erased_again, setup, teardown),
        cmocka_unit_test_setup_teardown(a_capsule_that_comes_after_its_erasure_is_not_stored, setup, teardown),
        cmocka_unit_test_setup_teardown(a_restriction_destroys_what_a_host_holds_of_the_class, setup, teardown),
        cmocka_unit_test_setup_teardown(another_units_order_takes_no_links_and_no_keys_of_a_third, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
