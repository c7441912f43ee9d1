/*
 * Who joins, leaves and is refused when, in one unit: the plan of each year first (so that the
 * published figures hold exactly), then the days, then who of the members leaves, then the
 * categories. What they are called and where they live is generate_person.c's.
 *
 * Invariants: nobody leaves before having joined; in every year no more leave than were members
 * when it began, so that a leaver can always be found.
 */
#include "generate.h"

#include <stdlib.h>

#define REFUSED_PER_JOINED 180 /* one application in so many is refused, where not published */
#define TENURE_DAYS_USUAL 30   /* people seldom leave sooner */
#define LEAVER_DRAWS 16
#define LEAVERS_PER_10000 220 /* of last year's members, where not published */
#define WEEKEND_PERCENT 15    /* of a working day's events */

struct year_plan {
    uint32_t joined;
    uint32_t refused;
    uint32_t left[LEFT_REASONS];
};

struct plan {
    struct year_plan years[YEARS];
    uint32_t members_2024;
    uint32_t category_b;
    uint32_t category_c;
    uint32_t legal;    /* all of category C */
    uint32_t partners; /* legal persons of category C that joined in the target year */
};

struct leave {
    int32_t day;
    enum left_reason reason;
};

struct work {
    const struct facts *facts;
    const struct unit *unit;
    uint32_t scale_pct;
    struct prng *prng;
    struct plan plan;
    struct member *members;
    uint32_t members_count;
    struct leave *leaves;
    uint32_t leaves_count;
};

/* --- the plan of the years --- */

static uint32_t
scaled(const struct work *work, int64_t value)
{
    return (uint32_t)((value * work->scale_pct + 50) / 100);
}

static int64_t
published(const struct work *work, int32_t year, const char *name)
{
    return facts_figure(work->facts, work->unit->code, year, name);
}

static uint32_t
left_in_year(const struct year_plan *year)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < LEFT_REASONS; i++)
        sum += year->left[i];
    return sum;
}

/* A withdrawal that was granted is a way to resign: the published figure counts both. */
static void
set_resigned(struct year_plan *year, uint32_t resigned)
{
    year->left[LEFT_WITHDRAWN] = resigned * 23 / 100;
    year->left[LEFT_RESIGNED] = resigned - year->left[LEFT_WITHDRAWN];
}

/* The published year; false if the unit published nothing about it. */
static bool
plan_published_year(struct work *work, uint32_t *ret_members_before)
{
    const struct unit *unit = work->unit;
    int64_t joined = published(work, YEAR_TARGET, "members.joined");
    int64_t resigned = published(work, YEAR_TARGET, "members.resigned");
    int64_t excluded = published(work, YEAR_TARGET, "members.excluded");
    int64_t refused = published(work, YEAR_TARGET, "applications.refused");
    int64_t after = published(work, YEAR_TARGET, "members.at_year_end");
    int64_t before = published(work, YEAR_TARGET - 1, "members.at_year_end");
    if (joined < 0 && resigned < 0 && excluded < 0 && refused < 0 && after < 0 && before < 0)
        return false;
    if (joined < 0 || resigned < 0 || excluded < 0 || refused < 0 || after < 0 || before < 0)
        die("published.csv: %s %d: joined, resigned, excluded, refused and both year ends are "
            "needed together",
            unit->code, YEAR_TARGET);
    /* Whoever else is gone must have died: no other way of leaving is there. */
    int64_t deceased = before + joined - resigned - excluded - after;
    if (after != unit->members_2024 || deceased < 0)
        die("published.csv and units.csv contradict each other about %s %d", unit->code, YEAR_TARGET);
    struct year_plan *year = &work->plan.years[YEAR_TARGET - YEAR_FIRST];
    year->joined = scaled(work, joined);
    year->refused = scaled(work, refused);
    set_resigned(year, scaled(work, resigned));
    year->left[LEFT_EXCLUDED] = scaled(work, excluded);
    year->left[LEFT_DECEASED] = scaled(work, deceased);
    *ret_members_before = work->plan.members_2024 + left_in_year(year) - year->joined;
    return true;
}

static void
plan_year(struct work *work, int32_t year_number, uint32_t before, uint32_t after, uint32_t leavers)
{
    struct year_plan *year = &work->plan.years[year_number - YEAR_FIRST];
    year->left[LEFT_DECEASED] = leavers * 6 / 100;
    year->left[LEFT_EXCLUDED] = (leavers * 4 + 50) / 100;
    set_resigned(year, leavers - year->left[LEFT_DECEASED] - year->left[LEFT_EXCLUDED]);
    year->joined = after + leavers - before;
    year->refused = (year->joined + random_below(work->prng, REFUSED_PER_JOINED)) / REFUSED_PER_JOINED;
}

