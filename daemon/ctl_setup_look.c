/* SPDX-License-Identifier: Apache-2.0 */
/* What signetctl setup looks at when the files are there: the configuration as signetd will see it,
   the ports, the relays, the DNS. */
#include "daemon/check.h"
#include "daemon/ctl_ask.h"
#include "daemon/ctl_probe.h"
#include "daemon/ctl_setup.h"
#include "daemon/dns_check.h"
#include "daemon/sockets.h"

#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- signetd --check
 * ------------------------------------------------------------------------------------------ */

/* With the further groups of the user, as systemd does. */
static void become(const Setup *setup) {
  if (setup->served && (initgroups(setup->user, setup->gid) != 0 || setgid(setup->gid) != 0 ||
                        setuid(setup->uid) != 0))
    _exit(CTL_USAGE);
}

/* In a process that becomes the user of signetd: what root can read says nothing. */
static void check_in_child(const Setup *setup, int out) {
  g_autoptr(GPtrArray) mistakes = g_ptr_array_new_with_free_func(g_free);
  become(setup);
  config_free(check_configuration(setup->path, FALSE, mistakes));
  for (guint i = 0; i < mistakes->len; i++)
    dprintf(out, "%s\n", (const char *)mistakes->pdata[i]);
  _exit(mistakes->len == 0 ? CTL_DONE : CTL_FAILED);
}

static char *read_all(int fd) {
  GString *text = g_string_new(NULL);
  char piece[4096];
  ssize_t got = 0;
  while ((got = read(fd, piece, sizeof(piece))) > 0 || (got < 0 && errno == EINTR))
    g_string_append_len(text, piece, MAX(got, 0));
  return g_string_free(text, FALSE);
}

gboolean setup_check(Setup *setup) {
  int out[2], status = 0;
  fflush(stdout);
  if (pipe(out) != 0)
    return FALSE;
  pid_t pid = fork();
  if (pid == 0)
    check_in_child(setup, out[1]);
  close(out[1]);
  g_autofree char *mistakes = read_all(out[0]);
  close(out[0]);
  if (pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
      WEXITSTATUS(status) == CTL_DONE) {
    setup_say("good", "signetd --check");
    return TRUE;
  }
  g_strchomp(mistakes);
  setup_problem(setup, *mistakes != '\0' ? mistakes : "the configuration could not be checked",
                "Correct that%s, and run signetctl setup again.",
                setup->served    ? " (files must be readable by the user of signetd)"
                : geteuid() != 0 ? " (as root, where files are not readable for you)"
                                 : "");
  return FALSE;
}

/* --- ports
 * ---------------------------------------------------------------------------------------------- */

static const struct {
  const char *key, *todo;
} ports[] = {
    {"acme.listen",
     "Stop what listens there (ss -ltnp tells its name), or give another address in [acme] listen"},
    {"publish.listen", "Stop what listens there (ss -ltnp tells its name), or give another address "
                       "in [publish] listen"},
    {"mail.listen", "Stop what listens there (ss -ltnp tells its name), or, when it is this host's "
                    "mail server, let it hand replies over: see \"A mail server on the same host\" "
                    "in docs/operating.md, for [mail] listen and lmtp"},
};

void setup_look_at_ports(Setup *setup, const Config *config, gboolean runs) {
  for (gsize i = 0; i < G_N_ELEMENTS(ports); i++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) sockets = NULL;
    const char *value = config_text(config, ports[i].key);
    if (*value == '\0')
      continue;
    if (!runs)
      sockets = sockets_listen(config_list(config, ports[i].key), FALSE, &error);
    if (error != NULL) {
      setup_problem(setup, error->message, "%s of %s.", ports[i].todo, setup->path);
    } else {
      setup_say("good", "%s is %s", value, runs ? "signetd's" : "free");
    }
    for (guint j = 0; sockets != NULL && j < sockets->len; j++)
      close(g_array_index(sockets, int, j));
  }
}

/* --- relays
 * --------------------------------------------------------------------------------------------- */

static char *password_of(const Config *config) {
  const char *path = config_text(config, "mail.relay-password-file");
  char *line = *path != '\0' ? ctl_passphrase(path, NULL) : NULL;
  return line != NULL ? line : g_strdup("");
}

