/* SPDX-License-Identifier: Apache-2.0 */
/* The ACME challenge message (RFC 8823 section 3.1), and the answer that a client writes (3.2). */
#ifndef SIGNET_MIME_CHALLENGE_MAIL_H
#define SIGNET_MIME_CHALLENGE_MAIL_H

#include "mime/mail_text.h"
#include "mime/smime_sign.h"

#define CHALLENGE_MAIL_ERROR (challenge_mail_error_quark())
GQuark challenge_mail_error_quark(void);
typedef enum { CHALLENGE_MAIL_ERROR_FIELD, CHALLENGE_MAIL_ERROR_MESSAGE } ChallengeMailError;

#define CHALLENGE_MAX_ADDRESS_OCTETS 254
#define CHALLENGE_MAX_TOKEN_OCTETS 200
#define CHALLENGE_MIN_TOKEN_BITS 128 /* RFC 8823 section 3.1 item 1 */
#define CHALLENGE_MAX_MESSAGE_ID_OCTETS 250
#define CHALLENGE_MAX_SERVICE_OCTETS 200
#define CHALLENGE_MAX_MESSAGE_OCTETS (1024 * 1024) /* of a received one */

/* What a challenge message is made of: addr-specs without display name, one line each, printable
   ASCII; to alone may be beyond ASCII as base/mailbox.h takes it. */
typedef struct {
  const char *from;          /* as in the challenge object, byte for byte */
  const char *to;            /* the identifier, verbatim */
  const char *token;         /* token-part1 */
  const char *message_id;    /* with angle brackets */
  const char *service;       /* the CA's name or base URL, for the text */
  gint64 date;               /* milliseconds */
  const GPtrArray *texts;    /* of MailText, the body's languages, at least one */
  gboolean html;             /* multipart/alternative, not text alone */
  const char *reply_to;      /* where answers go; NULL: from */
  const SmimeSigner *signer; /* NULL: without S/MIME signature */
} ChallengeMail;

/* The unsigned message with CRLF line ends; CHALLENGE_MAIL_ERROR_FIELD when a field is missing, too
   long, or holds what could break out of its line: a control character, non-ASCII (but in to), or
   (but in service) a blank. No block marker stands in the body: one client takes any for the token.
   With a to beyond ASCII the header is that of RFC 6532, and the message
   needs SMTPUTF8. */
GBytes *challenge_mail_compose(const ChallengeMail *mail, GError **error);

/* What an ACME client reads from a challenge message that it received (CRLF line ends). */
typedef struct {
  char *from;       /* addr-spec of From */
  char *reply_to;   /* addr-spec of Reply-To, or of From when there is none */
  char *to;         /* addr-spec of To */
  char *token;      /* token-part1 from "Subject: ACME: ...": base64url, perhaps padded */
  char *subject;    /* decoded, as it stands */
  char *message_id; /* with angle brackets; NULL when missing or unfit to be repeated */
  GBytes *message;  /* as it was given; NULL when a person read it */
} ReceivedChallenge;

/* CHALLENGE_MAIL_ERROR_MESSAGE when the message is no challenge: no Auto-Submitted: auto-generated,
   a Subject with a reply prefix, no token, a field twice, not one mailbox in From, To or Reply-To
   (RFC 8823 sections 3 and 3.1). Does not check DKIM, nor an S/MIME signature (smime_check.h). */
ReceivedChallenge *received_challenge_read(GBytes *message, GError **error);
void received_challenge_free(ReceivedChallenge *challenge);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReceivedChallenge, received_challenge_free)

/* The response message without DKIM signature, with an S/MIME one when signer is given, CRLF: From
   identifier (perhaps beyond ASCII), To the reply address, "Re: " and the challenge's label and
   token as Subject, In-Reply-To, References, and the block with digest (base64url, 32 octets).
   message_id with angle brackets; date in milliseconds. CHALLENGE_MAIL_ERROR_FIELD as above. */
GBytes *challenge_reply_compose(const ReceivedChallenge *challenge, const char *identifier,
                                const char *digest, const char *message_id, gint64 date,
                                const SmimeSigner *signer, GError **error);

#endif
