/* SPDX-License-Identifier: Apache-2.0 */
/* signetctl check crl: every published revocation list against the store. */
#include "acme/crl_job.h"
#include "ca/certificate_read.h"
#include "ca/crl.h"
#include "daemon/ctl_check.h"
#include "store/crl_shard.h"
#include "store/job.h"

#include <openssl/x509.h>

#define SLACK CLOCK_SECOND /* a list has whole seconds */
#define LATE (30 * CLOCK_MINUTE)
#define TRIES 10          /* a list is published after it is stored */
#define SIGNING_TRIES 300 /* its number is stored before it is signed */
#define TRY_EVERY (200 * 1000)

static void fault(CtlCheck *check, const char *file, const char *format, ...) G_GNUC_PRINTF(3, 4);
static void fault(CtlCheck *check, const char *file, const char *format, ...) {
  va_list values;
  va_start(values, format);
  g_autofree char *what = g_strdup_vprintf(format, values);
  va_end(values);
  g_autofree char *sentence = g_strdup_printf("%s: %s", file, what);
  ctl_report_fault(&check->report, sentence);
}

static GBytes *read_published(const CtlCheck *check, const char *file) {
  g_autofree char *path =
      g_build_filename(config_text(check->config, "store.directory"), "published", file, NULL);
  char *content = NULL;
  gsize length = 0;
  return g_file_get_contents(path, &content, &length, NULL) ? g_bytes_new_take(content, length)
                                                            : NULL;
}

/* A shard that has no CA yet is one of a time with one CA alone. */
static gboolean may_sign(const Issuer *issuer, const CrlShard *shard) {
  g_autoptr(GBytes) identifier = issuer_identifier(issuer);
  return shard->issuer == NULL || g_bytes_equal(identifier, shard->issuer);
}

static gboolean verifies(const CtlCheck *check, const CrlShard *shard) {
  for (guint i = 0; i < check->issuers->len; i++) {
    const Issuer *issuer = check->issuers->pdata[i];
    if (may_sign(issuer, shard) && crl_verify(shard->crl, issuer, shard->crl_number, NULL))
      return TRUE;
  }
  return FALSE;
}

/* While a list is being signed its number is in the store already, and a new shard is there without
   one: reads the shards again until the one at `at` has the list of its number. */
static gboolean settle(const CtlCheck *check, GPtrArray **shards, guint at, GError **error) {
  gboolean signing = TRUE;
  for (guint i = 0; signing && i < SIGNING_TRIES; i++) {
    const CrlShard *shard = (*shards)->pdata[at];
    if (shard->crl != NULL && verifies(check, shard))
      return TRUE;
    if (i > 0)
      g_usleep(TRY_EVERY);
    /* In this order: what was signed between the two is there. */
    if (!job_is_taken(check->store, JOB_CRL, clock_now(&clock_system), &signing, error))
      return FALSE;
    GPtrArray *now = crl_shard_list(check->store, error);
    if (now == NULL)
      return FALSE;
    g_ptr_array_unref(*shards);
    *shards = now;
  }
  return TRUE;
}

/* Whether no further list is made: see acme/crl_job.c. */
static gboolean is_over(CtlCheck *check, const CrlShard *shard, gboolean *over, GError **error) {
  g_autoptr(GBytes) current = issuer_identifier(check->issuers->pdata[0]);
  gint64 not_after = 0;
  gboolean closed = FALSE;
  if (!crl_shard_end(check->store, shard->number, &not_after, &closed, error))
    return FALSE;
  gboolean open = !closed && shard->issuer != NULL && g_bytes_equal(shard->issuer, current);
  *over = !open && not_after + CRL_KEEP_EXPIRED < clock_now(&clock_system);
  return TRUE;
}

static void check_times(CtlCheck *check, const char *file, const CrlShard *shard, gboolean over) {
  gint64 this_update = 0, next_update = 0, now = clock_now(&clock_system);
  if (!crl_times(shard->crl, &this_update, &next_update))
    return;
  if (this_update != shard->this_update / CLOCK_SECOND * CLOCK_SECOND ||
      next_update != shard->next_update / CLOCK_SECOND * CLOCK_SECOND)
    fault(check, file, "its times are others than the store's");
  if (!over && next_update < now)
    fault(check, file, "it is past its next update");
  else if (!over && this_update + config_number(check->config, "ca.crl-interval") + LATE < now)
    fault(check, file, "it was to be signed anew more than %d minutes ago",
          (int)(LATE / CLOCK_MINUTE));
}

/* serial in hexadecimal -> entry; twice the same is a fault. */
static GHashTable *index_entries(CtlCheck *check, const char *file, GPtrArray *entries) {
  GHashTable *index = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < entries->len; i++) {
    const CrlEntry *entry = entries->pdata[i];
    char *serial = ctl_check_serial(entry->serial);
    if (g_hash_table_contains(index, serial))
      fault(check, file, "the serial number %s is there twice", serial);
    g_hash_table_replace(index, serial, (gpointer)entry);
  }
  return index;
}

