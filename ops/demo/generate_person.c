/*
 * Draws the person behind a member: names in the language of the place (some from elsewhere), an
 * address in or near the office's city (some across a border), bank account, e-mail, telephone.
 * Every combination is invented; e-mail addresses lie under example domains.
 *
 * Each draw is a statement of its own: C leaves the order of arguments and operands to the
 * compiler, and two draws in one expression would give other bytes under another one.
 */
#include "generate.h"

#include <stdlib.h>
#include <string.h>

#define LIST_MAX 256       /* names in one list */
#define FOREIGN_PERCENT 12 /* names from another language than the place's */
#define ABROAD_PERCENT 3   /* address in a neighbouring country */
#define ACCOUNT_ABROAD 2
#define NO_PHONE_PERCENT 8
#define NO_EMAIL_PERCENT 2

struct list {
    char *text;
    const char *items[LIST_MAX];
    uint32_t count;
};

static struct list given_names[CULTURES];
static struct list family_names[CULTURES];
static struct list streets[CULTURES];

/* Partners whose joining was published; nothing else about them is known, so nothing is drawn. */
static const char *const partner_names[PARTNERS_MAX] = {"Coopcity", "Prométhéa"};

/* --- lists --- */

static void
list_split(struct list *ret_list, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = allocate(size, 1);
    memcpy(copy, text, size);
    *ret_list = (struct list){.text = copy};
    for (char *p = copy; p && *p;) {
        if (ret_list->count == LIST_MAX)
            die("more than %d names in a list", LIST_MAX);
        ret_list->items[ret_list->count++] = p;
        p = strchr(p, '|');
        if (p)
            *p++ = '\0';
    }
}

void
person_setup(void)
{
    for (uint32_t i = 0; i < CULTURES; i++) {
        list_split(&given_names[i], culture_names[i].given);
        list_split(&family_names[i], culture_names[i].family);
        list_split(&streets[i], culture_streets[i]);
    }
}

static const char *
list_draw(const struct list *list, struct prng *prng)
{
    return list->items[random_below(prng, list->count)];
}

/* --- places and languages --- */

static const char *
draw_office(const struct unit *unit, struct prng *prng)
{
    /* The first office is the largest; weights fall as 1, 1/2, 1/3, … */
    uint32_t sum = 0;
    for (uint32_t i = 0; i < unit->offices_count; i++)
        sum += 2520 / (i + 1);
    uint32_t draw = random_below(prng, sum);
    for (uint32_t i = 0;; i++) {
        uint32_t weight = 2520 / (i + 1);
        if (draw < weight)
            return unit->offices[i];
        draw -= weight;
    }
}

static const struct place *
draw_place(const char *unit, const char *office, struct prng *prng)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < places_count; i++)
        if (strcmp(places[i].unit, unit) == 0 && (!office || strcmp(places[i].office, office) == 0))
            sum += places[i].weight;
    if (sum == 0)
        die("no place is known for office %s of %s", office ? office : "?", unit);
    uint32_t draw = random_below(prng, sum);
    for (uint32_t i = 0;; i++) {
        if (strcmp(places[i].unit, unit) != 0 || (office && strcmp(places[i].office, office) != 0))
            continue;
        if (draw < places[i].weight)
            return &places[i];
        draw -= places[i].weight;
    }
}

/* Where people live who cross a border to work. */
static const char *
draw_neighbour(const char *unit, struct prng *prng)
{
    static const char *const neighbours[][4] = {
        {"AT", "DE", "HU", "IT"}, {"BE", "FR", "NL", "DE"}, {"DE", "AT", "NL", "FR"},
        {"ES", "FR", "IT", "DE"}, {"FR", "BE", "ES", "DE"}, {"HU", "AT", "DE", "AT"},
        {"IT", "FR", "AT", "ES"}, {"NL", "BE", "DE", "BE"}, {"SE", "DE", "NL", "DE"},
    };
    for (size_t i = 0; i < sizeof neighbours / sizeof neighbours[0]; i++)
        if (strcmp(neighbours[i][0], unit) == 0)
            return neighbours[i][1 + random_below(prng, 3)];
    return unit;
}

static bool
unit_speaks(const struct unit *unit, const char *language)
{
    return strstr(unit->languages, language) != NULL; /* codes of two letters, parted by ';' */
}

static void
set_language(struct person *person, const struct unit *unit, struct prng *prng, enum culture culture)
{
    static const char *const codes[CULTURES] = {"nl", "fr", "de", "it", "es", "es", "hu", "sv", "en"};
    const char *language = codes[culture];
    if (!unit_speaks(unit, language))
        language = "en";
    if (unit->languages[2] == '\0')
        language = unit->languages;
    if (random_percent(prng, 1))
        language = "en";
    format_text(person->language, sizeof person->language, "%s", language);
}

