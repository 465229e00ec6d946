/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/config.h"

#include <glib/gstdio.h>
#include <string.h>

#define SIXTY_FOUR "a234567890123456789012345678901234567890123456789012345678901-34"

/* The least that is valid: lines 1 to 18. */
static const char least[] = "[acme]\n"                          /* 1 */
                            "url = https://acme.example.org/\n" /* 2 */
                            "tls-certificate = tls.pem\n"       /* 3 */
                            "tls-key = /etc/tls.key\n"          /* 4 */
                            "[publish]\n"                       /* 5 */
                            "url = http://pki.example.org/\n"   /* 6 */
                            "\n"                                /* 7 */
                            "# where mail goes\n"               /* 8 */
                            "[mail]\n"                          /* 9 */
                            "domain = CA.B\u00fccher.example\n" /* 10 */
                            "dkim-key = dkim.key\n"             /* 11 */
                            "[ca]\n"                            /* 12 */
                            "certificate = ca.pem\n"            /* 13 */
                            "key = ca.key\n"                    /* 14 */
                            "root = root.pem\n"                 /* 15 */
                            "root-crl = root.crl\n"             /* 16 */
                            "[store]\n"                         /* 17 */
                            "directory = /srv/signet\n";        /* 18 */

typedef struct {
  char *folder, *path;
  GPtrArray *mistakes;
  Config *config;
} Fixture;

static void set_up(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  fixture->folder = g_dir_make_tmp("signet-config-XXXXXX", NULL);
  fixture->path = g_build_filename(fixture->folder, "signet.conf", NULL);
  fixture->mistakes = g_ptr_array_new_with_free_func(g_free);
}

static void tear_down(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  config_free(fixture->config);
  g_ptr_array_unref(fixture->mistakes);
  g_unlink(fixture->path);
  g_rmdir(fixture->folder);
  g_free(fixture->path);
  g_free(fixture->folder);
}

static void load(Fixture *fixture, const char *content, gssize length) {
  g_assert_true(g_file_set_contents(fixture->path, content, length, NULL));
  fixture->config = config_load(fixture->path, FALSE, fixture->mistakes);
}

static void load_good(Fixture *fixture, const char *more) {
  g_autofree char *content = g_strconcat(least, more, NULL);
  load(fixture, content, -1);
  if (fixture->mistakes->len > 0)
    g_test_message("%s", (const char *)fixture->mistakes->pdata[0]);
  g_assert_cmpuint(fixture->mistakes->len, ==, 0);
  g_assert_nonnull(fixture->config);
}

static void test_least(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  load_good(fixture, "");
  const Config *config = fixture->config;
  g_autofree char *certificate = g_build_filename(fixture->folder, "tls.pem", NULL);
  g_assert_cmpstr(config_text(config, "acme.url"), ==, "https://acme.example.org");
  g_assert_cmpstr(config_text(config, "acme.tls-certificate"), ==, certificate);
  g_assert_cmpstr(config_text(config, "acme.tls-key"), ==, "/etc/tls.key");
  g_assert_cmpstr(config_text(config, "mail.domain"), ==, "ca.xn--bcher-kva.example");
  g_assert_cmpint(config_number(config, "mail.challenge-lifetime"), ==, CLOCK_DAY);
  g_assert_cmpint(config_number(config, "ca.backdate"), ==, CLOCK_HOUR);
  g_assert_cmpint(config_number(config, "ca.validity"), ==, 365);
  g_assert_cmpstr(config_list(config, "acme.listen")[0], ==, "[::]:443");
  g_assert_null(config_list(config, "acme.listen")[1]);
  g_assert_null(config_list(config, "dns.stub")[0]);
  g_assert_true(config_is(config, "ca.caa", "on"));
  g_assert_false(config_is(config, "ca.caa", "off"));
  g_assert_true(config_given(config, "ca.key"));
  g_assert_false(config_given(config, "ca.passphrase-file"));
}

static void test_where(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  load_good(fixture, "");
  g_autofree char *given = config_where(fixture->config, "ca.key");
  g_autofree char *preset = config_where(fixture->config, "log.level");
  g_autofree char *expected = g_strconcat(fixture->path, ":14", NULL);
  g_assert_cmpstr(given, ==, expected);
  g_assert_cmpstr(preset, ==, fixture->path);
}

