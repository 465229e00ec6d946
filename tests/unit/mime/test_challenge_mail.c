/* SPDX-License-Identifier: Apache-2.0 */
/* The challenge message (interop.md items 8 to 12, security.md item 18), and the client's side of
 * it. */
#include "mime/challenge_mail.h"
#include "mime/mime_text.h"
#include "mime/reply.h"

#include <string.h>

#define TOKEN "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcY"
#define DIGEST "g9sBPrAWo-kOYYEMSdrXpi1QELX6VAH3N1MBZtZPYHo"
#define FROM "acme-challenge+abcdefghijklmnopqrstuvwx01@ca.example"

static const ChallengeMail good = {
    .from = FROM,
    .to = "User.Name@example.org",
    .token = TOKEN,
    .message_id = "<1.2@ca.example>",
    .service = "https://ca.example/acme (Example CA)",
    .date = G_GINT64_CONSTANT(1700000000000),
};

/* Names the case of a table in the log, made fit for TAP. */
static void note(const char *text) {
  g_autofree char *escaped = g_strescape(text == NULL ? "(null)" : text, NULL);
  g_test_message("%s", escaped);
}

static char *text_of(GBytes *bytes) {
  return g_strndup(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
}

/* Of MailText, from the built-in files. */
static GPtrArray *texts_of(const char *const *languages) {
  GPtrArray *texts = g_ptr_array_new_with_free_func((GDestroyNotify)mail_text_free);
  for (; *languages != NULL; languages++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) file = mail_text_built_in(*languages);
    g_ptr_array_add(texts, mail_text_read(*languages, file, &error));
    g_assert_no_error(error);
  }
  return texts;
}

/* In English when the mail names no texts. */
static GBytes *compose(const ChallengeMail *mail) {
  static const char *const english[] = {"en", NULL};
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) texts = texts_of(english);
  ChallengeMail whole = *mail;
  whole.texts = mail->texts != NULL ? mail->texts : texts;
  GBytes *bytes = challenge_mail_compose(&whole, &error);
  g_assert_no_error(error);
  return bytes;
}

static void test_header(void) {
  static const char expected[] = "From: " FROM "\r\n"
                                 "Reply-To: " FROM "\r\n"
                                 "To: User.Name@example.org\r\n"
                                 "Subject: ACME: " TOKEN "\r\n"
                                 "Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n"
                                 "Message-ID: <1.2@ca.example>\r\n"
                                 "Auto-Submitted: auto-generated; type=acme\r\n"
                                 "MIME-Version: 1.0\r\n"
                                 "Content-Type: text/plain; charset=us-ascii\r\n"
                                 "Content-Transfer-Encoding: 7bit\r\n"
                                 "\r\n";
  g_autoptr(GBytes) bytes = compose(&good);
  g_autofree char *text = text_of(bytes);
  g_autofree char *header = g_strndup(text, sizeof expected - 1);
  g_assert_cmpstr(header, ==, expected);
}

static void test_body(void) {
  g_autoptr(GBytes) bytes = compose(&good);
  g_autofree char *text = text_of(bytes);
  const char *body = strstr(text, "\r\n\r\n") + 4;
  g_assert_nonnull(strstr(body, good.service));
  g_assert_nonnull(strstr(body, good.to));
  g_assert_nonnull(strstr(body, "token-part1"));
  g_assert_nonnull(strstr(body, "do not reply"));
  g_assert_null(strstr(body, "-----BEGIN"));
  g_assert_null(strstr(body, TOKEN));
  g_auto(GStrv) lines = g_strsplit(body, "\r\n", -1);
  for (char **line = lines; *line != NULL; line++) {
    g_assert_cmpuint(strlen(*line), <=, 78);
    g_assert_null(strpbrk(*line, "\r\n"));
    g_assert_true(g_str_is_ascii(*line));
    g_assert_false(g_str_has_prefix(*line, "."));
    g_assert_false(g_str_has_prefix(*line, "From "));
  }
}

#define ANNA "\u0430\u043d\u043d\u0430@b\u00fccher.example"

