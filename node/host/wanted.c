/* See wanted.h. */
#include "node/host/wanted.h"

#include <stdlib.h>

#include "node/command/handover.h"
#include "storage/erasures.h"

enum {
    WANTED_STEP =
        8 * HEADER_CAPSULES_MAX, /* room for what one event may bring in; a member has few capsules in force */
    ANY_INDEX = 255,             /* the capsule of class 4 of an event that is not held yet */
};

int
wanted_init(struct wanted *w, struct vault *vault, const struct unit_id *own, struct err *err)
{
    *w = (struct wanted){.vault = vault, .own = *own, .day = DATE_NONE};
    w->list = calloc(WANTED_MAX, sizeof(*w->list));
    return w->list ? 0 : err_set(err, ERR_NOMEM, "capsules: out of memory");
}

void
wanted_release(struct wanted *w)
{
    free(w->logs);
    free(w->list);
    *w = (struct wanted){0};
}

/* ---- the list ---- */

static struct wanted_one *
find(struct wanted *w, const struct position *at, uint8_t index)
{
    for (size_t i = 0; i < w->n; i++)
        if (w->list[i].index == index && w->list[i].at.seq == at->seq && TYPE_EQ(&w->list[i].at.log, &at->log))
            return &w->list[i];
    return NULL;
}

static void
drop(struct wanted *w, struct wanted_one *one)
{
    w->n_asked -= one->state == WANTED_ASKED;
    *one = w->list[--w->n];
}

/* One that was refused before comes back with the next day's walk. */
static void
make_room(struct wanted *w)
{
    for (size_t i = 0; w->n + WANTED_STEP > WANTED_MAX && i < w->n;) {
        if (w->list[i].state == WANTED_MISSING)
            drop(w, &w->list[i]);
        else
            i++;
    }
}

static void
retry_no_later(struct wanted *w, int64_t at_ms)
{
    if (w->retry_at_ms == 0 || w->retry_at_ms > at_ms)
        w->retry_at_ms = at_ms;
}

static void
retry_later(struct wanted *w, struct wanted_one *one, int64_t now_ms)
{
    int64_t in_ms = (int64_t)WANTED_RETRY_MS << one->tries;
    one->at_ms = now_ms + (in_ms < WANTED_RETRY_MS_MAX ? in_ms : WANTED_RETRY_MS_MAX);
    one->tries += one->tries < WANTED_TRIES_COUNTED;
    retry_no_later(w, one->at_ms);
}

static void
add(struct wanted *w, const struct unit_id *unit, const struct position *at, uint8_t index, const struct hash *hash)
{
    if (find(w, at, index) == NULL && w->n < WANTED_MAX)
        w->list[w->n++] =
            (struct wanted_one){.at = *at, .unit = *unit, .hash = *hash, .index = index, .state = WANTED_NEW};
}

/* ---- what is to be had ---- */

struct look {
    struct wanted *w;
    const struct wanted_turn *t;
    struct db_txn *txn;
    struct entitled_by by;
    int left;
};

static int
is_held(const struct look *l, const struct log_row *log, const struct event_header *h, uint8_t index, bool *ret,
        struct err *err)
{
    struct slice bytes;
    struct buf out;
    struct position place = {.log = log->id, .seq = h->seq};
    int rc = tombstone_find(l->txn, &place, index, ret, NULL, err); /* nobody has it any more */
    if (rc != 0 || *ret)
        return rc;
    if (h->capsules[index].class != CLASS_KEY) {
        rc = capsules_get(l->txn, log->no, h->seq, index, &bytes, err);
    } else {
        buf_init(&out, CAPSULE_BYTES_MAX);
        rc = vault_capsule_get(l->w->vault, &place, index, &out, err);
        buf_free(&out);
    }
    *ret = rc == 0;
    return rc == ERR_NOTFOUND ? 0 : rc;
}

/* Asks for those of an event's capsules that we may have and do not hold; classes: bits 1 << class. A row leads to events of other logs than those of
 * its unit: what the keeper asks for by itself, and our own, is left to it, for of two who ask the core for one capsule one gets the answer. */