static void
set_postcode(struct person *person, struct prng *prng, const struct place *place)
{
    static const char letters[] = "ABCDEGHJKLMNPRTVWXZ";
    uint32_t code = place->postcode_first + place->postcode_step * random_below(prng, place->postcodes_count);
    char *text = person->postcode;
    size_t size = sizeof person->postcode;
    char first = letters[random_below(prng, sizeof letters - 1)];
    char second = letters[random_below(prng, sizeof letters - 1)];
    if (strcmp(place->unit, "NL") == 0)
        format_text(text, size, "%04u %c%c", code, first, second);
    else if (strcmp(place->unit, "SE") == 0)
        format_text(text, size, "%03u %02u", code / 100, code % 100);
    else if (code < 10000 && strchr("ABH", place->unit[0])) /* AT, BE, HU: four digits */
        format_text(text, size, "%04u", code);
    else
        format_text(text, size, "%05u", code);
}

static void
set_street(struct person *person, struct prng *prng, const struct place *place)
{
    const char *name = list_draw(&streets[place->culture], prng);
    uint32_t number = 1 + random_below(prng, random_percent(prng, 80) ? 80 : 400);
    uint32_t box = 1 + random_below(prng, 24);
    bool has_box = random_percent(prng, 18);
    bool belgian = strcmp(place->unit, "BE") == 0;
    char *text = person->street;
    size_t size = sizeof person->street;
    if (place->culture == CULTURE_FR && !belgian)
        format_text(text, size, "%u %s", number, name);
    else if (place->culture == CULTURE_FR && has_box)
        format_text(text, size, "%s %u, bte %u", name, number, box);
    else if (belgian && place->culture == CULTURE_NL && has_box)
        format_text(text, size, "%s %u bus %u", name, number, box);
    else if ((place->culture == CULTURE_ES || place->culture == CULTURE_EU) && has_box)
        format_text(text, size, "%s, %u, %uº %c", name, number, 1 + box % 6, (char)('A' + box % 4));
    else if (place->culture == CULTURE_HU && has_box)
        format_text(text, size, "%s %u. %u. em.", name, number, box % 5 + 1);
    else if (place->culture == CULTURE_HU)
        format_text(text, size, "%s %u.", name, number);
    else if (place->culture == CULTURE_DE && strcmp(place->unit, "AT") == 0 && has_box)
        format_text(text, size, "%s %u/%u", name, number, box);
    else
        format_text(text, size, "%s %u", name, number);
}

static const struct place *
set_address(struct person *person, const struct unit *unit, struct prng *prng)
{
    person->office = draw_office(unit, prng);
    const struct place *home = draw_place(unit->code, person->office, prng);
    const struct place *place = home;
    if (random_percent(prng, ABROAD_PERCENT))
        place = draw_place(draw_neighbour(unit->code, prng), NULL, prng);
    set_street(person, prng, place);
    set_postcode(person, prng, place);
    format_text(person->city, sizeof person->city, "%s", place->city);
    /* Codes of units and of countries are the same nine. */
    format_text(person->country, sizeof person->country, "%s", place->unit);
    return home;
}

/* --- names --- */

static enum culture
draw_culture(struct prng *prng, enum culture home)
{
    if (!random_percent(prng, FOREIGN_PERCENT))
        return home;
    if (random_percent(prng, 45))
        return CULTURE_OTHER;
    return (enum culture)random_below(prng, CULTURES);
}

static void
set_names(struct person *person, struct prng *prng, enum culture culture)
{
    const char *given = list_draw(&given_names[culture], prng);
    const char *second = list_draw(&given_names[culture], prng);
    const char *family = list_draw(&family_names[culture], prng);
    const char *other = list_draw(&family_names[culture], prng);
    bool doubled = given != second && !strchr(given, '-') && !strchr(second, '-');
    bool iberian = culture == CULTURE_ES || culture == CULTURE_EU;

    const char *joint = NULL;
    if (doubled && culture == CULTURE_FR && random_percent(prng, 9))
        joint = "-";
    else if (doubled && (iberian || culture == CULTURE_IT) && random_percent(prng, 12))
        joint = " ";
    format_text(person->given_name, TEXT_SIZE, "%s%s%s", given, joint ? joint : "", joint ? second : "");

    joint = NULL;
    if (iberian)
        joint = random_percent(prng, 4) ? " y " : " ";
    else if (culture != CULTURE_IT && culture != CULTURE_OTHER && family != other && !strpbrk(family, " '") &&
             !strpbrk(other, " '") && random_percent(prng, 5))
        joint = "-";
    format_text(person->family_name, TEXT_SIZE, "%s%s%s", family, joint ? joint : "", joint ? other : "");
}

