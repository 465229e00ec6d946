/* SPDX-License-Identifier: Apache-2.0 */
/* subjectAltName of mailboxes: rfc822Name, or SmtpUTF8Mailbox when the local part is not ASCII (RFC
   5280 section 4.2.1.6, RFC 9598; ca-rules 26). For ca/ only. */
#ifndef SIGNET_CA_SAN_H
#define SIGNET_CA_SAN_H

#include "base/mailbox.h"
#include "ca/issuer.h"

#include <openssl/x509v3.h>

/* The GeneralName that certifies mailbox. */
GENERAL_NAME *san_name(const Mailbox *mailbox);

/* The text of an ASN.1 string without NULs, UTF-8; NULL when it has a NUL or cannot be converted.
 */
char *san_text(const ASN1_STRING *string);

/* The mailbox that a GeneralName names; NULL, with the reason in why, when it is of another type,
   holds a NUL or what mailbox_parse refuses, or when the form does not fit the local part. */
Mailbox *san_mailbox(const GENERAL_NAME *name, char **why);

/* The same for a dNSName that holds an address (csr.h, CSR_NAMES_MAIL_AND_DNS). */
Mailbox *san_dns_mailbox(const GENERAL_NAME *name, char **why);

#endif
