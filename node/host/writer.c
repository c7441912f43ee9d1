/* Group commit. See writer.h. */
#include "node/host/writer.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { EXPIRE_EVERY_MS = 60000, EXPIRE_ROWS = 256, REBUILD_ERRORS_MAX = 3 };

struct writer {
    struct writer_config config;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stopping;
    /* under lock */
    struct api_job *jobs, **jobs_end;
    struct writer_append *appends, **appends_end;
    struct writer_capsule *capsules, **capsules_end;
    uint32_t n_jobs;
    struct writer_stats stats;
    /* the thread's own */
    struct api_job *taken_jobs;
    struct writer_append *taken;
    struct writer_capsule *taken_capsules;
    bool own_open;
    struct log_id own_log;
    uint64_t own_head;
    struct timespec expired;
};

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

static void
tell(struct writer *w, enum writer_notice_type type, const struct log_id *log, uint64_t seq,
     const struct chain_value *chain, bool new_log)
{
    struct writer_notice n = {.type = type, .seq = seq, .new_log = new_log};
    if (log)
        n.log = *log;
    if (chain)
        n.chain = *chain;
    w->config.notice(w->config.arg, &n);
}

static void
count(struct writer *w, uint64_t commits, uint64_t jobs, uint64_t runs, uint64_t events, bool full)
{
    pthread_mutex_lock(&w->lock);
    w->stats.commits += commits;
    w->stats.jobs += jobs;
    w->stats.runs += runs;
    w->stats.events += events;
    w->stats.full += full;
    w->stats.is_full = full || (w->stats.is_full && commits == 0);
    pthread_mutex_unlock(&w->lock);
}

/* ---- one group ---- */

struct group {
    struct api_job *jobs; /* done after the commit, in order */
    struct writer_append *appended;
    uint64_t n_jobs, n_runs;
    bool trust_changed;
};

static int
group_jobs(struct writer *w, struct group *g, struct err *err)
{
    struct api_job **end = &g->jobs;
    int rc = 0;
    while (w->taken_jobs && rc == 0 && engine_group_events(w->config.engine) < ENGINE_GROUP_EVENTS) {
        struct api_job *job = w->taken_jobs;
        w->taken_jobs = job->next;
        job->next = NULL;
        *end = job;
        end = &job->next;
        g->n_jobs++;
        for (size_t i = 0; i < job->n && rc == 0; i++) {
            rc = engine_exec(w->config.engine, &job->actor, &job->ops[i], err);
            g->trust_changed |= job->ops[i].kind == OP_PEER_TRUST || job->ops[i].kind == OP_PEER_REMOVE;
        }
    }
    return rc;
}

static int
group_appends(struct writer *w, struct group *g, struct err *err)
{
    struct writer_append **end = &g->appended;
    int rc = 0;
    while (w->taken && rc == 0 && engine_group_events(w->config.engine) < ENGINE_GROUP_EVENTS) {
        struct writer_append *a = w->taken;
        bool stored = false;
        w->taken = a->next;
        a->next = NULL;
        *end = a;
        end = &a->next;
        g->n_runs++;
        rc = engine_append(w->config.engine, &a->run, &a->chain_after, a->begins ? &a->opened : NULL,
                           a->begins ? &a->first_header : NULL, &stored, err);
    }
    return rc;
}

static int
group_capsules(struct writer *w, struct err *err)
{
    struct writer_capsule **p = &w->taken_capsules;
    int rc = 0;
    while (*p && rc == 0) {
        struct writer_capsule *c = *p;
        if (c->freeze) {
            p = &c->next;
            continue;
        }
        rc = engine_put_capsule(w->config.engine, &c->at.log, c->at.seq, c->index, slice_of(c->bytes, c->len), err);
        rc = rc == ERR_NOTFOUND ? 0 : rc;
        *p = c->next;
        free(c);
    }
    return rc;
}

