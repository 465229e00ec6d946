/* SPDX-License-Identifier: Apache-2.0 */
/* signetctl: what an operator does. Commands are "signetctl NOUN VERB
   [OPTION...]", some have one word alone. */
#include "daemon/ctl.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>

static const struct {
  const char *noun, *verb, *help;
  int (*run)(int argc, char **argv);
} commands[] = {
    {"audit", "export", "write the audit log as JSON lines", ctl_audit_export_command},
    {"audit", "key", "make the key that signs its checkpoints", ctl_audit_key},
    {"audit", "verify", "verify the audit log, of the store or exported", ctl_audit_verify},
    {"backup", NULL, "write store, signer's log and configuration to a file", ctl_backup},
    {"ca", "init", "make a root and an issuing CA", ctl_ca_init},
    {"ca", "root", "make a root alone", ctl_ca_root},
    {"ca", "issuing", "make an issuing CA below it", ctl_ca_issuing},
    {"ca", "cross", "make a cross certificate for another CA", ctl_ca_cross},
    {"ca", "csr", "make a request for an issuing CA below another root", ctl_ca_csr},
    {"ca", "import", "check and take what that root's CA answered", ctl_ca_import},
    {"ca", "crl", "make a new revocation list of the root, revoke a CA", ctl_ca_crl},
    {"ca", "confirm", "confirm what another user asked a root's key to sign", ctl_ca_confirm},
    {"ca", "show", "print what CAs there are, and when they end", ctl_ca_show},
    {"ca", "transcript", "check and print what was done with CA keys", ctl_ca_transcript},
    {"certificate", "revoke", "revoke certificates: single ones, of a key, a mailbox, a domain",
     ctl_certificate_revoke},
    {"check", "all", "check certificates, revocation lists and audit log", ctl_check_all},
    {"check", "audit", "verify the audit log of the store", ctl_check_audit},
    {"check", "certs", "check every certificate anew", ctl_check_certs},
    {"check", "crl", "check every revocation list anew", ctl_check_crl},
    {"check", "sample", "draw the sample of a self-audit", ctl_check_sample},
    {"dkim", "init", "make a DKIM key and print its DNS record", ctl_dkim_init},
    {"dns", "check", "tell what is missing or wrong in the DNS", ctl_dns_check},
    {"dns", "show", "print the records that the DNS needs", ctl_dns_show},
    {"eab", "add", "make a key for external account binding", ctl_eab_add},
    {"eab", "list", "list these keys", ctl_eab_list},
    {"eab", "revoke", "revoke one of them", ctl_eab_revoke},
    {"evidence", "export", "write everything that led to a certificate to a file",
     ctl_evidence_export},
    {"evidence", "show", "tell it, and check it", ctl_evidence_show},
    {"evidence", "verify", "check such files, without store or network", ctl_evidence_verify},
    {"health", NULL, "tell whether the server serves, for programs", ctl_health},
    {"issuance", "stop", "stop signing certificates", ctl_issuance_stop},
    {"issuance", "start", "let it go on", ctl_issuance_start},
    {"issuance", "show", "whether certificates are signed, and if not, why", ctl_issuance_show},
    {"key", "block", "refuse a key from now on", ctl_key_block},
    {"key", "list", "list the blocked keys", ctl_key_list},
    {"limit", "set", "set another limit for one subject", ctl_limit_set},
    {"limit", "clear", "remove it", ctl_limit_clear},
    {"limit", "list", "list these limits", ctl_limit_list},
    {"mail", "ingest", "hand a message over, for the pipe of a mail server", ctl_mail_ingest},
    {"metrics", NULL, "print the numbers of a server, for Prometheus", ctl_metrics},
    {"order", "list", "list orders, newest first", ctl_order_list},
    {"order", "show", "tell what happened to an order, and why", ctl_order_show},
    {"purge", "show", "tell what will be removed, and when", ctl_purge_show},
    {"renewal", "ask", "ask clients to renew certificates at once", ctl_renewal_ask},
    {"report", NULL, "write what happened as a page with plots", ctl_report_page},
    {"restore", NULL, "put the store back from such a file", ctl_restore},
    {"setup", NULL, "make everything that a server needs", ctl_setup},
    {"status", NULL, "tell how the server does, for people", ctl_status},
    {"store", "copy", "copy a store on SQLite to PostgreSQL", ctl_store_copy},
    {"store", "reconcile", "enter what a restored store does not know", ctl_store_reconcile},
    {"store", "restored", "say that the database was put back by other means", ctl_store_restored},
    {"top", NULL, "show a server live in the terminal", ctl_top},
};

/* The commands of a noun, or all for NULL; whether there is one. */
static gboolean print_commands(const char *noun) {
  gboolean found = FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS(commands); i++)
    if (noun == NULL || strcmp(commands[i].noun, noun) == 0) {
      if (!found)
        printf("Usage: signetctl %s%sCOMMAND [OPTION...]\n\nCommands (each has --help):\n",
               noun != NULL ? noun : "", noun != NULL ? " " : "");
      printf("  %-11s %-10s %s\n", commands[i].noun,
             commands[i].verb != NULL ? commands[i].verb : "", commands[i].help);
      found = TRUE;
    }
  return found;
}

static int usage(void) {
  print_commands(NULL);
  printf("\n  --version  print the version\n  --help     print this\n");
  return CTL_DONE;
}

static gboolean is_help(const char *word) {
  return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

int main(int argc, char **argv) {
  setlocale(LC_ALL, "");
  g_set_prgname("signetctl");
  if (argc == 2 && strcmp(argv[1], "--version") == 0) {
    printf("signetctl %s\n", SIGNET_VERSION);
    return CTL_DONE;
  }
  if (argc >= 2 && is_help(argv[1]))
    return usage();
  for (gsize i = 0; i < G_N_ELEMENTS(commands); i++) {
    int words = commands[i].verb != NULL ? 2 : 1;
    if (argc > words && strcmp(argv[1], commands[i].noun) == 0 &&
        (words == 1 || strcmp(argv[2], commands[i].verb) == 0))
      return commands[i].run(argc - words, argv + words);
  }
  if (argc == 3 && is_help(argv[2]) && print_commands(argv[1]))
    return CTL_DONE;
  if (argc < 2)
    return ctl_misused("needs a command");
  return ctl_misused("there is no command \"%s%s%s\"", argv[1], argc > 2 ? " " : "",
                     argc > 2 ? argv[2] : "");
}
