/* See movers.h. */
#include "tests/support/movers.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdlib.h>

int
movers_setup(void **state)
{
    struct movers *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    test_node_make(&f->old);
    test_node_make_as(&f->new, "SE", 9);
    f->member = test_node_admit(&f->old, 1);
    f->old.today += 30;
    f->new.today += 30;
    *state = f;
    return 0;
}

void
move_both(struct movers *f)
{
    while (test_node_carry(&f->old, &f->new) + test_node_carry(&f->new, &f->old) > 0) {
    }
}

int
movers_teardown(void **state)
{
    struct movers *f = *state;
    move_both(f);
    test_node_check(&f->old);
    test_node_check(&f->new);
    test_node_remove(&f->old);
    test_node_remove(&f->new);
    free(f);
    return 0;
}

struct api_result
move_run(struct test_node *n, const struct handover_request *req, const char *office)
{
    struct api_op *op = calloc(1, sizeof(*op));
    struct err err = {0};
    assert_non_null(op);
    op->kind = OP_HANDOVER;
    op->status_on_success = 200;
    op->handover.request = *req;
    snprintf(op->handover.office_text, sizeof(op->handover.office_text), "%s", office);
    if (test_node_exec(n, op, &err) != 0)
        fail_msg("%s", err.text);
    struct api_result ret = op->result;
    free(op);
    assert_int_equal(engine_vault_flush(n->engine, &err), 0);
    return ret;
}

struct handover_request
move_asking(const struct movers *f, enum handover_action action)
{
    return (struct handover_request){
        .action = action, .member = f->member, .effective = DATE_NONE, .proposed = DATE_NONE};
}

void
move_done(struct test_node *n, const struct handover_request *req, const char *office)
{
    struct api_result r = move_run(n, req, office);
    if (r.err.code != 0)
        fail_msg("%s: %s", r.err.field, r.err.text);
}

void
move_refused(struct test_node *n, const struct handover_request *req, const char *office, int code, const char *field)
{
    struct api_result r = move_run(n, req, office);
    assert_int_equal(r.err.code, code);
    assert_string_equal(r.err.field, field);
}

enum handover_turn
move_turn(struct test_node *n, const struct movers *f)
{
    struct db_txn *txn;
    struct err err = {0};
    struct handover_view v;
    struct command_ctx ctx = {.vault = n->vault, .unit = n->identity.unit};
    assert_int_equal(db_begin_read(n->db, &txn, &err), 0);
    ctx.txn = txn;
    assert_int_equal(handover_of(&ctx, &f->member, &v, &err), 0);
    db_abort(&txn);
    return v.turn;
}

void
move_offer(struct movers *f)
{
    struct handover_request q = move_asking(f, HANDOVER_OFFER);
    q.unit = f->new.identity.unit;
    q.proposed = (struct civil_date){f->old.today + 5};
    move_done(&f->old, &q, "");
    move_both(f);
}

void
move_accept(struct movers *f)
{
    struct handover_request q = move_asking(f, HANDOVER_ACCEPT);
    q.has_shares = true;
    q.shares = 2;
    move_done(&f->new, &q, "Gent");
    move_both(f);
}

struct handover_request
move_receiving(const struct movers *f)
{
    struct handover_request q = move_asking(f, HANDOVER_RECEIVE);
    q.person.has_identity = true;
    q.person.identity.birth_date = DATE_NONE;
    snprintf(q.person.identity.family_name.s, sizeof(q.person.identity.family_name.s), "Verzonnen");
    snprintf(q.person.identity.given_name.s, sizeof(q.person.identity.given_name.s), "Aline");
    return q;
}
