/* SPDX-License-Identifier: Apache-2.0 */
/* Short looks at listeners and relays, by the commands of signetctl that tell whether all is well.
   Each blocks, for PROBE_SECONDS a step at most. Errors are one line for people. */
#ifndef SIGNET_DAEMON_CTL_PROBE_H
#define SIGNET_DAEMON_CTL_PROBE_H

#include <glib.h>

#define PROBE_SECONDS 5

/* Whether GET url is answered, with 200 or 404, by what listens at an address ("192.0.2.1:443"; an
   unspecified one means this host). What it proves by TLS is not looked at: the question is whether
   it serves. proxies: networks whose connections begin with a PROXY header ([acme]
   proxy-addresses). */
gboolean probe_web(const char *url, const char *address, const char *const *proxies,
                   GError **error);

/* Whether what listens there (as above, or the path of a Unix socket) greets as a mail server. */
gboolean probe_greeting(const char *address, GError **error);

/* A relay as the configuration has it. */
typedef struct {
  const char *peer; /* "HOST:PORT" */
  const char *tls;  /* [mail] relay-tls */
  const char *ca, *user, *password;
} ProbeRelay;

typedef enum {
  PROBE_TAKES,
  PROBE_LATER,   /* takes no recipient now: 4xx */
  PROBE_REFUSES, /* 5xx to the sender or the recipient */
  PROBE_UNREACHED
} ProbeOutcome;

/* Whether a relay would take a mail; none is sent. *words: what it or the system said; the caller
   frees it. */
ProbeOutcome probe_relay(const ProbeRelay *relay, const char *from, const char *to, char **words);

#endif