/* RFC 6532: raw in the field; the body stays ASCII, and says the same as ever. */
static void test_internationalised(void) {
  ChallengeMail mail = good;
  mail.to = ANNA;
  g_autoptr(GBytes) bytes = compose(&mail), plain = compose(&good);
  g_autofree char *text = text_of(bytes), *plain_text = text_of(plain);
  char *body = strstr(text, "\r\n\r\n") + 4;
  g_assert_nonnull(strstr(text, "\r\nTo: " ANNA "\r\n"));
  g_assert_true(g_str_has_prefix(text, "From: " FROM "\r\nReply-To: " FROM "\r\n"));
  g_assert_nonnull(strstr(text, "Content-Type: text/plain; charset=utf-8\r\n"
                                "Content-Transfer-Encoding: quoted-printable\r\n\r\n"));
  g_assert_true(g_str_is_ascii(body));
  g_auto(GStrv) lines = g_strsplit(body, "\r\n", -1);
  for (char **line = lines; *line != NULL; line++)
    g_assert_cmpuint(strlen(*line), <=, 76);
  g_autofree char *decoded = g_strdup(body);
  GMimeEncoding decoder;
  g_mime_encoding_init_decode(&decoder, GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE);
  decoded[g_mime_encoding_flush(&decoder, body, strlen(body), decoded)] = '\0';
  g_auto(GStrv) parts = g_strsplit(strstr(plain_text, "\r\n\r\n") + 4, good.to, -1);
  g_autofree char *expected = g_strjoinv(ANNA, parts);
  g_assert_cmpstr(decoded, ==, expected);
}

/* What one part of a multipart/alternative says, decoded. */
static char *part_text(const char *entity) {
  const char *body = strstr(entity, "\r\n\r\n") + 4;
  GMimeEncoding decoder;
  g_autofree char *header = g_strndup(entity, (gsize)(body - entity));
  gboolean quoted = strstr(header, "quoted-printable") != NULL;
  g_mime_encoding_init_decode(&decoder, quoted ? GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE
                                               : GMIME_CONTENT_ENCODING_7BIT);
  char *decoded = g_strdup(body);
  decoded[g_mime_encoding_flush(&decoder, body, strlen(body), decoded)] = '\0';
  return decoded;
}

/* The text and the same in HTML, in this order (RFC 2046 section 5.1.4). */
static char **alternatives(GBytes *bytes) {
  g_autofree char *text = text_of(bytes);
  const char *type = strstr(text, "Content-Type: multipart/alternative;\r\n\tboundary=\"");
  g_assert_nonnull(type);
  const char *start = strchr(type, '"') + 1;
  g_autofree char *boundary = g_strndup(start, strcspn(start, "\""));
  g_autofree char *delimiter = g_strconcat("\r\n--", boundary, NULL);
  g_auto(GStrv) parts = g_strsplit(strstr(text, "\r\n\r\n"), delimiter, -1);
  g_assert_cmpuint(g_strv_length(parts), ==, 4);
  g_assert_cmpstr(parts[3], ==, "--\r\n");
  g_assert_nonnull(strstr(parts[1], "Content-Type: text/plain; charset="));
  g_assert_nonnull(strstr(parts[2], "Content-Type: text/html; charset=utf-8\r\n"));
  char **found = g_new0(char *, 3);
  found[0] = part_text(parts[1]);
  found[1] = part_text(parts[2]);
  return found;
}

static void test_alternative(void) {
  ChallengeMail mail = good;
  mail.html = TRUE;
  mail.to = "a&b'c@example.org";
  mail.service = "https://ca.example/<acme>";
  g_autoptr(GBytes) bytes = compose(&mail), again = compose(&mail);
  g_assert_true(g_bytes_equal(bytes, again)); /* a retry repeats the mail */
  g_autofree char *text = text_of(bytes);
  g_assert_true(g_str_is_ascii(text));
  g_auto(GStrv) lines = g_strsplit(text, "\r\n", -1);
  for (char **line = lines; *line != NULL; line++) {
    g_assert_cmpuint(strlen(*line), <=, 78);
    g_assert_null(strpbrk(*line, "\r\n"));
  }
  g_auto(GStrv) parts = alternatives(bytes);
  g_assert_nonnull(strstr(parts[0], "\r\n    a&b'c@example.org\r\n"));
  g_assert_nonnull(strstr(parts[0], "    https://ca.example/<acme>\r\n"));
  g_assert_nonnull(strstr(parts[1], "<b>a&amp;b&apos;c@example.org</b>"));
  g_assert_nonnull(strstr(parts[1], "<b>https://ca.example/&lt;acme&gt;</b>"));
  g_assert_nonnull(strstr(parts[1], "<title>https://ca.example/&lt;acme&gt;</title>"));
  for (guint i = 0; i < 2; i++) {
    g_assert_nonnull(strstr(parts[i], "token-part1"));
    g_assert_null(strstr(parts[i], "-----BEGIN"));
    g_assert_null(strstr(parts[i], TOKEN));
  }
}

