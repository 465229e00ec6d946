/* SPDX-License-Identifier: Apache-2.0 */
/* The ends of signetctl's --help: one command as it is given, or two. signetctl(8) has the same
   lines. */
#include "daemon/ctl.h"

#include <string.h>

static const struct {
  const char *command, *lines;
} examples[] = {
    {"audit export", "signetctl audit export --since 2026-01-01T00:00:00Z --output audit.jsonl"},
    {"audit key", "signetctl audit key --key /etc/signet/ca/audit.key"},
    {"audit verify", "signetctl audit verify\n"
                     "  signetctl audit verify --key audit.pub audit.jsonl"},
    {"ca init", "signetctl ca init --directory /etc/signet/ca --url http://pki.example.org/ "
                "--name Example"},
    {"ca root", "signetctl ca root --directory /media/root --name \"Example Root\" --country DE"},
    {"ca issuing", "signetctl ca issuing --directory /media/root --request issuing.csr "
                   "--url http://pki.example.org/"},
    {"backup", "signetctl backup --quiet /backup/signet.tar"},
    {"ca cross", "signetctl ca cross --directory /media/root --url http://pki.example.org/ "
                 "--certificate other.pem"},
    {"ca csr", "signetctl ca csr --directory /etc/signet/ca --name \"Example Issuing CA\""},
    {"ca import", "signetctl ca import --directory /etc/signet/ca --certificate issuing.pem "
                  "--root root.pem"},
    {"ca crl", "signetctl ca crl --directory /media/root\n"
               "  signetctl ca crl --directory /media/root --revoke 2F4A71 "
               "--reason cessationOfOperation"},
    {"ca confirm", "signetctl ca confirm k7f3m9qxtdhw --directory /srv/root"},
    {"ca show", "signetctl ca show --directory /etc/signet/ca"},
    {"ca transcript", "signetctl ca transcript --directory /etc/signet/ca"},
    {"certificate revoke", "signetctl certificate revoke 2F:4A:71 --reason superseded\n"
                           "  signetctl certificate revoke --key leaked.pem "
                           "--reason keyCompromise"},
    {"check all", "signetctl check all --report check.json"},
    {"check sample", "signetctl check sample --since 2026-07-01T00:00:00Z "
                     "--until 2026-10-01T00:00:00Z"},
    {"dkim init", "signetctl dkim init --domain ca.example.org --key /etc/signet/dkim.key"},
    {"dns check", "signetctl dns check --relay-address 192.0.2.25\n"
                  "  signetctl dns check --user-domain example.com"},
    {"dns show", "signetctl dns show --relay-address 192.0.2.25"},
    {"eab add", "signetctl eab add --note Sales --identifier sales.example.com"},
    {"eab revoke", "signetctl eab revoke AaH6mZk76pLHzfZMzaWNYA"},
    {"evidence export", "signetctl evidence export 2F:4A:71 --output evidence.jsonl"},
    {"evidence show", "signetctl evidence show 2F:4A:71 --mails"},
    {"evidence verify", "signetctl evidence verify --issuer issuing.pem --audit-key audit.pub "
                        "evidence.jsonl"},
    {"health", "signetctl health --wait 30"},
    {"issuance stop", "signetctl issuance stop \"a certificate broke the profile; we look into "
                      "it\""},
    {"key block", "signetctl key block leaked.pem --why \"published on example.net\""},
    {"limit clear", "signetctl limit clear orders-per-network 192.0.2.0/24"},
    {"limit set", "signetctl limit set mails-per-domain example.com 5000/1h"},
    {"mail ingest", "signetctl mail ingest --from ann@example.com "
                    "acme-challenge+1or5m0k2cvp24ow3zh2riaoybblw3dz3t0r@ca.example.org < message"},
    {"metrics", "signetctl metrics"},
    {"order list", "signetctl order list --address ann@example.com"},
    {"order show", "signetctl order show AaH6mZk76pLHzfZMzaWNYA"},
    {"purge show", "signetctl purge show --until 2027-01-01T00:00:00Z"},
    {"renewal ask", "signetctl renewal ask 2F:4A:71 --why https://ca.example.org/incident"},
    {"report", "signetctl report --output report.html\n"
               "  signetctl report --from 2026-01-01 --to 2026-04-01 --output quarter.html"},
    {"restore", "signetctl restore /backup/signet.tar --log /elsewhere/signer.log"},
    {"setup", "signetctl setup --domain ca.example.org --relay 127.0.0.1:25 "
              "--url https://acme.example.org"},
    {"status", "signetctl status"},
    {"store copy", "signetctl store copy --to \"host=db1.example.org,db2.example.org user=signet "
                   "dbname=signet\"\n"
                   "    --password-file /etc/signet/pgpass"},
    {"store reconcile", "signetctl store reconcile"},
    {"store restored", "signetctl store restored --note \"base backup of 1 March\""},
    {"top", "signetctl top"},
};

const char *ctl_example(const char *command) {
  for (gsize i = 0; i < G_N_ELEMENTS(examples); i++)
    if (strcmp(examples[i].command, command) == 0)
      return examples[i].lines;
  return NULL;
}
