/* SPDX-License-Identifier: Apache-2.0 */
/* An issuing CA below a root of somebody else: the request for it, and what may be wrong with the
   certificate that comes back (ca-rules 18a). */
#ifndef SIGNET_CA_CEREMONY_REQUEST_H
#define SIGNET_CA_CEREMONY_REQUEST_H

#include "ca/issuer.h"

/* A PKCS#10 request for an issuing CA with the extensions that it wants, PEM; the caller frees it.
   subject: a Name, DER. CA_ERROR_PROFILE, CA_ERROR_SIGN. */
char *ceremony_request(GBytes *subject, EVP_PKEY *key, GError **error);

/* Reads a request in PEM and checks its signature; CA_ERROR_FILE. The caller frees it. */
X509_REQ *ceremony_read_request(GBytes *pem, GError **error);

/* Reads one certificate, PEM or DER; CA_ERROR_FILE. The caller frees it. */
X509 *ceremony_read_certificate(GBytes *octets, GError **error);

/* What keeps a certificate from being that of the requested issuing CA below issuer, each fault
   with its rule (of char*); empty when nothing does. now: milliseconds. */
GPtrArray *ceremony_answer_faults(X509 *answer, X509_REQ *request, X509 *issuer, gint64 now);

#endif