/* Both in one mail, the first one first, and said at the top. */
static void test_languages(void) {
  static const char *const both[] = {"en", "de", NULL}, *const german[] = {"de", NULL};
  g_autoptr(GPtrArray) texts = texts_of(both), german_text = texts_of(german);
  ChallengeMail mail = good;
  mail.html = TRUE;
  mail.texts = texts;
  g_autoptr(GBytes) bytes = compose(&mail);
  g_auto(GStrv) parts = alternatives(bytes);
  for (guint i = 0; i < 2; i++) {
    const char *below = strstr(parts[i], "(Deutsch weiter unten)");
    const char *english = strstr(parts[i], "somebody asked");
    const char *german_part = strstr(parts[i], "jemand hat bei der Zertifizierungsstelle");
    g_assert_true(below != NULL && below < english && english < german_part);
    g_assert_nonnull(strstr(german_part, "f\u00fcr dieses Postfach"));
    g_assert_null(strstr(parts[i], "(English below)"));
  }
  g_assert_nonnull(strstr(parts[1], "<div lang=\"de\">"));
  mail.texts = german_text;
  mail.html = FALSE;
  g_autoptr(GBytes) alone = compose(&mail);
  g_autofree char *text = text_of(alone);
  g_assert_true(g_str_is_ascii(text));
  g_assert_nonnull(strstr(text, "Content-Type: text/plain; charset=utf-8\r\n"));
  g_autofree char *decoded = part_text(strstr(text, "Content-Type:"));
  g_assert_true(g_str_has_prefix(decoded, "Guten Tag,\r\n"));
}

#define FIELD(member) G_STRUCT_OFFSET(ChallengeMail, member)

static const struct {
  gsize field;
  const char *value;
} refused_table[] = {
    {FIELD(to), NULL},
    {FIELD(to), ""},
    {FIELD(to), "user@example.org\r\nBcc: x@example.org"},
    {FIELD(to), "user@example.org\nX: y"},
    {FIELD(to), "user@example.org\r"},
    {FIELD(to), "user@example.org, x@example.org"},
    {FIELD(to), "user@example.org,x@example.org"},
    {FIELD(to), "user@example.org;x"},
    {FIELD(to), "us er@example.org"},
    {FIELD(to), "user@example.org "},
    {FIELD(to), "\tuser@example.org"},
    {FIELD(to), "<user@example.org>"},
    {FIELD(to), "user(comment)@example.org"},
    {FIELD(to), "\"a\"@example.org"},
    {FIELD(to), "user"},
    {FIELD(to), "user@"},
    {FIELD(to), "g:user@example.org;"},
    {FIELD(to), "\xC3\xBC@example.org\r\nBcc: x@example.org"},
    {FIELD(to), "\xC3\xBC@example.org,x@example.org"},
    {FIELD(to), "\xC3\xBC@example.org, x@example.org"},
    {FIELD(to), "u\xCC\x88@example.org"},
    {FIELD(to), "\xC3\xBC\xE2\x80\xAE@example.org"},
    {FIELD(to), "\xC3\xBC <x@example.org>"},
    {FIELD(to), "\xFF@example.org"},
    {FIELD(to), "\xC3\xBC@[192.0.2.1]"},
    {FIELD(to), "user\x7F@example.org"},
    {FIELD(to), "user\x01@example.org"},
    {FIELD(from), "a@ca.example\r\nX: y"},
    {FIELD(from), "a@ca.example,b@ca.example"},
    {FIELD(from), NULL},
    {FIELD(from), "\xC3\xBC@ca.example"},
    {FIELD(token), ""},
    {FIELD(token), "short"},
    {FIELD(token), TOKEN "\r\n"},
    {FIELD(token), TOKEN " x"},
    {FIELD(token), "AQIDBAUGBwgJCgsMDQ4PEBESExQVFh+/"},
    {FIELD(token), TOKEN "==="},
    {FIELD(message_id), NULL},
    {FIELD(message_id), "1@ca.example"},
    {FIELD(message_id), "<1@ca.example"},
    {FIELD(message_id), "<>"},
    {FIELD(message_id), "<1@ca.example>\r\nX: y"},
    {FIELD(message_id), "<1@ca.example><2@ca.example>"},
    {FIELD(message_id), "<1 2@ca.example>"},
    {FIELD(service), ""},
    {FIELD(service), "CA\r\n\r\n-----BEGIN ACME RESPONSE-----"},
    {FIELD(service), "CA\x1B[0m"},
    {FIELD(service), "C\xC3\x84"},
};

