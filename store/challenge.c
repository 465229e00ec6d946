/* SPDX-License-Identifier: Apache-2.0 */
#include "store/challenge.h"
#include "store/job.h"
#include "store/kept.h"
#include "store/lock.h"
#include "store/sql.h"

#include <string.h>

static void clear(gpointer data) {
  Challenge *challenge = data;
  g_free(challenge->status);
  g_free(challenge->token2);
  g_free(challenge->mail_from);
  g_free(challenge->mail_sender);
  g_free(challenge->token1);
  g_free(challenge->message_id);
  g_free(challenge->relay_text);
  g_free(challenge->envelope_from);
  g_free(challenge->error);
}

void challenge_free(Challenge *challenge) {
  if (challenge != NULL)
    g_rc_box_release_full(challenge, clear);
}

static gpointer copy(gconstpointer data) {
  const Challenge *challenge = data;
  Challenge *made = g_rc_box_new0(Challenge);
  *made = *challenge;
  made->status = g_strdup(challenge->status);
  made->token2 = g_strdup(challenge->token2);
  made->mail_from = g_strdup(challenge->mail_from);
  made->mail_sender = g_strdup(challenge->mail_sender);
  made->token1 = g_strdup(challenge->token1);
  made->message_id = g_strdup(challenge->message_id);
  made->relay_text = g_strdup(challenge->relay_text);
  made->envelope_from = g_strdup(challenge->envelope_from);
  made->error = g_strdup(challenge->error);
  return made;
}

/* What is kept of one whose row was changed or not (changed), to be changed in the same way. */
static Challenge *change_kept(Store *store, const Id *id, StoreChange changed) {
  return changed == STORE_CHANGED ? kept_change(store_kept(store), KEPT_CHALLENGES, id, copy)
                                  : NULL;
}

static void forget(Store *store, const Id *id) {
  kept_forget(store_kept(store), KEPT_CHALLENGES, id);
}

gboolean challenge_insert(Store *store, const Challenge *c, GError **error) {
  return sql_run(
      store, error,
      "INSERT INTO challenge (id, authz_id, status, token2, mail_from, created_at, deadline, notes,"
      " mails, mail_octets, mail_sender) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, 0, 0, ?8)",
      "ddtttiit", &c->id, &c->authz_id, c->status, c->token2, c->mail_from, c->created_at,
      c->deadline, c->mail_sender);
}

static StoreFind find(SqlQuery query, Challenge **challenge, GError **error) {
  StoreFind found = STORE_MISSING;
  if (sql_row(&query)) {
    Challenge *c = *challenge = g_rc_box_new0(Challenge);
    sql_id(&query, 0, &c->id);
    sql_id(&query, 1, &c->authz_id);
    c->status = sql_text(&query, 2);
    c->token2 = sql_text(&query, 3);
    c->mail_from = sql_text(&query, 4);
    c->created_at = sql_int(&query, 5);
    c->deadline = sql_int(&query, 6);
    c->token1 = sql_text(&query, 7);
    c->message_id = sql_text(&query, 8);
    c->sent_at = sql_int(&query, 9);
    c->responded_at = sql_int(&query, 10);
    c->passed_at = sql_int(&query, 11);
    c->validated_at = sql_int(&query, 12);
    c->error = sql_text(&query, 13);
    c->notes = sql_int(&query, 14);
    c->mails = sql_int(&query, 15);
    c->mail_octets = sql_int(&query, 16);
    c->queued_at = sql_int(&query, 17);
    c->relay_text = sql_text(&query, 18);
    c->envelope_from = sql_text(&query, 19);
    c->bounces = sql_int(&query, 20);
    c->bounce_octets = sql_int(&query, 21);
    c->mail_sender = sql_text(&query, 22);
    Kept *kept = store_kept(query.store);
    kept_put(kept, KEPT_CHALLENGES, &c->id, g_rc_box_acquire(c));
    Id recipient = kept_id_of(c->mail_from);
    kept_put_ids(kept, KEPT_CHALLENGES_OF_AUTHORIZATIONS, &c->authz_id, &c->id, 1);
    kept_put_ids(kept, KEPT_CHALLENGES_OF_RECIPIENTS, &recipient, &c->id, 1);
    found = STORE_FOUND;
  }
  return sql_end(&query, error) ? found : STORE_LOOKUP_FAILED;
}

