/*
 * Account numbers with valid check digits (ISO 13616, mod 97-10) and, for Belgium, valid national
 * ones as well. The digits between are drawn: that an account exists is chance.
 */
#include "generate.h"

#include <stdlib.h>
#include <string.h>

#define BBAN_SIZE 40

/* n digit, a capital letter; the rest of a BBAN stands for itself. */
struct iban_form {
    const char *country;
    const char *bban;
};

static const struct iban_form forms[] = {
    {"AT", "nnnnnnnnnnnnnnnn"},        {"BE", "nnnnnnnnnnnn"},
    {"DE", "nnnnnnnnnnnnnnnnnn"},      {"ES", "nnnnnnnnnnnnnnnnnnnn"},
    {"FR", "nnnnnnnnnnnnnnnnnnnnnnn"}, {"HU", "nnnnnnnnnnnnnnnnnnnnnnnn"},
    {"IT", "annnnnnnnnnnnnnnnnnnnnn"}, {"LU", "nnnnnnnnnnnnnnnn"},
    {"NL", "DEMOnnnnnnnnnn"},          {"PT", "nnnnnnnnnnnnnnnnnnnnn"},
    {"SE", "nnnnnnnnnnnnnnnnnnnn"},
};

static uint32_t
mod97(const char *text, uint32_t start)
{
    uint32_t rest = start;
    for (const char *p = text; *p; p++) {
        if (*p >= 'A' && *p <= 'Z')
            rest = (rest * 100 + (uint32_t)(*p - 'A' + 10)) % 97;
        else
            rest = (rest * 10 + (uint32_t)(*p - '0')) % 97;
    }
    return rest;
}

/* Belgium: the last two digits are the ten before them modulo 97, 97 for 0. */
static void
set_belgian_check(char *bban)
{
    char check[16];
    bban[10] = '\0';
    uint32_t rest = mod97(bban, 0);
    format_text(check, sizeof check, "%02u", rest == 0 ? 97 : rest);
    memcpy(bban + 10, check, 3);
}

void
iban_generate(char *ret_iban, size_t size, struct prng *prng, const char *country)
{
    const struct iban_form *form = NULL;
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
        if (strcmp(forms[i].country, country) == 0)
            form = &forms[i];
    if (!form)
        die("no account number format for country %s", country);
    char bban[BBAN_SIZE] = {0};
    for (size_t i = 0; form->bban[i]; i++) {
        bban[i] = form->bban[i];
        if (form->bban[i] == 'n')
            bban[i] = (char)('0' + random_below(prng, 10));
        else if (form->bban[i] == 'a')
            bban[i] = (char)('A' + random_below(prng, 26));
    }
    if (strcmp(country, "BE") == 0)
        set_belgian_check(bban);
    char tail[8];
    format_text(tail, sizeof tail, "%s00", country);
    uint32_t check = 98 - mod97(tail, mod97(bban, 0));
    format_text(ret_iban, size, "%s%02u%s", country, check, bban);
}
