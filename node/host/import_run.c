/* The run over a file of members: rows are read, checked, compared with the register, carried out in groups; what is wrong with a row
 * goes, with the row, into the file of rejected ones. See import.h. */
#include <stdlib.h>

#include "node/host/import.h"
#include "node/host/person_read.h"
#include "node/host/rejects.h"
#include "proto/base/map.h"

enum { JOBS_MAX = 2048, OFFICES_MAX = 1024, NUMBERS_MAX = 16777216 };

struct import_pass {
    const struct import_options *o;
    const struct import_target *t;
    struct import_result *result;
    struct mapping *mapping;
    struct table_reader *table;
    struct map numbers; /* key of a member number → row */
    struct import_office *offices[OFFICES_MAX];
    size_t n_offices;
    struct import_job *jobs;
    size_t n_jobs, group_rows;
    struct rejects rejects;
};

/* ---- one row ---- */

/* What is wrong with a row goes on with the next one; anything else ends the import. */
static bool
is_of_row(int rc)
{
    return rc == ERR_INVALID || rc == ERR_LIMIT || rc == ERR_NOTFOUND || rc == ERR_EXISTS || rc == ERR_CONFLICT;
}

static int
find_office(struct import_pass *r, const char *text, const struct import_office **ret, struct err *err)
{
    for (size_t i = r->n_offices; i-- > 0;) {
        if (strcmp(r->offices[i]->text, text) == 0) {
            *ret = r->offices[i];
            return 0;
        }
    }
    if (r->n_offices == OFFICES_MAX)
        return err_field(err, ERR_LIMIT, "office", "more than %d offices in one file", OFFICES_MAX);
    struct import_office *o = calloc(1, sizeof(*o));
    if (!o)
        return err_set(err, ERR_NOMEM, "import: out of memory");
    snprintf(o->text, sizeof(o->text), "%s", text);
    int rc = r->t->office(r->t->arg, text, o, err);
    if (rc != 0) {
        free(o);
        return rc;
    }
    r->offices[r->n_offices++] = o;
    *ret = o;
    return 0;
}

/* The same number twice in one file is a mistake in the file, whatever the register has. */
static int
check_number(struct import_pass *r, const char *number, uint64_t row, struct err *err)
{
    uint8_t key[NUMBER_KEY_BYTES];
    bool fresh = false;
    int rc = number_key(number, key, err);
    if (rc != 0)
        return rc;
    uint64_t *first = map_put(&r->numbers, key, &fresh);
    if (!first)
        return err_set(err, ERR_NOMEM, "import: out of memory");
    if (!fresh)
        return err_field(err, ERR_EXISTS, "member_no", "the same as in row %llu", (unsigned long long)*first);
    *first = row;
    return 0;
}

/* What an admission needs and only the state can say, before anything of the row is written. */
static int
check_steps(struct import_pass *r, const struct import_job *job, struct err *err)
{
    for (size_t i = job->next; i < job->row.n_steps; i++) {
        const struct import_step *s = &job->row.steps[i];
        if (s->action != ACTION_APPLY && s->action != ACTION_ADMIT)
            continue;
        if (!job->office->open && s->on.days >= job->office->closed_on.days)
            return err_field(err, ERR_CONFLICT, "office", "the office is closed on that day");
        if (s->action == ACTION_ADMIT && r->t->priced && !r->t->priced(r->t->arg, s->on))
            return err_field(err, ERR_CONFLICT, "admitted_on", "the unit has no share price on that day");
    }
    return 0;
}

static int
prepare(struct import_pass *r, const struct table_record *rec, struct import_job *job, struct err *err)
{
    struct member_row have;
    bool found = false;
    int rc = import_row_read(r->table, rec, r->t->today, &job->row, err);
    struct err twice;
    if (job->row.member_no[0] != '\0') {
        int again = check_number(r, job->row.member_no, rec->number, &twice);
        if (rc == 0 && again != 0) {
            *err = twice;
            rc = again;
        }
    }
    if (rc == 0)
        rc = find_office(r, job->row.office, &job->office, err);
    if (rc == 0)
        rc = r->t->find(r->t->arg, job->row.member_no, &found, &have, err);
    if (rc == 0 && found) {
        job->has_subject = true;
        job->subject = have.subject;
        rc = import_compare(&job->row, &job->office->id, &have, &job->next, err);
        member_row_release(&have);
    }
    return rc != 0 ? rc : check_steps(r, job, err);
}

static void
job_release(struct import_job *job)
{
    if (job->raw) {
        person_wipe(job->raw, strlen(job->raw));
        free(job->raw);
    }
    person_wipe(job, sizeof(*job));
}

