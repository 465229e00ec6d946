/* SPDX-License-Identifier: Apache-2.0 */
/* signetctl certificate: revocation by the operator. */
#include "daemon/ctl_ask.h"
#include "daemon/ctl_key.h"

#include <stdio.h>
#include <string.h>

#define CHUNK 100      /* serial numbers of one question */
#define POLL_US 200000 /* between two looks at a revocation of many */

typedef struct {
  char *file, *key, *address, *domain, *reason;
  char **serials;
} Wish;

static void wish_clear(Wish *wish) {
  g_free(wish->file);
  g_free(wish->key);
  g_free(wish->address);
  g_free(wish->domain);
  g_free(wish->reason);
  g_strfreev(wish->serials);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Wish, wish_clear)

/* --- single certificates
 * ----------------------------------------------------------------------------------- */

/* Serial numbers, one a line; what follows one on its line, empty lines and those that begin with
   "#" are left out. */
static gboolean read_list(Wish *wish, GError **error) {
  g_autofree char *text = NULL;
  g_autoptr(GPtrArray) serials = g_ptr_array_new();
  if (!g_file_get_contents(wish->file, &text, NULL, error))
    return FALSE;
  g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
  for (char **line = lines; *line != NULL; line++) {
    g_strstrip(*line);
    if (**line != '\0' && **line != '#')
      g_ptr_array_add(serials, g_strndup(*line, strcspn(*line, " \t,;")));
  }
  g_ptr_array_add(serials, NULL);
  wish->serials = (char **)g_ptr_array_steal(serials, NULL);
  return TRUE;
}

static int revoke_serials(const CtlServer *server, const Wish *wish) {
  json_int_t revoked = 0, already = 0;
  guint count = g_strv_length(wish->serials);
  for (guint from = 0; from < count; from += CHUNK) {
    json_t *serials = json_array();
    for (guint i = from; i < MIN(from + CHUNK, count); i++)
      json_array_append_new(serials, json_string(wish->serials[i]));
    json_t *done = ctl_ask(server, "certificate revoke",
                           json_pack("{s:o, s:s}", "serials", serials, "reason", wish->reason));
    if (done == NULL) {
      fprintf(stderr, "%s: %u of %u were looked at before\n", g_get_prgname(), from, count);
      return CTL_FAILED;
    }
    revoked += json_integer_value(json_object_get(done, "revoked"));
    already += json_integer_value(json_object_get(done, "already"));
    json_decref(done);
    if (count > CHUNK)
      fprintf(stderr, "%u of %u\n", MIN(from + CHUNK, count), count);
  }
  json_t *sum = json_pack("{s:I, s:I}", "revoked", revoked, "already", already);
  if (server->json)
    ctl_print_json(sum);
  else
    printf("revoked %" JSON_INTEGER_FORMAT ", revoked before %" JSON_INTEGER_FORMAT "\n", revoked,
           already);
  json_decref(sum);
  return CTL_DONE;
}

/* --- of a key, a mailbox, a domain
 * ------------------------------------------------------------------------- */

static json_t *whose(const Wish *wish, GError **error) {
  json_t *arguments = json_pack("{s:s}", "reason", wish->reason);
  g_autofree char *digest = wish->key != NULL ? ctl_key_digest(wish->key, error) : NULL;
  if (digest != NULL)
    json_object_set_new(arguments, "key", json_string(digest));
  else if (wish->address != NULL)
    json_object_set_new(arguments, "address", json_string(wish->address));
  else if (wish->domain != NULL)
    json_object_set_new(arguments, "domain", json_string(wish->domain));
  else
    g_clear_pointer(&arguments, json_decref);
  return arguments;
}

/* It goes on in the server when this program is stopped. */
static int follow(const CtlServer *server, const char *run) {
  json_int_t shown = 0;
  for (;;) {
    json_t *now = ctl_ask(server, "certificate revoked", json_pack("{s:s}", "run", run));
    if (now == NULL)
      return CTL_FAILED;
    json_int_t revoked = json_integer_value(json_object_get(now, "revoked"));
    gboolean done = json_object_get(now, "done") != NULL;
    if (!done && revoked != shown)
      fprintf(stderr, "%" JSON_INTEGER_FORMAT " until now\n", revoked);
    shown = revoked;
    if (done && server->json)
      ctl_print_json(now);
    else if (done)
      printf("revoked %" JSON_INTEGER_FORMAT "\n", revoked);
    json_decref(now);
    if (done)
      return CTL_DONE;
    g_usleep(POLL_US);
  }
}

static int revoke_all(const CtlServer *server, const Wish *wish) {
  g_autoptr(GError) error = NULL;
  json_t *arguments = whose(wish, &error);
  if (arguments == NULL)
    return ctl_failed("nothing revoked", &error);
  json_t *begun = ctl_ask(server, "certificate revoke-all", arguments);
  if (begun == NULL)
    return CTL_FAILED;
  int status = follow(server, ctl_member(begun, "run"));
  json_decref(begun);
  return status;
}

/* --- the command
 * ------------------------------------------------------------------------------------------ */

static const char *find_fault(const Wish *wish) {
  int ways = (wish->serials != NULL) + (wish->file != NULL) + (wish->key != NULL) +
             (wish->address != NULL) + (wish->domain != NULL);
  if (ways != 1)
    return "needs one of: serial numbers, --file, --key, --address, --domain";
  return wish->reason == NULL ? "needs --reason" : NULL;
}

int ctl_certificate_revoke(int argc, char **argv) {
  g_auto(CtlServer) server = {NULL};
  g_auto(Wish) wish = {NULL};
  g_autoptr(GError) error = NULL;
  const GOptionEntry options[] = {
      {"file", 'f', 0, G_OPTION_ARG_FILENAME, &wish.file, "Serial numbers, one a line", "FILE"},
      {"key", 'k', 0, G_OPTION_ARG_FILENAME, &wish.key,
       "All with a public key: a certificate, request or key in PEM, or its SHA-256",
       "FILE|SHA256"},
      {"address", 'a', 0, G_OPTION_ARG_STRING, &wish.address, "All that name a mailbox", "ADDRESS"},
      {"domain", 'd', 0, G_OPTION_ARG_STRING, &wish.domain,
       "All that name a mailbox of a domain, not of those below it", "DOMAIN"},
      {"reason", 'r', 0, G_OPTION_ARG_STRING, &wish.reason,
       "unspecified, keyCompromise, affiliationChanged, superseded, cessationOfOperation or "
       "privilegeWithdrawn (needed)",
       "REASON"},
      CTL_SERVER_OPTIONS(server),
      CTL_WORDS(wish.serials, "[SERIAL...]"),
      G_OPTION_ENTRY_NULL};
  if (!ctl_options("certificate revoke",
                   "Revokes certificates for good. keyCompromise blocks their keys too.", options,
                   argc, argv))
    return CTL_USAGE;
  const char *fault = find_fault(&wish);
  if (fault != NULL)
    return ctl_misused("%s", fault);
  if (wish.file != NULL && !read_list(&wish, &error))
    return ctl_failed("nothing revoked", &error);
  return wish.serials != NULL ? revoke_serials(&server, &wish) : revoke_all(&server, &wish);
}
