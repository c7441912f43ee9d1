/*
 * What the members do: activities and invoices, DIR/<CODE>/activities.csv and invoices.csv (docs/FILES.md). Who works in a year is drawn
 * first, so that the published number of active people holds; then what they invoice, then the numbers in the order of the days.
 *
 * Invariants: an invoice lies in the membership of its member and after the opening of its activity; a credit note never exceeds its
 * invoice; the numbers of a unit rise with the days.
 */
#include "generate.h"

#include <stdlib.h>
#include <string.h>

#define ACTIVE_PERCENT_HOME 20   /* of the members in a year for which nothing was published, Belgium */
#define ACTIVE_PERCENT_OTHERS 15 /* the smaller units grow their own way */
#define STAYS_PERCENT 60         /* of those who worked last year work again */
#define OUTSIDE_CULTURE_PERCENT 60
#define SECOND_ACTIVITY_PERCENT 12
#define CREDITED_PER_1000 20
#define CANCELLED_PER_1000 2
#define INVOICES_A_YEAR_MAX 6

struct activity {
    uint32_t member; /* index in the registry */
    int32_t opened_on, closed_on;
    uint8_t sector; /* index in `sectors` */
    bool culture;
};

struct document {
    uint32_t activity;
    int32_t day;
    uint64_t amount_minor;
    uint32_t order;   /* of drawing: breaks ties */
    uint32_t credits; /* order of the invoice that this credit note is about; UINT32_MAX: an invoice */
    uint32_t number;  /* given when sorted */
    bool cancelled;
};

struct work {
    const struct unit *unit;
    const struct registry *registry;
    struct prng prng;
    uint32_t *activity_of; /* of a member: index + 1 of the first one, 0 none */
    uint32_t *second_of;
    bool *worked; /* last year */
    struct activity *activities;
    uint32_t activities_count;
    struct document *documents;
    uint32_t documents_count, documents_room;
};

static const struct {
    const char *name; /* docs/PROTOCOL.md §9 */
    bool culture;
} sectors[] = {
    {"performing arts", true},
    {"music", true},
    {"audiovisual and film", true},
    {"visual arts", true},
    {"design and fashion", true},
    {"writing and translation", true},
    {"photography", true},
    {"information technology", false},
    {"communication and marketing", false},
    {"consulting", false},
    {"training and education", false},
    {"events", false},
    {"care and well-being", false},
    {"crafts and construction", false},
    {"transport and delivery", false},
    {"hospitality and tourism", false},
    {"journalism", false},
};
#define CULTURE_SECTORS 7
#define SECTORS (sizeof sectors / sizeof sectors[0])

static const char *const titles[] = {"Workshops",    "Concerts",     "Translations", "Web sites",
                                     "Photo series", "Courses",      "Studies",      "Set design",
                                     "Deliveries",   "Guided tours", "Coaching",     "Editing"};
static const char *const client_first[] = {"Atelier",     "Studio",     "Maison",    "Stichting",
                                           "Verein",      "Asociación", "Egyesület", "Föreningen",
                                           "Cooperativa", "Collectif",  "Bureau",    "Galerie"};
static const char *const client_last[] = {"Nord",  "du Canal", "Zuid",    "am Markt", "del Puerto", "Híd",
                                          "Söder", "Quattro",  "de Brug", "Lumière",  "Linde",      "Aurora"};
#define ITEMS(list) (sizeof(list) / sizeof((list)[0]))

/* --- who works --- */

static int32_t
last_day(const struct member *member, int32_t year)
{
    int32_t end = day_of_civil(year, 12, 31);
    return member->left_on != DAY_NONE && member->left_on - 1 < end ? member->left_on - 1 : end;
}

static int32_t
first_day(const struct member *member, int32_t year)
{
    int32_t start = day_of_civil(year, 1, 1);
    return member->admitted_on > start ? member->admitted_on : start;
}

/* Natural persons of category A who are members for a fortnight of the year at least. */
static bool
may_work(const struct member *member, int32_t year)
{
    return member->admitted_on != DAY_NONE && !member->legal && member->category == 'A' &&
           last_day(member, year) - first_day(member, year) >= 14;
}

