/* One group of the writer: into one transaction, and what is said of it after its commit or instead of it. See writer.h. */
#include <stdio.h>
#include <stdlib.h>

#include "node/host/datadir.h"
#include "node/host/writer_private.h"

/* ---- notices ---- */

void
writer_tell(struct writer *w, enum writer_notice_type type, const struct log_id *log, uint64_t seq,
            const struct chain_value *chain, bool new_log)
{
    struct writer_notice n = {.type = type, .seq = seq, .new_log = new_log};
    if (log)
        n.log = *log;
    if (chain)
        n.chain = *chain;
    w->config.notice(w->config.arg, &n);
}

void
writer_alarm(struct writer *w, const struct err *err, const char *text)
{
    struct log_about about = log_about_err(err);
    w->config.alarm(w->config.arg, &about, text);
}

void
writer_committed(struct writer *w)
{
    if (w->config.committed)
        w->config.committed(w->config.arg);
}

/* No commits: one failed. */
void
writer_count(struct writer *w, uint64_t commits, uint64_t jobs, uint64_t runs, uint64_t events, bool full)
{
    struct wall_ms now = wall_now();
    bool owes = engine_apply_pending(w->config.engine) || engine_erasures_due(w->config.engine);
    pthread_mutex_lock(&w->lock);
    w->stats.owes = owes;
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

/* ---- the group ---- */

struct group {
    struct api_job *jobs; /* done after the commit, in order */
    struct writer_append *appended;
    struct writer_capsule *capsules;
    uint64_t n_jobs, n_runs;
    uint32_t n_capsules;
    bool trust_changed, lookup;
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
            g->lookup |=
                job->ops[i].kind == OP_MEMBER && job->ops[i].member.ask && job->ops[i].result.err.code == ERR_NONE;
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
        rc = (c->wanted ? engine_put_wanted : engine_put_capsule)(w->config.engine, &c->at.log, c->at.seq, c->index,
                                                                  slice_of(c->bytes, c->len), err);
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
    bool any = false, wanted = false;
    while (g->capsules) {
        struct writer_capsule *c = g->capsules;
        g->capsules = c->next;
        count += !c->wanted;
        wanted |= c->wanted;
        any = true;
        free(c);
    }
    n.stored = stored ? count : 0;
    n.lost = stored ? 0 : count;
    n.wanted_lost = !stored && wanted;
    if (any)
        w->config.notice(w->config.arg, &n);
}

/* Everything of a failed log that was given before is dropped, as the core expects. */
static void
fail_log(struct writer *w, struct group *g, const struct log_id *which)
{
    struct log_id log = *which;
    writer_drop_appends(&g->appended, &log);
    writer_drop_appends(&w->taken, &log);
    writer_drop_waiting(w, &log);
    writer_tell(w, NOTICE_APPEND_FAILED, &log, 0, NULL, false);
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
            writer_tell(w, NOTICE_APPENDED, &a->run.log, a->run.first + a->run.count - 1, &a->chain_after, a->begins);
        g->appended = a->next;
        free(a);
    }
}

void
writer_tell_own(struct writer *w)
{
    struct log_row row;
    if (!engine_own_log(w->config.engine, &row))
        return;
    bool same = w->own_open && TYPE_EQ(&w->own_log, &row.id); /* else a successor was opened */
    if (same && row.head_seq == w->own_head)
        return;
    writer_tell(w, NOTICE_OWN_LOG, &row.id, row.head_seq, &row.head_chain, !same);
    w->own_open = true;
    w->own_log = row.id;
    w->own_head = row.head_seq;
}

void
writer_tell_logs(struct writer *w)
{
    if (engine_logs_changed(w->config.engine))
        writer_tell(w, NOTICE_ALL_LOGS, NULL, 0, NULL, false);
}

static void
alarm_group(struct writer *w, const struct err *err)
{
    char text[ERR_TEXT_MAX + 64];
    snprintf(text, sizeof(text), "a commit failed, nothing of it was stored: %s", err->text);
    writer_alarm(w, err, text);
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
void
writer_fail_taken(struct writer *w, const struct err *err)
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

void
writer_group(struct writer *w)
{
    struct group g = {0};
    struct err err = {0};
    int rc = engine_begin(w->config.engine, &err);
    if (rc != 0) {
        writer_count(w, 0, 0, 0, 0, rc == ERR_FULL);
        alarm_group(w, &err);
        say_full(rc, &err);
        writer_fail_taken(w, &err);
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
        writer_count(w, 1, g.n_jobs, g.n_runs, events, false);
        finish_jobs(&g, NULL);
        finish_capsules(w, &g, true);
        writer_tell_own(w);
        tell_appended(w, &g);
        writer_tell_logs(w);
        if (g.trust_changed)
            writer_tell(w, NOTICE_TRUST, NULL, 0, NULL, false);
        if (g.lookup)
            writer_tell(w, NOTICE_LOOKUP, NULL, 0, NULL, false);
        writer_committed(w);
        return;
    }
    writer_count(w, 0, 0, 0, 0, rc == ERR_FULL);
    alarm_group(w, &err);
    say_full(rc, &err);
    fail_group(w, &g, &err);
}
