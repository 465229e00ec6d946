/* SPDX-License-Identifier: Apache-2.0 */
/* Replies as they come and as attackers write them (interop.md items 15 to 22, security.md item
 * 15). */
#include "base/base64url.h"
#include "mime/mailbox_scan.h"
#include "mime/reply.h"

#include <string.h>

#define NOW G_GINT64_CONSTANT(1700000000000)

/* interop.md item 2 */
#define DIGEST "g9sBPrAWo-kOYYEMSdrXpi1QELX6VAH3N1MBZtZPYHo"
#define OTHER "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0"
#define BEGIN "-----BEGIN ACME RESPONSE-----\n"
#define END "-----END ACME RESPONSE-----\n"
#define BLOCK BEGIN DIGEST "\n" END
#define HEAD "From: user@example.org\nSubject: Re: ACME: tok\n"

/* Names the case of a table in the log, made fit for TAP. */
static void note(const char *text) {
  g_autofree char *start = g_strndup(text, 300);
  g_autofree char *escaped = g_strescape(start, NULL);
  g_test_message("%s", escaped);
}

/* LF to CRLF, so that tables stay readable. */
static char *crlf(const char *text) {
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  return g_strjoinv("\r\n", lines);
}

static ReplyFacts *read_octets(const char *text, gsize length) {
  g_autoptr(GBytes) message = g_bytes_new(text, length);
  return reply_read(message);
}

static ReplyFacts *read_text(const char *text) {
  g_autofree char *lines = crlf(text);
  return read_octets(lines, strlen(lines));
}

static const char *const block_names[] = {
    [REPLY_BLOCK_NONE] = "none",
    [REPLY_BLOCK_HTML_ONLY] = "html-only",
    [REPLY_BLOCK_MALFORMED] = "malformed",
    [REPLY_BLOCK_SEVERAL] = "several",
    [REPLY_BLOCK_ONE] = "one",
};

static void assert_block(const ReplyFacts *facts, ReplyBlock block) {
  static const guint8 nothing[REPLY_DIGEST_OCTETS] = {0};
  g_assert_cmpstr(facts->refused, ==, NULL);
  g_assert_cmpstr(block_names[facts->block], ==, block_names[block]);
  if (block != REPLY_BLOCK_ONE) {
    g_assert_true(memcmp(facts->digest, nothing, sizeof nothing) == 0);
    return;
  }
  g_autofree char *digest = base64url_encode(facts->digest, sizeof facts->digest);
  g_assert_cmpstr(digest, ==, DIGEST);
}

/* --- the block --- */

static const struct {
  const char *body; /* of a message without Content-Type */
  ReplyBlock block;
} text_table[] = {
    {"\n" BLOCK, REPLY_BLOCK_ONE},
    {"\nHi,\n\n" BLOCK "\nbye\n", REPLY_BLOCK_ONE},
    {"\n  " BEGIN "\t" DIGEST " \n\xC2\xA0-----END ACME RESPONSE----- \t\n", REPLY_BLOCK_ONE},
    {"\n" BEGIN DIGEST "=\n" END, REPLY_BLOCK_ONE},
    {"\n" BEGIN "g9sBPrAWo-kOYYEMSdrXpi1\nQELX6VAH3N1\n\n MBZt\tZPYHo\n" END, REPLY_BLOCK_ONE},
    {"\n" BEGIN "g9sBPrAWo-kOYYEMSdrXpi1\xC2\xA0QELX6VAH3N1MBZtZ\xA0PYHo\n" END, REPLY_BLOCK_ONE},
    {"\n" BLOCK BLOCK, REPLY_BLOCK_ONE},
    {"\n-----END ACME RESPONSE-----\n" BLOCK, REPLY_BLOCK_ONE},
    {"\n" BEGIN DIGEST "\n-----END ACME RESPONSE-----", REPLY_BLOCK_ONE},
    {"\n> " BEGIN "> " OTHER "\n> " END BLOCK, REPLY_BLOCK_ONE}, /* a quoted one is text */
    {"", REPLY_BLOCK_NONE},
    {"\n", REPLY_BLOCK_NONE},
    {"\nno block\n", REPLY_BLOCK_NONE},
    {"\n" DIGEST "\n", REPLY_BLOCK_NONE},
    {"\n" DIGEST "\n" END, REPLY_BLOCK_NONE},
    {"\n> " BEGIN "> " DIGEST "\n> " END, REPLY_BLOCK_NONE},
    {"\n-----BEGIN ACME RESPONSE----- x\n" DIGEST "\n" END, REPLY_BLOCK_NONE},
    {"\n-----begin acme response-----\n" DIGEST "\n" END, REPLY_BLOCK_NONE},
    {"\n----BEGIN ACME RESPONSE----\n" DIGEST "\n" END, REPLY_BLOCK_NONE},
    {"\n" BEGIN DIGEST "\n" END BEGIN OTHER "\n" END, REPLY_BLOCK_SEVERAL},
    {"\n" BLOCK BEGIN OTHER "\n" END BLOCK, REPLY_BLOCK_SEVERAL},
    {"\n" BEGIN DIGEST "\n", REPLY_BLOCK_MALFORMED},
    {"\n" BLOCK BEGIN, REPLY_BLOCK_MALFORMED},
    {"\n" BEGIN BLOCK, REPLY_BLOCK_MALFORMED},
    {"\n" BEGIN END, REPLY_BLOCK_MALFORMED},
    {"\n" BEGIN END BLOCK, REPLY_BLOCK_MALFORMED},
    {"\n" BLOCK BEGIN "x\n" END, REPLY_BLOCK_MALFORMED},
    {"\n" BEGIN DIGEST DIGEST "\n" END, REPLY_BLOCK_MALFORMED},
    {"\n" BEGIN DIGEST "==\n" END, REPLY_BLOCK_MALFORMED},
    {"\n" BEGIN "=" DIGEST "\n" END, REPLY_BLOCK_MALFORMED},
    {"\n" BEGIN "g9sBPrAWo-kOYYEMSdrXpi1QELX6VAH3N1MBZtZPYHp\n" END,
     REPLY_BLOCK_MALFORMED}, /* spare */
    {"\n" BEGIN "g9sBPrAWo+kOYYEMSdrXpi1QELX6VAH3N1MBZtZPYHo\n" END, REPLY_BLOCK_MALFORMED},
    {"\n" BEGIN "g9sBPrAWo-kOYYEMSdrXpi1QELX6VAH3N1MBZtZPYH\n" END, REPLY_BLOCK_MALFORMED},
    {"\n" BEGIN "> " DIGEST "\n" END, REPLY_BLOCK_MALFORMED},
    {"\n" BEGIN "<b>" DIGEST "</b>\n" END, REPLY_BLOCK_MALFORMED},
};

static void test_texts(void) {
  for (guint i = 0; i < G_N_ELEMENTS(text_table); i++) {
    note(text_table[i].body);
    g_autofree char *text = g_strconcat(HEAD, text_table[i].body, NULL);
    g_autoptr(ReplyFacts) facts = read_text(text);
    assert_block(facts, text_table[i].block);
  }
}

#define MULTI(type) HEAD "MIME-Version: 1.0\nContent-Type: multipart/" type "; boundary=b\n\n"
#define PLAIN "--b\nContent-Type: text/plain\n\n"
#define HTML "--b\nContent-Type: text/html\n\n"

