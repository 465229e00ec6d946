/* SPDX-License-Identifier: Apache-2.0 */
/* Values of CAA iodef properties, which strangers write: one plain mailbox comes out, or nothing.
 */
#include "ca/caa.h"
#include "ca/caa_iodef.h"

#include <string.h>

#define LOCAL64 "1234567890123456789012345678901234567890123456789012345678901234"

static const struct {
  const char *value, *address; /* NULL: none */
} table[] = {
    {"mailto:security@example.org", "security@example.org"},
    {"MailTo:Security@Example.ORG", "Security@example.org"},
    {"mailto:a.b+caa_1-2~3!$'*@example.org", "a.b+caa_1-2~3!$'*@example.org"},
    {"mailto:" LOCAL64 "@example.org", LOCAL64 "@example.org"},
    /* percent-encoded (RFC 6068 section 2) */
    {"mailto:%73ecurity%40example.org", "security@example.org"},
    {"mailto:a%3Db%26c%2fd%3F@example.org", "a=b&c/d?@example.org"},
    {"mailto:100%25@example.org", "100%@example.org"},
    {"mailto:%2561@example.org", "%61@example.org"}, /* decoded once */
    {"mailto:j%C3%B6rg@example.org", "j\xc3\xb6rg@example.org"},
    {"mailto:caa@b%C3%BCcher.example", "caa@xn--bcher-kva.example"},
    {"mailto:a%@example.org", NULL},
    {"mailto:a%4@example.org", NULL},
    {"mailto:a%g1@example.org", NULL},
    {"mailto:a@example.org%", NULL},
    {"mailto:a@example.org%4", NULL},
    {"mailto:a%00@example.org", NULL},
    {"mailto:a@example.org%00", NULL},
    {"mailto:a%0D%0ABcc:victim%40example.net@example.org", NULL},
    {"mailto:a%0a@example.org", NULL},
    {"mailto:%ff@example.org", NULL},
    {"mailto:j%C3@example.org", NULL},
    {"mailto:a%E2%80%AE@example.org", NULL},
    /* header fields, body, further addresses */
    {"mailto:a@example.org?subject=x", NULL},
    {"mailto:a@example.org?cc=victim@example.net", NULL},
    {"mailto:a@example.org?bcc=victim@example.net&body=x", NULL},
    {"mailto:a@example.org?", NULL},
    {"mailto:?to=a@example.org", NULL},
    {"mailto:a@example.org,victim@example.net", NULL},
    {"mailto:a@example.org%2Cvictim@example.net", NULL},
    {"mailto:a@example.org;victim@example.net", NULL},
    {"mailto:victim%40example.net%2C@example.org", NULL},
    {"mailto:a@example.org#x", NULL},
    {"mailto:victim@example.net@example.org", NULL},
    {"mailto:victim%40example.net@example.org", NULL},
    {"mailto:@example.net:a@example.org", NULL},
    /* what is no address */
    {"mailto:", NULL},
    {"mailto:a", NULL},
    {"mailto:@example.org", NULL},
    {"mailto:a@", NULL},
    {"mailto:a@localhost", NULL},
    {"mailto:a@[192.0.2.1]", NULL},
    {"mailto:a@%5B192.0.2.1%5D", NULL},
    {"mailto:a@192.0.2.1", NULL},
    {"mailto:%22a%20b%22@example.org", NULL},
    {"mailto:A%20%3Ca@example.org%3E", NULL},
    {"mailto:<a@example.org>", NULL},
    {"mailto: a@example.org", NULL},
    {"mailto:a@example.org ", NULL},
    {"mailto:a@example.org\r\nBcc: victim@example.net", NULL},
    {"mailto:a=b@example.org", NULL},
    {"mailto://a@example.org", NULL},
    {"mailto:1" LOCAL64 "@example.org", NULL},
    {"mailto:j\xc3\xb6rg@example.org", NULL},
    {"mailto:a..b@example.org", NULL},
    {"mailto:=%3Futf-8%3Fq%3Fa%3F=@example.org", NULL},
    {"mailto:%3D%3Futf-8%3Fq%3Fa%3F%3D@example.org", NULL},
    /* other URLs */
    {"", NULL},
    {"mailto", NULL},
    {" mailto:a@example.org", NULL},
    {"a@example.org", NULL},
    {"https://iodef.example.org/", NULL},
    {"http://iodef.example.org/?mailto:a@example.org", NULL},
    {"xmailto:a@example.org", NULL},
};

static void test_table(void) {
  for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {
    g_autoptr(Mailbox) mailbox = caa_iodef_mailbox(table[i].value, strlen(table[i].value));
    g_test_message("%s", table[i].value);
    g_assert_cmpstr(mailbox != NULL ? mailbox->address : NULL, ==, table[i].address);
  }
}

