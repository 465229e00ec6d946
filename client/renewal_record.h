/* SPDX-License-Identifier: Apache-2.0 */
/* FOLDER/NAME.renewal: what a certificate was requested with, so that a renewal uses the same, and
   how far its renewal has come. */
#ifndef SIGNET_CLIENT_RENEWAL_RECORD_H
#define SIGNET_CLIENT_RENEWAL_RECORD_H

#include "client/renewal_time.h"
#include "client/request_options.h"

#define RENEWAL_RECORD_ENDING ".renewal"

typedef struct {
  RequestOptions *options; /* whole, as of a command line */
  GKeyFile *file;          /* as it was loaded; NULL: it was not */
  char *identifier;        /* of the certificate that state is about; NULL: of none */
  RenewalState state;
  char *explanation; /* the server's page about its window; NULL */
  char *failure;     /* why the last renewal failed; NULL */
  char *order;       /* URL of an order that has not led to files yet; NULL */
  gboolean hook_due; /* it has not run, or failed, since the files are there */
} RenewalRecord;

/* For a certificate that was not requested yet; takes options. */
RenewalRecord *renewal_record_new(RequestOptions *options);

/* The record of FOLDER/NAME. given: options of this run, which take the place of what is kept;
   NULL: none. CLIENT_LOCAL, CLIENT_USAGE with what is wrong with the options. */
RenewalRecord *renewal_record_load(const char *folder, const char *name,
                                   const RequestOptions *given, GError **error);
/* Of a record that was loaded the options stay as they were kept. */
gboolean renewal_record_save(const RenewalRecord *record, GError **error);

/* That the record is about another certificate from now on; when it is that of record's order, its
   hook is due. */
void renewal_record_turn_to(RenewalRecord *record, const char *identifier);

void renewal_record_free(RenewalRecord *record);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RenewalRecord, renewal_record_free)

#endif
