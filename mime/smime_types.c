/* SPDX-License-Identifier: Apache-2.0 */
#include "mime/smime_types.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

/* An empty passphrase, so that nothing is ever asked on a terminal. */
static int no_passphrase(char *buffer G_GNUC_UNUSED, int size G_GNUC_UNUSED,
                         int writing G_GNUC_UNUSED, void *user G_GNUC_UNUSED) {
  return -1;
}

X509Stack *smime_read_chain(GBytes *pem) {
  g_autoptr(BIO) file = BIO_new_mem_buf(g_bytes_get_data(pem, NULL), (int)g_bytes_get_size(pem));
  g_autoptr(X509Stack) chain = sk_X509_new_null();
  X509 *next = NULL;
  while ((next = PEM_read_bio_X509(file, NULL, no_passphrase, NULL)) != NULL)
    sk_X509_push(chain, next);
  gboolean ended = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  return ended && sk_X509_num(chain) > 0 ? g_steal_pointer(&chain) : NULL;
}

char *smime_mailbox(X509 *certificate) {
  g_autoptr(GENERAL_NAMES) names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
  for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
    int type = 0;
    const ASN1_STRING *value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);
    if (type == GEN_EMAIL)
      return g_strndup((const char *)ASN1_STRING_get0_data(value),
                       (gsize)ASN1_STRING_length(value));
  }
  return NULL;
}

const char *smime_refuse_use(X509 *certificate) {
  if (X509_check_ca(certificate) != 0 || (X509_get_extension_flags(certificate) & EXFLAG_CA) != 0)
    return "the certificate is a CA's";
  if ((X509_get_key_usage(certificate) & KU_DIGITAL_SIGNATURE) == 0)
    return "the certificate's key usage lacks digitalSignature";
  guint32 extended = X509_get_extended_key_usage(certificate);
  if (extended == G_MAXUINT32 || (extended & XKU_SMIME) == 0)
    return "the certificate's extended key usage lacks emailProtection";
  return NULL;
}

char *smime_relaxed(const char *value) {
  GString *out = g_string_new(NULL);
  for (const char *p = value; *p != '\0'; p++) {
    gboolean blank = strchr(" \t\r\n", *p) != NULL;
    if (!blank)
      g_string_append_c(out, *p);
    else if (out->len > 0 && out->str[out->len - 1] != ' ')
      g_string_append_c(out, ' ');
  }
  if (out->len > 0 && out->str[out->len - 1] == ' ')
    g_string_truncate(out, out->len - 1);
  return g_string_free(out, FALSE);
}