static int
consider(struct look *l, const struct log_row *log, const struct event_header *h, struct slice payload,
         unsigned classes, struct err *err)
{
    struct position at = {.log = log->id, .seq = h->seq};
    int rc = 0;
    if (TYPE_EQ(&log->unit, &l->w->own) || l->t->skip(l->t->arg, &log->unit))
        return 0;
    for (uint8_t i = 0; i < h->n_capsules && rc == 0; i++) {
        struct entitled_to what = {.log = log, .header = h, .payload = payload, .index = i};
        bool held = true, may = false;
        if (h->capsules[i].class > CLASS_KEY || (classes & 1U << h->capsules[i].class) == 0)
            continue;
        rc = is_held(l, log, h, i, &held, err);
        if (rc == 0 && !held)
            rc = entitled(&l->by, &l->w->own, false, &what, &may, err);
        if (rc == 0 && may)
            add(l->w, &log->unit, &at, i, &h->capsules[i].hash);
    }
    return rc;
}

static int
consider_at(struct look *l, const struct position *at, unsigned classes, struct err *err)
{
    struct log_row log;
    struct stored_event ev;
    struct event_header h;
    int rc = evlog_find(l->txn, &at->log, &log, err);
    if (rc == 0)
        rc = evlog_event(l->txn, log.no, at->seq, &ev, err);
    if (rc == 0)
        rc = event_header_decode(ev.header, &h, err);
    if (rc == 0)
        rc = consider(l, &log, &h, ev.payload, classes, err);
    return rc == ERR_NOTFOUND ? 0 : rc;
}

enum { PERSON_CLASSES = 1 << CLASS_IDENTITY | 1 << CLASS_CONTACT | 1 << CLASS_BANK };

/* What is in force of a member to whom a right was given; moving: all that stands in the row, too. What is in force may be the capsule of an event that
 * a correction without one took the place of. */
static int
consider_member(struct look *l, const struct subject_id *member, const struct unit_id *unit, bool moving,
                struct err *err)
{
    struct member_row row;
    struct position at;
    int rc = entitled_member(l->txn, member, unit, &row, err);
    if (rc != 0)
        return rc == ERR_NOTFOUND ? 0 : rc;
    for (size_t i = 0; moving && i < row.n && rc == 0; i++) {
        const struct member_entry *e = &row.entries[i];
        bool sealed = e->kind == KIND_HANDOVER_OFFERED || e->kind == KIND_HANDOVER_COMPLETED;
        if (e->outcome == OUTCOME_APPLIED && (sealed || e->capsule_mask != 0))
            rc = consider_at(l, &e->at, PERSON_CLASSES | 1U << CLASS_KEY | 1U << CLASS_DOSSIER, err);
    }
    for (uint8_t class = CLASS_IDENTITY; class <= CLASS_BANK && rc == 0; class ++)
        if (member_capsule_position(&row, class, &at))
            rc = consider_at(l, &at, 1U << class, err);
    member_row_release(&row);
    return rc;
}

static int
consider_access(struct look *l, const struct unit_id *unit, const struct subject_id *access, struct err *err)
{
    struct access_row row;
    struct access_state s;
    int rc = entitled_access(l->txn, unit, access, &row, err);
    if (rc != 0)
        return rc == ERR_NOTFOUND ? 0 : rc;
    access_state_of(&row, &s);
    access_row_release(&row);
    if (!s.exists || !access_stands(&s, l->t->today) || !(s.is_pass || TYPE_EQ(&s.facts.host, &l->w->own)))
        return 0;
    return consider_member(l, &s.facts.member, unit, false, err);
}

static int
look_at_event(struct look *l, const struct log_row *log, const struct stored_event *ev, const struct event_header *h,
              struct err *err)
{
    struct event_payload p;
    const struct unit_id *unit = &log->unit;
    if (h->n_capsules == 0)
        return 0;
    switch (h->kind) {
    case KIND_ACCESS_GRANTED:
    case KIND_PASS_ISSUED:
    case KIND_ACCESS_RENEWED:
    case KIND_HANDOVER_OFFERED:
    case KIND_HANDOVER_COMPLETED:
    case KIND_GUEST_RECORDED: break;
    default: return consider(l, log, h, ev->payload, PERSON_CLASSES, err);
    }
    int rc = consider(l, log, h, ev->payload, 1U << CLASS_KEY | 1U << CLASS_DOSSIER | 1U << CLASS_GUEST, err);
    if (rc != 0 || h->kind == KIND_GUEST_RECORDED ||
        event_payload_decode(h->kind, h->kind_version, ev->payload, &p, NULL) != 0)
        return rc;
    if (p.common.has_subject_unit)
        unit = &p.common.subject_unit;
    if (h->kind != KIND_HANDOVER_OFFERED && h->kind != KIND_HANDOVER_COMPLETED)
        return consider_access(l, unit, &p.common.subject, err);
    return TYPE_EQ(&p.handover.other, &l->w->own) ? consider_member(l, &p.common.subject, unit, true, err) : 0;
}

