/*
 * The random stream (xoshiro256** seeded through splitmix64, prng.di.unimi.it) and the civil
 * calendar (days_from_civil after Howard Hinnant). Integers only, so that every machine agrees.
 */
#include "generate.h"

static uint64_t
splitmix(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint64_t
rotate_left(uint64_t value, uint32_t bits)
{
    return (value << bits) | (value >> (64 - bits));
}

static uint64_t
next(struct prng *prng)
{
    uint64_t *s = prng->state;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

void
random_init(struct prng *prng, uint64_t seed, const char *label)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    for (const char *p = label; *p; p++)
        hash = (hash ^ (uint8_t)*p) * UINT64_C(0x100000001b3);
    uint64_t state = seed ^ hash;
    for (size_t i = 0; i < 4; i++)
        prng->state[i] = splitmix(&state);
}

uint32_t
random_below(struct prng *prng, uint32_t below)
{
    /* Draws under `reject` would favour the low numbers. */
    uint32_t reject = (uint32_t)(-below) % below;
    for (;;) {
        uint32_t draw = (uint32_t)(next(prng) >> 32);
        if (draw >= reject)
            return draw % below;
    }
}

bool
random_percent(struct prng *prng, uint32_t percent)
{
    return random_below(prng, 100) < percent;
}

int32_t
day_of_civil(int32_t year, int32_t month, int32_t day)
{
    int32_t y = month <= 2 ? year - 1 : year;
    int32_t era = y / 400; /* years after 0 only */
    int32_t year_of_era = y - era * 400;
    int32_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int32_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

struct civil
civil_of_day(int32_t day)
{
    int32_t z = day + 719468;
    int32_t era = z / 146097;
    int32_t day_of_era = z - era * 146097;
    int32_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int32_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int32_t shifted = (5 * day_of_year + 2) / 153;
    int32_t month = shifted < 10 ? shifted + 3 : shifted - 9;
    return (struct civil){
        .year = year_of_era + era * 400 + (month <= 2 ? 1 : 0),
        .month = month,
        .day = day_of_year - (153 * shifted + 2) / 5 + 1,
    };
}

int32_t
weekday_of_day(int32_t day)
{
    return (day + 719468 + 3) % 7; /* 0000-03-01 was a Wednesday */
}

void
format_day(char *ret_text, size_t size, int32_t day)
{
    if (day == DAY_NONE) {
        ret_text[0] = '\0';
        return;
    }
    struct civil civil = civil_of_day(day);
    format_text(ret_text, size, "%04d-%02d-%02d", civil.year, civil.month, civil.day);
}
