/* SPDX-License-Identifier: Apache-2.0 */
/* A key on the command line. */
#ifndef SIGNET_DAEMON_CTL_KEY_H
#define SIGNET_DAEMON_CTL_KEY_H

#include <glib.h>

/* The SHA-256 of a public key (SubjectPublicKeyInfo) in hexadecimal digits. text: such digits, or
   the path of a certificate, request, public key or private key in PEM. The caller frees it. */
char *ctl_key_digest(const char *text, GError **error);

#endif
