/* Tips of the logs held. See evlog.h, docs/PROTOCOL.md §7.
 *
 * Two walks over the log rows: the first notes where each log ends as far as it stands, the second how far successors name it.
 * Rows are read twice rather than kept, for their predecessors are most of their size. */
#include <stdlib.h>

#include "proto/base/map.h"
#include "storage/evlog.h"

struct end {
    uint32_t no;
    uint64_t seq;
    uint64_t named; /* greatest seq at which a successor that stands names it, */
    struct chain_value named_chain;
    bool apart; /* and others that name it there name another chain value */
    struct unit_id unit;
};

enum { LOGS_MAX = 1 << 24 };

static int
out_of_memory(struct err *err)
{
    return err_set(err, ERR_NOMEM, "tips: out of memory");
}

/* Last position that counts; 0 if nothing is held or stands. */
static uint64_t
end_of(const struct log_row *row)
{
    return row->head_seq < row->stands_to ? row->head_seq : row->stands_to;
}

static int
note_ends(struct db_txn *txn, uint32_t n_logs, const struct unit_id *unit_or_null, struct map *ends, struct err *err)
{
    for (uint32_t no = 1; no <= n_logs; no++) {
        struct log_row row;
        int rc = evlog_get(txn, no, &row, err);
        if (rc != 0)
            return rc;
        if (end_of(&row) == 0 || (unit_or_null && !TYPE_EQ(unit_or_null, &row.unit)))
            continue;
        struct end *end = map_put(ends, row.id.b, NULL);
        if (!end)
            return out_of_memory(err);
        *end = (struct end){.no = no, .seq = end_of(&row), .unit = row.unit};
    }
    return 0;
}

static void
note_name(struct end *end, const struct log_predecessor *p)
{
    if (p->seq > end->named) {
        end->named = p->seq;
        end->named_chain = p->chain;
        end->apart = false;
    } else if (p->seq == end->named && !TYPE_EQ(&p->chain, &end->named_chain)) {
        end->apart = true;
    }
}

static int
note_names(struct db_txn *txn, uint32_t n_logs, struct map *ends, struct err *err)
{
    for (uint32_t no = 1; no <= n_logs; no++) {
        struct log_row row;
        int rc = evlog_get(txn, no, &row, err);
        if (rc != 0)
            return rc;
        if (end_of(&row) == 0)
            continue;
        for (size_t i = 0; i < row.n_predecessors; i++) {
            const struct log_predecessor *p = &row.predecessors[i];
            struct end *end = map_get(ends, p->log.b);
            if (end && end->no != no && TYPE_EQ(&end->unit, &row.unit))
                note_name(end, p);
        }
    }
    return 0;
}

static int
by_log(const void *a, const void *b)
{
    const struct head *x = a;
    const struct head *y = b;
    return memcmp(x->log.b, y->log.b, sizeof(x->log.b));
}

static int
collect(struct db_txn *txn, const struct map *ends, struct head **ret, size_t *ret_n, struct err *err)
{
    struct head *heads = calloc(ends->count, sizeof(*heads));
    size_t n = 0, cursor = 0;
    const void *key;
    void *value;
    if (!heads)
        return out_of_memory(err);
    while (map_next(ends, &cursor, &key, &value)) {
        const struct end *end = value;
        struct log_row row;
        if (end->named > end->seq)
            continue;
        int rc = evlog_get(txn, end->no, &row, err);
        if (rc == 0)
            rc = evlog_chain_at(txn, &row, end->seq, &heads[n].chain, err);
        if (rc != 0) {
            free(heads);
            return rc;
        }
        if (end->named == end->seq && !end->apart && TYPE_EQ(&end->named_chain, &heads[n].chain))
            continue;
        heads[n].log = row.id;
        heads[n].unit = row.unit;
        heads[n].seq = end->seq;
        n++;
    }
    qsort(heads, n, sizeof(*heads), by_log);
    if (n == 0) {
        free(heads);
        heads = NULL;
    }
    *ret = heads;
    *ret_n = n;
    return 0;
}

int
evlog_tips(struct db_txn *txn, const struct unit_id *unit_or_null, struct head **ret, size_t *ret_n, struct err *err)
{
    struct map ends;
    uint32_t n_logs;
    int rc = evlog_count(txn, &n_logs, err);
    if (rc != 0)
        return rc;
    map_init(&ends, HASH_BYTES, sizeof(struct end), LOGS_MAX, NULL);
    rc = note_ends(txn, n_logs, unit_or_null, &ends, err);
    if (rc == 0 && ends.count > 0)
        rc = note_names(txn, n_logs, &ends, err);
    if (rc == 0 && ends.count > 0) {
        rc = collect(txn, &ends, ret, ret_n, err);
    } else if (rc == 0) {
        *ret = NULL;
        *ret_n = 0;
    }
    map_free(&ends);
    return rc;
}