static void
plan_years(struct work *work)
{
    /* Members at the ends of 2017 .. 2022, in thousandths of the end of 2023: a strong start, a
     * poor 2020 and a recovery. */
    static const uint32_t growth[] = {205, 375, 525, 605, 715, 850};
    struct plan *plan = &work->plan;
    uint32_t before_target = plan->members_2024 * 89 / 100;
    uint32_t leavers_per_10000 = LEAVERS_PER_10000;
    bool is_published = plan_published_year(work, &before_target);
    if (is_published)
        leavers_per_10000 =
            (uint32_t)((uint64_t)left_in_year(&plan->years[YEAR_TARGET - YEAR_FIRST]) * 10000 / before_target);
    uint32_t before = 0;
    for (int32_t year = YEAR_FIRST; year <= YEAR_LAST; year++) {
        uint32_t after = plan->members_2024;
        if (year < YEAR_TARGET - 1)
            after =
                (uint32_t)((uint64_t)before_target * (growth[year - YEAR_FIRST] + random_below(work->prng, 25)) / 1000);
        else if (year == YEAR_TARGET - 1)
            after = before_target;
        else if (year > YEAR_TARGET)
            after = (uint32_t)((uint64_t)before * (1060 + random_below(work->prng, 25)) / 1000);
        uint32_t leavers = (uint32_t)((uint64_t)before * leavers_per_10000 / 10000);
        if (year > YEAR_TARGET && leavers == 0)
            leavers = 1; /* so that even the smallest register changes after the target year */
        if (!is_published || year != YEAR_TARGET)
            plan_year(work, year, before, after, leavers);
        before = after;
    }
}

static void
plan_categories(struct work *work)
{
    const struct unit *unit = work->unit;
    struct plan *plan = &work->plan;
    int64_t b = published(work, YEAR_TARGET, "members.at_year_end.B");
    int64_t c = published(work, YEAR_TARGET, "members.at_year_end.C");
    int64_t partners = published(work, YEAR_TARGET, "partners.joined");
    if (b < 0)
        b = unit->members_2024 / 400 + 2;
    if (c < 0)
        c = (int64_t)unit->legal_2024 + unit->members_2024 / 2000 + 1;
    plan->category_b = scaled(work, b);
    plan->category_c = scaled(work, c) > 0 ? scaled(work, c) : 1;
    plan->legal = scaled(work, unit->legal_2024) > 0 ? scaled(work, unit->legal_2024) : 1;
    plan->partners = partners < 0 ? 0 : scaled(work, partners);
    if (plan->partners > PARTNERS_MAX)
        plan->partners = PARTNERS_MAX; /* they have names and come once, at any scale */
    if (plan->legal > plan->category_c || plan->partners > plan->legal ||
        plan->category_b + plan->category_c > plan->members_2024)
        die("%s: %u legal persons, %u partners, %u of B and %u of C do not fit in %u members", unit->code, plan->legal,
            plan->partners, plan->category_b, plan->category_c, plan->members_2024);
}

/* --- days --- */

static int32_t
draw_day(struct prng *prng, int32_t year, const uint32_t *month_weights)
{
    int32_t first = day_of_civil(year, 1, 1);
    uint32_t days = (uint32_t)(day_of_civil(year + 1, 1, 1) - first);
    for (;;) {
        int32_t day = first + (int32_t)random_below(prng, days);
        int32_t weekday = weekday_of_day(day);
        uint32_t weight = month_weights[civil_of_day(day).month - 1];
        if (weekday == 0 || weekday == 6)
            weight = weight * WEEKEND_PERCENT / 100;
        if (random_below(prng, 120) < weight)
            return day;
    }
}

static void
draw_joiner(struct work *work, int32_t year)
{
    static const uint32_t weights[12] = {115, 95, 95, 80, 80, 75, 50, 45, 115, 100, 80, 60};
    struct prng *prng = work->prng;
    struct member *member = &work->members[work->members_count++];
    int32_t day = draw_day(prng, year, weights);
    *member = (struct member){.applied_on = DAY_NONE,
                              .admitted_on = day,
                              .refused_on = DAY_NONE,
                              .left_on = DAY_NONE,
                              .shares = 1,
                              .category = 'A'};
    int32_t applied = day - 2 - (int32_t)random_below(prng, 34);
    if (random_percent(prng, 52) && applied >= day_of_civil(YEAR_FIRST, 1, 1))
        member->applied_on = applied;
    if (random_percent(prng, 12))
        member->shares = random_percent(prng, 85) ? 2 + random_below(prng, 4) : 5 * (1 + random_below(prng, 20));
}

