/* SPDX-License-Identifier: Apache-2.0 */
/* signetctl check certs: every certificate of the store against its DER, the lint, the signer's log
   and the audit log, and the other way about. */
#include "base/clock.h"
#include "ca/certificate_read.h"
#include "ca/signer_log.h"
#include "daemon/ctl_check.h"
#include "daemon/store_place.h"
#include "store/audit.h"
#include "store/authorization.h"
#include "store/order.h"

#include <gio/gio.h>
#include <string.h>

#define ROWS_AT_ONCE 500

char *ctl_check_serial(GBytes *serial) {
  GString *text = g_string_new(NULL);
  gsize size = 0;
  const guint8 *octets = serial != NULL ? g_bytes_get_data(serial, &size) : NULL;
  for (gsize i = 0; i < size; i++)
    g_string_append_printf(text, "%02x", octets[i]);
  return g_string_free(text, FALSE);
}

/* The walk through certificates and log. */
typedef struct {
  CtlCheck *check;
  GHashTable
      *unlogged; /* SHA-256 of the octets of a certificate -> its name, until the log has it */
  GHashTable *recorded, *issued; /* id -> SHA-256 of what was to be signed, of the certificate */
  GHashTable *revoked;           /* id -> reason="..." as its record has it */
  gint64 rows, signed_rows, unsigned_rows, logged, expired;
  gint64 elsewhere; /* in the log of another node's signer, which is not here */
  gint64 twice;     /* signed by a signer whose node another one then signed it for */
  GError *error;
} Walk;

static void fault(Walk *walk, GBytes *serial, const char *format, ...) G_GNUC_PRINTF(3, 4);
static void fault(Walk *walk, GBytes *serial, const char *format, ...) {
  va_list values;
  va_start(values, format);
  g_autofree char *what = g_strdup_vprintf(format, values);
  va_end(values);
  g_autofree char *name = ctl_check_serial(serial);
  g_autofree char *sentence = g_strdup_printf("certificate %s: %s", name, what);
  ctl_report_fault(&walk->check->report, sentence);
}

/* --- the rows
 * -------------------------------------------------------------------------------------------------
 */

static char **names_of(Store *store, const Id *order, GError **error) {
  g_autoptr(GPtrArray) authorizations = authorization_list(store, order, error);
  g_autoptr(GStrvBuilder) names = g_strv_builder_new();
  for (guint i = 0; authorizations != NULL && i < authorizations->len; i++)
    g_strv_builder_add(names, ((Authorization *)authorizations->pdata[i])->address);
  return authorizations != NULL ? g_strv_builder_end(names) : NULL;
}

GPtrArray *ctl_check_certificate(CtlCheck *check, const Certificate *certificate, GError **error) {
  g_auto(GStrv) names = names_of(check->store, &certificate->order_id, error);
  if (names == NULL)
    return NULL;
  const CertificateClaim claim = {.der = certificate->der,
                                  .tbs = certificate->tbs,
                                  .serial = certificate->serial,
                                  .key_digest = certificate->key_digest,
                                  .not_before = certificate->not_before,
                                  .not_after = certificate->not_after,
                                  .names = (const char *const *)names};
  GPtrArray *faults = certificate_check(&claim, check->issuers);
  if (g_strcmp0(certificate->findings, "") != 0)
    g_ptr_array_add(faults, g_strdup("it was signed although the lint had found something"));
  return faults;
}

/* Whether another node's signer was the one asked. */
static gboolean is_elsewhere(const Walk *walk, const Certificate *certificate) {
  return store_is_shared(walk->check->store) && certificate->asked != NULL &&
         strcmp(certificate->asked, store_place_node(walk->check->config)) != 0;
}

static gboolean look_at_signed(Walk *walk, const Certificate *certificate, GError **error) {
  char id[ID_TEXT];
  g_autoptr(GPtrArray) faults = ctl_check_certificate(walk->check, certificate, error);
  if (faults == NULL)
    return FALSE;
  for (guint i = 0; i < faults->len; i++)
    fault(walk, certificate->serial, "%s", (const char *)faults->pdata[i]);
  walk->signed_rows++;
  id_text(&certificate->id, id);
  g_hash_table_replace(walk->issued, g_strdup(id),
                       g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, certificate->der));
  if (certificate->revoked_at != 0)
    g_hash_table_replace(walk->revoked, g_strdup(id),
                         g_strdup_printf("reason=\"%" G_GINT64_FORMAT "\"", certificate->reason));
  if (certificate->tbs == NULL)
    return TRUE;
  g_hash_table_replace(walk->recorded, g_strdup(id),
                       g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, certificate->tbs));
  if (walk->check->logs == NULL && is_elsewhere(walk, certificate)) {
    walk->elsewhere++;
    return TRUE;
  }
  g_hash_table_replace(walk->unlogged,
                       g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, certificate->tbs),
                       g_bytes_ref(certificate->serial));
  return TRUE;
}