static const struct {
  const char *lines, *key, *text;
} good[] = {
    {"[mail]\nrelay-timeout = 1500ms", "mail.relay-timeout", "1500"},
    {"[mail]\nrelay-timeout=30s", "mail.relay-timeout", "30000"},
    {"[mail]\nrelay-timeout = 5m", "mail.relay-timeout", "300000"},
    {"[ca]\nbackdate = 48h", "ca.backdate", "172800000"},
    {"[ca]\nbackdate = 0s", "ca.backdate", "0"},
    {"[ca]\ncrl-lifetime = 10d", "ca.crl-lifetime", "864000000"},
    {"[mail]\nmessage-limit = 4096", "mail.message-limit", "4096"},
    {"[mail]\nmessage-limit = 64k", "mail.message-limit", "65536"},
    {"[acme]\nprocesses = 64", "acme.processes", "64"},
    {"[ca]\nprofile =  multipurpose  ", "ca.profile", "multipurpose"},
    {"[mail]\nrelay = [2001:db8::1]:587", "mail.relay", "[2001:db8::1]:587"},
    {"[mail]\nrelay = mx.example.org:25", "mail.relay", "mx.example.org:25"},
    {"[mail]\nrelay = mx.example.org:25 ; b.example.org:587;", "mail.relay",
     "mx.example.org:25;b.example.org:587"},
    {"[mail]\nlisten =", "mail.listen", ""},
    {"[mail]\nlmtp = /run/signet/lmtp; 127.0.0.1:24;[::1]:2424", "mail.lmtp",
     "/run/signet/lmtp;127.0.0.1:24;[::1]:2424"},
    {"[acme]\nlisten = 192.0.2.1:443; [2001:db8::1]:8443 ;", "acme.listen",
     "192.0.2.1:443;[2001:db8::1]:8443"},
    {"[ca]\ncaa-identities = CA.example.org; \u00fc.example", "ca.caa-identities",
     "ca.example.org;xn--tda.example"},
    {"[dns]\ntrust-anchor =", "dns.trust-anchor", ""},
    {"[dns]\nstub = user.test 127.0.0.1@53; a.test 127.0.0.1@54", "dns.stub",
     "user.test 127.0.0.1@53;a.test 127.0.0.1@54"},
    {"[acme]\nterms-of-service = https://x.example/a=b;c#d", "acme.terms-of-service",
     "https://x.example/a=b;c#d"},
    {"[acme]\ndefault-profile =", "acme.default-profile", ""},
    {"[limits]\norders-per-account = off", "limits.orders-per-account", "off"},
    {"[limits]\norders-per-account = 5/1h", "limits.orders-per-account", "5/3600000"},
    {"[limits]\norders-per-account = 1000000/1s", "limits.orders-per-account", "1000000/1000"},
    {"[limits]\norders-per-account = 1/365d", "limits.orders-per-account", "1/31536000000"},
    {"[acme]\nproxy-addresses = 192.0.2.1; 10.128.0.0/9; 0.0.0.0/0;", "acme.proxy-addresses",
     "192.0.2.1;10.128.0.0/9;0.0.0.0/0"},
    {"[acme]\nproxy-addresses = ::1;2001:db8::/32;2001:DB8::1/128", "acme.proxy-addresses",
     "::1;2001:db8::/32;2001:DB8::1/128"},
    {"[ca]\nalternate-chains = /a/one.pem; /two.pem", "ca.alternate-chains", "/a/one.pem;/two.pem"},
    {"[profile a-1]\nkeys = p384; rsa", "profile a-1.keys", "p384;rsa"},
    {"[profile a-1]\nvalidity = 825", "profile a-1.validity", "825"},
    {"[profile a-1]", "profile a-1.usage", "csr"},
    {"[profile a]\nusage = sign\n[profile b]\nusage = both", "profile a.usage", "sign"},
    {"[test]", "test.page", "100"},
};

static void test_good(Fixture *fixture, gconstpointer data) {
  gsize i = GPOINTER_TO_SIZE(data);
  load_good(fixture, good[i].lines);
  g_assert_cmpstr(config_text(fixture->config, good[i].key), ==, good[i].text);
}

