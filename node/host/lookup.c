/* The look-up's thread and queue, and whom a question can be about. See lookup.h. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "node/apply/apply.h"
#include "node/command/person_open.h"
#include "node/host/lookup_private.h"
#include "node/host/person_read.h"

enum { TURN_MS = 1000, EXPIRE_ROWS = 256, DAY_MS = 86400000 };

static const char KEY_INFO[] = "smartnode double admission";

void
lookup_alarm(struct lookup *l, const struct err *err, const char *what)
{
    char text[ERR_TEXT_MAX + 96];
    struct log_about about = log_about_err(err);
    snprintf(text, sizeof(text), "%s: %s", what, err->text);
    l->config.alarm(l->config.arg, &about, text);
}

struct lookup_unit *
lookup_unit(struct lookup *l, const struct unit_id *unit)
{
    for (size_t i = 0; i < l->n_units; i++)
        if (TYPE_EQ(&l->units[i].unit, unit))
            return &l->units[i];
    if (l->n_units == ARRAY_LEN(l->units))
        return NULL;
    struct lookup_unit *u = &l->units[l->n_units++];
    *u = (struct lookup_unit){.unit = *unit, .recorded_ms = INT64_MIN};
    return u;
}

void
lookup_count(struct lookup *l, uint64_t *counter)
{
    pthread_mutex_lock(&l->lock);
    (*counter)++;
    pthread_mutex_unlock(&l->lock);
}

bool
lookup_state_whole(struct lookup *l)
{
    bool needed = true;
    return apply_rebuild_needed(l->config.db, &needed, NULL) == 0 && !needed;
}

/* ---- persons ---- */

static int
member_today(struct lookup *l, struct db_txn *txn, const struct subject_id *subject, struct member_row *row,
             struct member_state *ret, struct err *err)
{
    int rc = member_read(txn, &l->config.unit, subject, row, err);
    if (rc != 0)
        return rc;
    member_state_at(row, l->config.today(l->config.arg), ret);
    if (ret->status == STATUS_MEMBER || ret->status == STATUS_APPLIED)
        return 0;
    member_row_release(row);
    return err_set(err, ERR_NOTFOUND, "not a member or applicant");
}

int
lookup_person(struct lookup *l, struct db_txn *txn, const struct subject_id *subject, struct lookup_person *ret,
              struct err *err)
{
    struct member_row row;
    struct member_state s;
    *ret = (struct lookup_person){0};
    int rc = member_today(l, txn, subject, &row, &s, err);
    if (rc != 0)
        return rc;
    ret->member = true;
    ret->person_type = s.person_type;
    if (!member_capsule_position(&row, CLASS_IDENTITY, &ret->at))
        rc = err_set(err, ERR_NOTFOUND, "no identity");
    member_row_release(&row);
    return rc;
}

int
lookup_person_input(struct lookup *l, struct db_txn *txn, const struct subject_id *subject, struct buf *out,
                    struct err *err)
{
    struct member_row row;
    struct member_state s;
    struct person_input p;
    int rc = member_today(l, txn, subject, &row, &s, err);
    if (rc != 0)
        return rc;
    rc = person_open(txn, l->config.vault, &row, 1U << CLASS_IDENTITY, &p, err);
    member_row_release(&row);
    if (rc == ERR_CORRUPT || rc == ERR_INVALID || rc == ERR_FORGED) /* others can be asked and found all the same */
        rc = err_set(err, ERR_NOTFOUND, "the identity does not open");
    if (rc != 0)
        return rc;
    rc =
        p.has_identity ? lookup_input(&p.identity, s.person_type, out, err) : err_set(err, ERR_NOTFOUND, "no identity");
    person_wipe(&p, sizeof(p));
    return rc;
}

/* ---- what is taken ---- */

