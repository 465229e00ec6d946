/* SPDX-License-Identifier: Apache-2.0 */
/* S/MIME signatures over mails that Signet writes (RFC 8551 multipart/signed), their header
   protected in both ways that are in use: copies in the signed part (RFC 9788) and a signed
   attribute (RFC 7508). */
#ifndef SIGNET_MIME_SMIME_SIGN_H
#define SIGNET_MIME_SMIME_SIGN_H

#include <glib.h>

#define SMIME_ERROR (smime_error_quark())
GQuark smime_error_quark(void);
typedef enum {
  SMIME_ERROR_CERTIFICATE, /* unreadable, or not one to sign with for the address */
  SMIME_ERROR_KEY,         /* unreadable, or not the certificate's */
  SMIME_ERROR_SIGN
} SmimeError;

/* What the Content-Type of an entity must have behind its type to be given to smime_sign. */
#define SMIME_PARAMETER "; hp=\"clear\""
#define SMIME_MAX_CHAIN 8

typedef struct SmimeSigner SmimeSigner;

/* chain: PEM, the signer's certificate first, each issued by the next; key: PEM. The certificate
   must be no CA's, permit digitalSignature and emailProtection, be valid at now (milliseconds), and
   its first rfc822Name must be address. */
SmimeSigner *smime_signer_new(GBytes *chain, GBytes *key, const char *address, gint64 now,
                              GError **error);
void smime_signer_free(SmimeSigner *signer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SmimeSigner, smime_signer_free)

/* Whether the certificate is valid at now. */
gboolean smime_signer_is_valid(const SmimeSigner *signer, gint64 now);

/* The signed entity: Content-Type multipart/signed, an empty line, entity with fields as its
   header's protected copies, the signature. fields: whole header fields of the message, CRLF line
   ends, without MIME-Version and Content fields; entity as SMIME_PARAMETER says; seed as for
   mail_body_boundary. The caller frees it. */
char *smime_sign(const SmimeSigner *signer, const char *fields, const char *entity,
                 const char *seed, GError **error);

#endif
