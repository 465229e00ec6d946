/* SPDX-License-Identifier: Apache-2.0 */
/* Paths of MAIL and RCPT (RFC 5321 section 4.1.2, RFC 6531 section 3.3) and the parameters behind
   them. Wider than base/mailbox.h: a stranger's reverse-path may be quoted or have an address
   literal. */
#ifndef SIGNET_SMTP_PATH_H
#define SIGNET_SMTP_PATH_H

#include <glib.h>

#define SMTP_MAX_PATH 254 /* octets between the angle brackets (RFC 5321 section 4.5.3.1.3) */
#define SMTP_MAX_LOCAL 64 /* octets of a local part (section 4.5.3.1.1) */

/* Takes "<...>" from the front of *text and moves *text behind it. Gives what stands between the
   brackets: "" for the null path, a local part alone (only "postmaster" may come so: the caller
   looks), or local@domain. Source routes, blanks, control characters and malformed UTF-8 are
   refused: NULL, and *problem says what is wrong. The caller frees the path. */
char *smtp_path_take(const char **text, const char **problem);

/* What may follow the reverse-path (RFC 1870, 6152, 6531). */
typedef struct {
  guint64 size;  /* 0: not said */
  gboolean body; /* BODY= was given */
  gboolean utf8; /* SMTPUTF8 was given */
} SmtpMailParameters;

typedef enum {
  SMTP_PARAMETERS_GOOD,
  SMTP_PARAMETERS_MALFORMED, /* 501 */
  SMTP_PARAMETERS_UNKNOWN    /* 555 */
} SmtpParametersResult;

/* text: all that follows the path. */
SmtpParametersResult smtp_mail_parameters_parse(const char *text, SmtpMailParameters *parameters);

#endif
