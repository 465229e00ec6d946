/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/mail_signer.h"
#include "daemon/pem_key.h"
#include "mime/dkim.h"

#include <string.h>

G_DEFINE_QUARK(signet - mail - signer - error, mail_signer_error)

struct MailSigner {
  DkimSigner *rsa;
  DkimSigner *ed25519; /* NULL: none */
};

void mail_signer_free(MailSigner *signer) {
  if (signer == NULL)
    return;
  dkim_signer_free(signer->rsa);
  dkim_signer_free(signer->ed25519);
  g_free(signer);
}

/* Why a key is not the one that is meant, or NULL. */
static const char *refuse_kind(EVP_PKEY *key, MailSignerError which) {
  int kind = EVP_PKEY_get_base_id(key);
  if (which == MAIL_SIGNER_ERROR_ED25519)
    return kind == EVP_PKEY_ED25519 ? NULL : "must be an Ed25519 key";
  return kind == EVP_PKEY_RSA && EVP_PKEY_get_bits(key) >= MAIL_SIGNER_RSA_BITS
             ? NULL
             : "must be an RSA key of 2048 bit or more";
}

static DkimSigner *signer_of(const Config *config, const char *selector, GBytes *pem,
                             MailSignerError which, GError **error) {
  g_autoptr(GError) failure = NULL;
  EVP_PKEY *key = pem_private_key(pem, &failure);
  const char *why = key != NULL ? refuse_kind(key, which) : failure->message;
  DkimSigner *signer = why == NULL ? dkim_signer_new(config_text(config, "mail.domain"),
                                                     config_text(config, selector), key, &failure)
                                   : NULL;
  EVP_PKEY_free(key);
  if (signer == NULL)
    g_set_error_literal(error, MAIL_SIGNER_ERROR, (int)which, why != NULL ? why : failure->message);
  return signer;
}

/* A selector names one record, and a record holds one key. */
static gboolean selectors_differ(const Config *config, GError **error) {
  if (g_ascii_strcasecmp(config_text(config, "mail.dkim-selector"),
                         config_text(config, "mail.dkim-ed25519-selector")) != 0)
    return TRUE;
  g_set_error_literal(error, MAIL_SIGNER_ERROR, MAIL_SIGNER_ERROR_ED25519,
                      "needs a selector of its own, other than dkim-selector");
  return FALSE;
}

MailSigner *mail_signer_new(const Config *config, GBytes *rsa, GBytes *ed25519, GError **error) {
  g_autoptr(MailSigner) signer = g_new0(MailSigner, 1);
  signer->rsa = signer_of(config, "mail.dkim-selector", rsa, MAIL_SIGNER_ERROR_RSA, error);
  if (signer->rsa == NULL || (ed25519 != NULL && !selectors_differ(config, error)))
    return NULL;
  if (ed25519 != NULL)
    signer->ed25519 =
        signer_of(config, "mail.dkim-ed25519-selector", ed25519, MAIL_SIGNER_ERROR_ED25519, error);
  return ed25519 == NULL || signer->ed25519 != NULL ? g_steal_pointer(&signer) : NULL;
}

static gboolean add_signature(GByteArray *signed_message, const DkimSigner *signer, GBytes *message,
                              gint64 now, GError **error) {
  g_autofree char *field = dkim_sign(signer, message, now, error);
  if (field != NULL)
    g_byte_array_append(signed_message, (const guint8 *)field, (guint)strlen(field));
  return field != NULL;
}

GBytes *mail_signer_sign(const MailSigner *signer, GBytes *message, gint64 now, GError **error) {
  g_autoptr(GByteArray) all = g_byte_array_new();
  if (!add_signature(all, signer->rsa, message, now, error) ||
      (signer->ed25519 != NULL && !add_signature(all, signer->ed25519, message, now, error)))
    return NULL;
  g_byte_array_append(all, g_bytes_get_data(message, NULL), (guint)g_bytes_get_size(message));
  return g_byte_array_free_to_bytes(g_steal_pointer(&all));
}
