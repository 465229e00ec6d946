/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mailbox.h"

#include <string.h>

static const struct {
  const char *text, *address, *canonical;
  gboolean ascii;
} good[] = {
    {"ann@example.org", "ann@example.org", "ann@example.org", TRUE},
    {"Ann.Lee+Tag@Example.ORG", "Ann.Lee+Tag@example.org", "ann.lee+tag@example.org", TRUE},
    {"!#$%&'*+-/=?^_`{|}~@a.b", "!#$%&'*+-/=?^_`{|}~@a.b", "!#$%&'*+-/=?^_`{|}~@a.b", TRUE},
    {"1@1.example", "1@1.example", "1@1.example", TRUE},
    {"?=a=?@a.b", "?=a=?@a.b", "?=a=?@a.b", TRUE}, /* no encoded word */
    {"a=?=@a.b", "a=?=@a.b", "a=?=@a.b", TRUE},
    {"a@b-c.d--e.org", "a@b-c.d--e.org", "a@b-c.d--e.org", TRUE},
    {"ann@B\u00fccher.example", "ann@xn--bcher-kva.example", "ann@xn--bcher-kva.example", TRUE},
    {"ann@B\u00dcCHER.example", "ann@xn--bcher-kva.example", "ann@xn--bcher-kva.example", TRUE},
    {"ann@bu\u0308cher.example", "ann@xn--bcher-kva.example", "ann@xn--bcher-kva.example", TRUE},
    {"ann@XN--Bcher-KVA.example", "ann@xn--bcher-kva.example", "ann@xn--bcher-kva.example", TRUE},
    {"ann@stra\u00dfe.de", "ann@xn--strae-oqa.de", "ann@xn--strae-oqa.de", TRUE},
    {"J\u00d6RG@example.org", "J\u00d6RG@example.org", "j\u00d6rg@example.org", FALSE},
    {"\u0437\u0430@\u043f\u0440.\u0440\u0444", "\u0437\u0430@xn--o1ac.xn--p1ai",
     "\u0437\u0430@xn--o1ac.xn--p1ai", FALSE},
    {"\u0430\u043d\u043d\u0430+Tag@XN--Bcher-KVA.example",
     "\u0430\u043d\u043d\u0430+Tag@xn--bcher-kva.example",
     "\u0430\u043d\u043d\u0430+tag@xn--bcher-kva.example", FALSE},
    {"\u7528\u6237@example.org", "\u7528\u6237@example.org", "\u7528\u6237@example.org", FALSE},
    /* A mark that composes with nothing. */
    {"q\u0308@example.org", "q\u0308@example.org", "q\u0308@example.org", FALSE},
    /* The joiner of a Persian word is part of the domain's U-label alone. */
    {"ann@\u0646\u0627\u0645\u0647\u200c\u0627\u06cc.example", "ann@xn--mgba3gch31f060k.example",
     "ann@xn--mgba3gch31f060k.example", TRUE},
    {"ann@xn--mgba3gch31f060k.example", "ann@xn--mgba3gch31f060k.example",
     "ann@xn--mgba3gch31f060k.example", TRUE},
};

