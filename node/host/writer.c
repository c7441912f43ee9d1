/* Group commit. See writer.h. */
#include "node/host/writer.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "node/host/datadir.h"

enum {
    EXPIRE_EVERY_MS = 60000,
    EXPIRE_ROWS = 256,
    EXPIRE_TURNS = 16,
    RETRY_MS = 1000,        /* what failed is not tried again sooner, unless a request comes */
    VAULT_IDLE_MS = 10,     /* so long nobody may have written before the vault follows, */
    VAULT_WAIT_MS_MAX = 50, /* but so long at most it waits: a search does not find sooner */
};

struct writer {
    struct writer_config config;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stopping, hurry;
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
    struct writer_capsule *freezes; /* kept until each is stored */
    uint64_t alone;                 /* so many of what was taken are run one by one: their group failed */
    bool again;                     /* something failed and is to be tried again */
    bool own_open;
    struct log_id own_log;
    uint64_t own_head;
    struct timespec expired;
    bool vault_waits; /* something is to follow into the vault, since: */
    struct timespec vault_since;
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
alarm_err(struct writer *w, const struct err *err, const char *text)
{
    struct log_about about = log_about_err(err);
    w->config.alarm(w->config.arg, &about, text);
}

/* No commits: one failed. */
static void
count(struct writer *w, uint64_t commits, uint64_t jobs, uint64_t runs, uint64_t events, bool full)
{
    struct wall_ms now = wall_now();
    pthread_mutex_lock(&w->lock);
    w->stats.commits += commits;
    w->stats.failed += commits == 0;
    if (commits > 0)
        w->stats.last_commit = now;
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
    struct writer_capsule *capsules;
    uint64_t n_jobs, n_runs;
    uint32_t n_capsules;
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
        if (w->alone > 0)
            break;
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
        w->taken = a->next;
        a->next = NULL;
        *end = a;
        end = &a->next;
        g->n_runs++;
        rc = engine_append(w->config.engine, &a->run, &a->chain_after, a->begins ? &a->opened : NULL,
                           a->begins ? &a->first_header : NULL, &a->stored, err);
        if (w->alone > 0)
            break;
    }
    return rc;
}

