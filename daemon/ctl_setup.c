/* SPDX-License-Identifier: Apache-2.0 */
/* signetctl setup: from nothing to a server that can be started, and again without harm. */
#include "daemon/ctl_setup.h"
#include "base/config_template.h"
#include "base/config_types.h"
#include "daemon/control.h"
#include "daemon/ctl_ask.h"
#include "daemon/ctl_making.h"
#include "daemon/ctl_settings.h"
#include "daemon/dns_zone.h"
#include "daemon/pem_key.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/x509v3.h>
#include <pwd.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define SERVICE_USER "signet"
#define UNIT "signetd.service"

/* --- telling
 * ------------------------------------------------------------------------------------------------
 */

void setup_say(const char *what, const char *format, ...) {
  va_list values;
  va_start(values, format);
  printf("%-8s ", what);
  vprintf(format, values);
  printf("\n");
  va_end(values);
}

void setup_problem(Setup *setup, const char *what, const char *todo, ...) {
  va_list values;
  va_start(values, todo);
  fflush(stdout);
  fprintf(stderr, "problem  %s\n         ", what);
  vfprintf(stderr, todo, values);
  fprintf(stderr, "\n");
  va_end(values);
  setup->problems++;
}

/* --- what was given
 * ------------------------------------------------------------------------------------------ */

/* A text in the form of its key, each item of a list; NULL and why. "" stays. */
static char *keep_text(const char *group, const char *name, const char *text, const char *folder,
                       char **why) {
  const ConfigKey *key = config_template_key(group, name);
  g_auto(GStrv) items = g_strsplit(text, config_type_is_list(key->type) ? ";" : "\n", -1);
  for (char **item = items; *item != NULL; item++) {
    char *kept =
        *g_strstrip(*item) == '\0' ? g_strdup("") : config_parse_value(key, *item, folder, why);
    if (kept == NULL)
      return NULL;
    g_free(*item);
    *item = kept;
  }
  return g_strjoinv("; ", items);
}

/* The value of an option, if it was given, in the form of its key. */
static gboolean read_value(char **value, const char *group, const char *name, const char *option,
                           const char *todo) {
  g_autofree char *why = NULL;
  if (*value == NULL)
    return TRUE;
  char *kept = **value != '\0' ? keep_text(group, name, *value, ".", &why) : NULL;
  if (kept == NULL) {
    fprintf(stderr, "%s: %s: %s. %s\n", g_get_prgname(), option, why != NULL ? why : "it is empty",
            todo);
    return FALSE;
  }
  g_free(*value);
  *value = kept;
  return TRUE;
}

/* "relay.example.org" is meant to be asked at port 25. */
static void add_relay_port(Setup *setup) {
  g_autofree char *host = NULL;
  guint16 port = 0;
  if (setup->relay == NULL || strpbrk(setup->relay, ";[") != NULL ||
      config_split_peer(setup->relay, &host, &port) || strchr(setup->relay, ':') != NULL)
    return;
  char *peer = g_strconcat(setup->relay, ":25", NULL);
  g_free(setup->relay);
  setup->relay = peer;
}

/* Lists are published in plain HTTP at the ACME server's name. */
static void choose_publish(Setup *setup) {
  g_autoptr(GUri) url = setup->url != NULL ? g_uri_parse(setup->url, G_URI_FLAGS_NONE, NULL) : NULL;
  const char *host = url != NULL ? g_uri_get_host(url) : NULL;
  if (setup->publish == NULL && host != NULL)
    setup->publish = strchr(host, ':') != NULL ? g_strdup_printf("http://[%s]/", host)
                                               : g_strdup_printf("http://%s/", host);
}

typedef struct {
  char *group, *name, *value;
} Setting;

static void setting_clear(Setting *setting) {
  g_free(setting->group);
  g_free(setting->name);
  g_free(setting->value);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Setting, setting_clear)

