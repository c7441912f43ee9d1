/* The names of columns and what becomes of their texts. See table.h. */
#include "node/exchange/rejects.h"
#include "node/exchange/table_private.h"
#include "proto/person.h"

/* ---- names ---- */

int
table_columns_init(struct table_reader *t, struct err *err)
{
    const struct mapping *m = t->o.mapping;
    const char *names[TABLE_COLUMNS_MAX];
    MUST(t->o.n_columns > 0 && t->o.n_columns <= TABLE_COLUMNS_MAX);
    for (size_t c = 0; c < t->o.n_columns; c++)
        names[c] = t->o.columns[c].name;
    int rc = mapping_check(m, names, t->o.n_columns, err);
    for (size_t c = 0; rc == 0 && c < t->o.n_columns; c++) {
        const char *theirs = mapping_theirs(m, names[c]);
        char folded[FOLDED_TITLE_MAX];
        if (!value_folded(theirs ? theirs : names[c], folded, sizeof(folded)))
            return err_field(err, ERR_INVALID, names[c], "the mapping's name of %s cannot be one", names[c]);
        t->wanted[c] = strdup(folded);
        if (!t->wanted[c])
            rc = err_set(err, ERR_NOMEM, "%s: out of memory", t->o.file);
        t->mapped |= theirs ? UINT64_C(1) << c : 0;
        t->has_values[c] = mapping_has_values(m, names[c]);
        t->defaults[c] = mapping_default(m, names[c]);
    }
    return rc;
}

void
table_columns_release(struct table_reader *t)
{
    for (size_t c = 0; c < TABLE_COLUMNS_MAX; c++)
        free(t->wanted[c]);
    for (size_t i = 0; i < t->n_titles; i++)
        free(t->titles[i].text);
}

uint64_t
table_columns_of(const struct table_reader *t, const char *title)
{
    char folded[FOLDED_TITLE_MAX];
    uint64_t mapped = 0, own = 0;
    if (!value_folded(title, folded, sizeof(folded)))
        return 0;
    for (size_t c = 0; c < t->o.n_columns; c++) {
        uint64_t bit = UINT64_C(1) << c;
        if (strcmp(t->wanted[c], folded) == 0)
            *(t->mapped & bit ? &mapped : &own) |= bit;
    }
    return mapped != 0 ? mapped : own;
}

const char *
table_first_name(const struct table_reader *t, uint64_t columns)
{
    for (size_t c = 0; c < t->o.n_columns; c++)
        if (columns >> c & 1)
            return t->o.columns[c].name;
    return "";
}

/* ---- the header of a CSV file ---- */

static int
read_title(struct table_reader *t, const char *field, struct title *ret, struct err *err)
{
    size_t bad = SIZE_MAX;
    buf_clear(&t->scratch);
    decoder_put(&t->decoder, slice_of(field, strlen(field)), &t->scratch, &bad);
    struct slice name = value_trimmed((const char *)t->scratch.data, t->scratch.len);
    if (bad != SIZE_MAX || !text_ok((const char *)name.data, name.len) || name.len >= COLUMN_TITLE_MAX)
        return err_set(err, ERR_INVALID, "%s: the first line does not name columns; is it a CSV file in %s?", t->o.file,
                       encoding_name(t->decoder.from));
    *ret = (struct title){.text = calloc(name.len + 1, 1)};
    if (!ret->text)
        return err_set(err, ERR_NOMEM, "%s: out of memory", t->o.file);
    if (name.len > 0)
        memcpy(ret->text, name.data, name.len);
    ret->unnamed = name.len == 0;
    ret->of_error = rejects_column(ret->text);
    ret->columns = ret->unnamed || ret->of_error ? 0 : table_columns_of(t, ret->text);
    t->drops |= ret->of_error;
    return 0;
}

static int
unknown_title(const struct table_reader *t, const char *title, struct err *err)
{
    if (t->rec.n == 1)
        return err_field(err, ERR_INVALID, title,
                         "unknown column “%s”, the only one: is the delimiter comma, semicolon or tab?", title);
    return err_field(err, ERR_INVALID, title,
                     "unknown column “%s”; smartnode import --help lists the columns, a mapping file names or ignores "
                     "others",
                     title);
}

static int
check_missing(const struct table_reader *t, uint64_t seen, struct err *err)
{
    for (size_t c = 0; c < t->o.n_columns; c++) {
        const struct table_column *column = &t->o.columns[c];
        if (seen >> c & 1)
            continue;
        if (t->mapped >> c & 1)
            return err_field(err, ERR_INVALID, column->name, "column “%s”, which the mapping calls %s, is missing",
                             mapping_theirs(t->o.mapping, column->name), column->name);
        if (column->required && !t->defaults[c])
            return err_field(err, ERR_INVALID, column->name,
                             "column “%s” is missing; the first line must name the columns", column->name);
    }
    return 0;
}