#define COLUMNS                                                                                    \
  "SELECT id, authz_id, status, token2, mail_from, created_at, deadline, token1, message_id,"      \
  " sent_at, responded_at, passed_at, validated_at, error, notes, mails, mail_octets, queued_at,"  \
  " relay_text, envelope_from, bounces, bounce_octets, mail_sender FROM challenge"

StoreFind challenge_find(Store *store, const Id *id, Challenge **challenge, GError **error) {
  Challenge *kept = kept_find(store_kept(store), KEPT_CHALLENGES, id);
  if (kept == NULL)
    return find(sql_query(store, COLUMNS " WHERE id = ?1", "d", id), challenge, error);
  *challenge = g_rc_box_acquire(kept);
  return STORE_FOUND;
}

StoreFind challenge_find_by_authorization(Store *store, const Id *authz_id, Challenge **challenge,
                                          GError **error) {
  const KeptIds *kept = kept_find(store_kept(store), KEPT_CHALLENGES_OF_AUTHORIZATIONS, authz_id);
  return kept != NULL ? challenge_find(store, &kept->ids[0], challenge, error)
                      : find(sql_query(store, COLUMNS " WHERE authz_id = ?1", "d", authz_id),
                             challenge, error);
}

StoreFind challenge_find_by_recipient(Store *store, const char *address, Challenge **challenge,
                                      GError **error) {
  g_autofree char *lower = g_ascii_strdown(address, -1);
  Id recipient = kept_id_of(lower);
  const KeptIds *ids = kept_find(store_kept(store), KEPT_CHALLENGES_OF_RECIPIENTS, &recipient);
  Challenge *kept =
      ids != NULL ? kept_find(store_kept(store), KEPT_CHALLENGES, &ids->ids[0]) : NULL;
  if (kept == NULL || strcmp(kept->mail_from, lower) != 0)
    return find(sql_query(store, COLUMNS " WHERE mail_from = ?1", "t", lower), challenge, error);
  *challenge = g_rc_box_acquire(kept);
  return STORE_FOUND;
}

StoreFind challenge_find_by_envelope(Store *store, const char *address, Challenge **challenge,
                                     GError **error) {
  g_autofree char *lower = g_ascii_strdown(address, -1);
  return find(sql_query(store, COLUMNS " WHERE envelope_from = ?1", "t", lower), challenge, error);
}

StoreFind challenge_find_by_token(Store *store, const char *token1, Challenge **challenge,
                                  GError **error) {
  return find(
      sql_query(store, COLUMNS " WHERE token1 = ?1 AND mail_sender IS NOT NULL", "t", token1),
      challenge, error);
}

StoreFind challenge_has_open_from(Store *store, const char *mail_sender, gint64 now,
                                  GError **error) {
  return sql_exists(sql_query(store,
                              "SELECT 1 FROM challenge WHERE mail_sender = ?1"
                              " AND status IN ('pending', 'processing') AND deadline > ?2 LIMIT 1",
                              "ti", mail_sender, now),
                    error);
}

StoreChange challenge_set_mail(Store *store, const Id *id, gint64 now, const char *token1,
                               const char *message_id, const char *envelope_from, GError **error) {
  StoreChange set = sql_change(store, error,
                               "UPDATE challenge SET token1 = ?2, message_id = ?3, queued_at = ?4,"
                               " envelope_from = ?5 WHERE id = ?1 AND token1 IS NULL",
                               "dttit", id, token1, message_id, now, envelope_from);
  Challenge *kept = change_kept(store, id, set);
  if (kept != NULL) {
    kept_set_text(&kept->token1, token1);
    kept_set_text(&kept->message_id, message_id);
    kept->queued_at = now;
    kept_set_text(&kept->envelope_from, envelope_from);
  }
  return set;
}

gboolean challenge_set_sent(Store *store, const Id *id, gint64 now, const char *relay_text,
                            GError **error) {
  const Challenge *before = kept_find(store_kept(store), KEPT_CHALLENGES, id);
  gboolean first = before != NULL && before->sent_at == 0;
  Challenge *kept = change_kept(store, id, first ? STORE_CHANGED : STORE_UNCHANGED);
  if (kept != NULL) {
    kept->sent_at = now;
    kept_set_text(&kept->relay_text, relay_text);
  }
  return sql_run(store, error,
                 "UPDATE challenge SET sent_at = ?2, relay_text = ?3"
                 " WHERE id = ?1 AND sent_at IS NULL",
                 "dit", id, now, relay_text);
}

