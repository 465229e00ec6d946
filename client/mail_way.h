/* SPDX-License-Identifier: Apache-2.0 */
/* How challenge mail comes to the client and how the response leaves it: one interface, one file a
 * way. */
#ifndef SIGNET_CLIENT_MAIL_WAY_H
#define SIGNET_CLIENT_MAIL_WAY_H

#include "client/mail_replier.h"
#include "client/proof.h"

#define MAIL_WAY_MAX_MESSAGE (256 * 1024) /* octets of a message that is read */

typedef struct MailWay MailWay;

/* receive: waits at most milliseconds; TRUE with *mail NULL when nothing came that could be a
   challenge, FALSE when nothing more can come by this way although a proof awaits mail. It is also
   how the client sleeps. reply: hands the response over; digest is base64url text. settle: told of
   each mail whether it is answered, before it is; NULL where nobody asks. */
typedef struct {
  gboolean (*receive)(MailWay *way, const GPtrArray *proofs, gint64 milliseconds,
                      ReceivedChallenge **mail, GError **error);
  gboolean (*reply)(MailWay *way, const Proof *proof, const ReceivedChallenge *mail,
                    const char *digest, GError **error);
  void (*settle)(MailWay *way, gboolean answered);
  void (*free)(MailWay *way);
} MailWayKind;

/* The first member of each way. */
struct MailWay {
  const MailWayKind *kind;
};

/* A person reads the mail, pastes its token on input (a descriptor that stays the caller's) and
   sends the response. */
MailWay *mail_print_new(int input);

/* Takes what arrives in a maildir after this call. replier is kept, not owned, here and below.
   CLIENT_LOCAL when folder is no maildir. */
MailWay *mail_maildir_new(const char *folder, const MailReplier *replier, GError **error);

/* Takes messages from input, each ended by a line "." or the end. */
MailWay *mail_pipe_new(int input, const MailReplier *replier);

/* Takes mail for addresses (NULL-terminated) as an SMTP server on listen ("address:port"). */
MailWay *mail_listen_new(const char *listen, const char *const *addresses,
                         const MailReplier *replier, GError **error);

/* Takes what arrives in a folder of an IMAP server after this call, by IDLE. server's texts are
   kept, not owned. CLIENT_NETWORK when there is no such server, login or folder. */
MailWay *mail_imap_new(const MailServer *server, const char *folder, const MailReplier *replier,
                       GError **error);

/* Takes what the gateway whose socket is path gets for addresses (NULL-terminated). CLIENT_LOCAL
   when there is none. */
MailWay *mail_gateway_new(const char *path, const char *const *addresses,
                          const MailReplier *replier, GError **error);

/* A challenge from a raw message with any line ends; NULL when it is none (said as progress). */
ReceivedChallenge *mail_way_read(const void *data, gsize length);

static inline void mail_way_free(MailWay *way) {
  if (way != NULL)
    way->kind->free(way);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MailWay, mail_way_free)

#endif