static int
group_capsules(struct writer *w, struct group *g, struct err *err)
{
    int rc = 0;
    g->capsules = w->taken_capsules;
    w->taken_capsules = NULL;
    for (struct writer_capsule *c = g->capsules; c && rc == 0; c = c->next) {
        g->n_capsules++;
        rc = engine_put_capsule(w->config.engine, &c->at.log, c->at.seq, c->index, slice_of(c->bytes, c->len), err);
        rc = rc == ERR_NOTFOUND ? 0 : rc;
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
finish_capsules(struct writer *w, struct group *g, bool stored)
{
    struct writer_notice n = {.type = NOTICE_CAPSULES};
    uint32_t count = 0;
    while (g->capsules) {
        struct writer_capsule *c = g->capsules;
        g->capsules = c->next;
        count++;
        free(c);
    }
    n.stored = stored ? count : 0;
    n.lost = stored ? 0 : count;
    if (count > 0)
        w->config.notice(w->config.arg, &n);
}

static void
drop_appends(struct writer_append **list, const struct log_id *log)
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

/* Everything of a failed log that was given before is dropped, as the core expects. */
static void
fail_log(struct writer *w, struct group *g, const struct log_id *which)
{
    struct log_id log = *which;
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

static void
tell_appended(struct writer *w, struct group *g)
{
    while (g->appended) {
        struct writer_append *a = g->appended;
        bool later = false;
        if (!a->stored) {
            fail_log(w, g, &a->run.log);
            continue;
        }
        /* only the last run of a log in the group is named */
        for (struct writer_append *b = a->next; b && !later; b = b->next) {
            later = b->stored && TYPE_EQ(&a->run.log, &b->run.log);
            b->begins |= later && a->begins;
        }
        if (!later)
            tell(w, NOTICE_APPENDED, &a->run.log, a->run.first + a->run.count - 1, &a->chain_after, a->begins);
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
tell_logs(struct writer *w)
{
    if (engine_logs_changed(w->config.engine))
        tell(w, NOTICE_ALL_LOGS, NULL, 0, NULL, false);
}

static void
alarm_group(struct writer *w, const struct err *err)
{
    char text[ERR_TEXT_MAX + 64];
    snprintf(text, sizeof(text), "a commit failed, nothing of it was stored: %s", err->text);
    alarm_err(w, err, text);
}

static void
fail_group(struct writer *w, struct group *g, const struct err *err)
{
    finish_jobs(g, err);
    finish_capsules(w, g, false);
    while (g->appended)
        fail_log(w, g, &g->appended->run.log);
}

/* Everything that was taken gets the same error. */
static void
fail_taken(struct writer *w, const struct err *err)
{
    struct group g = {.jobs = w->taken_jobs, .appended = w->taken, .capsules = w->taken_capsules};
    w->taken_jobs = NULL;
    w->taken = NULL;
    w->taken_capsules = NULL;
    w->alone = 0;
    fail_group(w, &g, err);
}

/* One that cannot be stored must not take the others with it: the group's parts go back to be run one by one. */
static bool
split_group(struct writer *w, struct group *g, int rc)
{
    uint64_t parts = g->n_jobs + g->n_runs + (g->n_capsules > 0);
    if (parts < 2 || rc == ERR_FULL)
        return false;
    struct api_job **jobs_end = &g->jobs;
    struct writer_append **appends_end = &g->appended;
    while (*jobs_end)
        jobs_end = &(*jobs_end)->next;
    while (*appends_end)
        appends_end = &(*appends_end)->next;
    *jobs_end = w->taken_jobs;
    *appends_end = w->taken;
    w->taken_jobs = g->jobs;
    w->taken = g->appended;
    if (g->capsules)
        w->taken_capsules = g->capsules;
    w->alone = parts;
    return true;
}

/* For whoever wrote: the text that storage gives is one of an operating system. */
static void
say_full(int rc, struct err *err)
{
    if (rc == ERR_FULL)
        (void)err_wrap(err, "disk or map is full, nothing was stored; send it again when there is room");
}

static void
committed(struct writer *w)
{
    if (w->config.committed)
        w->config.committed(w->config.arg);
}

static void
run_group(struct writer *w)
{
    struct group g = {0};
    struct err err = {0};
    int rc = engine_begin(w->config.engine, &err);
    if (rc != 0) {
        count(w, 0, 0, 0, 0, rc == ERR_FULL);
        alarm_group(w, &err);
        say_full(rc, &err);
        fail_taken(w, &err);
        return;
    }
    rc = group_jobs(w, &g, &err);
    if (rc == 0 && (w->alone == 0 || g.n_jobs == 0))
        rc = group_appends(w, &g, &err);
    if (rc == 0 && (w->alone == 0 || g.n_jobs + g.n_runs == 0))
        rc = group_capsules(w, &g, &err);
    uint64_t events = engine_group_events(w->config.engine);
    if (rc == 0)
        rc = engine_commit(w->config.engine, &err);
    if (rc != 0)
        engine_abort(w->config.engine);
    if (rc != 0 && split_group(w, &g, rc))
        return;
    w->alone -= w->alone > 0;
    if (rc == 0) {
        count(w, 1, g.n_jobs, g.n_runs, events, false);
        finish_jobs(&g, NULL);
        finish_capsules(w, &g, true);
        tell_own_log(w);
        tell_appended(w, &g);
        tell_logs(w);
        if (g.trust_changed)
            tell(w, NOTICE_TRUST, NULL, 0, NULL, false);
        committed(w);
        return;
    }
    count(w, 0, 0, 0, 0, rc == ERR_FULL);
    alarm_group(w, &err);
    say_full(rc, &err);
    fail_group(w, &g, &err);
}

/* ---- between groups ---- */

static void
failed(struct writer *w, const struct err *err)
{
    alarm_err(w, err, err->text);
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
        committed(w);
    }
    tell_logs(w);
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
        fail_taken(w, &err);
        return false;
    }
    w->config.rebuilding(w->config.arg, 0, 0);
    committed(w);
    tell(w, NOTICE_ALL_LOGS, NULL, 0, NULL, false);
    return true;
}

static void
expire(struct writer *w)
{
    struct timespec now;
    struct err err;
    size_t n = EXPIRE_ROWS;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if ((now.tv_sec - w->expired.tv_sec) * 1000 < EXPIRE_EVERY_MS)
        return;
    w->expired = now;
    for (int i = 0; i < EXPIRE_TURNS && n == EXPIRE_ROWS; i++)
        if (engine_expire(w->config.engine, EXPIRE_ROWS, &n, &err) != 0)
            alarm_err(w, &err, err.text);
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
    if (!idle && !urgent && waited_ms < VAULT_WAIT_MS_MAX)
        return;
    if (engine_vault_flush(w->config.engine, &err) != 0)
        failed(w, &err);
    w->vault_waits = false;
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
        count(w, 1, 0, 0, 0, false);
}

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
    int64_t ms = w->again || w->stats.is_full ? RETRY_MS : vault ? VAULT_IDLE_MS : EXPIRE_EVERY_MS;
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
static bool
take(struct writer *w, bool *ret_idle)
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

static void *
writer_main(void *arg)
{
    struct writer *w = arg;
    struct err err;
    bool idle;
    while (take(w, &idle)) {
        while ((w->taken_jobs || w->taken || w->taken_capsules) && whole_state(w)) {
            run_group(w);
            follow_vault(w, false);
        }
        freeze_logs(w);
        if (!w->again && whole_state(w) && engine_apply_pending(w->config.engine)) {
            if (engine_apply_more(w->config.engine, &err) != 0)
                failed(w, &err);
            else
                committed(w);
        }
        if (idle)
            probe(w);
        expire(w);
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
