/* See state_diff.h. */
#include "node/cli/state_diff.h"

#include <stdlib.h>

#include "node/command/names.h"
#include "node/rules/counting.h"
#include "node/rules/member.h"
#include "node/rules/place.h"
#include "storage/evlog.h"

enum { TEXT_MAX = 512, HEX_KEY_MAX = 2 * KEY_MAX + 1 };

struct diff {
    struct db_txn *txn[2];
    const char *names[2];
    size_t rows_max;
    FILE *to;
    struct state_diff *ret;
};

/* ---- heads ---- */

static const char *
code_of(struct db_txn *txn, const struct unit_id *unit, char out[UNIT_CODE_MAX + 8])
{
    struct slice value;
    struct place_row row;
    struct err ignored;
    char hex[HEX32_MAX];
    if (db_get(txn, TABLE_UNITS, slice_of(unit->b, HASH_BYTES), &value, &ignored) == 0 &&
        place_row_decode(value, unit, NULL, &row, &ignored) == 0) {
        snprintf(out, UNIT_CODE_MAX + 8, "%s", row.unit_code);
        place_row_release(&row);
    } else {
        snprintf(out, UNIT_CODE_MAX + 8, "%.12s…", hex_encode(unit->b, HASH_BYTES, hex));
    }
    return out;
}

static bool
has_head(const struct head *list, size_t n, const struct head *h)
{
    for (size_t i = 0; i < n; i++)
        if (TYPE_EQ(&list[i].log, &h->log) && list[i].seq == h->seq && TYPE_EQ(&list[i].chain, &h->chain))
            return true;
    return false;
}

static void
tell_head(struct diff *d, int side, const struct head *h)
{
    struct log_row row, other;
    struct err ignored;
    char code[UNIT_CODE_MAX + 8] = "?", hex[HEX32_MAX];
    uint64_t there = 0;
    if (evlog_find(d->txn[side], &h->log, &row, &ignored) == 0)
        code_of(d->txn[side], &row.unit, code);
    if (evlog_find(d->txn[1 - side], &h->log, &other, &ignored) == 0)
        there = other.head_seq;
    if (there == h->seq)
        fprintf(d->to, "  %s log %.12s…: both have %llu events, which are not the same: a fork\n", code,
                hex_encode(h->log.b, HASH_BYTES, hex), (unsigned long long)there);
    else
        fprintf(d->to, "  %s log %.12s…: %s has %llu events, %s %llu\n", code, hex_encode(h->log.b, HASH_BYTES, hex),
                d->names[side], (unsigned long long)h->seq, d->names[1 - side], (unsigned long long)there);
}

static int
diff_heads(struct diff *d, struct err *err)
{
    struct head *list[2] = {NULL, NULL};
    size_t n[2] = {0, 0};
    int rc = evlog_tips(d->txn[0], NULL, &list[0], &n[0], err);
    if (rc == 0)
        rc = evlog_tips(d->txn[1], NULL, &list[1], &n[1], err);
    for (int side = 0; rc == 0 && side < 2; side++)
        for (size_t i = 0; i < n[side]; i++)
            d->ret->heads_differ += !has_head(list[1 - side], n[1 - side], &list[side][i]);
    if (rc == 0 && d->ret->heads_differ == 0)
        fprintf(d->to, "Both hold the same events: %zu heads.\n", n[0]);
    else if (rc == 0)
        fprintf(d->to, "They do not hold the same events, so their states may differ; let them exchange first:\n");
    for (int side = 0; rc == 0 && side < 2; side++)
        for (size_t i = 0; i < n[side]; i++)
            if (!has_head(list[1 - side], n[1 - side], &list[side][i]))
                tell_head(d, side, &list[side][i]);
    free(list[0]);
    free(list[1]);
    return rc;
}

/* ---- rows ---- */

static void
describe_member(struct slice key, struct slice value, char out[TEXT_MAX])
{
    struct subject_id subject;
    struct unit_id unit;
    struct member_row row;
    struct member_state s;
    struct err ignored;
    char joined[DATE_TEXT_MAX], left[DATE_TEXT_MAX];
    memcpy(subject.b, key.data, ID_BYTES);
    memcpy(unit.b, key.data + ID_BYTES, HASH_BYTES);
    if (member_row_decode(value, &unit, &subject, &row, &ignored) != 0) {
        snprintf(out, TEXT_MAX, "cannot be read");
        return;
    }
    member_state_at(&row, DATE_MAX, &s);
    snprintf(out, TEXT_MAX, "%s, category %s, %s, joined %s, left %s, %llu shares, %zu events",
             member_status_name(s.status), category_name(s.category), person_type_name(s.person_type),
             date_format(s.joined_on, joined), date_format(s.left_on, left), (unsigned long long)s.shares, row.n);
    member_row_release(&row);
}