static uint32_t
active_target(const struct facts *facts, const struct work *work, int32_t year, uint32_t scale_pct, uint32_t pool)
{
    int64_t published = facts_figure(facts, work->unit->code, year, "people.active");
    if (published >= 0) {
        uint32_t target = (uint32_t)((published * scale_pct + 50) / 100);
        if (target > pool)
            die("%s %d: %u people cannot be active among %u", work->unit->code, year, target, pool);
        return target;
    }
    bool home = facts_figure(facts, work->unit->code, YEAR_TARGET, "people.active") >= 0;
    return pool * (home ? ACTIVE_PERCENT_HOME : ACTIVE_PERCENT_OTHERS) / 100;
}

/* Draws exactly the target: first among those who worked last year, then among the others. */
static uint32_t
draw_workers(struct work *work, const struct facts *facts, int32_t year, uint32_t scale_pct, uint32_t *ret_workers)
{
    uint32_t all = work->registry->members_count;
    uint32_t *rest = allocate(all, sizeof *rest);
    uint32_t pool = 0, rest_count = 0, count = 0;
    for (uint32_t i = 0; i < all; i++)
        pool += may_work(&work->registry->members[i], year);
    uint32_t target = active_target(facts, work, year, scale_pct, pool);
    for (uint32_t i = 0; i < all; i++) {
        if (!may_work(&work->registry->members[i], year))
            continue;
        if (work->worked[i] && count < target && random_percent(&work->prng, STAYS_PERCENT))
            ret_workers[count++] = i;
        else
            rest[rest_count++] = i;
    }
    while (count < target) {
        uint32_t slot = random_below(&work->prng, rest_count);
        ret_workers[count++] = rest[slot];
        rest[slot] = rest[--rest_count];
    }
    free(rest);
    memset(work->worked, 0, all * sizeof *work->worked);
    for (uint32_t i = 0; i < count; i++)
        work->worked[ret_workers[i]] = true;
    return count;
}

/* --- what they do --- */

static uint32_t
open_activity(struct work *work, uint32_t member, int32_t day)
{
    struct prng *prng = &work->prng;
    struct activity *activity = &work->activities[work->activities_count];
    bool outside = random_percent(prng, OUTSIDE_CULTURE_PERCENT);
    uint32_t sector =
        outside ? CULTURE_SECTORS + random_below(prng, SECTORS - CULTURE_SECTORS) : random_below(prng, CULTURE_SECTORS);
    int32_t admitted = work->registry->members[member].admitted_on;
    int32_t opened = day - (int32_t)random_below(prng, 40);
    *activity = (struct activity){.member = member,
                                  .opened_on = opened < admitted ? admitted : opened,
                                  .closed_on = DAY_NONE,
                                  .sector = (uint8_t)sector,
                                  .culture = sectors[sector].culture};
    return work->activities_count++;
}

static uint32_t
activity_for(struct work *work, uint32_t member, int32_t day)
{
    if (work->activity_of[member] == 0)
        work->activity_of[member] = open_activity(work, member, day) + 1;
    else if (work->second_of[member] == 0 && random_percent(&work->prng, SECOND_ACTIVITY_PERCENT))
        work->second_of[member] = open_activity(work, member, day) + 1;
    if (work->second_of[member] != 0 && random_percent(&work->prng, 40) &&
        work->activities[work->second_of[member] - 1].opened_on <= day)
        return work->second_of[member] - 1;
    return work->activity_of[member] - 1;
}

/* 40 to 4,000 euros, small ones more often, in the unit's currency and what is usual there: forints have no smaller coin. */
static uint64_t
draw_amount(struct work *work)
{
    struct prng *prng = &work->prng;
    uint64_t cents = 4000 + random_below(prng, 60000);
    if (random_percent(prng, 30))
        cents += random_below(prng, 340000);
    if (strcmp(work->unit->currency, "HUF") == 0)
        return cents * 4 * 100;
    if (strcmp(work->unit->currency, "SEK") == 0)
        return cents * 11;
    return cents;
}

