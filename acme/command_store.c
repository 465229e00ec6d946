/* SPDX-License-Identifier: Apache-2.0 */
/* signetctl store reconcile: what a restored store does not know is entered from the signer's log
   and from the revocation lists that were out (store/restored.h). Only then may issuance start. */
#include "acme/command.h"
#include "acme/crl_job.h"
#include "acme/issuing_ca.h"
#include "acme/job_run.h"
#include "acme/record.h"
#include "acme/revocation.h"
#include "acme/state.h"
#include "base/base64url.h"
#include "base/hex.h"
#include "base/mailbox.h"
#include "ca/certificate_check.h"
#include "ca/certificate_parts.h"
#include "ca/certificate_read.h"
#include "ca/key.h"
#include "store/certificate.h"
#include "store/crl_shard.h"
#include "store/job.h"
#include "store/lock.h"
#include "store/restored.h"

#include <string.h>

#define ENTER_MAX 100
#define CERTIFICATE_MAX (90 * 1024) /* of base64url */
#define TIME_MAX 20
#define SETTLE_PAGE 100
#define ORDERS_LOOKED_AT 1000 /* of one mailbox that are open at once */

/* --- what is known
 * ------------------------------------------------------------------------------------------ */

static gboolean open_restore(Command *command, Restored **restored, GError **error) {
  StoreFind found = restored_find_open(command->acme->store, restored, error);
  return found == STORE_FOUND ||
         (found == STORE_MISSING &&
          command_refuse(command, "The store was not put back from a backup, or everything was "
                                  "entered since: there is nothing to reconcile."));
}

gboolean command_store_show(Command *command, GError **error) {
  g_autoptr(Restored) restored = NULL;
  gint64 listed = 0;
  StoreFind found = restored_find_open(command->acme->store, &restored, error);
  if (found == STORE_LOOKUP_FAILED || !listed_count(command->acme->store, &listed, error))
    return FALSE;
  json_object_set_new(command->result, "open", json_boolean(found == STORE_FOUND));
  json_object_set_new(command->result, "listed", json_integer(listed));
  if (found == STORE_MISSING)
    return TRUE;
  command_set_time(command->result, "restored", restored->at);
  command_set_time(command->result, "state-of", restored->taken_at);
  json_object_set_new(command->result, "source", json_string(restored->source));
  json_object_set_new(command->result, "log-lost", json_boolean(restored->log_lost));
  return TRUE;
}

/* --- one certificate of the signer's log
 * ----------------------------------------------------------------------- */

typedef struct {
  Command *command;
  GBytes *der;
  gint64 at; /* when it was signed */
  CertificateParts parts;
  gint64 known, completed, attached, alone, over, ended;
  json_t *strange;
} Entry;

static gboolean has_name(GPtrArray *mailboxes, const char *canonical) {
  for (guint i = 0; i < mailboxes->len; i++)
    if (strcmp(((Mailbox *)mailboxes->pdata[i])->canonical, canonical) == 0)
      return TRUE;
  return FALSE;
}

/* Whether an order is for exactly the certificate's mailboxes. */
static gboolean has_same_names(const Entry *entry, const Id *order, gboolean *same,
                               GError **error) {
  g_autoptr(GPtrArray) all = authorization_list(entry->command->acme->store, order, error);
  *same = all != NULL && all->len == entry->parts.mailboxes->len;
  for (guint i = 0; *same && i < all->len; i++)
    *same = has_name(entry->parts.mailboxes, ((Authorization *)all->pdata[i])->canonical);
  return all != NULL;
}

/* Orders in status for exactly these mailboxes; of Order. NULL on failure. */
static GPtrArray *orders_alike(const Entry *entry, const char *status, GError **error) {
  Store *store = entry->command->acme->store;
  const Mailbox *first = entry->parts.mailboxes->pdata[0];
  g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(Id));
  g_autoptr(GPtrArray) orders = g_ptr_array_new_with_free_func((GDestroyNotify)order_free);
  gboolean good =
      order_list_all(store, status, first->canonical, NULL, ORDERS_LOOKED_AT, ids, error);
  for (guint i = ids->len; good && i > 0; i--) {
    const Id *id = &g_array_index(ids, Id, i - 1);
    gboolean same = FALSE;
    Order *order = NULL;
    good = store_lock_order(store, id, error) && has_same_names(entry, id, &same, error) &&
           (!same || order_find(store, id, &order, error) == STORE_FOUND);
    if (order != NULL)
      g_ptr_array_add(orders, order);
  }
  return good ? g_steal_pointer(&orders) : NULL;
}

