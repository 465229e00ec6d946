/* SPDX-License-Identifier: Apache-2.0 */
/* The folder in which a CA is made: its files, and the transcript of all that was done with its
   keys. One command works in it at a time. */
#ifndef SIGNET_DAEMON_CA_FOLDER_H
#define SIGNET_DAEMON_CA_FOLDER_H

#include <glib.h>
#include <openssl/x509.h>

#define CA_FOLDER_TRANSCRIPT "transcript.txt"
#define CA_FOLDER_SOCKET "confirm.sock"
#define CA_FOLDER_ROOT "root.pem"
#define CA_FOLDER_ROOT_CRL "root.crl"
#define CA_FOLDER_REVOKED "root.revoked"

typedef struct {
  char *path, *command; /* command: as it was typed */
  gboolean public_ca;   /* root operations need two system users; said once, in the transcript */
  int lock;
} CaFolder;

/* Opens and locks a folder, which is made when it is missing. FALSE when its transcript is not as
   it was written, or is missing beside files of a CA. command: of ca_folder_command. */
CaFolder *ca_folder_open(const char *path, const char *command, GError **error);
void ca_folder_free(CaFolder *folder);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CaFolder, ca_folder_free)

/* A command line as the transcript has it; taken before the options are parsed. The caller frees
   it. */
char *ca_folder_command(int argc, char **argv);

/* Appends an entry, on disk when this returns: the event, the command, who (system user), when, on
   which host, with which programs; then lines, which may be NULL. */
gboolean ca_folder_record(const CaFolder *folder, const char *event, const GString *lines,
                          GError **error);

/* The transcript as it stands, checked; empty when there is none. NULL and why. */
char *ca_folder_transcript(const char *path, guint *entries, char **head, GError **error);

/* Whether a certificate is one that the transcript tells of; FALSE and why. */
gboolean ca_folder_knows(const CaFolder *folder, X509 *certificate, GError **error);
/* SHA-256 of a certificate in hexadecimal digits; the caller frees it. */
char *ca_folder_digest(X509 *certificate);

/* Lines about what was made. */
void ca_folder_say_key(GString *lines, EVP_PKEY *key, const char *where);
void ca_folder_say_certificate(GString *lines, X509 *certificate, const char *name);
void ca_folder_say_list(GString *lines, GBytes *crl, const char *name);

/* The path of a file of it; the caller frees it. */
char *ca_folder_file(const CaFolder *folder, const char *name);
/* Whether none of the files (ended by NULL) is there; FALSE and which one is. */
gboolean ca_folder_is_free(const CaFolder *folder, const char *const *names, GError **error);
/* Writes a new file; a list replaces the one before. */
gboolean ca_folder_write(const CaFolder *folder, const char *name, const char *text, int mode,
                         GError **error);
gboolean ca_folder_replace(const CaFolder *folder, const char *name, GBytes *octets,
                           GError **error);
GBytes *ca_folder_read(const char *path, GError **error);

/* "NAME (uid N)"; the caller frees it. */
char *ca_folder_user(uid_t uid);

#endif