static void test_refused(void) {
  for (guint i = 0; i < G_N_ELEMENTS(refused_table); i++) {
    note(refused_table[i].value);
    g_autoptr(GError) error = NULL;
    ChallengeMail mail = good;
    G_STRUCT_MEMBER(const char *, &mail, refused_table[i].field) = refused_table[i].value;
    g_assert_null(challenge_mail_compose(&mail, &error));
    g_assert_error(error, CHALLENGE_MAIL_ERROR, CHALLENGE_MAIL_ERROR_FIELD);
  }
}

static void test_bounds(void) {
  static const gint64 dates[] = {-1, G_MAXINT64, G_MININT64};
  const gsize fields[] = {FIELD(to), FIELD(from), FIELD(token), FIELD(message_id), FIELD(service)};
  g_autofree char *filler = g_strnfill(300, 'a');
  g_autofree char *address = g_strconcat(filler, "@example.org", NULL);
  g_autofree char *identifier = g_strconcat("<", address, ">", NULL);
  const char *values[] = {address, address, filler, identifier, filler};
  for (guint i = 0; i < G_N_ELEMENTS(fields); i++) {
    ChallengeMail mail = good;
    G_STRUCT_MEMBER(const char *, &mail, fields[i]) = values[i];
    g_assert_null(challenge_mail_compose(&mail, NULL));
  }
  for (guint i = 0; i < G_N_ELEMENTS(dates); i++) {
    ChallengeMail mail = good;
    mail.date = dates[i];
    g_assert_null(challenge_mail_compose(&mail, NULL));
  }
}

/* --- the client's side --- */

static ReceivedChallenge *receive(const char *text, GError **error) {
  g_autoptr(GBytes) bytes = g_bytes_new(text, strlen(text));
  return received_challenge_read(bytes, error);
}

static void receive_ours(gboolean html) {
  g_autoptr(GError) error = NULL;
  ChallengeMail mail = good;
  mail.html = html;
  g_autoptr(GBytes) bytes = compose(&mail);
  g_autoptr(ReceivedChallenge) challenge = received_challenge_read(bytes, &error);
  g_assert_no_error(error);
  g_assert_cmpstr(challenge->from, ==, good.from);
  g_assert_cmpstr(challenge->reply_to, ==, good.from);
  g_assert_cmpstr(challenge->to, ==, good.to);
  g_assert_cmpstr(challenge->token, ==, good.token);
  g_assert_cmpstr(challenge->subject, ==, "ACME: " TOKEN);
  g_assert_cmpstr(challenge->message_id, ==, good.message_id);
}

static void test_receive_ours(void) {
  receive_ours(FALSE);
  receive_ours(TRUE);
}

#define RFC_TOKEN "LgYemJLy3F1LDkiJrdIGbEzyFJyOyf6vBdyZ1TG3sME="
#define REST "From: acme-generator@example.org\r\nTo: alexey@example.com\r\n"
#define AUTO "Auto-Submitted: auto-generated; type=acme\r\n"

