/* SPDX-License-Identifier: Apache-2.0 */
/* email-reply-00 challenges (RFC 8823 section 3) with the notes on refused replies. */
#ifndef SIGNET_STORE_CHALLENGE_H
#define SIGNET_STORE_CHALLENGE_H

#include "store/store.h"

#define CHALLENGE_MAX_NOTES 8
#define CHALLENGE_MAX_MAILS 8 /* kept, and as many bounces */
#define CHALLENGE_MAX_MAIL_OCTETS (1024 * 1024)

typedef struct {
  Id id, authz_id;
  char *status;      /* RFC 8555 section 7.1.6 */
  char *token2;      /* token-part2 */
  char *mail_from;   /* lower case: recipient of the reply, and From of the mail unless mail_sender
                        is; no two challenges have one */
  char *mail_sender; /* From of an S/MIME-signed mail, the same for all; NULL: not signed so */
  gint64 created_at;
  gint64 deadline; /* a reply must have been received before */
  char *token1;    /* token-part1; NULL until the mail is made */
  char *message_id;
  gint64 queued_at;    /* then */
  char *envelope_from; /* lower case: reverse-path of the mail, recipient of its bounces; known to
                          nobody who sees the mail alone; NULL until the mail is made, and in mails
                          that were made before there was one */
  gint64 sent_at;      /* the relay took the mail; 0: not yet */
  char *relay_text;    /* what it said last; NULL: nothing yet */
  gint64 responded_at; /* the client's POST; 0: not yet */
  gint64 passed_at;    /* a reply passed every rule; 0: none yet */
  gint64 validated_at;
  char *error;                      /* problem document, JSON: the final cause; NULL: none */
  gint64 notes, mails, mail_octets; /* counts, also of those not kept */
  gint64 bounces, bounce_octets;    /* the same of mails to envelope_from */
} Challenge;

void challenge_free(Challenge *challenge);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Challenge, challenge_free)

gboolean challenge_insert(Store *store, const Challenge *challenge, GError **error);
StoreFind challenge_find(Store *store, const Id *id, Challenge **challenge, GError **error);
StoreFind challenge_find_by_authorization(Store *store, const Id *authz_id, Challenge **challenge,
                                          GError **error);
/* By mail_from. */
StoreFind challenge_find_by_recipient(Store *store, const char *address, Challenge **challenge,
                                      GError **error);
StoreFind challenge_find_by_envelope(Store *store, const char *address, Challenge **challenge,
                                     GError **error);
/* Among those that have a mail_sender. */
StoreFind challenge_find_by_token(Store *store, const char *token1, Challenge **challenge,
                                  GError **error);
/* Whether one with that mail_sender still awaits its reply at now. */
StoreFind challenge_has_open_from(Store *store, const char *mail_sender, gint64 now,
                                  GError **error);
/* Once only: token-part1, Message-ID and reverse-path of the mail. */
StoreChange challenge_set_mail(Store *store, const Id *id, gint64 now, const char *token1,
                               const char *message_id, const char *envelope_from, GError **error);
/* The relay did not take the mail; what it said. */
gboolean challenge_set_unsent(Store *store, const Id *id, const char *relay_text, GError **error);
/* The first time counts. */
gboolean challenge_set_sent(Store *store, const Id *id, gint64 now, const char *relay_text,
                            GError **error);
/* pending -> processing: the client's POST. */
StoreChange challenge_respond(Store *store, const Id *id, gint64 now, GError **error);
/* Once only, while undecided: a reply passed. */
StoreChange challenge_pass(Store *store, const Id *id, gint64 now, GError **error);
/* processing -> valid. */
StoreChange challenge_validate(Store *store, const Id *id, gint64 now, GError **error);
/* pending or processing -> invalid, with the final cause. */
StoreChange challenge_fail(Store *store, const Id *id, const char *problem, GError **error);
/* Counts a mail; STORE_UNCHANGED (and counted) when it is one too many to be kept. */
StoreChange challenge_count_mail(Store *store, const Id *id, gint64 octets, GError **error);
/* The same of bounces, which take no place from replies. */
StoreChange challenge_count_bounce(Store *store, const Id *id, gint64 octets, GError **error);
/* Undecided challenges whose deadline passed before now without a reply waiting to be judged, at
 * most limit. */
gboolean challenge_list_overdue(Store *store, gint64 now, guint limit, GArray *ids, GError **error);

/* Whether a received message of the challenge, or one that may be found to be, waits to be judged.
 */
StoreFind challenge_has_unjudged(Store *store, const Id *id, GError **error);
/* Whether a mail of one of the order's challenges is being handed over, so that what becomes of it
   is not known yet. */
StoreFind challenge_mail_is_leaving(Store *store, const Id *order, gint64 now, GError **error);

typedef struct {
  gint64 at;
  char *rule;    /* name of the rule that was broken */
  char *problem; /* problem document, JSON */
} Note;

void note_free(Note *note);
/* Keeps a note, or only counts it when CHALLENGE_MAX_NOTES are kept. */
gboolean challenge_note(Store *store, const Id *id, gint64 now, const char *rule,
                        const char *problem, GError **error);
/* The one note on a rule that has no more than one: made, or replaced by a newer one.
   STORE_UNCHANGED when it says the same. */
StoreChange challenge_note_again(Store *store, const Id *id, gint64 now, const char *rule,
                                 const char *problem, GError **error);
/* Oldest first; of Note. NULL on failure. */
GPtrArray *challenge_notes(Store *store, const Id *id, GError **error);

#endif
