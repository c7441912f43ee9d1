/* What waits for the writer: requests, runs and capsules as others hand them in, and how its thread takes them. See writer.h. */
#include <stdlib.h>
#include <time.h>

#include "node/host/writer_private.h"

/* ---- items ---- */

struct writer_append *
writer_append_new(const struct run *run, const struct chain_value *chain_after, const struct log_opened *opened,
                  const struct event_header *first_header)
{
    size_t extra = opened && opened->has_root_statement ? opened->root_statement.len : 0;
    struct writer_append *a = malloc(sizeof(*a) + run->frames.len + extra);
    if (!a)
        return NULL;
    a->next = NULL;
    a->run = *run;
    a->chain_after = *chain_after;
    a->stored = false;
    a->begins = opened != NULL;
    memcpy(a->bytes, run->frames.data, run->frames.len);
    a->run.frames = slice_of(a->bytes, run->frames.len);
    if (opened) {
        a->opened = *opened;
        a->first_header = *first_header;
        if (extra > 0) {
            memcpy(a->bytes + run->frames.len, opened->root_statement.data, extra);
            a->opened.root_statement = slice_of(a->bytes + run->frames.len, extra);
        }
    }
    return a;
}

struct writer_capsule *
writer_capsule_new(const struct log_id *log, uint64_t seq, uint8_t index, bool freeze, struct slice bytes)
{
    struct writer_capsule *c = malloc(sizeof(*c) + bytes.len);
    if (!c)
        return NULL;
    *c = (struct writer_capsule){.at = {.log = *log, .seq = seq}, .index = index, .freeze = freeze, .len = bytes.len};
    if (bytes.len > 0)
        memcpy(c->bytes, bytes.data, bytes.len);
    return c;
}

void
writer_drop_appends(struct writer_append **list, const struct log_id *log)
{
    while (*list) {
        struct writer_append *a = *list;
        if (TYPE_EQ(&a->run.log, log)) {
            *list = a->next;
            free(a);
        } else {
            list = &a->next;
        }
    }
}

/* ---- handed in, by any thread ---- */

int
writer_submit(struct writer *w, struct api_job *job, struct err *err)
{
    int rc = 0;
    pthread_mutex_lock(&w->lock);
    if (w->stopping)
        rc = err_set(err, ERR_UNAVAILABLE, "the node is stopping");
    else if (w->n_jobs >= WRITER_JOBS_MAX)
        rc = err_set(err, ERR_BUSY, "more than %d requests are waiting; try again", WRITER_JOBS_MAX);
    if (rc == 0) {
        job->next = NULL;
        *w->jobs_end = job;
        w->jobs_end = &job->next;
        w->n_jobs++;
        pthread_cond_signal(&w->wake);
    }
    pthread_mutex_unlock(&w->lock);
    return rc;
}

void
writer_append(struct writer *w, struct writer_append *a)
{
    pthread_mutex_lock(&w->lock);
    a->next = NULL;
    *w->appends_end = a;
    w->appends_end = &a->next;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
}

void
writer_capsule(struct writer *w, struct writer_capsule *c)
{
    pthread_mutex_lock(&w->lock);
    c->next = NULL;
    *w->capsules_end = c;
    w->capsules_end = &c->next;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
}

void
writer_stats(struct writer *w, struct writer_stats *ret)
{
    pthread_mutex_lock(&w->lock);
    *ret = w->stats;
    ret->queue = w->n_jobs;
    pthread_mutex_unlock(&w->lock);
}

void
writer_drop_waiting(struct writer *w, const struct log_id *log)
{
    pthread_mutex_lock(&w->lock);
    writer_drop_appends(&w->appends, log);
    w->appends_end = &w->appends;
    while (*w->appends_end)
        w->appends_end = &(*w->appends_end)->next;
    pthread_mutex_unlock(&w->lock);
}

/* ---- taken, by the writer's ---- */

/* Until something comes, or what is left over is due. Under lock. */
static void
wait_for_work(struct writer *w)
{
    bool urgent;
    struct timespec until;
    bool vault = engine_vault_pending(w->config.engine, &urgent);
    bool left = w->freezes || engine_apply_pending(w->config.engine) || engine_rebuild_wanted(w->config.engine);
    if (left && !w->again)
        return;
    int64_t ms = w->again || w->stats.is_full ? WRITER_RETRY_MS : vault ? WRITER_VAULT_IDLE_MS : WRITER_EXPIRE_EVERY_MS;
    if (engine_erasures_due(w->config.engine) && ms > WRITER_ERASE_LOOK_MS)
        ms = WRITER_ERASE_LOOK_MS;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    while (!w->jobs && !w->appends && !w->capsules && !w->stopping &&
           pthread_cond_timedwait(&w->wake, &w->lock, &until) == 0)
        continue;
}

static void
sort_capsules(struct writer *w, struct writer_capsule *list)
{
    struct writer_capsule **freezes = &w->freezes, **capsules = &w->taken_capsules;
    while (*freezes)
        freezes = &(*freezes)->next;
    while (*capsules)
        capsules = &(*capsules)->next;
    while (list) {
        struct writer_capsule *c = list;
        struct writer_capsule ***end = c->freeze ? &freezes : &capsules;
        list = c->next;
        c->next = NULL;
        **end = c;
        *end = &c->next;
    }
}

/* Moves what waits to the thread's own lists. False: nothing, and the writer is to stop. */
bool
writer_take(struct writer *w, bool *ret_idle)
{
    pthread_mutex_lock(&w->lock);
    if (!w->jobs && !w->appends && !w->capsules && !w->stopping)
        wait_for_work(w);
    bool nothing = !w->jobs && !w->appends && !w->capsules;
    bool go_on = !nothing || !w->stopping;
    struct writer_capsule *capsules = w->capsules;
    w->taken_jobs = w->jobs;
    w->taken = w->appends;
    w->jobs = NULL;
    w->appends = NULL;
    w->capsules = NULL;
    w->jobs_end = &w->jobs;
    w->appends_end = &w->appends;
    w->capsules_end = &w->capsules;
    w->n_jobs = 0;
    w->again = false;
    pthread_mutex_unlock(&w->lock);
    sort_capsules(w, capsules);
    *ret_idle = nothing;
    return go_on;
}
