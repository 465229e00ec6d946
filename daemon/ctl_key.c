/* SPDX-License-Identifier: Apache-2.0 */
/* signetctl key: keys that are not to be certified. */
#include "daemon/ctl_key.h"
#include "base/hex.h"
#include "ca/key.h"
#include "daemon/ctl_ask.h"

#include <gio/gio.h>
#include <openssl/pem.h>
#include <stdio.h>

/* --- which key
 * --------------------------------------------------------------------------------------------- */

/* Nothing is asked on a terminal. */
static int no_passphrase(char *buffer G_GNUC_UNUSED, int size G_GNUC_UNUSED,
                         int writing G_GNUC_UNUSED, void *user G_GNUC_UNUSED) {
  return -1;
}

static EVP_PKEY *of_certificate(BIO *file) {
  X509 *certificate = PEM_read_bio_X509(file, NULL, no_passphrase, NULL);
  EVP_PKEY *key = certificate != NULL ? X509_get_pubkey(certificate) : NULL;
  X509_free(certificate);
  return key;
}

static EVP_PKEY *of_request(BIO *file) {
  X509_REQ *request = PEM_read_bio_X509_REQ(file, NULL, no_passphrase, NULL);
  EVP_PKEY *key = request != NULL ? X509_REQ_get_pubkey(request) : NULL;
  X509_REQ_free(request);
  return key;
}

static EVP_PKEY *of_public_key(BIO *file) {
  return PEM_read_bio_PUBKEY(file, NULL, no_passphrase, NULL);
}

static EVP_PKEY *of_private_key(BIO *file) {
  return PEM_read_bio_PrivateKey(file, NULL, no_passphrase, NULL);
}

static EVP_PKEY *read_key(const char *pem, gsize length) {
  static EVP_PKEY *(*const readers[])(BIO *) = {of_certificate, of_request, of_public_key,
                                                of_private_key};
  EVP_PKEY *key = NULL;
  for (gsize i = 0; key == NULL && i < G_N_ELEMENTS(readers); i++) {
    BIO *file = BIO_new_mem_buf(pem, (int)length);
    key = readers[i](file);
    BIO_free(file);
  }
  return key;
}

char *ctl_key_digest(const char *text, GError **error) {
  g_autofree char *pem = NULL;
  gsize length = 0;
  guint8 *der = NULL;
  g_autoptr(GBytes) given = hex_decode(text, 32);
  if (given != NULL && g_bytes_get_size(given) == 32)
    return hex_encode(given);
  if (!g_file_get_contents(text, &pem, &length, error))
    return NULL;
  EVP_PKEY *key = length <= G_MAXINT ? read_key(pem, length) : NULL;
  int octets = key != NULL ? i2d_PUBKEY(key, &der) : 0;
  EVP_PKEY_free(key);
  if (octets <= 0) {
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                "%s holds no certificate, request, public key or private key without passphrase "
                "in PEM",
                text);
    return NULL;
  }
  g_autoptr(GBytes) spki = g_bytes_new(der, (gsize)octets);
  OPENSSL_free(der);
  g_autoptr(GBytes) digest = key_digest(spki);
  return hex_encode(digest);
}

/* --- the commands
 * ------------------------------------------------------------------------------------------ */

static void print_blocked(const json_t *done) {
  json_int_t certificates = json_integer_value(json_object_get(done, "certificates"));
  printf("blocked %s\n", ctl_member(done, "key"));
  if (certificates > 0)
    printf("Certificates with it are not revoked by this; to revoke them:\n"
           "  signetctl certificate revoke --key %s --reason keyCompromise\n",
           ctl_member(done, "key"));
}

int ctl_key_block(int argc, char **argv) {
  g_auto(CtlServer) server = {NULL};
  g_auto(GStrv) words = NULL;
  g_autofree char *why = NULL;
  g_autoptr(GError) error = NULL;
  const GOptionEntry options[] = {
      {"why", 'w', 0, G_OPTION_ARG_STRING, &why, "For the records (needed)", "TEXT"},
      CTL_SERVER_OPTIONS(server),
      CTL_WORDS(words, "FILE|SHA256"),
      G_OPTION_ENTRY_NULL};
  if (!ctl_options(
          "key block",
          "Blocks a key: no certificate is made for it and no account may have it. FILE is "
          "a certificate, request or key in PEM, SHA256 the digest of a public key "
          "(SubjectPublicKeyInfo).",
          options, argc, argv) ||
      !ctl_count_words(words, 1, "FILE|SHA256"))
    return CTL_USAGE;
  if (why == NULL)
    return ctl_misused("needs --why");
  g_autofree char *digest = ctl_key_digest(words[0], &error);
  if (digest == NULL)
    return ctl_failed("no key blocked", &error);
  json_t *done = ctl_ask(&server, "key block", json_pack("{s:s, s:s}", "key", digest, "why", why));
  if (done == NULL)
    return CTL_FAILED;
  if (server.json)
    ctl_print_json(done);
  else
    print_blocked(done);
  json_decref(done);
  return CTL_DONE;
}

static void after(json_t *arguments, const json_t *row) {
  json_object_set(arguments, "after", json_object_get(row, "key"));
}

int ctl_key_list(int argc, char **argv) {
  g_auto(CtlServer) server = {NULL};
  const GOptionEntry options[] = {CTL_SERVER_OPTIONS(server), G_OPTION_ENTRY_NULL};
  json_t *key = NULL;
  size_t i = 0;
  if (!ctl_options("key list", "Lists the blocked keys.", options, argc, argv))
    return CTL_USAGE;
  json_t *all = ctl_ask_all(&server, "key list", NULL, "keys", after);
  if (all == NULL)
    return CTL_FAILED;
  if (server.json)
    ctl_print_json(all);
  else
    json_array_foreach(json_object_get(all, "keys"), i, key) printf(
        "%s %s %s\n", ctl_member(key, "key"), ctl_member(key, "blocked"), ctl_member(key, "why"));
  json_decref(all);
  return CTL_DONE;
}