static bool
has_room(const struct look *l)
{
    return l->left > 0 && l->w->n + WANTED_STEP <= WANTED_MAX;
}

static int
look_at_log(struct look *l, struct wanted_log *log, struct err *err)
{
    struct log_row row;
    struct evlog_iter it;
    struct stored_event ev;
    struct event_header h;
    int rc = evlog_get(l->txn, log->no, &row, err);
    if (rc != 0 || log->looked >= row.applied_seq || l->t->skip(l->t->arg, &row.unit))
        return rc;
    rc = evlog_iter_init(&it, l->txn, log->no, log->looked + 1, err);
    while (rc == 0 && has_room(l) && log->looked < row.applied_seq) {
        rc = evlog_iter_next(&it, &ev, err);
        if (rc == 0)
            rc = event_header_decode(ev.header, &h, err);
        if (rc == 0)
            rc = look_at_event(l, &row, &ev, &h, err);
        if (rc == 0)
            log->looked = h.seq;
        l->left--;
    }
    evlog_iter_release(&it);
    return rc == ERR_NOTFOUND ? 0 : rc;
}

static int
find_logs(struct look *l, struct err *err)
{
    struct wanted *w = l->w;
    struct log_row row;
    uint32_t n = 0;
    int rc = evlog_count(l->txn, &n, err);
    for (uint32_t no = w->n_known + 1; no <= n && rc == 0; no++) {
        rc = evlog_get(l->txn, no, &row, err);
        if (rc == 0 && !TYPE_EQ(&row.unit, &w->own)) {
            if (w->n_logs == w->cap_logs) {
                size_t cap = w->cap_logs ? 2 * w->cap_logs : 16;
                struct wanted_log *more = realloc(w->logs, cap * sizeof(*more));
                if (!more)
                    return err_set(err, ERR_NOMEM, "capsules: out of memory");
                w->logs = more;
                w->cap_logs = cap;
            }
            w->logs[w->n_logs++] = (struct wanted_log){.no = no};
        }
        if (rc == 0)
            w->n_known = no;
    }
    return rc;
}

/* ---- rights as they stand ---- */

enum { HANDOVERS_PAGE = 16 };

static int
rights_of_access(struct look *l, const struct access_row *row, struct err *err)
{
    struct access_state s;
    access_state_of(row, &s);
    if (!s.exists || !access_stands(&s, l->t->today) || !(s.is_pass || TYPE_EQ(&s.facts.host, &l->w->own)))
        return 0;
    size_t n = access_keys_of(row, NULL, 0);
    struct access_keys *keys = calloc(n + 1, sizeof(*keys));
    if (!keys)
        return err_set(err, ERR_NOMEM, "capsules: out of memory");
    (void)access_keys_of(row, keys, n);
    int rc = 0;
    /* What finds no room comes with a later look, when these are here. */
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = consider_at(l, &keys[i].at, 1U << CLASS_KEY, err);
    free(keys);
    return rc == 0 ? consider_member(l, &s.facts.member, &row->unit, false, err) : rc;
}

static int
look_at_accesses(struct look *l, bool *ret_done, struct err *err)
{
    struct wanted *w = l->w;
    struct db_cursor *c = NULL;
    struct slice key, value;
    int rc = db_cursor_open(l->txn, TABLE_ACCESS, &c, err);
    if (rc == 0)
        rc = db_cursor_seek(c, slice_of(w->rights_after, KEY_ACCESS), &key, &value, err);
    if (rc == 0 && w->rights_begun && memcmp(key.data, w->rights_after, KEY_ACCESS) == 0)
        rc = db_cursor_next(c, &key, &value, err);
    for (int left = WANTED_RIGHTS_PER_TURN; rc == 0 && left > 0 && has_room(l); left--) {
        struct access_row row;
        struct unit_id unit;
        struct subject_id access;
        memcpy(unit.b, key.data, sizeof(unit.b));
        memcpy(access.b, key.data + sizeof(unit.b), sizeof(access.b));
        memcpy(w->rights_after, key.data, KEY_ACCESS);
        w->rights_begun = true;
        if (!TYPE_EQ(&unit, &w->own) && !l->t->skip(l->t->arg, &unit)) {
            rc = access_row_decode(value, &unit, &access, &row, err);
            if (rc != 0)
                break;
            rc = rights_of_access(l, &row, err);
            access_row_release(&row);
        }
        if (rc == 0)
            rc = db_cursor_next(c, &key, &value, err);
    }
    db_cursor_close(&c);
    *ret_done = rc == ERR_NOTFOUND;
    return rc == ERR_NOTFOUND ? 0 : rc;
}