/* Not ended by a zero, with one inside, and too long. */
static void test_octets(void) {
  static const char nul[] = "mailto:a@example.org\0.victim.example";
  g_autofree char *cut = g_memdup2("mailto:a@example.org%4", 20);
  g_autoptr(Mailbox) whole = caa_iodef_mailbox(cut, 20);
  g_assert_cmpstr(whole->address, ==, "a@example.org");
  g_autofree char *escape = g_memdup2("mailto:a@example.org%40", 22);
  g_assert_null(caa_iodef_mailbox(escape, 22));
  g_assert_null(caa_iodef_mailbox(nul, sizeof(nul) - 1));
  g_autofree char *digits = g_strnfill(CAA_IODEF_MAX_OCTETS, '1');
  g_autofree char *longest = g_strconcat("mailto:", digits, NULL);
  g_assert_null(caa_iodef_mailbox(longest, strlen(longest)));
}

/* --- in record sets --- */

static void add(CaaRecordSet *set, guint8 flags, const char *tag, const char *value) {
  GByteArray *octets = g_byte_array_new();
  guint8 length = (guint8)strlen(tag);
  g_byte_array_append(octets, &flags, 1);
  g_byte_array_append(octets, &length, 1);
  g_byte_array_append(octets, (const guint8 *)tag, length);
  g_byte_array_append(octets, (const guint8 *)value, (guint)strlen(value));
  g_ptr_array_add(set->records, g_byte_array_free_to_bytes(octets));
}

static CaaRecordSet *set_of(ResolverOutcome outcome) {
  CaaRecordSet *set = g_new0(CaaRecordSet, 1);
  set->outcome = outcome;
  set->found_at = g_strdup("example.org");
  set->records = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
  return set;
}

static void test_mailboxes(void) {
  g_autoptr(CaaRecordSet) set = set_of(RESOLVER_FOUND);
  add(set, 0, "issuemail", "mailto:not@example.org");
  add(set, 0, "iodef", "mailto:z@example.org");
  add(set, 0, "IODEF", "mailto:Z@example.org");
  add(set, 128, "iodef", "mailto:a@example.org");
  add(set, 0, "iodef", "https://example.org/");
  add(set, 0, "contactemail", "not@example.org");
  g_ptr_array_add(set->records, g_bytes_new_static("\0\011iodef", 7));
  g_autoptr(GPtrArray) mailboxes = caa_report_mailboxes(set);
  g_assert_cmpuint(mailboxes->len, ==, 2);
  g_assert_cmpstr(((Mailbox *)mailboxes->pdata[0])->address, ==, "a@example.org");
  g_assert_cmpstr(((Mailbox *)mailboxes->pdata[1])->address, ==, "z@example.org");
}

/* The record that caa_judge names. */
static void test_refusing_record(void) {
  static const char *const identities[] = {"ca.example.org", NULL};
  static const CaaRequest request = {identities, "account", "email-reply-00"};
  static const struct {
    ResolverOutcome outcome;
    const char *tag, *value, *record;
  } cases[] = {
      {RESOLVER_FOUND, "issuemail", ";", "example.org. CAA 0 issuemail \";\""},
      {RESOLVER_FOUND, "issuemail", "other.example",
       "example.org. CAA 0 issuemail \"other.example\""},
      {RESOLVER_FOUND, "issuemail", "ca.example.org", NULL},
      {RESOLVER_FOUND, "issue", ";", NULL},
      {RESOLVER_BOGUS, "issuemail", ";", NULL},
      {RESOLVER_TEMPORARY, "issuemail", ";", NULL},
      {RESOLVER_NONE, "issuemail", ";", NULL},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(CaaRecordSet) set = set_of(cases[i].outcome);
    add(set, 0, "iodef", "mailto:a@example.org");
    add(set, 0, cases[i].tag, cases[i].value);
    g_autofree char *record = caa_refusing_record(set, &request);
    g_assert_cmpstr(record, ==, cases[i].record);
  }
  g_autoptr(CaaRecordSet) critical = set_of(RESOLVER_FOUND);
  add(critical, 0, "issuemail", "ca.example.org");
  add(critical, 128, "future", "x");
  g_autofree char *record = caa_refusing_record(critical, &request);
  g_assert_cmpstr(record, ==, "example.org. CAA 128 future \"x\"");
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/caa-iodef/table", test_table);
  g_test_add_func("/caa-iodef/octets", test_octets);
  g_test_add_func("/caa-iodef/mailboxes", test_mailboxes);
  g_test_add_func("/caa-iodef/refusing-record", test_refusing_record);
  return g_test_run();
}
