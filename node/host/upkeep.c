/* See upkeep.h. */
#include "node/host/upkeep.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "node/host/access_upkeep.h"
#include "node/host/counting.h"
#include "node/host/guests.h"
#include "node/host/left_postings.h"
#include "node/host/links.h"
#include "node/host/taken_work.h"

enum {
    TURN_S = 3600,
    RETRY_S = 60,
    COLLECT_MS = 200, /* what comes in together is looked at together */
    /* A process that is killed loses no more of when other units were heard of than the second of these: it is noted within the first, but written
     * only where it is older. */
    NOTE_MS = 5000,
    NOTE_OLDER_MS = 60000,
};

struct upkeep {
    struct upkeep_config config;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stopping;
    bool woken, record,
        open; /* something came in; all that is pending is to be written; all that was taken along is to be opened */
    bool finishing; /* the last turn, after stopping */
    struct guests_seen seen;
    struct arrivals_found arrivals;
    bool done; /* the job that was submitted */
};

static bool
is_stopping(void *arg)
{
    struct upkeep *u = arg;
    pthread_mutex_lock(&u->lock);
    bool is = u->stopping;
    pthread_mutex_unlock(&u->lock);
    return is;
}

/* ---- one operation, by the writer ---- */

struct waiting_job {
    struct api_job job; /* first */
    struct upkeep *upkeep;
};

static void
job_done(struct api_job *job)
{
    struct upkeep *u = ((struct waiting_job *)job)->upkeep;
    pthread_mutex_lock(&u->lock);
    u->done = true;
    pthread_cond_signal(&u->wake);
    pthread_mutex_unlock(&u->lock);
}

static int
run_by_writer(void *arg, const struct actor_id *actor, struct api_op *op, struct err *err)
{
    struct upkeep *u = arg;
    struct waiting_job w = {.job = {.actor = *actor, .n = 1, .ops = op, .done = job_done}, .upkeep = u};
    u->done = false; /* nobody else looks at it before the job is submitted */
    int rc = writer_submit(u->config.writer, &w.job, err);
    if (rc != 0)
        return rc;
    pthread_mutex_lock(&u->lock);
    while (!u->done)
        pthread_cond_wait(&u->wake, &u->lock);
    pthread_mutex_unlock(&u->lock);
    return 0;
}

/* ---- a turn ---- */

static void
on_links(void *arg UNUSED, uint64_t linked, uint64_t missing)
{
    log_line(LOG_NOTICE, "activities and invoices without a link to their member: %llu found again, %llu without a key",
             (unsigned long long)linked, (unsigned long long)missing);
}

static void
on_counted(void *arg UNUSED, uint16_t month, uint64_t events)
{
    char text[DATE_TEXT_MAX];
    date_format(month_first(month), text);
    log_line(LOG_NOTICE, "counted the people active in %.7s: %llu changed", text, (unsigned long long)events);
}

static int
on_relinked(void *arg, uint16_t month, struct err *err)
{
    struct upkeep *u = arg;
    struct counting counting = {
        .identity = &u->config.dir->identity, .run = run_by_writer, .stop = is_stopping, .arg = u};
    return counting_mark(&counting, month, err);
}

static void
want_work(void *arg, const struct position *at)
{
    struct upkeep *u = arg;
    u->config.want_work(u->config.arg, at);
}

static bool
known_at(void *arg, const struct unit_id *unit, struct wall_ms *ret)
{
    struct upkeep *u = arg;
    return u->config.known_at(u->config.arg, unit, ret);
}

static void
on_guests(void *arg UNUSED, const char *what, uint64_t n)
{
    log_line(LOG_NOTICE, "%s: %llu", what, (unsigned long long)n);
}

static void
too_many(void *arg, uint64_t events)
{
    static const struct log_about about = {.code = "received-keys",
                                           .next = "it goes on when grants and passes of that member to this unit end"};
    struct upkeep *u = arg;
    char text[160];
    snprintf(text, sizeof(text),
             "a visitor has more keys here than are kept of one member: those of %llu events were left out",
             (unsigned long long)events);
    u->config.alarm(u->config.arg, &about, text);
}