#define BASE64                                                                                     \
  "LS0tLS1CRUdJTiBBQ01FIFJFU1BPTlNFLS0tLS0KZzlzQlByQVdvLWtPWVlFTVNkclhwaTFRRUxY\n"                 \
  "NlZBSDNOMU1CWnRaUFlIbwotLS0tLUVORCBBQ01FIFJFU1BPTlNFLS0tLS0K\n"

static const struct {
  const char *text;
  ReplyBlock block;
} part_table[] = {
    {HEAD
     "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n\xC3\xBC\n" BLOCK,
     REPLY_BLOCK_ONE},
    {HEAD "Content-Type: TEXT/Plain; format=flowed\n\n " BLOCK, REPLY_BLOCK_ONE},
    {HEAD "Content-Type: text/plain; charset=no-such-charset\n\n" BLOCK, REPLY_BLOCK_ONE},
    {HEAD "Content-Type: text/plain\nContent-Transfer-Encoding: quoted-printable\n\n"
          "-----BEGIN ACME RESPONSE-----\ng9sBPrAWo-kOYYEMSdrXpi1QELX6VAH=\n3N1MBZtZPYH=6F=3D\n"
          "-----END ACME=20RESPONSE-----\n",
     REPLY_BLOCK_ONE},
    {HEAD "Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\n" BASE64,
     REPLY_BLOCK_ONE},
    {HEAD "Content-Type: text/plain\nContent-Transfer-Encoding: base64 (x)\n\n \t\n" BASE64
          "eA==\n\n",
     REPLY_BLOCK_ONE},
    {HEAD "Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\n" BASE64 "eA\n",
     REPLY_BLOCK_MALFORMED},
    {HEAD "Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\n" BASE64 "eA==\neHh4\n",
     REPLY_BLOCK_MALFORMED},
    {HEAD "Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\n" BASE64 "=\n",
     REPLY_BLOCK_MALFORMED},
    {HEAD "Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\n" BASE64 "eHh4=\n===\n",
     REPLY_BLOCK_MALFORMED},
    {HEAD "Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\n" BASE64 "-- \nfooter\n",
     REPLY_BLOCK_MALFORMED},
    {HEAD "Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\n!" BASE64,
     REPLY_BLOCK_MALFORMED},
    {MULTI("alternative") PLAIN BLOCK HTML "<p>\n--b--\n", REPLY_BLOCK_ONE},
    {MULTI("mixed") PLAIN BLOCK "\n--b\nContent-Type: text/plain\n\na disclaimer\n--b--\n",
     REPLY_BLOCK_ONE},
    {MULTI("mixed") "--b\n\n" BLOCK "--b--\n", REPLY_BLOCK_ONE},
    {MULTI("related") PLAIN BLOCK "--b--\n", REPLY_BLOCK_ONE},
    {MULTI("signed") PLAIN BLOCK "--b\nContent-Type: application/pkcs7-signature\n\nx\n--b--\n",
     REPLY_BLOCK_ONE},
    {MULTI("mixed") "--b\nContent-Type: multipart/alternative; boundary=c\n\n"
                    "--c\nContent-Type: text/plain\n\n" BLOCK "--c--\n--b--\n",
     REPLY_BLOCK_ONE},
    {MULTI("alternative") PLAIN BLOCK PLAIN BLOCK "--b--\n", REPLY_BLOCK_ONE},
    {MULTI("alternative") PLAIN BLOCK, REPLY_BLOCK_ONE}, /* no last boundary */
    {MULTI("mixed") "--b\nContent-Type: text/plain\nContent-Disposition: inline\n\n" BLOCK
                    "--b--\n",
     REPLY_BLOCK_ONE},
    /* what is not read */
    {MULTI("mixed") "--b\nContent-Type: text/plain\nContent-Disposition: attachment\n\n" BLOCK
                    "--b--\n",
     REPLY_BLOCK_NONE},
    {MULTI("mixed") "--b\nContent-Type: text/plain\nContent-Disposition: strange\n\n" BLOCK
                    "--b--\n",
     REPLY_BLOCK_NONE},
    {MULTI("mixed") "--b\nContent-Type: multipart/mixed; boundary=c\nContent-Disposition: "
                    "attachment\n\n"
                    "--c\n\n" BLOCK "--c--\n--b--\n",
     REPLY_BLOCK_NONE},
    {MULTI("mixed") "--b\nContent-Type: message/rfc822\n\nSubject: x\n\n" BLOCK "--b--\n",
     REPLY_BLOCK_NONE},
    {HEAD "Content-Type: message/rfc822\n\nSubject: x\n\n" BLOCK, REPLY_BLOCK_NONE},
    {MULTI("report") PLAIN BLOCK "--b--\n", REPLY_BLOCK_NONE},
    {MULTI("digest") "--b\n\nSubject: x\n\n" BLOCK "--b--\n", REPLY_BLOCK_NONE},
    {MULTI("encrypted") PLAIN BLOCK "--b--\n", REPLY_BLOCK_NONE},
    {MULTI("mixed") BLOCK "--b\nContent-Type: text/plain\n\nx\n--b--\n" BLOCK, REPLY_BLOCK_NONE},
    {HEAD "Content-Type: multipart/mixed\n\n--b\n\n" BLOCK "--b--\n", REPLY_BLOCK_NONE},
    {HEAD "Content-Type: multipart/mixed; boundary=\"b \"\n\n--b \n\n" BLOCK "--b --\n",
     REPLY_BLOCK_NONE},
    {HEAD "Content-Type: application/octet-stream\n\n" BLOCK, REPLY_BLOCK_NONE},
    {HEAD "Content-Type: text/enriched\n\n" BLOCK, REPLY_BLOCK_NONE},
    {HEAD "Content-Type: text/plain\nContent-Transfer-Encoding: x-unknown\n\n" BLOCK,
     REPLY_BLOCK_NONE},
    {HEAD "Content-Type: text/plain\nContent-Transfer-Encoding: 7bit base64\n\n" BLOCK,
     REPLY_BLOCK_NONE},
    {HEAD "Content-Type: text/plain\nContent-Transfer-Encoding: 7bit (base64)\n\n" BLOCK,
     REPLY_BLOCK_ONE},
    {MULTI(
         "mixed") "--b\nContent-Type: text/plain\nContent-Disposition: inline attachment\n\n" BLOCK
                  "--b--\n",
     REPLY_BLOCK_NONE},
    {HEAD "Content-Type: text/plain\nContent-Transfer-Encoding: x-uuencode\n\n" BLOCK,
     REPLY_BLOCK_NONE},
    {HEAD
     "Content-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: base64\n\n" PLAIN BLOCK
     "--b--\n",
     REPLY_BLOCK_NONE},
    {HEAD "Content-Type: text\n\n" BLOCK, REPLY_BLOCK_NONE},
    {HEAD "Content-Type: text/html\n\n" BLOCK, REPLY_BLOCK_HTML_ONLY},
    {MULTI("alternative") HTML BLOCK "--b--\n", REPLY_BLOCK_HTML_ONLY},
    {MULTI("alternative") PLAIN "x\n" HTML BLOCK "--b--\n", REPLY_BLOCK_NONE},
    /* several and malformed, over all parts */
    {MULTI("alternative") PLAIN BLOCK PLAIN BEGIN OTHER "\n" END "--b--\n", REPLY_BLOCK_SEVERAL},
    {MULTI("mixed") PLAIN BLOCK
     "--b\nContent-Type: text/plain\nContent-Disposition: attachment\n\n" BEGIN OTHER "\n" END
     "--b--\n",
     REPLY_BLOCK_ONE},
    {MULTI("alternative") PLAIN BLOCK PLAIN BEGIN "x\n" END "--b--\n", REPLY_BLOCK_MALFORMED},
    {MULTI("alternative") PLAIN BEGIN DIGEST "\n" PLAIN END "--b--\n", REPLY_BLOCK_MALFORMED},
};