static const struct {
  const char *text, *token; /* token NULL: no challenge */
} received_table[] = {
    /* RFC 8823 figure 1 */
    {AUTO
     "Date: Sat, 5 Dec 2020 10:08:55 +0100\r\nMessage-ID: <A2299BB.FF7788@example.org>\r\n" REST
     "Subject: ACME: " RFC_TOKEN "\r\nContent-Type: text/plain\r\nMIME-Version: 1.0\r\n\r\nx\r\n",
     RFC_TOKEN},
    {AUTO REST "Subject: ACME:\r\n " TOKEN "\r\n\r\n", TOKEN},
    {AUTO REST "Subject: ACME: AQIDBAUGBwgJCgsM\r\n\tDQ4PEBESExQVFhcY\r\n\r\n", TOKEN},
    {AUTO REST "Subject: =?utf-8?Q?ACME:_" TOKEN "?=\r\n\r\n", TOKEN},
    {AUTO REST "Subject: =?us-ascii*en?Q?ACME:_" TOKEN "?=\r\n\r\n", TOKEN},
    {AUTO REST "Subject: [EXTERNAL] ACME: " TOKEN "\r\n\r\n", TOKEN},
    {"auto-submitted: Auto-Generated\r\n" REST "Subject: ACME: " TOKEN "\r\n\r\n", TOKEN},
    {"Auto-Submitted: auto-generated (by hand); type=acme\r\n" REST "Subject: ACME: " TOKEN
     "\r\n\r\n",
     TOKEN},
    {AUTO "From: CA <a@ca.example>\r\nTo: \"U, ser\" <u@example.org>\r\nSubject: ACME: " TOKEN
          "\r\n\r\n",
     TOKEN},
    {AUTO REST "Subject: Re: ACME: " TOKEN "\r\n\r\n", NULL},
    {AUTO REST "Subject: AW: ACME: " TOKEN "\r\n\r\n", NULL},
    {AUTO REST "Subject: =?utf-8?Q?Re:_ACME:_" TOKEN "?=\r\n\r\n", NULL},
    {AUTO REST "Subject: ACME: short\r\n\r\n", NULL},
    {AUTO REST "Subject: ACME: " TOKEN "!\r\n\r\n", NULL},
    {AUTO REST "Subject: ACME:\r\n\r\n", NULL},
    {AUTO REST "Subject: hello\r\n\r\n", NULL},
    {AUTO REST "\r\n", NULL},
    {REST "Subject: ACME: " TOKEN "\r\n\r\n", NULL},
    {"Auto-Submitted: no\r\n" REST "Subject: ACME: " TOKEN "\r\n\r\n", NULL},
    {"Auto-Submitted: auto-generatedx\r\n" REST "Subject: ACME: " TOKEN "\r\n\r\n", NULL},
    {"Auto-Submitted: auto-replied\r\n" REST "Subject: ACME: " TOKEN "\r\n\r\n", NULL},
    {AUTO AUTO REST "Subject: ACME: " TOKEN "\r\n\r\n", NULL},
    {AUTO REST "Subject: ACME: " TOKEN "\r\nSubject: ACME: " TOKEN "\r\n\r\n", NULL},
    {AUTO REST "From: b@ca.example\r\nSubject: ACME: " TOKEN "\r\n\r\n", NULL},
    {AUTO REST "Reply-To: a@ca.example, b@ca.example\r\nSubject: ACME: " TOKEN "\r\n\r\n", NULL},
    {AUTO REST "Reply-To: a@ca.example\r\nReply-To: a@ca.example\r\nSubject: ACME: " TOKEN
               "\r\n\r\n",
     NULL},
    {AUTO "From: a@ca.example, b@ca.example\r\nTo: u@example.org\r\nSubject: ACME: " TOKEN
          "\r\n\r\n",
     NULL},
    {AUTO "From: a@ca.example\r\nTo: u@example.org, v@example.org\r\nSubject: ACME: " TOKEN
          "\r\n\r\n",
     NULL},
    {AUTO "From: a@ca.example\r\nSubject: ACME: " TOKEN "\r\n\r\n", NULL},
    {AUTO REST "Subject: ACME: " TOKEN "\n\n", NULL},
    {AUTO REST "no field\r\nSubject: ACME: " TOKEN "\r\n\r\n", NULL},
    {"", NULL},
};

