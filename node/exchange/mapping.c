/* Mapping files through inih, line by line so that every entry knows its line. See mapping.h. */
#include "node/exchange/mapping.h"

#include <errno.h>
#include <ini.h>

enum part { PART_COLUMN, PART_VALUE, PART_DEFAULT, PART_IGNORE, PART_EMPTY };

struct entry {
    enum part part;
    int line;
    char *column; /* ours; of PART_IGNORE and PART_EMPTY empty */
    char *ours;   /* PART_VALUE */
    char *theirs;
};

struct mapping {
    struct mapping_file file;
    char *name;
    struct entry *entries;
    size_t n, cap;
};

struct loading {
    struct mapping *m;
    const char *at;
    int line;
    unsigned seen; /* of FILE_KEYS */
    bool too_long, no_memory;
    int problem_line;
    struct err problem;
};

/* ---- words ---- */

static const char *const TYPES[] = {"any",        "members", "shares",  "activities", "invoices",
                                    "operations", "unit",    "offices", "periods",    "postings"};

int
table_type_parse(const char *text, enum table_type *ret, struct err *err)
{
    for (size_t i = 1; i < ARRAY_LEN(TYPES); i++) {
        if (strcmp(text, TYPES[i]) == 0) {
            *ret = (enum table_type)i;
            return 0;
        }
    }
    return err_field(
        err, ERR_INVALID, "type",
        "a file is of members, shares, activities, invoices, operations, unit, offices, periods or postings");
}

const char *
table_type_name(enum table_type type)
{
    return (size_t)type < ARRAY_LEN(TYPES) ? TYPES[type] : "unknown";
}

int
table_format_parse(const char *text, enum table_format *ret, struct err *err)
{
    if (strcmp(text, "csv") != 0 && strcmp(text, "ndjson") != 0)
        return err_field(err, ERR_INVALID, "format", "a format is csv or ndjson");
    *ret = strcmp(text, "csv") == 0 ? TABLE_CSV : TABLE_NDJSON;
    return 0;
}

int
table_delimiter_parse(const char *text, char *ret, struct err *err)
{
    static const struct {
        const char *word, *sign;
        char delimiter;
    } WORDS[] = {{"comma", ",", ','}, {"semicolon", ";", ';'}, {"tab", "\t", '\t'}};
    for (size_t i = 0; i < ARRAY_LEN(WORDS); i++) {
        if (strcmp(text, WORDS[i].word) == 0 || strcmp(text, WORDS[i].sign) == 0) {
            *ret = WORDS[i].delimiter;
            return 0;
        }
    }
    return err_field(err, ERR_INVALID, "delimiter", "a delimiter is comma, semicolon or tab (as a word)");
}

static int
date_order_parse(const char *text, enum date_order *ret, struct err *err)
{
    static const char *const ORDERS[] = {"", "ymd", "dmy", "mdy"};
    for (size_t i = 1; i < ARRAY_LEN(ORDERS); i++) {
        if (strcmp(text, ORDERS[i]) == 0) {
            *ret = (enum date_order)i;
            return 0;
        }
    }
    return err_field(err, ERR_INVALID, "date", "the order of a date is ymd, dmy or mdy");
}

static int
decimal_parse(const char *text, char *ret, struct err *err)
{
    bool comma = strcmp(text, "comma") == 0 || strcmp(text, ",") == 0;
    if (!comma && strcmp(text, "point") != 0 && strcmp(text, ".") != 0)
        return err_field(err, ERR_INVALID, "decimal", "a decimal mark is comma or point");
    *ret = comma ? ',' : '.';
    return 0;
}

/* ---- entries ---- */

static int
add(struct loading *l, enum part part, const char *column, const char *ours, const char *theirs)
{
    struct mapping *m = l->m;
    if (m->n == MAPPING_ENTRIES_MAX)
        return err_set(&l->problem, ERR_LIMIT, "more than %d entries", MAPPING_ENTRIES_MAX);
    if (m->n == m->cap) {
        size_t cap = m->cap > 0 ? m->cap * 2 : 64;
        struct entry *more = reallocarray(m->entries, cap, sizeof(*more));
        if (!more)
            return err_set(&l->problem, ERR_NOMEM, "out of memory");
        m->entries = more;
        m->cap = cap;
    }
    struct entry e = {part, l->line, strdup(column), strdup(ours), strdup(theirs)};
    m->entries[m->n++] = e;
    return e.column && e.ours && e.theirs ? 0 : err_set(&l->problem, ERR_NOMEM, "out of memory");
}

static const struct entry *
find(const struct mapping *m, enum part part, const char *column)
{
    for (size_t i = 0; m && i < m->n; i++)
        if (m->entries[i].part == part && strcmp(m->entries[i].column, column) == 0)
            return &m->entries[i];
    return NULL;
}

