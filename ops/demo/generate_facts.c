/*
 * Reads units.csv and published.csv, the one place where the demo's figures stand. The reader is
 * strict and knows columns by name; quotes do not occur in these tables and are refused.
 *
 * published.csv: figures that Smart published. units.csv: country, currency and languages are
 * facts, so are members_2024 of BE and IT (IT: 3,745 natural and 12 legal persons, at the end of
 * 2023), contribution_bp of BE, DE and AT, share_price_minor of BE, FR, AT and ES, and the offices
 * that Smart names; the rest is illustrative and of the right size.
 */
#include "generate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LINE_SIZE 1024
#define FIELDS_MAX 16

struct table {
    FILE *file;
    char path[4096];
    uint32_t line;
    char header[LINE_SIZE];
    char *columns[FIELDS_MAX];
    uint32_t columns_count;
    char text[LINE_SIZE];
    char *fields[FIELDS_MAX];
};

static bool
read_line(struct table *table, char *ret_text)
{
    if (!fgets(ret_text, LINE_SIZE, table->file)) {
        if (ferror(table->file))
            die("cannot read %s: %s", table->path, strerror(errno));
        return false;
    }
    table->line++;
    size_t length = strlen(ret_text);
    if (length == 0 || ret_text[length - 1] != '\n')
        die("%s:%u: line too long or without an end", table->path, table->line);
    ret_text[length - 1] = '\0';
    if (strchr(ret_text, '"') || strchr(ret_text, '\r'))
        die("%s:%u: quotes and carriage returns are not expected here", table->path, table->line);
    return true;
}

static uint32_t
split_line(const struct table *table, char *text, char **ret_fields)
{
    uint32_t count = 0;
    for (char *p = text;; p++) {
        if (count == FIELDS_MAX)
            die("%s:%u: more than %d fields", table->path, table->line, FIELDS_MAX);
        ret_fields[count++] = p;
        p = strchr(p, ',');
        if (!p)
            return count;
        *p = '\0';
    }
}

static void
table_open(struct table *table, const char *dir, const char *name)
{
    *table = (struct table){0};
    format_text(table->path, sizeof table->path, "%s/%s", dir, name);
    table->file = fopen(table->path, "r");
    if (!table->file)
        die("cannot read %s: %s (--data names the directory)", table->path, strerror(errno));
    if (!read_line(table, table->header))
        die("%s: empty", table->path);
    table->columns_count = split_line(table, table->header, table->columns);
}

static bool
table_next(struct table *table)
{
    if (!read_line(table, table->text))
        return false;
    uint32_t count = split_line(table, table->text, table->fields);
    if (count != table->columns_count)
        die("%s:%u: %u fields, the header has %u", table->path, table->line, count, table->columns_count);
    return true;
}

static const char *
table_field(const struct table *table, const char *column)
{
    for (uint32_t i = 0; i < table->columns_count; i++)
        if (strcmp(table->columns[i], column) == 0)
            return table->fields[i];
    die("%s: no column %s", table->path, column);
}

static bool
parse_number(const char *text, uint32_t *ret_value)
{
    uint64_t value = 0;
    if (*text == '\0')
        return false;
    for (const char *p = text; *p; p++) {
        if (*p < '0' || *p > '9' || value > UINT32_MAX / 10)
            return false;
        value = value * 10 + (uint64_t)(*p - '0');
    }
    if (value > UINT32_MAX)
        return false;
    *ret_value = (uint32_t)value;
    return true;
}

static uint32_t
table_number(const struct table *table, const char *column)
{
    uint32_t value = 0;
    if (!parse_number(table_field(table, column), &value))
        die("%s:%u: %s is not a whole number", table->path, table->line, column);
    return value;
}

static void
table_text(const struct table *table, const char *column, char *ret_text, size_t size)
{
    const char *text = table_field(table, column);
    if (*text == '\0')
        die("%s:%u: %s is empty", table->path, table->line, column);
    format_text(ret_text, size, "%s", text);
}

static void
split_offices(const struct table *table, struct unit *unit)
{
    const char *p = unit->offices_text;
    while (*p) {
        size_t length = strcspn(p, ";");
        if (unit->offices_count == OFFICES_MAX || length == 0)
            die("%s:%u: offices: empty name or more than %d", table->path, table->line, OFFICES_MAX);
        format_text(unit->offices[unit->offices_count++], TEXT_SIZE, "%.*s", (int)length, p);
        p += length + (p[length] == ';' ? 1 : 0);
    }
}

static void
load_units(struct facts *facts, const char *dir)
{
    struct table *table = allocate(1, sizeof *table);
    table_open(table, dir, "units.csv");
    while (table_next(table)) {
        if (facts->units_count == UNITS_MAX)
            die("%s: more than %d units", table->path, UNITS_MAX);
        struct unit *unit = &facts->units[facts->units_count++];
        table_text(table, "code", unit->code, sizeof unit->code);
        table_text(table, "name", unit->name, sizeof unit->name);
        table_text(table, "country", unit->country, sizeof unit->country);
        table_text(table, "currency", unit->currency, sizeof unit->currency);
        table_text(table, "languages", unit->languages, sizeof unit->languages);
        table_text(table, "timezone", unit->timezone, sizeof unit->timezone);
        table_text(table, "offices", unit->offices_text, sizeof unit->offices_text);
        unit->contribution_bp = table_number(table, "contribution_bp");
        unit->share_price_minor = table_number(table, "share_price_minor");
        unit->members_2024 = table_number(table, "members_2024");
        unit->legal_2024 = table_number(table, "legal_2024");
        split_offices(table, unit);
    }
    fclose(table->file);
    free(table);
}

static void
load_figures(struct facts *facts, const char *dir)
{
    struct table *table = allocate(1, sizeof *table);
    table_open(table, dir, "published.csv");
    while (table_next(table)) {
        const char *exact = table_field(table, "exact");
        uint32_t value = 0;
        /* Hours have a fraction and "about" is no target: neither concerns the register. */
        if ((strcmp(exact, "yes") != 0 && strcmp(exact, "derived") != 0) ||
            !parse_number(table_field(table, "value"), &value))
            continue;
        if (facts->figures_count == FIGURES_MAX)
            die("%s: more than %d figures", table->path, FIGURES_MAX);
        struct figure *figure = &facts->figures[facts->figures_count++];
        table_text(table, "unit", figure->unit, sizeof figure->unit);
        table_text(table, "figure", figure->name, sizeof figure->name);
        figure->year = (int32_t)table_number(table, "year");
        figure->value = value;
    }
    fclose(table->file);
    free(table);
}

struct facts *
facts_load(const char *data_dir)
{
    struct facts *facts = allocate(1, sizeof *facts);
    load_units(facts, data_dir);
    load_figures(facts, data_dir);
    return facts;
}

int64_t
facts_figure(const struct facts *facts, const char *unit, int32_t year, const char *name)
{
    for (uint32_t i = 0; i < facts->figures_count; i++) {
        const struct figure *figure = &facts->figures[i];
        if (figure->year == year && strcmp(figure->unit, unit) == 0 && strcmp(figure->name, name) == 0)
            return (int64_t)figure->value;
    }
    return -1;
}
