/* The run over a members file: rows are read, checked, compared with the register, carried out in groups; what is wrong with a row
 * goes, with the row, into the file of rejected ones. See import.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "node/host/import.h"
#include "node/host/person_read.h"
#include "proto/base/map.h"

enum { JOBS_MAX = 2048, OFFICES_MAX = 1024, REJECTED_NAMES_MAX = 99, NUMBERS_MAX = 16777216 };

struct import_pass {
    const struct import_options *o;
    const struct import_target *t;
    struct import_result *result;
    struct csv_reader *csv;
    struct import_header header;
    struct map numbers; /* key of a member number → row */
    struct import_office *offices[OFFICES_MAX];
    size_t n_offices;
    struct import_job *jobs;
    size_t n_jobs, group_rows;
    FILE *rejects;
    char *header_raw;
};

/* ---- rejected rows ---- */

static void
put_field(FILE *f, const char *text, char delimiter)
{
    char special[] = {delimiter, '"', '\r', '\n', '\0'};
    if (!strpbrk(text, special)) {
        fputs(text, f);
        return;
    }
    putc('"', f);
    for (; *text != '\0'; text++) {
        if (*text == '"')
            putc('"', f);
        putc(*text, f);
    }
    putc('"', f);
}

/* Beside the file, never over one that is there: somebody may be mending it. */
static int
rejects_create(struct import_pass *r, struct err *err)
{
    char *path = r->result->rejected_file;
    size_t cap = sizeof(r->result->rejected_file);
    const char *file = strcmp(r->o->file, "-") == 0 ? "members" : r->o->file;
    size_t len = strlen(file);
    int fd = -1;
    if (len > 4 && strcmp(file + len - 4, ".csv") == 0)
        len -= 4;
    if (r->o->rejected) {
        snprintf(path, cap, "%s", r->o->rejected);
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    }
    for (int i = 1; !r->o->rejected && fd < 0 && i <= REJECTED_NAMES_MAX; i++) {
        if (i == 1)
            snprintf(path, cap, "%.*s.rejected.csv", (int)len, file);
        else
            snprintf(path, cap, "%.*s.rejected-%d.csv", (int)len, file, i);
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0 && errno != EEXIST)
            break;
    }
    r->rejects = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!r->rejects) {
        int rc = err_errno(err, "file of rejected rows: %s", path);
        path[0] = '\0';
        return rc;
    }
    return 0;
}

static void
reject_row(struct import_pass *r, const char *raw, uint64_t number, const struct err *why)
{
    char delimiter = csv_reader_delimiter(r->csv), digits[24];
    snprintf(digits, sizeof(digits), "%llu", (unsigned long long)number);
    fputs(raw, r->rejects);
    putc(delimiter, r->rejects);
    put_field(r->rejects, number == 0 ? "error_row" : digits, delimiter);
    putc(delimiter, r->rejects);
    put_field(r->rejects, number == 0 ? "error_field" : why->field, delimiter);
    putc(delimiter, r->rejects);
    put_field(r->rejects, number == 0 ? "error_reason" : why->text, delimiter);
    putc('\n', r->rejects);
}

static int
reject(struct import_pass *r, const char *raw, uint64_t number, const struct err *why, struct err *err)
{
    r->result->rejected++;
    r->result->not_utf8 += strcmp(why->text, "not UTF-8") == 0;
    if (!r->rejects) {
        int rc = rejects_create(r, err);
        if (rc != 0)
            return rc;
        reject_row(r, r->header_raw, 0, NULL);
    }
    reject_row(r, raw, number, why);
    return ferror(r->rejects) ? err_errno(err, "%s", r->result->rejected_file) : 0;
}

/* The row as text of its own, without the columns of an earlier file of rejected rows. */
static char *
raw_copy(struct import_pass *r, const struct csv_record *rec)
{
    bool dropped = false;
    char *text = NULL;
    size_t len = 0;
    for (size_t i = 0; i < r->header.n; i++)
        dropped |= r->header.dropped[i];
    if (!dropped || rec->err.code != ERR_NONE || rec->n != r->header.n) {
        text = malloc(rec->raw.len + 1);
        if (text) {
            memcpy(text, rec->raw.data, rec->raw.len);
            text[rec->raw.len] = '\0';
        }
        return text;
    }
    FILE *f = open_memstream(&text, &len);
    if (!f)
        return NULL;
    bool first = true;
    for (size_t i = 0; i < rec->n; i++) {
        if (r->header.dropped[i])
            continue;
        if (!first)
            putc(csv_reader_delimiter(r->csv), f);
        put_field(f, rec->fields[i], csv_reader_delimiter(r->csv));
        first = false;
    }
    if (fclose(f) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

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
prepare(struct import_pass *r, const struct csv_record *rec, struct import_job *job, struct err *err)
{
    struct member_row have;
    bool found = false;
    int rc = import_row_read(&r->header, rec, r->t->today, &job->row, err);
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
            rc = reject(r, job->raw, job->number, &why, err);
        } else if (rc == 0) {
            r->result->imported += !job->has_subject || r->o->dry_run;
        }
        job_release(job);
    }
    r->n_jobs = 0;
    return rc;
}

static int
take(struct import_pass *r, const struct csv_record *rec, struct err *err)
{
    struct import_job *job = &r->jobs[r->n_jobs];
    struct err why = {0};
    memset(job, 0, sizeof(*job));
    job->number = rec->number;
    r->result->rows++;
    job->raw = raw_copy(r, rec);
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
run_rows(struct import_pass *r, struct err *err)
{
    struct csv_record rec;
    int rc = csv_reader_next(r->csv, &rec, err);
    if (rc == ERR_NOTFOUND)
        return err_set(err, ERR_INVALID, "%s: is empty; the first line must name the columns", r->o->file);
    if (rc == 0)
        rc = import_header_read(&rec, &r->header, err);
    if (rc == 0) {
        r->header_raw = raw_copy(r, &rec);
        if (!r->header_raw)
            rc = err_set(err, ERR_NOMEM, "import: out of memory");
    }
    while (rc == 0) {
        rc = csv_reader_next(r->csv, &rec, err);
        if (rc == 0)
            rc = take(r, &rec, err);
        if (rc == 0 && r->o->progress)
            r->o->progress(r->o->progress_arg, csv_reader_offset(r->csv), csv_reader_bytes(r->csv), r->result->rows);
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
    int rc = r.jobs ? csv_reader_open(o->file, &r.csv, err) : err_set(err, ERR_NOMEM, "import: out of memory");
    if (rc == 0)
        rc = run_rows(&r, err);
    for (size_t i = 0; i < r.n_jobs; i++)
        job_release(&r.jobs[i]);
    if (r.rejects && fclose(r.rejects) != 0 && rc == 0)
        rc = err_errno(err, "%s", ret->rejected_file);
    for (size_t i = 0; i < r.n_offices; i++)
        free(r.offices[i]);
    free(r.header_raw);
    free(r.jobs);
    map_free(&r.numbers);
    csv_reader_free(&r.csv);
    return rc;
}