void
lookup_take(struct lookup *l, const struct sync_effect *e)
{
    struct slice entries = e->type == SYNC_ADMISSION_ANSWERED ? e->admission_answered.entries : slice_of(NULL, 0);
    struct lookup_taken *t = malloc(sizeof(*t) + entries.len);
    struct err err;
    bool full = true;
    if (t) {
        t->next = NULL;
        t->e = *e;
        if (entries.len > 0)
            memcpy(t->bytes, entries.data, entries.len);
        if (e->type == SYNC_ADMISSION_ANSWERED)
            t->e.admission_answered.entries = slice_of(t->bytes, entries.len);
        pthread_mutex_lock(&l->lock);
        full = l->n_taken == LOOKUP_TAKEN_MAX;
        if (!full) {
            *l->taken_end = t;
            l->taken_end = &t->next;
            l->n_taken++;
            pthread_cond_signal(&l->wake);
        }
        pthread_mutex_unlock(&l->lock);
    }
    if (!full)
        return;
    free(t);
    (void)err_set(&err, ERR_NOMEM, "no memory for a question");
    lookup_alarm(l, &err, "double admission");
}

void
lookup_wake(struct lookup *l)
{
    pthread_mutex_lock(&l->lock);
    l->woken = true;
    pthread_cond_signal(&l->wake);
    pthread_mutex_unlock(&l->lock);
}

static struct lookup_taken *
next_taken(struct lookup *l)
{
    pthread_mutex_lock(&l->lock);
    struct lookup_taken *t = l->stopping ? NULL : l->taken;
    if (t) {
        l->taken = t->next;
        l->n_taken--;
        if (!l->taken)
            l->taken_end = &l->taken;
    }
    pthread_mutex_unlock(&l->lock);
    return t;
}

/* ---- a turn ---- */

/* Who is there; one that has just come, or whose pause is over, may be asked what it was not asked yet. */
static void
look_at_peers(struct lookup *l)
{
    int64_t now = l->config.now_mono(l->config.arg).ms;
    size_t n = l->config.peers(l->config.arg, l->peers, API_PEERS_MAX);
    for (size_t i = 0; i < l->n_units; i++)
        l->units[i].there = false;
    for (size_t i = 0; i < n; i++) {
        struct lookup_unit *u = lookup_unit(l, &l->peers[i].unit);
        if (!u)
            continue;
        memcpy(u->code, l->peers[i].code, sizeof(u->code));
        u->there = l->peers[i].state == PEER_CURRENT || l->peers[i].state == PEER_CATCHING_UP;
    }
    for (size_t i = 0; i < l->n_units; i++) {
        struct lookup_unit *u = &l->units[i];
        bool askable = u->there && now >= u->not_before_ms;
        l->dirty |= askable && !u->askable;
        u->askable = askable;
    }
}

static void
housekeeping(struct lookup *l)
{
    int64_t now = l->config.now_mono(l->config.arg).ms, wall = l->config.now_wall(l->config.arg).ms;
    struct err err;
    size_t n = EXPIRE_ROWS;
    int rc = 0;
    if (l->housekeeping_ms != 0 && now - l->housekeeping_ms < LOOKUP_HOUSEKEEPING_MS)
        return;
    l->housekeeping_ms = now;
    struct wall_ms records = {wall - (int64_t)LOOKUP_RECORDS_KEPT_DAYS * DAY_MS},
                   results = {wall - (int64_t)LOOKUP_RESULTS_KEPT_DAYS * DAY_MS};
    while (rc == 0 && n > 0)
        rc = lookup_expire(l->config.vault, records, results, EXPIRE_ROWS, &n, &err);
    if (rc != 0)
        lookup_alarm(l, &err, "old questions of double admission");
    lookup_drop_gone(l);
}