static gboolean look_at_rows(Walk *walk, GError **error) {
  gint64 count = 0;
  g_autoptr(GPtrArray) page = NULL;
  Id last = {{0}};
  if (!certificate_count(walk->check->store, &count, error))
    return FALSE;
  do {
    g_clear_pointer(&page, g_ptr_array_unref);
    page = certificate_list(walk->check->store, &last, ROWS_AT_ONCE, error);
    for (guint i = 0; page != NULL && i < page->len; i++) {
      const Certificate *certificate = page->pdata[i];
      last = certificate->id;
      walk->rows++;
      if (certificate->serial == NULL)
        fault(walk, NULL, "a row has no serial number");
      else if (certificate->der == NULL)
        walk->unsigned_rows++;
      else if (!look_at_signed(walk, certificate, error))
        return FALSE;
      ctl_report_progress(&walk->check->report, walk->rows, MAX(count, walk->rows));
    }
  } while (page != NULL && page->len > 0);
  return page != NULL;
}

/* --- the signer's log
 * ----------------------------------------------------------------------------------------- */

/* What was purged when its time was over is not missed. */
static gboolean may_be_purged(const Walk *walk, GBytes *der) {
  gint64 kept = config_number(walk->check->config, "ca.retention");
  gint64 end = certificate_end_of(der);
  return end != 0 && end + kept < clock_now(&clock_system);
}

/* Whether an order may still get a certificate that is signed and not stored yet. */
static gboolean is_processing(Walk *walk, const Certificate *certificate) {
  g_autoptr(Order) order = NULL;
  return order_find(walk->check->store, &certificate->order_id, &order, &walk->error) ==
             STORE_FOUND &&
         strcmp(order->status, "processing") == 0;
}

/* A node that died with a signature which it gave to nobody: another one signed the same octets
   (acme/issue_job.c:take_over). own: it is this node's log. */
static gboolean is_given_up(const Walk *walk, const Certificate *row, gboolean own) {
  return own ? is_elsewhere(walk, row) : store_is_shared(walk->check->store);
}

/* The certificate of the row is then still to be found. */
static void compare_octets(Walk *walk, const Certificate *row, GBytes *der, gboolean own,
                           const char *digest) {
  if (g_bytes_equal(row->der, der))
    g_hash_table_remove(walk->unlogged, digest);
  else if (is_given_up(walk, row, own))
    walk->twice++;
  else {
    fault(walk, row->serial, "the signer's log has another certificate for it");
    g_hash_table_remove(walk->unlogged, digest);
  }
}

static void compare_logged(Walk *walk, GBytes *der, GBytes *serial, const char *digest,
                           gboolean own) {
  g_autoptr(Certificate) row = NULL;
  StoreFind found = certificate_find_by_serial(walk->check->store, serial, &row, &walk->error);
  if (found == STORE_MISSING && may_be_purged(walk, der))
    walk->expired++;
  else if (found == STORE_MISSING)
    fault(walk, serial, "the signer's log has it, and the store does not know it");
  else if (found == STORE_FOUND && row->der == NULL && !is_processing(walk, row))
    fault(walk, serial, "it is signed, and the store has no certificate although its order ended");
  else if (found == STORE_FOUND && row->der != NULL)
    compare_octets(walk, row, der, own, digest);
  g_autofree char *recorded = found == STORE_FOUND && row->tbs != NULL
                                  ? g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, row->tbs)
                                  : NULL;
  if (recorded != NULL && strcmp(recorded, digest) != 0)
    fault(walk, serial, "the signer signed other octets than those recorded");
}

typedef struct {
  Walk *walk;
  gboolean own;
} Log;