static void
finish_jobs(struct group *g, const struct err *failed)
{
    while (g->jobs) {
        struct api_job *job = g->jobs;
        g->jobs = job->next;
        for (size_t i = 0; failed && i < job->n; i++) {
            job->ops[i].result = (struct api_result){.err = *failed};
        }
        job->done(job);
    }
}

static void
drop_appends(struct writer_append **list, const struct log_id *log)
{
    while (*list) {
        struct writer_append *a = *list;
        if (!log || TYPE_EQ(&a->run.log, log)) {
            *list = a->next;
            free(a);
        } else {
            list = &a->next;
        }
    }
}

/* Everything of a failed log that was given before is dropped, as the core expects. */
static void
fail_appends(struct writer *w, struct group *g)
{
    while (g->appended) {
        struct log_id log = g->appended->run.log;
        drop_appends(&g->appended, &log);
        drop_appends(&w->taken, &log);
        pthread_mutex_lock(&w->lock);
        drop_appends(&w->appends, &log);
        w->appends_end = &w->appends;
        while (*w->appends_end)
            w->appends_end = &(*w->appends_end)->next;
        pthread_mutex_unlock(&w->lock);
        tell(w, NOTICE_APPEND_FAILED, &log, 0, NULL, false);
    }
}

static void
tell_appended(struct writer *w, struct group *g)
{
    while (g->appended) {
        struct writer_append *a = g->appended;
        /* only the last run of a log in the group is named */
        bool later = false;
        for (struct writer_append *b = a->next; b && !later; b = b->next)
            later = TYPE_EQ(&a->run.log, &b->run.log);
        if (!later)
            tell(w, NOTICE_APPENDED, &a->run.log, a->run.first + a->run.count - 1, &a->chain_after, false);
        g->appended = a->next;
        free(a);
    }
}

static void
tell_own_log(struct writer *w)
{
    struct log_row row;
    if (!engine_own_log(w->config.engine, &row))
        return;
    bool same = w->own_open && TYPE_EQ(&w->own_log, &row.id); /* else a successor was opened */
    if (same && row.head_seq == w->own_head)
        return;
    tell(w, NOTICE_OWN_LOG, &row.id, row.head_seq, &row.head_chain, !same);
    w->own_open = true;
    w->own_log = row.id;
    w->own_head = row.head_seq;
}

static void
run_group(struct writer *w)
{
    struct group g = {0};
    struct err err = {0};
    int rc = engine_begin(w->config.engine, &err);
    if (rc == 0)
        rc = group_jobs(w, &g, &err);
    if (rc == 0)
        rc = group_appends(w, &g, &err);
    if (rc == 0)
        rc = group_capsules(w, &err);
    uint64_t events = engine_group_events(w->config.engine);
    if (rc == 0)
        rc = engine_commit(w->config.engine, &err);
    if (rc != 0)
        engine_abort(w->config.engine);
    if (rc == 0) {
        count(w, 1, g.n_jobs, g.n_runs, events, false);
        finish_jobs(&g, NULL);
        tell_own_log(w);
        tell_appended(w, &g);
        if (g.trust_changed)
            tell(w, NOTICE_TRUST, NULL, 0, NULL, false);
        return;
    }
    count(w, 0, 0, 0, 0, rc == ERR_FULL);
    char text[ERR_TEXT_MAX + 64];
    snprintf(text, sizeof(text), "a commit failed, nothing of it was stored: %s", err.text);
    w->config.alarm(w->config.arg, text);
    if (!g.jobs && w->taken_jobs) { /* engine_begin failed: nobody was taken up */
        g.jobs = w->taken_jobs;
        w->taken_jobs = NULL;
    }
    if (!g.appended && w->taken) {
        g.appended = w->taken;
        w->taken = NULL;
    }
    finish_jobs(&g, &err);
    fail_appends(w, &g);
}

/* ---- between groups ---- */

static void
freeze_logs(struct writer *w)
{
    struct err err;
    while (w->taken_capsules) {
        struct writer_capsule *c = w->taken_capsules;
        w->taken_capsules = c->next;
        if (c->freeze && engine_freeze(w->config.engine, &c->at.log, slice_of(c->bytes, c->len), &err) != 0)
            w->config.alarm(w->config.arg, err.text);
        free(c);
    }
}

