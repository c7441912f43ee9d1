/* The run over a file: rows are read, checked, compared with the register, carried out in groups; what is wrong with a row goes, with the
 * row, into the file of rejected ones. See import.h. */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>

#include "node/exchange/import.h"
#include "node/exchange/rejects.h"
#include "node/host/person_read.h"

enum { OFFICES_MAX = 1024, HEAD_BYTES = 8192, GROUP_ROWS_MAX = 1024 };

struct import_pass {
    const struct import_options *o;
    const struct import_target *t;
    const struct import_type *type;
    struct import_result *result;
    struct mapping *mapping;
    struct table_reader *table;
    struct table_column columns[TABLE_COLUMNS_MAX];
    struct import_cells cells;
    struct import_memory own, *memory;
    struct import_office *offices[OFFICES_MAX];
    size_t n_offices;
    struct import_job *jobs;
    size_t n_jobs, group_rows;
    uint16_t swaps[GROUP_ROWS_MAX];
    struct period_figure *figures; /* of the jobs, for those that go together */
    struct rejects rejects;
};

/* What is wrong with a row goes on with the next one; anything else ends the import. */
static bool
is_of_row(int rc)
{
    return rc == ERR_INVALID || rc == ERR_LIMIT || rc == ERR_NOTFOUND || rc == ERR_EXISTS || rc == ERR_CONFLICT;
}

/* ---- names ---- */

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

/* The column with a register's own number of what a row brings; IMPORT_COLUMNS: none. */
static enum import_column
number_column(const struct import_cells *c, enum table_type type)
{
    bool opens = cell(c, COLUMN_OP)[0] == '\0' ||
                 strcmp(cell(c, COLUMN_OP), import_verb_name(VERB_ACTIVITY_OPEN)) == 0 ||
                 strcmp(cell(c, COLUMN_OP), import_verb_name(VERB_POSTING_ISSUE)) == 0;
    switch (type) {
    case TABLE_OF_MEMBERS: return COLUMN_MEMBER_NO;
    case TABLE_OF_ACTIVITIES: return opens ? COLUMN_ACTIVITY_NO : IMPORT_COLUMNS;
    case TABLE_OF_INVOICES: return COLUMN_INVOICE_NO;
    case TABLE_OF_POSTINGS: return opens ? COLUMN_REFERENCE : IMPORT_COLUMNS;
    default: return IMPORT_COLUMNS;
    }
}

/* The same number twice in one file is a mistake in the file, whatever the register has. */
static int
check_number(struct import_pass *r, uint64_t row, struct err *err)
{
    enum import_column column = number_column(&r->cells, r->type->type);
    if (column == IMPORT_COLUMNS || cell(&r->cells, column)[0] == '\0')
        return 0;
    const char *name = import_column_names[column], *text = cell(&r->cells, column);
    struct import_seen *seen = import_memory_find(r->memory, column, text, true);
    if (!seen)
        return err_field(err, ERR_INVALID, name, "%s: has no letter or digit", name);
    if (seen->file == r->memory->files)
        return err_field(err, ERR_EXISTS, name, "the same as in row %llu", (unsigned long long)seen->row);
    seen->file = r->memory->files;
    seen->row = row;
    return 0;
}

/* The names that a row gives: first those of what it is about, then those that it refers to. */
struct names {
    size_t n, n_own;
    struct {
        enum import_column kind;
        char text[PERSON_TEXT_MAX + 1];
    } all[8];
};

static void
add_name(struct names *s, bool own, enum import_column kind, const char *text)
{
    if (text[0] == '\0')
        return;
    s->all[s->n].kind = kind;
    snprintf(s->all[s->n].text, sizeof(s->all[s->n].text), "%s", text);
    s->n++;
    s->n_own += own;
}

static void
add_id(struct names *s, bool own, bool has, const struct subject_id *id)
{
    char hex[HEX16_MAX];
    if (has)
        add_name(s, own, COLUMN_ID, hex_encode(id->b, ID_BYTES, hex));
}

