/*
 * Writes units.csv and members.csv: UTF-8, a header row, commas, line feeds, quotes as RFC 4180
 * has them. The order of the columns is part of the interface to the import.
 */
#include "generate.h"

#include <errno.h>
#include <string.h>

const char members_header[] =
    "member_no,type,category,given_name,family_name,legal_name,birth_date,language,email,phone,"
    "street,postcode,city,country,iban,office,applied_on,admitted_on,refused_on,shares,left_on,"
    "left_reason";

static const char *const reason_names[LEFT_REASONS] = {"", "resigned", "excluded", "deceased", "withdrawn"};

FILE *
create_file(const char *dir, const char *sub, const char *name, char *ret_path, size_t size)
{
    format_text(ret_path, size, "%s/%s%s%s", dir, sub, *sub ? "/" : "", name);
    FILE *file = fopen(ret_path, "w");
    if (!file)
        die("cannot write %s: %s", ret_path, strerror(errno));
    return file;
}

void
close_file(FILE *file, const char *path)
{
    bool failed = ferror(file) != 0;
    if (fclose(file) != 0 || failed)
        die("cannot write %s: %s", path, strerror(errno));
}

void
field_write(FILE *file, const char *text)
{
    if (!strpbrk(text, ",\"\r\n")) {
        fputs(text, file);
        return;
    }
    putc('"', file);
    for (const char *p = text; *p; p++) {
        if (*p == '"')
            putc('"', file);
        putc(*p, file);
    }
    putc('"', file);
}

void
row_write(FILE *file, const struct row *row, uint32_t columns)
{
    for (uint32_t i = 0; i < columns; i++) {
        if (i > 0)
            putc(',', file);
        field_write(file, row->fields[i]);
    }
    putc('\n', file);
}

static void
set_field(struct row *row, enum column column, const char *text)
{
    format_text(row->fields[column], TEXT_SIZE, "%s", text);
}

void
row_fill(struct row *ret_row, const struct unit *unit, const struct member *member, const struct person *person)
{
    for (uint32_t i = 0; i < COLUMNS; i++)
        ret_row->fields[i][0] = '\0';
    format_text(ret_row->fields[COL_MEMBER_NO], TEXT_SIZE, "%s-%07u", unit->code, member->number);
    set_field(ret_row, COL_TYPE, member->legal ? "legal" : "natural");
    format_text(ret_row->fields[COL_CATEGORY], TEXT_SIZE, "%c", member->category);
    set_field(ret_row, COL_GIVEN_NAME, person->given_name);
    set_field(ret_row, COL_FAMILY_NAME, person->family_name);
    set_field(ret_row, COL_LEGAL_NAME, person->legal_name);
    set_field(ret_row, COL_BIRTH_DATE, person->birth_date);
    set_field(ret_row, COL_LANGUAGE, person->language);
    set_field(ret_row, COL_EMAIL, person->email);
    set_field(ret_row, COL_PHONE, person->phone);
    set_field(ret_row, COL_STREET, person->street);
    set_field(ret_row, COL_POSTCODE, person->postcode);
    set_field(ret_row, COL_CITY, person->city);
    set_field(ret_row, COL_COUNTRY, person->country);
    set_field(ret_row, COL_IBAN, person->iban);
    set_field(ret_row, COL_OFFICE, person->office);
    format_day(ret_row->fields[COL_APPLIED_ON], TEXT_SIZE, member->applied_on);
    format_day(ret_row->fields[COL_ADMITTED_ON], TEXT_SIZE, member->admitted_on);
    format_day(ret_row->fields[COL_REFUSED_ON], TEXT_SIZE, member->refused_on);
    if (member->shares > 0)
        format_text(ret_row->fields[COL_SHARES], TEXT_SIZE, "%u", member->shares);
    format_day(ret_row->fields[COL_LEFT_ON], TEXT_SIZE, member->left_on);
    set_field(ret_row, COL_LEFT_REASON, reason_names[member->reason]);
}

void
write_units(const char *out_dir, const struct unit *units, uint32_t count)
{
    char path[4096];
    FILE *file = create_file(out_dir, "", "units.csv", path, sizeof path);
    fputs("code,name,country,currency,languages,contribution_bp,share_price_minor,timezone,"
          "offices\n",
          file);
    for (uint32_t i = 0; i < count; i++) {
        const struct unit *unit = &units[i];
        fprintf(file, "%s,%s,%s,%s,%s,%u,%u,%s,%s\n", unit->code, unit->name, unit->country, unit->currency,
                unit->languages, unit->contribution_bp, unit->share_price_minor, unit->timezone, unit->offices_text);
    }
    close_file(file, path);
}

void
write_members(const char *out_dir, const struct unit *unit, const struct registry *registry, uint64_t seed)
{
    char path[4096];
    char label[TEXT_SIZE];
    struct prng prng;
    struct person person;
    struct row row;
    /* A stream of its own: a change to names must not move a date. */
    format_text(label, sizeof label, "persons %s", unit->code);
    random_init(&prng, seed, label);
    FILE *file = create_file(out_dir, unit->code, "members.csv", path, sizeof path);
    fprintf(file, "%s\n", members_header);
    for (uint32_t i = 0; i < registry->members_count; i++) {
        person_generate(&person, &prng, unit, &registry->members[i]);
        row_fill(&row, unit, &registry->members[i], &person);
        row_write(file, &row, COLUMNS);
    }
    close_file(file, path);
}
