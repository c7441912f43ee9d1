/* What status and metrics show of the store: how full, what waits, what was applied. Read afresh for each answer, bounded in work. Any
 * thread. docs/OPERATIONS.md "Metrics". */
#ifndef SMARTNODE_HOST_HEALTH_H
#define SMARTNODE_HOST_HEALTH_H

#include "node/api/api.h"
#include "node/host/arrivals.h"
#include "node/host/lookup.h"
#include "node/host/netloop.h"
#include "node/host/writer.h"

enum {
    HEALTH_WAITING_MAX = 4096, /* rows of what waits that are looked at for the oldest: a few milliseconds */
};

struct health {
    struct db_usage main, vault;
    uint64_t disk_bytes, disk_free_bytes;
    uint64_t logs, applied, voids, conflicts, capsules, waiting;
    int64_t waiting_oldest_ms; /* since the oldest of what waits was written, by its writer's clock; 0: nothing waits */
};

/* What cannot be read stays 0. path: the data directory. */
void health_read(struct db *db, struct vault *vault, const char *path, struct wall_ms now, struct health *ret);

struct overdue;

/* Prometheus text of everything but HTTP (api_deps.metrics). */
struct metrics {
    const struct health *health;
    const struct writer_stats *writer;
    const struct netloop_stats *net;
    const struct lookup_stats *lookup;
    const struct overdue *overdue;
    const struct arrivals_found *arrivals; /* NULL = not known */
    struct civil_date today;
    enum api_readiness readiness;
    struct wall_ms started;
    size_t n_peers;
    const struct api_peer *peers;
};
void metrics_write(struct buf *out, const struct metrics *m);

#endif