static int
flush(struct import_pass *r, struct err *err)
{
    int rc = 0;
    size_t todo = 0;
    for (size_t i = 0; i < r->n_jobs; i++)
        todo += r->jobs[i].err.code == ERR_NONE;
    if (todo > 0 && !r->o->dry_run)
        rc = r->t->run(r->t->arg, r->jobs, r->n_jobs, err);
    for (size_t i = 0; i < r->n_jobs; i++) {
        struct import_job *job = &r->jobs[i];
        if (rc == 0 && job->err.code != ERR_NONE) {
            struct err why = job->err;
            snprintf(why.field, sizeof(why.field), "%s", import_field(job->err.field));
            r->result->rejected++;
            rc = rejects_put(&r->rejects, job->raw, job->number, &why, err);
        } else if (rc == 0) {
            r->result->imported += !job->has_subject || r->o->dry_run;
        }
        job_release(job);
    }
    r->n_jobs = 0;
    return rc;
}

static int
take(struct import_pass *r, const struct table_record *rec, struct err *err)
{
    struct import_job *job = &r->jobs[r->n_jobs];
    struct err why = {0};
    memset(job, 0, sizeof(*job));
    job->number = rec->number;
    r->result->rows++;
    job->raw = table_raw(r->table);
    int rc = job->raw ? prepare(r, rec, job, &why) : err_set(&why, ERR_NOMEM, "import: out of memory");
    if (rc != 0 && !is_of_row(rc)) {
        *err = why;
        job_release(job);
        return rc;
    }
    if (rc == 0 && job->next == job->row.n_steps) {
        r->result->there++;
        job_release(job);
        return 0;
    }
    if (rc == 0 && job->has_subject)
        r->result->completed++;
    job->err = why;
    if (rc == 0)
        err_clear(&job->err);
    r->n_jobs++;
    return r->n_jobs == r->group_rows ? flush(r, err) : 0;
}

static int
open_table(struct import_pass *r, struct err *err)
{
    const struct import_options *o = r->o;
    int rc = o->mapping ? mapping_load(o->mapping, &r->mapping, err) : 0;
    if (rc != 0)
        return rc;
    enum table_type type = mapping_file(r->mapping)->type;
    if (type != TABLE_OF_ANYTHING && type != TABLE_OF_MEMBERS)
        return err_field(err, ERR_INVALID, "type", "%s: is for %s; only members are imported", o->mapping,
                         table_type_name(type));
    struct table_options table = {.file = o->file,
                                  .columns = import_columns,
                                  .n_columns = IMPORT_COLUMNS,
                                  .mapping = r->mapping,
                                  .encoding = o->encoding,
                                  .format = o->format,
                                  .delimiter = o->delimiter};
    rc = table_open(&table, &r->table, err);
    if (rc == 0)
        rejects_init(&r->rejects, r->table, o->file, o->rejected);
    return rc;
}

static int
run_rows(struct import_pass *r, struct err *err)
{
    const struct table_record *rec = NULL;
    int rc = 0;
    while (rc == 0) {
        rc = table_next(r->table, &rec, err);
        if (rc == 0)
            rc = take(r, rec, err);
        if (rc == 0 && r->o->progress)
            r->o->progress(r->o->progress_arg, table_offset(r->table), table_bytes(r->table), r->result->rows);
    }
    if (rc == ERR_NOTFOUND)
        rc = flush(r, err);
    return rc;
}

int
import_run(const struct import_options *o, const struct import_target *t, struct import_result *ret, struct err *err)
{
    struct import_pass r = {.o = o, .t = t, .result = ret};
    r.group_rows = o->group_rows > 0 && o->group_rows < JOBS_MAX ? o->group_rows : JOBS_MAX;
    memset(ret, 0, sizeof(*ret));
    map_init(&r.numbers, NUMBER_KEY_BYTES, sizeof(uint64_t), NUMBERS_MAX, NULL);
    r.jobs = calloc(JOBS_MAX, sizeof(*r.jobs));
    int rc = r.jobs ? open_table(&r, err) : err_set(err, ERR_NOMEM, "import: out of memory");
    if (rc == 0)
        rc = run_rows(&r, err);
    for (size_t i = 0; i < r.n_jobs; i++)
        job_release(&r.jobs[i]);
    struct err close_err;
    int close_rc = rejects_close(&r.rejects, &close_err);
    if (rc == 0 && close_rc != 0) {
        *err = close_err;
        rc = close_rc;
    }
    snprintf(ret->rejected_file, sizeof(ret->rejected_file), "%s", r.rejects.made);
    for (size_t i = 0; i < r.n_offices; i++)
        free(r.offices[i]);
    free(r.jobs);
    map_free(&r.numbers);
    table_free(&r.table);
    mapping_free(&r.mapping);
    return rc;
}