static Certificate *new_row(const Entry *entry, const Order *order) {
  Certificate *row = g_rc_box_new0(Certificate);
  row->id = acme_id(entry->command->acme, entry->at);
  row->order_id = order->id;
  row->account_id = order->account_id;
  row->serial = g_bytes_ref(entry->parts.serial);
  row->shard = entry->parts.shard;
  row->not_before = entry->parts.not_before;
  row->not_after = entry->parts.not_after;
  row->key_digest = key_digest(entry->parts.spki);
  row->tbs = g_bytes_ref(entry->parts.tbs);
  row->findings = g_strdup("");
  row->signing_at = entry->at;
  return row;
}

static gboolean enter_shard(const Entry *entry, GError **error) {
  g_autoptr(GBytes) authority = certificate_authority(entry->der);
  gboolean opened = FALSE;
  Acme *acme = entry->command->acme;
  return crl_shard_enter(acme->store, entry->parts.shard, authority, &opened, error) &&
         (!opened || crl_opened(acme, entry->command->now, entry->parts.shard, error));
}

/* A row for an order that has none. */
static gboolean enter_row(const Entry *entry, const Order *order, GError **error) {
  Acme *acme = entry->command->acme;
  g_autoptr(Certificate) row = new_row(entry, order);
  g_autofree char *serial =
      base64url_encode(g_bytes_get_data(row->serial, NULL), g_bytes_get_size(row->serial));
  g_autofree char *digest = g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, entry->der);
  g_autofree char *tbs = g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, row->tbs);
  g_autofree char *signed_at = clock_rfc3339(entry->at);
  return store_lock_key(acme->store, row->key_digest, error) && enter_shard(entry, error) &&
         certificate_insert(acme->store, row, error) == STORE_CHANGED &&
         certificate_set_der(acme->store, &row->id, entry->der, entry->at, error) ==
             STORE_CHANGED &&
         record(acme, entry->command->now, "certificate entered",
                (About){.order = &order->id, .certificate = &row->id}, error, "serial", serial,
                "sha256", digest, "tbs-sha256", tbs, "signed", signed_at, "uid",
                entry->command->uid, NULL) &&
         revocation_enter_blocked(acme, entry->command->now, row, error);
}

/* One that was built before the backup, and signed after it: as if the signer answered now. */
static gboolean complete(Entry *entry, const Certificate *row, GError **error) {
  Question question = {.job = {.kind = JOB_ISSUE, .subject = row->order_id}};
  g_autofree char *waits_for = NULL;
  Acme *acme = entry->command->acme;
  entry->completed++;
  return store_lock_order(acme->store, &row->order_id, error) &&
         job_find(acme->store, JOB_ISSUE, &row->order_id, &question.job, &waits_for, error) !=
             STORE_LOOKUP_FAILED &&
         job_signed(acme, &question, entry->der, "", error);
}

/* The order in processing that the certificate was made for: the same key and mailboxes. */
static gboolean attach(Entry *entry, gboolean *attached, GError **error) {
  Acme *acme = entry->command->acme;
  g_autoptr(GPtrArray) orders = orders_alike(entry, "processing", error);
  for (guint i = 0; orders != NULL && i < orders->len; i++) {
    const Order *order = orders->pdata[i];
    g_autoptr(Certificate) has = NULL;
    StoreFind found = certificate_find_by_order(acme->store, &order->id, &has, error);
    if (found == STORE_LOOKUP_FAILED)
      return FALSE;
    if (found == STORE_FOUND || order->spki == NULL ||
        !g_bytes_equal(order->spki, entry->parts.spki))
      continue;
    *attached = TRUE;
    entry->attached++;
    return enter_row(entry, order, error) &&
           state_order_issued(acme, entry->command->now, &order->id, error);
  }
  return orders != NULL;
}