static int
look_at_handovers(struct look *l, bool *ret_done, struct err *err)
{
    struct wanted *w = l->w;
    struct handover_view page[HANDOVERS_PAGE];
    const struct command_ctx ctx = {.txn = l->txn, .vault = w->vault, .unit = w->own, .today = l->t->today};
    size_t n = 0, i = 0;
    int rc = handovers_open(&ctx, w->rights_begun ? w->rights_after : NULL, page, HANDOVERS_PAGE, &n, err);
    for (; i < n && rc == 0 && has_room(l); i++) {
        memcpy(w->rights_after, page[i].key, KEY_HANDOVER);
        w->rights_begun = true;
        if (!TYPE_EQ(&page[i].from, &w->own) && !l->t->skip(l->t->arg, &page[i].from))
            rc = consider_member(l, &page[i].member, &page[i].from, true, err);
    }
    *ret_done = rc == 0 && i == n && n < HANDOVERS_PAGE;
    return rc;
}

/* One stretch of the look that runs, or that is due. */
static int
look_at_rights(struct look *l, struct err *err)
{
    struct wanted *w = l->w;
    bool done = false;
    if (w->rights == RIGHTS_IDLE && l->t->now_ms >= w->rights_at_ms) {
        w->rights = RIGHTS_ACCESSES;
        w->rights_begun = false;
        memset(w->rights_after, 0, sizeof(w->rights_after));
        w->rights_at_ms = l->t->now_ms + WANTED_RIGHTS_MS;
    }
    if (w->rights == RIGHTS_IDLE || !has_room(l))
        return 0;
    int rc = w->rights == RIGHTS_ACCESSES ? look_at_accesses(l, &done, err) : look_at_handovers(l, &done, err);
    if (rc != 0 || !done)
        return rc;
    w->rights = w->rights == RIGHTS_ACCESSES ? RIGHTS_HANDOVERS : RIGHTS_IDLE;
    w->rights_begun = false;
    return 0;
}

/* ---- asking ---- */

/* What a host says it did for a member of ours: the event may have come meanwhile. True if the entry stays. */
static bool
complete_work(struct look *l, struct wanted_one *one)
{
    struct log_row log;
    struct stored_event ev;
    struct event_header h;
    bool held = false;
    if (one->index != ANY_INDEX)
        return true;
    if (evlog_find(l->txn, &one->at.log, &log, NULL) != 0 || evlog_event(l->txn, log.no, one->at.seq, &ev, NULL) != 0 ||
        event_header_decode(ev.header, &h, NULL) != 0) {
        one->state = WANTED_MISSING;
        return true;
    }
    for (uint8_t i = 0; i < h.n_capsules; i++) {
        if (h.capsules[i].class != CLASS_ACTIVITY || is_held(l, &log, &h, i, &held, NULL) != 0 || held)
            continue;
        one->index = i;
        one->unit = log.unit;
        one->hash = h.capsules[i].hash;
        return true;
    }
    return false;
}

static void
ask(struct look *l)
{
    struct wanted *w = l->w;
    for (size_t i = 0; i < w->n && w->n_asked < WANTED_ASKED_MAX;) {
        struct wanted_one *one = &w->list[i];
        if (one->state == WANTED_NEW && !complete_work(l, one)) {
            drop(w, one);
            continue;
        }
        i++;
        if (one->state == WANTED_MISSING && one->at_ms == 0)
            retry_later(w, one, l->t->now_ms);
        if (one->state != WANTED_NEW)
            continue;
        one->state = WANTED_ASKED;
        w->n_asked++;
        struct wanted_one copy = *one; /* the answer may come before need returns */
        l->t->need(l->t->arg, &copy.unit, &copy.at, copy.index, &copy.hash);
    }
}

