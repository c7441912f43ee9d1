/* Erasure and restriction: ordering them, who has confirmed and who is silent. What is due: retention.c. The checks are node/command/erase.h's;
 * what is carried out, node/host/erasing.h's. */
#include <stdlib.h>

#include "node/api/erase_parts.h"
#include "storage/erasures.h"

enum {
    ERASURES_WALK_MAX = 5000,
    CONFIRMED_MAX = API_PEERS_MAX + 1,
};

const char *const erasable_words[CLASSES_ASKED] = {"identity", "contact", "bank", "activity", "note"};
static const char *const ground_words[GROUND_CONSENT] = {"asked", "legal_date", "wrongly_held", "authority", "consent"};

const char *
ground_word(uint8_t ground)
{
    return ground >= 1 && ground <= ARRAY_LEN(ground_words) ? ground_words[ground - 1] : "unknown";
}

/* Bits class − 1; those that follow activity links are not named. */
void
put_erasable(struct json_out *j, const char *key, uint16_t bits)
{
    json_key(j, key);
    json_open(j, '[');
    for (uint8_t i = 0; i < CLASSES_ASKED; i++)
        if (bits >> i & 1)
            json_text(j, erasable_words[i], strlen(erasable_words[i]));
    json_close(j, ']');
}

/* ---- ordering ---- */

static int
own_country(struct request *r, char country[3], struct err *err)
{
    static const struct office_id none = {{0}};
    struct unit_described facts = {0};
    struct place_row row;
    struct slice value;
    struct db_txn *txn = NULL;
    country[0] = '\0';
    int rc = db_begin_read(r->api->deps.db, &txn, err);
    if (rc == 0)
        rc = db_get(txn, TABLE_UNITS, slice_of(r->api->deps.unit.b, HASH_BYTES), &value, err);
    if (rc == 0)
        rc = place_row_decode(value, &r->api->deps.unit, &none, &row, err);
    if (rc == 0) {
        if (unit_state_at(&row, r->api->deps.today(r->api->deps.arg), &facts))
            memcpy(country, facts.country, sizeof(facts.country));
        place_row_release(&row);
    }
    db_abort(&txn);
    if (rc == ERR_NOTFOUND)
        err_clear(err);
    return rc == ERR_NOTFOUND ? 0 : rc;
}

int
erase_rules_load(struct request *r, struct retention_rules *ret, struct err *err)
{
    char country[3];
    int rc = own_country(r, country, err);
    if (rc == 0)
        retention_rules_of(country, &r->api->deps.retention, ret);
    return rc;
}

void
erase_classes_read(struct json_in *in, bool required, uint16_t *ret)
{
    char words[CLASSES_ASKED][16];
    size_t n = 0;
    if (!json_in_has(in, "classes")) {
        if (required)
            json_in_fail(in, "classes", "is missing: a list of identity, contact, bank, activity, note");
        return;
    }
    if (!json_in_texts(in, "classes", words[0], sizeof(words[0]), CLASSES_ASKED, &n))
        return;
    *ret = 0;
    for (size_t i = 0; i < n; i++) {
        uint8_t c = 0;
        while (c < CLASSES_ASKED && strcmp(words[i], erasable_words[c]) != 0)
            c++;
        if (c == CLASSES_ASKED) {
            json_in_fail(in, "classes", "has a word that is not identity, contact, bank, activity or note");
            return;
        }
        *ret |= (uint16_t)(1U << c);
    }
}

static void
order_read(struct json_in *in, struct erase_request *q)
{
    size_t ground = 0;
    struct slice note;
    erase_classes_read(in, true, &q->classes);
    if (q->action != ERASE_LIFT && json_in_choice(in, "ground", false, ground_words, ARRAY_LEN(ground_words), &ground))
        q->ground = (uint8_t)(ground + 1);
    (void)json_in_date(in, "effective_on", false, &q->effective);
    if (q->action == ERASE_RESTRICT)
        (void)json_in_date(in, "until", false, &q->until);
    else if (json_in_has(in, "until"))
        json_in_fail(in, "until",
                     "is of a restriction: what is erased goes at once, what must be kept until its legal date is "
                     "restricted by itself; to hide data until a day, restrict it");
    bool merged = true;
    (void)json_in_bool(in, "with_merged", &merged);
    q->one_record = !merged;
    if (q->action == ERASE_ORDER) {
        (void)json_in_bool(in, "representatives", &q->representatives);
        (void)json_in_bool(in, "due", &q->due_only);
    }
    if (json_in_has(in, "note") && json_in_slice(in, "note", false, &note)) {
        if (note.len >= sizeof(q->note.s)) {
            json_in_fail(in, "note", "is too long");
            return;
        }
        memcpy(q->note.s, note.data, note.len);
        q->has_note = true;
    }
}

void
erase_request_init(struct erase_request *q, enum erase_action action, const struct retention_rules *rules)
{
    *q = (struct erase_request){.action = action, .effective = DATE_NONE, .until = DATE_NONE, .rules = *rules};
}