/* The column of the unit's own number of what rows of work bring; IMPORT_COLUMNS: of other rows. */
static enum import_column
work_column(enum table_type type)
{
    switch (type) {
    case TABLE_OF_ACTIVITIES: return COLUMN_ACTIVITY_NO;
    case TABLE_OF_INVOICES: return COLUMN_INVOICE_NO;
    case TABLE_OF_POSTINGS: return COLUMN_REFERENCE;
    default: return IMPORT_COLUMNS;
    }
}

static void
names_of(const struct import_row *row, struct names *ret)
{
    enum import_column work = work_column(row->type);
    *ret = (struct names){0};
    if (work != IMPORT_COLUMNS) {
        add_name(ret, true, work, row->number.s);
        add_id(ret, true, row->has_entity, &row->entity);
    } else {
        add_name(ret, true, COLUMN_MEMBER_NO, row->member_no);
        add_id(ret, true, row->has_id, &row->id);
        add_id(ret, true, row->has_other, &row->other);
    }
    add_name(ret, false, COLUMN_ACTIVITY_NO, row->activity_no.s);
    add_name(ret, false, COLUMN_INVOICE_NO, row->credits_no.s);
}

/* Whether a row names something that a row of the group that is not carried out yet is about. */
static bool
waits(struct import_pass *r, const struct names *s)
{
    for (size_t i = 0; i < s->n; i++) {
        struct import_seen *seen = import_memory_find(r->memory, s->all[i].kind, s->all[i].text, false);
        if (seen && seen->group == r->memory->groups)
            return true;
    }
    return false;
}

static void
mark_waiting(struct import_pass *r, const struct names *s)
{
    for (size_t i = 0; i < s->n_own; i++) {
        struct import_seen *seen = import_memory_find(r->memory, s->all[i].kind, s->all[i].text, true);
        if (seen)
            seen->group = r->memory->groups;
    }
}

/* What a row made is found by its number from now on: the index follows later. */
static void
remember(struct import_pass *r, const struct import_job *job)
{
    const struct import_row *row = &job->row;
    bool work = work_column(row->type) != IMPORT_COLUMNS;
    enum import_column kind = work ? work_column(row->type) : COLUMN_MEMBER_NO;
    const char *number = work ? row->number.s : row->member_no;
    struct import_seen *seen =
        job->has_subject && number[0] != '\0' ? import_memory_find(r->memory, kind, number, true) : NULL;
    if (seen && !seen->made) {
        seen->made = true;
        seen->subject = job->subject;
    }
}

/* ---- groups ---- */

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
count(struct import_pass *r, struct import_job *job, struct err *err)
{
    if (job->err.code == ERR_NONE) {
        bool sent_before = r->t->run && job->events == 0;
        r->result->there += sent_before;
        r->result->completed += !sent_before && job->found;
        r->result->imported += !sent_before && !job->found;
        remember(r, job);
        return 0;
    }
    struct err why = job->err;
    snprintf(why.field, sizeof(why.field), "%s", import_field(job, job->err.field));
    r->result->rejected++;
    return rejects_put(&r->rejects, job->raw, job->number, &why, err);
}

static void
swap(struct import_job *a, struct import_job *b)
{
    struct import_job c = *a;
    *a = *b;
    *b = c;
}

/* A file is sorted by person, as likely as not; events that stood so would say in clear which activities and invoices are one person's
 * (docs/PROTOCOL.md §9). No row of a group rests on another one of it but credit notes of one invoice, which share what is left of it:
 * those stay in their places, the others are written in an order of their own. */
static bool
is_mixed(const struct import_job *job)
{
    const struct import_row *row = &job->row;
    return row->type == TABLE_OF_ACTIVITIES || row->type == TABLE_OF_POSTINGS ||
           (row->type == TABLE_OF_INVOICES && row->n_steps > 0 && row->steps[0].verb != VERB_CREDIT);
}

static void
mix(struct import_pass *r)
{
    for (size_t i = r->n_jobs; i-- > 0;) {
        uint16_t to = (uint16_t)(be32_get(r->jobs[i].key) % (i + 1));
        r->swaps[i] = is_mixed(&r->jobs[i]) && is_mixed(&r->jobs[to]) ? to : (uint16_t)i;
        swap(&r->jobs[i], &r->jobs[r->swaps[i]]);
    }
}

