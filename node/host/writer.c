/* The writer's thread: groups (writer_group.c) of what waits (writer_queue.c), and between them freezes, rebuilds, what is left to be
 * applied, expiry, the vault. See writer.h. */
#include "node/host/erasing.h"
#include "node/host/writer_private.h"

#include <stdlib.h>
#include <time.h>

enum { EXPIRE_ROWS = 256, EXPIRE_TURNS = 16 };

/* ---- between groups ---- */

static void
failed(struct writer *w, const struct err *err)
{
    writer_alarm(w, err, err->text);
    w->again = true;
}

static void
freeze_logs(struct writer *w)
{
    struct err err;
    struct writer_capsule **p = &w->freezes;
    while (*p) {
        struct writer_capsule *c = *p;
        if (engine_freeze(w->config.engine, &c->at.log, slice_of(c->bytes, c->len), &err) != 0) {
            failed(w, &err);
            return;
        }
        *p = c->next;
        free(c);
        writer_committed(w);
    }
    writer_tell_logs(w);
}

static bool
in_hurry(struct writer *w)
{
    pthread_mutex_lock(&w->lock);
    bool hurry = w->hurry || w->stopping;
    pthread_mutex_unlock(&w->lock);
    return hurry;
}

static int
rebuild_progress(void *arg, uint64_t done, uint64_t total)
{
    struct writer *w = arg;
    w->config.rebuilding(w->config.arg, done, total > 0 ? total : 1);
    return in_hurry(w) ? 1 : 0;
}

/* False: the state is not whole. Nothing may be checked against it or applied to it until a later attempt succeeds. */
static bool
whole_state(struct writer *w)
{
    struct err err = {0};
    if (!engine_rebuild_wanted(w->config.engine))
        return true;
    int rc = rebuild_progress(w, 0, 1) == 0
                 ? apply_rebuild(w->config.db, rebuild_progress, w, &err)
                 : err_set(&err, ERR_UNAVAILABLE, "the node stops; a start rebuilds the state");
    if (rc == 0)
        rc = engine_reload(w->config.engine, &err);
    if (rc != 0) {
        failed(w, &err);
        (void)err_set(&err, ERR_UNAVAILABLE, "the state is being rebuilt; reads go on, writes wait");
        writer_fail_taken(w, &err);
        return false;
    }
    w->config.rebuilding(w->config.arg, 0, 0);
    writer_committed(w);
    writer_tell(w, NOTICE_ALL_LOGS, NULL, 0, NULL, false);
    return true;
}

static void
expire(struct writer *w)
{
    struct timespec now;
    struct err err;
    size_t n = EXPIRE_ROWS;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if ((now.tv_sec - w->expired.tv_sec) * 1000 < WRITER_EXPIRE_EVERY_MS)
        return;
    w->expired = now;
    for (int i = 0; i < EXPIRE_TURNS && n == EXPIRE_ROWS; i++)
        if (engine_expire(w->config.engine, EXPIRE_ROWS, &n, &err) != 0)
            writer_alarm(w, &err, err.text);
}

/* The vault follows when nobody waits, when too much is held back, or when it has waited long: its flushes would double what a
 * request waits for. */
static void
follow_vault(struct writer *w, bool idle)
{
    bool urgent = false;
    struct timespec now;
    struct err err;
    if (!engine_vault_pending(w->config.engine, &urgent)) {
        w->vault_waits = false;
        return;
    }
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (!w->vault_waits)
        w->vault_since = now;
    w->vault_waits = true;
    int64_t waited_ms = (now.tv_sec - w->vault_since.tv_sec) * 1000 + (now.tv_nsec - w->vault_since.tv_nsec) / 1000000;
    if (!idle && !urgent && waited_ms < WRITER_VAULT_WAIT_MS_MAX)
        return;
    if (engine_vault_flush(w->config.engine, &err) != 0)
        failed(w, &err);
    w->vault_waits = false;
}

