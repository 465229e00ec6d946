/* SPDX-License-Identifier: Apache-2.0 */
/* A message between the 354 to DATA and the dot that ends it (RFC 5321 section 4.5.2): lines in,
   dots unstuffed, bounds kept. Internal to smtp/. */
#ifndef SIGNET_SMTP_CONTENT_H
#define SIGNET_SMTP_CONTENT_H

#include <glib.h>

/* What is answered to a message that is not taken; static texts. */
typedef struct {
  int code;
  const char *enhanced, *text;
} SmtpFailure;

typedef enum {
  SMTP_CONTENT_MORE, /* give more octets behind those that were not taken */
  SMTP_CONTENT_END,  /* the dot was there */
  SMTP_CONTENT_CLOSE /* nothing of it can be trusted, or it does not end: close the session */
} SmtpContentEvent;

typedef struct SmtpContent SmtpContent;

/* max: octets; a message that breaks a bound is read on and dropped, one of more than twice as many
   is not even dropped. */
SmtpContent *smtp_content_new(gsize max);
void smtp_content_free(SmtpContent *content);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SmtpContent, smtp_content_free)

/* Reads lines; *taken: octets of text that are done with. */
SmtpContentEvent smtp_content_feed(SmtpContent *content, const char *text, gsize length,
                                   gsize *taken);
/* The first thing wrong with it: at its end why it is refused, at CLOSE why the session ends; NULL:
   nothing. Belongs to content. */
const SmtpFailure *smtp_content_failure(const SmtpContent *content);
/* The message behind received, a whole header field. Frees content. */
GBytes *smtp_content_finish(SmtpContent *content, const char *received);

#endif