static void
unmix(struct import_pass *r)
{
    for (size_t i = 0; i < r->n_jobs; i++)
        swap(&r->jobs[i], &r->jobs[r->swaps[i]]);
}

/* Of rows that go together the last carries out all, with the figures of the others; if one is wrong all are rejected, so that what is mended
 * is whole. first … last of r->jobs. */
static void
gather(struct import_pass *r, size_t first, size_t last)
{
    struct import_job *all = &r->jobs[last];
    size_t wrong = last + 1;
    for (size_t i = first; i <= last; i++) {
        r->figures[i] = r->jobs[i].row.figure;
        wrong = r->jobs[i].err.code != ERR_NONE ? i : wrong;
    }
    for (size_t i = first; i <= last && wrong <= last; i++)
        if (r->jobs[i].err.code == ERR_NONE)
            err_set(&r->jobs[i].err, ERR_CONFLICT, "goes with row %llu, which is wrong",
                    (unsigned long long)r->jobs[wrong].number);
    all->row.figures = &r->figures[first];
    all->row.n_figures = last - first + 1;
    for (size_t i = first; i < last && wrong > last; i++)
        r->jobs[i].next = r->jobs[i].row.n_steps; /* not carried out by itself */
}

static void
scatter(struct import_pass *r, size_t first, size_t last)
{
    for (size_t i = first; i < last; i++) {
        if (r->jobs[i].err.code == ERR_NONE)
            r->jobs[i].err = r->jobs[last].err;
        r->jobs[i].events += r->jobs[last].events;
    }
}

static void
each_together(struct import_pass *r, void (*one)(struct import_pass *r, size_t first, size_t last))
{
    for (size_t first = 0, i = 0; r->type->together && i < r->n_jobs; i++) {
        if (i + 1 < r->n_jobs && r->type->together(&r->jobs[i].row, &r->jobs[i + 1].row))
            continue;
        one(r, first, i);
        first = i + 1;
    }
}

static int
flush(struct import_pass *r, struct err *err)
{
    int rc = 0;
    size_t todo = 0;
    each_together(r, gather);
    for (size_t i = 0; i < r->n_jobs; i++)
        todo += r->jobs[i].err.code == ERR_NONE;
    mix(r);
    if (todo > 0 && r->t->run)
        rc = r->t->run(r->t->arg, r->jobs, r->n_jobs, err);
    unmix(r);
    each_together(r, scatter);
    for (size_t i = 0; i < r->n_jobs; i++) {
        r->result->events += r->jobs[i].events;
        if (rc == 0)
            rc = count(r, &r->jobs[i], err);
        job_release(&r->jobs[i]);
    }
    r->n_jobs = 0;
    r->memory->groups++;
    return rc;
}

/* ---- one row ---- */

/* All that the row says, in our words: equal rows are told apart by which one of them it is. */
static int
count_equal(struct import_pass *r, struct import_job *job, uint64_t *ret_nth, struct err *err)
{
    crypto_generichash_state h;
    uint8_t hash[32], type = (uint8_t)r->type->type;
    crypto_generichash_init(&h, NULL, 0, sizeof(hash));
    crypto_generichash_update(&h, &type, 1);
    for (size_t c = 0; c < r->type->n_columns; c++) {
        const char *text = r->cells.record->text[c];
        crypto_generichash_update(&h, (const uint8_t *)text, strlen(text) + 1);
    }
    crypto_generichash_final(&h, hash, sizeof(hash));
    uint64_t *met = map_put(&r->memory->equals, hash, NULL);
    if (!met)
        return err_set(err, ERR_NOMEM, "import: out of memory");
    *ret_nth = ++*met;
    uint8_t nth[8];
    be64_put(nth, *ret_nth);
    return crypto_generichash(job->key, sizeof(job->key), nth, sizeof(nth), hash, sizeof(hash)) == 0
               ? 0
               : err_set(err, ERR_NOMEM, "import: hash");
}