static void test_parts(void) {
  for (guint i = 0; i < G_N_ELEMENTS(part_table); i++) {
    note(part_table[i].text);
    g_autoptr(ReplyFacts) facts = read_text(part_table[i].text);
    assert_block(facts, part_table[i].block);
  }
}

/* --- the header --- */

static const struct {
  const char *from; /* value of the field */
  guint mailboxes;
  const char *address;
} from_table[] = {
    {"user@example.org", 1, "user@example.org"},
    {"User@EXAMPLE.org", 1, "User@EXAMPLE.org"},
    {"<user@example.org>", 1, "user@example.org"},
    {"Joe User <user@example.org>", 1, "user@example.org"},
    {"\"User, Joe\" <user@example.org>", 1, "user@example.org"},
    {"\"evil@example.com\" <user@example.org>", 1, "user@example.org"},
    {"Joe Q. User <user@example.org>", 1, "user@example.org"},
    {"=?utf-8?Q?J=C3=B6rg?= <user@example.org>", 1, "user@example.org"},
    {"J\xC3\xB6rg <j\xC3\xB6rg@b\xC3\xBC"
     "cher.example>",
     1,
     "j\xC3\xB6rg@b\xC3\xBC"
     "cher.example"},
    {"\u0430\u043d\u043d\u0430@b\u00fccher.example", 1,
     "\u0430\u043d\u043d\u0430@b\u00fccher.example"},
    {"user@b\u00fccher.example", 1, "user@b\u00fccher.example"},
    {"J\u00f6rg <user@xn--bcher-kva.example>", 1, "user@xn--bcher-kva.example"},
    {"\"\u7528\u6237\" <\u7528\u6237@XN--Bcher-KVA.example>", 1,
     "\u7528\u6237@XN--Bcher-KVA.example"},
    {"=?utf-8?B?0LDQvdC90LA=?= <\u0430@xn--e1afmkfd.example>", 1, "\u0430@xn--e1afmkfd.example"},
    {"\u0430\u043d\u043d\u0430@a.example, b@b\u00fccher.example", 2, NULL},
    {"user@example.org (Joe (User))", 1, "user@example.org"},
    {"(a) user@example.org", 1, "user@example.org"},
    {"\n user@example.org", 1, "user@example.org"},
    {"a+b=c@example.org", 1, "a+b=c@example.org"},
    {"a@example.org, b@example.org", 2, NULL},
    {"a@example.org,b@example.org,c@example.org", 3, NULL},
    {"Group: a@example.org;", 1, NULL},
    {"Group: a@example.org, b@example.org;", 2, NULL},
    {"Group: a@example.org;, b@example.org", 2, NULL},
    {"undisclosed:;", 0, NULL},
    {"", 0, NULL},
};

static void test_from(void) {
  for (guint i = 0; i < G_N_ELEMENTS(from_table); i++) {
    note(from_table[i].from);
    g_autofree char *text = g_strconcat("From: ", from_table[i].from, "\nSubject: x\n\n", NULL);
    g_autoptr(ReplyFacts) facts = read_text(text);
    g_assert_cmpstr(facts->refused, ==, NULL);
    g_assert_cmpuint(facts->from_fields, ==, 1);
    g_assert_cmpuint(facts->from_mailboxes, ==, from_table[i].mailboxes);
    g_assert_cmpstr(facts->from, ==, from_table[i].address);
  }
}

/* Whatever is counted, no address comes of these: some reader sees another than we do. */
static void test_strange_from(void) {
  static const char *const values[] = {
      "user@example.org <evil@example.org>",
      "user@example.org, <evil@example.org>",
      "<user@example.org> <evil@example.org>",
      "<user@example.org> evil@example.org",
      "user@example.org evil@example.org",
      "<user@example.org>, ",
      "user@example.org;",
      "<@a.example,@b.example:user@example.org>",
      "\"user\"@example.org",
      "\"user@example.org\"@example.com",
      "user@[192.0.2.1]",
      "user@example.org@example.com",
      "user @ example.org",
      "user(comment)@example.org",
      "<user@example.org",
      "user@example.org>",
      "(user@example.org",
      "\"user@example.org",
      "user",
      "user@",
      "@example.org",
      "us..er@example.org",
      ".user@example.org",
      "user@example..org",
      "user@example.org.",
      "a:b:user@example.org;;",
      "Joe <user@example.org> (ok) x",
      "=?utf-8?Q?user=40example.org?=",
      "user@exam\xFFple.org",
      "Joe\\ <user@example.org>",
  };
  for (guint i = 0; i < G_N_ELEMENTS(values); i++) {
    note(values[i]);
    g_autofree char *text = g_strconcat("From: ", values[i], "\n\n", NULL);
    g_autoptr(ReplyFacts) facts = read_text(text);
    g_assert_cmpstr(facts->from, ==, NULL);
  }
}

/* The strict reader alone, where gmime would refuse too. */
static void test_scan(void) {
  g_autofree char *deep = mailbox_scan("((((((((a)))))))) u@example.org");
  g_assert_cmpstr(deep, ==, "u@example.org");
  g_assert_null(mailbox_scan("(((((((((a))))))))) u@example.org"));
  g_assert_null(mailbox_scan("u@example.org\x01"));
  g_assert_null(mailbox_scan("u\xC2\x85@example.org")); /* would be no evidence */
  g_assert_null(mailbox_scan("\"a\\"));
  g_assert_null(mailbox_scan("(a\\"));
  g_assert_null(mailbox_scan("a <"));
  g_assert_null(mailbox_scan("a, b <u@example.org>"));
}

static const struct {
  const char *subject, *token;
} subject_table[] = {
    {"ACME: abc", "abc"},
    {"Re: ACME: abc", "abc"},
    {"RE: ACME:abc", "abc"},
    {"AW: [EXTERNAL] ACME:  a b\tc ", "abc"},
    {"Re: ACME:\n abc\n def", "abcdef"},
    {"=?utf-8?Q?Re:_ACME:_abc?=", "abc"},
    {"=?UTF-8?B?UmU6IEFDTUU6IGFiYw==?=", "abc"},
    {"=?us-ascii*en?Q?Re:_ACME:_abc?=", "abc"}, /* RFC 2231 section 5 */
    {"=?utf-8?Q?Re:_ACME:_ab?= =?utf-8?Q?cd?=", "abcd"},
    {"=?utf-8?Q?Re:_ACME:_ab?=\n =?utf-8?Q?cd?=", "abcd"},
    {"=?iso-8859-1?Q?R=E9:_ACME:_abc?=", "abc"},
    {"Re: ACME: a\xC2\xA0"
     "b\xE3\x80\x80"
     "c",
     "abc"},
    {"R\xE9: ACME: abc", "abc"},
    {"ACME: abc ACME: def", "abcACME:def"}, /* the first label counts */
    {"ACME: abc=", "abc="},
    {"ACME:", ""},
    {"acme: abc", ""},
    {"Re: your mail", ""},
    {"", ""},
};

