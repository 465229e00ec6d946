/* SPDX-License-Identifier: Apache-2.0 */
#include "mime/mail_body.h"
#include "base/clock.h"
#include "mime/mime_text.h"

#include <string.h>

#define BOUNDARY_DIGITS 40
#define MAX_LINE 76
#define PARTING "\n* * *\n\n"

char *mail_body_boundary(const char *seed, const char *purpose) {
  g_autofree char *text = g_strconcat(purpose, " ", seed, NULL);
  g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, text, -1);
  /* "=_" cannot stand in quoted-printable, nor in base64. */
  return g_strdup_printf("=_%.*s", BOUNDARY_DIGITS, digest);
}

static char *with_crlf(const char *text) {
  gsize length = strlen(text);
  GString *out = g_string_sized_new(length + length / 32);
  for (const char *end = NULL; (end = strchr(text, '\n')) != NULL; text = end + 1) {
    g_string_append_len(out, text, end - text);
    g_string_append_len(out, "\r\n", 2);
  }
  g_string_append(out, text);
  return g_string_free(out, FALSE);
}

/* text (UTF-8, LF line ends) as lines of ASCII, so that no server on the way needs 8BITMIME. */
static char *quoted_printable(const char *text) {
  GMimeEncoding encoder;
  mime_init();
  g_mime_encoding_init_encode(&encoder, GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE);
  gsize length = strlen(text);
  g_autofree char *encoded = g_malloc(g_mime_encoding_outlen(&encoder, length) + 1);
  encoded[g_mime_encoding_flush(&encoder, text, length, encoded)] = '\0';
  return with_crlf(encoded);
}

/* The lines that say which languages stand below the first. */
static void append_below(GString *out, const MailBody *body, const char *before,
                         const char *after) {
  for (guint i = 1; i < body->texts->len; i++) {
    g_autofree char *line = mail_text_plain(body->texts->pdata[i], MAIL_TEXT_BELOW, NULL);
    g_string_append(out, before);
    g_string_append(out, line);
    g_string_append(out, after);
  }
}

static char *plain_text(const MailBody *body) {
  GString *out = g_string_new(NULL);
  append_below(out, body, "", "\n");
  g_string_append(out, body->texts->len > 1 ? "\n" : "");
  for (guint i = 0; i < body->texts->len; i++) {
    g_autofree char *text = mail_text_plain(body->texts->pdata[i], body->section, body->places);
    g_string_append(out, i > 0 ? PARTING : "");
    g_string_append(out, text);
  }
  return g_string_free(out, FALSE);
}

/* Nothing in it leads or loads from elsewhere. */
static char *html_text(const MailBody *body) {
  GString *out = g_string_new(NULL);
  g_autofree char *title = g_markup_escape_text(body->places[MAIL_PLACE_SERVICE], -1);
  g_string_append_printf(out,
                         "<!DOCTYPE html>\n<html>\n<head><meta charset=\"utf-8\">"
                         "<title>%s</title></head>\n<body>\n",
                         title);
  append_below(out, body, "<p><i>", "</i></p>\n");
  for (guint i = 0; i < body->texts->len; i++) {
    g_autofree char *text = mail_text_html(body->texts->pdata[i], body->section, body->places);
    g_string_append(out, i > 0 ? "<hr>\n" : "");
    g_string_append(out, text);
  }
  g_string_append(out, "</body>\n</html>\n");
  return g_string_free(out, FALSE);
}

static void append_plain(GString *out, const char *text, const char *parameter) {
  gboolean ascii = g_str_is_ascii(text);
  g_autofree char *encoded = ascii ? with_crlf(text) : quoted_printable(text);
  g_string_append_printf(out,
                         "Content-Type: text/plain; charset=%s%s\r\n"
                         "Content-Transfer-Encoding: %s\r\n\r\n",
                         ascii ? "us-ascii" : "utf-8", parameter,
                         ascii ? "7bit" : "quoted-printable");
  g_string_append(out, encoded);
}

/* Always quoted-printable: what is escaped may make a line longer than a mail's can be. */
static void append_html(GString *out, const char *text) {
  g_autofree char *encoded = quoted_printable(text);
  g_string_append(out, "Content-Type: text/html; charset=utf-8\r\n"
                       "Content-Transfer-Encoding: quoted-printable\r\n\r\n");
  g_string_append(out, encoded);
}

char *mail_body_entity(const MailBody *body, const char *seed, const char *parameter) {
  GString *out = g_string_new(NULL);
  g_autofree char *plain = plain_text(body);
  if (!body->html) {
    append_plain(out, plain, parameter);
    return g_string_free(out, FALSE);
  }
  g_autofree char *html = html_text(body);
  g_autofree char *boundary = mail_body_boundary(seed, "alternative");
  g_string_append_printf(out,
                         "Content-Type: multipart/alternative%s;\r\n\tboundary=\"%s\"\r\n"
                         "Content-Transfer-Encoding: 7bit\r\n\r\n--%s\r\n",
                         parameter, boundary, boundary);
  append_plain(out, plain, "");
  g_string_append_printf(out, "\r\n--%s\r\n", boundary);
  append_html(out, html);
  g_string_append_printf(out, "\r\n--%s--\r\n", boundary);
  return g_string_free(out, FALSE);
}

/* Lines of at most MAX_LINE octets, the first one after "Subject: ". */
static char *folded(const char *value) {
  g_auto(GStrv) words = g_strsplit(value, " ", -1);
  GString *out = g_string_new(NULL);
  gsize line = strlen("Subject: ");
  for (char **word = words; *word != NULL; word++) {
    gboolean fits = line + 1 + strlen(*word) <= MAX_LINE;
    g_string_append(out, word == words ? "" : fits ? " " : "\r\n ");
    g_string_append(out, *word);
    line = (fits ? line : 0) + 1 + strlen(*word);
  }
  return g_string_free(out, FALSE);
}

char *mail_body_subject(const GPtrArray *texts, MailTextSection section) {
  g_autoptr(GString) subject = g_string_new(NULL);
  for (guint i = 0; i < texts->len; i++) {
    g_autofree char *text = mail_text_plain(texts->pdata[i], section, NULL);
    g_string_append_printf(subject, "%s%s", i > 0 ? " / " : "", text);
  }
  mime_init();
  g_autofree char *encoded = g_mime_utils_header_encode_text(NULL, subject->str, "utf-8");
  return folded(encoded);
}

GBytes *mail_body_message(const MailBody *body, const MailBodyHeader *header) {
  g_autofree char *date = clock_rfc5322(header->date);
  g_autofree char *subject = mail_body_subject(body->texts, header->subject);
  g_autofree char *entity = mail_body_entity(body, header->message_id, "");
  GString *text = g_string_new(NULL);
  g_string_append_printf(text, "From: %s\r\nTo: %s\r\nSubject: %s\r\n", header->from, header->to,
                         subject);
  g_string_append_printf(text, "Date: %s\r\nMessage-ID: %s\r\n", date, header->message_id);
  g_string_append_printf(text, "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n%s", entity);
  return g_string_free_to_bytes(text);
}

char *mail_body_base64(GBytes *octets) {
  gsize length = 0;
  const guint8 *data = g_bytes_get_data(octets, &length);
  g_autofree char *text = g_base64_encode(data, length);
  GString *out = g_string_new(NULL);
  for (gsize i = 0, all = strlen(text); i < all; i += 76)
    g_string_append_printf(out, "%.76s\r\n", text + i);
  return g_string_free(out, FALSE);
}
