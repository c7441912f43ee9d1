/* The capsules of a member's event: whose they are, and whether keys are new. See member_work.h. */
#include "node/command/member_work.h"
#include "node/command/person.h"
#include "node/command/retention.h"
#include "node/command/text.h"
#include "storage/keyslots.h"

static int
has_keys(const struct work *w, const struct subject_id *who, bool *ret, struct err *err)
{
    uint32_t generation;
    uint64_t slot;
    struct err none;
    int rc = keyslot_find(w->ctx->txn, who, &generation, &slot, &none);
    *ret = rc == 0;
    if (rc != 0 && rc != ERR_NOTFOUND) {
        *err = none;
        return rc;
    }
    return 0;
}

static bool
named_before(const struct work *w)
{
    for (size_t i = 0; i < w->row.n; i++) {
        const struct member_entry *e = &w->row.entries[i];
        if (e->kind == KIND_REPRESENTATIVE_NAMED && TYPE_EQ(&e->other, &w->d.key_subject))
            return true;
    }
    return false;
}

/* An id that stands for somebody in another record would link the two for everybody who reads the log (§10). */
static int
check_representative(const struct work *w, bool *ret_known, struct err *err)
{
    const struct person_input *in = &w->req->person;
    if (in->has_bank)
        return err_field(err, ERR_INVALID, "iban", "iban: a representative has no account here, the member has");
    int rc = has_keys(w, &w->d.key_subject, ret_known, err);
    if (rc == 0 && *ret_known && !named_before(w))
        return err_field(err, ERR_CONFLICT, "representative",
                         "representative: the id is of another record; leave it out, and a new one is drawn");
    if (rc == 0 && !*ret_known && !in->has_identity)
        rc = err_field(err, ERR_INVALID, "family_name", "a representative who is new here needs a name");
    return rc;
}

static int
add_person(struct work *w, bool known, struct err *err)
{
    const struct person_input *p = &w->person;
    int rc = 0;
    if (p->has_identity)
        rc = person_capsule(&w->d, CLASS_IDENTITY, p, err);
    if (rc == 0 && p->has_contact && (known || !person_contact_empty(&p->contact)))
        rc = person_capsule(&w->d, CLASS_CONTACT, p, err);
    if (rc == 0 && p->has_bank && (known || !person_bank_empty(&p->bank)))
        rc = person_capsule(&w->d, CLASS_BANK, p, err);
    return rc;
}

static int
add_note(struct work *w, struct err *err)
{
    if (w->req->action == ACTION_NAME_REPRESENTATIVE)
        return err_field(
            err, ERR_INVALID, "note",
            "note: its key would be the representative's; record the note with a change of data (member.data)");
    int rc = text_clean(w->req->note.s, "note", w->note.s, sizeof(w->note.s), err);
    if (rc == 0 && w->note.s[0] == '\0')
        rc = err_field(err, ERR_INVALID, "note", "note: is empty");
    return rc != 0 ? rc : person_note_encode(&w->note, draft_capsule(&w->d, CLASS_NOTE), err);
}

/* A representative's keys are not the member's. */
static int
check_erased(const struct work *w, struct err *err)
{
    const struct person_input *in = &w->req->person;
    int rc = 0;
    if (!w->found || w->req->action == ACTION_NAME_REPRESENTATIVE)
        return 0;
    if (in->has_identity)
        rc = retention_check_erased(&w->row, CLASS_IDENTITY, w->effective, "family_name", err);
    if (rc == 0 && in->has_contact)
        rc = retention_check_erased(&w->row, CLASS_CONTACT, w->effective, "email", err);
    if (rc == 0 && in->has_bank)
        rc = retention_check_erased(&w->row, CLASS_BANK, w->effective, "iban", err);
    if (rc == 0 && w->req->has_note)
        rc = retention_check_erased(&w->row, CLASS_NOTE, w->effective, "note", err);
    return rc;
}

/* Someone new without an address gets no capsule for it; for a known person an empty class is the wish to have nothing there any
 * more. */
int
work_person(struct work *w, struct err *err)
{
    const struct person_input *in = &w->req->person;
    enum member_action action = w->req->action;
    bool given = in->has_identity || in->has_contact || in->has_bank, known = w->found;
    bool names = action == ACTION_NAME_REPRESENTATIVE;
    uint8_t type = work_creates(action) ? w->d.payload.admission.person_type : w->latest.person_type;
    int rc = 0;
    if (names)
        rc = check_representative(w, &known, err);
    else if (given && !work_creates(action) && action != ACTION_CHANGE_DATA)
        rc = err_field(err, ERR_INVALID, "person", "personal data goes with a change of data (member.data)");
    if (rc == 0)
        rc = check_erased(w, err);
    if (rc == 0 && given)
        rc = person_check(in, names ? PERSON_NATURAL : type, w->ctx->today, &w->person, err);
    if (rc == 0 && given)
        rc = add_person(w, known, err);
    if (rc == 0 && w->req->has_note)
        rc = add_note(w, err);
    return rc;
}

/* A person whose keys this node never had (it wrote no capsule about them) gets them with the first capsule. */
int
work_new_keys(struct work *w, struct err *err)
{
    bool known = true;
    w->d.new_keys = !w->found;
    if (!w->found || w->d.n_capsules == 0)
        return 0;
    int rc = has_keys(w, &w->d.key_subject, &known, err);
    w->d.new_keys = !known;
    return rc;
}