static int
read_row(struct import_pass *r, const struct table_record *rec, struct import_job *job, struct err *err)
{
    struct err twice;
    int rc = rec->err.code == ERR_NONE ? r->type->read(&r->cells, &job->row, err)
                                       : err_field(err, rec->err.code, rec->err.field, "%s", rec->err.text);
    job->row.type = r->type->type;
    int again = check_number(r, rec->number, &twice);
    if (rc == 0 && again != 0) {
        *err = twice;
        rc = again;
    }
    if (rc == 0 && job->row.office[0] != '\0')
        rc = find_office(r, job->row.office, &job->office, err);
    return rc;
}

static int
match(struct import_pass *r, struct import_job *job, struct err *err)
{
    struct import_match m = {.target = r->t, .memory = r->memory};
    int rc = count_equal(r, job, &m.nth, err);
    if (rc == 0 && r->t->view)
        rc = r->t->view(r->t->arg, &m.ctx, err);
    if (rc == 0 && (m.ctx || job->row.type == TABLE_OF_MEMBERS))
        rc = r->type->match(&m, job, err);
    job->found = job->has_subject && job->next > 0;
    if (m.ctx && r->t->release)
        r->t->release(r->t->arg);
    return rc;
}

static int
prepare(struct import_pass *r, const struct table_record *rec, struct import_job *job, struct err *err)
{
    struct names names;
    int rc = read_row(r, rec, job, err);
    if (rc != 0)
        return rc;
    names_of(&job->row, &names);
    bool blind = r->n_jobs > 0 && waits(r, &names);
    if (!blind || r->t->run)
        rc = match(r, job, err);
    if (rc == 0)
        mark_waiting(r, &names);
    return rc;
}

/* A row that speaks of what the group before it is about comes after it. */
static int
flush_before(struct import_pass *r, const struct table_record *rec, struct err *err)
{
    bool asks = r->n_jobs > 0 && (r->t->run || r->type->together);
    struct import_row *row = asks ? calloc(1, sizeof(*row)) : NULL;
    struct names names;
    struct err ignored;
    if (!row)
        return 0;
    bool ok = rec->err.code == ERR_NONE && r->type->read(&r->cells, row, &ignored) == 0;
    row->type = r->type->type;
    names_of(row, &names);
    bool ends =
        r->type->together && r->n_jobs >= r->group_rows / 2 && !r->type->together(&r->jobs[r->n_jobs - 1].row, row);
    person_wipe(row, sizeof(*row));
    free(row);
    return ends || (ok && r->t->run && waits(r, &names)) ? flush(r, err) : 0;
}

static int
take(struct import_pass *r, const struct table_record *rec, struct err *err)
{
    struct err why = {0};
    r->cells.record = rec;
    int rc = flush_before(r, rec, err);
    if (rc != 0)
        return rc;
    struct import_job *job = &r->jobs[r->n_jobs];
    memset(job, 0, sizeof(*job));
    job->number = rec->number;
    r->result->rows++;
    job->raw = table_raw(r->table);
    rc = job->raw ? prepare(r, rec, job, &why) : err_set(&why, ERR_NOMEM, "import: out of memory");
    if (rc != 0 && !is_of_row(rc)) {
        *err = why;
        job_release(job);
        return rc;
    }
    if (rc == 0 && job->next == job->row.n_steps) {
        r->result->there++;
        remember(r, job);
        job_release(job);
        return 0;
    }
    job->err = why;
    if (rc == 0)
        err_clear(&job->err);
    r->n_jobs++;
    return r->n_jobs == r->group_rows ? flush(r, err) : 0;
}

/* ---- the file ---- */

/* The type that the first line tells of; of standard input, and of names that the mapping translates, it is not asked. */
static enum table_type
guess(const char *file)
{
    uint8_t head[HEAD_BYTES];
    FILE *f = strcmp(file, "-") == 0 ? NULL : fopen(file, "r");
    if (!f)
        return TABLE_OF_ANYTHING;
    size_t n = fread(head, 1, sizeof(head), f);
    fclose(f);
    return import_type_guess(slice_of(head, n));
}