int
table_header_read(struct table_reader *t, struct err *err)
{
    uint64_t seen = 0;
    int rc = csv_reader_next(t->csv, &t->rec, err);
    if (rc == ERR_NOTFOUND)
        return err_set(err, ERR_INVALID, "%s: is empty; the first line must name the columns", t->o.file);
    if (rc != 0)
        return rc;
    if (t->rec.err.code != ERR_NONE)
        return err_set(err, ERR_INVALID, "the first line, which names the columns, cannot be read: %s",
                       t->rec.err.text);
    for (size_t i = 0; i < t->rec.n; i++) {
        struct title *title = &t->titles[i];
        rc = read_title(t, t->rec.fields[i], title, err);
        if (rc != 0)
            return rc;
        t->n_titles++;
        if (seen & title->columns)
            return err_field(err, ERR_INVALID, title->text, "column “%s” stands twice", title->text);
        seen |= title->columns;
        if (title->columns == 0 && !title->of_error && !title->unnamed && !mapping_ignores(t->o.mapping, title->text))
            return unknown_title(t, title->text, err);
    }
    rc = check_missing(t, seen, err);
    if (rc == 0) {
        t->header = table_raw(t);
        if (!t->header)
            rc = err_set(err, ERR_NOMEM, "%s: out of memory", t->o.file);
    }
    return rc;
}

/* ---- texts ---- */

void
table_record_begin(struct table_reader *t)
{
    buf_clear(&t->text);
    buf_put_u8(&t->text, 0); /* what every empty text points to */
    memset(t->starts, 0, sizeof(t->starts));
    t->seen = 0;
    t->n_fields = t->n_errors = 0;
    t->out.number_mask = 0;
    err_clear(&t->out.err);
}

static int
check_text(const char *name, struct slice text, struct err *err)
{
    if (text.len > TABLE_TEXT_MAX)
        return err_field(err, ERR_LIMIT, name, "longer than %d bytes", TABLE_TEXT_MAX);
    if (!text_ok((const char *)text.data, text.len))
        return err_field(err, ERR_INVALID, name, "has a line break or another control character");
    if (text.len > 0 && memmem(text.data, text.len, "\xef\xbf\xbd", 3))
        return err_field(err, ERR_INVALID, name,
                         "has a character that was lost on the way (U+FFFD): write the right one");
    return 0;
}

/* An apostrophe before what a spreadsheet would take for a formula was put there by an export. */
static struct slice
unguarded(struct slice s)
{
    bool guarded = s.len > 1 && s.data[0] == '\'' && memchr("=+-@", s.data[1], 4);
    return guarded ? slice_of(s.data + 1, s.len - 1) : s;
}

int
table_record_put(struct table_reader *t, uint64_t columns, struct slice text, bool is_number, struct err *err)
{
    char plain[TABLE_TEXT_MAX + 1];
    struct slice s = value_trimmed((const char *)text.data, text.len);
    int rc = check_text(table_first_name(t, columns), s, err);
    if (rc != 0)
        return rc;
    if (t->format == TABLE_CSV)
        s = unguarded(s);
    if (s.len > 0)
        memcpy(plain, s.data, s.len);
    plain[s.len] = '\0';
    if (mapping_is_empty(t->o.mapping, plain))
        plain[0] = '\0';
    for (size_t c = 0; c < t->o.n_columns && plain[0] != '\0'; c++) {
        uint64_t bit = UINT64_C(1) << c;
        if (!(columns & bit))
            continue;
        const char *value = t->has_values[c] ? mapping_value(t->o.mapping, t->o.columns[c].name, plain) : NULL;
        if (is_number && !value)
            t->out.number_mask |= bit;
        value = value ? value : plain;
        t->starts[c] = t->text.len;
        buf_put(&t->text, value, strlen(value) + 1);
    }
    person_wipe(plain, sizeof(plain));
    return 0;
}

void
table_record_end(struct table_reader *t)
{
    for (size_t c = 0; c < t->o.n_columns; c++) {
        bool filled = t->out.err.code == ERR_NONE && t->starts[c] > 0;
        t->out.text[c] = (const char *)t->text.data + (filled ? t->starts[c] : 0);
        if (!filled && t->out.err.code == ERR_NONE && t->defaults[c])
            t->out.text[c] = t->defaults[c];
    }
    if (t->out.err.code != ERR_NONE)
        t->out.number_mask = 0;
}
