/* SPDX-License-Identifier: Apache-2.0 */
/* The value of an issuemail property (RFC 9495 section 3, RFC 8657). For ca/ only. */
#ifndef SIGNET_CA_CAA_VALUE_H
#define SIGNET_CA_CAA_VALUE_H

#include <glib.h>

typedef struct {
  char *issuer;          /* issuer-domain-name in lower case; empty when there is none */
  GPtrArray *parameters; /* of CaaParameter */
} CaaValue;

typedef struct {
  char *tag; /* lower case */
  char *value;
} CaaParameter;

/* Parses length octets; NULL when they do not conform to the ABNF. */
CaaValue *caa_value_parse(const char *octets, gsize length);
void caa_value_free(CaaValue *value);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CaaValue, caa_value_free)

/* Whether list is [*(label ",") label] and has label (RFC 8657 section 4). */
gboolean caa_value_lists(const char *list, const char *label);

#endif