static void test_subject(void) {
  for (guint i = 0; i < G_N_ELEMENTS(subject_table); i++) {
    note(subject_table[i].subject);
    g_autofree char *text =
        g_strconcat("From: a@example.org\nSubject: ", subject_table[i].subject, "\n\n", NULL);
    g_autoptr(ReplyFacts) facts = read_text(text);
    g_assert_cmpstr(facts->refused, ==, NULL);
    g_assert_cmpuint(facts->subject_fields, ==, 1);
    g_assert_cmpstr(facts->token, ==, subject_table[i].token);
  }
}

static void test_long_subject(void) {
  g_autofree char *token = g_strnfill(REPLY_MAX_TOKEN_OCTETS - 1, 'a');
  g_autofree char *text =
      g_strconcat("From: a@example.org\nSubject: ACME: ", token, "\xC3\xBC\xC3\xBC\n\n", NULL);
  g_autoptr(ReplyFacts) facts = read_text(text);
  g_assert_cmpuint(strlen(facts->token), <=, REPLY_MAX_TOKEN_OCTETS);
  g_assert_true(g_str_has_prefix(facts->token, token));
  g_assert_true(g_utf8_validate(facts->token, -1, NULL));
  g_autofree char *filler = g_strnfill(REPLY_MAX_PARSED_OCTETS, 'a');
  g_autofree char *more = g_strconcat("From: a@example.org\nSubject: ACME: ", filler, "\n\n", NULL);
  g_autoptr(ReplyFacts) none = read_text(more);
  g_assert_cmpstr(none->token, ==, "");
}

/* Counts are those of the message itself: the first counts for the text, all for the number. */
static void test_counts(void) {
  g_autoptr(ReplyFacts) facts =
      read_text("FROM: a@example.org\nFrom: b@example.org\n"
                "Subject: ACME: one\nsubject: ACME: two\nSubject: x\n"
                "Message-ID: <1@example.org>\nMessage-ID: <2@example.org>\n"
                "Content-Type: text/plain\ncontent-type: text/plain\n"
                "Content-Transfer-Encoding: 7bit\n\n" BLOCK);
  g_assert_cmpstr(facts->refused, ==, NULL);
  g_assert_cmpuint(facts->from_fields, ==, 2);
  g_assert_cmpuint(facts->from_mailboxes, ==, 1);
  g_assert_cmpstr(facts->from, ==, "a@example.org");
  g_assert_cmpuint(facts->subject_fields, ==, 3);
  g_assert_cmpstr(facts->token, ==, "one");
  g_assert_cmpuint(facts->content_type_fields, ==, 2);
  g_assert_cmpuint(facts->transfer_encoding_fields, ==, 1);
  g_assert_cmpstr(facts->message_id, ==, "<1@example.org>");
  assert_block(facts, REPLY_BLOCK_NONE);
}

static void test_absent(void) {
  g_autoptr(ReplyFacts) facts = read_text("X-Nothing: 1\n\n" BLOCK);
  g_assert_cmpuint(facts->from_fields, ==, 0);
  g_assert_cmpuint(facts->from_mailboxes, ==, 0);
  g_assert_null(facts->from);
  g_assert_cmpuint(facts->subject_fields, ==, 0);
  g_assert_cmpstr(facts->token, ==, "");
  g_assert_cmpuint(facts->content_type_fields, ==, 0);
  g_assert_null(facts->list_field);
  g_assert_null(facts->message_id);
  g_assert_false(facts->is_report);
  assert_block(facts, REPLY_BLOCK_ONE);
}

static void test_lists_and_reports(void) {
  static const struct {
    const char *field, *list;
    gboolean report;
  } table[] = {
      {"List-Id: <x>", "List-Id", FALSE},
      {"LIST-unsubscribe-post: x", "LIST-unsubscribe-post", FALSE},
      {"X-List-Id: x", NULL, FALSE},
      {"List: x", NULL, FALSE},
      {"Auto-Submitted: auto-generated", NULL, FALSE},
      {"Auto-Submitted: Auto-Replied (vacation)", NULL, TRUE},
      {"Auto-Submitted: auto-notified", NULL, TRUE},
      {"Auto-Submitted: auto-replied; Type=ACME", NULL, FALSE},
      {"Return-Path: <>", NULL, TRUE},
      {"Return-Path: <a@example.org>", NULL, FALSE},
      {"Content-Type: multipart/report; boundary=b", NULL, TRUE},
  };
  for (guint i = 0; i < G_N_ELEMENTS(table); i++) {
    note(table[i].field);
    g_autofree char *text = g_strconcat(HEAD, table[i].field, "\n\nx\n", NULL);
    g_autoptr(ReplyFacts) facts = read_text(text);
    g_assert_cmpstr(facts->list_field, ==, table[i].list);
    g_assert_cmpint(facts->is_report, ==, table[i].report);
  }
}

/* --- what is not read at all --- */

static const struct {
  const char *octets, *word;
} refused_table[] = {
    {"", "empty"},
    {"From: a@example.org\nSubject: x\n\n", "bare"},
    {"From: a@example.org\r\n\r\nx\ny\r\n", "bare"},
    {"From: a@example.org\r\n\r\nx\ry\r\n", "bare"},
    {"From: a@example.org\r\n\r\nx\r", "bare"},
    {"From: a@example.org\r\n\r\n\n", "bare"},
    {"From: a@example.org\r\nno field\r\n\r\n", "no field"},
    {"From: a@example.org", "no field"},
    {" x\r\nFrom: a@example.org\r\n\r\n", "no field"},
    {"From a@example.org Tue Nov 14 2023\r\nFrom: a@example.org\r\n\r\n", "no field"},
    {"From : a@example.org\r\n\r\n", "colon"},
    {"From\xC3\xBC: a@example.org\r\n\r\n", "no field"},
    {"From: a@example.org\r\nContent-Disposition: inline\r\nContent-Disposition: "
     "inline\r\n\r\nx\r\n",
     "twice"},
    {"From: a@example.org\r\nContent-Type: multipart/mixed; boundary=b; "
     "boundary=c\r\n\r\n--b\r\n\r\nx\r\n",
     "twice"},
    {"From: a@example.org\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
     "--b\r\nContent-Type: text/html\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--\r\n",
     "twice"},
    {"From: a@example.org\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
     "--b\r\nContent-Transfer-Encoding: 7bit\r\ncontent-transfer-encoding: "
     "base64\r\n\r\nx\r\n--b--\r\n",
     "twice"},
    {"From: a@example.org\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
     "--b\r\n\r\nx\r\n--b\r\n--b--\r\n\r\ny\r\n",
     "follow one another"},
    {"From: a@example.org\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
     "--b\r\n--b\r\n\r\nx\r\n--b--\r\n",
     "follow one another"},
    {"From: a@example.org\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
     "--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n",
     "same boundary"},
    {"From: a@example.org\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
     "--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n"
     "Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\nx\r\n--c--\r\n--b--\r\n",
     "same boundary"},
};