int
post_member_erase(struct request *r, struct err *err)
{
    const char *last = strrchr(r->route->pattern, '/') + 1;
    enum erase_action action = strcmp(last, "erase") == 0      ? ERASE_ORDER
                               : strcmp(last, "restrict") == 0 ? ERASE_RESTRICT
                                                               : ERASE_LIFT;
    struct retention_rules rules;
    struct json_in in;
    struct api_op *op;
    int rc = erase_rules_load(r, &rules, err);
    if (rc == 0)
        rc = body_open(r, &in, err);
    if (rc != 0)
        return rc;
    rc = request_op(r, OP_ERASE, MHD_HTTP_OK, &op, err);
    if (rc == 0) {
        struct erase_request *q = &op->erase.request;
        erase_request_init(q, action, &rules);
        rc = param_hex(r, 0, "member", q->member.b, ID_BYTES, err);
        if (rc == 0 && MHD_lookup_connection_value(r->mhd, MHD_HEADER_KIND, "If-Match") != NULL) {
            q->has_if_match = true;
            rc = if_match_position(r, &q->if_match, err);
        }
        if (rc == 0)
            order_read(&in, q);
    }
    return json_in_end(&in, rc);
}

static void
put_ordered(struct json_out *j, const struct erased_record *o)
{
    put_erasable(j, "erased", o->erased);
    json_key(j, "restricted");
    json_open(j, '[');
    for (uint8_t i = 0; i < CLASSES_ASKED; i++) {
        if ((o->restricted >> i & 1) == 0)
            continue;
        json_open(j, '{');
        json_put_text(j, "class", erasable_words[i]);
        json_put_date(j, "until", o->until[i]);
        json_close(j, '}');
    }
    json_close(j, ']');
    json_put_uint(j, "capsules", o->capsules);
}

/* Of the person: what some record of theirs was subject to. */
static struct erased_record
in_all(const struct erase_outcome *o)
{
    struct erased_record all = o->records[o->n - 1];
    for (size_t i = 0; i + 1 < o->n; i++) {
        const struct erased_record *x = &o->records[i];
        for (uint8_t c = 0; c < CLASSES_ASKED; c++)
            if ((x->restricted & ~all.restricted) >> c & 1)
                all.until[c] = x->until[c];
        all.erased |= x->erased;
        all.restricted |= x->restricted;
        all.capsules += x->capsules;
    }
    return all;
}

void
erase_result_write(struct json_out *j, const struct api_op *op)
{
    const struct erase_outcome *o = &op->erase.outcome;
    if (op->result.replayed) /* what came of it is in the record: GET of the member */
        return;
    struct erased_record all = in_all(o);
    put_ordered(j, &all);
    json_put_uint(j, "events", o->events);
    if (o->n < 2)
        return;
    json_key(j, "records");
    json_open(j, '[');
    for (size_t i = o->n; i-- > 0;) {
        json_open(j, '{');
        json_put_hex(j, "id", o->records[i].member.b, ID_BYTES);
        put_ordered(j, &o->records[i]);
        json_close(j, '}');
    }
    json_close(j, ']');
}

/* ---- who has confirmed ---- */

struct confirming {
    struct confirmed_by by[CONFIRMED_MAX];
    size_t n_by;
    struct api_peer *peers;
    size_t n_peers;
};

static bool
has_confirmed(const struct confirming *c, const struct unit_id *unit)
{
    for (size_t i = 0; i < c->n_by; i++)
        if (TYPE_EQ(&c->by[i].unit, unit))
            return true;
    return false;
}

static void
put_silent(struct json_out *j, const char *code, bool heard, struct wall_ms last)
{
    json_open(j, '{');
    json_put_text(j, "unit", code);
    if (heard) {
        json_put_time(j, "last_heard", last);
    } else {
        json_key(j, "last_heard");
        json_none(j);
    }
    json_close(j, '}');
}

static void
put_confirmed(struct request *r, struct json_out *j, const struct confirming *c, struct civil_date *ret_backups)
{
    json_key(j, "confirmed");
    json_open(j, '[');
    for (size_t i = 0; i < c->n_by; i++) {
        const struct confirmation *k = &c->by[i].c;
        char code[UNIT_CODE_MAX];
        unit_code_of(r, &c->by[i].unit, code);
        json_open(j, '{');
        json_put_text(j, "unit", code);
        json_put_date(j, "on", k->effective);
        put_position(j, &k->at);
        if (k->has_backup) {
            json_put_date(j, "backup_on", k->backup);
            json_put_date(j, "backup_gone_on", k->backup_gone);
            if (date_is_none(*ret_backups) || k->backup_gone.days > ret_backups->days)
                *ret_backups = k->backup_gone;
        }
        json_close(j, '}');
    }
    json_close(j, ']');
}

/* Whoever is pinned and has not confirmed, this unit among them. */
static size_t
put_missing(struct request *r, struct json_out *j, const struct confirming *c)
{
    const struct api_deps *d = &r->api->deps;
    size_t n = 0;
    json_key(j, "silent");
    json_open(j, '[');
    if (!has_confirmed(c, &d->unit)) {
        put_silent(j, d->unit_code, true, d->now_wall(d->arg));
        n++;
    }
    for (size_t i = 0; i < c->n_peers; i++) {
        const struct api_peer *p = &c->peers[i];
        if (has_confirmed(c, &p->unit))
            continue;
        put_silent(j, p->code, p->heard, p->last_heard);
        n++;
    }
    json_close(j, ']');
    return n;
}

