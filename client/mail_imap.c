/* SPDX-License-Identifier: Apache-2.0 */
/* --mail imap: what arrives in a folder of an IMAP server. Nothing in it is changed. A connection
   that is lost is made again. */
#include "client/failure.h"
#include "client/imap_session.h"
#include "client/mail_way.h"
#include "client/output.h"

#define AGAIN_SECONDS 5
#define FAILURES_MAX 10 /* in a row */

typedef struct {
  MailWay way;
  const MailReplier *replier;
  MailServer server;
  char *folder;
  ImapSession *session;   /* NULL: lost */
  guint32 validity, next; /* of the folder, and the first UID that was not looked at */
  GArray *waiting;        /* UIDs (guint32) that were found and not looked at */
  guint failures;
} MailImap;

/* After a change of UIDVALIDITY the numbers are others: only what comes from then on counts. */
static gboolean connect_again(MailImap *imap, GError **error) {
  imap->session = imap_session_new(&imap->server, imap->folder, error);
  if (imap->session == NULL)
    return FALSE;
  if (imap->validity != imap_session_validity(imap->session)) {
    imap->validity = imap_session_validity(imap->session);
    imap->next = imap_session_next_uid(imap->session);
    g_array_set_size(imap->waiting, 0);
  }
  return TRUE;
}

/* *mail stays NULL when there is none to look at, or it is no challenge. */
static gboolean look(MailImap *imap, ReceivedChallenge **mail, GError **error) {
  if (imap->waiting->len == 0) {
    g_autoptr(GArray) found = imap_session_search(imap->session, imap->next, error);
    if (found == NULL)
      return FALSE;
    g_array_append_vals(imap->waiting, found->data, found->len);
  }
  while (imap->waiting->len > 0 && *mail == NULL) {
    guint32 uid = g_array_index(imap->waiting, guint32, 0);
    g_autoptr(GError) reason = NULL;
    g_autoptr(GBytes) message =
        imap_session_fetch(imap->session, uid, MAIL_WAY_MAX_MESSAGE + 1, &reason);
    if (reason != NULL) {
      g_propagate_error(error, g_steal_pointer(&reason));
      return FALSE;
    }
    imap->next = MAX(imap->next, uid + 1);
    g_array_remove_index(imap->waiting, 0);
    if (message != NULL)
      *mail = mail_way_read(g_bytes_get_data(message, NULL), g_bytes_get_size(message));
  }
  return TRUE;
}

static gboolean receive(MailImap *imap, gint64 milliseconds, ReceivedChallenge **mail,
                        GError **error) {
  gboolean news = FALSE;
  if (imap->session == NULL && !connect_again(imap, error))
    return FALSE;
  if (!look(imap, mail, error))
    return FALSE;
  if (*mail != NULL)
    return TRUE;
  return imap_session_wait(imap->session, milliseconds, &news, error) &&
         (!news || look(imap, mail, error));
}

static gboolean mail_imap_receive(MailWay *way, const GPtrArray *proofs, gint64 milliseconds,
                                  ReceivedChallenge **mail, GError **error) {
  MailImap *imap = (MailImap *)way;
  g_autoptr(GError) reason = NULL;
  (void)proofs;
  *mail = NULL;
  if (receive(imap, milliseconds, mail, &reason)) {
    imap->failures = 0;
    return TRUE;
  }
  g_clear_pointer(&imap->session, imap_session_free);
  if (++imap->failures > FAILURES_MAX) {
    g_propagate_error(error, g_steal_pointer(&reason));
    return FALSE;
  }
  output_step("note", "%s; trying again", reason->message);
  g_usleep((gulong)MIN(milliseconds * 1000, AGAIN_SECONDS * G_USEC_PER_SEC));
  return TRUE;
}

static gboolean mail_imap_reply(MailWay *way, const Proof *proof, const ReceivedChallenge *mail,
                                const char *digest, GError **error) {
  return mail_replier_send(((MailImap *)way)->replier, proof->address, mail, digest, error);
}

static void mail_imap_free(MailWay *way) {
  MailImap *imap = (MailImap *)way;
  imap_session_free(imap->session);
  g_array_unref(imap->waiting);
  g_free(imap->folder);
  g_free(imap);
}

static const MailWayKind mail_imap_kind = {
    .receive = mail_imap_receive,
    .reply = mail_imap_reply,
    .free = mail_imap_free,
};

MailWay *mail_imap_new(const MailServer *server, const char *folder, const MailReplier *replier,
                       GError **error) {
  MailImap *imap = g_new0(MailImap, 1);
  imap->way.kind = &mail_imap_kind;
  imap->replier = replier;
  imap->server = *server;
  imap->folder = g_strdup(folder);
  imap->waiting = g_array_new(FALSE, FALSE, sizeof(guint32));
  if (connect_again(imap, error))
    return &imap->way;
  mail_imap_free(&imap->way);
  return NULL;
}