gboolean challenge_set_unsent(Store *store, const Id *id, const char *relay_text, GError **error) {
  forget(store, id);
  return sql_run(store, error,
                 "UPDATE challenge SET relay_text = ?2 WHERE id = ?1 AND sent_at IS NULL", "dt", id,
                 relay_text);
}

StoreChange challenge_respond(Store *store, const Id *id, gint64 now, GError **error) {
  StoreChange responded = sql_change(store, error,
                                     "UPDATE challenge SET status = 'processing', responded_at = ?2"
                                     " WHERE id = ?1 AND status = 'pending'",
                                     "di", id, now);
  Challenge *kept = change_kept(store, id, responded);
  if (kept != NULL) {
    kept_set_text(&kept->status, "processing");
    kept->responded_at = now;
  }
  return responded;
}

StoreChange challenge_pass(Store *store, const Id *id, gint64 now, GError **error) {
  StoreChange passed =
      sql_change(store, error,
                 "UPDATE challenge SET passed_at = ?2 WHERE id = ?1 AND passed_at IS NULL"
                 " AND status IN ('pending', 'processing')",
                 "di", id, now);
  Challenge *kept = change_kept(store, id, passed);
  if (kept != NULL)
    kept->passed_at = now;
  return passed;
}

StoreChange challenge_validate(Store *store, const Id *id, gint64 now, GError **error) {
  const Challenge *known = kept_find(store_kept(store), KEPT_CHALLENGES, id);
  if (known != NULL && (strcmp(known->status, "processing") != 0 || known->passed_at == 0))
    return STORE_UNCHANGED;
  StoreChange validated =
      sql_change(store, error,
                 "UPDATE challenge SET status = 'valid', validated_at = ?2"
                 " WHERE id = ?1 AND status = 'processing' AND passed_at IS NOT NULL",
                 "di", id, now);
  Challenge *kept = change_kept(store, id, validated);
  if (kept != NULL) {
    kept_set_text(&kept->status, "valid");
    kept->validated_at = now;
  }
  return validated;
}

StoreChange challenge_fail(Store *store, const Id *id, const char *problem, GError **error) {
  forget(store, id);
  return sql_change(store, error,
                    "UPDATE challenge SET status = 'invalid', error = ?2"
                    " WHERE id = ?1 AND status IN ('pending', 'processing') AND passed_at IS NULL",
                    "dt", id, problem);
}

StoreChange challenge_count_mail(Store *store, const Id *id, gint64 octets, GError **error) {
  StoreChange room = sql_change(
      store, error,
      "UPDATE challenge SET mails = mails + 1, mail_octets = mail_octets + ?2"
      " WHERE id = ?1 AND mails < ?3 AND mail_octets + ?2 <= ?4",
      "diii", id, octets, (gint64)CHALLENGE_MAX_MAILS, (gint64)CHALLENGE_MAX_MAIL_OCTETS);
  Challenge *kept = change_kept(store, id, room);
  if (kept != NULL) {
    kept->mails++;
    kept->mail_octets += octets;
  }
  if (room != STORE_UNCHANGED)
    return room;
  forget(store, id);
  return sql_run(store, error, "UPDATE challenge SET mails = mails + 1 WHERE id = ?1", "d", id)
             ? STORE_UNCHANGED
             : STORE_FAILED;
}

StoreChange challenge_count_bounce(Store *store, const Id *id, gint64 octets, GError **error) {
  forget(store, id);
  StoreChange kept = sql_change(
      store, error,
      "UPDATE challenge SET bounces = bounces + 1, bounce_octets = bounce_octets + ?2"
      " WHERE id = ?1 AND bounces < ?3 AND bounce_octets + ?2 <= ?4",
      "diii", id, octets, (gint64)CHALLENGE_MAX_MAILS, (gint64)CHALLENGE_MAX_MAIL_OCTETS);
  if (kept == STORE_UNCHANGED &&
      !sql_run(store, error, "UPDATE challenge SET bounces = bounces + 1 WHERE id = ?1", "d", id))
    return STORE_FAILED;
  return kept;
}

