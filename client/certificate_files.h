/* SPDX-License-Identifier: Apache-2.0 */
/* The files of one certificate: FOLDER/NAME.key, .pem, .p12, .p12.password; of those it replaced
   FOLDER/old/NAME.SERIAL.key, .pem, .p12, which are never deleted: old mail is read with them. */
#ifndef SIGNET_CLIENT_CERTIFICATE_FILES_H
#define SIGNET_CLIENT_CERTIFICATE_FILES_H

#include "client/certificate_chain.h"
#include "client/pkcs12.h"

/* Where they are and how they are written. */
typedef struct {
  const char *folder, *name;
  const char *key;           /* in place of FOLDER/NAME.key; NULL: that one */
  const char *password_file; /* in place of .p12.password, where one of an earlier run is kept */
  Pkcs12Form p12;
} CertificateFiles;

/* The preset name: the local part of address with "/" as "_". The caller frees it. */
char *certificate_files_name(const char *address);
/* Whether a file may be called so: not empty, no "/", no dot in front. */
gboolean certificate_files_name_fits(const char *name);

/* FOLDER/NAME with the ending; the key's path; that of a new key until it is in place. The caller
   frees them. */
char *certificate_files_path(const CertificateFiles *files, const char *ending);
char *certificate_files_key(const CertificateFiles *files);
char *certificate_files_new_key(const CertificateFiles *files);

/* The chain in .pem; NULL without error when there is no such file. CLIENT_LOCAL, here and below.
 */
CertificateStack *certificate_files_load(const CertificateFiles *files, GError **error);

/* Puts .pem and .p12 of key beside the new key, or the one that stays, and then all three in place.
   What was there before is kept first when the key changes. A crash leaves the old files, or what
   certificate_files_finish makes the new ones of. */
gboolean certificate_files_write(const CertificateFiles *files, EVP_PKEY *key,
                                 const CertificateStack *chain, GError **error);

/* What a crash left undone. */
gboolean certificate_files_finish(const CertificateFiles *files, GError **error);

#endif