/* Lines that follow the least configuration, so the second of them is line 20. */
static const struct {
  const char *lines, *mistake; /* what stands behind the path */
} bad[] = {
    {"[mail]\nrelai = a:1", ":20: [mail] relai: unknown key"},
    {"[male]\nrelay = a:1", ":20: [male] relay: unknown key"},
    {"[mail]\nRelay = a:1", ":20: [mail] Relay: unknown key"},
    {"[mail]\ndomain = b.example", ":20: [mail] domain: given before at line 10"},
    {"[mail]\nnonsense", ":20: neither [group], name = value nor # comment"},
    {"[mail]\n= x", ":20: [mail] : unknown key"},
    {"[log]\nlevel = loud", ":20: [log] level: \"loud\" is none of: debug info warning error"},
    {"[log]\nlevel =", ":20: [log] level: empty"},
    {"[acme]\nprocesses = 1\\n2",
     ":20: [acme] processes: a control character, or a backslash (write \\\\ for one)"},
    {"[acme]\nwebsite = a\\qb",
     ":20: [acme] website: a control character, or a backslash (write \\\\ for one)"},
    {"[acme]\nprocesses = 65", ":20: [acme] processes: \"65\" is out of range"},
    {"[acme]\nprocesses = -1", ":20: [acme] processes: \"-1\" is not a whole number"},
    {"[acme]\nprocesses = +1", ":20: [acme] processes: \"+1\" is not a whole number"},
    {"[acme]\nprocesses = 1.5", ":20: [acme] processes: \"1.5\" is not a whole number"},
    {"[acme]\nprocesses = 0x10", ":20: [acme] processes: \"0x10\" is not a whole number"},
    {"[acme]\nprocesses = 99999999999999999999",
     ":20: [acme] processes: \"99999999999999999999\" is out of range"},
    {"[mail]\nchallenge-lifetime = 25h", ":20: [mail] challenge-lifetime: \"25h\" is out of range"},
    {"[mail]\nchallenge-lifetime = 999ms",
     ":20: [mail] challenge-lifetime: \"999ms\" is out of range"},
    {"[mail]\nchallenge-lifetime = 24",
     ":20: [mail] challenge-lifetime: \"24\" is not a duration such as 500ms, 30s, 5m, 6h or 7d"},
    {"[mail]\nchallenge-lifetime = 1 h",
     ":20: [mail] challenge-lifetime: \"1 h\" is not a duration such as 500ms, 30s, 5m, 6h or 7d"},
    {"[mail]\nchallenge-lifetime = 9223372036854775807d",
     ":20: [mail] challenge-lifetime: \"9223372036854775807d\" is out of range"},
    {"[mail]\nmessage-limit = 1M", ":20: [mail] message-limit: \"1M\" is out of range"},
    {"[mail]\nmessage-limit = 1K",
     ":20: [mail] message-limit: \"1K\" is not a size such as 4096, 256k or 1M"},
    {"[mail]\nrelay = localhost", ":20: [mail] relay: \"localhost\" is not HOST:PORT"},
    {"[mail]\nrelay = localhost:", ":20: [mail] relay: \"localhost:\" is not HOST:PORT"},
    {"[mail]\nrelay = :25", ":20: [mail] relay: \":25\" is not HOST:PORT"},
    {"[mail]\nrelay = a:0", ":20: [mail] relay: \"a:0\" is not HOST:PORT"},
    {"[mail]\nrelay = a:65536", ":20: [mail] relay: \"a:65536\" is not HOST:PORT"},
    {"[mail]\nrelay = ::1:25", ":20: [mail] relay: \"::1:25\" is not HOST:PORT"},
    {"[mail]\nrelay = [::1:25", ":20: [mail] relay: \"[::1:25\" is not HOST:PORT"},
    {"[mail]\nlisten = localhost:25",
     ":20: [mail] listen: \"localhost:25\" is not ADDRESS:PORT (IPv6 in brackets)"},
    {"[mail]\nlisten = 127.0.0.1:25; 127.0.0.1",
     ":20: [mail] listen: \"127.0.0.1\" is not ADDRESS:PORT (IPv6 in brackets)"},
    {"[mail]\nlisten = 127.0.0.256:25",
     ":20: [mail] listen: \"127.0.0.256:25\" is not ADDRESS:PORT (IPv6 in brackets)"},
    {"[mail]\nlmtp = socket",
     ":20: [mail] lmtp: \"socket\" is neither an absolute path nor LOOPBACK-ADDRESS:PORT"},
    {"[mail]\nlmtp = 192.0.2.1:24",
     ":20: [mail] lmtp: \"192.0.2.1:24\" is neither an absolute path nor LOOPBACK-ADDRESS:PORT"},
    {"[mail]\nlmtp = 127.0.0.1:25", ":20: [mail] lmtp: port 25 is for SMTP alone"},
    {"[mail]\nlmtp = /"
     "123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123"
     "4"
     "5678901234567",
     ":20: [mail] lmtp: \"/1234567890"},
    {"[mail]\nhostname = a_b.example", ":20: [mail] hostname: \"a_b.example\": "},
    {"[ca]\ncaa-identities = good.example; bad..example",
     ":20: [ca] caa-identities: \"bad..example\": "},
    {"[store]\nkeep-failed =", ":20: [store] keep-failed: empty"},
    {"[mail]\ndkim-selector =", ":20: [mail] dkim-selector: empty"},
    {"[acme]\nproxy-addresses = 10.0.0.1/8",
     ":20: [acme] proxy-addresses: \"10.0.0.1/8\" is not ADDRESS or ADDRESS/BITS"},
    {"[acme]\nproxy-addresses = ::1; 2001:db8::1/64",
     ":20: [acme] proxy-addresses: \"2001:db8::1/64\" is not ADDRESS"},
    {"[acme]\nproxy-addresses = 10.128.0.0/8",
     ":20: [acme] proxy-addresses: \"10.128.0.0/8\" is not"},
    {"[acme]\nproxy-addresses = 2001:db8:8000::/32",
     ":20: [acme] proxy-addresses: \"2001:db8:8000::/32\" is not"},
    {"[acme]\nproxy-addresses = 10.0.0.0/33", ":20: [acme] proxy-addresses: \"10.0.0.0/33\" is"},
    {"[acme]\nproxy-addresses = ::/129", ":20: [acme] proxy-addresses: \"::/129\" is not"},
    {"[acme]\nproxy-addresses = 10.0.0.0/", ":20: [acme] proxy-addresses: \"10.0.0.0/\" is not"},
    {"[acme]\nproxy-addresses = 10.0.0.0/ 8", ":20: [acme] proxy-addresses: \"10.0.0.0/ 8\" is"},
    {"[acme]\nproxy-addresses = 10.0.0.0/+8", ":20: [acme] proxy-addresses: \"10.0.0.0/+8\" is"},
    {"[acme]\nproxy-addresses = 10.0.0.0/8/8",
     ":20: [acme] proxy-addresses: \"10.0.0.0/8/8\" is not"},
    {"[acme]\nproxy-addresses = 10.1", ":20: [acme] proxy-addresses: \"10.1\" is not"},
    {"[acme]\nproxy-addresses = [::1]", ":20: [acme] proxy-addresses: \"[::1]\" is not"},
    {"[acme]\nproxy-addresses = fe80::1%lo", ":20: [acme] proxy-addresses: \"fe80::1%lo\" is not"},
    {"[acme]\nproxy-addresses = localhost", ":20: [acme] proxy-addresses: \"localhost\" is not"},
    {"[limits]\norders-per-account = 5", ":20: [limits] orders-per-account: \"5\" is not off, nor"},
    {"[limits]\norders-per-account =", ":20: [limits] orders-per-account: empty"},
    {"[profile a]\ncolour = red", ":20: [profile a] colour: unknown key"},
    {"[profile a]\nkeys = rsa; p224", ":20: [profile a] keys: \"p224\" is none of: rsa p256 p384"},
    {"[profile a]\nkeys = rsa; p521", ":20: [profile a] keys: \"p521\": P-521 keys are not taken"},
    {"[profile a]\nkeys = ml-dsa-65",
     ":20: [profile a] keys: \"ml-dsa-65\": ML-DSA keys are not taken: the cryptographic library"},
    {"[ca]\nprofile = sponsor-validated",
     ":20: [ca] profile: \"sponsor-validated\": Signet proves control of mailboxes"},
    {"[profile a]\nkeys = rsa p256", ":20: [profile a] keys: \"rsa p256\" is none of: rsa p256"},
    {"[profile a]\nvalidity = 826", ":20: [profile a] validity: \"826\" is out of range"},
    {"[profile a]\nusage = sign\n[profile a]\nusage = sign",
     ":22: [profile a] usage: given before at line 20"},
    {"[profile]\nusage = sign", ":19: [profile]: not [profile NAME] with a NAME of 1 to 64"},
    {"[profile ]", ":19: [profile ]: not [profile NAME] with"},
    {"[profile  a]", ":19: [profile  a]: not [profile NAME] with"},
    {"[profile a.b]\nusage = sign", ":19: [profile a.b]: not [profile NAME] with"},
    {"[profile A]", ":19: [profile A]: not [profile NAME] with"},
    {"[profile " SIXTY_FOUR "x]", ":19: [profile " SIXTY_FOUR "x]: not [profile NAME] with"},
    {"[profiles]\nusage = sign", ":20: [profiles] usage: unknown key"},
    {"[acme a]\nlisten = [::]:1", ":20: [acme a] listen: unknown key"},
    {"[test]\npage = 7", ":20: [test] page: only with signetd --test-mode"},
};

