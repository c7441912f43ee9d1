/*
 * Shared declarations of smartnode-generate, the deterministic generator of demo registers.
 *
 * The way of the data: facts (units.csv, published.csv) → register (who joins and leaves when, so
 * that the published figures hold) → person (names, addresses, bank accounts) → output (CSV);
 * register → work (activities, invoices) → output.
 * Equal seed, scale and facts give equal bytes on every machine: integers only, an own random
 * stream per unit, no locale, no clock. Days count from 1970-01-01; DAY_NONE stands for "absent".
 *
 * A mistake in the input or a failing write ends the program through die(): it is a command line
 * tool that leaves nothing worth keeping behind, so errors are not passed up. Single-threaded.
 */
#ifndef OPS_DEMO_GENERATE_H
#define OPS_DEMO_GENERATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define UNITS_MAX 16       /* rows of units.csv; there are nine */
#define OFFICES_MAX 12     /* offices of a unit; Belgium has nine */
#define FIGURES_MAX 256    /* rows of published.csv; there are 35 */
#define PARTNERS_MAX 2     /* names of published partners in generate_person.c */
#define TEXT_SIZE 160      /* longest field, with its NUL */
#define SCALE_PCT_MAX 1000 /* ten times the real size, for load tests */
#define YEAR_FIRST 2017    /* members can join from 2017-01-01 */
#define YEAR_TARGET 2024   /* the year the published figures are about */
#define YEAR_LAST 2025
#define YEARS (YEAR_LAST - YEAR_FIRST + 1)
#define DAY_NONE INT32_MIN