static size_t
missing(struct request *r, const struct confirming *c)
{
    size_t n = !has_confirmed(c, &r->api->deps.unit);
    for (size_t i = 0; i < c->n_peers; i++)
        n += !has_confirmed(c, &c->peers[i].unit);
    return n;
}

static void
put_erasure(struct request *r, struct json_out *j, const struct erasure_order *o, const struct confirming *c)
{
    static const char *const states[] = {"noted", "destroyed", "done"};
    struct civil_date backups = DATE_NONE;
    char code[UNIT_CODE_MAX];
    unit_code_of(r, &o->unit, code);
    json_open(j, '{');
    json_put_hex(j, "id", o->subject.b, ID_BYTES);
    json_put_text(j, "unit", code);
    put_position(j, &o->at);
    put_erasable(j, "classes", o->classes >> 1);
    json_put_text(j, "ground", ground_word(o->ground));
    json_put_date(j, "effective_on", o->effective);
    json_put_text(j, "here", states[o->state - ERASURE_NOTED]);
    put_confirmed(r, j, c, &backups);
    json_put_bool(j, "complete", put_missing(r, j, c) == 0);
    json_put_date(j, "backups_until", backups);
    json_close(j, '}');
}

struct erasures_query {
    bool has_unit, has_member, open;
    struct unit_id unit;
    struct subject_id member;
    size_t limit;
};

static int
put_erasures(struct request *r, struct json_out *j, const struct erasures_query *q, struct confirming *c,
             struct position *at, bool from, bool *ret_more, struct err *err)
{
    struct erasure_order some[64];
    size_t n = ARRAY_LEN(some), put = 0, walked = 0;
    int rc = 0;
    *ret_more = false;
    while (rc == 0 && n == ARRAY_LEN(some) && !*ret_more) {
        rc = erasures_list(r->txn, false, from ? at : NULL, some, ARRAY_LEN(some), &n, err);
        for (size_t i = 0; rc == 0 && i < n && !*ret_more; i++) {
            const struct erasure_order *o = &some[i];
            bool match = o->kind == KIND_ERASURE_ORDERED && (!q->has_unit || TYPE_EQ(&o->unit, &q->unit)) &&
                         (!q->has_member || TYPE_EQ(&o->subject, &q->member));
            if (match)
                rc = confirmations_list(r->txn, &o->at, c->by, CONFIRMED_MAX, &c->n_by, err);
            if (rc == 0 && match && (!q->open || missing(r, c) > 0)) {
                put_erasure(r, j, o, c);
                put++;
            }
            *at = o->at;
            from = true;
            *ret_more = put == q->limit || ++walked == ERASURES_WALK_MAX;
        }
    }
    return rc;
}

int
get_erasures(struct request *r, struct err *err)
{
    struct erasures_query q = {.unit = r->api->deps.unit};
    struct position at;
    uint8_t after[KEY_POSITION];
    const char *open = query_text(r, "open");
    bool has_after = false, more = false;
    struct confirming *c = calloc(1, sizeof(*c));
    if (!c)
        return err_set(err, ERR_NOMEM, "erasures: out of memory");
    int rc = query_unit(r, &q.unit, &q.has_unit, err);
    if (rc == 0)
        rc = query_hex(r, "member", q.member.b, ID_BYTES, &q.has_member, err);
    if (rc == 0)
        rc = query_hex(r, "after", after, sizeof(after), &has_after, err);
    if (rc == 0)
        rc = query_limit(r, &q.limit, err);
    if (rc == 0 && open != NULL && strcmp(open, "true") != 0 && strcmp(open, "false") != 0)
        rc = err_field(err, ERR_INVALID, "open", "open: true or false");
    q.open = open != NULL && strcmp(open, "true") == 0;
    q.has_unit |= !q.has_member; /* one's own, but a person's wherever they were */
    if (rc == 0) {
        c->peers = calloc(API_PEERS_MAX, sizeof(*c->peers));
        rc = c->peers ? 0 : err_set(err, ERR_NOMEM, "erasures: out of memory");
    }
    if (rc == 0) {
        memcpy(at.log.b, after, HASH_BYTES);
        at.seq = be64_get(after + HASH_BYTES);
        c->n_peers = r->api->deps.peers(r->api->deps.arg, c->peers, API_PEERS_MAX);
        struct json_out j = reply_json(r, MHD_HTTP_OK);
        json_open(&j, '{');
        json_key(&j, "erasures");
        json_open(&j, '[');
        rc = put_erasures(r, &j, &q, c, &at, has_after, &more, err);
        json_close(&j, ']');
        json_key(&j, "next");
        key_position(after, &at.log, at.seq);
        if (more)
            json_hex(&j, after, sizeof(after));
        else
            json_none(&j);
        json_close(&j, '}');
    }
    free(c->peers);
    free(c);
    return rc;
}