static void test_good(void) {
  for (gsize i = 0; i < G_N_ELEMENTS(good); i++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(Mailbox) mailbox = mailbox_parse(good[i].text, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(mailbox->text, ==, good[i].text);
    g_assert_cmpstr(mailbox->address, ==, good[i].address);
    g_assert_cmpstr(mailbox->canonical, ==, good[i].canonical);
    g_assert_cmpint(mailbox->ascii, ==, good[i].ascii);
    g_autofree char *joined = g_strconcat(mailbox->local, "@", mailbox->domain, NULL);
    g_assert_cmpstr(joined, ==, mailbox->address);
    /* What is certified is itself an address with the same meaning. */
    g_autoptr(Mailbox) again = mailbox_parse(mailbox->address, &error);
    g_assert_no_error(error);
    g_assert_true(mailbox_equal(mailbox, again, TRUE));
  }
}

/* security.md 2, 18: what must never become an identifier or a recipient. */
static const struct {
  const char *text, *why;
} bad[] = {
    {"", "no @"},
    {"ann", "no @"},
    {"@example.org", "nothing before"},
    {"ann@", "two labels"},
    {"ann@org", "two labels"},
    {"ann@localhost", "two labels"},
    {"ann@example.org.", "empty label"},
    {"ann@.example.org", "empty label"},
    {"ann@example..org", "empty label"},
    {"ann@-a.org", "hyphen"},
    {"ann@a-.org", "hyphen"},
    {"ann@-\u00fc.org", "hyphen"},
    {"ann@ex_ample.org", "host names"},
    {"ann@a_\u00fc.org", "host names"},
    {"ann@*.example.org", "host names"},
    {"ann@example.org>", "host names"},
    {"ann@example.org,bob", "host names"},
    {"ann@[192.0.2.1]", "literals"},
    {"ann@[IPv6:2001:db8::1]", "literals"},
    {"ann@192.0.2.1", "number"},
    {"ann@xn--zzzzzz99.org", "A-label"},
    {"ann@xn--.org", "hyphen"},
    {"ann@xn--a.org", "A-label"},
    {"ann@xn--abc-.org", "hyphen"},
    {"ann@xn--n3h.org", "A-label"},
    {"ann@ab--c.org", "reserved"},
    {"ann@\u00fc\u00fc--c.org", "internationalised"},
    {"ann@\u2603.org", "internationalised"},
    {"ann@\uff45xample.org", "internationalised"},
    {"ann@\ufb01.org", "internationalised"},
    {"ann@\u212a.org", "internationalised"},
    {"ann@\u0130stanb\u00fcl.org", "internationalised"},
    {"ann@example\u3002org", "internationalised"},
    {"ann@b\u00fccher\u3002example.org", "internationalised"},
    {"ann@\u2100.org", "internationalised"},
    {"ann@so\u00adft.org", "control"},
    {"\"ann\"@example.org", "quoted"},
    {"\"a b\"@example.org", "blank"},
    {"@relay.org:ann@example.org", "routes"},
    {"@relay.org,@b.org:ann@example.org", "routes"},
    {"ann@b.org@example.org", "quoting"},
    {".ann@example.org", "dot"},
    {"ann.@example.org", "dot"},
    {"a..n@example.org", "dot"},
    {"a(c)@example.org", "quoting"},
    {"a,b@example.org", "quoting"},
    {"a;b@example.org", "quoting"},
    {"a\\b@example.org", "quoting"},
    {"<ann@example.org>", "quoting"},
    {"mailto:ann@example.org", "quoting"},
    {"Ann <ann@example.org>", "blank"},
    {" ann@example.org", "blank"},
    {"ann@example.org ", "blank"},
    {"a\u00a0b@example.org", "blank"},
    {"a\u3000b@example.org", "blank"},
    {"ann@example.org\r\nBcc: b@c.org", "control"},
    {"ann@example.org\n", "control"},
    {"an\tn@example.org", "control"},
    {"an\x7fn@example.org", "control"},
    {"an\xc2\x85n@example.org", "control"},
    {"an\u202en@example.org", "control"},
    {"an\u200bn@example.org", "control"},
    {"an\u2028n@example.org", "control"},
    {"an\xee\x80\x80n@example.org", "meaning"},
    {"an\xffn@example.org", "UTF-8"},
    {"an\xc0\xafn@example.org", "UTF-8"},
    {"an\xed\xa0\x80n@example.org", "UTF-8"},
    {"jo\u0308rg@example.org", "form C"},
    {"\u212bngstr\u00f6m@example.org", "form C"},
    {"\u0301ann@example.org", "combining mark"},
    {"an\u200cn@example.org", "control"},
    {"an\u2066n@example.org", "control"},
    {"an\ufeffn@example.org", "control"},
    {"an\u00adn@example.org", "control"},
    {"an\U000e0061n@example.org", "control"},
    {"an\u034fn@example.org", "invisible"},
    {"ann\uff20example.org@example.org", "looks like an @"},
    {"ann\ufe6bexample.org@example.org", "looks like an @"},
    {"=?utf-8?q?a?=@example.org", "encoded word"},
    {"a=?utf-8?b?YQ==?=b@example.org", "encoded word"},
    {"=?\u00fc?=@example.org", "encoded word"},
    {"an\u3164n@example.org", "invisible"},
    {"an\ufe0fn@example.org", "invisible"},
    {"an\u2800n@example.org", "invisible"},
    {"an\U000e0100n@example.org", "invisible"},
    {"an\ufffen@example.org", "meaning"},
    {"an\U000f0000n@example.org", "meaning"},
    {"an\u0378n@example.org", "meaning"},
    {"ann@a\u200cb.example.org", "internationalised"},
};

static void test_bad(void) {
  for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(Mailbox) mailbox = mailbox_parse(bad[i].text, &error);
    if (mailbox != NULL)
      g_error("taken: %s as %s", bad[i].text, mailbox->address);
    g_assert_error(error, MAILBOX_ERROR, MAILBOX_ERROR_SYNTAX);
    if (strstr(error->message, bad[i].why) == NULL)
      g_error("%s: %s, not %s", bad[i].text, error->message, bad[i].why);
    g_assert_null(mailbox_parse(bad[i].text, NULL));
  }
}

/* An address whose parts have so many octets; the domain ends in ".org". */
static char *sized(gsize local, gsize domain) {
  GString *text = g_string_new(NULL);
  for (gsize i = 0; i < local; i++)
    g_string_append_c(text, 'l');
  g_string_append_c(text, '@');
  for (gsize i = 0; i < domain - 4; i++)
    g_string_append_c(text, i % 50 == 49 ? '.' : 'd');
  g_string_append(text, ".org");
  return g_string_free(text, FALSE);
}

static gboolean takes(const char *text) {
  g_autoptr(Mailbox) mailbox = mailbox_parse(text, NULL);
  return mailbox != NULL;
}