static void
describe_place(enum table t, struct slice key, struct slice value, char out[TEXT_MAX])
{
    struct unit_id unit;
    struct office_id office = {0};
    struct place_row row;
    struct err ignored;
    struct office_state o;
    struct unit_described u;
    memcpy(unit.b, key.data, HASH_BYTES);
    if (t == TABLE_OFFICES)
        memcpy(office.b, key.data + HASH_BYTES, ID_BYTES);
    if (place_row_decode(value, &unit, t == TABLE_OFFICES ? &office : NULL, &row, &ignored) != 0) {
        snprintf(out, TEXT_MAX, "cannot be read");
        return;
    }
    if (t == TABLE_OFFICES && office_state_at(&row, DATE_MAX, &o))
        snprintf(out, TEXT_MAX, "%s, %s, %zu events", o.facts.name.s, o.open ? "open" : "closed", row.n);
    else if (t == TABLE_UNITS && unit_state_at(&row, DATE_MAX, &u))
        snprintf(out, TEXT_MAX, "%s, %s, price %lld, %zu events", row.unit_code, u.name.s,
                 (long long)u.share_price_minor, row.n);
    else
        snprintf(out, TEXT_MAX, "%zu events, none in force", row.n);
    place_row_release(&row);
}

/* How many counters a row of the table has; 0: it has none. */
static size_t
counters_of(enum table t)
{
    switch (t) {
    case TABLE_COUNTS: return COUNTS_N;
    case TABLE_CAPITAL: return CAPITAL_N;
    case TABLE_WORK: return WORK_N;
    case TABLE_PEOPLE: return PEOPLE_N;
    default: return 0;
    }
}

static void
describe_counters(enum table t, struct slice value, char out[TEXT_MAX])
{
    size_t n = counters_of(t), at = 0;
    int64_t v[STATE_COUNTERS_MAX];
    struct err ignored;
    if (counters_decode(value, v, n, &ignored) != 0) {
        snprintf(out, TEXT_MAX, "cannot be read");
        return;
    }
    for (size_t i = 0; i < n && at + 24 < TEXT_MAX; i++)
        at += (size_t)snprintf(out + at, TEXT_MAX - at, "%s%lld", i > 0 ? " " : "", (long long)v[i]);
}

static void
describe(enum table t, struct slice key, struct slice value, char out[TEXT_MAX])
{
    if (t == TABLE_MEMBERS && key.len == KEY_MEMBER)
        describe_member(key, value, out);
    else if ((t == TABLE_OFFICES && key.len == KEY_OFFICE) || (t == TABLE_UNITS && key.len == HASH_BYTES))
        describe_place(t, key, value, out);
    else if (counters_of(t) > 0)
        describe_counters(t, value, out);
    else if ((t == TABLE_VOIDS || t == TABLE_CONFLICTS) && value.len == 1)
        snprintf(out, TEXT_MAX, "%s", void_reason_text((enum void_reason)value.data[0]));
    else
        snprintf(out, TEXT_MAX, "%zu bytes", value.len);
}

/* The parts that people know: unit code, period, currency; the rest in hex. */
static void
describe_key(struct diff *d, enum table t, struct slice key, char out[TEXT_MAX])
{
    char hex[HEX_KEY_MAX], code[UNIT_CODE_MAX + 8];
    struct unit_id unit;
    size_t unit_at = t == TABLE_MEMBERS ? ID_BYTES : 0;
    bool no_unit = t == TABLE_VOIDS || t == TABLE_CONFLICTS || t == TABLE_ACTIVE;
    if (key.len > KEY_MAX || no_unit || key.len < unit_at + HASH_BYTES) {
        snprintf(out, TEXT_MAX, "%s", key.len > KEY_MAX ? "?" : hex_encode(key.data, key.len, hex));
        return;
    }
    memcpy(unit.b, key.data + unit_at, HASH_BYTES);
    code_of(d->txn[0], &unit, code);
    const uint8_t *rest = unit_at == 0 ? key.data + HASH_BYTES : key.data;
    size_t len = key.len - HASH_BYTES;
    if (counters_of(t) > 0 && len > KEY_PERIOD) {
        uint32_t number = be32_get(rest + 1);
        const uint8_t *cell = rest + KEY_PERIOD;
        if (t == TABLE_CAPITAL)
            snprintf(out, TEXT_MAX, "%s %c %u %.*s", code, rest[0], number, (int)(len - KEY_PERIOD),
                     (const char *)cell);
        else
            snprintf(out, TEXT_MAX, "%s %c %u cell %s", code, rest[0], number, hex_encode(cell, len - KEY_PERIOD, hex));
        return;
    }
    snprintf(out, TEXT_MAX, "%s %s", code, hex_encode(rest, len, hex));
}

