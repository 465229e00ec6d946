/* SPDX-License-Identifier: Apache-2.0 */
/* A subscriber certificate: typed fields -> to-be-signed octets -> certificate. */
#ifndef SIGNET_CA_CERTIFICATE_H
#define SIGNET_CA_CERTIFICATE_H

#include "ca/issuer.h"
#include "ca/key.h"

#define CERTIFICATE_SERIAL_OCTETS                                                                  \
  16 /* random ones; certificate_serial puts one of 01..7f before them */
#define CERTIFICATE_MAX_DAYS 825       /* S/MIME BR 6.3.2 */
#define CERTIFICATE_MAX_COMMON_NAME 64 /* characters; RFC 5280 appendix A.1, ub-common-name */

typedef enum { PROFILE_STRICT, PROFILE_MULTIPURPOSE } CertificateProfile;

/* Everything that a subscriber certificate says. */
typedef struct {
  GBytes *serial;           /* big-endian, as certificate_serial makes it */
  GBytes *spki;             /* passed key_check */
  const char *const *names; /* address of each Mailbox, NULL-terminated, in the order's order */
  gint64 not_before;        /* milliseconds, whole seconds */
  gint64 not_after;         /* milliseconds, whole seconds; the last second inside */
  gboolean sign, encrypt, non_repudiation;
  CertificateProfile profile;
  const char *crl_url;    /* http:// */
  const char *issuer_url; /* caIssuers, http:// */
} CertificateFields;

/* A serial from octets (CERTIFICATE_SERIAL_OCTETS + 2) of a CSPRNG: positive, at least 128 bit
 * random, < 2^159. */
GBytes *certificate_serial(const guint8 *random);

/* The last second of a validity of days from not_before on, both ends counted (S/MIME BR 6.3.2):
   not_before + days * 86400 s - 1 s, in milliseconds. */
gint64 certificate_not_after(gint64 not_before, guint days);

/* The to-be-signed octets for issuer: profile mailbox-validated (S/MIME BR 7.1; ca-rules 19 to 28):
   v3, empty subject or CN, SAN critical when the subject is empty, and so on. CA_ERROR_PROFILE. */
GBytes *certificate_build(const Issuer *issuer, const CertificateFields *fields, GError **error);

/* tbs in a certificate whose signature is one of its algorithm in form alone: for linters that want
   a certificate. NULL when tbs is not a DER TBSCertificate. */
GBytes *certificate_unsigned(GBytes *tbs);

/* Lints tbs once more (CA_ERROR_PROFILE with the findings: nothing outside the profile is ever
   signed here, and nothing by a root), signs exactly tbs with the issuer's key, verifies the
   signature with the issuer's certificate (CA_ERROR_SIGN), and returns the certificate, DER. */
GBytes *certificate_sign(const Issuer *issuer, GBytes *tbs, GError **error);

#endif