static void
set_legal_name(struct person *person, const struct unit *unit, struct prng *prng, enum culture culture, uint32_t number)
{
    static const struct {
        const char *kinds;
        const char *names;
        const char *forms;
    } words[CULTURES] = {
        [CULTURE_NL] = {"Werkplaats|Theaterhuis|Broedplaats|Ateliers|Muziekcollectief",
                        "De Kade|Het Vliegwiel|Zomerlicht|De Nieuwe Munt|Scheldezicht", "CV|vzw"},
        [CULTURE_FR] = {"Atelier|Compagnie|Coopérative|Maison|Collectif",
                        "La Ruche|L'Escale|Les Voisins d'à côté|Le Fil rouge|L'Établi", "SC|ASBL"},
        [CULTURE_DE] = {"Werkstatt|Kulturhaus|Genossenschaft|Kollektiv|Bühne",
                        "Nordlicht|Die Brücke|Grüne Fabrik|Drei Höfe|Überland", "eG|e.V."},
        [CULTURE_IT] = {"Cooperativa|Laboratorio|Officina|Teatro|Collettivo",
                        "L'Aquilone|La Città Nuova|Mezz'aria|Il Ponte|Libertà", "SCARL|ETS"},
        [CULTURE_ES] = {"Cooperativa|Taller|Compañía|Casa|Colectivo", "El Puente|La Higuera|Mañana|Al Sur|Los Arcos",
                        "S. Coop.|A. C."},
        [CULTURE_EU] = {"Kooperatiba|Tailerra|Etxea", "Itsas Argia|Hiru Haritz|Zubia", "S. Coop."},
        [CULTURE_HU] = {"Műhely|Szövetkezet|Színház", "Híd|Zöld Udvar|Tűzfal", "Kft.|Egyesület"},
        [CULTURE_SV] = {"Verkstaden|Kulturhuset|Scenkollektivet", "Norrsken|Tre Broar|Åkern", "ek. för.|AB"},
    };
    struct list kinds;
    struct list names;
    struct list forms;
    if (culture == CULTURE_OTHER)
        culture = CULTURE_FR;
    list_split(&kinds, words[culture].kinds);
    list_split(&names, words[culture].names);
    list_split(&forms, words[culture].forms);
    const char *kind = list_draw(&kinds, prng);
    const char *name = list_draw(&names, prng);
    const char *form = list_draw(&forms, prng);
    const char *founder = list_draw(&family_names[culture], prng);
    const char *partner = list_draw(&family_names[culture], prng);
    if (number % 3 == 0)
        format_text(person->legal_name, TEXT_SIZE, "%s \"%s\" %s, %s", kind, name, person->city, form);
    else if (number % 3 == 1)
        format_text(person->legal_name, TEXT_SIZE, "%s %s %s %s", kind, name, person->city, form);
    else
        format_text(person->legal_name, TEXT_SIZE, "%s & %s, %s", founder, partner, form);
    format_text(person->email, sizeof person->email, "info%u@example.%s", number,
                unit->country[0] == 'S' ? "net" : "org");
    free(kinds.text);
    free(names.text);
    free(forms.text);
}

/* --- e-mail, telephone, birth --- */

/* Latin letters without their marks, U+00C0 .. U+017F, for the local part of an address. */
static const char folded[] = "aaaaaaaceeeeiiiidnooooo-ouuuuytsaaaaaaaceeeeiiiidnooooo-ouuuuyty"
                             "aaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiiiiijjkkklllllll"
                             "lllnnnnnnnnnoooooooorrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs";

static void
append_folded(char *text, size_t size, const char *name)
{
    size_t length = strlen(text);
    for (const uint8_t *p = (const uint8_t *)name; *p && length + 1 < size; p++) {
        char letter = '\0';
        if (*p >= 'A' && *p <= 'Z')
            letter = (char)(*p - 'A' + 'a');
        else if ((*p >= 'a' && *p <= 'z') || *p == '-')
            letter = (char)*p;
        else if (*p >= 0xc3 && *p <= 0xc5 && p[1]) {
            uint32_t code = ((uint32_t)(p[0] & 0x1f) << 6) | (uint32_t)(p[1] & 0x3f);
            p++;
            if (code >= 0xc0 && code - 0xc0 < sizeof folded - 1)
                letter = folded[code - 0xc0];
        }
        if (letter)
            text[length++] = letter;
    }
    text[length] = '\0';
}

