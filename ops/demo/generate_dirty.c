/*
 * Writes members-dirty.csv: 30 rows of which 22 have one mistake each, the kinds that exported
 * registers do have, and members-dirty.expected, which lists them. Row 1 is the first after the
 * header. The unclosed quote comes last, because it swallows whatever would follow.
 */
#include "generate.h"

#include <string.h>

#define DIRTY_ROWS 30
#define NUMBER_FIRST 9000001

enum mistake_kind {
    MISTAKE_VALUE,     /* `column` gets `value` */
    MISTAKE_LONG_ROW,  /* a field more than the header has */
    MISTAKE_SHORT_ROW, /* a field fewer */
    MISTAKE_OPEN_QUOTE
};

struct mistake {
    uint32_t row;
    enum mistake_kind kind;
    enum column column;
    const char *value;
    const char *field; /* as members-dirty.expected names it */
    const char *reason;
};

static const struct mistake mistakes[] = {
    {2, MISTAKE_VALUE, COL_ADMITTED_ON, "2024-02-30", "admitted_on", "no such day"},
    {4, MISTAKE_VALUE, COL_OFFICE, "Atlantis", "office", "the unit has no such office"},
    {5, MISTAKE_VALUE, COL_CATEGORY, "D", "category", "only A, B and C exist"},
    {7, MISTAKE_VALUE, COL_SHARES, "0", "shares", "a member holds at least one share"},
    {8, MISTAKE_VALUE, COL_FAMILY_NAME, "", "family_name", "missing for a natural person"},
    {9, MISTAKE_VALUE, COL_LEFT_ON, "2023-12-31", "left_on", "before admitted_on"},
    {11, MISTAKE_VALUE, COL_MEMBER_NO, NULL, "member_no", "the same as in row 1"},
    {12, MISTAKE_VALUE, COL_GIVEN_NAME, "Andr\xe9", "given_name", "not UTF-8"},
    {13, MISTAKE_LONG_ROW, COL_LEFT_REASON, "", "", "23 fields, the header has 22"},
    {14, MISTAKE_VALUE, COL_LEFT_REASON, "retired", "left_reason", "no such reason"},
    {15, MISTAKE_VALUE, COL_BIRTH_DATE, "2093-05-17", "birth_date", "in the future"},
    {16, MISTAKE_VALUE, COL_ADMITTED_ON, "15/03/2024", "admitted_on", "not YYYY-MM-DD"},
    {18, MISTAKE_VALUE, COL_LEFT_ON, "", "left_on", "missing although left_reason is given"},
    {19, MISTAKE_VALUE, COL_LEFT_REASON, "", "left_reason", "missing although left_on is given"},
    {20, MISTAKE_VALUE, COL_TYPE, "company", "type", "only natural and legal exist"},
    {21, MISTAKE_SHORT_ROW, COL_LEFT_REASON, "", "", "21 fields, the header has 22"},
    {23, MISTAKE_VALUE, COL_TYPE, "legal", "legal_name", "missing for a legal person"},
    {24, MISTAKE_VALUE, COL_REFUSED_ON, "2024-04-02", "refused_on", "admitted as well"},
    {25, MISTAKE_VALUE, COL_MEMBER_NO, "", "member_no", "missing"},
    {26, MISTAKE_VALUE, COL_IBAN, NULL, "iban", "check digits do not fit"},
    {28, MISTAKE_VALUE, COL_SHARES, "two", "shares", "not a whole number"},
    {30, MISTAKE_OPEN_QUOTE, COL_STREET, "", "street", "quote never closed"},
};

#define MISTAKES (sizeof mistakes / sizeof mistakes[0])

static const struct mistake *
find_mistake(uint32_t row)
{
    for (size_t i = 0; i < MISTAKES; i++)
        if (mistakes[i].row == row)
            return &mistakes[i];
    return NULL;
}

