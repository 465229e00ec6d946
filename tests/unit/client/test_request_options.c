/* SPDX-License-Identifier: Apache-2.0 */
#include "client/failure.h"
#include "client/gateway_options.h"
#include "client/request_options.h"
#include "client/revoke_options.h"

#include <string.h>

static const struct {
  const char *text;
  gint64 seconds;
} durations[] = {
    {"30", 30}, {"30s", 30}, {"2m", 120}, {"1h", 3600}, {"168h", 604800}, {"169h", -1},
    {"0", -1},  {"", -1},    {"m", -1},   {"-1m", -1},  {"1d", -1},       {"99999999999s", -1},
};

static void test_durations(void) {
  for (gsize i = 0; i < G_N_ELEMENTS(durations); i++)
    g_assert_cmpint(prove_options_duration(durations[i].text), ==, durations[i].seconds);
}

static RequestOptions *parse(const char *line, GError **error) {
  g_auto(GStrv) arguments = g_strsplit(line, " ", -1);
  return request_options_parse(arguments, error);
}

#define BASE "request ann@example.org --directory https://ca.example/directory "

static const char *const bad[] = {
    "request --directory https://ca.example/d",
    "request ann@example.org",
    "request ann@example.org --directory http://ca.example/d",
    "request ann@example.org --directory https://ca.example/d ann@EXAMPLE.org",
    "request ann --directory https://ca.example/d",
    BASE "--unknown",
    BASE "--mail pigeon",
    BASE "--mail maildir --smtp localhost:25",
    BASE "--mail maildir --maildir /m",
    BASE "--mail listen --smtp localhost:25",
    BASE "--maildir /m",
    BASE "--smtp localhost:25",
    BASE "--mail pipe --smtp localhost",
    BASE "--mail pipe --smtp a@b/c:25",
    BASE "--mail pipe --smtp h:25 --smtp-user ann",
    BASE "--mail pipe --smtp h:25 --smtp-user ann --smtp-password-file f --smtp-tls none",
    BASE "--mail pipe --smtp h:25 --smtp-tls some",
    BASE "--mail pipe --smtp h:25 --dkim-key f",
    BASE "--mail pipe --smtp h:25 --dkim-domain d.example",
    BASE "--dkim-key f --dkim-selector s",
    BASE "--mail pipe --smtp h:25 --smime-key f",
    BASE "--mail pipe --smtp h:25 --smime-certificate f",
    BASE "--mail pipe --smtp h:25 --smime-certificate f --smime-key k bob@example.org",
    BASE "--smime-certificate f --smime-key k",
    BASE "--challenge-ca f",
    BASE "--eab-kid k",
    BASE "--key-type RSA-1024",
    BASE "--usage all",
    BASE "--timeout soon",
    BASE "--mail imap --smtp h:25",
    BASE "--mail imap --imap h:993 --smtp h:25",
    BASE "--mail imap --imap h:993 --imap-user u --smtp h:25",
    BASE "--mail imap --imap h --imap-user u --imap-password-file f --smtp h:25",
    BASE
    "--mail imap --imap h:143 --imap-user u --imap-password-file f --imap-tls none --smtp h:25",
    BASE
    "--mail imap --imap h:993 --imap-user u --imap-password-file f --imap-tls some --smtp h:25",
    BASE "--mail imap --imap h:993 --imap-user u --imap-password-file f",
    BASE "--mail maildir --maildir /m --smtp h:25 --imap h:993",
    BASE "--mail maildir --maildir /m --smtp h:25 --imap-folder ACME",
    BASE "--authserv-id mx.example",
    BASE "--name a/b",
    BASE "--p12 ancient",
    BASE "--for mutt",
};

static void test_bad(void) {
  for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(RequestOptions) options = parse(bad[i], &error);
    if (options != NULL)
      g_error("taken: %s", bad[i]);
    g_assert_error(error, CLIENT_ERROR, CLIENT_USAGE);
  }
}

static void test_presets(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(RequestOptions) options = parse(BASE "Bob@B\u00fccher.example", &error);
  g_assert_no_error(error);
  g_assert_cmpstr(options->addresses[0], ==, "ann@example.org");
  g_assert_cmpstr(options->addresses[1], ==, "Bob@xn--bcher-kva.example");
  g_assert_null(options->addresses[2]);
  g_assert_cmpint(options->prove.timeout, ==, 1800);
  g_assert_cmpint(options->prove.mail, ==, PROVE_MAIL_PRINT);
  g_assert_cmpint(options->usage, ==, CERTIFICATE_USAGE_BOTH);
}

static void test_mail(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(RequestOptions) options = parse(
      BASE "--mail listen --listen [::1]:25 --smtp mx.example:25 --usage sign --key-type RSA-3072 "
           "--dkim-key k --dkim-selector s --timeout 5m "
           "--challenge-ca r --smime-certificate c --smime-key k",
      &error);
  g_assert_no_error(error);
  g_assert_cmpint(options->prove.mail, ==, PROVE_MAIL_LISTEN);
  g_assert_cmpint(options->prove.smtp_tls, ==, MAIL_TLS_NONE);
  g_assert_cmpint(options->usage, ==, CERTIFICATE_USAGE_SIGN);
  g_autoptr(RequestOptions) user = parse(
      BASE "--mail pipe --smtp mx.example:587 --smtp-user ann --smtp-password-file f", &error);
  g_assert_no_error(error);
  g_assert_cmpint(user->prove.smtp_tls, ==, MAIL_TLS_STARTTLS);
  g_autoptr(RequestOptions) local = parse(
      BASE "--mail pipe --smtp 127.0.0.1:25 --smtp-user ann --smtp-password-file f --smtp-tls none",
      &error);
  g_assert_no_error(error);
}

