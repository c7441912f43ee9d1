/* Members who move from one unit to another: offered by the old home, accepted by the new one, completed by the old one, received by the new
 * one; or withdrawn. docs/PROTOCOL.md §9 kinds 64 to 68, §10 "Handover". Only the completion moves the home. */
#ifndef SMARTNODE_COMMAND_HANDOVER_H
#define SMARTNODE_COMMAND_HANDOVER_H

#include "node/command/access.h"
#include "storage/taken.h"

enum handover_action {
    HANDOVER_OFFER = 1,
    HANDOVER_WITHDRAW,
    HANDOVER_ACCEPT,
    HANDOVER_COMPLETE,
    HANDOVER_RECEIVE,
};
enum {
    HANDOVER_DRAFTS_MAX = ACCESS_DRAFTS_MAX + 1 + CURRENCIES_OWED_MAX + CLASSES_MAX,
    HANDOVER_AHEAD_DAYS_MAX = 366,
};

struct handover_request {
    enum handover_action action;
    struct subject_id member;
    struct unit_id unit;         /* OFFER: the new home; ACCEPT: the old one, zeros = whoever offers */
    struct civil_date effective; /* DATE_NONE = today; COMPLETE: the day that was proposed */
    struct civil_date proposed;  /* OFFER: the day of the move; DATE_NONE = today */
    bool has_office;             /* ACCEPT: needed */
    struct office_id office;
    bool has_shares, has_price; /* ACCEPT: 1 share at the unit's price if not given */
    uint64_t shares;
    int64_t share_price_minor;
    char currency[CURRENCY_MAX];
    uint8_t category;    /* ACCEPT; 0 = as at the old home */
    bool voted;          /* COMPLETE: this year, at the old home */
    uint8_t activities;  /* COMPLETE: enum open_activities; 0 = closed */
    bool owed_stays;     /* COMPLETE: the shares are repaid later; else with the same date, all of them */
    bool adjusts_closed; /* ACCEPT, COMPLETE: the day of the move lies in a closed year, and that is meant */
    /* RECEIVE: the person as the old home's capsules say, opened by the caller, or as the desk entered it; and what was to be taken along. */
    struct person_input person;
    const struct dossier *dossiers; /* n_dossiers of them, TAKEN_DOSSIERS_MAX at most; 0 = nothing is taken along */
    size_t n_dossiers;
    bool has_if_match;
    struct position if_match; /* the member's row of this unit */
};

/* Drafts in the order in which they are to be written, in one commit; the first is the one that was asked for. Beside it: WITHDRAW begins a new
 * generation of keys (the other unit had the old ones); COMPLETE repays, and ends grants and passes (open activities are closed later: node/host/moved_work.h). Those taken along
 * are opened some time after RECEIVE (handover_taken), which restricts what the old home has restricted, until the same days.
 * The day of a move is asked for in closed years: by ACCEPT in this unit's, by COMPLETE in this unit's, and in those that the new home has
 * closed since it accepted, as far as that is known here.
 * Errors: ERR_INVALID (unit, proposed, effective_on, office, shares, category, activities), ERR_NOTFOUND (subject, unit, office), ERR_CONFLICT
 * (what is not offered, accepted or completed; too much is open; more than TAKEN_MAX activities are to be taken along), and those of storage. ret: HANDOVER_DRAFTS_MAX of them, the caller's to
 * release after success. */
int command_handover(const struct command_ctx *ctx, const struct handover_request *req, struct draft *ret,
                     size_t *ret_n, struct err *err) NODISCARD;

/* The activities that a reception is to note in the vault (storage/taken.h) before it is written, under new ids: ret, TAKEN_MAX of them; none if
 * nothing was taken along. With a reception that did not come about and is made again, it takes the place of what was noted. ERR_NOTFOUND: member. */
int handover_taken(const struct command_ctx *ctx, const struct handover_request *req, struct taken_activity *ret,
                   size_t *ret_n, struct err *err) NODISCARD;
/* The opening of one that is noted: with the month of the move, from which on the member is one of this unit's. Of the day the log has nothing.
 * ERR_NOTFOUND, field "activity": it is not noted (any more). Wipe ret. */
int handover_open_taken(const struct command_ctx *ctx, const struct taken_key *key, struct activity_request *ret,
                        struct err *err) NODISCARD;

/* What is going on with a member who moves, as one desk sees it. */
enum handover_turn {
    TURN_NOBODY = 0,
    TURN_WE_ACCEPT = 1,
    TURN_THEY_ACCEPT,
    TURN_WE_COMPLETE,
    TURN_THEY_COMPLETE,
    TURN_WE_RECEIVE, /* the node does it by itself once the data is here */
    TURN_THEY_RECEIVE,
};
struct handover_view {
    struct subject_id member;
    struct unit_id from, to;
    enum handover_turn turn;
    struct civil_date since, proposed; /* of the offer; DATE_NONE where it is over */
    struct position offer;
    uint8_t key[KEY_HANDOVER]; /* of the row it was read from */
};
/* Handovers that this unit has part in, in the order of `key` after `after` (NULL = the first), at most max. Read transactions too. */
int handovers_open(const struct command_ctx *ctx, const uint8_t after[KEY_HANDOVER], struct handover_view *ret,
                   size_t max, size_t *ret_n, struct err *err) NODISCARD;
/* The one of a member; TURN_NOBODY if there is none. */
int handover_of(const struct command_ctx *ctx, const struct subject_id *member, struct handover_view *ret,
                struct err *err) NODISCARD;

#endif
