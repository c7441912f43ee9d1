/* The words of the interface for the numbers of the format. */
#include "node/command/names.h"
#include "node/api/request.h"

const char *const category_words[3] = {"A", "B", "C"};
const char *const person_type_words[2] = {"natural", "legal"};

static const char *
word(const char *const *words, size_t n, unsigned i)
{
    return i < n && words[i] != NULL ? words[i] : "unknown";
}

const char *
category_word(uint8_t category)
{
    return word(category_words, ARRAY_LEN(category_words), category - 1U);
}

const char *
person_type_word(uint8_t type)
{
    return word(person_type_words, ARRAY_LEN(person_type_words), type - 1U);
}

const char *
status_word(enum member_status s)
{
    static const char *const words[] = {"none", "applied", "refused", "member", "left", "merged"};

    return word(words, ARRAY_LEN(words), s);
}

const char *
left_word(enum left_reason reason)
{
    static const char *const words[] = {"none", "resigned", "withdrawn", "excluded", "deceased", "moved", "double"};

    return word(words, ARRAY_LEN(words), reason);
}

const char *
outcome_word(enum outcome o)
{
    static const char *const words[] = {NULL, "applied", "replaced", "void", "conflict", "waiting", "unknown"};

    return word(words, ARRAY_LEN(words), o);
}

const char *
class_word(uint8_t class)
{
    static const char *const words[16] = {
        [CLASS_IDENTITY] = "identity", [CLASS_CONTACT] = "contact", [CLASS_BANK] = "bank",
        [CLASS_ACTIVITY] = "activity", [CLASS_NOTE] = "note",       [CLASS_KEY] = "key"};

    return word(words, ARRAY_LEN(words), class);
}

const char *
readiness_word(enum api_readiness r)
{
    static const char *const words[] = {"starting", "rebuilding", "ready", "full", "stopping"};

    return word(words, ARRAY_LEN(words), r);
}

const char *
peer_state_word(enum api_peer_state s)
{
    static const char *const words[] = {"down", "connecting", "catching-up", "current", "refused"};

    return word(words, ARRAY_LEN(words), s);
}

void
put_office_facts(struct json_out *j, const struct office_facts *f)
{
    json_put_text(j, "name", f->name.s);
    json_put_text(j, "city", f->city.s);
    json_put_text(j, "country", f->country);
}

const char *const posting_count_words[POSTING_N] = {[POSTING_RUNNING] = "running",
                                                    [POSTING_BEGUN] = "begun",
                                                    [POSTING_ENDED] = "ended",
                                                    [POSTING_MONTHS] = "person_months"};

void
put_work_facets(struct json_out *j, const struct activity_facets *f)
{
    char name[NUMBERED_NAME_MAX];
    json_put_uint(j, "sector", f->sector);
    json_put_text(j, "sector_name", sector_name(f->sector, name));
    json_put_bool(j, "culture", f->culture);
    json_put_hex(j, "office", f->office.b, ID_BYTES);
}

void
put_position(struct json_out *j, const struct position *p)
{
    json_put_hex(j, "log", p->log.b, HASH_BYTES);
    json_put_uint(j, "seq", p->seq);
}
