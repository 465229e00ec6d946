/* SPDX-License-Identifier: Apache-2.0 */
/* signetctl dkim: the key that signs challenge mails. */
#include "base/mailbox.h"
#include "daemon/ctl.h"
#include "daemon/ctl_making.h"
#include "daemon/dns_zone.h"
#include "mime/dkim.h"

#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <string.h>

#define KEY_BITS 2048

static gboolean write_key(EVP_PKEY *key, const char *path, GError **error) {
  BIO *memory = BIO_new(BIO_s_mem());
  char *pem = NULL;
  PEM_write_bio_PKCS8PrivateKey(memory, key, NULL, NULL, 0, NULL, NULL);
  long length = BIO_get_mem_data(memory, &pem);
  gboolean written = ctl_write_new(path, pem, (gsize)length, 0600, error);
  BIO_free(memory);
  return written;
}

static void print_record(const char *selector, const char *domain, const char *record) {
  g_autofree char *data = dns_zone_txt(record);
  printf("%s._domainkey.%s. IN TXT %s\n", selector, domain, data);
}

static const struct {
  const char *name, *selector; /* the default of the configuration key */
} algorithms[] = {{"rsa", "signet"}, {"ed25519", "signet-ed25519"}};

/* The selector that goes with an algorithm unless another is given; NULL when there is none of that
   name. */
static const char *selector_for(const char *algorithm) {
  for (gsize i = 0; i < G_N_ELEMENTS(algorithms); i++)
    if (strcmp(algorithm, algorithms[i].name) == 0)
      return algorithms[i].selector;
  ctl_misused("--algorithm is rsa or ed25519");
  return NULL;
}

static EVP_PKEY *make_key(const char *algorithm) {
  return strcmp(algorithm, "rsa") == 0 ? EVP_RSA_gen(KEY_BITS)
                                       : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
}

char *ctl_dkim_make(const char *algorithm, const char *path, GError **error) {
  EVP_PKEY *key = make_key(algorithm);
  g_autofree char *record = key != NULL ? dkim_key_record(key, error) : NULL;
  gboolean written = record != NULL && write_key(key, path, error);
  EVP_PKEY_free(key);
  return written ? g_steal_pointer(&record) : NULL;
}

int ctl_dkim_init(int argc, char **argv) {
  g_autofree char *domain = NULL, *selector = NULL, *path = NULL, *algorithm = NULL;
  const GOptionEntry options[] = {
      {"domain", 'd', 0, G_OPTION_ARG_STRING, &domain, "[mail] domain (needed)", "DOMAIN"},
      {"algorithm", 'a', 0, G_OPTION_ARG_STRING, &algorithm, "rsa or ed25519 (rsa)", "NAME"},
      {"selector", 's', 0, G_OPTION_ARG_STRING, &selector,
       "[mail] dkim-selector (signet), or dkim-ed25519-selector (signet-ed25519)", "NAME"},
      {"key", 'k', 0, G_OPTION_ARG_FILENAME, &path,
       "[mail] dkim-key, or dkim-ed25519-key: file to be made (needed)", "FILE"},
      G_OPTION_ENTRY_NULL};
  g_autoptr(GError) error = NULL;
  if (!ctl_options("dkim init", "Makes a key and prints the record to publish, in zone-file form.",
                   options, argc, argv))
    return CTL_USAGE;
  if (domain == NULL || path == NULL)
    return ctl_misused("--domain and --key are needed");
  if (algorithm == NULL)
    algorithm = g_strdup(algorithms[0].name);
  const char *usual_selector = selector_for(algorithm);
  if (usual_selector == NULL)
    return CTL_USAGE;
  g_autofree char *ascii = mailbox_domain_to_ascii(domain, &error);
  if (ascii == NULL)
    return ctl_failed("--domain", &error);
  g_autofree char *record = ctl_dkim_make(algorithm, path, &error);
  if (record == NULL)
    return ctl_failed("no key made", &error);
  print_record(selector != NULL ? selector : usual_selector, ascii, record);
  return CTL_DONE;
}
