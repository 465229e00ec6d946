/* SPDX-License-Identifier: Apache-2.0 */
/* signetctl ca issuing, cross: certificates for CAs below the root. */
#include "base/clock.h"
#include "ca/ceremony_request.h"
#include "ca/openssl_auto.h"
#include "ca/transcript.h"
#include "daemon/ca_agreement.h"
#include "daemon/ca_key_place.h"
#include "daemon/ca_making.h"
#include "daemon/ctl.h"

#include <stdio.h>
#include <string.h>

typedef struct {
  char *directory, *url, *country, *organization, *name, *key_type, *key, *key_passphrase_file,
      *request, *certificate, *output, *wait;
  int years;
  CaKeyPlace root;
} BelowOptions;

static void below_options_clear(BelowOptions *options) {
  char **const texts[] = {&options->directory,    &options->url,     &options->country,
                          &options->organization, &options->name,    &options->key_type,
                          &options->key,          &options->request, &options->key_passphrase_file,
                          &options->certificate,  &options->output,  &options->wait};
  for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
    g_clear_pointer(texts[i], g_free);
  ca_key_place_clear(&options->root);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(BelowOptions, below_options_clear)

/* Options of both commands. */
#define BELOW_OPTIONS(given)                                                                       \
  {"directory",                                                                                    \
   'd',                                                                                            \
   0,                                                                                              \
   G_OPTION_ARG_FILENAME,                                                                          \
   &(given).directory,                                                                             \
   "Folder of the root, with its transcript (needed)",                                             \
   "DIR"},                                                                                         \
      {"url",                                                                                      \
       'u',                                                                                        \
       0,                                                                                          \
       G_OPTION_ARG_STRING,                                                                        \
       &(given).url,                                                                               \
       "Where root.crl and root.der are served: http://HOST/, ends in / (needed)",                 \
       "URL"},                                                                                     \
      {"output",                                                                                   \
       0,                                                                                          \
       0,                                                                                          \
       G_OPTION_ARG_STRING,                                                                        \
       &(given).output,                                                                            \
       "What the files' names begin with (issuing; cross)",                                        \
       "NAME"},                                                                                    \
      {"years",                                                                                    \
       'y',                                                                                        \
       0,                                                                                          \
       G_OPTION_ARG_INT,                                                                           \
       &(given).years,                                                                             \
       "How long it is valid (10, not past the root's end)",                                       \
       "N"},                                                                                       \
      {"root-key",                                                                                 \
       0,                                                                                          \
       0,                                                                                          \
       G_OPTION_ARG_STRING,                                                                        \
       &(given).root.where,                                                                        \
       "The root's key (DIR/root.key); a file, or a pkcs11: URI",                                  \
       "FILE|URI"},                                                                                \
      {"pkcs11-module",                                                                            \
       0,                                                                                          \
       0,                                                                                          \
       G_OPTION_ARG_FILENAME,                                                                      \
       &(given).root.module,                                                                       \
       "The token's module (.so)",                                                                 \
       "FILE"},                                                                                    \
      {"passphrase-file",                                                                          \
       0,                                                                                          \
       0,                                                                                          \
       G_OPTION_ARG_FILENAME,                                                                      \
       &(given).root.passphrase_file,                                                              \
       "First line opens the root's key, or the token",                                            \
       "FILE"},                                                                                    \
  {                                                                                                \
    "wait", 'w', 0, G_OPTION_ARG_STRING, &(given).wait,                                            \
        "Public CA: how long to wait for a second person (1h)", "TIME"                             \
  }

/* Whose certificate is to be made. */
typedef struct {
  GBytes *subject;
  EVP_PKEY *key;
  ASN1_OCTET_STRING *identifier;
  const char *key_where;
  char *passphrase;
  gboolean new_key;
} Subject;

static void subject_clear(Subject *subject) {
  g_clear_pointer(&subject->subject, g_bytes_unref);
  EVP_PKEY_free(subject->key);
  ASN1_OCTET_STRING_free(subject->identifier);
  ca_key_place_forget(subject->passphrase);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Subject, subject_clear)

static gboolean take_public_key(EVP_PKEY *key, Subject *subject) {
  EVP_PKEY_up_ref(key);
  subject->key = key;
  return TRUE;
}

/* Everything about the CA is in its request, which its key has signed. */
static gboolean subject_of_request(const BelowOptions *options, Subject *subject, GError **error) {
  g_autoptr(GBytes) pem = ca_folder_read(options->request, error);
  g_autoptr(X509_REQ) request = pem != NULL ? ceremony_read_request(pem, error) : NULL;
  if (request == NULL)
    return FALSE;
  subject->subject = openssl_name_octets(X509_REQ_get_subject_name(request));
  return take_public_key(X509_REQ_get0_pubkey(request), subject);
}

static gboolean subject_of_options(const BelowOptions *options, const CaFolder *folder,
                                   Subject *subject, GError **error) {
  g_autoptr(GError) failure = NULL;
  subject->subject = ceremony_name(options->country, options->organization, options->name, error);
  subject->passphrase = ctl_passphrase(options->key_passphrase_file, &failure);
  if (failure != NULL)
    g_propagate_error(error, g_steal_pointer(&failure));
  else if (subject->subject != NULL && options->key != NULL) {
    g_autoptr(GBytes) pem = ca_folder_read(options->key, error);
    subject->key = pem != NULL ? issuer_read_key(pem, subject->passphrase, error) : NULL;
    subject->key_where = options->key;
  } else if (subject->subject != NULL && folder->public_ca) {
    g_set_error(error, CA_ERROR, CA_ERROR_PROFILE,
                "a public CA's key is in a token: make a request there with signetctl ca csr, and "
                "give it by --request");
  } else if (subject->subject != NULL && ceremony_check_passphrase(subject->passphrase, error)) {
    subject->key = ceremony_make_key(options->key_type, error);
    subject->key_where = "a new file";
    subject->new_key = TRUE;
  }
  return subject->key != NULL;
}

/* Another CA's certificate says what its name and key are. */
static gboolean subject_of_other(const BelowOptions *options, Subject *subject, GError **error) {
  g_autoptr(GBytes) octets = ca_folder_read(options->certificate, error);
  g_autoptr(X509) other = octets != NULL ? ceremony_read_certificate(octets, error) : NULL;
  if (other == NULL)
    return FALSE;
  if (X509_check_ca(other) != 1 || X509_get0_subject_key_id(other) == NULL ||
      X509_get0_pubkey(other) == NULL) {
    g_set_error(error, CA_ERROR, CA_ERROR_PROFILE, "%s is not the certificate of a CA",
                options->certificate);
    return FALSE;
  }
  subject->subject = openssl_name_octets(X509_get_subject_name(other));
  subject->identifier = ASN1_OCTET_STRING_dup(X509_get0_subject_key_id(other));
  return take_public_key(X509_get0_pubkey(other), subject);
}

static gboolean find_subject(const BelowOptions *options, const CaFolder *folder, Subject *subject,
                             GError **error) {
  if (options->certificate != NULL)
    return subject_of_other(options, subject, error);
  return options->request != NULL ? subject_of_request(options, subject, error)
                                  : subject_of_options(options, folder, subject, error);
}

static gboolean run(const BelowOptions *options, CeremonyKind kind, const char *command,
                    GError **error) {
  g_auto(CaOpenKey) open = {0};
  g_auto(Subject) subject = {0};
  const char *base = options->output != NULL  ? options->output
                     : kind == CEREMONY_CROSS ? "cross"
                                              : "issuing";
  g_autoptr(CaFolder) folder =
      ca_making_check_base(base, error) ? ca_folder_open(options->directory, command, error) : NULL;
  if (folder == NULL || !find_subject(options, folder, &subject, error))
    return FALSE;
  g_autoptr(Issuer) root = ca_key_place_root(folder, &options->root, &open, error);
  const CaMaking making = {
      .certificate = {.kind = kind,
                      .subject = subject.subject,
                      .key = subject.key,
                      .identifier = subject.identifier,
                      .root = root,
                      .url = options->url,
                      .now = clock_now(&clock_system),
                      .years = (guint)options->years,
                      .public_ca = folder->public_ca},
      .base = base,
      .key_where = subject.key_where,
      .keep_key = subject.new_key,
      .passphrase = subject.passphrase,
      .wait = options->wait,
  };
  return root != NULL && ca_making_run(folder, &making, FALSE, error);
}

static gboolean check_issuing(const BelowOptions *options) {
  if (!ca_making_needs(options->directory, "--directory") ||
      !ca_making_needs(options->url, "--url"))
    return FALSE;
  if ((options->name != NULL) == (options->request != NULL)) {
    ctl_misused("--name or --request is needed, and not both");
    return FALSE;
  }
  return TRUE;
}

int ctl_ca_issuing(int argc, char **argv) {
  g_autofree char *command = ca_folder_command(argc, argv);
  g_auto(BelowOptions) given = {0};
  const GOptionEntry options[] = {
      BELOW_OPTIONS(given),
      {"name", 'n', 0, G_OPTION_ARG_STRING, &given.name, "CN; this or --request is needed", "NAME"},
      {"organization", 'o', 0, G_OPTION_ARG_STRING, &given.organization, "O", "NAME"},
      {"country", 'c', 0, G_OPTION_ARG_STRING, &given.country,
       "C, two capital letters (ISO 3166-1)", "CC"},
      {"request", 'r', 0, G_OPTION_ARG_FILENAME, &given.request,
       "Name and key from a request (signetctl ca csr)", "FILE"},
      {"key-type", 'k', 0, G_OPTION_ARG_STRING, &given.key_type,
       "Of a new key: P-256 (default), P-384 or RSA-4096", "TYPE"},
      {"key", 0, 0, G_OPTION_ARG_FILENAME, &given.key, "A key that is there already", "FILE"},
      {"key-passphrase-file", 0, 0, G_OPTION_ARG_FILENAME, &given.key_passphrase_file,
       "First line encrypts the new key, or opens that one", "FILE"},
      G_OPTION_ENTRY_NULL};
  g_autoptr(GError) error = NULL;
  if (!ctl_options("ca issuing", "Makes issuing.pem and, without --key and --request, issuing.key.",
                   options, argc, argv) ||
      !check_issuing(&given))
    return CTL_USAGE;
  if (!run(&given, CEREMONY_ISSUING, command, &error))
    return ctl_failed("no issuing CA made", &error);
  return CTL_DONE;
}

int ctl_ca_cross(int argc, char **argv) {
  g_autofree char *command = ca_folder_command(argc, argv);
  g_auto(BelowOptions) given = {0};
  const GOptionEntry options[] = {BELOW_OPTIONS(given),
                                  {"certificate", 0, 0, G_OPTION_ARG_FILENAME, &given.certificate,
                                   "The other CA's certificate, PEM or DER (needed)", "FILE"},
                                  G_OPTION_ENTRY_NULL};
  g_autoptr(GError) error = NULL;
  if (!ctl_options("ca cross", "Makes cross.pem: another CA's name and key, signed by the root.",
                   options, argc, argv) ||
      !ca_making_needs(given.directory, "--directory") || !ca_making_needs(given.url, "--url") ||
      !ca_making_needs(given.certificate, "--certificate"))
    return CTL_USAGE;
  if (!run(&given, CEREMONY_CROSS, command, &error))
    return ctl_failed("no cross certificate made", &error);
  return CTL_DONE;
}