static void test_receive(void) {
  for (guint i = 0; i < G_N_ELEMENTS(received_table); i++) {
    note(received_table[i].text);
    g_autoptr(GError) error = NULL;
    g_autoptr(ReceivedChallenge) challenge = receive(received_table[i].text, &error);
    if (received_table[i].token == NULL) {
      g_assert_null(challenge);
      g_assert_error(error, CHALLENGE_MAIL_ERROR, CHALLENGE_MAIL_ERROR_MESSAGE);
    } else {
      g_assert_no_error(error);
      g_assert_cmpstr(challenge->token, ==, received_table[i].token);
    }
  }
}

static void test_reply_to(void) {
  g_autoptr(ReceivedChallenge) challenge = receive(
      AUTO "From: CA <a@ca.example>\r\nTo: U <u@example.org>\r\nReply-To: R <r@ca.example>\r\n"
           "Message-ID: none\r\nSubject: ACME: " TOKEN "\r\n\r\n",
      NULL);
  g_assert_cmpstr(challenge->from, ==, "a@ca.example");
  g_assert_cmpstr(challenge->to, ==, "u@example.org");
  g_assert_cmpstr(challenge->reply_to, ==, "r@ca.example");
  g_assert_null(challenge->message_id);
  g_autoptr(GBytes) reply =
      challenge_reply_compose(challenge, "u@example.org", DIGEST, "<3@example.org>", 0, NULL, NULL);
  g_autofree char *text = text_of(reply);
  g_assert_true(g_str_has_prefix(text, "From: u@example.org\r\nTo: r@ca.example\r\n"));
}

static void test_reply(void) {
  static const char expected[] = "From: User.Name@example.org\r\n"
                                 "To: " FROM "\r\n"
                                 "Subject: Re: ACME: " TOKEN "\r\n"
                                 "Date: Tue, 14 Nov 2023 22:13:21 +0000\r\n"
                                 "Message-ID: <3@example.org>\r\n"
                                 "In-Reply-To: <1.2@ca.example>\r\n"
                                 "References: <1.2@ca.example>\r\n"
                                 "MIME-Version: 1.0\r\n"
                                 "Content-Type: text/plain; charset=us-ascii\r\n"
                                 "Content-Transfer-Encoding: 7bit\r\n"
                                 "\r\n"
                                 "-----BEGIN ACME RESPONSE-----\r\n" DIGEST "\r\n"
                                 "-----END ACME RESPONSE-----\r\n";
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) bytes = compose(&good);
  g_autoptr(ReceivedChallenge) challenge = received_challenge_read(bytes, NULL);
  g_autoptr(GBytes) reply =
      challenge_reply_compose(challenge, "User.Name@example.org", DIGEST, "<3@example.org>",
                              good.date + 1000, NULL, &error);
  g_assert_no_error(error);
  g_autofree char *text = text_of(reply);
  g_assert_cmpstr(text, ==, expected);
  g_autoptr(ReplyFacts) facts = reply_read(reply);
  g_assert_cmpstr(facts->refused, ==, NULL);
  g_assert_cmpstr(facts->from, ==, "User.Name@example.org");
  g_assert_cmpstr(facts->token, ==, TOKEN);
  g_assert_cmpint(facts->block, ==, REPLY_BLOCK_ONE);
}

/* The client of an address beyond ASCII, from our mail to what the server reads of the answer. */
static void test_reply_internationalised(void) {
  g_autoptr(GError) error = NULL;
  ChallengeMail mail = good;
  mail.to = ANNA;
  g_autoptr(GBytes) bytes = compose(&mail);
  g_autoptr(ReceivedChallenge) challenge = received_challenge_read(bytes, &error);
  g_assert_no_error(error);
  g_assert_cmpstr(challenge->to, ==, ANNA);
  g_autoptr(GBytes) reply =
      challenge_reply_compose(challenge, ANNA, DIGEST, "<3@example.org>", good.date, NULL, &error);
  g_assert_no_error(error);
  g_autofree char *text = text_of(reply);
  g_assert_true(g_str_has_prefix(text, "From: " ANNA "\r\nTo: " FROM "\r\n"));
  g_autoptr(ReplyFacts) facts = reply_read(reply);
  g_assert_cmpstr(facts->from, ==, ANNA);
  g_assert_cmpint(facts->block, ==, REPLY_BLOCK_ONE);
}

