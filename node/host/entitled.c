/* See entitled.h. */
#include "node/host/entitled.h"

#include "node/command/command.h"
#include "node/command/person.h"

/* ---- rows ---- */

int
entitled_member(struct db_txn *txn, const struct subject_id *member, const struct unit_id *unit, struct member_row *ret,
                struct err *err)
{
    uint8_t key[KEY_MEMBER];
    struct slice bytes;
    key_member(key, member, unit);
    int rc = db_get(txn, TABLE_MEMBERS, slice_of(key, sizeof(key)), &bytes, err);
    return rc != 0 ? rc : member_row_decode(bytes, unit, member, ret, err);
}

int
entitled_access(struct db_txn *txn, const struct unit_id *unit, const struct subject_id *access, struct access_row *ret,
                struct err *err)
{
    uint8_t key[KEY_ACCESS];
    struct slice bytes;
    key_access(key, unit, access);
    int rc = db_get(txn, TABLE_ACCESS, slice_of(key, sizeof(key)), &bytes, err);
    return rc != 0 ? rc : access_row_decode(bytes, unit, access, ret, err);
}

int
entitled_accesses(struct db_txn *txn, const struct subject_id *member, const struct unit_id *unit,
                  int (*one)(void *arg, const struct access_row *row, const struct access_state *state), void *arg,
                  struct err *err)
{
    uint8_t prefix[ID_BYTES + HASH_BYTES];
    struct db_cursor *c = NULL;
    struct slice key, value;
    memcpy(prefix, member->b, ID_BYTES);
    memcpy(prefix + ID_BYTES, unit->b, HASH_BYTES);
    int rc = db_cursor_open(txn, TABLE_ACCESS_OF, &c, err);
    if (rc == 0)
        rc = db_cursor_seek(c, slice_of(prefix, sizeof(prefix)), &key, &value, err);
    while (rc == 0 && key.len == KEY_ACCESS_OF && memcmp(key.data, prefix, sizeof(prefix)) == 0) {
        struct subject_id access;
        struct access_row row;
        struct access_state state;
        memcpy(access.b, key.data + sizeof(prefix), ID_BYTES);
        rc = entitled_access(txn, unit, &access, &row, err);
        if (rc != 0)
            break;
        access_state_of(&row, &state);
        if (state.exists && TYPE_EQ(&state.facts.member, member))
            rc = one(arg, &row, &state);
        access_row_release(&row);
        if (rc == 0)
            rc = db_cursor_next(c, &key, &value, err);
    }
    db_cursor_close(&c);
    return rc == ERR_NOTFOUND || rc > 0 ? 0 : rc;
}

struct classes {
    const struct unit_id *host;
    struct civil_date on;
    unsigned grants, passes;
};

static int
add_classes(void *arg, const struct access_row *row UNUSED, const struct access_state *s)
{
    struct classes *c = arg;
    if (!access_stands(s, c->on))
        return 0;
    if (s->is_pass)
        c->passes |= s->facts.classes;
    else if (TYPE_EQ(&s->facts.host, c->host))
        c->grants |= s->facts.classes;
    return 0;
}

int
entitled_classes(struct db_txn *txn, const struct subject_id *member, const struct unit_id *unit,
                 const struct unit_id *host, struct civil_date on, unsigned *ret_grants, unsigned *ret_passes,
                 struct err *err)
{
    struct classes c = {.host = host, .on = on};
    int rc = entitled_accesses(txn, member, unit, add_classes, &c, err);
    if (rc == 0) {
        *ret_grants = c.grants;
        *ret_passes = c.passes;
    }
    return rc;
}

/* ---- handover ---- */

/* Whether the completion at a position is for the unit. */
static int
names_unit(struct db_txn *txn, const struct member_entry *e, const struct unit_id *to, bool *ret, struct err *err)
{
    struct log_row log;
    struct stored_event ev;
    struct event_payload p;
    *ret = false;
    int rc = evlog_find(txn, &e->at.log, &log, err);
    if (rc == 0)
        rc = evlog_event(txn, log.no, e->at.seq, &ev, err);
    if (rc != 0)
        return rc == ERR_NOTFOUND ? 0 : rc;
    *ret = event_payload_decode(e->kind, e->kind_version, ev.payload, &p, NULL) == 0 && TYPE_EQ(&p.handover.other, to);
    return 0;
}