static void test_bad(Fixture *fixture, gconstpointer data) {
  gsize i = GPOINTER_TO_SIZE(data);
  g_autofree char *content = g_strconcat(least, bad[i].lines, "\n", NULL);
  g_autofree char *expected = g_strconcat(fixture->path, bad[i].mistake, NULL);
  load(fixture, content, -1);
  g_assert_null(fixture->config);
  for (guint m = 0; m < fixture->mistakes->len; m++)
    g_test_message("%s", (const char *)fixture->mistakes->pdata[m]);
  g_assert_cmpuint(fixture->mistakes->len, ==, 1);
  g_assert_true(g_str_has_prefix(fixture->mistakes->pdata[0], expected));
}

/* --- rates --- */

static const struct {
  const char *text;
  gint64 count, period; /* period 0: refused, or off */
} rates[] = {
    {"off", 0, 0},
    {"5/1h", 5, CLOCK_HOUR},
    {"1/1s", 1, CLOCK_SECOND},
    {"1/1000ms", 1, CLOCK_SECOND},
    {"1000000/365d", 1000000, 365 * CLOCK_DAY},
    {"0/1h", -1, 0},
    {"1000001/1h", -1, 0},
    {"1/999ms", -1, 0},
    {"1/0s", -1, 0},
    {"1/366d", -1, 0},
    {"-1/1h", -1, 0},
    {"+1/1h", -1, 0},
    {" 1/1h", -1, 0},
    {"1 /1h", -1, 0},
    {"1/ 1h", -1, 0},
    {"1/1h ", -1, 0},
    {"1/1", -1, 0},
    {"1/", -1, 0},
    {"/1h", -1, 0},
    {"1/1h/1h", -1, 0},
    {"1.5/1h", -1, 0},
    {"99999999999999999999/1h", -1, 0},
    {"1/99999999999999999999d", -1, 0},
    {"Off", -1, 0},
    {"", -1, 0},
};

