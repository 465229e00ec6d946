/* SPDX-License-Identifier: Apache-2.0 */
/* What several commands of signetctl make and print. */
#ifndef SIGNET_DAEMON_CTL_MAKING_H
#define SIGNET_DAEMON_CTL_MAKING_H

#include "ca/ceremony.h"
#include "daemon/dns_zone.h"

/* A root, an issuing CA and the audit key, in a folder that holds none yet and is made when it is
   missing. command: for the transcript. */
gboolean ctl_ca_make(const char *directory, const char *command, const CeremonyPlan *plan,
                     GError **error);
/* A new file with a key for [ca] audit-key, and its public half beside it (*public_path, which the
   caller frees). */
gboolean ctl_audit_key_make(const char *path, const char *passphrase, char **public_path,
                            GError **error);
/* A new file with a DKIM key; algorithm: "rsa" or "ed25519". The text of its record, which the
   caller frees; NULL on failure. */
char *ctl_dkim_make(const char *algorithm, const char *path, GError **error);
/* The records in zone-file form, on standard output. */
void ctl_dns_print(const DnsZone *zone);

#endif