static void
draw_refused(struct work *work, int32_t year)
{
    static const uint32_t weights[12] = {90, 90, 90, 90, 90, 90, 60, 50, 90, 100, 100, 60};
    struct member *member = &work->members[work->members_count++];
    int32_t day = draw_day(work->prng, year, weights);
    int32_t applied = day - 3 - (int32_t)random_below(work->prng, 40);
    int32_t earliest = day_of_civil(YEAR_FIRST, 1, 1);
    if (applied < earliest) {
        applied = earliest;
        day = earliest + 9;
    }
    *member = (struct member){
        .applied_on = applied, .admitted_on = DAY_NONE, .refused_on = day, .left_on = DAY_NONE, .category = 'A'};
}

static void
draw_leaves(struct work *work, int32_t year)
{
    static const uint32_t weights[12] = {80, 60, 75, 60, 60, 115, 55, 40, 75, 70, 60, 120};
    const struct year_plan *plan = &work->plan.years[year - YEAR_FIRST];
    for (uint32_t reason = 1; reason < LEFT_REASONS; reason++)
        for (uint32_t i = 0; i < plan->left[reason]; i++)
            work->leaves[work->leaves_count++] =
                (struct leave){draw_day(work->prng, year, weights), (enum left_reason)reason};
}

static int32_t
entry_day(const struct member *member)
{
    return member->admitted_on != DAY_NONE ? member->admitted_on : member->applied_on;
}

/* qsort is not stable: the order of drawing (kept in `number`) breaks ties. */
static int
compare_members(const void *left, const void *right)
{
    const struct member *a = left;
    const struct member *b = right;
    if (entry_day(a) != entry_day(b))
        return entry_day(a) < entry_day(b) ? -1 : 1;
    return a->number < b->number ? -1 : a->number > b->number;
}

static int
compare_leaves(const void *left, const void *right)
{
    const struct leave *a = left;
    const struct leave *b = right;
    if (a->day != b->day)
        return a->day < b->day ? -1 : 1;
    return a->reason < b->reason ? -1 : a->reason > b->reason;
}

/* --- who leaves --- */

static uint32_t
pick_leaver(struct work *work, const uint32_t *active, uint32_t active_count, int32_t day)
{
    for (uint32_t i = 0; i < LEAVER_DRAWS; i++) {
        uint32_t slot = random_below(work->prng, active_count);
        if (work->members[active[slot]].admitted_on <= day - TENURE_DAYS_USUAL)
            return slot;
    }
    for (uint32_t slot = 0; slot < active_count; slot++)
        if (work->members[active[slot]].admitted_on < day)
            return slot;
    die("%s: nobody is there to leave", work->unit->code);
}

static void
assign_leaves(struct work *work)
{
    uint32_t *active = allocate(work->members_count, sizeof *active);
    uint32_t active_count = 0;
    uint32_t next_member = 0;
    for (uint32_t i = 0; i < work->leaves_count; i++) {
        const struct leave *leave = &work->leaves[i];
        for (; next_member < work->members_count; next_member++) {
            const struct member *member = &work->members[next_member];
            if (entry_day(member) >= leave->day)
                break;
            if (member->admitted_on != DAY_NONE)
                active[active_count++] = next_member;
        }
        if (active_count == 0)
            die("%s: nobody is there to leave", work->unit->code);
        uint32_t slot = pick_leaver(work, active, active_count, leave->day);
        struct member *leaver = &work->members[active[slot]];
        leaver->left_on = leave->day;
        leaver->reason = leave->reason;
        active[slot] = active[--active_count];
    }
    free(active);
}

/* --- categories and legal persons --- */

enum group {
    GROUP_STAYED,  /* members at the end of the target year */
    GROUP_PARTNER, /* of these, who joined in the target year */
    GROUP_EARLIER, /* of these, who joined before it */
    GROUP_GONE,    /* left by the end of the target year */
    GROUP_NEW      /* joined after it */
};

static bool
in_group(const struct member *member, enum group group)
{
    int32_t start = day_of_civil(YEAR_TARGET, 1, 1);
    int32_t end = day_of_civil(YEAR_TARGET, 12, 31);
    if (member->admitted_on == DAY_NONE)
        return false;
    bool is_new = member->admitted_on > end;
    bool gone = member->left_on != DAY_NONE && member->left_on <= end;
    bool joined_in_target = member->admitted_on >= start;
    switch (group) {
    case GROUP_STAYED: return !is_new && !gone;
    case GROUP_PARTNER: return !is_new && !gone && joined_in_target;
    case GROUP_EARLIER: return !is_new && !gone && !joined_in_target;
    case GROUP_GONE: return gone;
    case GROUP_NEW: return is_new;
    }
    return false;
}