static void test_reply_refused(void) {
  static const struct {
    const char *identifier, *digest, *message_id;
  } table[] = {
      {"u@example.org\r\nBcc: x@example.org", DIGEST, "<3@example.org>"},
      {"u@example.org,x@example.org", DIGEST, "<3@example.org>"},
      {NULL, DIGEST, "<3@example.org>"},
      {"\xC3\xBC@example.org\r\nBcc: x@example.org", DIGEST, "<3@example.org>"},
      {"\xC3\xBC@example.org,x@example.org", DIGEST, "<3@example.org>"},
      {"u@example.org", DIGEST "=", "<3@example.org>"},
      {"u@example.org", DIGEST "\r\n", "<3@example.org>"},
      {"u@example.org", "AAAA", "<3@example.org>"},
      {"u@example.org", NULL, "<3@example.org>"},
      {"u@example.org", DIGEST, "3@example.org"},
      {"u@example.org", DIGEST, "<3@example.org>\r\n"},
  };
  g_autoptr(GBytes) bytes = compose(&good);
  g_autoptr(ReceivedChallenge) challenge = received_challenge_read(bytes, NULL);
  for (guint i = 0; i < G_N_ELEMENTS(table); i++) {
    g_autoptr(GError) error = NULL;
    g_assert_null(challenge_reply_compose(challenge, table[i].identifier, table[i].digest,
                                          table[i].message_id, good.date, NULL, &error));
    g_assert_error(error, CHALLENGE_MAIL_ERROR, CHALLENGE_MAIL_ERROR_FIELD);
  }
}

/* A challenge object that did not come from the reader is checked all the same. */
static void test_reply_hostile_challenge(void) {
  ReceivedChallenge challenge = {.from = (char *)"a@ca.example",
                                 .reply_to = (char *)"a@ca.example",
                                 .to = (char *)"u@example.org",
                                 .token = (char *)TOKEN,
                                 .subject = (char *)"x\r\nX: y"};
  g_autoptr(GBytes) plain = challenge_reply_compose(&challenge, "u@example.org", DIGEST,
                                                    "<3@example.org>", 0, NULL, NULL);
  g_autofree char *text = text_of(plain);
  g_assert_null(strstr(text, "X: y"));
  g_assert_null(strstr(text, "In-Reply-To"));
  challenge.token = (char *)TOKEN "\r\nX: y";
  g_assert_null(challenge_reply_compose(&challenge, "u@example.org", DIGEST, "<3@example.org>", 0,
                                        NULL, NULL));
  challenge.token = (char *)TOKEN;
  challenge.message_id = (char *)"<1>\r\nX: y";
  g_assert_null(challenge_reply_compose(&challenge, "u@example.org", DIGEST, "<3@example.org>", 0,
                                        NULL, NULL));
  challenge.message_id = NULL;
  challenge.reply_to = (char *)"a@ca.example\r\nX: y";
  g_assert_null(challenge_reply_compose(&challenge, "u@example.org", DIGEST, "<3@example.org>", 0,
                                        NULL, NULL));
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/challenge-mail/header", test_header);
  g_test_add_func("/challenge-mail/body", test_body);
  g_test_add_func("/challenge-mail/internationalised", test_internationalised);
  g_test_add_func("/challenge-mail/alternative", test_alternative);
  g_test_add_func("/challenge-mail/languages", test_languages);
  g_test_add_func("/challenge-mail/refused", test_refused);
  g_test_add_func("/challenge-mail/bounds", test_bounds);
  g_test_add_func("/challenge-mail/receive/ours", test_receive_ours);
  g_test_add_func("/challenge-mail/receive/table", test_receive);
  g_test_add_func("/challenge-mail/receive/reply-to", test_reply_to);
  g_test_add_func("/challenge-mail/reply/form", test_reply);
  g_test_add_func("/challenge-mail/reply/internationalised", test_reply_internationalised);
  g_test_add_func("/challenge-mail/reply/refused", test_reply_refused);
  g_test_add_func("/challenge-mail/reply/hostile-challenge", test_reply_hostile_challenge);
  return g_test_run();
}