/* "GROUP.KEY=VALUE" with a key that there is. */
static gboolean split_setting(const char *text, Setting *setting) {
  const char *dot = strchr(text, '.'), *equals = strchr(text, '=');
  if (dot == NULL || equals == NULL || equals < dot)
    return FALSE;
  setting->group = g_strstrip(g_strndup(text, (gsize)(dot - text)));
  setting->name = g_strstrip(g_strndup(dot + 1, (gsize)(equals - dot - 1)));
  setting->value = g_strstrip(g_strdup(equals + 1));
  return config_template_key(setting->group, setting->name) != NULL;
}

static gboolean check_setting(const char *text) {
  g_auto(Setting) setting = {NULL, NULL, NULL};
  if (split_setting(text, &setting))
    return *setting.value == '\0' ||
           read_value(&setting.value, setting.group, setting.name, text,
                      "Correct it after --set; signet.conf(5) has the form of each key.");
  fprintf(stderr,
          "%s: --set %s: is not GROUP.KEY=VALUE with a key of the configuration. signetd --keys "
          "prints them all; write --set acme.listen=192.0.2.1:443, for example.\n",
          g_get_prgname(), text);
  return FALSE;
}

static gboolean read_options(Setup *setup) {
  add_relay_port(setup);
  if (!read_value(&setup->domain, "mail", "domain", "--domain",
                  "Give the mail domain of the CA, such as ca.example.org.") ||
      !read_value(&setup->relay, "mail", "relay", "--relay",
                  "Give the mail server that delivers challenges, such as smtp.example.org:25.") ||
      !read_value(&setup->url, "acme", "url", "--url",
                  "ACME is spoken over HTTPS alone: give https:// and the name by which clients "
                  "reach this server.") ||
      !read_value(&setup->publish, "publish", "url", "--publish",
                  "Revocation lists are fetched in plain HTTP: give http:// and a name, and end "
                  "with \"/\"."))
    return FALSE;
  if (setup->name != NULL && *g_strstrip(setup->name) == '\0') {
    fprintf(stderr,
            "%s: --name is empty. Give what the CA is called, or leave it out for the domain.\n",
            g_get_prgname());
    return FALSE;
  }
  for (char **setting = setup->settings; setting != NULL && *setting != NULL; setting++)
    if (!check_setting(*setting))
      return FALSE;
  if ((setup->tls_certificate == NULL) != (setup->tls_key == NULL)) {
    fprintf(stderr,
            "%s: --tls-certificate and --tls-key go together: give both, or none for a "
            "self-signed certificate.\n",
            g_get_prgname());
    return FALSE;
  }
  return TRUE;
}

/* Only root can give files to another user. */
static gboolean find_user(Setup *setup) {
  errno = 0;
  const struct passwd *user = getpwnam(setup->user != NULL ? setup->user : SERVICE_USER);
  if (user != NULL && geteuid() == 0) {
    setup->served = TRUE;
    setup->uid = user->pw_uid;
    setup->gid = user->pw_gid;
    if (setup->user == NULL)
      setup->user = g_strdup(SERVICE_USER);
  }
  if (user != NULL || setup->user == NULL)
    return TRUE;
  fprintf(stderr,
          "%s: --user %s: there is no such system user. Make it (useradd --system %s), or leave "
          "the option out.\n",
          g_get_prgname(), setup->user, setup->user);
  return FALSE;
}

static void choose_places(Setup *setup) {
  if (setup->directory == NULL)
    setup->directory = setup->path != NULL ? g_path_get_dirname(setup->path)
                                           : g_path_get_dirname(CTL_DEFAULT_CONFIG);
  char *absolute = g_canonicalize_filename(setup->directory, NULL);
  g_free(setup->directory);
  setup->directory = absolute;
  char *path = setup->path != NULL ? g_canonicalize_filename(setup->path, NULL)
                                   : g_build_filename(setup->directory, "signet.conf", NULL);
  g_free(setup->path);
  setup->path = path;
}

/* --- what is there already
 * ------------------------------------------------------------------------------------ */

static const struct {
  const char *group, *name, *option;
  gsize given; /* offset in Setup */
} asked[] = {
    {"mail", "domain", "--domain", G_STRUCT_OFFSET(Setup, domain)},
    {"mail", "relay", "--relay", G_STRUCT_OFFSET(Setup, relay)},
    {"acme", "url", "--url", G_STRUCT_OFFSET(Setup, url)},
    {"publish", "url", "--publish", G_STRUCT_OFFSET(Setup, publish)},
};
#define NEEDED 3 /* the first of them, for a new configuration */