static void assert_refused(const ReplyFacts *facts, const char *word) {
  g_test_message("%s", facts->refused == NULL ? "-" : facts->refused);
  g_assert_nonnull(facts->refused);
  g_assert_nonnull(strstr(facts->refused, word));
  g_assert_cmpint(facts->block, ==, REPLY_BLOCK_NONE);
}

static void test_refused(void) {
  for (guint i = 0; i < G_N_ELEMENTS(refused_table); i++) {
    note(refused_table[i].octets);
    g_autoptr(ReplyFacts) facts =
        read_octets(refused_table[i].octets, strlen(refused_table[i].octets));
    assert_refused(facts, refused_table[i].word);
  }
  static const char nul[] = "From: a@example.org\r\n\r\nx\0y\r\n";
  g_autoptr(ReplyFacts) facts = read_octets(nul, sizeof nul - 1);
  assert_refused(facts, "NUL");
}

static void test_size(void) {
  g_autofree char *head = crlf(HEAD "\n" BLOCK);
  g_autoptr(GString) text = g_string_new(head);
  while (text->len < REPLY_MAX_OCTETS)
    g_string_append_c(text, 'x');
  g_autoptr(ReplyFacts) most = read_octets(text->str, text->len);
  assert_block(most, REPLY_BLOCK_ONE);
  g_string_append_c(text, 'x');
  g_autoptr(ReplyFacts) more = read_octets(text->str, text->len);
  assert_refused(more, "256 KiB");
}

static void test_field_count(void) {
  g_autoptr(GString) text = g_string_new(HEAD);
  for (int i = 2; i < REPLY_MAX_FIELDS; i++)
    g_string_append(text, "X: y\n");
  g_autofree char *most = g_strconcat(text->str, "\n" BLOCK, NULL);
  g_autofree char *more = g_strconcat(text->str, "X: y\n\n" BLOCK, NULL);
  g_autoptr(ReplyFacts) good = read_text(most);
  assert_block(good, REPLY_BLOCK_ONE);
  g_autoptr(ReplyFacts) bad = read_text(more);
  assert_refused(bad, "200");
}

/* levels multiparts around one text with the block */
static char *nested(int levels) {
  GString *text = g_string_new(HEAD);
  for (int i = 0; i < levels; i++)
    g_string_append_printf(text, "Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n", i, i);
  g_string_append(text, "Content-Type: text/plain\n\n" BLOCK);
  for (int i = levels; i-- > 0;)
    g_string_append_printf(text, "--b%d--\n", i);
  return g_string_free(text, FALSE);
}

static void test_depth(void) {
  g_autofree char *most = nested(REPLY_MAX_DEPTH), *more = nested(REPLY_MAX_DEPTH + 1);
  g_autofree char *bomb = nested(3000);
  g_autoptr(ReplyFacts) good = read_text(most);
  assert_block(good, REPLY_BLOCK_ONE);
  g_autoptr(ReplyFacts) bad = read_text(more);
  assert_refused(bad, "nested");
  g_autoptr(ReplyFacts) worse = read_text(bomb);
  assert_refused(worse, "nested");
}

static char *parted(int parts) {
  GString *text = g_string_new(MULTI("mixed"));
  for (int i = 0; i < parts; i++)
    g_string_append(text, i == 0 ? PLAIN BLOCK : PLAIN "x\n");
  g_string_append(text, "--b--\n");
  return g_string_free(text, FALSE);
}

static void test_part_count(void) {
  g_autofree char *most = parted(REPLY_MAX_PARTS - 1), *more = parted(REPLY_MAX_PARTS);
  g_autofree char *bomb = parted(5000);
  g_autoptr(ReplyFacts) good = read_text(most);
  assert_block(good, REPLY_BLOCK_ONE);
  g_autoptr(ReplyFacts) bad = read_text(more);
  assert_refused(bad, "parts");
  g_autoptr(ReplyFacts) worse = read_text(bomb);
  assert_refused(worse, "parts");
}

/* Shapes known to make parsers loop, blow up or abort: only the end counts. */
static void test_hostile_shapes(void) {
  static const char *const starts[] = {
      HEAD "Content-Type: text/plain; ",
      HEAD "Content-Type: multipart/mixed; boundary=\"",
      HEAD "Content-Type: text/plain; name*0*=",
      "From: ",
      "Subject: =?utf-8?Q?",
      "Subject: ACME: ",
      HEAD "Content-Type: multipart/",
      HEAD "Content-Disposition: attachment; filename*=",
      "From: (",
      "From: <",
  };
  static const char *const units[] = {"a",  "(",  "<",  "=?", "a@b,", "a=b;",
                                      "\"", "\\", ":;", "%",  "\xFF", "=\xC3"};
  for (guint i = 0; i < G_N_ELEMENTS(starts) * G_N_ELEMENTS(units); i++) {
    g_autoptr(GString) text = g_string_new(starts[i / G_N_ELEMENTS(units)]);
    while (text->len < 60000)
      g_string_append(text, units[i % G_N_ELEMENTS(units)]);
    g_string_append(text, "\n\n" BLOCK);
    g_autoptr(ReplyFacts) facts = read_text(text->str);
    g_assert_nonnull(facts->token);
  }
}

/* gmime's own message parser dies of the first (it recurses for each group) and takes seconds for
 * the last. */
static void test_deep_addresses(void) {
  static const char *const starts[] = {
      "To: ",
      "From: ",
      "Resent-To: ",
      HEAD "Content-Type: message/rfc822\n\nTo: ",
      HEAD "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\nTo: ",
  };
  static const char *const units[] = {"a:", "(", "a@b,", "<"};
  for (guint i = 0; i < G_N_ELEMENTS(starts) * G_N_ELEMENTS(units); i++) {
    g_autoptr(GString) text = g_string_new(starts[i / G_N_ELEMENTS(units)]);
    while (text->len < REPLY_MAX_OCTETS - 100)
      g_string_append(text, units[i % G_N_ELEMENTS(units)]);
    g_string_append(text, "\n\n");
    g_autoptr(ReplyFacts) facts = read_text(text->str);
    g_assert_cmpstr(facts->refused, ==, NULL);
    assert_block(facts, REPLY_BLOCK_NONE);
  }
}

/* Counting stops at a bound; a row of groups that could exhaust the stack is not looked into. */
static void test_many_mailboxes(void) {
  static const struct {
    const char *unit;
    guint units, mailboxes;
  } table[] = {{"a@b.example,", 300, REPLY_MAX_MAILBOXES},
               {"g:a@b.example;,", 60, 60},
               {"g:a@b.example;,", 150, 0},
               {"a@b.example,", 1000, 0}}; /* longer than REPLY_MAX_PARSED_OCTETS */
  for (guint i = 0; i < G_N_ELEMENTS(table); i++) {
    g_autoptr(GString) text = g_string_new("From: ");
    for (guint unit = 0; unit < table[i].units; unit++)
      g_string_append(text, table[i].unit);
    g_string_append(text, "\n\n");
    g_autoptr(ReplyFacts) facts = read_text(text->str);
    g_assert_cmpuint(facts->from_mailboxes, ==, table[i].mailboxes);
    g_assert_null(facts->from);
  }
}

