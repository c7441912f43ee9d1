/* See overdue.h. */
#include "node/host/overdue.h"

#include <stdio.h>

#include "storage/erasures.h"

enum { CONFIRMED_MAX = 512, STEP = 64 };

static bool
is_in(const struct confirmed_by *by, size_t n, const struct unit_id *unit)
{
    for (size_t i = 0; i < n; i++)
        if (TYPE_EQ(&by[i].unit, unit))
            return true;
    return false;
}

struct watching {
    struct db_txn *txn;
    const struct unit_id *own;
    const struct api_peer *peers;
    size_t n_peers;
    int32_t late_before;
};

static void
look(const struct watching *w, const struct erasure_order *o, struct overdue *ret)
{
    struct confirmed_by by[CONFIRMED_MAX];
    size_t n = 0;
    if (o->kind != KIND_ERASURE_ORDERED || !TYPE_EQ(&o->unit, w->own) ||
        confirmations_list(w->txn, &o->at, by, CONFIRMED_MAX, &n, NULL) != 0)
        return;
    bool here = is_in(by, n, w->own), all = here, late = o->effective.days < w->late_before;
    const char *silent = here ? "" : "?";
    for (size_t i = 0; i < w->n_peers; i++) {
        if (is_in(by, n, &w->peers[i].unit))
            continue;
        all = false;
        silent = w->peers[i].code;
    }
    ret->open += !all;
    ret->late += !all && late;
    if (!all && late)
        snprintf(ret->unit, sizeof(ret->unit), "%s", silent);
}

void
overdue_read(struct db *db, const struct unit_id *own, const struct api_peer *peers, size_t n_peers,
             struct civil_date today, uint32_t silent_days, struct overdue *ret)
{
    struct watching w = {
        .own = own, .peers = peers, .n_peers = n_peers, .late_before = today.days - (int32_t)silent_days};
    struct erasure_order some[STEP];
    struct position after;
    size_t n = STEP;
    *ret = (struct overdue){0};
    if (db_begin_read(db, &w.txn, NULL) != 0)
        return;
    for (size_t looked = 0; n == STEP && looked < OVERDUE_LOOK_MAX; looked += n) {
        if (erasures_list(w.txn, false, looked == 0 ? NULL : &after, some, STEP, &n, NULL) != 0)
            break;
        for (size_t i = 0; i < n; i++)
            look(&w, &some[i], ret);
        if (n > 0)
            after = some[n - 1].at;
    }
    db_abort(&w.txn);
}
