/* SPDX-License-Identifier: Apache-2.0 */
/* A session with an IMAP server. libcurl connects, does TLS and the login; it has no call for IDLE
   (RFC 2177), so that what comes after that is spoken here, over its connection
   (CURLOPT_CONNECT_ONLY, curl_easy_send, curl_easy_recv). */
#ifndef SIGNET_CLIENT_IMAP_SESSION_H
#define SIGNET_CLIENT_IMAP_SESSION_H

#include "client/mail_submission.h"

#define IMAP_SECONDS 60 /* for the server to answer a command */

typedef struct ImapSession ImapSession;

/* Connects, logs in and opens folder to read only. CLIENT_NETWORK with the server's words. */
ImapSession *imap_session_new(const MailServer *server, const char *folder, GError **error);
void imap_session_free(ImapSession *session);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImapSession, imap_session_free)

/* As the server said when the folder was opened: what the numbers of messages are good for, and the
   first that a message to come can have. */
guint32 imap_session_validity(const ImapSession *session);
guint32 imap_session_next_uid(const ImapSession *session);

/* The UIDs of messages from this one on (of guint32). All below fail with CLIENT_NETWORK, and the
   session is of no use then. */
GArray *imap_session_search(ImapSession *session, guint32 from, GError **error);

/* At most max octets of a message, which stays unread; NULL without error when it is gone. */
GBytes *imap_session_fetch(ImapSession *session, guint32 uid, gsize max, GError **error);

/* Waits at most milliseconds for news in the folder: by IDLE, or where the server does not have it
   by a NOOP each few seconds. *news: whether there is any. The next call goes on with the same
   IDLE. */
gboolean imap_session_wait(ImapSession *session, gint64 milliseconds, gboolean *news,
                           GError **error);

#endif
