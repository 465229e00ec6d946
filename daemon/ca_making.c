/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/ca_making.h"
#include "ca/pem.h"
#include "ca/transcript.h"
#include "daemon/ca_agreement.h"
#include "daemon/ca_key_place.h"
#include "daemon/ctl.h"

#include <stdio.h>
#include <string.h>

gboolean ca_making_needs(const char *value, const char *option) {
  if (value == NULL)
    ctl_misused("%s is needed", option);
  return value != NULL;
}

gboolean ca_making_check_base(const char *base, GError **error) {
  gboolean good = *base != '\0' && *base != '.';
  for (const char *p = base; *p != '\0'; p++)
    good = good && (g_ascii_isalnum(*p) || strchr("-_.", *p) != NULL);
  if (!good || strcmp(base, "root") == 0)
    g_set_error(error, CA_ERROR, CA_ERROR_FILE,
                "--output %s is no name for files: letters, digits, \"-\", \"_\", \".\", and not "
                "root",
                base);
  return good && strcmp(base, "root") != 0;
}

static char *file_name(const CaMaking *making, const char *ending) {
  return g_strconcat(making->base, ending, NULL);
}

static gboolean keep_key(const CaFolder *folder, const CaMaking *making, GError **error) {
  if (!making->keep_key)
    return TRUE;
  g_autofree char *name = file_name(making, ".key");
  char *pem = pem_write_private_key(making->certificate.key, making->passphrase);
  gboolean good = ca_folder_write(folder, name, pem, 0600, error);
  ca_key_place_forget(pem);
  return good;
}

static Issuer *sign(const CaFolder *folder, const CaMaking *making, GBytes *tbs, GError **error) {
  g_autofree char *name = file_name(making, ".pem");
  g_autoptr(GBytes) der = ceremony_sign(&making->certificate, tbs, error);
  if (der == NULL)
    return NULL;
  g_autofree char *pem = pem_certificate(der);
  g_autoptr(GBytes) octets = g_bytes_new_static(pem, strlen(pem));
  return ca_folder_write(folder, name, pem, 0644, error) ? issuer_new(octets, NULL, NULL, error)
                                                         : NULL;
}

static GBytes *first_list(const CaFolder *folder, const CaMaking *making, Issuer *root,
                          GError **error) {
  const CeremonyList list = {.now = making->certificate.now, .days = CEREMONY_ROOT_CRL_DAYS};
  EVP_PKEY_up_ref(making->certificate.key);
  g_autoptr(GBytes) crl = issuer_take_key(root, making->certificate.key, error)
                              ? ceremony_root_crl(root, &list, error)
                              : NULL;
  return crl != NULL && ca_folder_replace(folder, CA_FOLDER_ROOT_CRL, crl, error)
             ? g_steal_pointer(&crl)
             : NULL;
}

/* What has been made is recorded even when something after it failed. */
static gboolean make(const CaFolder *folder, const CaMaking *making, GBytes *tbs, GString *lines,
                     gboolean with_list, GError **error) {
  g_autofree char *name = file_name(making, ".pem");
  g_autoptr(GBytes) crl = NULL;
  g_autoptr(Issuer) made =
      keep_key(folder, making, error) ? sign(folder, making, tbs, error) : NULL;
  if (made == NULL)
    return FALSE;
  if (making->key_where != NULL)
    ca_folder_say_key(lines, making->certificate.key, making->key_where);
  ca_folder_say_certificate(lines, made->certificate, name);
  if (with_list)
    crl = first_list(folder, making, made, error);
  if (crl != NULL)
    ca_folder_say_list(lines, crl, CA_FOLDER_ROOT_CRL);
  GError **other = with_list && crl == NULL ? NULL : error;
  gboolean recorded = ca_folder_record(folder, "made", lines, other);
  printf("made %s/%s\n", folder->path, name);
  return recorded && (!with_list || crl != NULL);
}

gboolean ca_making_failed(const CaFolder *folder, GError *failure, GError **error) {
  g_autoptr(GString) lines = g_string_new(NULL);
  transcript_line(lines, "reason", failure != NULL ? failure->message : NULL);
  ca_folder_record(folder, "failed", lines, NULL);
  g_propagate_error(error, failure);
  return FALSE;
}

gboolean ca_making_run(const CaFolder *folder, const CaMaking *making, gboolean with_list,
                       GError **error) {
  g_autofree char *pem = file_name(making, ".pem"), *key = file_name(making, ".key");
  const char *const files[] = {pem, making->keep_key ? key : NULL, NULL};
  if (!ca_folder_is_free(folder, files, error))
    return FALSE;
  g_autoptr(GBytes) tbs = ceremony_build(&making->certificate, error);
  if (tbs == NULL)
    return FALSE;
  g_autofree char *shown = ceremony_text(tbs);
  g_autofree char *what = g_strdup_printf("the root's key shall sign %s%s", pem,
                                          with_list ? " and the root's first revocation list" : "");
  if (!ca_agreement(folder, what, shown, making->wait, error))
    return FALSE;
  GError *failure = NULL;
  g_autoptr(GString) entry = g_string_new(NULL);
  return make(folder, making, tbs, entry, with_list, &failure) ||
         ca_making_failed(folder, failure, error);
}
