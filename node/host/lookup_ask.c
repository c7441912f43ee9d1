/* The asking side: each member that was taken in at the desk, to each unit that is there and has not answered; what the answer says. */
#include <sodium.h>
#include <stdlib.h>

#include "node/host/lookup_private.h"

enum { PAGE = 256 };

/* ---- questions under way ---- */

void
lookup_open_end(struct lookup *l, size_t i)
{
    struct lookup_open *o = &l->open[i];
    struct lookup_unit *u = lookup_unit(l, &o->unit);
    if (u && u->open > 0)
        u->open--;
    buf_free(&o->input);
    sodium_memzero(o, sizeof(*o));
    l->n_open--;
    if (i < l->n_open) {
        *o = l->open[l->n_open];
        sodium_memzero(&l->open[l->n_open], sizeof(*o));
    }
    l->dirty = true;
}

static size_t
find_number(const struct lookup *l, uint64_t number)
{
    size_t i = 0;
    while (i < l->n_open && l->open[i].number != number)
        i++;
    return i;
}

static void
pause_unit(struct lookup *l, const struct unit_id *unit, int64_t for_ms)
{
    struct lookup_unit *u = lookup_unit(l, unit);
    if (!u)
        return;
    u->not_before_ms = l->config.now_mono(l->config.arg).ms + for_ms;
    u->askable = false;
}

void
lookup_unanswered(struct lookup *l, uint64_t number)
{
    size_t i = find_number(l, number);
    if (i == l->n_open)
        return;
    lookup_count(l, &l->stats.unanswered);
    pause_unit(l, &l->open[i].unit, LOOKUP_RETRY_MS);
    lookup_open_end(l, i);
}

void
lookup_deadlines(struct lookup *l)
{
    int64_t now = l->config.now_mono(l->config.arg).ms;
    for (size_t i = l->n_open; i > 0; i--)
        if (now >= l->open[i - 1].deadline_ms)
            lookup_unanswered(l, l->open[i - 1].number);
}

/* ---- answers ---- */

static int
read_answer(const struct lookup_open *o, const struct sync_effect *e, struct lookup_result *ret, struct err *err)
{
    struct oprf_output output;
    int rc = oprf_finalize(buf_slice(&o->input), &o->blind, &e->admission_answered.evaluated, &output, err);
    if (rc == 0)
        ret->outcome =
            lookup_find(e->admission_answered.entries, &output, &o->blinded, &ret->other) ? LOOKUP_HIT : LOOKUP_NONE;
    sodium_memzero(&output, sizeof(output));
    return rc;
}

static void
tell_hit(struct lookup *l, const struct unit_id *unit)
{
    const struct lookup_unit *u = lookup_unit(l, unit);
    struct log_about about = {.code = "double",
                              .peer = u && u->code[0] ? u->code : NULL,
                              .next = "the desk compares the two and settles it: smartnode member duplicates"};
    lookup_count(l, &l->stats.hits);
    log_write(LOG_NOTICE, &about, "somebody admitted here is a member of another unit already");
}

void
lookup_answered(struct lookup *l, const struct sync_effect *e)
{
    size_t i = find_number(l, e->admission_answered.number);
    struct err err = {0};
    if (i == l->n_open || !TYPE_EQ(&l->open[i].unit, &e->admission_answered.unit))
        return;
    struct lookup_result r = {
        .subject = l->open[i].subject, .unit = l->open[i].unit, .at = l->config.now_wall(l->config.arg)};
    struct lookup_record record = {.at = r.at, .unit = r.unit, .direction = LOOKUP_OURS};
    bool answered = e->admission_answered.status == ADMISSION_ANSWERED;
    int rc = answered ? read_answer(&l->open[i], e, &r, &err) : 0;
    record.outcome = answered                                               ? r.outcome
                     : e->admission_answered.status == ADMISSION_RATE_LIMIT ? LOOKUP_LIMIT
                                                                            : LOOKUP_UNAVAILABLE;
    if (rc == 0)
        rc = lookup_store(l->config.vault, answered ? &r : NULL, &record, &err);
    if (rc != 0)
        lookup_alarm(l, &err, "the answer of another unit cannot be kept; it is asked again");
    if (rc != 0 || !answered)
        pause_unit(l, &r.unit, LOOKUP_REFUSED_MS);
    lookup_count(l, rc == 0 && answered ? &l->stats.asked : &l->stats.refused);
    if (rc == 0 && answered && r.outcome == LOOKUP_HIT)
        tell_hit(l, &r.unit);
    lookup_open_end(l, i);
}

/* ---- asking ---- */

static bool
under_way(const struct lookup *l, const struct subject_id *subject, const struct unit_id *unit)
{
    for (size_t i = 0; i < l->n_open; i++)
        if (TYPE_EQ(&l->open[i].subject, subject) && TYPE_EQ(&l->open[i].unit, unit))
            return true;
    return false;
}

/* An application and the admission that follows it are one question. */
static int
is_answered(struct lookup *l, const struct lookup_question *q, const struct unit_id *unit, bool *ret, struct err *err)
{
    struct lookup_result r;
    struct err none;
    int rc = lookup_result_get(l->config.vault, &q->subject, unit, &r, &none);
    *ret = rc == 0 && r.at.ms >= q->since.ms - LOOKUP_ASKED_MS;
    if (rc != 0 && rc != ERR_NOTFOUND)
        *err = none;
    return rc == ERR_NOTFOUND ? 0 : rc;
}