static int
find_type(struct import_pass *r, struct err *err)
{
    const struct import_options *o = r->o;
    enum table_type said = mapping_file(r->mapping)->type, type = o->type;
    if (type != TABLE_OF_ANYTHING && said != TABLE_OF_ANYTHING && type != said)
        return err_field(err, ERR_INVALID, "type", "%s: is for %s, not for %s", o->mapping, table_type_name(said),
                         table_type_name(type));
    if (type == TABLE_OF_ANYTHING)
        type = said != TABLE_OF_ANYTHING || r->mapping ? said : guess(o->file);
    r->type = import_type_of(type == TABLE_OF_ANYTHING ? TABLE_OF_MEMBERS : type);
    if (!r->type)
        return err_field(err, ERR_INVALID, "type", "%s: %s are not imported", o->file, table_type_name(type));
    r->result->type = r->type->type;
    return 0;
}

static int
open_table(struct import_pass *r, struct err *err)
{
    const struct import_options *o = r->o;
    int rc = o->mapping ? mapping_load(o->mapping, &r->mapping, err) : 0;
    if (rc == 0)
        rc = find_type(r, err);
    if (rc != 0)
        return rc;
    memset(r->cells.local, 255, sizeof(r->cells.local));
    for (size_t i = 0; i < r->type->n_columns; i++) {
        uint8_t column = r->type->columns[i].column;
        r->columns[i] = (struct table_column){import_column_names[column], r->type->columns[i].required};
        r->cells.local[column] = (uint8_t)i;
    }
    struct table_options table = {.file = o->file,
                                  .columns = r->columns,
                                  .n_columns = r->type->n_columns,
                                  .mapping = r->mapping,
                                  .encoding = o->encoding,
                                  .format = o->format,
                                  .delimiter = o->delimiter};
    rc = table_open(&table, &r->table, err);
    r->cells.table = r->table;
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

static void
pass_release(struct import_pass *r)
{
    for (size_t i = 0; i < r->n_jobs; i++)
        job_release(&r->jobs[i]);
    for (size_t i = 0; i < r->n_offices; i++)
        free(r->offices[i]);
    free(r->jobs);
    free(r->figures);
    import_memory_release(&r->own);
    table_free(&r->table);
    mapping_free(&r->mapping);
}

/* Activities and invoices in groups that are large enough to mix, whoever takes them. */
static size_t
rows_of_group(const struct import_pass *r)
{
    bool of_work = work_column(r->type->type) != IMPORT_COLUMNS;
    if (r->type->together)
        return GROUP_ROWS_MAX;
    size_t rows = r->o->group_rows > 0               ? r->o->group_rows
                  : of_work && r->t->group_rows == 1 ? GROUP_ROWS_MAX
                                                     : r->t->group_rows;
    return rows > 0 && rows < GROUP_ROWS_MAX ? rows : GROUP_ROWS_MAX;
}

int
import_run(const struct import_options *o, const struct import_target *t, struct import_result *ret, struct err *err)
{
    struct import_pass r = {.o = o, .t = t, .result = ret, .cells = {.target = t}};
    struct err end_err;
    memset(ret, 0, sizeof(*ret));
    import_memory_init(&r.own);
    r.memory = o->memory ? o->memory : &r.own;
    r.memory->files++;
    r.memory->groups++;
    map_clear(&r.memory->equals);
    int rc = open_table(&r, err);
    r.group_rows = rc == 0 ? rows_of_group(&r) : 1;
    r.jobs = calloc(r.group_rows, sizeof(*r.jobs));
    r.figures = calloc(r.group_rows, sizeof(*r.figures));
    if (rc == 0 && (!r.jobs || !r.figures))
        rc = err_set(err, ERR_NOMEM, "import: out of memory");
    if (rc == 0)
        rc = t->begin(t->arg, r.type->needs_unit, err);
    if (rc == 0)
        rc = run_rows(&r, err);
    if (rc == 0)
        rc = t->end ? t->end(t->arg, err) : 0;
    int close_rc = rejects_close(&r.rejects, &end_err);
    if (rc == 0 && close_rc != 0) {
        *err = end_err;
        rc = close_rc;
    }
    snprintf(ret->rejected_file, sizeof(ret->rejected_file), "%s", r.rejects.made);
    pass_release(&r);
    return rc;
}