static void on_logged(const SignerRecord *record, gpointer user) {
  const Log *log = user;
  Walk *walk = log->walk;
  g_autofree char *digest = audit_hex(record->digest, SIGNER_FRAME_DIGEST);
  g_autoptr(GBytes) der = g_bytes_new(record->certificate, record->length);
  g_autoptr(GBytes) serial = certificate_serial_of(der);
  walk->logged++;
  if (walk->error != NULL)
    return;
  if (serial == NULL)
    fault(walk, NULL, "entry %" G_GINT64_FORMAT " of the signer's log is no certificate",
          walk->logged);
  else
    compare_logged(walk, der, serial, digest, log->own);
}

static gboolean look_at_log(Walk *walk, const char *path, gboolean own, GError **error) {
  g_autoptr(GError) damage = NULL;
  gboolean torn = FALSE;
  Log log = {walk, own};
  g_autoptr(GMappedFile) file = g_mapped_file_new(path, FALSE, error);
  if (file == NULL)
    return FALSE;
  const guint8 *data = (const guint8 *)g_mapped_file_get_contents(file);
  if (!signer_log_scan(data, g_mapped_file_get_length(file), on_logged, &log, &torn, &damage))
    ctl_report_fault(&walk->check->report, damage->message);
  if (torn)
    ctl_report_note(&walk->check->report, "the last entry of the signer's log is not whole: it is "
                                          "being written, or was cut by a crash");
  if (walk->error == NULL)
    return TRUE;
  g_propagate_error(error, g_steal_pointer(&walk->error));
  return FALSE;
}

/* After the rows: whatever they have was in a log before. */
static gboolean look_at_logs(Walk *walk, GError **error) {
  g_autofree char *own =
      g_build_filename(config_text(walk->check->config, "store.directory"), "signer.log", NULL);
  if (!look_at_log(walk, own, TRUE, error))
    return FALSE;
  for (const char *const *path = walk->check->logs; path != NULL && *path != NULL; path++)
    if (!look_at_log(walk, *path, FALSE, error))
      return FALSE;
  GHashTableIter iter;
  gpointer serial = NULL;
  g_hash_table_iter_init(&iter, walk->unlogged);
  while (g_hash_table_iter_next(&iter, NULL, &serial))
    fault(walk, serial, "the signer's log does not have it");
  return TRUE;
}

/* --- the audit log
 * -------------------------------------------------------------------------------------------- */

static const char audited[] = "certificate/";

/* Id of a certificate -> detail of the record of that kind about it. */
static GHashTable *audited_ids(Store *store, const char *kind, GError **error) {
  g_autoptr(GHashTable) records = audit_of_kind(store, kind, error);
  if (records == NULL)
    return NULL;
  GHashTable *ids = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  GHashTableIter iter;
  gpointer subject = NULL, detail = NULL;
  g_hash_table_iter_init(&iter, records);
  while (g_hash_table_iter_next(&iter, &subject, &detail)) {
    const char *id = strstr(subject, audited);
    if (id != NULL)
      g_hash_table_replace(ids, g_strndup(id + strlen(audited), ID_TEXT - 1), g_strdup(detail));
  }
  return ids;
}

/* One that was entered from the signer's log has one record of all (acme/command_store.c). */
static gboolean was_entered(GHashTable *entered, const char *id, const char *digest) {
  const char *detail = g_hash_table_lookup(entered, id);
  g_autofree char *named = g_strdup_printf("sha256=\"%s\"", digest);
  return detail != NULL && strstr(detail, named) != NULL;
}

static void compare_record(Walk *walk, const char *id, const char *kind, const char *detail,
                           const char *digest) {
  g_autofree char *named = g_strdup_printf("sha256=\"%s\"", digest);
  /* An earlier release's record has no digest. */
  g_autofree char *what = detail == NULL ? g_strdup_printf("has no record \"%s\"", kind)
                          : strstr(detail, "sha256=") != NULL && strstr(detail, named) == NULL
                              ? g_strdup_printf("has the record \"%s\" of other octets", kind)
                              : NULL;
  g_autofree char *sentence =
      what != NULL ? g_strdup_printf("certificate with the id %s: the audit log %s", id, what)
                   : NULL;
  if (sentence != NULL)
    ctl_report_fault(&walk->check->report, sentence);
}