/* Prints "smartnode-generate: <message>" and exits with status 1. */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* malloc for `count` zeroed items of `bytes`; never NULL. */
void *allocate(size_t count, size_t bytes);
/* snprintf that dies instead of cutting off. */
void format_text(char *ret_text, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* --- generate_random.c: xoshiro256** (Blackman and Vigna, 2018) and the civil calendar --- */

struct prng {
    uint64_t state[4];
};

/* Starts the stream that `seed` and `label` (unit and purpose) name. */
void random_init(struct prng *prng, uint64_t seed, const char *label);
/* 0 .. below-1, without bias; `below` at least 1. */
uint32_t random_below(struct prng *prng, uint32_t below);
/* True in `percent` of 100 draws. */
bool random_percent(struct prng *prng, uint32_t percent);

struct civil {
    int32_t year;
    int32_t month; /* 1..12 */
    int32_t day;   /* 1..31 */
};

int32_t day_of_civil(int32_t year, int32_t month, int32_t day);
struct civil civil_of_day(int32_t day);
/* 0 is Sunday. */
int32_t weekday_of_day(int32_t day);
/* "YYYY-MM-DD", or "" for DAY_NONE. */
void format_day(char *ret_text, size_t size, int32_t day);

/* --- generate_facts.c: the two tables beside the source --- */

struct unit {
    char code[8];
    char name[TEXT_SIZE];
    char country[8];
    char currency[8];
    char languages[TEXT_SIZE];
    char timezone[TEXT_SIZE];
    char offices_text[TEXT_SIZE];
    char offices[OFFICES_MAX][TEXT_SIZE];
    uint32_t offices_count;
    uint32_t contribution_bp;
    uint32_t share_price_minor;
    uint32_t members_2024;
    uint32_t legal_2024; /* legal persons among them */
};

struct figure {
    char unit[8];
    int32_t year;
    char name[TEXT_SIZE];
    uint32_t value;
};

struct facts {
    struct unit units[UNITS_MAX];
    uint32_t units_count;
    struct figure figures[FIGURES_MAX]; /* whole numbers that hold exactly; others are left out */
    uint32_t figures_count;
};

/* Reads units.csv and published.csv of `data_dir`. The caller frees the result with free(). */
struct facts *facts_load(const char *data_dir);
/* The published figure, or -1 where nothing was published. */
int64_t facts_figure(const struct facts *facts, const char *unit, int32_t year, const char *name);

/* --- generate_register.c: who joins and leaves when --- */

enum left_reason { LEFT_NONE, LEFT_RESIGNED, LEFT_EXCLUDED, LEFT_DECEASED, LEFT_WITHDRAWN };
#define LEFT_REASONS 5

struct member {
    uint32_t number; /* the register's own, rising, with gaps */
    int32_t applied_on;
    int32_t admitted_on; /* DAY_NONE: refused */
    int32_t refused_on;
    int32_t left_on;
    uint32_t shares; /* 0: refused */
    enum left_reason reason;
    char category; /* 'A', 'B', 'C' */
    bool legal;
    uint8_t partner; /* 1, 2, …: the published partner of that number; 0: none */
};

struct registry {
    struct member *members; /* in order of admission, or of application if refused */
    uint32_t members_count;
};

/* Fills `ret_registry`; the caller frees members. `scale_pct` 100 keeps the published figures. */
void registry_generate(struct registry *ret_registry, const struct facts *facts, const struct unit *unit, uint64_t seed,
                       uint32_t scale_pct);

/* --- generate_names.c and generate_places.c: tables --- */

enum culture {
    CULTURE_NL,
    CULTURE_FR,
    CULTURE_DE,
    CULTURE_IT,
    CULTURE_ES,
    CULTURE_EU, /* Basque */
    CULTURE_HU,
    CULTURE_SV,
    CULTURE_OTHER,
    CULTURES
};

struct culture_names {
    const char *given; /* parted by '|' */
    const char *family;
};
extern const struct culture_names culture_names[CULTURES];

struct place {
    const char *unit;   /* code */
    const char *office; /* as in units.csv */
    const char *city;
    enum culture culture;    /* of the street names and of most inhabitants */
    uint32_t postcode_first; /* the postcodes are first, first + step, … */
    uint32_t postcode_step;
    uint32_t postcodes_count;
    uint32_t weight; /* share of the office's members */
};
extern const struct place places[];
extern const uint32_t places_count;

extern const char *const culture_streets[CULTURES]; /* parted by '|' */

/* --- generate_person.c: what a member is called and where they live --- */

struct person {
    char given_name[TEXT_SIZE];
    char family_name[TEXT_SIZE];
    char legal_name[TEXT_SIZE];
    char birth_date[16];
    char language[8];
    char email[TEXT_SIZE];
    char phone[32];
    char street[TEXT_SIZE];
    char postcode[16];
    char city[TEXT_SIZE];
    char country[8];
    char iban[40];
    const char *office; /* points into the unit or the place table */
};

/* Splits the name lists; once, before the first person_generate. */
void person_setup(void);
/* Draws the person behind `member` of `unit`. */
void person_generate(struct person *ret_person, struct prng *prng, const struct unit *unit,
                     const struct member *member);

/* --- generate_iban.c --- */

/* An account number of `country` (ISO 3166) with valid check digits; dies if it is not known. */
void iban_generate(char *ret_iban, size_t size, struct prng *prng, const char *country);

/* --- generate_output.c: the files --- */

/* DIR/units.csv with the `count` units given. */
void write_units(const char *out_dir, const struct unit *units, uint32_t count);
/* DIR/<CODE>/members.csv. */
void write_members(const char *out_dir, const struct unit *unit, const struct registry *registry, uint64_t seed);

/* --- generate_work.c: activities and invoices --- */

/* DIR/<CODE>/activities.csv and invoices.csv. */
void write_work(const char *out_dir, const struct facts *facts, const struct unit *unit,
                const struct registry *registry, uint64_t seed, uint32_t scale_pct);

/* --- generate_dirty.c: files with mistakes --- */

/* DIR/<CODE>/members-dirty.csv and members-dirty.expected. */
void write_dirty(const char *out_dir, const struct unit *unit, uint64_t seed);

#define COLUMNS 22
extern const char members_header[];

enum column {
    COL_MEMBER_NO,
    COL_TYPE,
    COL_CATEGORY,
    COL_GIVEN_NAME,
    COL_FAMILY_NAME,
    COL_LEGAL_NAME,
    COL_BIRTH_DATE,
    COL_LANGUAGE,
    COL_EMAIL,
    COL_PHONE,
    COL_STREET,
    COL_POSTCODE,
    COL_CITY,
    COL_COUNTRY,
    COL_IBAN,
    COL_OFFICE,
    COL_APPLIED_ON,
    COL_ADMITTED_ON,
    COL_REFUSED_ON,
    COL_SHARES,
    COL_LEFT_ON,
    COL_LEFT_REASON
};

/* One row as text; the fields are filled from member and person. */
struct row {
    char fields[COLUMNS][TEXT_SIZE];
};

void row_fill(struct row *ret_row, const struct unit *unit, const struct member *member, const struct person *person);
/* One line, quoted where RFC 4180 asks for it, ended by a line feed. */
void row_write(FILE *file, const struct row *row, uint32_t columns);
void field_write(FILE *file, const char *text);
/* Creates DIR/name for writing, or dies; close_file dies if anything was not written. */
FILE *create_file(const char *dir, const char *sub, const char *name, char *ret_path, size_t size);
void close_file(FILE *file, const char *path);

#endif