static struct document *
add_document(struct work *work, uint32_t activity, int32_t day, uint64_t amount_minor)
{
    if (work->documents_count == work->documents_room) {
        work->documents_room = work->documents_room * 2 + 1024;
        work->documents = realloc(work->documents, work->documents_room * sizeof *work->documents);
        if (!work->documents)
            die("out of memory");
    }
    struct document *document = &work->documents[work->documents_count];
    *document = (struct document){.activity = activity,
                                  .day = day,
                                  .amount_minor = amount_minor,
                                  .order = work->documents_count,
                                  .credits = UINT32_MAX};
    work->documents_count++;
    return document;
}

static void
credit(struct work *work, uint32_t order)
{
    struct prng *prng = &work->prng;
    const struct document invoice = work->documents[order];
    int32_t day = invoice.day + 3 + (int32_t)random_below(prng, 60);
    uint64_t amount = invoice.amount_minor;
    if (!random_percent(prng, 60)) {
        uint64_t unit = strcmp(work->unit->currency, "HUF") == 0 ? 100 : 1;
        amount = amount * (10 + random_below(prng, 50)) / 100 / unit * unit;
    }
    if (day <= day_of_civil(YEAR_LAST, 12, 31))
        add_document(work, invoice.activity, day, amount)->credits = order;
}

static int
compare_days(const void *left, const void *right)
{
    int32_t a = *(const int32_t *)left, b = *(const int32_t *)right;
    return (a > b) - (a < b);
}

static void
draw_year_of(struct work *work, uint32_t member, int32_t year)
{
    static const uint32_t weights[INVOICES_A_YEAR_MAX] = {50, 27, 12, 6, 3, 2};
    const struct member *m = &work->registry->members[member];
    struct prng *prng = &work->prng;
    int32_t first = first_day(m, year), days[INVOICES_A_YEAR_MAX];
    uint32_t span = (uint32_t)(last_day(m, year) - first) + 1, draw = random_below(prng, 100), count = 1;
    for (uint32_t i = 0; draw >= weights[i]; i++) {
        draw -= weights[i];
        count++;
    }
    for (uint32_t i = 0; i < count; i++)
        days[i] = first + (int32_t)random_below(prng, span);
    qsort(days, count, sizeof days[0], compare_days);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t activity = activity_for(work, member, days[i]);
        uint32_t order = add_document(work, activity, days[i], draw_amount(work))->order;
        uint32_t fate = random_below(prng, 1000);
        /* Somebody's only invoice of a year stays: the number of active people holds. */
        if (fate < CANCELLED_PER_1000 && count > 1 && i > 0)
            work->documents[order].cancelled = true;
        else if (fate >= CANCELLED_PER_1000 && fate < CANCELLED_PER_1000 + CREDITED_PER_1000)
            credit(work, order);
    }
}

/* Whoever leaves closes; of the others some whose work has ended. */
static void
close_activities(struct work *work)
{
    int32_t *last = allocate(work->activities_count, sizeof *last);
    for (uint32_t i = 0; i < work->documents_count; i++) {
        const struct document *document = &work->documents[i];
        if (last[document->activity] < document->day)
            last[document->activity] = document->day;
    }
    for (uint32_t i = 0; i < work->activities_count; i++) {
        struct activity *activity = &work->activities[i];
        int32_t left = work->registry->members[activity->member].left_on;
        int32_t end = last[i] > activity->opened_on ? last[i] : activity->opened_on;
        if (left != DAY_NONE)
            activity->closed_on = left > end ? left : end;
        else if (end < day_of_civil(YEAR_LAST - 1, 1, 1) && random_percent(&work->prng, 30))
            activity->closed_on = end + 1 + (int32_t)random_below(&work->prng, 90);
    }
    free(last);
}

/* --- the files --- */

static int
compare_documents(const void *left, const void *right)
{
    const struct document *a = left, *b = right;
    if (a->day != b->day)
        return a->day < b->day ? -1 : 1;
    return a->order < b->order ? -1 : 1;
}

static void
put_day(FILE *file, int32_t day)
{
    char text[16];
    format_day(text, sizeof text, day);
    fputs(text, file);
}