int
entitled_by_handover(struct db_txn *txn, const struct member_row *row, const struct unit_id *to, bool *ret,
                     struct err *err)
{
    struct member_state s;
    member_state_at(row, DATE_MAX, &s);
    *ret = s.offer_open && TYPE_EQ(&s.offer_to, to);
    for (size_t i = 0; i < row->n && !*ret; i++) {
        const struct member_entry *e = &row->entries[i];
        if (e->outcome != OUTCOME_APPLIED || e->kind != KIND_HANDOVER_COMPLETED)
            continue;
        int rc = names_unit(txn, e, to, ret, err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static bool
names_offer(const struct member_entry *e, const struct position *offer)
{
    for (uint8_t i = 0; i < e->n_refs; i++)
        if (e->refs[i].role == REF_OFFER && e->refs[i].seq == offer->seq && TYPE_EQ(&e->refs[i].log, &offer->log))
            return true;
    return false;
}

bool
entitled_offer_stands(const struct member_row *row, const struct position *event, struct position *ret_withdrawn)
{
    struct member_state s;
    size_t i = member_entry_find(row, event);
    if (ret_withdrawn)
        *ret_withdrawn = (struct position){0};
    if (i == SIZE_MAX || row->entries[i].outcome != OUTCOME_APPLIED)
        return false;
    if (row->entries[i].kind == KIND_HANDOVER_COMPLETED)
        return true;
    member_state_at(row, DATE_MAX, &s);
    bool stands = s.offer_open && s.offered_at.seq == event->seq && TYPE_EQ(&s.offered_at.log, &event->log);
    for (size_t k = 0; k < row->n; k++) {
        const struct member_entry *e = &row->entries[k];
        if (e->outcome != OUTCOME_APPLIED || e->arrival || !names_offer(e, event))
            continue;
        stands |= e->kind == KIND_HANDOVER_COMPLETED;
        if (e->kind == KIND_HANDOVER_WITHDRAWN && ret_withdrawn)
            *ret_withdrawn = e->at;
    }
    return stands;
}

/* ---- the question ---- */

struct question {
    const struct entitled_by *by;
    const struct unit_id *asker;
    const struct entitled_to *what;
    struct event_payload payload;
    struct unit_id home; /* whose row the event is in */
};

/* Keys and dossier of an offer or a completion. */
static int
of_handover(const struct question *q, bool *ret, struct err *err)
{
    const struct position at = {.log = q->what->log->id, .seq = q->what->header->seq};
    struct member_row row;
    if (!TYPE_EQ(&q->payload.handover.other, q->asker) || !q->payload.common.has_subject)
        return 0;
    int rc = entitled_member(q->by->txn, &q->payload.common.subject, &q->home, &row, err);
    if (rc != 0)
        return rc == ERR_NOTFOUND ? 0 : rc;
    *ret = entitled_offer_stands(&row, &at, NULL);
    member_row_release(&row);
    return 0;
}

static int
sealed_keys(const struct question *q, bool *ret, struct err *err)
{
    struct access_row row;
    struct access_state s;
    switch (q->payload.kind) {
    case KIND_ACCESS_GRANTED:
    case KIND_PASS_ISSUED:
    case KIND_ACCESS_RENEWED: break;
    case KIND_HANDOVER_OFFERED:
    case KIND_HANDOVER_COMPLETED: return of_handover(q, ret, err);
    default: return 0;
    }
    int rc = entitled_access(q->by->txn, &q->home, &q->payload.common.subject, &row, err);
    if (rc != 0)
        return rc == ERR_NOTFOUND ? 0 : rc;
    access_state_of(&row, &s);
    access_row_release(&row);
    *ret = s.exists && access_stands(&s, q->by->today) && (s.is_pass || TYPE_EQ(&s.facts.host, q->asker));
    return 0;
}

int
entitled_rights(const struct entitled_by *by, const struct unit_id *asker, const struct member_row *row,
                struct entitled_rights *ret, struct err *err)
{
    struct entitled_rights r = {.by = *by, .asker = *asker, .home = row->unit, .member = row->subject};
    struct member_state s;
    int rc = entitled_by_handover(by->txn, row, asker, &r.by_handover, err);
    if (rc != 0)
        return rc;
    member_state_at(row, by->today, &s);
    for (uint8_t class = CLASS_IDENTITY; class <= CLASS_BANK; class ++)
        r.in_force[class - CLASS_IDENTITY] = (s.restricted & 1U << (class - 1)) == 0 &&
                                             member_capsule_position(row, class, &r.at[class - CLASS_IDENTITY]);
    *ret = r;
    return 0;
}

int
entitled_data(struct entitled_rights *r, uint8_t class, const struct position *at, bool *ret, struct err *err)
{
    bool own = TYPE_EQ(&r->home, &r->by.own);
    if (class < CLASS_IDENTITY || class > CLASS_BANK)
        return err_set(err, ERR_INVALID, "not a class of a member's data");
    unsigned bit = 1U << (class - 1);
    const struct position *stands = &r->at[class - CLASS_IDENTITY];
    *ret = r->by_handover;
    if (*ret || !r->in_force[class - CLASS_IDENTITY] || stands->seq != at->seq || !TYPE_EQ(&stands->log, &at->log))
        return 0;
    if (!r->has_classes) {
        int rc = entitled_classes(r->by.txn, &r->member, &r->home, &r->asker, r->by.today, &r->grants, &r->passes, err);
        if (rc != 0)
            return rc;
        r->has_classes = true;
    }
    bool travels = !own || r->by.residency != RESIDENCY_GRANTED;
    *ret = (r->grants & bit) != 0 || (travels && (r->passes & bit) != 0) ||
           (own && r->by.residency == RESIDENCY_FEDERATION);
    return 0;
}

/* Names, addresses, bank accounts. */
static int
of_member(const struct question *q, uint8_t class, bool *ret, struct err *err)
{
    const struct position at = {.log = q->what->log->id, .seq = q->what->header->seq};
    struct entitled_rights rights;
    struct member_row row;
    if (!q->payload.common.has_subject)
        return 0;
    int rc = entitled_member(q->by->txn, &q->payload.common.subject, &q->home, &row, err);
    if (rc != 0)
        return rc == ERR_NOTFOUND ? 0 : rc;
    rc = entitled_rights(q->by, q->asker, &row, &rights, err);
    member_row_release(&row);
    return rc != 0 ? rc : entitled_data(&rights, class, &at, ret, err);
}

/* Whether no unit but this one has a row of the subject. */
static int
only_row(struct db_txn *txn, const struct subject_id *member, const struct unit_id *unit, bool *ret, struct err *err)
{
    struct db_cursor *c = NULL;
    struct slice key, value;
    bool here = false, elsewhere = false;
    int rc = db_cursor_open(txn, TABLE_MEMBERS, &c, err);
    if (rc == 0)
        rc = db_cursor_seek(c, slice_of(member->b, sizeof(member->b)), &key, &value, err);
    while (rc == 0 && key.len == KEY_MEMBER && memcmp(key.data, member->b, sizeof(member->b)) == 0) {
        bool is = memcmp(key.data + sizeof(member->b), unit->b, sizeof(unit->b)) == 0;
        here |= is;
        elsewhere |= !is;
        rc = db_cursor_next(c, &key, &value, err);
    }
    db_cursor_close(&c);
    *ret = here && !elsewhere;
    return rc == ERR_NOTFOUND ? 0 : rc;
}

/* Whether the visitor whose work the event is about is of the asking unit: as the capsule says. A row of the member alone proves nothing:
 * any unit can write one under any id, and would learn by the answers whose the invoices are. Where the capsule opens no more, a row
 * counts that is the only one. */
static int
of_visitor(const struct question *q, const struct subject_id *member, bool *ret, struct err *err)
{
    const struct command_ctx ctx = {
        .txn = q->by->txn, .vault = q->by->vault, .unit = q->by->own, .today = q->by->today};
    const struct position at = {.log = q->what->log->id, .seq = q->what->header->seq};
    struct activity_links links;
    int rc = work_links_read(&ctx, &q->payload.common.subject, &at, &links, err);
    if (rc == 0) {
        *ret = links.has_unit && TYPE_EQ(&links.unit, q->asker);
        person_wipe(&links, sizeof(links));
        return 0;
    }
    if (rc != ERR_NOTFOUND && rc != ERR_DENIED && rc != ERR_FORGED && rc != ERR_INVALID)
        return rc;
    err_clear(err);
    return only_row(q->by->txn, member, q->asker, ret, err);
}

/* Whose an activity or invoice is, only the unit that wrote it knows: a visitor's goes home, that of a member who moves goes along. */
static int
of_work(const struct question *q, bool *ret, struct err *err)
{
    struct vault_link link;
    struct member_row row;
    if (q->by->vault == NULL || !q->payload.common.has_subject || !TYPE_EQ(&q->what->log->unit, &q->by->own))
        return 0;
    int rc = vault_link_get(q->by->vault, &q->payload.common.subject, &link, err);
    if (rc != 0 || (link.flags & LINK_ABROAD) != 0)
        return rc == ERR_NOTFOUND ? 0 : rc;
    if ((link.flags & LINK_OTHER_UNIT) != 0)
        return of_visitor(q, &link.member, ret, err);
    rc = entitled_member(q->by->txn, &link.member, &q->by->own, &row, err);
    if (rc != 0)
        return rc == ERR_NOTFOUND ? 0 : rc;
    rc = entitled_by_handover(q->by->txn, &row, q->asker, ret, err);
    member_row_release(&row);
    return rc;
}

int
entitled(const struct entitled_by *by, const struct unit_id *asker, bool is_keeper, const struct entitled_to *what,
         bool *ret, struct err *err)
{
    const struct event_header *h = what->header;
    struct question q = {.by = by, .asker = asker, .what = what, .home = what->log->unit};
    bool own = TYPE_EQ(&what->log->unit, &by->own), may = false;
    int rc = 0;
    *ret = false;
    if (what->index >= h->n_capsules)
        return 0;
    if (TYPE_EQ(asker, &what->log->unit) || (own && is_keeper)) {
        *ret = true;
        return 0;
    }
    if (event_payload_decode(h->kind, h->kind_version, what->payload, &q.payload, NULL) != 0)
        return 0;
    if (q.payload.common.has_subject_unit)
        q.home = q.payload.common.subject_unit;
    uint8_t class = h->capsules[what->index].class;
    switch (class) {
    case CLASS_IDENTITY:
    case CLASS_CONTACT:
    case CLASS_BANK: rc = of_member(&q, class, &may, err); break;
    case CLASS_ACTIVITY: rc = of_work(&q, &may, err); break;
    case CLASS_GUEST: may = h->kind == KIND_GUEST_RECORDED && TYPE_EQ(&q.payload.guest.home, asker); break;
    case CLASS_DOSSIER:
        if (h->kind == KIND_HANDOVER_OFFERED || h->kind == KIND_HANDOVER_COMPLETED)
            rc = of_handover(&q, &may, err);
        break;
    case CLASS_KEY: rc = sealed_keys(&q, &may, err); break;
    default: break;
    }
    if (rc == 0)
        *ret = may;
    return rc;
}

bool
entitled_is_kept(struct db_txn *txn, const char (*keep)[UNIT_CODE_MAX], uint8_t n_keep, const struct unit_id *unit)
{
    struct log_row row;
    uint32_t n = 0;
    char code[UNIT_CODE_MAX] = "";
    if (n_keep == 0 || evlog_count(txn, &n, NULL) != 0)
        return false;
    for (uint32_t no = 1; no <= n && code[0] == '\0'; no++) {
        struct stored_event ev;
        struct event_payload p;
        if (evlog_get(txn, no, &row, NULL) == 0 && TYPE_EQ(&row.unit, unit) &&
            evlog_event(txn, no, 1, &ev, NULL) == 0 &&
            event_payload_decode(KIND_LOG_OPENED, 1, ev.payload, &p, NULL) == 0)
            memcpy(code, p.log_opened.unit_code, sizeof(code));
    }
    for (uint8_t i = 0; i < n_keep; i++)
        if (strcmp(code, keep[i]) == 0)
            return true;
    return false;
}