static void look_at_relay(Setup *setup, const Config *config, const char *peer) {
  const char *domain = config_text(config, "mail.domain");
  g_autofree char *from = g_strconcat("acme-challenge@", domain, NULL);
  g_autofree char *to = g_strconcat("postmaster@", domain, NULL);
  g_autofree char *password = password_of(config), *words = NULL;
  const ProbeRelay relay = {.peer = peer,
                            .tls = config_text(config, "mail.relay-tls"),
                            .ca = config_text(config, "mail.relay-ca"),
                            .user = config_text(config, "mail.relay-user"),
                            .password = password};
  ProbeOutcome outcome = probe_relay(&relay, from, to, &words);
  g_autofree char *what = g_strdup_printf("relay %s: %s", peer, words);
  if (outcome == PROBE_TAKES)
    setup_say("good", "relay %s takes mail from %s", peer, from);
  else if (outcome == PROBE_LATER)
    setup_say("note", "%s", what);
  else if (outcome == PROBE_REFUSES)
    setup_problem(setup, what,
                  "Let the relay take mail from this host for %s and for everybody (Postfix: "
                  "mynetworks), or name one that does in [mail] relay of %s.",
                  domain, setup->path);
  else
    setup_problem(setup, what,
                  "Start the relay, or correct its name, port or relay-tls in [mail] of %s.",
                  setup->path);
}

void setup_look_at_relays(Setup *setup, const Config *config) {
  for (const char *const *peer = config_list(config, "mail.relay"); *peer != NULL; peer++)
    look_at_relay(setup, config, *peer);
}

/* --- DNS
 * -------------------------------------------------------------------------------------------------
 */

static int count_missing(DnsAsk *ask, const Config *config, GError **error) {
  g_autoptr(DnsZone) zone = dns_zone_new(config, NULL, NULL, error);
  if (zone == NULL)
    return -1;
  g_autoptr(GPtrArray) findings = dns_check_zone(ask, config, zone);
  int missing = 0;
  for (guint i = 0; i < findings->len; i++)
    missing += ((const DnsFinding *)findings->pdata[i])->state != DNS_GOOD;
  setup_say(missing == 0 ? "good" : "note", "DNS: %u of %u records are there and right",
            findings->len - (guint)missing, findings->len);
  return missing;
}

static gboolean is_domain_known(Setup *setup, const char *domain, const DnsAnswer *answer) {
  g_autofree char *what = g_strdup_printf("DNS, %s: %s", domain, answer->text);
  if (answer->outcome == RESOLVER_TEMPORARY)
    setup_problem(setup, what,
                  "Let this host ask the DNS (UDP and TCP port 53), or name a resolver that it may "
                  "ask in [dns] forward of %s, as 192.0.2.53@53.",
                  setup->path);
  else if (answer->outcome == RESOLVER_BOGUS)
    setup_problem(setup, what,
                  "Have the DNSSEC signatures of the zone mended, or, for a private zone, add its "
                  "key to the file that [dns] trust-anchor of %s names.",
                  setup->path);
  else if (answer->outcome == RESOLVER_NONE && strcmp(answer->text, "no such domain name") == 0)
    setup_problem(setup, what,
                  "Register the domain, or correct [mail] domain in %s. For a private one name its "
                  "server in [dns] stub, as %s 192.0.2.53@53.",
                  setup->path, domain);
  else
    return TRUE;
  return FALSE;
}

int setup_look_at_dns(Setup *setup, const Config *config) {
  g_autoptr(GError) error = NULL;
  const char *domain = config_text(config, "mail.domain");
  g_autoptr(DnsAsk) ask = dns_ask_new(config, &error);
  g_autoptr(DnsAnswer) answer = ask != NULL ? dns_ask(ask, domain, RESOLVER_MX) : NULL;
  int missing = answer != NULL && is_domain_known(setup, domain, answer)
                    ? count_missing(ask, config, &error)
                    : -1;
  if (error != NULL)
    setup_problem(setup, error->message,
                  "Correct [dns] and [mail] of %s, and run signetctl setup again.", setup->path);
  return missing;
}
