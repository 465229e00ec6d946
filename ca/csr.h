/* SPDX-License-Identifier: Apache-2.0 */
/* Certification requests (RFC 2986, RFC 8555 section 7.4, RFC 8823 section 3 step 8 and 3.3). */
#ifndef SIGNET_CA_CSR_H
#define SIGNET_CA_CSR_H

#include "base/mailbox.h"
#include "ca/issuer.h"

#define CSR_MAX_OCTETS (16 * 1024)

/* What is taken from a request; everything else in it is ignored or refused, nothing is copied. */
typedef struct {
  GBytes *spki; /* SubjectPublicKeyInfo, DER, exactly one of the forms of S/MIME BR 7.1.3.1 */
  GPtrArray *mailboxes; /* of Mailbox: the SAN's and the subject's CN and emailAddress, each once */
  gboolean has_usage;   /* the request has a key usage */
  gboolean want_sign;   /* RFC 8823 section 3.3: both set when it has none */
  gboolean want_encrypt;
  gboolean want_non_repudiation;
} Csr;

/* Which names may stand in the subjectAltName. With CSR_NAMES_MAIL_AND_DNS (option
   dns-identifier-compat) a dNSName that is an address is not refused: it repeats one of the SAN's
   mailboxes, or, when the SAN has dNSNames alone, it is how the request names the mailbox, since
   the clients that the option is for (python3-acme's make_csr) can write no other name. It is taken
   as a Mailbox, never as a dNSName, so that nothing but a mailbox is certified. */
typedef enum { CSR_NAMES_MAIL, CSR_NAMES_MAIL_AND_DNS } CsrNames;

/* Decodes and checks a request: version 1, good self-signature, no trailing octets, exactly one
   extensionRequest with exactly one subjectAltName that holds only rfc822Name or SmtpUTF8Mailbox
   names (and what CsrNames says), none twice; CN and emailAddress of the subject, where present,
   repeat names of the SAN. CA_ERROR_BAD_CSR or CA_ERROR_BAD_KEY (by key_check); the message is for
   the client. */
Csr *csr_parse(GBytes *der, CsrNames names, GError **error);
void csr_free(Csr *csr);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Csr, csr_free)

/* Whether the request's mailboxes are exactly those of order (of Mailbox), compared by canonical
   form; CA_ERROR_BAD_CSR names the one too many or too few. */
gboolean csr_matches(const Csr *csr, GPtrArray *order, GError **error);

#endif
