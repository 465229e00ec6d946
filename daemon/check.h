/* SPDX-License-Identifier: Apache-2.0 */
/* signetd --check: everything about a configuration that can be found wrong before the start. */
#ifndef SIGNET_DAEMON_CHECK_H
#define SIGNET_DAEMON_CHECK_H

#include "base/config.h"

/* Loads the file (test_mode: as for config_load) and looks behind its values: files readable, keys
   and certificates that belong together, a CA that outlives its leaves. Every mistake is added to
   mistakes (of char*) with file, line and reason; NULL when there was one. */
Config *check_configuration(const char *path, gboolean test_mode, GPtrArray *mistakes);

/* What is not wrong yet, of a configuration without mistakes: root's revocation lists that end soon
   (of char*). */
GPtrArray *check_warnings(const Config *config);

/* Whether the relays are to have TLS, with a certificate that is checked. */
gboolean check_relay_tls_demanded(const Config *config);

#endif