static void
put_member_no(FILE *file, const struct work *work, const struct activity *activity)
{
    fprintf(file, "%s-%07u", work->unit->code, work->registry->members[activity->member].number);
}

static void
write_activities(const char *out_dir, struct work *work)
{
    char path[4096];
    FILE *file = create_file(out_dir, work->unit->code, "activities.csv", path, sizeof path);
    fputs("activity_no,member_no,sector,culture,text,opened_on,closed_on\n", file);
    for (uint32_t i = 0; i < work->activities_count; i++) {
        const struct activity *activity = &work->activities[i];
        fprintf(file, "%s-A%06u,", work->unit->code, i + 1);
        put_member_no(file, work, activity);
        fprintf(file, ",%s,%s,%s,", sectors[activity->sector].name, activity->culture ? "yes" : "no",
                titles[random_below(&work->prng, ITEMS(titles))]);
        put_day(file, activity->opened_on);
        putc(',', file);
        put_day(file, activity->closed_on);
        putc('\n', file);
    }
    close_file(file, path);
}

static void
put_number(FILE *file, const struct work *work, const struct document *document)
{
    fprintf(file, "%s-%s%d-%06u", work->unit->code, document->credits == UINT32_MAX ? "" : "C",
            civil_of_day(document->day).year, document->number);
}

static void
write_invoices(const char *out_dir, struct work *work)
{
    char path[4096];
    uint32_t *place = allocate(work->documents_count, sizeof *place); /* order of drawing → line */
    qsort(work->documents, work->documents_count, sizeof *work->documents, compare_documents);
    for (uint32_t i = 0; i < work->documents_count; i++) {
        work->documents[i].number = i + 1;
        place[work->documents[i].order] = i;
    }
    FILE *file = create_file(out_dir, work->unit->code, "invoices.csv", path, sizeof path);
    fputs("invoice_no,op,credits_no,activity_no,date,amount,currency,client,text,cancelled\n", file);
    for (uint32_t i = 0; i < work->documents_count; i++) {
        const struct document *document = &work->documents[i];
        bool credits = document->credits != UINT32_MAX;
        put_number(file, work, document);
        fputs(credits ? ",invoice.credit," : ",invoice.issue,", file);
        if (credits)
            put_number(file, work, &work->documents[place[document->credits]]);
        fprintf(file, ",%s-A%06u,", work->unit->code, document->activity + 1);
        put_day(file, document->day);
        fprintf(file, ",%llu.%02u,%s,", (unsigned long long)(document->amount_minor / 100),
                (unsigned)(document->amount_minor % 100), work->unit->currency);
        fprintf(file, "%s %s,%s,%s\n", client_first[random_below(&work->prng, ITEMS(client_first))],
                client_last[random_below(&work->prng, ITEMS(client_last))],
                titles[random_below(&work->prng, ITEMS(titles))], document->cancelled ? "yes" : "");
    }
    close_file(file, path);
    free(place);
}

void
write_work(const char *out_dir, const struct facts *facts, const struct unit *unit, const struct registry *registry,
           uint64_t seed, uint32_t scale_pct)
{
    struct work work = {.unit = unit, .registry = registry};
    uint32_t all = registry->members_count;
    char label[TEXT_SIZE];
    format_text(label, sizeof label, "work %s", unit->code);
    random_init(&work.prng, seed, label);
    work.activity_of = allocate(all, sizeof *work.activity_of);
    work.second_of = allocate(all, sizeof *work.second_of);
    work.worked = allocate(all, sizeof *work.worked);
    work.activities = allocate(2 * (size_t)all, sizeof *work.activities);
    uint32_t *workers = allocate(all, sizeof *workers);
    for (int32_t year = YEAR_FIRST; year <= YEAR_LAST; year++) {
        uint32_t count = draw_workers(&work, facts, year, scale_pct, workers);
        for (uint32_t i = 0; i < count; i++)
            draw_year_of(&work, workers[i], year);
    }
    close_activities(&work);
    write_activities(out_dir, &work);
    write_invoices(out_dir, &work);
    free(workers);
    free(work.documents);
    free(work.activities);
    free(work.worked);
    free(work.second_of);
    free(work.activity_of);
}