#define REVOKE "revoke c.pem --directory https://ca.example/directory "

static const char *const bad_revocations[] = {
    "revoke c.pem",
    "revoke --prove --directory https://ca.example/directory",
    REVOKE "d.pem",
    REVOKE "--reason 7",
    REVOKE "--reason 11",
    REVOKE "--key k --account-key a",
    REVOKE "--prove --key k",
    REVOKE "--agree-tos",
    REVOKE "--contact ann@example.org",
    REVOKE "--eab-kid k --eab-key-file f",
    REVOKE "--timeout 1m",
    REVOKE "--mail print",
    REVOKE "--mail pipe --smtp h:25",
    REVOKE "--smtp-ca-file f",
    REVOKE "--prove --mail pipe",
    REVOKE "--prove --timeout soon",
};

static void test_bad_revocations(void) {
  for (gsize i = 0; i < G_N_ELEMENTS(bad_revocations); i++) {
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) arguments = g_strsplit(bad_revocations[i], " ", -1);
    g_autoptr(RevokeOptions) options = revoke_options_parse(arguments, &error);
    if (options != NULL)
      g_error("taken: %s", bad_revocations[i]);
    g_assert_error(error, CLIENT_ERROR, CLIENT_USAGE);
    g_assert_nonnull(strstr(error->message, "(signet revoke --help)"));
  }
}

static void test_revocation(void) {
  g_autoptr(GError) error = NULL;
  g_auto(GStrv) arguments =
      g_strsplit(REVOKE "--prove --reason 1 --agree-tos --mail pipe --smtp h:25", " ", -1);
  g_autoptr(RevokeOptions) options = revoke_options_parse(arguments, &error);
  g_assert_no_error(error);
  g_assert_true(options->by_proof && options->prove.agree);
  g_assert_cmpint(options->reason, ==, 1);
  g_assert_cmpint(options->prove.mail, ==, PROVE_MAIL_PIPE);
  g_assert_cmpint(options->prove.timeout, ==, 1800);
  options->prove.smime_key = g_strdup("k");
  g_assert_true(prove_options_fit(&options->prove, 1, NULL));
  g_assert_false(prove_options_fit(&options->prove, 2, &error));
  g_assert_error(error, CLIENT_ERROR, CLIENT_USAGE);
  g_assert_false(prove_options_fit(&options->prove, PROVE_MAX_ADDRESSES + 1, NULL));
}

#define GATEWAY                                                                                    \
  "gateway /g --list /l --directory https://ca.example/d --listen 127.0.0.1:10027 --behind "       \
  "127.0.0.1:10026 --smtp localhost:25 --authserv-id mx "

static GatewayOptions *parse_gateway(char *line, GError **error) {
  g_auto(GStrv) arguments = g_strsplit(g_strchomp(line), " ", -1);
  return gateway_options_parse(arguments, error);
}

static void test_gateway(void) {
  g_autoptr(GError) error = NULL;
  g_autofree char *line =
      g_strdup(GATEWAY "--hook x --contact a@b --contact c@d --keep-key --most 3");
  g_autoptr(GatewayOptions) options = parse_gateway(line, &error);
  g_assert_no_error(error);
  g_assert_cmpint(options->every, ==, 900);
  g_auto(GStrv) words = gateway_options_renewal(options);
  g_autofree char *renewal = g_strjoinv(" ", words);
  g_assert_cmpstr(
      renewal, ==,
      "renew --list=/l --keep-key --most=3 --interval=900s --parallel=4 "
      "--directory=https://ca.example/d --contact=a@b --contact=c@d --mail=gateway "
      "--gateway=/g/gateway.socket --smtp=localhost:25 --authserv-id=mx --hook=x -- /g");
}

/* Each is the line above with words in the place of others. */
static void test_bad_gateways(void) {
  static const struct {
    const char *words, *others;
  } changes[] = {{"/g ", ""},
                 {"--list /l ", ""},
                 {"/g ", "/g /h "},
                 {"--listen 127.0.0.1:10027 ", ""},
                 {"--listen 127.0.0.1", "--listen 192.0.2.1"},
                 {"--behind 127.0.0.1:10026 ", ""},
                 {"--behind 127.0.0.1:10026", "--behind localhost"},
                 {"--behind 127.0.0.1:10026", "--behind 127.0.0.1"},
                 {"10026", "10027"},
                 {"--authserv-id mx ", ""},
                 {"--smtp localhost:25 ", ""},
                 {"--smtp", "--mail print --smtp"},
                 {"--smtp", "--gateway /x --smtp"},
                 {"--smtp", "--every 1d --smtp"},
                 {"--smtp", "--most 0 --smtp"},
                 {"--smtp", "--parallel many --smtp"}};
  for (gsize i = 0; i < G_N_ELEMENTS(changes); i++) {
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) parts = g_strsplit(GATEWAY, changes[i].words, 2);
    g_assert_nonnull(parts[1]);
    g_autofree char *line = g_strjoinv(changes[i].others, parts);
    g_assert_null(parse_gateway(line, &error));
    g_assert_error(error, CLIENT_ERROR, CLIENT_USAGE);
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/request_options/durations", test_durations);
  g_test_add_func("/request_options/bad", test_bad);
  g_test_add_func("/request_options/presets", test_presets);
  g_test_add_func("/request_options/mail", test_mail);
  g_test_add_func("/revoke_options/bad", test_bad_revocations);
  g_test_add_func("/revoke_options/proof", test_revocation);
  g_test_add_func("/gateway_options/words", test_gateway);
  g_test_add_func("/gateway_options/bad", test_bad_gateways);
  return g_test_run();
}
