/* SPDX-License-Identifier: Apache-2.0 */
#include "base/doh_message.h"

#include <string.h>

#define NAME "Mail.example.org"
#define CAA_DATA "\0\x09issuemailca.example"
#define AT_NAME "\xc0\x0c" /* the question's name */

static void put16(GByteArray *out, guint value) {
  const guint8 octets[] = {(guint8)(value >> 8), (guint8)value};
  g_byte_array_append(out, octets, 2);
}

static GByteArray *answer_to(const char *name, int type) {
  g_autoptr(GBytes) question = doh_message_question(name, type);
  GByteArray *packet = g_byte_array_new();
  gsize length = 0;
  const guint8 *octets = g_bytes_get_data(question, &length);
  g_byte_array_append(packet, octets, (guint)length);
  packet->data[2] = 0x81; /* an answer, recursion desired */
  packet->data[3] = 0xa0; /* and available; AD */
  return packet;
}

static void put_record(GByteArray *packet, const char *owner, gsize owner_length, guint type,
                       guint8 ttl, const char *data, gsize length) {
  g_byte_array_append(packet, (const guint8 *)owner, (guint)owner_length);
  put16(packet, type);
  put16(packet, 1);
  put16(packet, 0);
  put16(packet, ttl);
  put16(packet, (guint)length);
  g_byte_array_append(packet, (const guint8 *)data, (guint)length);
  packet->data[7]++;
}
#define PUT(packet, owner, type, ttl, data)                                                        \
  put_record(packet, owner, sizeof(owner) - 1, type, ttl, data, sizeof(data) - 1)

static GByteArray *caa_answer(void) {
  GByteArray *packet = answer_to(NAME, RESOLVER_CAA);
  PUT(packet, AT_NAME, RESOLVER_CAA, 200, CAA_DATA);
  PUT(packet, AT_NAME, RESOLVER_CAA, 100, "\0\x09issuemail;");
  return packet;
}

static void read_as(GByteArray *packet, const char *name, int type, ResolverAnswer *answer) {
  g_autoptr(GBytes) message = g_bytes_new(packet->data, packet->len);
  doh_message_read(message, name, type, answer);
  g_assert_nonnull(answer->text);
  g_assert_cmpint(answer->outcome == RESOLVER_FOUND, ==, answer->rdata->len > 0);
  g_assert_true(!answer->secure || answer->outcome >= RESOLVER_NONE);
}

static void assert_read(GByteArray *packet, const char *name, int type, ResolverOutcome outcome,
                        const char *text) {
  ResolverAnswer answer;
  read_as(packet, name, type, &answer);
  g_assert_cmpint(answer.outcome, ==, outcome);
  if (strstr(answer.text, text) == NULL)
    g_error("\"%s\", not \"%s\"", answer.text, text);
  doh_message_clear(&answer);
}

static void assert_unusable(GByteArray *packet, const char *text) {
  assert_read(packet, NAME, RESOLVER_CAA, RESOLVER_TEMPORARY, text);
}

/* RFC 8484 section 4.1: id 0, so that one question is one message. */
static void test_question(void) {
  g_autoptr(GBytes) question = doh_message_question("a.example", RESOLVER_TXT);
  static const guint8 expected[] = "\0\0\x01\x20\0\1\0\0\0\0\0\0\1a\7example\0\0\x10\0\1";
  g_autoptr(GBytes) wanted = g_bytes_new(expected, sizeof(expected) - 1);
  g_assert_true(g_bytes_equal(question, wanted));
  g_autofree char *label = g_strnfill(64, 'a');
  g_assert_null(doh_message_question(label, RESOLVER_TXT));
  g_autoptr(GString) name = g_string_new("example.org");
  for (int i = 0; i < 130; i++)
    g_string_prepend(name, "a.");
  g_assert_null(doh_message_question(name->str, RESOLVER_TXT));
  g_assert_null(doh_message_question("a..b", RESOLVER_TXT));
}

static void test_found(void) {
  g_autoptr(GByteArray) packet = caa_answer();
  g_autoptr(GBytes) wanted = g_bytes_new(CAA_DATA, sizeof(CAA_DATA) - 1);
  ResolverAnswer answer;
  read_as(packet, "MAIL.EXAMPLE.ORG", RESOLVER_CAA, &answer);
  g_assert_cmpint(answer.outcome, ==, RESOLVER_FOUND);
  g_assert_cmpuint(answer.rdata->len, ==, 2);
  g_assert_true(g_bytes_equal(answer.rdata->pdata[0], wanted));
  g_assert_cmpint(answer.ttl, ==, 100);
  g_assert_true(answer.secure);
  doh_message_clear(&answer);
  packet->data[3] &= (guint8)~0x20;
  read_as(packet, NAME, RESOLVER_CAA, &answer);
  g_assert_false(answer.secure);
  doh_message_clear(&answer);
}

/* Names in the data are made whole. */
static void test_mx(void) {
  g_autoptr(GByteArray) packet = answer_to(NAME, RESOLVER_MX);
  ResolverAnswer answer;
  guint preference = 0;
  PUT(packet, AT_NAME, RESOLVER_MX, 1, "\0\x0a\2mx\xc0\x11");
  read_as(packet, NAME, RESOLVER_MX, &answer);
  g_assert_cmpuint(answer.rdata->len, ==, 1);
  g_autofree char *host = resolver_mx(answer.rdata->pdata[0], &preference);
  g_assert_cmpstr(host, ==, "mx.example.org");
  g_assert_cmpuint(preference, ==, 10);
  doh_message_clear(&answer);
}

