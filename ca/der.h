/* SPDX-License-Identifier: Apache-2.0 */
/* DER by OpenSSL's ASN.1 templates (RFC 5280 section 4.1: everything signed is DER), and of parts
   that are DER already. */
#ifndef SIGNET_CA_DER_H
#define SIGNET_CA_DER_H

#include <glib.h>
#include <openssl/x509.h>

/* Encodes value. */
GBytes *der_encode(gconstpointer value, const ASN1_ITEM *item);

/* Decodes the whole of der; NULL when it is not item, has trailing octets or is not what der_encode
   makes of the result. Free the value as item's type. Types that keep their own encoding (X509,
   X509_REQ, X509_NAME) are not proven to be DER by this: use i2d_re_*. */
gpointer der_decode(GBytes *der, const ASN1_ITEM *item);

/* The same, but a certificate's public key is not there (X509_get0_pubkey is NULL): to look for who
   reads it, and to read it, takes OpenSSL longer than all the rest. For a value of which no key and
   no hash is asked for. */
gpointer der_decode_keyless(GBytes *der, const ASN1_ITEM *item);

/* Whether der is one SEQUENCE and nothing else; and the n-th element, from 0, within one, NULL when
   it has fewer. Tags and lengths alone are looked at. */
gboolean der_is_sequence(GBytes *der);
GBytes *der_element(GBytes *der, guint n);

/* A SEQUENCE of elements, with NULL after the last, and one element as [tag] EXPLICIT. */
GBytes *der_sequence(GBytes *const *elements);
GBytes *der_tagged(int tag, GBytes *element);

/* For OpenSSL's i2d functions that allocate: takes what *octets points to. */
GBytes *der_take(guint8 *octets, int length);

/* What der_decode cannot see, since OpenSSL keeps it as it came: the octets of a decoded Name, and
   the BOOLEAN of an extension (critical TRUE must be ff, FALSE left out). */
gboolean der_is_name(const X509_NAME *name);
gboolean der_is_extension(X509_EXTENSION *extension);

#endif