void
lookup_turn(struct lookup *l)
{
    struct lookup_taken *t;
    pthread_mutex_lock(&l->lock);
    l->dirty |= l->woken;
    l->woken = false;
    pthread_mutex_unlock(&l->lock);
    look_at_peers(l);
    while ((t = next_taken(l)) != NULL) {
        switch (t->e.type) {
        case SYNC_ADMISSION_ASKED: lookup_answer(l, &t->e); break;
        case SYNC_ADMISSION_ANSWERED: lookup_answered(l, &t->e); break;
        case SYNC_ADMISSION_UNANSWERED: lookup_unanswered(l, t->e.admission_unanswered.number); break;
        default: break;
        }
        free(t);
    }
    lookup_deadlines(l);
    look_at_peers(l);
    lookup_ask(l);
    housekeeping(l);
}

static void *
lookup_main(void *arg)
{
    struct lookup *l = arg;
    bool over = false;
    while (!over) {
        struct timespec until;
        lookup_turn(l);
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += TURN_MS / 1000;
        pthread_mutex_lock(&l->lock);
        if (!l->stopping && !l->taken && !l->woken)
            (void)pthread_cond_timedwait(&l->wake, &l->lock, &until);
        over = l->stopping;
        pthread_mutex_unlock(&l->lock);
    }
    return NULL;
}

/* ---- start and stop ---- */

static int
make_key(struct lookup *l, struct err *err)
{
    uint8_t seed[32];
    l->key = sodium_malloc(sizeof(*l->key));
    if (!l->key)
        return err_set(err, ERR_NOMEM, "double admission: no locked memory");
    vault_oprf_seed(l->config.vault, seed);
    int rc = oprf_derive_key(seed, slice_of(KEY_INFO, sizeof(KEY_INFO) - 1), l->key, err);
    sodium_memzero(seed, sizeof(seed));
    return rc;
}

int
lookup_new(const struct lookup_config *config, struct lookup **ret, struct err *err)
{
    struct lookup *l = calloc(1, sizeof(*l));
    pthread_condattr_t clock;
    if (!l)
        return err_set(err, ERR_NOMEM, "double admission: out of memory");
    l->config = *config;
    l->dirty = true;
    l->taken_end = &l->taken;
    pthread_mutex_init(&l->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&l->wake, &clock);
    pthread_condattr_destroy(&clock);
    l->peers = calloc(API_PEERS_MAX, sizeof(*l->peers));
    int rc = l->peers ? make_key(l, err) : err_set(err, ERR_NOMEM, "double admission: out of memory");
    if (rc != 0)
        lookup_free(&l);
    else
        *ret = l;
    return rc;
}

int
lookup_start(struct lookup *l, struct err *err)
{
    if (pthread_create(&l->thread, NULL, lookup_main, l) != 0)
        return err_set(err, ERR_UNAVAILABLE, "the thread of double admission cannot start");
    l->running = true;
    return 0;
}

void
lookup_stop(struct lookup *l)
{
    if (!l || !l->running)
        return;
    pthread_mutex_lock(&l->lock);
    l->stopping = true;
    pthread_cond_signal(&l->wake);
    pthread_mutex_unlock(&l->lock);
    pthread_join(l->thread, NULL);
    l->running = false;
}

void
lookup_free(struct lookup **lookup)
{
    struct lookup *l = *lookup;
    if (!l)
        return;
    lookup_stop(l);
    while (l->n_open > 0)
        lookup_open_end(l, 0);
    while (l->taken) {
        struct lookup_taken *t = l->taken;
        l->taken = t->next;
        free(t);
    }
    pthread_cond_destroy(&l->wake);
    pthread_mutex_destroy(&l->lock);
    sodium_free(l->key);
    free(l->peers);
    free(l);
    *lookup = NULL;
}

void
lookup_stats(struct lookup *l, struct lookup_stats *ret)
{
    struct db_txn *txn = NULL;
    pthread_mutex_lock(&l->lock);
    *ret = l->stats;
    pthread_mutex_unlock(&l->lock);
    if (db_begin_read(l->config.db, &txn, NULL) == 0)
        ret->open = db_table_entries(txn, TABLE_LOOKUP_QUESTIONS);
    db_abort(&txn);
}