static void test_rate(Fixture *fixture G_GNUC_UNUSED, gconstpointer data) {
  gsize i = GPOINTER_TO_SIZE(data);
  g_autofree char *why = NULL;
  ConfigRate rate = {-1, -1};
  gboolean good_rate = config_rate_parse(rates[i].text, &rate, &why);
  g_assert_cmpint(good_rate, ==, rates[i].count >= 0);
  g_assert_cmpint(why == NULL, ==, good_rate);
  g_assert_cmpint(rate.count, ==, MAX(rates[i].count, 0));
  g_assert_cmpint(rate.period, ==, rates[i].period);
}

/* What core reads is what a person wrote, there and behind the channel. */
static void test_rate_of_key(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  load_good(fixture, "[limits]\naccounts-per-network = off\norders-per-account = 7/2m\n");
  g_autoptr(GVariant) shared = g_variant_ref_sink(config_share(fixture->config, ROLE_CORE));
  g_autoptr(Config) received = config_receive(shared);
  const Config *configs[] = {fixture->config, received};
  for (gsize i = 0; i < G_N_ELEMENTS(configs); i++) {
    ConfigRate off = config_rate(configs[i], "limits.accounts-per-network");
    ConfigRate given = config_rate(configs[i], "limits.orders-per-account");
    ConfigRate preset = config_rate(configs[i], "limits.certificates-per-mailbox");
    g_assert_cmpint(off.count, ==, 0);
    g_assert_cmpint(given.count, ==, 7);
    g_assert_cmpint(given.period, ==, 2 * CLOCK_MINUTE);
    g_assert_cmpint(preset.count, ==, 20);
    g_assert_cmpint(preset.period, ==, 7 * CLOCK_DAY);
  }
}

static void test_paths(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  load_good(fixture, "[ca]\nalternate-chains = one.pem; /two.pem; a/three.pem\n");
  g_autofree char *one = g_build_filename(fixture->folder, "one.pem", NULL);
  g_autofree char *three = g_build_filename(fixture->folder, "a/three.pem", NULL);
  const char *const expected[] = {one, "/two.pem", three, NULL};
  g_assert_true(g_strv_equal(config_list(fixture->config, "ca.alternate-chains"), expected));
}

/* --- named groups --- */

static const char profiles[] = "[profile zeta]\n"
                               "validity = 30\n"
                               "[profile alpha]\n"
                               "[log]\n"
                               "level = debug\n"
                               "[profile " SIXTY_FOUR "]\n"
                               "[profile zeta]\n"
                               "keys = rsa\n";

static void assert_profiles(const Config *config) {
  const char *const expected[] = {"zeta", "alpha", SIXTY_FOUR, NULL};
  g_assert_true(g_strv_equal(config_names(config, "profile"), expected));
  g_assert_cmpint(config_number(config, "profile zeta.validity"), ==, 30);
  g_assert_cmpstr(config_list(config, "profile zeta.keys")[0], ==, "rsa");
  g_assert_cmpint(config_number(config, "profile alpha.validity"), ==, 0);
  g_assert_null(config_list(config, "profile alpha.keys")[0]);
  g_assert_true(config_is(config, "profile " SIXTY_FOUR ".usage", "csr"));
}

static void test_names(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  load_good(fixture, profiles);
  assert_profiles(fixture->config);
  g_autofree char *where = config_where(fixture->config, "profile zeta.keys");
  g_assert_true(g_str_has_suffix(where, "signet.conf:26"));
  g_assert_null(config_names(fixture->config, "acme")[0]);
}

static void test_no_names(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  load_good(fixture, "");
  g_assert_null(config_names(fixture->config, "profile")[0]);
}

/* Core is told all of it, a role without keys of the group not even the names. */
static void test_names_shared(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  load_good(fixture, profiles);
  g_autoptr(GVariant) core = g_variant_ref_sink(config_share(fixture->config, ROLE_CORE));
  g_autoptr(GVariant) edge = g_variant_ref_sink(config_share(fixture->config, ROLE_EDGE));
  g_autoptr(Config) in_core = config_receive(core);
  g_autoptr(Config) in_edge = config_receive(edge);
  g_autoptr(GVariant) again = g_variant_ref_sink(config_share(in_core, ROLE_CORE));
  assert_profiles(in_core);
  g_assert_true(g_variant_equal(core, again));
  g_assert_null(config_names(in_edge, "profile")[0]);
  g_autofree char *text = g_variant_print(edge, FALSE);
  g_assert_null(strstr(text, "zeta"));
}