static void test_sizes(void) {
  static const struct {
    gsize local, domain;
    gboolean taken;
  } rows[] = {{64, 189, TRUE}, {64, 190, FALSE}, {65, 20, FALSE}, {1, 252, TRUE}, {1, 253, FALSE}};
  for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autofree char *text = sized(rows[i].local, rows[i].domain);
    g_assert_cmpint(takes(text), ==, rows[i].taken);
  }
  g_autofree char *label = g_strnfill(63, 'a');
  g_autofree char *longest = g_strconcat("a@", label, ".org", NULL);
  g_autofree char *longer = g_strconcat("a@", label, "a.org", NULL);
  g_assert_true(takes(longest));
  g_assert_false(takes(longer));
  /* 30 two-octet letters fit in the local part's 64 octets, 33 do not. */
  g_autoptr(GString) local = g_string_new(NULL);
  for (int i = 0; i < 33; i++)
    g_string_append(local, "\u00e9");
  g_string_append(local, "@example.org");
  g_assert_false(takes(local->str));
  g_assert_true(takes(local->str + 2));
  /* As U-labels within 254 octets, as A-labels beyond. */
  g_autoptr(GString) grows = g_string_new("a");
  g_string_append_c(grows, '@');
  for (int i = 0; i < 60; i++)
    g_string_append(grows, "\u00fc.");
  g_string_append(grows, "org");
  g_assert_cmpuint(grows->len, <=, MAILBOX_MAX_OCTETS);
  g_assert_false(takes(grows->str));
  g_autofree char *huge = g_strnfill(1 << 20, 'a');
  g_assert_false(takes(huge));
  g_assert_null(mailbox_domain_to_ascii(huge, NULL));
}

static void test_domain(void) {
  g_autofree char *ascii = mailbox_domain_to_ascii("Www.B\u00fccher.Example", NULL);
  g_assert_cmpstr(ascii, ==, "www.xn--bcher-kva.example");
  static const char *const refused[] = {"",        "org",       "a..org",  "a.org.",
                                        "a.1",     "a b.org",   "a\n.org", "\xff\xff.org",
                                        "a@b.org", "_dmarc.org"};
  for (gsize i = 0; i < G_N_ELEMENTS(refused); i++) {
    g_autoptr(GError) error = NULL;
    g_assert_null(mailbox_domain_to_ascii(refused[i], &error));
    g_assert_error(error, MAILBOX_ERROR, MAILBOX_ERROR_SYNTAX);
  }
}

static void test_equal(void) {
  g_autoptr(Mailbox) a = mailbox_parse("Ann@Example.org", NULL);
  g_autoptr(Mailbox) b = mailbox_parse("ann@example.ORG", NULL);
  g_autoptr(Mailbox) c = mailbox_parse("Ann@example.org", NULL);
  g_autoptr(Mailbox) d = mailbox_parse("ann@example.com", NULL);
  g_assert_true(mailbox_equal(a, b, FALSE));
  g_assert_false(mailbox_equal(a, b, TRUE));
  g_assert_true(mailbox_equal(a, c, TRUE));
  g_assert_false(mailbox_equal(b, d, FALSE));
  g_autoptr(Mailbox) upper = mailbox_parse("\u00c9va@example.org", NULL);
  g_autoptr(Mailbox) lower = mailbox_parse("\u00e9va@example.org", NULL);
  g_assert_false(mailbox_equal(upper, lower, FALSE));
  g_autoptr(Mailbox) copy = mailbox_copy(a);
  g_assert_cmpstr(copy->text, ==, "Ann@Example.org");
  g_assert_cmpstr(copy->local, ==, "Ann");
  g_assert_cmpstr(copy->domain, ==, "example.org");
  g_assert_cmpstr(copy->canonical, ==, "ann@example.org");
  g_assert_true(copy->ascii);
  g_assert_true(mailbox_equal(copy, a, TRUE));
}

static const struct {
  const char *text, *counted;
} tagged[] = {
    {"Ann@Example.org", "ann@example.org"},
    {"Ann+x@Example.org", "ann@example.org"},
    {"ann+x+y@example.org", "ann@example.org"},
    {"ann+@example.org", "ann@example.org"},
    {"ann.b+x.y@example.org", "ann.b@example.org"},
    {"+x@example.org", "+x@example.org"},
    {"++@example.org", "++@example.org"},
    {"j\xc3\xb6rg+\xc3\xb6@b\xc3\xbc"
     "cher.example",
     "j\xc3\xb6rg@xn--bcher-kva.example"},
};

static void test_without_tag(void) {
  for (gsize i = 0; i < G_N_ELEMENTS(tagged); i++) {
    g_autoptr(Mailbox) mailbox = mailbox_parse(tagged[i].text, NULL);
    g_autofree char *counted = mailbox_without_tag(mailbox);
    g_assert_cmpstr(counted, ==, tagged[i].counted);
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/mailbox/good", test_good);
  g_test_add_func("/mailbox/bad", test_bad);
  g_test_add_func("/mailbox/sizes", test_sizes);
  g_test_add_func("/mailbox/domain", test_domain);
  g_test_add_func("/mailbox/equal", test_equal);
  g_test_add_func("/mailbox/without-tag", test_without_tag);
  return g_test_run();
}
