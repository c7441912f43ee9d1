/* Members, offices and units as a read transaction sees them. See view.h. */
#include "node/view/view.h"

static void
all_ones(uint8_t *p, size_t len)
{
    memset(p, 0xff, len);
}

/* ---- members ---- */

static int
member_decode(struct slice key, struct slice value, struct member_row *ret, struct err *err)
{
    struct subject_id subject;
    struct unit_id unit;
    if (key.len != KEY_MEMBER)
        return err_set(err, ERR_CORRUPT, "members: a key of wrong length");
    memcpy(subject.b, key.data, sizeof(subject.b));
    memcpy(unit.b, key.data + sizeof(subject.b), sizeof(unit.b));
    member_row_init(ret, &unit, &subject);
    return member_row_decode(value, &unit, &subject, ret, err);
}

static int
not_there(struct err *err)
{
    return err_set(err, ERR_NOTFOUND, "no such member");
}

/* The only member row of a subject, whatever its unit. */
static int
member_of_any_unit(struct db_txn *txn, const struct subject_id *subject, struct member_row *ret, struct err *err)
{
    struct db_cursor *c;
    struct slice key, value, next_key, next_value;
    struct slice prefix = slice_of(subject->b, sizeof(subject->b));
    int rc = db_cursor_open(txn, TABLE_MEMBERS, &c, err);
    if (rc != 0)
        return rc;
    rc = db_cursor_seek(c, prefix, &key, &value, err);
    if (rc == ERR_NOTFOUND || (rc == 0 && memcmp(key.data, prefix.data, prefix.len) != 0)) {
        db_cursor_close(&c);
        return not_there(err);
    }
    if (rc == 0) {
        int next = db_cursor_next(c, &next_key, &next_value, err);
        if (next == 0 && memcmp(next_key.data, prefix.data, prefix.len) == 0)
            rc = err_field(err, ERR_CONFLICT, "unit", "known at several units: name one");
        else if (next != 0 && next != ERR_NOTFOUND)
            rc = next;
    }
    db_cursor_close(&c);
    return rc == 0 ? member_decode(key, value, ret, err) : rc;
}

int
view_member(struct db_txn *txn, const struct subject_id *subject, const struct unit_id *unit, struct member_row *ret,
            struct err *err)
{
    uint8_t raw[KEY_MEMBER];
    struct slice value, key = slice_of(raw, sizeof(raw));
    if (unit == NULL)
        return member_of_any_unit(txn, subject, ret, err);
    key_member(raw, subject, unit);
    int rc = db_get(txn, TABLE_MEMBERS, key, &value, err);
    if (rc == ERR_NOTFOUND)
        return not_there(err);
    return rc == 0 ? member_decode(key, value, ret, err) : rc;
}

int
view_members(struct db_txn *txn, const struct unit_id *unit, const struct subject_id *after, size_t max,
             struct member_row *ret, size_t *ret_n, struct err *err)
{
    uint8_t from[KEY_MEMBER + 1] = {0};
    struct db_cursor *c;
    struct slice key, value;
    size_t n = 0;
    if (after != NULL) {
        memcpy(from, after->b, sizeof(after->b));
        all_ones(from + sizeof(after->b), sizeof(from) - sizeof(after->b));
    }
    int rc = db_cursor_open(txn, TABLE_MEMBERS, &c, err);
    if (rc != 0)
        return rc;
    for (rc = db_cursor_seek(c, slice_of(from, sizeof(from)), &key, &value, err); rc == 0 && n < max;
         rc = db_cursor_next(c, &key, &value, err)) {
        if (key.len == KEY_MEMBER && memcmp(key.data + ID_BYTES, unit->b, sizeof(unit->b)) != 0)
            continue;
        rc = member_decode(key, value, &ret[n], err);
        if (rc != 0)
            break;
        n++;
    }
    db_cursor_close(&c);
    if (rc != 0 && rc != ERR_NOTFOUND) {
        while (n > 0)
            member_row_release(&ret[--n]);
        return rc;
    }
    *ret_n = n;
    return 0;
}

/* ---- units and offices ---- */

