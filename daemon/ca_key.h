/* SPDX-License-Identifier: Apache-2.0 */
/* The key of an issuing CA, from a file or in a token: for the signer, and for the process that
   checks whether it could be opened. */
#ifndef SIGNET_DAEMON_CA_KEY_H
#define SIGNET_DAEMON_CA_KEY_H

#include "base/config.h"
#include "ca/issuer.h"
#include "ca/pkcs11.h"

/* "GROUP.name"; the caller frees it. */
char *ca_key_name(const char *group, const char *name);

/* Whether the key of a group ("ca") is in a token. */
gboolean ca_key_in_token(const Config *config, const char *group);

/* Opens the group's key in its token for issuer, whose key it must be; opens *pkcs11 first when
   that is NULL. pin: the file's content, or NULL. CA_ERROR_MODULE, CA_ERROR_PIN, CA_ERROR_TOKEN,
   CA_ERROR_FILE (the URI), CA_ERROR_MISMATCH. */
gboolean ca_key_open(const Config *config, const char *group, GBytes *pin, Issuer *issuer,
                     Pkcs11 **pkcs11, GError **error);

#endif