static bool
is_over(void *arg)
{
    struct upkeep *u = arg;
    return !u->finishing && is_stopping(u);
}

static struct guests
guests_of(struct upkeep *u)
{
    struct datadir *d = u->config.dir;
    return (struct guests){.db = d->db,
                           .vault = d->vault,
                           .identity = &d->identity,
                           .config = &d->config,
                           .today = datadir_today(d),
                           .random = random_fill,
                           .run = run_by_writer,
                           .stop = is_over,
                           .want_work = u->config.want_work ? want_work : NULL,
                           .known_at = u->config.known_at ? known_at : NULL,
                           .said = on_guests,
                           .too_many = too_many,
                           .arg = u};
}

static int
guests(struct upkeep *u, bool due, bool all, struct err *err)
{
    struct guests g = guests_of(u);
    return guests_turn(&g, &u->seen, due, all, err);
}

static int
note_known(struct upkeep *u, struct err *err)
{
    struct guests g = guests_of(u);
    return g.known_at ? guests_note_known(&g, NOTE_OLDER_MS, err) : 0;
}

/* What was done here for members of others is told before the process ends. What takes long, as destroying what has ended, is for the next one. */
static int
last_records(struct upkeep *u, struct err *err)
{
    struct guests g = guests_of(u);
    uint64_t n = 0;
    int rc = guests_record(&g, true, &n, err);
    if (n > 0)
        on_guests(u, "records for other units written", n);
    return rc == 0 && g.known_at ? guests_note_known(&g, 1, err) : rc;
}

static void
say_arrivals(struct upkeep *u, const struct arrivals_found *f)
{
    char day[DATE_TEXT_MAX] = "";
    pthread_mutex_lock(&u->lock);
    bool news = f->waiting != u->arrivals.waiting || f->by_hand != u->arrivals.by_hand;
    uint64_t before = u->arrivals.received;
    u->arrivals = *f;
    u->arrivals.received += before;
    pthread_mutex_unlock(&u->lock);
    if (f->received > 0)
        log_line(LOG_NOTICE, "members who moved here received: %llu", (unsigned long long)f->received);
    if (!news)
        return;
    if (!date_is_none(f->since))
        date_format(f->since, day);
    if (f->waiting > 0)
        log_line(
            LOG_NOTICE,
            "members who moved here whose data is not all here yet: %llu, of %s the longest; the desk can enter it: handovers",
            (unsigned long long)f->waiting, day);
    if (f->by_hand > 0)
        log_line(
            LOG_WARNING,
            "members who moved here whom the node cannot receive: %llu, of %s the longest; the desk must: handovers",
            (unsigned long long)f->by_hand, day);
}

static int
arrived(struct upkeep *u, struct err *err)
{
    struct datadir *d = u->config.dir;
    struct arrivals_found found;
    const struct arrivals a = {.db = d->db,
                               .vault = d->vault,
                               .identity = &d->identity,
                               .today = datadir_today(d),
                               .run = run_by_writer,
                               .stop = is_stopping,
                               .arg = u};
    int rc = arrivals_run(&a, &found, err);
    if (rc == 0)
        say_arrivals(u, &found);
    return rc;
}

static int
keep_access(struct upkeep *u, struct err *err)
{
    struct datadir *d = u->config.dir;
    struct access_upkept kept;
    struct access_upkeep access = {.db = d->db,
                                   .unit = d->identity.unit,
                                   .actor = counting_actor(&d->identity.unit),
                                   .today = datadir_today(d),
                                   .run = run_by_writer,
                                   .stop = is_stopping,
                                   .arg = u};
    int rc = access_upkeep_run(&access, &kept, err);
    if (kept.renewed > 0 || kept.ended > 0)
        log_line(LOG_NOTICE, "grants and passes: %llu got the keys of the next year, %llu ended with the membership",
                 (unsigned long long)kept.renewed, (unsigned long long)kept.ended);
    return rc;
}