static void test_long_content_field(void) {
  g_autoptr(GString) text = g_string_new(HEAD "Content-Type: text/plain");
  for (int i = 0; text->len < REPLY_MAX_OCTETS - 1000; i++)
    g_string_append_printf(text, ";a%d=x", i);
  g_string_append(text, "\n\n" BLOCK);
  g_autoptr(ReplyFacts) facts = read_text(text->str);
  assert_refused(facts, "too long");
}

/* RFC 2046 section 5.1.1: what is a delimiter and what only looks like one. */
static void test_delimiters(void) {
  static const struct {
    const char *body;
    ReplyBlock block;
  } table[] = {
      {"--b\n\n" BLOCK "--b--\n", REPLY_BLOCK_ONE},
      {"--b \t\n\n" BLOCK "--b-- \n", REPLY_BLOCK_ONE},
      {"--b\n\n" BLOCK "--b--", REPLY_BLOCK_ONE},
      {"--b\n\n" BLOCK "--bb\n-b\n--b-\n --b\n--b--x\n", REPLY_BLOCK_ONE},
      {"--b\n\n" BEGIN DIGEST "\n--bb\n" END "--b--\n", REPLY_BLOCK_MALFORMED},
      {"--b\n\n" BEGIN DIGEST "\n--b\n\n" END "--b--\n", REPLY_BLOCK_MALFORMED},
      {"--b\n\n--b\n\n--b\n\n" BLOCK "--b--\n", REPLY_BLOCK_ONE},
      {"--b--\n--b\n\n" BLOCK, REPLY_BLOCK_NONE},
      {"--B\n\n" BLOCK, REPLY_BLOCK_NONE},
      {" --b\n\n" BLOCK, REPLY_BLOCK_NONE},
      {"", REPLY_BLOCK_NONE},
      {"--b", REPLY_BLOCK_NONE},
      {"--b\n", REPLY_BLOCK_NONE},
  };
  for (guint i = 0; i < G_N_ELEMENTS(table); i++) {
    note(table[i].body);
    g_autofree char *text = g_strconcat(MULTI("mixed"), table[i].body, NULL);
    g_autoptr(ReplyFacts) facts = read_text(text);
    assert_block(facts, table[i].block);
  }
}

/* Any cut and any flipped bit of a real message: no crash, and no block beside a refusal. */
static void test_mutations(void) {
  g_autofree char *text = crlf(MULTI("alternative") PLAIN BLOCK HTML "<p>\n--b--\n");
  gsize length = strlen(text);
  for (gsize i = 0; i < length; i++) {
    g_autoptr(ReplyFacts) cut = read_octets(text, i);
    g_assert_nonnull(cut->token);
    char was = text[i];
    for (guint bit = 0; bit < 8; bit++) {
      text[i] = (char)(was ^ (1 << bit));
      g_autoptr(ReplyFacts) changed = read_octets(text, length);
      g_assert_true(changed->refused == NULL || changed->block == REPLY_BLOCK_NONE);
    }
    text[i] = was;
  }
}

/* --- evidence --- */

static const char signed_reply[] = "DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=sel; "
                                   "h=from:subject; t=5; x=9999999999;\r\n"
                                   " bh=frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=; b=AAAA\r\n"
                                   "DKIM-Signature: junk\r\n"
                                   "From: user@example.org\r\nSubject: Re: ACME: tok\r\nList-Id: "
                                   "x\r\nMessage-ID: <1@example.org>\r\n"
                                   "\r\n";

static const DmarcFinding found_record = {(char *)"example.org", RESOLVER_FOUND,
                                          (char *)"v=DMARC1; p=none", TRUE};

static GVariant *evidence_with(const char *octets, const DmarcFinding *dmarc) {
  g_autoptr(GBytes) message = g_bytes_new(octets, strlen(octets));
  g_autoptr(ReplyFacts) facts = reply_read(message);
  g_autoptr(DkimCheck) check = dkim_check_new(message, NOW);
  return g_variant_ref_sink(reply_evidence_new(facts, check, dmarc));
}

static GVariant *evidence_of(const char *octets) {
  return evidence_with(octets, NULL);
}

static void test_evidence(void) {
  g_autoptr(GVariant) evidence = evidence_of(signed_reply);
  g_autoptr(ReplyFacts) facts = NULL;
  g_autoptr(GPtrArray) signatures = NULL;
  g_assert_cmpstr(g_variant_get_type_string(evidence), ==, REPLY_EVIDENCE_TYPE);
  g_assert_true(reply_evidence_read(evidence, &facts, &signatures, NULL));
  g_assert_cmpstr(facts->from, ==, "user@example.org");
  g_assert_cmpstr(facts->token, ==, "tok");
  g_assert_cmpstr(facts->list_field, ==, "List-Id");
  g_assert_cmpstr(facts->message_id, ==, "<1@example.org>");
  g_assert_cmpuint(signatures->len, ==, 2);
  const DkimSignature *signature = signatures->pdata[0];
  g_assert_cmpint(signature->result, ==, DKIM_PENDING);
  g_assert_cmpstr(signature->domain, ==, "example.org");
  g_assert_cmpstr(signature->selector, ==, "sel");
  g_assert_cmpstr(signature->algorithm, ==, "rsa-sha256");
  g_assert_cmpstr(signature->question, ==, "sel._domainkey.example.org");
  g_assert_cmpstr(signature->fields[0], ==, "from");
  g_assert_cmpstr(signature->fields[1], ==, "subject");
  g_assert_null(signature->fields[2]);
  g_assert_cmpint(signature->expires, ==, 9999999999);
  g_assert_cmpint(signature->created, ==, 5);
  const DkimSignature *junk = signatures->pdata[1];
  g_assert_cmpint(junk->result, ==, DKIM_UNUSABLE);
  g_assert_nonnull(junk->reason);
  g_assert_null(junk->domain);
}

/* The record comes back as it was; nothing where none was asked for. */
static void test_evidence_of_dmarc(void) {
  g_autofree char *longest = g_strnfill(DMARC_MAX_RECORD_OCTETS, 'x');
  g_autofree char *longer = g_strnfill(DMARC_MAX_RECORD_OCTETS + 1, 'x');
  const DmarcFinding findings[] = {
      found_record,
      {(char *)"example.org", RESOLVER_FOUND, longest, FALSE},
      {(char *)"example.org", RESOLVER_NONE, NULL, TRUE},
      {(char *)"example.org", RESOLVER_BOGUS, NULL, FALSE},
      {(char *)"example.org", RESOLVER_TEMPORARY, NULL, FALSE},
      {(char *)"example.org", RESOLVER_FOUND, longer, FALSE},
  };
  for (guint i = 0; i <= G_N_ELEMENTS(findings); i++) {
    const DmarcFinding *finding = i == G_N_ELEMENTS(findings) ? NULL : &findings[i];
    gboolean good = finding == NULL || finding->record != longer;
    g_autoptr(GVariant) evidence = evidence_with(signed_reply, finding);
    g_autoptr(ReplyFacts) facts = NULL;
    g_autoptr(GPtrArray) signatures = NULL;
    g_autoptr(DmarcFinding) dmarc = NULL;
    g_assert_cmpint(reply_evidence_read(evidence, &facts, &signatures, &dmarc), ==, good);
    g_assert_true((dmarc != NULL) == (good && finding != NULL));
    if (dmarc == NULL)
      continue;
    g_assert_cmpstr(dmarc->domain, ==, finding->domain);
    g_assert_cmpint(dmarc->outcome, ==, finding->outcome);
    g_assert_cmpstr(dmarc->record, ==, finding->record);
    g_assert_cmpint(dmarc->secure, ==, finding->secure);
  }
}

