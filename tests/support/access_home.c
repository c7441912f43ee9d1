/* See access_home.h. */
#include "tests/support/access_home.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdlib.h>

#include "node/command/rows.h"

int
access_home_setup(void **state)
{
    struct access_home *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    test_node_make(&f->n);
    test_unit_make(&f->host, "DE", 3);
    test_log_start(&f->log, &f->host, 1, NULL, 0);
    test_node_deliver(&f->n, &f->log);
    f->member = test_node_admit(&f->n, 1);
    *state = f;
    return 0;
}

int
access_home_teardown(void **state)
{
    struct access_home *f = *state;
    test_node_check(&f->n);
    test_log_release(&f->log);
    test_node_remove(&f->n);
    free(f);
    return 0;
}

static struct api_result
run_op(struct access_home *f, const struct access_request *req)
{
    struct api_op *op = calloc(1, sizeof(*op));
    struct err err = {0};
    assert_non_null(op);
    op->kind = OP_ACCESS;
    op->status_on_success = 201;
    op->access = *req;
    if (test_node_exec(&f->n, op, &err) != 0)
        fail_msg("%s", err.text);
    struct api_result ret = op->result;
    free(op);
    assert_int_equal(engine_vault_flush(f->n.engine, &err), 0);
    return ret;
}

struct api_result
home_done(struct access_home *f, const struct access_request *req)
{
    struct api_result ret = run_op(f, req);
    if (ret.err.code != 0)
        fail_msg("%s: %s", ret.err.field, ret.err.text);
    return ret;
}

void
home_refused(struct access_home *f, const struct access_request *req, int code, const char *field)
{
    uint64_t head = test_node_log(&f->n).head_seq;
    struct api_result ret = run_op(f, req);
    assert_int_equal(ret.err.code, code);
    assert_string_equal(ret.err.field, field);
    assert_int_equal(test_node_log(&f->n).head_seq, head);
}

struct access_request
home_granting(const struct access_home *f, uint16_t classes)
{
    return (struct access_request){.action = ACCESS_GRANT,
                                   .member = f->member,
                                   .host = f->host.id,
                                   .classes = classes,
                                   .purpose = 1,
                                   .from = DATE_NONE,
                                   .until = DATE_NONE};
}

struct access_request
home_issuing(struct access_home *f, uint16_t classes)
{
    struct access_request q = {
        .action = ACCESS_ISSUE, .member = f->member, .classes = classes, .from = DATE_NONE, .until = DATE_NONE};
    struct box_secret secret;
    memset(f->pass.secret, 0x5a, sizeof(f->pass.secret));
    pass_keypair(&f->pass, &q.pass_key, &secret);
    return q;
}

struct api_result
home_revoke(struct access_home *f, struct subject_id access)
{
    struct access_request q = {.action = ACCESS_REVOKE, .member = f->member, .has_access = true, .access = access};
    return home_done(f, &q);
}

struct access_state
home_access(struct access_home *f, struct subject_id access)
{
    struct db_txn *txn;
    struct err err = {0};
    struct access_row row;
    struct access_state s;
    assert_int_equal(db_begin_read(f->n.db, &txn, &err), 0);
    struct command_ctx ctx = {.txn = txn};
    struct access_key key = {.unit = f->n.identity.unit, .access = access};
    assert_int_equal(access_load(&ctx, &key, &row, &err), 0);
    access_state_of(&row, &s);
    access_row_release(&row);
    db_abort(&txn);
    return s;
}

struct event_header
home_header_at(struct access_home *f, const struct position *at)
{
    struct db_txn *txn;
    struct err err = {0};
    struct log_row log;
    struct stored_event ev;
    struct event_header h;
    assert_int_equal(db_begin_read(f->n.db, &txn, &err), 0);
    assert_int_equal(evlog_find(txn, &at->log, &log, &err), 0);
    assert_int_equal(evlog_event(txn, log.no, at->seq, &ev, &err), 0);
    assert_int_equal(event_header_decode(ev.header, &h, &err), 0);
    db_abort(&txn);
    return h;
}

size_t
home_sealed(struct access_home *f, const struct position *at, enum key_use use, const struct box_secret *sk,
            const struct box_public *pk, struct keyed_class ret[KEYS_MAX])
{
    struct event_header h = home_header_at(f, at);
    size_t n = 0;
    for (uint8_t i = 0; i < h.n_capsules; i++) {
        struct key_capsule_content content;
        struct buf bytes, plain;
        struct err err = {0};
        if (h.capsules[i].class != CLASS_KEY)
            continue;
        buf_init(&bytes, CAPSULE_BYTES_MAX);
        buf_init(&plain, CAPSULE_BYTES_MAX);
        assert_int_equal(vault_capsule_get(f->n.vault, at, i, &bytes, &err), 0);
        assert_memory_equal(h.capsules[i].hash.b, capsule_hash(buf_slice(&bytes)).b, HASH_BYTES);
        if (capsule_open_sealed(sk, pk, CLASS_KEY, buf_slice(&bytes), &plain, &err) == 0) {
            assert_int_equal(
                key_capsule_decode(buf_slice(&plain), use, &f->n.identity.unit, &f->member, &content, &err), 0);
            for (size_t k = 0; k < content.n_keys; k++)
                ret[n++] = content.keys[k];
        }
        buf_free(&bytes);
        buf_free(&plain);
    }
    return n;
}

size_t
home_sealed_to_host(struct access_home *f, const struct position *at, struct keyed_class ret[KEYS_MAX])
{
    return home_sealed(f, at, KEY_USE_GRANT, &f->host.exchange_secret, &f->host.exchange, ret);
}

bool
home_has_key(const struct keyed_class *keys, size_t n, uint8_t class, uint32_t generation)
{
    bool found = false;
    for (size_t i = 0; i < n; i++)
        found = found || (keys[i].class == class && keys[i].generation == generation);
    return found;
}

bool
home_opens(struct access_home *f, const struct keyed_class *keys, size_t n, uint8_t class)
{
    struct db_txn *txn;
    struct err err = {0};
    struct member_row row;
    struct position at;
    struct log_row log;
    struct slice bytes;
    bool opened = false;
    assert_int_equal(db_begin_read(f->n.db, &txn, &err), 0);
    const struct command_ctx ctx = {.txn = txn, .unit = f->n.identity.unit, .vault = f->n.vault};
    assert_int_equal(rows_member(&ctx, &f->member, &row, &err), 0);
    assert_true(member_capsule_position(&row, class, &at));
    struct event_header h = home_header_at(f, &at);
    assert_int_equal(evlog_find(txn, &at.log, &log, &err), 0);
    for (uint8_t i = 0; i < h.n_capsules; i++) {
        if (h.capsules[i].class != class)
            continue;
        assert_int_equal(capsules_get(txn, log.no, at.seq, i, &bytes, &err), 0);
        for (size_t k = 0; k < n; k++) {
            struct buf plain;
            buf_init(&plain, CAPSULE_BYTES_MAX);
            opened |= keys[k].class == class && capsule_open(&keys[k].key, class, bytes, &plain, &err) == 0;
            buf_free(&plain);
        }
    }
    member_row_release(&row);
    db_abort(&txn);
    return opened;
}