static int
close_moved(struct upkeep *u, struct err *err)
{
    struct datadir *d = u->config.dir;
    uint64_t closed = 0, ended = 0;
    struct moved_work work = {.db = d->db,
                              .vault = d->vault,
                              .unit = d->identity.unit,
                              .actor = counting_actor(&d->identity.unit),
                              .today = datadir_today(d),
                              .random = random_fill,
                              .run = run_by_writer,
                              .stop = is_stopping,
                              .arg = u};
    int rc = moved_work_run(&work, &closed, err);
    if (closed > 0)
        log_line(LOG_NOTICE, "activities of members who moved to other units: %llu closed", (unsigned long long)closed);
    if (rc == 0)
        rc = left_postings_run(&work, &ended, err);
    if (ended > 0)
        log_line(LOG_NOTICE, "postings of members who left or moved: %llu ended", (unsigned long long)ended);
    return rc;
}

static int
open_taken(struct upkeep *u, bool all, struct err *err)
{
    struct datadir *d = u->config.dir;
    struct taken_found found;
    struct taken_work work = {.db = d->db,
                              .vault = d->vault,
                              .unit = d->identity.unit,
                              .actor = counting_actor(&d->identity.unit),
                              .today = datadir_today(d),
                              .all = all,
                              .random = random_fill,
                              .run = run_by_writer,
                              .stop = is_stopping,
                              .arg = u};
    int rc = taken_work_run(&work, &found, err);
    if (found.opened > 0)
        log_line(LOG_NOTICE, "activities that members took along to this unit: %llu opened",
                 (unsigned long long)found.opened);
    if (found.refused > 0)
        log_line(LOG_WARNING, "activities that members took along to this unit and that cannot be opened: %llu",
                 (unsigned long long)found.refused);
    return rc;
}

static int
turn(struct upkeep *u, struct err *err)
{
    struct datadir *d = u->config.dir;
    struct links_found found;
    uint64_t events;
    struct links_search search = {.db = d->db,
                                  .vault = d->vault,
                                  .unit = d->identity.unit,
                                  .mark = on_relinked,
                                  .stop = is_stopping,
                                  .progress = on_links,
                                  .arg = u};
    struct counting counting = {.db = d->db,
                                .vault = d->vault,
                                .identity = &d->identity,
                                .today = datadir_today(d),
                                .run = run_by_writer,
                                .stop = is_stopping,
                                .counted = on_counted,
                                .arg = u};
    int rc = guests(u, true, false, err);
    if (rc == 0)
        rc = arrived(u, err);
    if (rc == 0)
        rc = links_restore(&search, &found, err);
    if (rc == 0)
        rc = counting_run(&counting, 0, &events, err);
    if (rc == 0)
        rc = open_taken(u, false, err);
    if (rc == 0)
        rc = close_moved(u, err);
    return rc == 0 ? keep_access(u, err) : rc;
}

static void
complain(struct upkeep *u, struct err *err)
{
    struct log_about about = log_about_err(err);
    err_wrap(err, "upkeep; tried again in a minute");
    u->config.failed(u->config.arg, &about, err->text);
}

static void
after_ms(struct timespec *t, int64_t ms)
{
    clock_gettime(CLOCK_MONOTONIC, t);
    int64_t ns = t->tv_nsec + ms % 1000 * 1000000;
    t->tv_sec += ms / 1000 + ns / 1000000000;
    t->tv_nsec = ns % 1000000000;
}

