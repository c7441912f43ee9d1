/*
 * smartnode-generate: writes demo registers of the nine units as CSV, deterministically by seed.
 * This file is the command line; generate.h says which file does what.
 */
#include "generate.h"

#include <argp.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SEED_DEFAULT 2024

/* Installations set it; in the tree the tables lie beside this file, seen from where it was built. */
#ifndef DEMO_DATA_DIR
#define DEMO_DATA_DIR "ops/demo"
#endif

struct options {
    const char *out_dir;
    const char *data_dir;
    const char *unit;
    uint64_t seed;
    uint32_t scale_pct;
    bool bad;
};

void
die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("smartnode-generate: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(EXIT_FAILURE);
}

void *
allocate(size_t count, size_t bytes)
{
    void *memory = calloc(count > 0 ? count : 1, bytes);
    if (!memory)
        die("out of memory");
    return memory;
}

void
format_text(char *ret_text, size_t size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(ret_text, size, format, args);
    va_end(args);
    if (length < 0 || (size_t)length >= size)
        die("text too long, at most %zu bytes: %s…", size - 1, ret_text);
}

/* --- command line --- */

static const char documentation[] =
    "Writes DIR/units.csv and DIR/CODE/members.csv, activities.csv and invoices.csv: invented registers of the nine units, from "
    "2017-01-01 to 2025-12-31, whose totals are the published figures. Equal options give equal "
    "bytes on every machine."
    "\vThe figures of units.csv and published.csv hold exactly at --scale 100 only; other scales "
    "round them. With --bad, DIR/CODE/members-dirty.csv has 30 rows with one mistake of each "
    "kind, and members-dirty.expected says which.";

static const struct argp_option option_table[] = {
    {"out", 'o', "DIR", 0, "Write below DIR, created if missing (required)", 0},
    {"seed", 's', "N", 0, "Seed of the random streams (default 2024)", 0},
    {"scale", 'p', "PERCENT", 0, "Size of the registers, 1 to 1000 (default 100)", 0},
    {"unit", 'u', "CODE", 0, "Only this unit; its bytes are the same as among all", 0},
    {"bad", 'b', NULL, 0, "Also write a file with mistakes, for testing imports", 0},
    {"data", 'd', "DIR", 0, "Directory of units.csv and published.csv (default " DEMO_DATA_DIR ")", 0},
    {0},
};

static uint64_t
parse_option_number(struct argp_state *state, const char *name, const char *text)
{
    char *end = NULL;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0)
        argp_error(state, "--%s: '%s' is not a whole number", name, text);
    return value;
}

static error_t
parse_option(int key, char *text, struct argp_state *state)
{
    struct options *options = state->input;
    uint64_t scale = 0;
    switch (key) {
    case 'o': options->out_dir = text; return 0;
    case 'd': options->data_dir = text; return 0;
    case 'u': options->unit = text; return 0;
    case 'b': options->bad = true; return 0;
    case 's': options->seed = parse_option_number(state, "seed", text); return 0;
    case 'p':
        scale = parse_option_number(state, "scale", text);
        if (scale < 1 || scale > SCALE_PCT_MAX)
            argp_error(state, "--scale: 1 to %d", SCALE_PCT_MAX);
        options->scale_pct = (uint32_t)scale;
        return 0;
    case ARGP_KEY_ARG: argp_error(state, "unexpected argument '%s'", text); return 0;
    case ARGP_KEY_END:
        if (!options->out_dir)
            argp_error(state, "--out is required");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* --- the run --- */

static void
make_directory(const char *path)
{
    if (mkdir(path, 0777) != 0 && errno != EEXIST)
        die("cannot create %s: %s", path, strerror(errno));
}

static void
generate_unit(const struct options *options, const struct facts *facts, const struct unit *unit)
{
    struct registry registry;
    char path[4096];
    format_text(path, sizeof path, "%s/%s", options->out_dir, unit->code);
    make_directory(path);
    registry_generate(&registry, facts, unit, options->seed, options->scale_pct);
    write_members(options->out_dir, unit, &registry, options->seed);
    write_work(options->out_dir, facts, unit, &registry, options->seed, options->scale_pct);
    free(registry.members);
    if (options->bad)
        write_dirty(options->out_dir, unit, options->seed);
}

int
main(int argc, char **argv)
{
    struct options options = {.data_dir = DEMO_DATA_DIR, .seed = SEED_DEFAULT, .scale_pct = 100};
    const struct argp argp = {.options = option_table, .parser = parse_option, .doc = documentation};
    argp_err_exit_status = EXIT_FAILURE;
    if (argp_parse(&argp, argc, argv, 0, NULL, &options) != 0)
        die("cannot read the options");

    struct facts *facts = facts_load(options.data_dir);
    uint32_t first = 0;
    uint32_t count = facts->units_count;
    if (options.unit) {
        while (first < count && strcmp(facts->units[first].code, options.unit) != 0)
            first++;
        if (first == count)
            die("--unit: no unit %s in %s/units.csv", options.unit, options.data_dir);
        count = 1;
    }
    person_setup();
    make_directory(options.out_dir);
    write_units(options.out_dir, facts->units + first, count);
    for (uint32_t i = 0; i < count; i++)
        generate_unit(&options, facts, &facts->units[first + i]);
    free(facts);
    return EXIT_SUCCESS;
}
