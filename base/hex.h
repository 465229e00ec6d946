/* SPDX-License-Identifier: Apache-2.0 */
/* Octets as hexadecimal digits, as serial numbers and digests are written. */
#ifndef SIGNET_BASE_HEX_H
#define SIGNET_BASE_HEX_H

#include <glib.h>

/* Upper-case digits; the caller frees it. */
char *hex_encode(GBytes *octets);
/* Of either case, with or without a colon between octets, as OpenSSL prints them; an odd number of
   digits without colons begins with a zero. NULL when it is none, or of more than max octets. */
GBytes *hex_decode(const char *text, gsize max);

#endif
