/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/ends.h"
#include "acme/measure.h"
#include "ca/lint_rules.h"
#include "ca/root_list.h"
#include "daemon/pem_key.h"

#include <sys/stat.h>

#define DKIM_OLD (365 * CLOCK_DAY)
#define SOON (30 * CLOCK_DAY)

/* A certificate's last moment, of the first in a file. */
static gboolean end_of_certificate(GBytes *content, gint64 *end) {
  X509 *certificate = pem_first_certificate(content);
  if (certificate != NULL)
    *end = lint_seconds(X509_get0_notAfter(certificate)) * CLOCK_SECOND;
  X509_free(certificate);
  return certificate != NULL;
}

static gboolean end_of_list(GBytes *content, gint64 *end) {
  RootList list;
  gboolean good = root_list_read(content, &list);
  *end = good ? list.next_update : 0;
  return good;
}

/* soon: no certificate outlives its issuer, so a CA ends for new ones a certificate's life before.
 */
const End ends[] = {
    {"issuing CA", "ca", "certificate", end_of_certificate, 365 * CLOCK_DAY + SOON},
    {"root", "ca", "root", end_of_certificate, 365 * CLOCK_DAY + SOON},
    {"root's list", "ca", "root-crl", end_of_list, SOON},
    {"HTTPS certificate", "acme", "tls-certificate", end_of_certificate, SOON},
    {"SMTP certificate", "mail", "tls-certificate", end_of_certificate, SOON},
    {"S/MIME certificate", "mail", "smime-certificate", end_of_certificate, SOON},
    {"DKIM key", "mail", "dkim-key", NULL, 0},
    {"Ed25519 DKIM key", "mail", "dkim-ed25519-key", NULL, 0},
};
const gsize ends_count = G_N_ELEMENTS(ends);

/* A DKIM key does not end; it is worth changing when it is as old as DKIM_OLD. */
gboolean end_read(const End *end, const char *path, gint64 *at) {
  struct stat status;
  char *content = NULL;
  gsize length = 0;
  if (end->end_of == NULL) {
    gboolean there = stat(path, &status) == 0;
    *at = there ? (gint64)status.st_mtime * CLOCK_SECOND + DKIM_OLD : 0;
    return there;
  }
  if (!g_file_get_contents(path, &content, &length, NULL))
    return FALSE;
  g_autoptr(GBytes) octets = g_bytes_new_take(content, length);
  return end->end_of(octets, at);
}

GVariant *ends_read(const Config *config) {
  GVariantBuilder builder;
  g_variant_builder_init(&builder, G_VARIANT_TYPE(ACME_ENDS_TYPE));
  for (gsize i = 0; i < ends_count; i++) {
    gint64 end = 0;
    g_autofree char *key = g_strconcat(ends[i].group, ".", ends[i].name, NULL);
    if (config_given(config, key) && end_read(&ends[i], config_text(config, key), &end))
      g_variant_builder_add(&builder, "(sx)", ends[i].what, end);
  }
  return g_variant_builder_end(&builder);
}
