/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of signetctl, one file a noun. argv[0] is the verb, or the noun of a
   command without one. */
#ifndef SIGNET_DAEMON_CTL_H
#define SIGNET_DAEMON_CTL_H

#include <glib.h>

enum { CTL_DONE = 0, CTL_FAILED = 1, CTL_USAGE = 2 }; /* exit status */

int ctl_audit_key(int argc, char **argv);
int ctl_audit_verify(int argc, char **argv);
int ctl_audit_export_command(int argc, char **argv);
int ctl_backup(int argc, char **argv);
int ctl_ca_confirm(int argc, char **argv);
int ctl_ca_crl(int argc, char **argv);
int ctl_ca_cross(int argc, char **argv);
int ctl_ca_csr(int argc, char **argv);
int ctl_ca_import(int argc, char **argv);
int ctl_ca_init(int argc, char **argv);
int ctl_ca_issuing(int argc, char **argv);
int ctl_ca_root(int argc, char **argv);
int ctl_ca_show(int argc, char **argv);
int ctl_ca_transcript(int argc, char **argv);
int ctl_certificate_revoke(int argc, char **argv);
int ctl_check_all(int argc, char **argv);
int ctl_check_audit(int argc, char **argv);
int ctl_check_certs(int argc, char **argv);
int ctl_check_crl(int argc, char **argv);
int ctl_check_sample(int argc, char **argv);
int ctl_dkim_init(int argc, char **argv);
int ctl_dns_check(int argc, char **argv);
int ctl_dns_show(int argc, char **argv);
int ctl_eab_add(int argc, char **argv);
int ctl_eab_list(int argc, char **argv);
int ctl_eab_revoke(int argc, char **argv);
int ctl_evidence_export(int argc, char **argv);
int ctl_evidence_show(int argc, char **argv);
int ctl_evidence_verify(int argc, char **argv);
int ctl_health(int argc, char **argv);
int ctl_issuance_stop(int argc, char **argv);
int ctl_issuance_start(int argc, char **argv);
int ctl_issuance_show(int argc, char **argv);
int ctl_key_block(int argc, char **argv);
int ctl_key_list(int argc, char **argv);
int ctl_limit_set(int argc, char **argv);
int ctl_limit_clear(int argc, char **argv);
int ctl_limit_list(int argc, char **argv);
int ctl_mail_ingest(int argc, char **argv);
int ctl_metrics(int argc, char **argv);
int ctl_order_list(int argc, char **argv);
int ctl_order_show(int argc, char **argv);
int ctl_purge_show(int argc, char **argv);
int ctl_renewal_ask(int argc, char **argv);
int ctl_report_page(int argc, char **argv);
int ctl_restore(int argc, char **argv);
int ctl_setup(int argc, char **argv);
int ctl_status(int argc, char **argv);
int ctl_store_copy(int argc, char **argv);
int ctl_store_reconcile(int argc, char **argv);
int ctl_store_restored(int argc, char **argv);
int ctl_top(int argc, char **argv);

/* Parses the options of a command; prints and returns FALSE when they are wrong. */
gboolean ctl_options(const char *command, const char *summary, const GOptionEntry *options,
                     int argc, char **argv);
/* An option entry for what stands on the line beside options; words is a char **, NULL for none. */
#define CTL_WORDS(words, shown)                                                                    \
  { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, &(words), NULL, shown }
/* Whether there are as many of them as wanted; prints and returns FALSE otherwise. */
gboolean ctl_count_words(char **words, guint wanted, const char *shown);
/* Prints what is wrong with the command line, and where its help is; returns CTL_USAGE. */
int ctl_misused(const char *format, ...) G_GNUC_PRINTF(1, 2);
/* How a command is used, as its --help ends, from a table; NULL for one that needs no example. */
const char *ctl_example(const char *command);
/* Sets an error of G_IO_ERROR with a text for people; returns FALSE. */
gboolean ctl_fail(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* Prints what went wrong; returns CTL_FAILED. */
int ctl_failed(const char *what, GError **error);
/* Writes a new file, whole or not at all; refuses to replace one. */
gboolean ctl_write_new(const char *path, const void *content, gsize length, int mode,
                       GError **error);
/* The first line of a file that holds a passphrase; path NULL: NULL without error. */
char *ctl_passphrase(const char *path, GError **error);

#endif
