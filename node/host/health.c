/* See health.h. */
#include "node/host/health.h"

#include <sys/statvfs.h>

#include "storage/evlog.h"

static void
read_logs(struct db_txn *txn, struct health *h)
{
    uint32_t n = 0;
    struct log_row row;
    if (evlog_count(txn, &n, NULL) != 0)
        return;
    h->logs = n;
    for (uint32_t no = 1; no <= n; no++)
        if (evlog_get(txn, no, &row, NULL) == 0)
            h->applied += row.applied_seq;
}

/* When the event was written; INT64_MAX if it cannot be read. */
static int64_t
written_ms(struct db_txn *txn, uint32_t log_no, uint64_t seq)
{
    struct stored_event ev;
    struct event_header header;
    if (evlog_event(txn, log_no, seq, &ev, NULL) != 0 || event_header_decode(ev.header, &header, NULL) != 0)
        return INT64_MAX;
    return hlc_wall(header.clock).ms;
}

static void
read_waiting(struct db_txn *txn, struct wall_ms now, struct health *h)
{
    struct db_cursor *c = NULL;
    struct slice key, value;
    int64_t oldest = INT64_MAX;
    size_t looked = 0;
    h->waiting = db_table_entries(txn, TABLE_WAITING);
    int rc = h->waiting > 0 ? db_cursor_open(txn, TABLE_WAITING, &c, NULL) : ERR_NOTFOUND;
    for (rc = rc == 0 ? db_cursor_first(c, &key, &value, NULL) : rc; rc == 0 && looked < HEALTH_WAITING_MAX;
         rc = db_cursor_next(c, &key, &value, NULL)) {
        looked++;
        if (key.len != KEY_WAITING)
            continue;
        int64_t at = written_ms(txn, be32_get(key.data + KEY_POSITION), be64_get(key.data + KEY_POSITION + 4));
        oldest = at < oldest ? at : oldest;
    }
    db_cursor_close(&c);
    h->waiting_oldest_ms = oldest < now.ms ? now.ms - oldest : 0;
}

void
health_read(struct db *db, struct vault *vault, const char *path, struct wall_ms now, struct health *ret)
{
    struct health h = {0};
    struct db_txn *txn = NULL;
    struct statvfs fs;
    (void)!db_usage(db, &h.main, NULL);
    (void)!db_usage(vault_db(vault), &h.vault, NULL);
    if (statvfs(path, &fs) == 0) {
        h.disk_bytes = (uint64_t)fs.f_blocks * fs.f_frsize;
        h.disk_free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    }
    if (db_begin_read(db, &txn, NULL) == 0) {
        read_logs(txn, &h);
        read_waiting(txn, now, &h);
        h.voids = db_table_entries(txn, TABLE_VOIDS);
        h.conflicts = db_table_entries(txn, TABLE_CONFLICTS);
        h.capsules = db_table_entries(txn, TABLE_CAPSULES);
    }
    db_abort(&txn);
    *ret = h;
}
