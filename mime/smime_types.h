/* SPDX-License-Identifier: Apache-2.0 */
/* What signing and checking S/MIME have in common. Internal to mime/. */
#ifndef SIGNET_MIME_SMIME_TYPES_H
#define SIGNET_MIME_SMIME_TYPES_H

#include <glib.h>
#include <openssl/cms.h>
#include <openssl/x509v3.h>

/* RFC 7508 section 4.1. */
#define SMIME_SECURE_HEADER_FIELDS "1.2.840.113549.1.9.16.2.55"
enum { SMIME_CANON_SIMPLE = 0, SMIME_CANON_RELAXED = 1 };

typedef STACK_OF(X509) X509Stack;

static inline void x509_stack_free(X509Stack *stack) {
  sk_X509_pop_free(stack, X509_free);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ASN1_OBJECT, ASN1_OBJECT_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BIO, BIO_free_all)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CMS_ContentInfo, CMS_ContentInfo_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EVP_PKEY, EVP_PKEY_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(GENERAL_NAMES, GENERAL_NAMES_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509, X509_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509Stack, x509_stack_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509_STORE, X509_STORE_free)

/* The certificates of a PEM file, in their order; NULL when it holds none, or octets that are no
   certificate. */
X509Stack *smime_read_chain(GBytes *pem);
/* The first rfc822Name of a certificate; NULL when it has none. The caller frees it. */
char *smime_mailbox(X509 *certificate);
/* Why a certificate must not sign mail, static, or NULL. */
const char *smime_refuse_use(X509 *certificate);
/* A header field's value as DKIM's relaxed form has it (RFC 6376 section 3.4.2): unfolded, blanks
   in a row one, none at its ends. The caller frees it. */
char *smime_relaxed(const char *value);

#endif
