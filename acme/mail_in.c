/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/mail_in.h"
#include "acme/record.h"
#include "acme/sort_job.h"
#include "base/log.h"
#include "store/authorization.h"
#include "store/challenge.h"
#include "store/job.h"
#include "store/message.h"

#include <string.h>

static const MailReply taken = {250, "2.1.5", "Recipient ok"};
static const MailReply full = {452, "4.2.2", "Too many messages for this recipient"};
static const MailReply unknown = {550, "5.1.1", "There is no such recipient here"};

/* What a mail to one of a challenge's addresses is. */
typedef struct {
  const char *direction, *event;
  JobKind job;
  StoreFind (*find)(Store *store, const char *address, Challenge **challenge, GError **error);
  StoreChange (*count)(Store *store, const Id *id, gint64 octets, GError **error);
} MailKind;

static const MailKind reply_kind = {"in", "mail received", JOB_JUDGE, challenge_find_by_recipient,
                                    challenge_count_mail};
static const MailKind bounce_kind = {"bounce", "bounce received", JOB_BOUNCE,
                                     challenge_find_by_envelope, challenge_count_bounce};

static StoreFind find(Acme *acme, const char *address, const MailKind **kind, Challenge **challenge,
                      GError **error) {
  *kind = &reply_kind;
  StoreFind found = reply_kind.find(acme->store, address, challenge, error);
  if (found != STORE_MISSING)
    return found;
  *kind = &bounce_kind;
  return bounce_kind.find(acme->store, address, challenge, error);
}

gboolean mail_in_recipient(Acme *acme, const char *address, MailReply *reply, GError **error) {
  g_autoptr(Challenge) challenge = NULL;
  g_autoptr(Authorization) authorization = NULL;
  const MailKind *kind = NULL;
  gboolean open = FALSE, room = FALSE;
  if (!sort_recipient(acme, clock_now(acme->clock), address, &open, &room, error))
    return FALSE;
  if (open)
    return *reply = room ? taken : full, TRUE;
  StoreFind found = find(acme, address, &kind, &challenge, error);
  if (found == STORE_FOUND)
    found = authorization_find(acme->store, &challenge->authz_id, &authorization, error);
  if (found == STORE_LOOKUP_FAILED)
    return FALSE;
  gboolean known = found == STORE_FOUND && authorization->expires_at > clock_now(acme->clock);
  if (!known)
    *reply = unknown;
  else if ((kind == &bounce_kind ? challenge->bounces : challenge->mails) < CHALLENGE_MAX_MAILS)
    *reply = taken;
  else
    *reply = full;
  if (reply->code == full.code) /* counted, not kept */
    return kind->count(acme->store, &challenge->id, 0, error) != STORE_FAILED;
  return TRUE;
}

/* A challenge that a mail is for. */
typedef struct {
  const MailKind *kind;
  Id challenge;
} Target;

/* *kept says whether the message was kept for it. */
static gboolean take_for(Acme *acme, gint64 now, const IncomingMail *mail, const Id *raw,
                         const Target *target, gboolean *kept, GError **error) {
  const MailKind *kind = target->kind;
  const Id *challenge = &target->challenge;
  StoreChange counted =
      kind->count(acme->store, challenge, (gint64)g_bytes_get_size(mail->octets), error);
  *kept = counted == STORE_CHANGED;
  if (counted != STORE_CHANGED)
    return counted == STORE_UNCHANGED;
  Message message = {.id = acme_id(acme, now),
                     .challenge_id = *challenge,
                     .direction = (char *)kind->direction,
                     .at = now,
                     .peer = (char *)mail->peer,
                     .helo = (char *)mail->helo,
                     .reverse_path = (char *)mail->reverse_path,
                     .tls = mail->tls};
  return message_insert(acme->store, &message, raw, error) &&
         job_add(acme->store, kind->job, &message.id, now, error) &&
         record(acme, now, kind->event, (About){.challenge = challenge, .message = &message.id},
                error, "peer", mail->peer, "from", mail->reverse_path, NULL);
}

static gboolean is_repeated(const char *const *recipients, const char *const *recipient) {
  for (; recipients != recipient; recipients++)
    if (g_ascii_strcasecmp(*recipients, *recipient) == 0)
      return TRUE;
  return FALSE;
}

static gint target_compare(gconstpointer one, gconstpointer other) {
  return memcmp(&((const Target *)one)->challenge, &((const Target *)other)->challenge, sizeof(Id));
}

/* Challenges are counted in one order, whatever order a sender names them in: each locks its row
   for other writers. One that is gone is left out. */
static GArray *find_all(Acme *acme, GPtrArray *recipients, GError **error) {
  g_autoptr(GArray) targets = g_array_new(FALSE, FALSE, sizeof(Target));
  for (guint i = 0; i < recipients->len; i++) {
    g_autoptr(Challenge) challenge = NULL;
    const MailKind *kind = NULL;
    StoreFind found = find(acme, recipients->pdata[i], &kind, &challenge, error);
    if (found == STORE_LOOKUP_FAILED)
      return NULL;
    if (found == STORE_FOUND) {
      const Target target = {kind, challenge->id};
      g_array_append_val(targets, target);
    }
  }
  g_array_sort(targets, target_compare);
  return g_steal_pointer(&targets);
}

/* FALSE in *kept: not for all of them. */
static gboolean take_for_all(Acme *acme, gint64 now, const IncomingMail *mail, const Id *raw,
                             GPtrArray *recipients, gboolean *kept, GError **error) {
  g_autoptr(GArray) targets = find_all(acme, recipients, error);
  if (targets == NULL)
    return FALSE;
  *kept = targets->len == recipients->len;
  for (guint i = 0; i < targets->len; i++) {
    gboolean one_kept = FALSE;
    if (!take_for(acme, now, mail, raw, &g_array_index(targets, Target, i), &one_kept, error))
      return FALSE;
    *kept = *kept && one_kept;
  }
  return TRUE;
}

gboolean mail_in_take(Acme *acme, const IncomingMail *mail, MailReply *reply, GError **error) {
  gint64 now = clock_now(acme->clock);
  Id raw = acme_id(acme, now);
  gboolean all_kept = TRUE;
  g_autoptr(GPtrArray) others = g_ptr_array_new();
  if (!message_insert_raw(acme->store, &raw, mail->octets, error))
    return FALSE;
  for (const char *const *recipient = mail->recipients; *recipient != NULL; recipient++) {
    if (is_repeated(mail->recipients, recipient))
      continue;
    gboolean open = FALSE, room = FALSE, kept = TRUE;
    if (!sort_recipient(acme, now, *recipient, &open, &room, error))
      return FALSE;
    if (!open)
      g_ptr_array_add(others, (char *)*recipient);
    else if (!sort_take(acme, now, mail, &raw, &kept, error))
      return FALSE;
    all_kept = all_kept && kept;
  }
  gboolean kept = FALSE;
  if (!take_for_all(acme, now, mail, &raw, others, &kept, error))
    return FALSE;
  if (all_kept && kept) {
    *reply = (MailReply){250, "2.0.0", "Message committed"};
    return TRUE;
  }
  *reply = full;
  log_warning("mail not kept", "peer", mail->peer, "reason",
              "too many messages for one of its recipients", NULL);
  return TRUE;
}