static int
place_decode(struct slice key, struct slice value, struct place_row *ret, struct err *err)
{
    struct unit_id unit;
    struct office_id office = {{0}};
    if (key.len != sizeof(unit.b) && key.len != KEY_OFFICE)
        return err_set(err, ERR_CORRUPT, "units and offices: a key of wrong length");
    memcpy(unit.b, key.data, sizeof(unit.b));
    if (key.len == KEY_OFFICE)
        memcpy(office.b, key.data + sizeof(unit.b), sizeof(office.b));
    place_row_init(ret, &unit, &office);
    return place_row_decode(value, &unit, &office, ret, err);
}

/* Calls each for the rows of a table whose key starts with prefix until it returns false. */
static int
each_place(struct db_txn *txn, enum table t, struct slice prefix, bool (*each)(void *arg, const struct place_row *row),
           void *arg, struct err *err)
{
    struct db_cursor *c;
    struct slice key, value;
    int rc = db_cursor_open(txn, t, &c, err);
    if (rc != 0)
        return rc;
    bool go_on = true;
    for (rc = prefix.len > 0 ? db_cursor_seek(c, prefix, &key, &value, err) : db_cursor_first(c, &key, &value, err);
         rc == 0 && go_on; rc = go_on ? db_cursor_next(c, &key, &value, err) : 0) {
        struct place_row row;
        if (key.len < prefix.len || (prefix.len > 0 && memcmp(key.data, prefix.data, prefix.len) != 0))
            break;
        rc = place_decode(key, value, &row, err);
        if (rc != 0)
            break;
        go_on = each(arg, &row);
        place_row_release(&row);
    }
    db_cursor_close(&c);
    return rc == ERR_NOTFOUND ? 0 : rc;
}

struct units {
    struct civil_date as_of;
    struct unit_info *v;
    size_t n, max;
};

static bool
add_unit(void *arg, const struct place_row *row)
{
    struct units *u = arg;
    if (u->n == u->max)
        return false;
    struct unit_info *info = &u->v[u->n++];
    memset(info, 0, sizeof(*info));
    info->unit = row->unit;
    memcpy(info->code, row->unit_code, sizeof(info->code));
    struct position closed;
    info->described = unit_state_at(row, u->as_of, &info->facts);
    info->has_custodian = unit_custodian(row, &info->custodian);
    if (!unit_closing(row, &closed, &info->closed_on) || info->closed_on.days > u->as_of.days)
        info->closed_on = DATE_NONE;
    return true;
}

int
view_units(struct db_txn *txn, struct civil_date as_of, struct unit_info *ret, size_t max, size_t *ret_n,
           struct err *err)
{
    struct units u = {.as_of = as_of, .v = ret, .max = max};
    int rc = each_place(txn, TABLE_UNITS, (struct slice){NULL, 0}, add_unit, &u, err);
    if (rc == 0)
        *ret_n = u.n;
    return rc;
}

struct wanted_code {
    const char *code;
    bool found;
    struct unit_id unit;
};

static bool
match_code(void *arg, const struct place_row *row)
{
    struct wanted_code *w = arg;
    if (strncmp(row->unit_code, w->code, UNIT_CODE_MAX) == 0) {
        w->found = true;
        w->unit = row->unit;
    }
    return !w->found;
}

int
view_unit_by_code(struct db_txn *txn, const char *code, struct unit_id *ret, struct err *err)
{
    struct wanted_code w = {.code = code};
    int rc = each_place(txn, TABLE_UNITS, (struct slice){NULL, 0}, match_code, &w, err);
    if (rc == 0 && !w.found)
        rc = err_field(err, ERR_NOTFOUND, "unit", "no such unit");
    if (rc == 0)
        *ret = w.unit;
    return rc;
}

struct offices {
    struct civil_date as_of;
    struct office_info *v;
    size_t n, max;
};

static bool
add_office(void *arg, const struct place_row *row)
{
    struct offices *o = arg;
    struct office_state state;
    if (o->n == o->max)
        return false;
    if (office_state_at(row, o->as_of, &state))
        o->v[o->n++] = (struct office_info){row->office, state};
    return true;
}

int
view_offices(struct db_txn *txn, const struct unit_id *unit, struct civil_date as_of, struct office_info *ret,
             size_t max, size_t *ret_n, struct err *err)
{
    struct offices o = {.as_of = as_of, .v = ret, .max = max};
    int rc = each_place(txn, TABLE_OFFICES, slice_of(unit->b, sizeof(unit->b)), add_office, &o, err);
    if (rc == 0)
        *ret_n = o.n;
    return rc;
}