static int64_t
ms_since(const struct timespec *then)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (now.tv_sec - then->tv_sec) * 1000 + (now.tv_nsec - then->tv_nsec) / 1000000;
}

/* Orders are collected for a moment, for each rewrite of the vault costs as much as the vault is large. */
static void
erase(struct writer *w)
{
    struct err err;
    bool rewrote = false;
    if (!engine_erasures_due(w->config.engine)) {
        w->erasing = false;
        return;
    }
    if (!w->erasing)
        clock_gettime(CLOCK_MONOTONIC, &w->erase_since);
    w->erasing = true;
    if (ms_since(&w->erase_since) < ERASING_COLLECT_MS ||
        (w->rewrote.tv_sec != 0 && ms_since(&w->rewrote) < ERASING_REWRITE_EVERY_MS) || in_hurry(w))
        return;
    if (engine_erase(w->config.engine, &rewrote, &err) != 0)
        failed(w, &err);
    if (rewrote)
        clock_gettime(CLOCK_MONOTONIC, &w->rewrote);
    w->erasing = false;
    writer_tell_own(w);
    writer_tell_logs(w);
    writer_committed(w);
}

/* Whether there is room again, where nobody writes: an operator's monitor must not be what brings the node back. */
static void
probe(struct writer *w)
{
    struct err err;
    pthread_mutex_lock(&w->lock);
    bool full = w->stats.is_full;
    pthread_mutex_unlock(&w->lock);
    if (full && engine_probe(w->config.engine, &err) == 0)
        writer_count(w, 1, 0, 0, 0, false);
}

/* What was owed may be done without a group. */
static void
settle(struct writer *w)
{
    bool owes = engine_apply_pending(w->config.engine) || engine_erasures_due(w->config.engine);
    pthread_mutex_lock(&w->lock);
    w->stats.owes = owes;
    pthread_mutex_unlock(&w->lock);
}

static void *
writer_main(void *arg)
{
    struct writer *w = arg;
    struct err err;
    bool idle;
    while (writer_take(w, &idle)) {
        while ((w->taken_jobs || w->taken || w->taken_capsules) && whole_state(w)) {
            writer_group(w);
            follow_vault(w, false);
        }
        freeze_logs(w);
        if (!w->again && whole_state(w) && engine_apply_pending(w->config.engine)) {
            if (engine_apply_more(w->config.engine, &err) != 0)
                failed(w, &err);
            else
                writer_committed(w);
        }
        if (idle)
            probe(w);
        expire(w);
        follow_vault(w, idle);
        if (!w->again && !engine_rebuild_wanted(w->config.engine))
            erase(w);
        settle(w);
    }
    follow_vault(w, true);
    return NULL;
}

int
writer_start(const struct writer_config *config, struct writer **ret, struct err *err)
{
    struct writer *w = calloc(1, sizeof(*w));
    if (!w)
        return err_set(err, ERR_NOMEM, "writer: out of memory");
    w->config = *config;
    w->stats.owes = engine_apply_pending(config->engine) || engine_erasures_due(config->engine);
    w->jobs_end = &w->jobs;
    w->appends_end = &w->appends;
    w->capsules_end = &w->capsules;
    pthread_condattr_t clock;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC); /* a clock that is set must not hold up what is due */
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->wake, &clock);
    pthread_condattr_destroy(&clock);
    if (pthread_create(&w->thread, NULL, writer_main, w) != 0) {
        pthread_cond_destroy(&w->wake);
        pthread_mutex_destroy(&w->lock);
        free(w);
        return err_set(err, ERR_UNAVAILABLE, "the writer's thread cannot start");
    }
    *ret = w;
    return 0;
}

void
writer_hurry(struct writer *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->hurry = true;
    pthread_mutex_unlock(&w->lock);
}

void
writer_stop(struct writer **writer)
{
    struct writer *w = *writer;
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->stopping = true;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->wake);
    while (w->freezes) {
        struct writer_capsule *c = w->freezes;
        w->freezes = c->next;
        free(c);
    }
    free(w);
    *writer = NULL;
}
