/* SPDX-License-Identifier: Apache-2.0 */
/* The files of one certificate: OUT/NAME.key, .pem, .p12, .p12.password, NAME from the first
 * address. */
#ifndef SIGNET_CLIENT_CERTIFICATE_FILES_H
#define SIGNET_CLIENT_CERTIFICATE_FILES_H

#include "client/certificate_chain.h"

/* OUT/NAME with the ending: the local part of address with "/" as "_". The caller frees it. */
char *certificate_files_path(const char *folder, const char *address, const char *ending);

/* Writes .pem and .p12 of address into folder. password_file NULL: the password stands in
   .p12.password, where one of an earlier run is kept. Fails with CLIENT_LOCAL. */
gboolean certificate_files_write(const char *folder, const char *address, EVP_PKEY *key,
                                 const CertificateStack *chain, const char *password_file,
                                 GError **error);

#endif