/* --- test mode --- */

static void load_test_mode(Fixture *fixture, const char *more) {
  g_autofree char *content = g_strconcat(least, more, NULL);
  g_assert_true(g_file_set_contents(fixture->path, content, -1, NULL));
  fixture->config = config_load(fixture->path, TRUE, fixture->mistakes);
}

static void test_test_mode(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  load_test_mode(fixture, "[test]\npage = 7\nfail-addresses = a@b.test; c@d.test\n");
  g_assert_nonnull(fixture->config);
  g_assert_true(config_test_mode(fixture->config));
  g_assert_cmpint(config_number(fixture->config, "test.page"), ==, 7);
  g_assert_cmpint(config_number(fixture->config, "test.reject-nonces"), ==, 5);
  g_assert_cmpint(config_number(fixture->config, "test.delay"), ==, 500);
  g_assert_true(config_is(fixture->config, "test.random-order", "on"));
  g_assert_true(config_is(fixture->config, "test.alternate-chain", "on"));
  g_assert_cmpstr(config_list(fixture->config, "test.fail-addresses")[1], ==, "c@d.test");
  g_assert_cmpint(config_number(fixture->config, "ca.validity"), ==, 365);
}

static void test_no_test_mode(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  load_good(fixture, "");
  g_assert_false(config_test_mode(fixture->config));
  g_assert_cmpint(config_number(fixture->config, "test.page"), ==, 100);
  g_assert_cmpint(config_number(fixture->config, "test.reject-nonces"), ==, 0);
  g_assert_cmpint(config_number(fixture->config, "test.delay"), ==, 0);
  g_assert_true(config_is(fixture->config, "test.random-order", "off"));
  g_assert_true(config_is(fixture->config, "test.alternate-chain", "off"));
  g_assert_null(config_list(fixture->config, "test.fail-addresses")[0]);
}

static void test_test_mode_range(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  load_test_mode(fixture, "[test]\npage = 101\n");
  g_assert_null(fixture->config);
  g_assert_cmpuint(fixture->mistakes->len, ==, 1);
  g_assert_nonnull(
      strstr(fixture->mistakes->pdata[0], ":20: [test] page: \"101\" is out of range"));
}

/* Changes of one line of the least configuration. */
static const struct {
  guint line;
  const char *instead, *mistake;
} changed[] = {
    {2, "url = http://acme.example.org",
     ":2: [acme] url: \"http://acme.example.org\" is not an "
     "https:// URL"},
    {2, "url = https://", ":2: [acme] url: \"https://\" is not an https:// URL"},
    {2, "url = https://a.example/?q",
     ":2: [acme] url: \"https://a.example/?q\" is not an https:// "
     "URL"},
    {2, "url = https://u@a.example",
     ":2: [acme] url: \"https://u@a.example\" is not an https:// "
     "URL"},
    {6, "url = http://pki.example.org",
     ":6: [publish] url: \"http://pki.example.org\" is not an "
     "http:// URL that ends in \"/\""},
    {6, "url = https://pki.example.org/",
     ":6: [publish] url: \"https://pki.example.org/\" is not "
     "an http:// URL that ends in \"/\""},
    {10, "domain =", ":10: [mail] domain: missing; Domain of the challenge mail's From address"},
    {10, "# no domain", ": [mail] domain: missing; Domain of the challenge mail's From address"},
    {10, "domain = localhost", ":10: [mail] domain: \"localhost\": "},
    {14, "#", ": [ca] key: missing; "},
};

static void test_changed(Fixture *fixture, gconstpointer data) {
  gsize i = GPOINTER_TO_SIZE(data);
  g_auto(GStrv) lines = g_strsplit(least, "\n", -1);
  g_free(lines[changed[i].line - 1]);
  lines[changed[i].line - 1] = g_strdup(changed[i].instead);
  g_autofree char *content = g_strjoinv("\n", lines);
  g_autofree char *expected = g_strconcat(fixture->path, changed[i].mistake, NULL);
  load(fixture, content, -1);
  g_assert_null(fixture->config);
  for (guint m = 0; m < fixture->mistakes->len; m++)
    g_test_message("%s", (const char *)fixture->mistakes->pdata[m]);
  g_assert_cmpuint(fixture->mistakes->len, ==, 1);
  g_assert_true(g_str_has_prefix(fixture->mistakes->pdata[0], expected));
}

/* Every mistake is reported in one go, not the first alone. */
static void test_many(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  static const char *const parts[] = {":2: [acme] url:", ":3: [acme] colour: unknown key",
                                      "[mail] domain: missing", "[ca] root-crl: missing"};
  load(fixture, "[acme]\nurl = x\ncolour = red\n", -1);
  g_assert_null(fixture->config);
  for (gsize i = 0; i < G_N_ELEMENTS(parts); i++) {
    gboolean found = FALSE;
    for (guint m = 0; m < fixture->mistakes->len; m++)
      found = found || strstr(fixture->mistakes->pdata[m], parts[i]) != NULL;
    if (!found)
      g_test_message("not reported: %s", parts[i]);
    g_assert_true(found);
  }
}