/* digests: id of a certificate -> SHA-256 that the record of that kind names. */
static gboolean look_at_audit(Walk *walk, const char *kind, GHashTable *digests, GError **error) {
  g_autoptr(GHashTable) records = audited_ids(walk->check->store, kind, error);
  g_autoptr(GHashTable) entered =
      records != NULL ? audited_ids(walk->check->store, "certificate entered", error) : NULL;
  GHashTableIter iter;
  gpointer id = NULL, digest = NULL;
  if (entered == NULL)
    return FALSE;
  g_hash_table_iter_init(&iter, digests);
  while (g_hash_table_iter_next(&iter, &id, &digest))
    if (g_hash_table_contains(records, id) || !was_entered(entered, id, digest))
      compare_record(walk, id, kind, g_hash_table_lookup(records, id), digest);
  return TRUE;
}

static void revocation_fault(Walk *walk, const char *id, const char *what) {
  g_autofree char *sentence = g_strdup_printf("certificate with the id %s: %s", id, what);
  ctl_report_fault(&walk->check->report, sentence);
}

/* The row as it is now: it may have been revoked since it was read. */
static gboolean is_revoked(Walk *walk, const char *text) {
  Id id;
  g_autoptr(Certificate) row = NULL;
  return id_from_text(text, &id) &&
         certificate_find(walk->check->store, &id, &row, &walk->error) == STORE_FOUND &&
         row->revoked_at != 0;
}

/* Revocations both ways: the next list has what the rows say, and would not tell. */
static gboolean look_at_revocations(Walk *walk, GError **error) {
  g_autoptr(GHashTable) records = audited_ids(walk->check->store, "certificate revoked", error);
  GHashTableIter iter;
  gpointer id = NULL, text = NULL;
  if (records == NULL)
    return FALSE;
  g_hash_table_iter_init(&iter, walk->revoked);
  while (g_hash_table_iter_next(&iter, &id, &text)) {
    const char *detail = g_hash_table_lookup(records, id);
    if (detail == NULL)
      revocation_fault(walk, id, "it is revoked, and the audit log has no record of that");
    else if (strstr(detail, text) == NULL)
      revocation_fault(walk, id, "it is revoked for another reason than the audit log has");
  }
  g_hash_table_iter_init(&iter, records);
  while (g_hash_table_iter_next(&iter, &id, NULL))
    if (g_hash_table_contains(walk->issued, id) && !g_hash_table_contains(walk->revoked, id) &&
        walk->error == NULL && !is_revoked(walk, id))
      revocation_fault(walk, id, "the audit log has it as revoked, and the store does not");
  if (walk->error == NULL)
    return TRUE;
  g_propagate_error(error, g_steal_pointer(&walk->error));
  return FALSE;
}

static void note(CtlCheck *check, gint64 count, const char *what) {
  g_autofree char *sentence = g_strdup_printf("%" G_GINT64_FORMAT " %s", count, what);
  if (count > 0)
    ctl_report_note(&check->report, sentence);
}

gboolean ctl_check_certificates(CtlCheck *check, GError **error) {
  Walk walk = {.check = check};
  gint64 before = check->report.faults;
  ctl_report_part(&check->report, "certificates");
  walk.unlogged =
      g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_bytes_unref);
  walk.issued = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  walk.recorded = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  walk.revoked = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  gboolean good = look_at_rows(&walk, error) && look_at_logs(&walk, error) &&
                  look_at_audit(&walk, "signing", walk.recorded, error) &&
                  look_at_audit(&walk, "issued", walk.issued, error) &&
                  look_at_revocations(&walk, error);
  g_hash_table_unref(walk.unlogged);
  g_hash_table_unref(walk.issued);
  g_hash_table_unref(walk.recorded);
  g_hash_table_unref(walk.revoked);
  if (!good)
    return FALSE;
  note(check, walk.elsewhere,
       "certificates are in the log of another node's signer: look there, or name it with --log");
  note(
      check, walk.twice,
      "entries of the log are signatures that a node which died gave to nobody: another one signed "
      "the same octets");
  ctl_report_sum(&check->report,
                 "%" G_GINT64_FORMAT " certificates, %" G_GINT64_FORMAT
                 " never signed; %" G_GINT64_FORMAT
                 " entries of the signer's log, %" G_GINT64_FORMAT
                 " of them past their retention; %" G_GINT64_FORMAT " faults",
                 walk.signed_rows, walk.unsigned_rows, walk.logged, walk.expired,
                 check->report.faults - before);
  return TRUE;
}