/* A right row but for what `mistake` is about to spoil. */
static struct member
draw_member(uint32_t row, const struct mistake *mistake)
{
    struct member member = {.number = NUMBER_FIRST + row - 1,
                            .applied_on = DAY_NONE,
                            .admitted_on = day_of_civil(2024, 3, 1) + (int32_t)row,
                            .refused_on = DAY_NONE,
                            .left_on = DAY_NONE,
                            .shares = 1,
                            .category = 'A'};
    if (mistake && mistake->kind == MISTAKE_VALUE &&
        (mistake->column == COL_LEFT_ON || mistake->column == COL_LEFT_REASON)) {
        member.left_on = day_of_civil(2024, 9, 30);
        member.reason = LEFT_RESIGNED;
    }
    return member;
}

static void
spoil_value(struct row *row, const struct unit *unit, const struct mistake *mistake)
{
    char *text = row->fields[mistake->column];
    if (mistake->value)
        format_text(text, TEXT_SIZE, "%s", mistake->value);
    else if (mistake->column == COL_MEMBER_NO)
        format_text(text, TEXT_SIZE, "%s-%07d", unit->code, NUMBER_FIRST);
    else
        text[2] = text[2] == '0' ? '1' : '0'; /* another first check digit */
    if (mistake->column == COL_TYPE && strcmp(mistake->value, "legal") == 0) {
        row->fields[COL_GIVEN_NAME][0] = '\0';
        row->fields[COL_FAMILY_NAME][0] = '\0';
        row->fields[COL_BIRTH_DATE][0] = '\0';
    }
}

static void
write_open_quote(FILE *file, const struct row *row)
{
    for (uint32_t i = 0; i < COL_STREET; i++) {
        field_write(file, row->fields[i]);
        putc(',', file);
    }
    fprintf(file, "\"%s,%s,%s\n", row->fields[COL_STREET], row->fields[COL_POSTCODE], row->fields[COL_CITY]);
}

static void
write_row(FILE *file, struct row *row, const struct unit *unit, const struct mistake *mistake)
{
    if (!mistake) {
        row_write(file, row, COLUMNS);
        return;
    }
    switch (mistake->kind) {
    case MISTAKE_VALUE:
        spoil_value(row, unit, mistake);
        row_write(file, row, COLUMNS);
        return;
    case MISTAKE_LONG_ROW:
        for (uint32_t i = 0; i < COLUMNS; i++) {
            field_write(file, row->fields[i]);
            putc(',', file);
        }
        fputs("surplus\n", file);
        return;
    case MISTAKE_SHORT_ROW: row_write(file, row, COLUMNS - 1); return;
    case MISTAKE_OPEN_QUOTE: write_open_quote(file, row); return;
    }
}

void
write_dirty(const char *out_dir, const struct unit *unit, uint64_t seed)
{
    char path[4096];
    char label[TEXT_SIZE];
    struct prng prng;
    struct person person;
    struct row row;
    format_text(label, sizeof label, "dirty %s", unit->code);
    random_init(&prng, seed, label);
    FILE *file = create_file(out_dir, unit->code, "members-dirty.csv", path, sizeof path);
    fprintf(file, "%s\n", members_header);
    for (uint32_t i = 1; i <= DIRTY_ROWS; i++) {
        const struct mistake *mistake = find_mistake(i);
        struct member member = draw_member(i, mistake);
        person_generate(&person, &prng, unit, &member);
        row_fill(&row, unit, &member, &person);
        write_row(file, &row, unit, mistake);
    }
    close_file(file, path);

    file = create_file(out_dir, unit->code, "members-dirty.expected", path, sizeof path);
    fputs("row,field,reason\n", file);
    for (size_t i = 0; i < MISTAKES; i++) {
        fprintf(file, "%u,%s,", mistakes[i].row, mistakes[i].field);
        field_write(file, mistakes[i].reason);
        putc('\n', file);
    }
    close_file(file, path);
}