static void test_unreadable(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  fixture->config = config_load(fixture->path, FALSE, fixture->mistakes);
  g_assert_null(fixture->config);
  g_assert_cmpuint(fixture->mistakes->len, ==, 1);
  g_assert_nonnull(strstr(fixture->mistakes->pdata[0], fixture->path));
}

static const struct {
  const char *content;
  gssize length;
  const char *mistake;
} strange[] = {
    {"[acme]\nurl = \xff\n", -1, "is not UTF-8 text"},
    {"[acme]\nurl = a\0b\n", 16, "is not UTF-8 text"},
    {"url = https://a.example\n", -1, ":1: [] url: unknown key"},
    {"[acme\nurl = https://a.example\n", -1, ":1: "},
    {"", -1, "[acme] url: missing"},
};

static void test_strange(Fixture *fixture, gconstpointer data) {
  gsize i = GPOINTER_TO_SIZE(data);
  load(fixture, strange[i].content, strange[i].length);
  g_assert_null(fixture->config);
  g_assert_cmpuint(fixture->mistakes->len, >, 0);
  g_assert_nonnull(strstr(fixture->mistakes->pdata[0], strange[i].mistake));
}

/* --- what a role is told --- */

/* What is not a role's own does not even reach its memory; what is, arrives as it was. */
static void test_share(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  load_good(fixture, "[dns]\nstub = a.test 127.0.0.1@53; b.test 127.0.0.1@53\n");
  for (guint role = 0; role < ROLE_COUNT; role++) {
    g_autoptr(GVariant) shared = g_variant_ref_sink(config_share(fixture->config, (Role)role));
    g_autoptr(Config) received = config_receive(shared);
    g_assert_nonnull(received);
    gsize told = 0;
    for (gsize i = 0; i < config_keys_count; i++) {
      const ConfigKey *key = &config_keys[i];
      if (key->named)
        continue; /* none here; see test_names_shared */
      g_autofree char *name = g_strconcat(key->group, ".", key->name, NULL);
      const char *value = NULL;
      gboolean has = g_variant_lookup(shared, name, "&s", &value);
      g_assert_cmpint(has, ==, (key->roles & ROLE_BIT(role)) != 0);
      if (!has)
        continue;
      told++;
      g_assert_cmpstr(value, ==, config_text(fixture->config, name));
      g_assert_cmpstr(config_text(received, name), ==, value);
      const char *const *before = config_list(fixture->config, name);
      const char *const *after = config_list(received, name);
      g_assert_cmpint(before == NULL, ==, after == NULL);
      if (before != NULL)
        g_assert_true(g_strv_equal(before, after));
    }
    g_assert_cmpuint(g_variant_n_children(shared), ==, told);
  }
}

/* The split of secrets: paths of keys are told to the parent alone, the store to core; the CA key
   may be in a token, which the signer opens itself. */
static const struct {
  const char *key;
  RoleSet roles;
} secrets[] = {
    {"ca.key", ROLE_BIT(ROLE_PARENT) | ROLE_BIT(ROLE_SIGNER)},
    {"ca.passphrase-file", ROLE_BIT(ROLE_PARENT)},
    {"acme.tls-key", ROLE_BIT(ROLE_PARENT)},
    {"mail.tls-key", ROLE_BIT(ROLE_PARENT)},
    {"mail.dkim-key", ROLE_BIT(ROLE_PARENT)},
    {"store.directory", ROLE_BIT(ROLE_PARENT) | ROLE_BIT(ROLE_CORE)},
};

static void test_secrets(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  load_good(fixture, "");
  for (gsize i = 0; i < G_N_ELEMENTS(secrets); i++)
    for (guint role = 0; role < ROLE_COUNT; role++) {
      g_autoptr(GVariant) shared = g_variant_ref_sink(config_share(fixture->config, (Role)role));
      const char *value = NULL;
      g_assert_cmpint(g_variant_lookup(shared, secrets[i].key, "&s", &value), ==,
                      (secrets[i].roles & ROLE_BIT(role)) != 0);
    }
}

static void test_not_told(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  if (g_test_subprocess()) {
    load_good(fixture, "");
    g_autoptr(GVariant) shared = g_variant_ref_sink(config_share(fixture->config, ROLE_EDGE));
    g_autoptr(Config) received = config_receive(shared);
    config_text(received, "ca.key");
    return;
  }
  g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_failed();
  g_test_trap_assert_stderr("*configuration key ca.key is not known to this process*");
}

