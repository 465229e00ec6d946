/* SPDX-License-Identifier: Apache-2.0 */
/* The signer's own append-only log: every signature that may exist stands here (ca-rules 34). */
#ifndef SIGNET_CA_SIGNER_LOG_H
#define SIGNET_CA_SIGNER_LOG_H

#include "ca/issuer.h"
#include "ca/signer_frame.h"

typedef struct SignerLog SignerLog;

/* fd: opened read-write and append; owned from now on, also when this fails. Reads what is there;
   what one sync wrote last is cut off when a crash cut it short (it never left the process).
   CA_ERROR_LOG when anything before that is damaged, or when the same tbs is there twice. */
SignerLog *signer_log_new(int fd, GError **error);
void signer_log_free(SignerLog *log);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SignerLog, signer_log_free)

/* The certificate logged for the SHA-256 of tbs, also one appended and not yet synced; NULL without
   an error when there is none. The caller unrefs it. */
GBytes *signer_log_find(SignerLog *log, GBytes *tbs, GError **error);

/* Appends {time, hash of tbs, certificate} in memory; not yet durable. CA_ERROR_LOG when tbs is
 * there already. */
gboolean signer_log_append(SignerLog *log, gint64 now, GBytes *tbs, GBytes *certificate,
                           GError **error);

/* Writes all that was appended as one frame, and fsync: only after this may the certificates
   appended leave the process. After a failure the log refuses everything: end the process and read
   the file anew. */
gboolean signer_log_sync(SignerLog *log, GError **error);

/* Records appended with a time of now - 1 h or later, for the hourly cap. */
guint signer_log_last_hour(const SignerLog *log, gint64 now);

/* Reads a log that another process writes: found is told each record in order. torn: the last frame
   is cut short, which a write that goes on may also look like. FALSE: damaged, CA_ERROR_LOG. */
gboolean signer_log_scan(const guint8 *data, gsize size,
                         void (*found)(const SignerRecord *record, gpointer user), gpointer user,
                         gboolean *torn, GError **error);

/* How many octets at the begin of a log are whole frames; FALSE: damaged, CA_ERROR_LOG. */
gboolean signer_log_whole(const guint8 *data, gsize size, gsize *whole, GError **error);

#endif