static void check_row(CtlCheck *check, const char *file, const CrlShard *shard,
                      const RevokedCertificate *row, GHashTable *index) {
  g_autofree char *serial = ctl_check_serial(row->serial);
  const CrlEntry *entry = g_hash_table_lookup(index, serial);
  if (entry == NULL && row->revoked_at + SLACK < shard->this_update &&
      row->not_after >= shard->this_update - CRL_KEEP_EXPIRED)
    fault(check, file, "it lacks certificate %s, which was revoked before it was made", serial);
  if (entry != NULL && (entry->revoked_at != row->revoked_at / CLOCK_SECOND * CLOCK_SECOND ||
                        entry->reason != row->reason))
    fault(check, file, "it has another time or reason for certificate %s than the store", serial);
  g_hash_table_remove(index, serial);
}

static gboolean check_entries(CtlCheck *check, const char *file, const CrlShard *shard,
                              gint64 *count, GError **error) {
  g_autoptr(GPtrArray) rows = crl_shard_entries(check->store, shard->number, 0, error);
  g_autoptr(GPtrArray) entries = crl_entries(shard->crl);
  if (rows == NULL)
    return FALSE;
  if (entries == NULL)
    return TRUE; /* told already: it does not verify */
  g_autoptr(GHashTable) index = index_entries(check, file, entries);
  *count += entries->len;
  for (guint i = 0; i < rows->len; i++)
    check_row(check, file, shard, rows->pdata[i], index);
  GHashTableIter iter;
  gpointer serial = NULL;
  g_hash_table_iter_init(&iter, index);
  while (g_hash_table_iter_next(&iter, &serial, NULL))
    fault(check, file, "it names certificate %s, which the store does not have as revoked",
          (char *)serial);
  return TRUE;
}

static gboolean check_shard(CtlCheck *check, const CrlShard *shard, gint64 *entries,
                            GError **error) {
  g_autofree char *file = g_strdup_printf("crl-%" G_GINT64_FORMAT ".crl", shard->number);
  gboolean over = FALSE;
  if (!is_over(check, shard, &over, error))
    return FALSE;
  if (shard->crl == NULL) {
    if (!over)
      fault(check, file, "the store has no list for this shard");
    return TRUE;
  }
  if (!verifies(check, shard))
    fault(check, file,
          "it is not list number %" G_GINT64_FORMAT ", signed by the issuer of its certificates, "
          "or that one is not known",
          shard->crl_number);
  check_times(check, file, shard, over);
  return check_entries(check, file, shard, entries, error);
}

/* Whether what is published is what the store has now. */
static gboolean is_published(CtlCheck *check, gint64 number) {
  g_autofree char *file = g_strdup_printf("crl-%" G_GINT64_FORMAT ".crl", number);
  g_autoptr(GBytes) published = read_published(check, file);
  g_autoptr(GPtrArray) shards = crl_shard_list(check->store, NULL);
  for (guint i = 0; shards != NULL && i < shards->len; i++) {
    const CrlShard *shard = shards->pdata[i];
    if (shard->number == number)
      return shard->crl == NULL || (published != NULL && g_bytes_equal(published, shard->crl));
  }
  return FALSE;
}

static void check_published(CtlCheck *check, gint64 number) {
  for (guint i = 0; i < TRIES; i++) {
    if (is_published(check, number))
      return;
    g_usleep(TRY_EVERY);
  }
  g_autofree char *file = g_strdup_printf("crl-%" G_GINT64_FORMAT ".crl", number);
  fault(check, file, "what is published is not the store's list");
}

static void check_root(CtlCheck *check, const CtlRootList *list) {
  const char *file = list->file;
  g_autoptr(GBytes) der = read_published(check, file);
  gint64 this_update = 0, next_update = 0;
  gsize size = 0;
  const guint8 *data = der != NULL ? g_bytes_get_data(der, &size) : NULL;
  X509_CRL *crl = data != NULL ? d2i_X509_CRL(NULL, &data, (long)size) : NULL;
  if (crl == NULL || X509_CRL_verify(crl, X509_get0_pubkey(list->root->certificate)) != 1)
    fault(check, file, "it is not published, or not signed by the root");
  else if (crl_times(der, &this_update, &next_update) && next_update < clock_now(&clock_system))
    fault(check, file, "it is past its next update; make a new one with signetctl ca crl");
  X509_CRL_free(crl);
}

gboolean ctl_check_lists(CtlCheck *check, GError **error) {
  gint64 before = check->report.faults, entries = 0;
  ctl_report_part(&check->report, "revocation lists");
  g_autoptr(GPtrArray) shards = crl_shard_list(check->store, error);
  gboolean good = shards != NULL;
  for (guint i = 0; good && i < shards->len; i++) {
    good = settle(check, &shards, i, error);
    if (!good)
      break;
    const CrlShard *shard = shards->pdata[i];
    good = check_shard(check, shard, &entries, error);
    check_published(check, shard->number);
    ctl_report_progress(&check->report, i + 1, shards->len);
  }
  for (guint i = 0; i < check->roots->len; i++)
    check_root(check, check->roots->pdata[i]);
  if (good)
    ctl_report_sum(&check->report,
                   "%u lists with %" G_GINT64_FORMAT " entries, and %u of roots; %" G_GINT64_FORMAT
                   " faults",
                   shards->len, entries, check->roots->len, check->report.faults - before);
  return good;
}