static int
send_question(struct lookup *l, const struct lookup_question *q, struct lookup_unit *u, struct slice input,
              struct err *err)
{
    struct lookup_open *o = &l->open[l->n_open];
    uint8_t random[OPRF_RANDOM_BYTES];
    *o = (struct lookup_open){.number = ++l->number,
                              .subject = q->subject,
                              .unit = u->unit,
                              .deadline_ms = l->config.now_mono(l->config.arg).ms + LOOKUP_ANSWER_MS};
    buf_init(&o->input, LOOKUP_INPUT_MAX);
    buf_put(&o->input, input.data, input.len);
    l->config.random(l->config.arg, random, sizeof(random));
    int rc = buf_check(&o->input, "question", err);
    if (rc == 0)
        rc = oprf_blind_from(random, &o->blind, err);
    if (rc == 0)
        rc = oprf_blind(input, &o->blind, &o->blinded, err);
    sodium_memzero(random, sizeof(random));
    if (rc != 0) {
        buf_free(&o->input);
        sodium_memzero(o, sizeof(*o));
        return rc;
    }
    struct sync_event ev = {
        .type = SYNC_ADMISSION_ASK,
        .admission_ask = {.unit = u->unit, .number = o->number, .bucket = lookup_bucket(input), .blinded = o->blinded}};
    l->n_open++;
    u->open++;
    l->config.send(l->config.arg, &ev);
    return 0;
}

/* One member, every unit that can be asked now. */
static int
ask_about(struct lookup *l, struct db_txn *txn, const struct lookup_question *q, struct buf *input, struct err *err)
{
    int rc = 0;
    buf_clear(input);
    for (size_t i = 0; i < l->n_units && rc == 0 && l->n_open < LOOKUP_OPEN_MAX; i++) {
        struct lookup_unit *u = &l->units[i];
        bool answered = true;
        if (!u->askable || u->open >= LOOKUP_OPEN_PEER_MAX || under_way(l, &q->subject, &u->unit))
            continue;
        rc = is_answered(l, q, &u->unit, &answered, err);
        if (rc != 0 || answered)
            continue;
        if (input->len == 0) {
            rc = lookup_person_input(l, txn, &q->subject, input, err);
            if (rc == ERR_NOTFOUND) /* left, erased, without a birth date: nothing to ask */
                return 0;
        }
        if (rc == 0)
            rc = send_question(l, q, u, buf_slice(input), err);
    }
    return rc;
}

static int
ask_all(struct lookup *l, struct err *err)
{
    struct lookup_question page[PAGE], last;
    struct db_txn *txn = NULL;
    struct buf input;
    size_t n = PAGE;
    bool started = false;
    buf_init(&input, LOOKUP_INPUT_MAX);
    int rc = db_begin_read(l->config.db, &txn, err);
    while (rc == 0 && n == PAGE && l->n_open < LOOKUP_OPEN_MAX) {
        rc = lookup_questions(txn, started ? &last : NULL, page, PAGE, &n, err);
        for (size_t i = 0; i < n && rc == 0; i++)
            rc = ask_about(l, txn, &page[i], &input, err);
        started = true;
        if (n > 0)
            last = page[n - 1];
    }
    db_abort(&txn);
    buf_free(&input);
    return rc;
}

void
lookup_ask(struct lookup *l)
{
    struct err err;
    bool any = false;
    for (size_t i = 0; i < l->n_units && !any; i++)
        any = l->units[i].askable;
    if (!l->dirty || !any || !lookup_state_whole(l))
        return;
    l->dirty = ask_all(l, &err) != 0;
    if (l->dirty)
        lookup_alarm(l, &err, "other units cannot be asked about whom was admitted");
}

/* Hits of those who left or were erased: nothing is to be settled any more. */
void
lookup_drop_gone(struct lookup *l)
{
    struct lookup_result hits[PAGE];
    struct subject_id gone[PAGE];
    uint8_t after[LOOKUP_RESULT_KEY_BYTES];
    struct db_txn *txn = NULL;
    struct err err;
    size_t n = PAGE;
    bool started = false;
    int rc = lookup_state_whole(l) ? db_begin_read(l->config.db, &txn, &err) : 0;
    while (txn && rc == 0 && n == PAGE) {
        size_t n_gone = 0;
        rc = lookup_hits(l->config.vault, started ? after : NULL, hits, PAGE, &n, &err);
        for (size_t i = 0; i < n && rc == 0; i++) {
            struct lookup_person p;
            int found = lookup_person(l, txn, &hits[i].subject, &p, &err);
            if (found == ERR_NOTFOUND)
                gone[n_gone++] = hits[i].subject;
            else
                rc = found;
        }
        if (rc == 0 && n > 0) {
            memcpy(after, hits[n - 1].subject.b, ID_BYTES);
            memcpy(after + ID_BYTES, hits[n - 1].unit.b, HASH_BYTES);
            started = true;
            rc = lookup_forget(l->config.vault, gone, n_gone, &err);
        }
    }
    db_abort(&txn);
    if (rc != 0)
        lookup_alarm(l, &err, "hits of double admission that are over");
}