static int
rebuild_progress(void *arg, uint64_t done, uint64_t total)
{
    struct writer *w = arg;
    w->config.rebuilding(w->config.arg, done, total);
    return 0;
}

static void
rebuild(struct writer *w)
{
    struct err err = {0};
    int rc = ERR_UNAVAILABLE;
    for (int i = 0; i < REBUILD_ERRORS_MAX && rc != 0; i++)
        rc = apply_rebuild(w->config.db, rebuild_progress, w, &err);
    if (rc == 0)
        rc = engine_reload(w->config.engine, &err);
    if (rc != 0)
        w->config.alarm(w->config.arg, err.text);
    w->config.rebuilding(w->config.arg, 0, 0);
    tell(w, NOTICE_ALL_LOGS, NULL, 0, NULL, false);
}

static void
expire(struct writer *w)
{
    struct timespec now;
    struct err err;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if ((now.tv_sec - w->expired.tv_sec) * 1000 < EXPIRE_EVERY_MS)
        return;
    w->expired = now;
    if (engine_expire(w->config.engine, EXPIRE_ROWS, &err) != 0)
        w->config.alarm(w->config.arg, err.text);
}

/* The vault follows when nobody waits, or when too much is held back. */
static void
follow_vault(struct writer *w, bool idle)
{
    bool urgent = false;
    struct err err;
    if (engine_vault_pending(w->config.engine, &urgent) && (idle || urgent) &&
        engine_vault_flush(w->config.engine, &err) != 0)
        w->config.alarm(w->config.arg, err.text);
}

/* Moves what waits to the thread's own lists. False: nothing, and the writer is to stop. */
static bool
take(struct writer *w, bool *ret_idle)
{
    bool urgent;
    pthread_mutex_lock(&w->lock);
    bool nothing = !w->jobs && !w->appends && !w->capsules;
    if (nothing && !w->stopping && !engine_vault_pending(w->config.engine, &urgent) &&
        !engine_apply_pending(w->config.engine)) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += EXPIRE_EVERY_MS / 1000;
        pthread_cond_timedwait(&w->wake, &w->lock, &until);
        nothing = !w->jobs && !w->appends && !w->capsules;
    }
    bool go_on = !nothing || !w->stopping;
    w->taken_jobs = w->jobs;
    w->taken = w->appends;
    w->taken_capsules = w->capsules;
    w->jobs = NULL;
    w->appends = NULL;
    w->capsules = NULL;
    w->jobs_end = &w->jobs;
    w->appends_end = &w->appends;
    w->capsules_end = &w->capsules;
    w->n_jobs = 0;
    pthread_mutex_unlock(&w->lock);
    *ret_idle = nothing;
    return go_on;
}

static void *
writer_main(void *arg)
{
    struct writer *w = arg;
    struct err err;
    bool idle;
    while (take(w, &idle)) {
        bool capsules = w->taken_capsules != NULL;
        while (w->taken_jobs || w->taken || capsules) {
            run_group(w);
            capsules = false;
            follow_vault(w, false);
        }
        freeze_logs(w);
        if (engine_apply_pending(w->config.engine) && engine_apply_more(w->config.engine, &err) != 0)
            w->config.alarm(w->config.arg, err.text);
        if (engine_rebuild_wanted(w->config.engine))
            rebuild(w);
        if (idle)
            expire(w);
        pthread_mutex_lock(&w->lock);
        idle = !w->jobs && !w->appends;
        pthread_mutex_unlock(&w->lock);
        follow_vault(w, idle);
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
    w->jobs_end = &w->jobs;
    w->appends_end = &w->appends;
    w->capsules_end = &w->capsules;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->wake, NULL);
    if (pthread_create(&w->thread, NULL, writer_main, w) != 0) {
        free(w);
        return err_set(err, ERR_UNAVAILABLE, "the writer's thread cannot start");
    }
    *ret = w;
    return 0;
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
    free(w);
    *writer = NULL;
}

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