static void test_received_nonsense(Fixture *fixture G_GNUC_UNUSED,
                                   gconstpointer data G_GNUC_UNUSED) {
  g_autoptr(GVariant) text = g_variant_ref_sink(g_variant_new_string("acme.url"));
  g_autoptr(GVariant) unknown =
      g_variant_ref_sink(g_variant_new_parsed("{'acme.url': 'https://a', 'acme.colour': 'red'}"));
  g_assert_null(config_receive(text));
  g_assert_null(config_receive(unknown));
  static const char *const names[] = {"",
                                      "acme",
                                      "acme.",
                                      "profile.usage",
                                      "profile .usage",
                                      "profile A.usage",
                                      "profile a.b.usage",
                                      "acme a.url"};
  for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
    g_autoptr(GVariant) bad_name =
        g_variant_ref_sink(g_variant_new_parsed("{%s: 'csr'}", names[i]));
    g_assert_null(config_receive(bad_name));
  }
}

/* --- the table --- */

/* Every key is complete: presets that are given are valid, and everyone knows how to log. */
static void test_table(Fixture *fixture, gconstpointer data G_GNUC_UNUSED) {
  g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  load_good(fixture, "");
  for (gsize i = 0; i < config_keys_count; i++) {
    const ConfigKey *key = &config_keys[i];
    g_assert_true(g_hash_table_add(names, g_strconcat(key->group, ".", key->name, NULL)));
    g_assert_cmpuint(key->roles, !=, 0);
    g_assert_cmpuint(strlen(key->help), >, 10);
    g_assert_null(strchr(key->help, '\n'));
    if (strcmp(key->group, "log") == 0)
      g_assert_cmpuint(key->roles, ==, (1u << ROLE_COUNT) - 1);
    if (key->type == CONFIG_INTEGER || key->type == CONFIG_DURATION || key->type == CONFIG_SIZE)
      g_assert_cmpint(key->min, <, key->max);
    g_assert_cmpint(key->type == CONFIG_CHOICE || key->type == CONFIG_CHOICES, ==,
                    key->choices != NULL);
    g_assert_cmpint(strcmp(key->group, "test") == 0, ==, key->test_preset != NULL);
    g_assert_cmpint(strcmp(key->group, "profile") == 0 || strcmp(key->group, "issuer") == 0, ==,
                    key->named);
  }
}

static const struct {
  const char *text, *host;
  guint16 port;
} peers[] = {
    {"a:1", "a", 1},
    {"192.0.2.1:25", "192.0.2.1", 25},
    {"[::1]:65535", "::1", 65535},
    {"a:0", "a", 0},
    {"a", NULL, 0},
    {"", NULL, 0},
    {":1", NULL, 0},
    {"a:", NULL, 0},
    {"a:x", NULL, 0},
    {"a:1x", NULL, 0},
    {"a:-1", NULL, 0},
    {"a:65536", NULL, 0},
    {"a:b:1", NULL, 0},
    {"[]:1", NULL, 0},
    {"[::1:1", NULL, 0},
    {"[::1]1:1", NULL, 0},
};

static void test_split_peer(Fixture *fixture G_GNUC_UNUSED, gconstpointer data G_GNUC_UNUSED) {
  for (gsize i = 0; i < G_N_ELEMENTS(peers); i++) {
    g_autofree char *host = NULL;
    guint16 port = 0;
    gboolean split = config_split_peer(peers[i].text, &host, &port);
    g_assert_cmpint(split, ==, peers[i].host != NULL);
    if (split)
      g_assert_cmpuint(port, ==, peers[i].port);
    g_assert_cmpstr(split ? host : NULL, ==, peers[i].host);
  }
}

#define TEST(path, function) g_test_add("/config/" path, Fixture, NULL, set_up, function, tear_down)

#define TABLE(name, table, function)                                                               \
  for (gsize i = 0; i < G_N_ELEMENTS(table); i++) {                                                \
    g_autofree char *path = g_strdup_printf("/config/" name "/%zu", i);                            \
    g_test_add(path, Fixture, GSIZE_TO_POINTER(i), set_up, function, tear_down);                   \
  }

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  TEST("least", test_least);
  TEST("where", test_where);
  TABLE("good", good, test_good);
  TABLE("bad", bad, test_bad);
  TABLE("changed", changed, test_changed);
  TABLE("rate", rates, test_rate);
  TEST("rate-of-key", test_rate_of_key);
  TEST("paths", test_paths);
  TEST("names", test_names);
  TEST("no-names", test_no_names);
  TEST("names-shared", test_names_shared);
  TEST("test-mode", test_test_mode);
  TEST("no-test-mode", test_no_test_mode);
  TEST("test-mode-range", test_test_mode_range);
  TEST("many", test_many);
  TEST("unreadable", test_unreadable);
  TABLE("strange", strange, test_strange);
  TEST("share", test_share);
  TEST("secrets", test_secrets);
  TEST("not-told", test_not_told);
  TEST("received-nonsense", test_received_nonsense);
  TEST("table", test_table);
  TEST("split-peer", test_split_peer);
  return g_test_run();
}
