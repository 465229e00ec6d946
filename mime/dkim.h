/* SPDX-License-Identifier: Apache-2.0 */
/* DKIM signatures (RFC 6376, 8463 Ed25519, 8616 internationalised, 8301 algorithms), made and
   checked. No I/O: the caller resolves the key questions that a check names. Messages have CRLF
   line ends. */
#ifndef SIGNET_MIME_DKIM_H
#define SIGNET_MIME_DKIM_H

#include <glib.h>
#include <openssl/evp.h>

#define DKIM_ERROR (dkim_error_quark())
GQuark dkim_error_quark(void);
typedef enum { DKIM_ERROR_KEY, DKIM_ERROR_MESSAGE } DkimError;

#define DKIM_MAX_SIGNATURES 5        /* more in one message are not looked at */
#define DKIM_MAX_FIELD_OCTETS 16384  /* of one signature field */
#define DKIM_MAX_NAMES 256           /* in h= */
#define DKIM_MAX_NAME_OCTETS 128     /* of one of them */
#define DKIM_MAX_ALGORITHM_OCTETS 64 /* of a= */
#define DKIM_MAX_RECORD_OCTETS 4096  /* of a key record */
#define DKIM_MAX_REASON_OCTETS 400
#define DKIM_MIN_RSA_BITS 1024 /* RFC 8301 section 3.2 */
#define DKIM_MAX_RSA_BITS 8192
#define DKIM_MAX_EXPONENT_BITS 64 /* of an RSA key that is not ours: what a check may cost */

/* --- signing --- */

typedef struct DkimSigner DkimSigner;

/* key: RSA of DKIM_MIN_RSA_BITS to DKIM_MAX_RSA_BITS (rsa-sha256) or Ed25519 (ed25519-sha256), kept
   by reference. DKIM_ERROR_KEY for another key or an unusable name. */
DkimSigner *dkim_signer_new(const char *domain, const char *selector, EVP_PKEY *key,
                            GError **error);
void dkim_signer_free(DkimSigner *signer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DkimSigner, dkim_signer_free)

/* The DNS name of the key record; owned by signer. */
const char *dkim_signer_question(const DkimSigner *signer);

/* The complete "DKIM-Signature: ...\r\n" field to put on top of message; relaxed/relaxed, h=
   complete and over-signed as RFC 8823 sections 3.1 and 3.2 ask, folded so that every known client
   parses it; now in milliseconds. DKIM_ERROR_MESSAGE for a malformed header, a bare CR or LF, no
   From, or a field of h= that occurs twice. The caller frees the text. */
char *dkim_sign(const DkimSigner *signer, GBytes *message, gint64 now, GError **error);

/* The TXT record for the public half of key: "v=DKIM1; k=rsa; p=...". The caller frees the text. */
char *dkim_key_record(EVP_PKEY *key, GError **error);

/* Why a TXT record that was found does not let others check what key signs (static text), or NULL:
   it does. */
const char *dkim_record_weakness(const char *record, EVP_PKEY *key);

/* --- checking --- */

typedef enum {
  DKIM_PENDING, /* the key is still to be asked for */
  DKIM_PASS,
  DKIM_FAIL,     /* the signature or the body hash is wrong */
  DKIM_UNUSABLE, /* must not count, right or not: l=, rsa-sha1, weak key, t=y, expired, malformed */
  DKIM_TEMPORARY /* the key could not be had now */
} DkimResult;

/* How the question for a key was answered. */
typedef enum { DKIM_KEY_FOUND, DKIM_KEY_NONE, DKIM_KEY_BOGUS, DKIM_KEY_TEMPORARY } DkimKeyOutcome;

/* One signature of a message. Texts are UTF-8 without control characters. */
typedef struct {
  DkimResult result;
  char *reason;        /* for a person: why it is not DKIM_PASS; NULL when it is */
  char *domain;        /* d= in lower-case A-labels; NULL when unreadable */
  char *selector;      /* s= */
  char *algorithm;     /* a= */
  char **fields;       /* h=, lower case, NULL-terminated, as often as listed; never NULL */
  char *question;      /* DNS name of the key record; NULL when the result needs none */
  char *key_record;    /* as found, cut at DKIM_MAX_RECORD_OCTETS, white space as blanks and other
                          control characters as "?"; NULL until then */
  gboolean key_secure; /* the record was validated by DNSSEC */
  gint64 expires;      /* x= in seconds since 1970, 0 when absent */
  gint64 created;      /* t= the same way; one in the future is no reason to refuse */
} DkimSignature;

void dkim_signature_free(DkimSignature *signature); /* not for one that a check owns */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DkimSignature, dkim_signature_free)

/* Keys that checks have read, at most twice DKIM_KEYS_KEPT, so that the next one need not. */
typedef struct DkimKeys DkimKeys;
#define DKIM_KEYS_KEPT 128
DkimKeys *dkim_keys_new(void);
void dkim_keys_free(DkimKeys *keys);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DkimKeys, dkim_keys_free)

typedef struct DkimCheck DkimCheck;

/* Reads the first DKIM_MAX_SIGNATURES signature fields of message (from the top) and computes what
   needs no key. Never fails: what cannot be read is DKIM_UNUSABLE with a reason; a message whose
   header cannot be read has one such signature. now in milliseconds. */
DkimCheck *dkim_check_new(GBytes *message, gint64 now);
/* keys outlives check. */
void dkim_check_use(DkimCheck *check, DkimKeys *keys);
guint dkim_check_count(const DkimCheck *check);
const DkimSignature *dkim_check_signature(const DkimCheck *check, guint i); /* owned by check */

/* Gives the answer for signature i's question: records are the TXT texts (FOUND only),
   NULL-terminated; several records are a key that cannot be used. A signature that is
   DKIM_TEMPORARY may be answered again; for one that is decided nothing happens. */
void dkim_check_key(DkimCheck *check, guint i, DkimKeyOutcome outcome, const char *const *records,
                    gboolean secure);
/* Signatures whose d= is not domain (lower-case A-labels; NULL: no d= is) are DKIM_UNUSABLE unless
   they are decided: what they say is of no use, and their keys are not worth a question. */
void dkim_check_narrow(DkimCheck *check, const char *domain);
void dkim_check_free(DkimCheck *check);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DkimCheck, dkim_check_free)

/* A record from a stranger as key_record keeps it; the caller frees it. */
char *dkim_record_clean(const char *record);

/* Whether h= lists name, in lower case, at least times times. */
gboolean dkim_signature_covers(const DkimSignature *signature, const char *name, guint times);

#endif