/* Moves `count` natural persons of category A to `category`; fewer where the group is too small
 * and `exact` is false. Legal persons do not die. */
static void
convert(struct work *work, enum group group, uint32_t count, char category, bool legal, bool exact)
{
    uint32_t *pool = allocate(work->members_count, sizeof *pool);
    uint32_t pool_count = 0;
    for (uint32_t i = 0; i < work->members_count; i++) {
        const struct member *member = &work->members[i];
        if (in_group(member, group) && member->category == 'A' && !(legal && member->reason == LEFT_DECEASED))
            pool[pool_count++] = i;
    }
    if (exact && pool_count < count)
        die("%s: too few members for category %c", work->unit->code, category);
    for (; count > 0 && pool_count > 0; count--) {
        uint32_t slot = random_below(work->prng, pool_count);
        struct member *member = &work->members[pool[slot]];
        pool[slot] = pool[--pool_count];
        member->category = category;
        member->legal = legal;
        if (legal)
            member->shares = 5 + random_below(work->prng, 46);
        if (group == GROUP_PARTNER)
            member->partner = (uint8_t)count;
    }
    free(pool);
}

static void
assign_categories(struct work *work)
{
    const struct plan *plan = &work->plan;
    /* Where partners were published, exactly these joined as legal persons in that year. */
    enum group others = plan->partners > 0 ? GROUP_EARLIER : GROUP_STAYED;
    convert(work, GROUP_PARTNER, plan->partners, 'C', true, true);
    convert(work, others, plan->legal - plan->partners, 'C', true, true);
    convert(work, GROUP_STAYED, plan->category_c - plan->legal, 'C', false, true);
    convert(work, GROUP_STAYED, plan->category_b, 'B', false, true);
    convert(work, GROUP_GONE, plan->category_b / 10, 'B', false, false);
    convert(work, GROUP_GONE, plan->legal / 8, 'C', true, false);
    convert(work, GROUP_NEW, plan->category_b / 20, 'B', false, false);
    convert(work, GROUP_NEW, plan->legal / 8, 'C', true, false);
}

static void
number_members(struct work *work)
{
    uint32_t number = 0;
    for (uint32_t i = 0; i < work->members_count; i++) {
        /* Registers have gaps: files opened and never handed in. */
        number += random_percent(work->prng, 2) ? 2 : 1;
        work->members[i].number = number;
    }
}

void
registry_generate(struct registry *ret_registry, const struct facts *facts, const struct unit *unit, uint64_t seed,
                  uint32_t scale_pct)
{
    struct prng prng;
    char label[TEXT_SIZE];
    format_text(label, sizeof label, "register %s", unit->code);
    random_init(&prng, seed, label);
    struct work work = {.facts = facts, .unit = unit, .scale_pct = scale_pct, .prng = &prng};
    work.plan.members_2024 = scaled(&work, unit->members_2024);
    if (work.plan.members_2024 < 5)
        die("%s: scale %u leaves %u members, at least 5 are needed", unit->code, scale_pct, work.plan.members_2024);
    plan_years(&work);
    plan_categories(&work);

    uint32_t members = 0;
    uint32_t leaves = 0;
    for (uint32_t i = 0; i < YEARS; i++) {
        members += work.plan.years[i].joined + work.plan.years[i].refused;
        leaves += left_in_year(&work.plan.years[i]);
    }
    work.members = allocate(members, sizeof *work.members);
    work.leaves = allocate(leaves, sizeof *work.leaves);
    for (int32_t year = YEAR_FIRST; year <= YEAR_LAST; year++) {
        const struct year_plan *plan = &work.plan.years[year - YEAR_FIRST];
        for (uint32_t i = 0; i < plan->joined; i++)
            draw_joiner(&work, year);
        for (uint32_t i = 0; i < plan->refused; i++)
            draw_refused(&work, year);
        draw_leaves(&work, year);
    }
    for (uint32_t i = 0; i < work.members_count; i++)
        work.members[i].number = i;
    qsort(work.members, work.members_count, sizeof *work.members, compare_members);
    qsort(work.leaves, work.leaves_count, sizeof *work.leaves, compare_leaves);
    assign_leaves(&work);
    assign_categories(&work);
    number_members(&work);
    free(work.leaves);
    *ret_registry = (struct registry){work.members, work.members_count};
}
