/* Finding in the register what a row of work speaks of: by id, by number, or as the nth that says the same. See import.h. */
#include "node/command/work.h"
#include "node/exchange/import.h"

enum { STEP = 256 };

int
import_named_member(struct import_match *m, struct import_job *job, struct err *err)
{
    const struct import_row *row = &job->row;
    if (!row->has_id && row->member_no[0] == '\0')
        return 0;
    int rc = import_find_member(m, row, &job->has_member, &job->member, err);
    if (rc == 0 && !job->has_member)
        return err_field(err, ERR_NOTFOUND, row->has_id ? "id" : "member_no", "no member has it");
    return rc;
}

int
import_same_member(struct import_match *m, const struct subject_id *a, const struct subject_id *b, bool *ret,
                   struct err *err)
{
    struct subject_id kept_a, kept_b;
    *ret = TYPE_EQ(a, b);
    if (*ret)
        return 0;
    int rc = work_kept(m->ctx, a, &kept_a, err);
    if (rc == 0)
        rc = work_kept(m->ctx, b, &kept_b, err);
    *ret = rc == 0 && TYPE_EQ(&kept_a, &kept_b);
    return rc == ERR_NOTFOUND ? 0 : rc;
}

int
import_links(struct import_match *m, const struct subject_id *entity, const struct position *at, bool *ret_known,
             struct activity_links *ret, struct err *err)
{
    int rc = work_links_read(m->ctx, entity, at, ret, err);
    *ret_known = rc == 0;
    return rc == ERR_NOTFOUND || rc == ERR_CORRUPT ? 0 : rc;
}

size_t
import_standing(struct row_entries entries, uint16_t kind, size_t from)
{
    for (size_t i = from; i < entries.n; i++) {
        const struct row_entry *e = (const void *)((const uint8_t *)entries.v + i * entries.size);
        if (e->kind == kind && e->outcome == OUTCOME_APPLIED)
            return i;
    }
    return SIZE_MAX;
}

int
import_find_number(struct import_match *m, enum import_column column, enum index_field field, const char *number,
                   struct subject_id *ret, struct err *err)
{
    struct import_seen *seen = import_memory_find(m->memory, column, number, false);
    if (!seen || !seen->made)
        return work_find(m->ctx, field, number, ret, err);
    *ret = seen->subject;
    return 0;
}

int
import_find_nth(struct import_match *m, struct import_job *job, const struct subject_id *member,
                const struct import_finding *f, bool *ret_found, struct err *err)
{
    struct subject_id all[STEP], after;
    uint64_t equal = 0;
    size_t n = STEP;
    int rc = 0;
    for (bool first = true; rc == 0 && n == STEP && !*ret_found; first = false) {
        rc = f->of_member(m->ctx, member, first ? NULL : &after, STEP, all, &n, err);
        for (size_t k = 0; rc == 0 && k < n && !*ret_found; k++) {
            bool same = false;
            rc = f->same(m, job, &all[k], &same, err);
            rc = rc == ERR_NOTFOUND ? 0 : rc; /* something else, or never committed */
            *ret_found = rc == 0 && same && ++equal == m->nth;
            if (*ret_found)
                job->subject = all[k];
        }
        if (n > 0)
            after = all[n - 1];
    }
    return rc;
}

int
import_find_entity(struct import_match *m, struct import_job *job, const struct import_finding *f, bool *ret_found,
                   struct err *err)
{
    const struct import_row *row = &job->row;
    *ret_found = row->has_entity;
    job->subject = row->entity;
    if (row->has_entity)
        return 0;
    if (row->number.s[0] == '\0')
        return import_find_nth(m, job, &job->member, f, ret_found, err);
    int rc = import_find_number(m, f->column, f->field, row->number.s, &job->subject, err);
    *ret_found = rc == 0;
    return rc == ERR_NOTFOUND ? 0 : rc;
}