static const char *given(const Setup *setup, gsize offset) {
  return *(char *const *)G_STRUCT_MEMBER_P(setup, offset);
}

/* A configuration that was written before stays as it is: where it says other things than the
   options, they are told. */
/* A mistake in the configuration is told when it is checked. */
static void compare_one(Setup *setup, const CtlSettings *settings, const Setting *setting,
                        const char *option) {
  g_autofree char *why = NULL, *folder = g_path_get_dirname(setup->path);
  g_autofree char *found = ctl_settings_text(settings, setting->group, setting->name);
  g_autofree char *kept = keep_text(setting->group, setting->name, found, folder, &why);
  g_autofree char *wanted = keep_text(setting->group, setting->name, setting->value, folder, &why);
  if (kept == NULL || wanted == NULL || strcmp(kept, wanted) == 0)
    return;
  g_autofree char *what =
      g_strdup_printf("%s has [%s] %s = %s, and %s is %s", setup->path, setting->group,
                      setting->name, found, option, setting->value);
  setup_problem(setup, what,
                "It is kept, since it was written before: change it there if %s is meant, or "
                "leave the option out.",
                setting->value);
}

static void compare(Setup *setup) {
  g_autoptr(CtlSettings) settings = ctl_settings_new(setup->path, NULL);
  if (settings == NULL)
    return;
  for (gsize i = 0; i < G_N_ELEMENTS(asked); i++) {
    const Setting setting = {(char *)asked[i].group, (char *)asked[i].name,
                             (char *)given(setup, asked[i].given)};
    if (setting.value != NULL)
      compare_one(setup, settings, &setting, asked[i].option);
  }
  for (char **text = setup->settings; text != NULL && *text != NULL; text++) {
    g_auto(Setting) setting = {NULL, NULL, NULL};
    if (split_setting(*text, &setting))
      compare_one(setup, settings, &setting, "--set");
  }
}

static gboolean check_needed(const Setup *setup) {
  for (gsize i = 0; !setup->told && i < NEEDED; i++)
    if (given(setup, asked[i].given) == NULL) {
      fprintf(stderr,
              "%s: %s is needed, since there is no configuration in %s yet. Give --domain, --relay "
              "and --url; see --help.\n",
              g_get_prgname(), asked[i].option, setup->path);
      return FALSE;
    }
  return TRUE;
}

static gboolean is_told(const Setup *setup) {
  g_autofree char *text = NULL;
  return g_file_get_contents(setup->path, &text, NULL, NULL) && !config_template_is_unset(text);
}

/* --- the run
 * ------------------------------------------------------------------------------------------------
 */

static gboolean is_self_signed(const Config *config, const char *key) {
  g_autoptr(GBytes) pem = dns_zone_file(config, key, NULL);
  X509 *certificate = pem != NULL ? pem_first_certificate(pem) : NULL;
  gboolean own = certificate != NULL && (X509_get_extension_flags(certificate) & EXFLAG_SS) != 0;
  X509_free(certificate);
  return own;
}

static gboolean is_running(const Config *config) {
  g_autofree char *path = control_path(config_text(config, "store.directory"));
  int fd = control_connect(path, NULL);
  if (fd >= 0)
    close(fd);
  return fd >= 0;
}

static char *root_key(const Config *config) {
  g_autofree char *folder = g_path_get_dirname(config_text(config, "ca.root"));
  g_autofree char *path = g_build_filename(folder, "root.key", NULL);
  return g_file_test(path, G_FILE_TEST_EXISTS) ? g_steal_pointer(&path) : NULL;
}

