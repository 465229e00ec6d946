/* SPDX-License-Identifier: Apache-2.0 */
/* The certificate signing request for mailboxes (RFC 2986, RFC 8823 section 3 item 8 and 3.3). */
#ifndef SIGNET_CLIENT_CERTIFICATE_REQUEST_H
#define SIGNET_CLIENT_CERTIFICATE_REQUEST_H

#include "client/openssl_types.h"

typedef enum {
  CERTIFICATE_USAGE_BOTH,
  CERTIFICATE_USAGE_SIGN,
  CERTIFICATE_USAGE_ENCRYPT
} CertificateUsage;

/* DER of a request with an empty subject: addresses (NULL-terminated) as critical subjectAltName,
   rfc822Name or SmtpUTF8Mailbox (RFC 9598); key usage fit for the key; emailProtection.
   CLIENT_LOCAL when OpenSSL fails. */
GBytes *certificate_request_new(EVP_PKEY *key, const char *const *addresses, CertificateUsage usage,
                                GError **error);

#endif