struct side {
    struct db_cursor *cursor;
    struct slice key, value;
    bool there;
};

static int
step(struct side *s, bool first, struct err *err)
{
    int rc = first ? db_cursor_first(s->cursor, &s->key, &s->value, err)
                   : db_cursor_next(s->cursor, &s->key, &s->value, err);
    s->there = rc == 0;
    return rc == ERR_NOTFOUND ? 0 : rc;
}

static int
order(const struct side *a, const struct side *b)
{
    if (!a->there || !b->there)
        return a->there ? -1 : 1;
    size_t n = a->key.len < b->key.len ? a->key.len : b->key.len;
    int c = memcmp(a->key.data, b->key.data, n);
    return c != 0 ? c : (a->key.len > b->key.len) - (a->key.len < b->key.len);
}

static void
tell_row(struct diff *d, enum table t, const struct side s[2], int c)
{
    char text[TEXT_MAX];
    describe_key(d, t, c > 0 ? s[1].key : s[0].key, text);
    fprintf(d->to, "  %s\n", text);
    for (int i = 0; i < 2; i++) {
        bool there = i == 0 ? c <= 0 : c >= 0;
        if (there)
            describe(t, s[i].key, s[i].value, text);
        fprintf(d->to, "    %-10s %s\n", d->names[i], there ? text : "(no such row)");
    }
}

static int
diff_rows(struct diff *d, enum table t, struct err *err)
{
    struct side s[2] = {{0}, {0}};
    uint64_t n = 0;
    int rc = db_cursor_open(d->txn[0], t, &s[0].cursor, err);
    if (rc == 0)
        rc = db_cursor_open(d->txn[1], t, &s[1].cursor, err);
    for (int i = 0; rc == 0 && i < 2; i++)
        rc = step(&s[i], true, err);
    while (rc == 0 && (s[0].there || s[1].there)) {
        int c = order(&s[0], &s[1]);
        if (c != 0 || !slice_eq(s[0].value, s[1].value)) {
            if (n++ < d->rows_max)
                tell_row(d, t, s, c);
        }
        if (c <= 0)
            rc = step(&s[0], false, err);
        if (rc == 0 && c >= 0)
            rc = step(&s[1], false, err);
    }
    for (int i = 0; i < 2; i++)
        if (s[i].cursor)
            db_cursor_close(&s[i].cursor);
    if (rc == 0 && n > d->rows_max)
        fprintf(d->to, "  … and %llu more rows\n", (unsigned long long)(n - d->rows_max));
    d->ret->rows_differ += n;
    return rc;
}

static enum table
table_of(uint32_t no)
{
    for (int t = 0; t < TABLE_COUNT_ALL; t++)
        if (table_fingerprint_no((enum table)t) == no)
            return (enum table)t;
    return TABLE_COUNT_ALL;
}

static int
diff_tables(struct diff *d, struct err *err)
{
    struct fingerprint_row prints[2][FINGERPRINTS_MAX];
    size_t n[2] = {0, 0};
    int rc = state_fingerprints(d->txn[0], prints[0], &n[0], err);
    if (rc == 0)
        rc = state_fingerprints(d->txn[1], prints[1], &n[1], err);
    for (size_t i = 0; rc == 0 && i < n[0]; i++) {
        enum table t = table_of(prints[0][i].table);
        if (t == TABLE_COUNT_ALL || (i < n[1] && TYPE_EQ(&prints[0][i].fingerprint, &prints[1][i].fingerprint)))
            continue;
        d->ret->tables_differ++;
        fprintf(d->to, "\nTable %s differs:\n", table_name(t));
        rc = diff_rows(d, t, err);
    }
    if (rc == 0 && d->ret->tables_differ == 0)
        fprintf(d->to, "Their states are equal, table by table.\n");
    return rc;
}

int
state_diff(struct db_txn *a, struct db_txn *b, const char *a_name, const char *b_name, size_t rows_max, FILE *to,
           struct state_diff *ret, struct err *err)
{
    struct state_diff found = {0};
    struct diff d = {.txn = {a, b}, .names = {a_name, b_name}, .rows_max = rows_max, .to = to, .ret = &found};
    int rc = diff_heads(&d, err);
    if (rc == 0)
        rc = diff_tables(&d, err);
    if (rc == 0)
        *ret = found;
    return rc;
}