static void step(guint *number, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void step(guint *number, const char *format, ...) {
  va_list values;
  va_start(values, format);
  printf("%u. ", ++*number);
  vprintf(format, values);
  printf("\n");
  va_end(values);
}

static void print_start(const Setup *setup, guint *number, gboolean runs) {
  gboolean usual = strcmp(setup->path, CTL_DEFAULT_CONFIG) == 0;
  gboolean unit = usual && (g_file_test("/lib/systemd/system/" UNIT, G_FILE_TEST_EXISTS) ||
                            g_file_test("/etc/systemd/system/" UNIT, G_FILE_TEST_EXISTS));
  g_autofree char *option = usual ? g_strdup("") : g_strdup_printf(" --config %s", setup->path);
  if (runs)
    step(number,
         "signetd runs. When you changed the configuration, check it and restart: signetd"
         "%s --check",
         option);
  else if (unit)
    step(number, "Start Signet, now and at every boot: systemctl enable --now signetd");
  else
    step(number, "Start Signet under a supervisor, as %s%s: signetd%s",
         setup->served ? "the user " : "the user of these files", setup->served ? setup->user : "",
         option);
  step(number, "See how it does: signetctl health --wait 30%s; signetctl status%s", option, option);
}

static void print_next(const Setup *setup, const Config *config, int missing, gboolean runs) {
  guint number = 0;
  g_autofree char *key = root_key(config);
  const char *tls = config_text(config, "acme.tls-certificate");
  printf("\nWhat to do next:\n");
  if (missing != 0)
    step(&number,
         "Publish the records above in the DNS, and those of the names in the comments; signetctl "
         "dns check --config %s tells when all is there.",
         setup->path);
  if (key != NULL)
    step(&number,
         "Move %s to a safe place away from this machine, with copies of root.pem, root.crl and "
         "transcript.txt beside it. It is needed once a year for the root's list (signetctl ca "
         "crl).",
         key);
  if (is_self_signed(config, "acme.tls-certificate"))
    step(&number,
         "%s is self-signed: clients must be given it (signet: --ca-file). Put a certificate there "
         "that they trust anyway, with its key in %s, and send signetd a SIGHUP.",
         tls, config_text(config, "acme.tls-key"));
  if (!setup->served && setup->user == NULL && geteuid() == 0)
    step(&number,
         "There is no system user " SERVICE_USER ": make it (useradd --system " SERVICE_USER
         "), and run signetctl setup again, which gives it what it needs.");
  print_start(setup, &number, runs);
  step(&number, "Try it: signet request you@example.com --directory %s/directory",
       config_text(config, "acme.url"));
}

static void print_records(Setup *setup, const Config *config) {
  g_autoptr(GError) error = NULL;
  g_autoptr(DnsZone) zone = dns_zone_new(config, NULL, NULL, &error);
  printf("\n");
  if (zone != NULL)
    ctl_dns_print(zone);
  else
    setup_problem(setup, error->message, "Correct it in %s, and run signetctl setup again.",
                  setup->path);
}

/* Until the process ends: a second one waits. */
static gboolean lock(Setup *setup) {
  int fd = open(setup->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd >= 0 && flock(fd, LOCK_EX) == 0)
    return TRUE;
  setup_problem(setup, g_strerror(errno), "Make the folder %s readable.", setup->directory);
  return FALSE;
}

static gboolean make(Setup *setup) {
  if (!setup_folder(setup) || !lock(setup))
    return FALSE;
  setup->told = is_told(setup);
  if (!setup->told)
    choose_publish(setup);
  if (!setup->told)
    return setup_ca(setup) && setup_dkim(setup) && setup_tls(setup) && setup_config(setup);
  setup_say("kept", "%s", setup->path);
  compare(setup);
  return TRUE;
}

static int finish(const Setup *setup) {
  if (setup->problems == 0)
    return CTL_DONE;
  fflush(stdout);
  fprintf(stderr,
          "\n%s: %u problem%s. Do what is said there, and run it again: what was made is kept.\n",
          g_get_prgname(), setup->problems, setup->problems == 1 ? "" : "s");
  return CTL_FAILED;
}

static int run(Setup *setup) {
  g_autoptr(GPtrArray) mistakes = g_ptr_array_new_with_free_func(g_free);
  if (!make(setup))
    return finish(setup);
  g_autoptr(Config) config = config_load(setup->path, FALSE, mistakes);
  if (config != NULL && !setup_named(setup, config))
    return finish(setup);
  if (!setup_check(setup) || config == NULL)
    return finish(setup);
  gboolean runs = is_running(config);
  int missing = -1;
  setup_look_at_ports(setup, config, runs);
  if (!setup->offline) {
    setup_look_at_relays(setup, config);
    missing = setup_look_at_dns(setup, config);
  }
  print_records(setup, config);
  print_next(setup, config, missing, runs);
  return finish(setup);
}

static void setup_clear(Setup *setup) {
  char **texts[] = {&setup->domain,    &setup->relay,
                    &setup->url,       &setup->publish,
                    &setup->directory, &setup->path,
                    &setup->name,      &setup->organization,
                    &setup->country,   &setup->tls_certificate,
                    &setup->tls_key,   &setup->user,
                    &setup->command};
  for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
    g_free(*texts[i]);
  g_strfreev(setup->settings);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Setup, setup_clear)

int ctl_setup(int argc, char **argv) {
  g_auto(Setup) setup = {0};
  g_autofree char *words = g_strjoinv(" ", argv);
  const GOptionEntry options[] = {
      {"domain", 'd', 0, G_OPTION_ARG_STRING, &setup.domain,
       "[mail] domain: mail domain of the CA; challenges come from there", "DOMAIN"},
      {"relay", 'r', 0, G_OPTION_ARG_STRING, &setup.relay,
       "[mail] relay: mail server that delivers them", "HOST[:PORT]"},
      {"url", 'u', 0, G_OPTION_ARG_STRING, &setup.url,
       "[acme] url: https:// URL of the ACME server", "URL"},
      {"publish", 'p', 0, G_OPTION_ARG_STRING, &setup.publish,
       "[publish] url: http:// URL of revocation lists, for the life of the CA (http://, host of "
       "--url)",
       "URL"},
      {"directory", 'D', 0, G_OPTION_ARG_FILENAME, &setup.directory,
       "Folder of configuration, keys and CA (/etc/signet)", "DIR"},
      {"config", 'c', 0, G_OPTION_ARG_FILENAME, &setup.path, "Configuration (DIR/signet.conf)",
       "FILE"},
      {"name", 'n', 0, G_OPTION_ARG_STRING, &setup.name,
       "What the names of root and issuing CA begin with (the domain)", "NAME"},
      {"organization", 'o', 0, G_OPTION_ARG_STRING, &setup.organization, "O of both", "NAME"},
      {"country", 0, 0, G_OPTION_ARG_STRING, &setup.country, "C of both", "CC"},
      {"tls-certificate", 0, 0, G_OPTION_ARG_FILENAME, &setup.tls_certificate,
       "A certificate chain for HTTPS and STARTTLS that is there (a self-signed one is made)",
       "FILE"},
      {"tls-key", 0, 0, G_OPTION_ARG_FILENAME, &setup.tls_key, "Its key", "FILE"},
      {"user", 0, 0, G_OPTION_ARG_STRING, &setup.user,
       "System user that signetd runs as (" SERVICE_USER ", where it exists)", "NAME"},
      {"set", 's', 0, G_OPTION_ARG_STRING_ARRAY, &setup.settings,
       "Another key of a new configuration, as acme.listen=192.0.2.1:443; may be given again",
       "GROUP.KEY=VALUE"},
      {"offline", 0, 0, G_OPTION_ARG_NONE, &setup.offline, "Ask neither the relay nor the DNS",
       NULL},
      G_OPTION_ENTRY_NULL};
  if (!ctl_options("setup",
                   "Makes configuration, CA, DKIM key and TLS certificate, checks them, prints the "
                   "DNS records to publish and what to do next. What is there already is kept.",
                   options, argc, argv) ||
      !read_options(&setup) || !find_user(&setup))
    return CTL_USAGE;
  setup.command = g_strconcat("signetctl ", words, NULL);
  choose_places(&setup);
  setup.told = is_told(&setup);
  if (!check_needed(&setup))
    return CTL_USAGE;
  umask(022);
  return run(&setup);
}
