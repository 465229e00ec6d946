/* SPDX-License-Identifier: Apache-2.0 */
/* "signet request": from addresses to a certificate in files. */
#include "base/clock.h"
#include "client/certificate_order.h"
#include "client/commands.h"
#include "client/failure.h"
#include "client/folder_lock.h"
#include "client/hook.h"
#include "client/import_help.h"
#include "client/local_file.h"
#include "client/output.h"
#include "client/private_key.h"
#include "client/renewal_plan.h"

/* Everything that one run holds; made in this order, freed in the opposite one. */
typedef struct {
  RenewalRecord *record;
  const RequestOptions *options; /* the record's */
  int lock;
  Prover *prover;
  EVP_PKEY *key; /* of the certificate */
} Request;

static const char *const *request_addresses(const Request *request) {
  return (const char *const *)request->options->addresses;
}

static void request_free(Request *request) {
  EVP_PKEY_free(request->key);
  prover_free(request->prover);
  folder_lock_release(&request->lock);
  renewal_record_free(request->record);
  g_free(request);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Request, request_free)

static gboolean open_key(Request *request, GError **error) {
  const CertificateFiles files = request_options_files(request->options);
  g_autofree char *path = certificate_files_key(&files);
  gboolean made = FALSE;
  request->key = private_key_load_or_make(path, request->options->key_type, &made, error);
  if (request->key == NULL)
    return FALSE;
  output_step("key", "%s certificate key in %s", made ? "new" : "present", path);
  return TRUE;
}

/* Nothing is asked of the server before all of it has worked. */
static gboolean prepare(Request *request, GError **error) {
  const char *folder = request_options_folder(request->options);
  const CertificateFiles files = request_options_files(request->options);
  if (!local_file_make_folder(folder, error))
    return FALSE;
  if (!folder_lock_take(folder, FOLDER_LOCK_ONE, &request->lock, error) ||
      !certificate_files_finish(&files, error))
    return FALSE;
  request->prover = prover_new(&request->options->prove, request_addresses(request), error);
  return request->prover != NULL && open_key(request, error);
}

static gboolean save(Request *request, const CertificateStack *chain, GError **error) {
  const RequestOptions *o = request->options;
  const CertificateFiles files = request_options_files(o);
  g_autofree char *identifier = certificate_chain_renewal_id(chain);
  g_autofree char *expiry = certificate_chain_expiry(chain);
  if (!certificate_files_write(&files, request->key, chain, error))
    return FALSE;
  renewal_record_turn_to(request->record, identifier);
  /* RFC 9773 section 4.3: as soon as it is there. What comes of it counts for "signet renew". */
  if (identifier != NULL)
    renewal_plan_ask(request->record, identifier, request->prover->session->acme,
                     clock_now(&clock_system) / CLOCK_SECOND, NULL);
  request->record->hook_due = o->hook != NULL;
  output_step("certificate", "for %s%s, valid until %s", o->addresses[0],
              o->addresses[1] != NULL ? " and others" : "", expiry);
  return renewal_record_save(request->record, error);
}

/* What fails here is tried again by "signet renew". */
static gboolean run_hook(Request *request, GError **error) {
  const CertificateFiles files = request_options_files(request->options);
  if (!request->record->hook_due)
    return TRUE;
  if (!hook_run(request->options->hook, &files, request_addresses(request), HOOK_SECONDS, error))
    return FALSE;
  request->record->hook_due = FALSE;
  return renewal_record_save(request->record, error);
}

static void print_help(const Request *request) {
  const RequestOptions *o = request->options;
  const CertificateFiles files = request_options_files(o);
  g_autofree char *p12 = certificate_files_path(&files, ".p12");
  g_autofree char *password = certificate_files_path(&files, ".p12.password");
  if (o->program != NULL)
    import_help_print(o->program, p12, o->password_file != NULL ? o->password_file : password);
}

static gboolean run(Request *request, GError **error) {
  if (!prepare(request, error))
    return FALSE;
  const CertificateOrder order = {
      .prover = request->prover,
      .addresses = request_addresses(request),
      .key = request->key,
      .usage = request->options->usage,
  };
  g_autoptr(CertificateStack) chain =
      certificate_order_check(&order, error) && prover_open_account(request->prover, error)
          ? certificate_order_run(&order, error)
          : NULL;
  if (chain == NULL || !save(request, chain, error))
    return FALSE;
  print_help(request);
  return run_hook(request, error);
}

gboolean command_request(char **arguments, GError **error) {
  RequestOptions *options = request_options_parse(arguments, error);
  if (options == NULL)
    return FALSE;
  g_autoptr(Request) request = g_new0(Request, 1);
  request->lock = -1;
  request->record = renewal_record_new(options);
  request->options = options;
  output_set_quiet(options->prove.quiet);
  return run(request, error);
}
