/* SPDX-License-Identifier: Apache-2.0 */
/* Profiles (draft-ietf-acme-profiles): what a certificate is for and how long it lives. Built in
   are smime, smime-sign and smime-encrypt; [profile NAME] groups of the configuration change these
   or add others. */
#ifndef SIGNET_ACME_PROFILE_H
#define SIGNET_ACME_PROFILE_H

#include "acme/acme.h"
#include "ca/csr.h"
#include "store/order.h"

#define PROFILE_NAME_MAX 64

typedef enum {
  PROFILE_USAGE_CSR,
  PROFILE_USAGE_SIGN,
  PROFILE_USAGE_ENCRYPT,
  PROFILE_USAGE_BOTH
} ProfileUsage;

typedef struct {
  const char *description;
  gint64 days;
  const char *const *keys; /* names of rows of ca/algorithm.c that are taken; empty: all */
  ProfileUsage usage;
} Profile;

/* Whether there is a profile of that name, built in or configured. */
gboolean profile_exists(const Config *config, const char *name);
/* name NULL: what holds for an order without one. FALSE: there is no such profile. */
gboolean profile_find(const Acme *acme, const char *name, Profile *profile);
/* Name -> description, for the directory; a new reference. */
json_t *profiles_json(const Acme *acme);

/* Whether a request fits the profile, and the key usage of its certificate (bits of Order.usage):
   the profile decides, or, where it does not, the request (RFC 8823 section 3.3). badCSR otherwise.
 */
Problem *profile_usage(const Profile *profile, const Csr *csr, gint64 *usage);

#endif