static int
once(struct loading *l, enum part part, const char *column, const char *text)
{
    const struct entry *before = find(l->m, part, column);
    if (before)
        return err_field(&l->problem, ERR_INVALID, column,
                         "%s stands in line %d already (a line that begins with a space continues the one before)",
                         column, before->line);
    return add(l, part, column, "", text);
}

static int
add_value(struct loading *l, const char *column, const char *ours, const char *theirs)
{
    const char *before = mapping_value(l->m, column, theirs);
    if (before && strcmp(before, ours) != 0)
        return err_field(&l->problem, ERR_INVALID, column, "“%s” has a value in this section already", theirs);
    return add(l, PART_VALUE, column, ours, theirs);
}

static int
set_file(struct loading *l, const char *key, const char *value)
{
    static const char *const FILE_KEYS[] = {"type", "format", "encoding", "delimiter", "date", "decimal"};
    struct mapping_file *f = &l->m->file;
    struct err *err = &l->problem;
    if (strcmp(key, "empty") == 0)
        return add(l, PART_EMPTY, "", "", value);
    for (unsigned i = 0; i < ARRAY_LEN(FILE_KEYS); i++) {
        if (strcmp(key, FILE_KEYS[i]) != 0)
            continue;
        if (l->seen & 1U << i)
            return err_field(err, ERR_INVALID, key, "%s stands twice", key);
        l->seen |= 1U << i;
        switch (i) {
        case 0: return table_type_parse(value, &f->type, err);
        case 1: return table_format_parse(value, &f->format, err);
        case 2: return encoding_parse(value, &f->encoding, err);
        case 3: return table_delimiter_parse(value, &f->delimiter, err);
        case 4: return date_order_parse(value, &f->rules.date, err);
        default: return decimal_parse(value, &f->rules.decimal, err);
        }
    }
    return err_field(err, ERR_INVALID, key, "unknown key %.40s in [file]", key);
}

static int
take(struct loading *l, const char *section, const char *key, const char *value)
{
    struct err *err = &l->problem;
    if (strlen(section) > MAPPING_KEY_MAX || strlen(key) > MAPPING_KEY_MAX)
        return err_set(err, ERR_INVALID, "a section or key is longer than %d bytes", MAPPING_KEY_MAX);
    if (utf8_valid((const uint8_t *)key, strlen(key)) != strlen(key) ||
        utf8_valid((const uint8_t *)value, strlen(value)) != strlen(value))
        return err_set(err, ERR_INVALID, "not UTF-8: the mapping file itself is always UTF-8");
    if (value[0] == '\0')
        return err_field(err, ERR_INVALID, key, "%.40s has no value (what follows a space and “;” is a comment)", key);
    if (strcmp(section, "file") == 0)
        return set_file(l, key, value);
    if (strcmp(section, "columns") == 0)
        return once(l, PART_COLUMN, key, value);
    if (strcmp(section, "defaults") == 0)
        return once(l, PART_DEFAULT, key, value);
    if (strncmp(section, "values.", 7) == 0)
        return add_value(l, section + 7, key, value);
    if (strcmp(section, "ignore") == 0 && strcmp(key, "column") == 0)
        return add(l, PART_IGNORE, "", "", value);
    return err_field(err, ERR_INVALID, key, "unknown %s",
                     strcmp(section, "ignore") == 0 ? "key in [ignore]" : "section");
}

/* ---- lines ---- */

/* fgets for inih, which reads lines that are too long as two. */
static char *
next_line(char *out, int cap, void *arg)
{
    struct loading *l = arg;
    size_t n = strcspn(l->at, "\n");
    if (*l->at == '\0' || l->too_long)
        return NULL;
    l->line++;
    if (n > MAPPING_LINE_MAX || n + 2 > (size_t)cap) {
        l->too_long = true;
        return NULL;
    }
    memcpy(out, l->at, n);
    l->at += n;
    if (*l->at == '\n') {
        out[n++] = '\n';
        l->at++;
    }
    out[n] = '\0';
    return out;
}

/* inih hands over its user pointer alone: it is the loading for both. */
static int
on_entry(void *arg, const char *section, const char *key, const char *value)
{
    struct loading *l = arg;
    if (l->problem_line > 0)
        return 0;
    int rc = take(l, section, key, value);
    if (rc != 0)
        l->problem_line = l->line;
    return rc == 0;
}

static int
read_lines(struct loading *l, struct err *err)
{
    struct err why = {0};
    int bad = ini_parse_stream(next_line, l, on_entry, l);
    int line = bad;
    if (l->problem_line > 0 && l->problem_line <= bad) {
        why = l->problem;
    } else if (bad > 0) {
        err_set(&why, ERR_INVALID, "neither [section] nor key = value");
    } else if (l->too_long) {
        line = l->line;
        err_set(&why, ERR_LIMIT, "longer than %d bytes", MAPPING_LINE_MAX);
    } else if (bad < 0) {
        return err_set(err, ERR_NOMEM, "%s: out of memory", l->m->name);
    } else {
        return 0;
    }
    return err_field(err, why.code, why.field, "%s line %d: %s", l->m->name, line, why.text);
}