gboolean challenge_list_overdue(Store *store, gint64 now, guint limit, GArray *ids,
                                GError **error) {
  return sql_ids(sql_query(store,
                           "SELECT id FROM challenge c WHERE " CHALLENGE_ENDS
                           " AND deadline <= ?1 AND NOT EXISTS (SELECT 1 FROM message m"
                           " WHERE m.challenge_id = c.id AND EXISTS"
                           " (SELECT 1 FROM job j WHERE j.kind = 'judge' AND j.subject = m.id))"
                           " AND (c.mail_sender IS NULL OR NOT EXISTS"
                           " (SELECT 1 FROM stray s WHERE s.at < c.deadline))"
                           " ORDER BY deadline LIMIT ?2",
                           "ii", now, (gint64)limit),
                 ids, error);
}

StoreFind challenge_has_unjudged(Store *store, const Id *id, GError **error) {
  return sql_exists(sql_query(store,
                              "SELECT 1 FROM challenge c WHERE c.id = ?1 AND (EXISTS (SELECT 1"
                              " FROM message WHERE challenge_id = ?1 AND direction = 'in'"
                              " AND verdict IS NULL) OR (c.mail_sender IS NOT NULL AND EXISTS"
                              " (SELECT 1 FROM stray s WHERE s.at < c.deadline)))",
                              "d", id),
                    error);
}

StoreFind challenge_mail_is_leaving(Store *store, const Id *order, gint64 now, GError **error) {
  return sql_exists(
      sql_query(store,
                "SELECT 1 FROM authz a JOIN challenge c ON c.authz_id = a.id WHERE a.order_id = ?1"
                " AND EXISTS (SELECT 1 FROM job j WHERE j.kind = ?2 AND j.subject = c.id"
                " AND j.taken_until > ?3)",
                "dti", order, job_names[JOB_MAIL], now),
      error);
}

void note_free(Note *note) {
  g_free(note->rule);
  g_free(note->problem);
  g_free(note);
}

gboolean challenge_note(Store *store, const Id *id, gint64 now, const char *rule,
                        const char *problem, GError **error) {
  forget(store, id);
  return sql_run(store, error, "UPDATE challenge SET notes = notes + 1 WHERE id = ?1", "d", id) &&
         sql_run(store, error,
                 "INSERT INTO note (challenge_id, number, at, rule, problem)"
                 " SELECT id, notes, ?2, ?3, ?4 FROM challenge WHERE id = ?1 AND notes <= ?5",
                 "ditti", id, now, rule, problem, (gint64)CHALLENGE_MAX_NOTES);
}

static StoreFind find_note(Store *store, const Id *id, const char *rule, GError **error) {
  return sql_exists(sql_query(store,
                              "SELECT 1 FROM note WHERE challenge_id = ?1 AND rule = ?2 LIMIT 1",
                              "dt", id, rule),
                    error);
}

StoreChange challenge_note_again(Store *store, const Id *id, gint64 now, const char *rule,
                                 const char *problem, GError **error) {
  StoreFind found = store_lock_challenge(store, id, error) ? find_note(store, id, rule, error)
                                                           : STORE_LOOKUP_FAILED;
  if (found == STORE_MISSING)
    return challenge_note(store, id, now, rule, problem, error) ? STORE_CHANGED : STORE_FAILED;
  return found == STORE_LOOKUP_FAILED
             ? STORE_FAILED
             : sql_change(store, error,
                          "UPDATE note SET at = ?2, problem = ?4 WHERE challenge_id = ?1"
                          " AND rule = ?3 AND problem <> ?4",
                          "ditt", id, now, rule, problem);
}

GPtrArray *challenge_notes(Store *store, const Id *id, GError **error) {
  g_autoptr(GPtrArray) notes = g_ptr_array_new_with_free_func((GDestroyNotify)note_free);
  SqlQuery query = sql_query(
      store, "SELECT at, rule, problem FROM note WHERE challenge_id = ?1 ORDER BY number", "d", id);
  while (sql_row(&query)) {
    Note *note = g_new0(Note, 1);
    note->at = sql_int(&query, 0);
    note->rule = sql_text(&query, 1);
    note->problem = sql_text(&query, 2);
    g_ptr_array_add(notes, note);
  }
  return sql_end(&query, error) ? g_steal_pointer(&notes) : NULL;
}