static void test_aliases(void) {
  g_autoptr(GByteArray) packet = answer_to(NAME, RESOLVER_CAA);
  PUT(packet, "\1b\xc0\x11", 5, 1, "\1c\xc0\x11"); /* in any order */
  PUT(packet, AT_NAME, 5, 1, "\1b\xc0\x11");
  PUT(packet, "\1d\xc0\x11", RESOLVER_CAA, 1, "\0\x09issuemail;"); /* of nobody on the way */
  assert_read(packet, NAME, RESOLVER_CAA, RESOLVER_NONE, "no record of that type");
  PUT(packet, "\1c\xc0\x11", RESOLVER_CAA, 1, CAA_DATA);
  ResolverAnswer answer;
  read_as(packet, NAME, RESOLVER_CAA, &answer);
  g_assert_cmpuint(answer.rdata->len, ==, 1);
  doh_message_clear(&answer);
  g_autoptr(GByteArray) loop = answer_to(NAME, RESOLVER_CAA);
  PUT(loop, AT_NAME, 5, 1, AT_NAME);
  assert_unusable(loop, "too many aliases");
}

static void test_none(void) {
  g_autoptr(GByteArray) packet = answer_to(NAME, RESOLVER_CAA);
  assert_read(packet, NAME, RESOLVER_CAA, RESOLVER_NONE, "no record of that type");
  packet->data[3] = 0xa3;
  assert_read(packet, NAME, RESOLVER_CAA, RESOLVER_NONE, "no such domain name");
  PUT(packet, AT_NAME, 99, 1, "\1x");
  assert_read(packet, NAME, RESOLVER_CAA, RESOLVER_NONE, "no such domain name");
}

/* Whatever is not exactly the answer to the question. */
static void test_unusable(void) {
  static const struct {
    guint at;
    guint8 octet;
    const char *text;
  } changes[] = {
      {1, 1, "another id"},
      {2, 0x01, "no answer"},
      {2, 0x83, "cut off"},
      {2, 0xa1, "another kind"},
      {3, 0xa2, "error 2"},
      {3, 0xa5, "error 5"},
      {3, 0xa1, "error 1"},
      {5, 0, "unusable"},
      {5, 2, "unusable"},
      {7, 3, "malformed"},
      {13, 'x', "another question"},
      {12 + 19, 16, "another question"},
      {12 + 21, 3, "another question"},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(changes); i++) {
    g_autoptr(GByteArray) packet = caa_answer();
    g_test_message("octet %u is %u", changes[i].at, changes[i].octet);
    packet->data[changes[i].at] = changes[i].octet;
    assert_unusable(packet, changes[i].text);
  }
  g_autoptr(GByteArray) whole = caa_answer();
  assert_read(whole, "mail.example.com", RESOLVER_CAA, RESOLVER_TEMPORARY, "another question");
  assert_read(whole, NAME, RESOLVER_TXT, RESOLVER_TEMPORARY, "another question");
  g_autoptr(GByteArray) empty = answer_to(NAME, RESOLVER_CAA);
  PUT(empty, AT_NAME, 5, 1, "");
  assert_unusable(empty, "a record is empty");
  g_autoptr(GByteArray) large = caa_answer();
  g_byte_array_set_size(large, DOH_MAX_OCTETS + 1);
  assert_unusable(large, "too large");
}

/* Records of another owner, class or type are none of the answer. */
static void test_beside(void) {
  g_autoptr(GByteArray) packet = answer_to(NAME, RESOLVER_CAA);
  PUT(packet, "\xc0\x11", RESOLVER_CAA, 1, CAA_DATA);
  PUT(packet, AT_NAME, RESOLVER_TXT, 1, "\1x");
  PUT(packet, AT_NAME, RESOLVER_CAA, 1, CAA_DATA);
  gsize class = packet->len - (sizeof(CAA_DATA) - 1) - 8;
  packet->data[class + 1] = 3;
  assert_read(packet, NAME, RESOLVER_CAA, RESOLVER_NONE, "no record of that type");
}

/* Cut anywhere, changed anywhere, and noise: read without harm, and never as what it was not. */
static void test_hostile(void) {
  g_autoptr(GByteArray) whole = caa_answer();
  for (guint length = 0; length < whole->len; length++) {
    g_autoptr(GByteArray) packet = g_byte_array_new();
    g_byte_array_append(packet, whole->data, length);
    assert_unusable(packet, "malformed");
  }
  for (guint at = 0; at < whole->len; at++)
    for (guint bit = 0; bit < 8; bit++) {
      ResolverAnswer answer;
      g_autoptr(GByteArray) packet = caa_answer();
      packet->data[at] ^= (guint8)(1u << bit);
      read_as(packet, NAME, RESOLVER_CAA, &answer);
      doh_message_clear(&answer);
    }
  for (guint i = 0; i < 20000; i++) {
    ResolverAnswer answer;
    g_autoptr(GByteArray) packet = answer_to(NAME, RESOLVER_CAA);
    packet->data[7] = (guint8)g_test_rand_int_range(0, 5);
    for (gint length = g_test_rand_int_range(0, 80); length > 0; length--) {
      guint8 octet = (guint8)(g_test_rand_bit() ? g_test_rand_int_range(0, 256)
                                                : (gint) "\xc0\x0c\0\1\5"[length % 5]);
      g_byte_array_append(packet, &octet, 1);
    }
    read_as(packet, NAME, RESOLVER_CAA, &answer);
    doh_message_clear(&answer);
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/doh-message/question", test_question);
  g_test_add_func("/doh-message/found", test_found);
  g_test_add_func("/doh-message/mx", test_mx);
  g_test_add_func("/doh-message/aliases", test_aliases);
  g_test_add_func("/doh-message/none", test_none);
  g_test_add_func("/doh-message/unusable", test_unusable);
  g_test_add_func("/doh-message/beside", test_beside);
  g_test_add_func("/doh-message/hostile", test_hostile);
  return g_test_run();
}