/* What reply_read and the check say of any message can be passed on. */
static void test_evidence_of_everything(void) {
  static const char *const texts[] = {
      "",
      "no field\r\n\r\n",
      "From: a@example.org, b@example.org\r\n\r\n",
      "Subject: ACME: \xFF\xFE \x1B[31m\r\nMessage-ID: \x1B\xFF\r\n\r\n",
      "List-\x7E: x\r\n\r\n",
      "DKIM-Signature: a=\xC3\xBC; d=x\r\nFrom: a@b.example\r\n\r\n"};
  for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
    note(texts[i]);
    g_autoptr(GVariant) evidence = evidence_of(texts[i]);
    g_autoptr(ReplyFacts) facts = NULL;
    g_autoptr(GPtrArray) signatures = NULL;
    g_assert_true(reply_evidence_read(evidence, &facts, &signatures, NULL));
  }
  for (guint i = 0; i < G_N_ELEMENTS(part_table); i++) {
    g_autofree char *text = crlf(part_table[i].text);
    g_autoptr(GVariant) evidence = evidence_of(text);
    g_autoptr(ReplyFacts) facts = NULL;
    g_autoptr(GPtrArray) signatures = NULL;
    g_assert_true(reply_evidence_read(evidence, &facts, &signatures, NULL));
    assert_block(facts, part_table[i].block);
  }
}

/* Values in GVariant's text form: "@F" stands for good facts, "@S" for a good signature. */
#define GOOD_FACTS                                                                                 \
  "(nothing, 1, 1, 'a@example.org', 1, 'tok', 0, 0, nothing, false, 0, @ay [], nothing)"
#define GOOD_SIGNATURE                                                                             \
  "(1, nothing, 'example.org', 'sel', 'rsa-sha256', ['from'], 'sel._domainkey.example.org', "      \
  "'p=', "                                                                                         \
  "true, 0, 0)"
#define FACTS(facts) "(" facts ", [" GOOD_SIGNATURE "], nothing)"
#define SIGNATURE(signature) "(" GOOD_FACTS ", [" signature "], nothing)"
#define DMARC(dmarc) "(" GOOD_FACTS ", [], " dmarc ")"
#define DIGEST_32                                                                                  \
  "[0x01,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32]"

static const struct {
  const char *text;
  gboolean good;
} evidence_table[] = {
    {FACTS(GOOD_FACTS), TRUE},
    {DMARC("nothing"), TRUE},
    {FACTS("(nothing, 1, 1, 'a@example.org', 1, 'tok', 0, 0, nothing, false, 4, " DIGEST_32
           ", nothing)"),
     TRUE},
    {FACTS("(nothing, 1, 1, 'a@example.org', 1, 'tok', 0, 0, nothing, false, 4, @ay [], nothing)"),
     FALSE},
    {FACTS("(nothing, 1, 1, 'a@example.org', 1, 'tok', 0, 0, nothing, false, 4, [0x01], nothing)"),
     FALSE},
    {FACTS("(nothing, 1, 1, 'a@example.org', 1, 'tok', 0, 0, nothing, false, 0, " DIGEST_32
           ", nothing)"),
     FALSE},
    {FACTS("(nothing, 1, 1, 'a@example.org', 1, 'tok', 0, 0, nothing, false, 5, @ay [], nothing)"),
     FALSE},
    {FACTS("('bad', 1, 1, 'a@example.org', 1, 'tok', 0, 0, nothing, false, 4, " DIGEST_32
           ", nothing)"),
     FALSE},
    {FACTS("(nothing, 1, 1, 'a@example.org', 1, 'tok', 2, 0, nothing, false, 4, " DIGEST_32
           ", nothing)"),
     FALSE},
    {FACTS("(nothing, 1, 2, 'a@example.org', 1, 'tok', 0, 0, nothing, false, 0, @ay [], nothing)"),
     FALSE},
    {FACTS("(nothing, 0, 1, 'a@example.org', 1, 'tok', 0, 0, nothing, false, 0, @ay [], nothing)"),
     FALSE},
    {FACTS("(nothing, 201, 0, nothing, 1, 'tok', 0, 0, nothing, false, 0, @ay [], nothing)"),
     FALSE},
    {FACTS("(nothing, 1, 101, nothing, 1, 'tok', 0, 0, nothing, false, 0, @ay [], nothing)"),
     FALSE},
    {FACTS("(nothing, 1, 1, nothing, 0, 'tok', 0, 0, nothing, false, 0, @ay [], nothing)"), FALSE},
    {FACTS("(nothing, 1, 1, nothing, 1, 'to\\nk', 0, 0, nothing, false, 0, @ay [], nothing)"),
     FALSE},
    {FACTS("(nothing, 1, 1, 'a\\u0007@example.org', 1, '', 0, 0, nothing, false, 0, @ay [], "
           "nothing)"),
     FALSE},
    {FACTS("(nothing, 1, 1, nothing, 1, '', 0, 0, 'List Id', false, 0, @ay [], nothing)"), FALSE},
    {FACTS("(nothing, 1, 1, nothing, 1, '', 0, 0, nothing, false, 0, @ay [], '<a\\r\\nb>')"),
     FALSE},
    {"(" GOOD_FACTS ", [" GOOD_SIGNATURE "," GOOD_SIGNATURE "," GOOD_SIGNATURE "," GOOD_SIGNATURE
     "," GOOD_SIGNATURE "], nothing)",
     TRUE},
    {"(" GOOD_FACTS ", [" GOOD_SIGNATURE "," GOOD_SIGNATURE "," GOOD_SIGNATURE "," GOOD_SIGNATURE
     "," GOOD_SIGNATURE "," GOOD_SIGNATURE "], nothing)",
     FALSE},
    {SIGNATURE("(2, 'x', nothing, nothing, nothing, @as [], nothing, nothing, false, 0, 0)"), TRUE},
    {SIGNATURE("(2, nothing, nothing, nothing, nothing, @as [], nothing, nothing, false, 0, 0)"),
     FALSE},
    {SIGNATURE("(5, 'x', nothing, nothing, nothing, @as [], nothing, nothing, false, 0, 0)"),
     FALSE},
    {SIGNATURE("(1, 'x', 'example.org', 'sel', 'a', ['from'], 'q', 'p=', true, 0, 0)"), FALSE},
    {SIGNATURE("(1, nothing, 'example.org', 'sel', 'a', ['subject'], 'q', 'p=', true, 0, 0)"),
     FALSE},
    {SIGNATURE("(1, nothing, nothing, 'sel', 'a', ['from'], 'q', 'p=', true, 0, 0)"), FALSE},
    {SIGNATURE("(1, nothing, 'example.org', 'sel', 'a', ['from'], 'q', nothing, true, 0, 0)"),
     FALSE},
    {SIGNATURE("(1, nothing, 'EXAMPLE.org', 'sel', 'a', ['from'], 'q', 'p=', true, 0, 0)"), FALSE},
    {SIGNATURE("(1, nothing, 'org', 'sel', 'a', ['from'], 'q', 'p=', true, 0, 0)"), FALSE},
    {SIGNATURE("(1, nothing, 'example.org', 's l', 'a', ['from'], 'q', 'p=', true, 0, 0)"), FALSE},
    {SIGNATURE("(1, nothing, 'example.org', 'sel', 'a', ['from', ''], 'q', 'p=', true, 0, 0)"),
     FALSE},
    {SIGNATURE("(1, nothing, 'example.org', 'sel', 'a', ['from', 'a:b'], 'q', 'p=', true, 0, 0)"),
     FALSE},
    {SIGNATURE("(1, nothing, 'example.org', 'sel', 'a', ['from', 'a b'], 'q', 'p=', true, 0, 0)"),
     FALSE},
    {SIGNATURE("(1, nothing, 'example.org', 'sel', 'a', ['from'], 'q\\n', 'p=', true, 0, 0)"),
     FALSE},
    {SIGNATURE("(1, nothing, 'example.org', 'sel', 'a', ['from'], 'q', 'p=\\n', true, 0, 0)"),
     FALSE},
    {SIGNATURE("(1, nothing, 'example.org', 'sel', 'a', ['from'], 'q', 'p=', true, -1, 0)"), FALSE},
    {SIGNATURE("(1, nothing, 'example.org', 'sel', 'a', ['from'], 'q', 'p=', true, 0, -1)"), FALSE},
    {DMARC("('example.org', 3, 'v=DMARC1', true)"), TRUE},
    {DMARC("('example.org', 3, 'v=DMARC1', false)"), TRUE},
    {DMARC("('example.org', 2, nothing, true)"), TRUE},
    {DMARC("('example.org', 1, nothing, false)"), TRUE},
    {DMARC("('example.org', 0, nothing, false)"), TRUE},
    {DMARC("('example.org', 4, 'v=DMARC1', true)"), FALSE},
    {DMARC("('example.org', 3, nothing, true)"), FALSE},
    {DMARC("('example.org', 2, 'v=DMARC1', true)"), FALSE},
    {DMARC("('example.org', 1, nothing, true)"), FALSE},
    {DMARC("('example.org', 0, nothing, true)"), FALSE},
    {DMARC("('example.org', 3, 'v=DMARC1\\n', true)"), FALSE},
    {DMARC("('Example.org', 2, nothing, true)"), FALSE},
    {DMARC("('', 2, nothing, true)"), FALSE},
    {DMARC("('org', 2, nothing, true)"), FALSE},
    {DMARC("('b.example.org', 2, nothing, true)"), FALSE},
    {DMARC("('example.com', 2, nothing, true)"), FALSE},
    {DMARC("('ample.org', 2, nothing, true)"), FALSE},
    {"((nothing, 1, 2, nothing, 1, '', 0, 0, nothing, false, 0, @ay [], nothing), [], "
     "('example.org', 2, nothing, true))",
     FALSE},
    {"((nothing, 1, 1, 'a@b.c.example.org', 1, '', 0, 0, nothing, false, 0, @ay [], nothing), [], "
     "('example.org', 2, nothing, true))",
     TRUE},
};

