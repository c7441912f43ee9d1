/* That what ended is destroyed is confirmed (kind 97). See guests.h. */
#include <stdlib.h>

#include "node/command/guest.h"
#include "node/host/guests.h"
#include "storage/vault_erase.h"

static const char OWED[] = "owed-";
enum { KEY_OWED = sizeof(OWED) - 1 + KEY_POSITION, CONFIRM_STEP = 64 };

int
guests_put_owed(struct db_txn *txn, const struct position *ended, bool owed, struct err *err)
{
    uint8_t key[KEY_OWED];
    memcpy(key, OWED, sizeof(OWED) - 1);
    key_position(key + sizeof(OWED) - 1, &ended->log, ended->seq);
    int rc = owed ? db_put(txn, TABLE_META, slice_of(key, sizeof(key)), slice_of("", 1), err)
                  : db_del(txn, TABLE_META, slice_of(key, sizeof(key)), err);
    return rc == ERR_NOTFOUND ? 0 : rc;
}

/* The next ends that are not confirmed yet, with an event for each; none for what is no longer held: there is nothing to confirm. */
static int
owed_drafts(const struct guests *g, struct guest_work_order *o, struct err *err)
{
    struct command_ctx ctx;
    struct db_txn *txn = NULL;
    struct db_cursor *c = NULL;
    struct slice k, v;
    o->n_places = o->n_drafts = 0;
    int rc = db_begin_read(g->db, &txn, err);
    if (rc != 0)
        return rc;
    guests_context(g, txn, &ctx);
    rc = db_cursor_open(txn, TABLE_META, &c, err);
    if (rc == 0)
        rc = db_cursor_seek(c, slice_of(OWED, sizeof(OWED) - 1), &k, &v, err);
    while (rc == 0 && o->n_places < CONFIRM_STEP && k.len == KEY_OWED && memcmp(k.data, OWED, sizeof(OWED) - 1) == 0) {
        struct position *at = &o->places[o->n_places].at;
        memcpy(at->log.b, k.data + sizeof(OWED) - 1, HASH_BYTES);
        at->seq = be64_get(k.data + sizeof(OWED) - 1 + HASH_BYTES);
        rc = guest_confirmation(&ctx, at, &o->drafts[o->n_drafts], err);
        o->n_drafts += rc == 0;
        o->n_places += rc == 0 || rc == ERR_NOTFOUND;
        if (rc == 0 || rc == ERR_NOTFOUND)
            rc = db_cursor_next(c, &k, &v, err);
    }
    db_cursor_close(&c);
    db_abort(&txn);
    return rc == ERR_NOTFOUND ? 0 : rc;
}

int
guests_confirm(const struct guests *g, bool rewrite, struct err *err)
{
    struct guest_place *places = calloc(CONFIRM_STEP, sizeof(*places));
    struct draft *drafts = calloc(CONFIRM_STEP, sizeof(*drafts));
    struct api_op *op = calloc(1, sizeof(*op));
    bool more = true, rewritten = false;
    int rc = places && drafts && op ? 0 : err_set(err, ERR_NOMEM, "guests: out of memory");
    while (rc == 0 && more) {
        op->kind = OP_GUEST;
        op->guest = (struct guest_work_order){.step = GUEST_CONFIRM, .drafts = drafts, .places = places};
        rc = owed_drafts(g, &op->guest, err);
        size_t n = op->guest.n_drafts;
        more = op->guest.n_places == CONFIRM_STEP;
        if (rc == 0 && (rewrite || n > 0) && !rewritten)
            rc = vault_rewrite(g->vault, NULL, err);
        rewritten |= rewrite || n > 0;
        if (rc == 0 && op->guest.n_places > 0)
            rc = guests_run(g, op, err);
        for (size_t i = 0; i < n; i++)
            draft_release(&drafts[i]);
    }
    free(places);
    free(drafts);
    free(op);
    return rc;
}
