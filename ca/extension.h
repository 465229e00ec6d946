/* SPDX-License-Identifier: Apache-2.0 */
/* The extensions that Signet's certificates and CRLs have (RFC 5280 section 4.2). For ca/ only. */
#ifndef SIGNET_CA_EXTENSION_H
#define SIGNET_CA_EXTENSION_H

#include "ca/issuer.h"

#include <openssl/x509v3.h>

#define POLICY_STRICT "2.23.140.1.5.1.3"
#define POLICY_MULTIPURPOSE "2.23.140.1.5.1.2"

X509_EXTENSIONS *extension_list_new(void);

/* Each puts one extension at the end of list. */
void extension_add_authority_key(X509_EXTENSIONS *list, const ASN1_OCTET_STRING *key_identifier);
void extension_add_subject_key(X509_EXTENSIONS *list, GBytes *key_identifier);
void extension_add_key_usage(X509_EXTENSIONS *list,
                             guint bits); /* bit n of bits: bit n of KeyUsage; critical */
void extension_add_policies(X509_EXTENSIONS *list, const char *const *oids);
/* Those that Signet issues under: strict and multipurpose. */
void extension_add_issued_policies(X509_EXTENSIONS *list);
void extension_add_names(X509_EXTENSIONS *list, const GENERAL_NAMES *names, gboolean critical);
void extension_add_basic_constraints(X509_EXTENSIONS *list, gboolean ca,
                                     int path_length); /* < 0: none; critical when ca */
void extension_add_email_protection(X509_EXTENSIONS *list);
void extension_add_crl(X509_EXTENSIONS *list, const char *url);
void extension_add_issuer_url(X509_EXTENSIONS *list, const char *url);

void extension_add_crl_number(X509_EXTENSIONS *list, gint64 number);
/* The critical issuingDistributionPoint of a list at url: for CA certificates alone, or for
 * subscribers'. */
void extension_add_issuing_point(X509_EXTENSIONS *list, const char *url, gboolean ca_only);

/* GeneralNames of one URI; DistributionPointName with it as fullName. */
DIST_POINT_NAME *extension_point_name(const char *url);

/* Whether url can stand in a certificate: http://, then ASCII without blanks and control
 * characters. */
gboolean extension_is_http_url(const char *url);

#endif