static bool
earlier(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec < b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

/* Until the time, a stop, or (false) something that came in or is asked for. */
static bool
wait_until(struct upkeep *u, const struct timespec *until, bool *ret_record, bool *ret_open)
{
    struct timespec soon;
    pthread_mutex_lock(&u->lock);
    int rc = 0;
    while (!u->stopping && !u->woken && rc == 0)
        rc = pthread_cond_timedwait(&u->wake, &u->lock, until);
    bool due = !u->woken;
    if (u->woken && !u->stopping && !u->record && !u->open) {
        after_ms(&soon, COLLECT_MS);
        while (!u->stopping && pthread_cond_timedwait(&u->wake, &u->lock, &soon) == 0)
            continue;
    }
    *ret_record = u->record;
    *ret_open = u->open;
    u->woken = u->record = u->open = false;
    pthread_mutex_unlock(&u->lock);
    return due;
}

static void *
upkeep_main(void *arg)
{
    struct upkeep *u = arg;
    struct timespec until, note;
    struct err err;
    bool due = true, noting = false, all = false, open = false;
    while (!is_stopping(u)) {
        err = (struct err){0};
        int rc = noting ? note_known(u, &err) : due ? turn(u, &err) : guests(u, false, all, &err);
        /* Before anybody is received: what she takes along would stand beside it. */
        if (!due && rc == 0 && open)
            rc = open_taken(u, true, &err);
        if (!due && rc == 0)
            rc = arrived(u, &err);
        if (rc != 0 && !is_stopping(u))
            complain(u, &err);
        if (rc == 0 && due && !noting)
            u->config.well(u->config.arg);
        if ((due && !noting) || rc != 0)
            after_ms(&until, 1000 * (rc == 0 ? TURN_S : RETRY_S));
        after_ms(&note, NOTE_MS);
        noting = earlier(&note, &until);
        due = wait_until(u, noting ? &note : &until, &all, &open);
        noting = noting && due;
    }
    u->finishing = true;
    err = (struct err){0};
    if (last_records(u, &err) != 0)
        complain(u, &err);
    return NULL;
}

void
upkeep_wake(struct upkeep *u)
{
    pthread_mutex_lock(&u->lock);
    u->woken = true;
    pthread_cond_signal(&u->wake);
    pthread_mutex_unlock(&u->lock);
}

void
upkeep_arrivals(struct upkeep *u, struct arrivals_found *ret)
{
    pthread_mutex_lock(&u->lock);
    *ret = u->arrivals;
    pthread_mutex_unlock(&u->lock);
}

void
upkeep_record(struct upkeep *u)
{
    pthread_mutex_lock(&u->lock);
    u->woken = u->record = true;
    pthread_cond_signal(&u->wake);
    pthread_mutex_unlock(&u->lock);
}

void
upkeep_open_taken(struct upkeep *u)
{
    pthread_mutex_lock(&u->lock);
    u->woken = u->open = true;
    pthread_cond_signal(&u->wake);
    pthread_mutex_unlock(&u->lock);
}

int
upkeep_start(const struct upkeep_config *config, struct upkeep **ret, struct err *err)
{
    pthread_condattr_t clock;
    struct upkeep *u = calloc(1, sizeof(*u));
    if (!u)
        return err_set(err, ERR_NOMEM, "upkeep: out of memory");
    u->config = *config;
    u->arrivals.since = DATE_NONE;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_mutex_init(&u->lock, NULL);
    pthread_cond_init(&u->wake, &clock);
    pthread_condattr_destroy(&clock);
    if (pthread_create(&u->thread, NULL, upkeep_main, u) != 0) {
        pthread_cond_destroy(&u->wake);
        pthread_mutex_destroy(&u->lock);
        free(u);
        return err_set(err, ERR_UNAVAILABLE, "the upkeep's thread cannot start");
    }
    *ret = u;
    return 0;
}

void
upkeep_stop(struct upkeep **upkeep)
{
    struct upkeep *u = *upkeep;
    if (!u)
        return;
    pthread_mutex_lock(&u->lock);
    u->stopping = true;
    pthread_cond_broadcast(&u->wake);
    pthread_mutex_unlock(&u->lock);
    pthread_join(u->thread, NULL);
    pthread_cond_destroy(&u->wake);
    pthread_mutex_destroy(&u->lock);
    free(u);
    *upkeep = NULL;
}