static void
set_email(struct person *person, const struct unit *unit, struct prng *prng, uint32_t number)
{
    static const char *const domains[] = {"org", "net", "com"};
    static const char *const top[] = {"AT", "at", "BE", "be", "DE", "de", "ES", "es", "FR",
                                      "fr", "HU", "hu", "IT", "it", "NL", "nl", "SE", "se"};
    const char *domain = domains[random_below(prng, 3)];
    bool national = random_percent(prng, 60);
    for (size_t i = 0; national && i < sizeof top / sizeof top[0]; i += 2)
        if (strcmp(top[i], unit->country) == 0)
            domain = top[i + 1];
    char local[TEXT_SIZE / 2] = "";
    append_folded(local, sizeof local, person->given_name);
    size_t length = strlen(local);
    if (random_percent(prng, 25))
        length = 1; /* initial only */
    local[length] = '.';
    local[length + 1] = '\0';
    append_folded(local, sizeof local, person->family_name);
    /* The register number keeps addresses of namesakes apart. */
    format_text(person->email, sizeof person->email, "%s.%u@example.%s", local, number, domain);
}

static void
set_phone(struct person *person, struct prng *prng)
{
    static const struct {
        const char *country;
        const char *form; /* n: a digit; mobile prefixes are followed by free ones */
    } forms[] = {
        {"AT", "+43 664 nnnnnnn"},  {"BE", "+32 47n nn nn nn"},  {"DE", "+49 151 nnnnnnnn"},
        {"ES", "+34 6nn nnn nnn"},  {"FR", "+33 6 nn nn nn nn"}, {"HU", "+36 30 nnn nnnn"},
        {"IT", "+39 34n nnn nnnn"}, {"NL", "+31 6 nnnnnnnn"},    {"SE", "+46 70 nnn nn nn"},
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (strcmp(forms[i].country, person->country) != 0)
            continue;
        size_t length = strlen(forms[i].form);
        for (size_t j = 0; j <= length; j++)
            person->phone[j] = forms[i].form[j] == 'n' ? (char)('0' + random_below(prng, 10)) : forms[i].form[j];
    }
}

static void
set_birth_date(struct person *person, struct prng *prng, int32_t entry)
{
    /* 18 .. 69 whole years at the entry, most of them under 43. */
    bool young = random_percent(prng, 70);
    uint32_t age = young ? 18 : 30;
    age += random_below(prng, young ? 12 : 20);
    age += random_below(prng, young ? 14 : 21);
    struct civil civil = civil_of_day(entry);
    int32_t day = civil.month == 2 && civil.day == 29 ? 28 : civil.day;
    int32_t birthday = day_of_civil(civil.year - (int32_t)age, civil.month, day);
    format_day(person->birth_date, sizeof person->birth_date, birthday - (int32_t)random_below(prng, 365));
}

static void
set_partner(struct person *person, const struct unit *unit, const struct member *member)
{
    if (member->partner > PARTNERS_MAX)
        die("partner %u has no name", member->partner);
    *person = (struct person){.office = unit->offices[0]};
    format_text(person->legal_name, TEXT_SIZE, "%s", partner_names[member->partner - 1]);
    format_text(person->language, sizeof person->language, "fr");
    format_text(person->country, sizeof person->country, "%s", unit->country);
}

void
person_generate(struct person *ret_person, struct prng *prng, const struct unit *unit, const struct member *member)
{
    *ret_person = (struct person){0};
    const struct place *place = set_address(ret_person, unit, prng);
    set_language(ret_person, unit, prng, place->culture);
    if (member->partner > 0) {
        set_partner(ret_person, unit, member);
        return;
    }
    const char *bank = unit->country;
    if (strcmp(ret_person->country, bank) != 0 && random_percent(prng, 50))
        bank = ret_person->country;
    else if (random_percent(prng, ACCOUNT_ABROAD))
        bank = random_percent(prng, 50) ? "LU" : "PT";
    iban_generate(ret_person->iban, sizeof ret_person->iban, prng, bank);
    if (!random_percent(prng, NO_PHONE_PERCENT))
        set_phone(ret_person, prng);
    if (member->legal) {
        set_legal_name(ret_person, unit, prng, place->culture, member->number);
        return;
    }
    set_names(ret_person, prng, draw_culture(prng, place->culture));
    if (!random_percent(prng, NO_EMAIL_PERCENT))
        set_email(ret_person, unit, prng, member->number);
    set_birth_date(ret_person, prng, member->admitted_on != DAY_NONE ? member->admitted_on : member->applied_on);
}