static void test_evidence_values(void) {
  for (guint i = 0; i < G_N_ELEMENTS(evidence_table); i++) {
    note(evidence_table[i].text);
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) value = g_variant_parse(G_VARIANT_TYPE(REPLY_EVIDENCE_TYPE),
                                                evidence_table[i].text, NULL, NULL, &error);
    g_assert_no_error(error);
    g_autoptr(ReplyFacts) facts = NULL;
    g_autoptr(GPtrArray) signatures = NULL;
    g_autoptr(DmarcFinding) dmarc = NULL;
    g_assert_cmpint(reply_evidence_read(value, &facts, &signatures, &dmarc), ==,
                    evidence_table[i].good);
    g_assert_true((facts != NULL) == evidence_table[i].good);
    g_assert_true((signatures != NULL) == evidence_table[i].good);
    g_assert_true(dmarc == NULL || evidence_table[i].good);
  }
}

/* Octets that are no value in normal form: every cut and every flipped bit of a good one. */
static void test_evidence_octets(void) {
  g_autoptr(GVariant) good = evidence_with(signed_reply, &found_record);
  gsize length = g_variant_get_size(good);
  for (gsize i = 0; i < length * 9; i++) {
    g_autofree guint8 *octets = g_memdup2(g_variant_get_data(good), length);
    octets[i / 9] ^= (guint8)(i % 9 == 8 ? 0 : 1 << i % 9);
    gsize kept = i % 9 == 8 ? i / 9 : length;
    g_autoptr(GBytes) bytes = g_bytes_new(octets, kept);
    g_autoptr(GVariant) value = g_variant_ref_sink(
        g_variant_new_from_bytes(G_VARIANT_TYPE(REPLY_EVIDENCE_TYPE), bytes, FALSE));
    g_autoptr(ReplyFacts) facts = NULL;
    g_autoptr(GPtrArray) signatures = NULL;
    g_autoptr(DmarcFinding) dmarc = NULL;
    gboolean read = reply_evidence_read(value, &facts, &signatures, &dmarc);
    g_assert_true(read == (facts != NULL && signatures != NULL));
    g_assert_true(dmarc == NULL || read);
    g_assert_true(!read || kept == length);
  }
  g_autoptr(GVariant) other = g_variant_ref_sink(g_variant_new("(s)", "x"));
  g_autoptr(ReplyFacts) facts = NULL;
  g_autoptr(GPtrArray) signatures = NULL;
  g_assert_false(reply_evidence_read(other, &facts, &signatures, NULL));
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/reply/block/texts", test_texts);
  g_test_add_func("/reply/block/parts", test_parts);
  g_test_add_func("/reply/header/from", test_from);
  g_test_add_func("/reply/header/strange-from", test_strange_from);
  g_test_add_func("/reply/header/scan", test_scan);
  g_test_add_func("/reply/header/subject", test_subject);
  g_test_add_func("/reply/header/long-subject", test_long_subject);
  g_test_add_func("/reply/header/counts", test_counts);
  g_test_add_func("/reply/header/absent", test_absent);
  g_test_add_func("/reply/header/lists-and-reports", test_lists_and_reports);
  g_test_add_func("/reply/refused/table", test_refused);
  g_test_add_func("/reply/refused/size", test_size);
  g_test_add_func("/reply/refused/field-count", test_field_count);
  g_test_add_func("/reply/refused/depth", test_depth);
  g_test_add_func("/reply/refused/part-count", test_part_count);
  g_test_add_func("/reply/hostile/shapes", test_hostile_shapes);
  g_test_add_func("/reply/hostile/deep-addresses", test_deep_addresses);
  g_test_add_func("/reply/hostile/many-mailboxes", test_many_mailboxes);
  g_test_add_func("/reply/hostile/long-content-field", test_long_content_field);
  g_test_add_func("/reply/block/delimiters", test_delimiters);
  g_test_add_func("/reply/hostile/mutations", test_mutations);
  g_test_add_func("/reply/evidence/round-trip", test_evidence);
  g_test_add_func("/reply/evidence/dmarc", test_evidence_of_dmarc);
  g_test_add_func("/reply/evidence/everything", test_evidence_of_everything);
  g_test_add_func("/reply/evidence/values", test_evidence_values);
  g_test_add_func("/reply/evidence/octets", test_evidence_octets);
  return g_test_run();
}