int
mapping_parse(const char *text, const char *name, struct mapping **ret, struct err *err)
{
    struct mapping *m = calloc(1, sizeof(*m));
    struct loading l = {.m = m, .at = text};
    if (m)
        m->name = strdup(name);
    if (!m || !m->name) {
        mapping_free(&m);
        return err_set(err, ERR_NOMEM, "%s: out of memory", name);
    }
    int rc = read_lines(&l, err);
    if (rc != 0) {
        mapping_free(&m);
        return rc;
    }
    *ret = m;
    return 0;
}

int
mapping_load(const char *path, struct mapping **ret, struct err *err)
{
    char *text = malloc(MAPPING_BYTES_MAX);
    FILE *f = fopen(path, "re");
    int rc = 0;
    if (!f)
        rc = errno == ENOENT ? err_set(err, ERR_NOTFOUND, "%s: there is no such file", path)
                             : err_errno(err, "%s", path);
    else if (!text)
        rc = err_set(err, ERR_NOMEM, "%s: out of memory", path);
    size_t n = rc == 0 ? fread(text, 1, MAPPING_BYTES_MAX, f) : 0;
    if (rc == 0 && ferror(f))
        rc = err_errno(err, "%s", path);
    if (rc == 0 && n == MAPPING_BYTES_MAX)
        rc = err_set(err, ERR_LIMIT, "%s: larger than a mapping file can be", path);
    if (rc == 0 && memchr(text, '\0', n))
        rc = err_set(err, ERR_INVALID, "%s: not text in UTF-8", path);
    if (rc == 0) {
        text[n] = '\0';
        rc = mapping_parse(text, path, ret, err);
    }
    if (f)
        fclose(f);
    free(text);
    return rc;
}

void
mapping_free(struct mapping **mapping)
{
    struct mapping *m = *mapping;
    if (!m)
        return;
    for (size_t i = 0; i < m->n; i++) {
        free(m->entries[i].column);
        free(m->entries[i].ours);
        free(m->entries[i].theirs);
    }
    free(m->entries);
    free(m->name);
    free(m);
    *mapping = NULL;
}

/* ---- asking ---- */

const struct mapping_file *
mapping_file(const struct mapping *m)
{
    static const struct mapping_file NOTHING = {0};
    return m ? &m->file : &NOTHING;
}

int
mapping_check(const struct mapping *m, const char *const *columns, size_t n, struct err *err)
{
    for (size_t i = 0; m && i < m->n; i++) {
        const struct entry *e = &m->entries[i];
        bool known = e->part == PART_IGNORE || e->part == PART_EMPTY;
        for (size_t c = 0; !known && c < n; c++)
            known = strcmp(e->column, columns[c]) == 0;
        if (!known)
            return err_field(err, ERR_INVALID, e->column, "%s line %d: there is no column %s here", m->name, e->line,
                             e->column);
    }
    return 0;
}

const char *
mapping_theirs(const struct mapping *m, const char *column)
{
    const struct entry *e = find(m, PART_COLUMN, column);
    return e ? e->theirs : NULL;
}

const char *
mapping_value(const struct mapping *m, const char *column, const char *theirs)
{
    for (size_t i = 0; m && i < m->n; i++) {
        const struct entry *e = &m->entries[i];
        if (e->part == PART_VALUE && strcmp(e->column, column) == 0 && strcmp(e->theirs, theirs) == 0)
            return e->ours;
    }
    return NULL;
}

bool
mapping_has_values(const struct mapping *m, const char *column)
{
    return find(m, PART_VALUE, column) != NULL;
}

const char *
mapping_default(const struct mapping *m, const char *column)
{
    const struct entry *e = find(m, PART_DEFAULT, column);
    return e ? e->theirs : NULL;
}

bool
mapping_ignores(const struct mapping *m, const char *title)
{
    char wanted[COLUMN_TITLE_MAX * 2], have[COLUMN_TITLE_MAX * 2];
    for (size_t i = 0; m && i < m->n; i++) {
        const struct entry *e = &m->entries[i];
        if (e->part != PART_IGNORE)
            continue;
        if (strcmp(e->theirs, "*") == 0 || (value_folded(e->theirs, wanted, sizeof(wanted)) &&
                                            value_folded(title, have, sizeof(have)) && strcmp(wanted, have) == 0))
            return true;
    }
    return false;
}

bool
mapping_is_empty(const struct mapping *m, const char *text)
{
    for (size_t i = 0; m && i < m->n; i++)
        if (m->entries[i].part == PART_EMPTY && strcmp(m->entries[i].theirs, text) == 0)
            return true;
    return false;
}