/* Those whose time has come are looked at again: the right may be gone, or the capsule may be here. */
static void
retry(struct wanted *w, int64_t now_ms)
{
    w->retry_at_ms = 0;
    for (size_t i = 0; i < w->n; i++) {
        struct wanted_one *one = &w->list[i];
        if (one->state != WANTED_MISSING)
            continue;
        if (one->at_ms > now_ms) {
            retry_no_later(w, one->at_ms);
        } else {
            one->state = WANTED_NEW;
            one->at_ms = 0;
        }
    }
}

static bool
still_wanted(struct look *l, const struct wanted_one *one)
{
    struct log_row log;
    struct stored_event ev;
    struct event_header h;
    bool held = false, may = false;
    if (one->index == ANY_INDEX)
        return true;
    if (evlog_find(l->txn, &one->at.log, &log, NULL) != 0 || evlog_event(l->txn, log.no, one->at.seq, &ev, NULL) != 0 ||
        event_header_decode(ev.header, &h, NULL) != 0 || one->index >= h.n_capsules ||
        is_held(l, &log, &h, one->index, &held, NULL) != 0 || held)
        return false;
    struct entitled_to what = {.log = &log, .header = &h, .payload = ev.payload, .index = one->index};
    return h.capsules[one->index].class == CLASS_ACTIVITY ||
           (entitled(&l->by, &l->w->own, false, &what, &may, NULL) == 0 && may);
}

static void
look_again(struct look *l)
{
    struct wanted *w = l->w;
    for (size_t i = 0; i < w->n;) {
        if (w->list[i].state == WANTED_NEW && !still_wanted(l, &w->list[i]))
            drop(w, &w->list[i]);
        else
            i++;
    }
}

int
wanted_turn(struct wanted *w, const struct wanted_turn *t, bool *ret_more, struct err *err)
{
    struct look l = {.w = w, .t = t, .left = WANTED_EVENTS_PER_TURN};
    bool due = w->retry_at_ms != 0 && t->now_ms >= w->retry_at_ms;
    *ret_more = false;
    if (w->again || date_is_none(w->day) || w->day.days != t->today.days) {
        w->again = false;
        w->day = t->today;
        w->n_known = 0;
        w->n_logs = 0;
    }
    int rc = db_begin_read(t->db, &l.txn, err);
    if (rc != 0)
        return rc;
    /* Of other units' events the residency of ours says nothing. */
    l.by = (struct entitled_by){.txn = l.txn, .vault = w->vault, .own = w->own, .today = t->today};
    if (due) {
        retry(w, t->now_ms);
        look_again(&l);
    }
    make_room(w);
    rc = find_logs(&l, err);
    for (size_t i = 0; i < w->n_logs && rc == 0 && has_room(&l); i++)
        rc = look_at_log(&l, &w->logs[i], err);
    if (rc == 0)
        rc = look_at_rights(&l, err);
    *ret_more = rc == 0 && (l.left <= 0 || (w->rights != RIGHTS_IDLE && has_room(&l)));
    if (rc == 0)
        ask(&l);
    db_abort(&l.txn);
    return rc;
}

void
wanted_work(struct wanted *w, const struct position *at)
{
    static const struct hash none;
    add(w, &w->own, at, ANY_INDEX, &none);
}

bool
wanted_got(struct wanted *w, const struct position *at, uint8_t index)
{
    struct wanted_one *one = find(w, at, index);
    if (one == NULL)
        return false;
    drop(w, one);
    return true;
}

bool
wanted_missing(struct wanted *w, const struct position *at, uint8_t index, int64_t now_ms)
{
    struct wanted_one *one = find(w, at, index);
    if (one == NULL || one->state != WANTED_ASKED)
        return one != NULL;
    one->state = WANTED_MISSING;
    w->n_asked--;
    retry_later(w, one, now_ms);
    return true;
}

void
wanted_again(struct wanted *w)
{
    w->again = true;
    wanted_retry(w);
}

void
wanted_retry(struct wanted *w)
{
    for (size_t i = 0; i < w->n; i++) {
        struct wanted_one *one = &w->list[i];
        one->tries = 0;
        if (one->state == WANTED_MISSING)
            one->at_ms = 1;
    }
    if (w->retry_at_ms != 0)
        w->retry_at_ms = 1;
}
