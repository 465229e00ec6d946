/* SPDX-License-Identifier: Apache-2.0 */
#include "client/renewal_run.h"

#include "base/clock.h"
#include "client/certificate_order.h"
#include "client/hook.h"
#include "client/output.h"
#include "client/private_key.h"

#include <glib/gstdio.h>

static gint64 now_seconds(void) {
  return clock_now(&clock_system) / CLOCK_SECOND;
}

static const char *const *addresses_of(const Renewal *renewal) {
  return (const char *const *)renewal->record->options->addresses;
}

gboolean renewal_run_rest(Renewal *renewal, GError **error) {
  const CertificateFiles files = request_options_files(renewal->record->options);
  if (!certificate_files_finish(&files, error))
    return FALSE;
  renewal_reload(renewal);
  return renewal->fault != NULL || renewal_run_hook(renewal, error);
}

gboolean renewal_run_hook(Renewal *renewal, GError **error) {
  RenewalRecord *record = renewal->record;
  const CertificateFiles files = request_options_files(record->options);
  if (!record->hook_due)
    return TRUE;
  if (record->options->hook != NULL &&
      !hook_run(record->options->hook, &files, addresses_of(renewal), HOOK_SECONDS, error))
    return FALSE;
  record->hook_due = FALSE;
  return renewal_record_save(record, error);
}

void renewal_run_failed(Renewal *renewal, const GError *reason, gint64 refused) {
  RenewalRecord *record = renewal->record;
  g_autoptr(GError) trouble = NULL;
  renewal_time_failed(&record->state, refused, now_seconds());
  g_free(record->failure);
  record->failure = g_strdup(reason->message);
  if (!renewal_record_save(record, &trouble))
    output_error(trouble);
}

/* --- the key ------------------------------------------------------------------------------------
 */

static EVP_PKEY *load_key(const CertificateFiles *files, GError **error) {
  g_autofree char *path = certificate_files_key(files);
  return private_key_load(path, error);
}

/* The type that was asked for, or that of the key which is replaced. */
static char *new_key_type(const RequestOptions *options, const CertificateFiles *files) {
  if (options->key_type != NULL)
    return g_strdup(options->key_type);
  g_autoptr(EVP_PKEY) old = load_key(files, NULL);
  g_autofree char *type = old != NULL ? private_key_type(old) : NULL;
  return type != NULL && private_key_type_known(type) ? g_steal_pointer(&type) : NULL;
}

/* One that an earlier run left is taken again: an order may have been made with it. */
static EVP_PKEY *new_key(const RequestOptions *options, const CertificateFiles *files,
                         GError **error) {
  g_autofree char *path = certificate_files_new_key(files);
  g_autofree char *type = new_key_type(options, files);
  g_autoptr(EVP_PKEY) left =
      g_file_test(path, G_FILE_TEST_EXISTS) ? private_key_load(path, NULL) : NULL;
  g_autofree char *found = left != NULL ? private_key_type(left) : NULL;
  if (g_file_test(path, G_FILE_TEST_EXISTS) &&
      (found == NULL || (type != NULL && g_strcmp0(found, type) != 0)))
    g_unlink(path);
  return private_key_load_or_make(path, type, NULL, error);
}

static EVP_PKEY *open_key(const Renewal *renewal, gboolean keep_key, GError **error) {
  const CertificateFiles files = request_options_files(renewal->record->options);
  g_autofree char *path = certificate_files_key(&files);
  gboolean there = g_file_test(path, G_FILE_TEST_EXISTS);
  return there && (keep_key || renewal->chain == NULL)
             ? load_key(&files, error)
             : new_key(renewal->record->options, &files, error);
}

/* --- the certificate ----------------------------------------------------------------------------
 */

/* So that a certificate that was issued and not fetched is found by the next run. */
static gboolean remember_order(const char *url, gpointer user, GError **error) {
  RenewalRecord *record = user;
  g_free(record->order);
  record->order = g_strdup(url);
  return renewal_record_save(record, error);
}

static CertificateStack *get_chain(Renewal *renewal, Prover *prover, EVP_PKEY *key,
                                   GError **error) {
  const CertificateOrder order = {
      .prover = prover,
      .addresses = addresses_of(renewal),
      .key = key,
      .usage = renewal->record->options->usage,
      .replaces = renewal->identifier,
      .ordered = remember_order,
      .user = renewal->record,
  };
  CertificateStack *chain = renewal->record->order != NULL
                                ? certificate_order_resume(&order, renewal->record->order)
                                : NULL;
  return chain != NULL ? chain : certificate_order_run(&order, error);
}

gboolean renewal_run(Renewal *renewal, Prover *prover, gboolean keep_key, GError **error) {
  const CertificateFiles files = request_options_files(renewal->record->options);
  /* Where nothing can be written, as on a full disk, each run would get another certificate. */
  if (!renewal_record_save(renewal->record, error))
    return FALSE;
  g_autoptr(EVP_PKEY) key = open_key(renewal, keep_key, error);
  g_autoptr(CertificateStack) chain = key != NULL ? get_chain(renewal, prover, key, error) : NULL;
  if (chain == NULL || !certificate_files_write(&files, key, chain, error))
    return FALSE;
  renewal_reload(renewal);
  /* RFC 9773 section 4.3: as soon as it is there. */
  if (renewal_plan_asks(renewal, now_seconds()))
    renewal_plan_ask(renewal->record, renewal->identifier, prover->session->acme, now_seconds(),
                     NULL);
  return renewal_record_save(renewal->record, error);
}