/* The mailboxes, by which it can be found and revoked; nothing here proves them. */
static gboolean enter_names(const Entry *entry, const Order *order, GError **error) {
  Acme *acme = entry->command->acme;
  for (guint i = 0; i < entry->parts.mailboxes->len; i++) {
    const Mailbox *mailbox = entry->parts.mailboxes->pdata[i];
    Authorization authorization = {.id = acme_id(acme, entry->at),
                                   .account_id = order->account_id,
                                   .claimed = TRUE,
                                   .order_id = order->id,
                                   .position = i,
                                   .type = (char *)"email",
                                   .identifier = mailbox->address,
                                   .address = mailbox->address,
                                   .canonical = mailbox->canonical,
                                   .domain = mailbox->domain,
                                   .status = (char *)"expired",
                                   .expires_at = entry->at};
    if (!authorization_insert(acme->store, &authorization, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean end_orders(Entry *entry, const char *status, const Problem *problem,
                           GError **error) {
  g_autoptr(GPtrArray) orders = orders_alike(entry, status, error);
  for (guint i = 0; orders != NULL && i < orders->len; i++) {
    const Order *order = orders->pdata[i];
    if (order->created_at > entry->at)
      continue;
    entry->ended++;
    if (!state_order_given_up(entry->command->acme, entry->command->now, &order->id, problem,
                              error))
      return FALSE;
  }
  return orders != NULL;
}

/* One order, one certificate: an open order for the same mailboxes may be the one that got it. */
static gboolean enter_alone(Entry *entry, GError **error) {
  Acme *acme = entry->command->acme;
  g_autoptr(Problem) problem = problem_new(
      PROBLEM_SERVER_INTERNAL, 0,
      "This server was put back from a backup, and has lost what happened to the order since; a "
      "certificate for the same mailboxes was signed then, perhaps for this order. Order anew.");
  Order order = {.id = acme_id(acme, entry->at),
                 .account_id = account_unknown,
                 .status = (char *)"valid",
                 .created_at = entry->at,
                 .expires_at = entry->at};
  entry->alone++;
  return end_orders(entry, "pending", problem, error) &&
         end_orders(entry, "ready", problem, error) &&
         account_ensure_unknown(acme->store, entry->command->now, error) &&
         order_insert(acme->store, &order, error) == STORE_CHANGED &&
         enter_names(entry, &order, error) && enter_row(entry, &order, error);
}

static gboolean find_strange(Entry *entry, const char *why) {
  g_autofree char *serial = hex_encode(entry->parts.serial);
  json_array_append_new(entry->strange, json_pack("{s:s, s:s}", "serial", serial, "why", why));
  return TRUE;
}

static gboolean is_ours(const Entry *entry) {
  const Acme *acme = entry->command->acme;
  g_autoptr(GPtrArray) issuers = g_ptr_array_new();
  g_ptr_array_add(issuers, acme->issuer);
  for (guint i = 0; acme->others != NULL && i < acme->others->len; i++)
    g_ptr_array_add(issuers, ((IssuingCa *)acme->others->pdata[i])->issuer);
  return certificate_issuer_of(entry->der, issuers) != NULL;
}

/* One of a CA that is configured no more is over, or that CA is missing. */
static gboolean enter_new(Entry *entry, GError **error) {
  gboolean attached = FALSE;
  if (!is_ours(entry)) {
    entry->over += entry->parts.not_after < entry->command->now;
    return entry->parts.not_after < entry->command->now ||
           find_strange(entry, "its CA is not configured; give it as [issuer NAME]");
  }
  if (entry->parts.shard == 0)
    return find_strange(entry, "it names no revocation list below [publish] url");
  return attach(entry, &attached, error) && (attached || enter_alone(entry, error));
}

static gboolean enter_one(Entry *entry, GError **error) {
  g_autoptr(Certificate) row = NULL;
  StoreFind found =
      certificate_find_by_serial(entry->command->acme->store, entry->parts.serial, &row, error);
  if (found == STORE_LOOKUP_FAILED)
    return FALSE;
  if (found == STORE_MISSING)
    return enter_new(entry, error);
  if (!certificate_is_made_of(entry->der, row->tbs))
    return find_strange(entry, "the store has other octets under its serial number");
  entry->known += row->der != NULL;
  return row->der != NULL || complete(entry, row, error);
}

static gboolean read_and_enter(Entry *entry, const char *certificate, const char *at,
                               GError **error) {
  g_autoptr(GError) bad = NULL;
  const char *base = config_text(entry->command->acme->config, "publish.url");
  g_autoptr(GBytes) der = base64url_decode(certificate);
  if (der == NULL || !g_ascii_string_to_signed(at, 10, 1, G_MAXINT64, &entry->at, NULL))
    return command_refuse(entry->command, "A certificate or its time cannot be read.");
  g_auto(CertificateParts) parts = {0};
  if (!certificate_parts_read(der, base, &parts, &bad))
    return command_refuse(entry->command, "A certificate cannot be read: %s.", bad->message);
  entry->der = der;
  entry->parts = parts;
  return enter_one(entry, error);
}

static void set_counts(json_t *result, const Entry *entry) {
  json_object_set_new(result, "known", json_integer(entry->known));
  json_object_set_new(result, "completed", json_integer(entry->completed));
  json_object_set_new(result, "attached", json_integer(entry->attached));
  json_object_set_new(result, "alone", json_integer(entry->alone));
  json_object_set_new(result, "over", json_integer(entry->over));
  json_object_set_new(result, "ended", json_integer(entry->ended));
}

gboolean command_store_enter(Command *command, GError **error) {
  g_autoptr(Restored) restored = NULL;
  Entry entry = {.command = command};
  if (!open_restore(command, &restored, error))
    return FALSE;
  g_autoptr(GPtrArray) certificates =
      command_texts(command, "certificates", ENTER_MAX, CERTIFICATE_MAX);
  g_autoptr(GPtrArray) times =
      certificates != NULL ? command_texts(command, "times", ENTER_MAX, TIME_MAX) : NULL;
  if (times == NULL)
    return FALSE;
  if (times->len != certificates->len)
    return command_refuse(command, "There are not as many times as certificates.");
  entry.strange = json_array();
  json_object_set_new(command->result, "strange", entry.strange);
  gboolean good = TRUE;
  for (guint i = 0; good && i < certificates->len; i++)
    good = read_and_enter(&entry, certificates->pdata[i], times->pdata[i], error);
  set_counts(command->result, &entry);
  return good;
}

/* --- the rest
 * -----------------------------------------------------------------------------------------------
 */

/* With the time that the lists had, so that they go on to say the same. */
static gboolean revoke_listed(Command *command, const Listed *listed, GError **error) {
  Acme *acme = command->acme;
  g_autoptr(Certificate) row = NULL;
  g_autofree char *reason = g_strdup_printf("%" G_GINT64_FORMAT, listed->reason);
  g_autofree char *at = clock_rfc3339(listed->revoked_at);
  if (certificate_find_by_serial(acme->store, listed->serial, &row, error) != STORE_FOUND)
    return FALSE;
  g_autofree char *serial =
      base64url_encode(g_bytes_get_data(row->serial, NULL), g_bytes_get_size(row->serial));
  StoreChange revoked =
      certificate_revoke(acme->store, &row->id, listed->revoked_at, (int)listed->reason, error);
  return revoked != STORE_FAILED &&
         (revoked == STORE_UNCHANGED ||
          record(acme, command->now, "certificate revoked",
                 (About){.order = &row->order_id, .certificate = &row->id}, error, "serial", serial,
                 "reason", reason, "by", "revocation list before the restore", "revoked", at,
                 NULL)) &&
         (listed->reason != REVOCATION_KEY_COMPROMISE ||
          (store_lock_key(acme->store, row->key_digest, error) &&
           key_block(acme->store, row->key_digest, command->now,
                     "a certificate of it was revoked for keyCompromise", error))) &&
         listed_remove(acme->store, listed->serial, error);
}

static gboolean revoke_page(Command *command, gboolean *more, GError **error) {
  g_autoptr(GPtrArray) known = listed_known(command->acme->store, SETTLE_PAGE, error);
  gboolean good = known != NULL;
  for (guint i = 0; good && i < known->len; i++)
    good = revoke_listed(command, known->pdata[i], error);
  if (good)
    json_object_set_new(command->result, "revoked", json_integer(known->len));
  *more = good && known->len > 0;
  return good;
}

/* Without the log nobody knows which open orders have got their certificate. */
static gboolean end_page(Command *command, gboolean *more, GError **error) {
  static const char *const open[] = {"pending", "ready", "processing"};
  Acme *acme = command->acme;
  g_autoptr(GArray) ids = g_array_new(FALSE, FALSE, sizeof(Id));
  g_autoptr(Problem) problem =
      problem_new(PROBLEM_SERVER_INTERNAL, 0,
                  "This server was put back from a backup, and has lost what happened to the order "
                  "since. Order anew.");
  gboolean good = TRUE;
  for (gsize i = 0; good && i < G_N_ELEMENTS(open); i++)
    good = order_list_all(acme->store, open[i], NULL, NULL, SETTLE_PAGE, ids, error);
  for (guint i = 0; good && i < ids->len; i++) {
    const Id *id = &g_array_index(ids, Id, i);
    good = store_lock_order(acme->store, id, error) &&
           state_order_given_up(acme, command->now, id, problem, error);
  }
  json_object_set_new(command->result, "ended", json_integer(ids->len));
  *more = ids->len > 0;
  return good;
}

static gboolean close_restore(Command *command, const Restored *restored, GError **error) {
  gint64 left = 0;
  if (!listed_count(command->acme->store, &left, error))
    return FALSE;
  g_autofree char *listed = g_strdup_printf("%" G_GINT64_FORMAT, left);
  g_autofree char *at = clock_rfc3339(restored->at);
  json_object_set_new(command->result, "unknown", json_integer(left));
  return restored_close(command->acme->store, command->now, error) &&
         record(command->acme, command->now, "store reconciled", (About){NULL}, error, "restored",
                at, "revoked-unknown", listed, "uid", command->uid, NULL);
}

gboolean command_store_settle(Command *command, GError **error) {
  g_autoptr(Restored) restored = NULL;
  gboolean more = FALSE;
  if (!open_restore(command, &restored, error) || !revoke_page(command, &more, error) ||
      (!more && restored->log_lost && !end_page(command, &more, error)))
    return FALSE;
  json_object_set_new(command->result, "more", json_boolean(more));
  return more || close_restore(command, restored, error);
}
