/* SPDX-License-Identifier: Apache-2.0 */
/* signetctl eab: keys for external account binding. */
#include "daemon/ctl_ask.h"

#include <stdio.h>

static json_t *texts(char **list) {
  json_t *array = json_array();
  for (; list != NULL && *list != NULL; list++)
    json_array_append_new(array, json_string(*list));
  return array;
}

int ctl_eab_add(int argc, char **argv) {
  g_auto(CtlServer) server = {NULL};
  g_autofree char *note = NULL;
  g_auto(GStrv) identifiers = NULL, profiles = NULL;
  const GOptionEntry options[] = {
      {"note", 'n', 0, G_OPTION_ARG_STRING, &note, "For whom the key is", "TEXT"},
      {"identifier", 'i', 0, G_OPTION_ARG_STRING_ARRAY, &identifiers,
       "A domain or address that may be ordered; may be given again (all)", "NAME"},
      {"profile", 'p', 0, G_OPTION_ARG_STRING_ARRAY, &profiles,
       "A profile that may be ordered; may be given again (all)", "NAME"},
      CTL_SERVER_OPTIONS(server),
      G_OPTION_ENTRY_NULL};
  if (!ctl_options("eab add", "Makes a key for external account binding and prints it once.",
                   options, argc, argv))
    return CTL_USAGE;
  json_t *arguments = json_pack("{s:s, s:o, s:o}", "note", note != NULL ? note : "", "identifiers",
                                texts(identifiers), "profiles", texts(profiles));
  json_t *key = ctl_ask(&server, "eab add", arguments);
  if (key == NULL)
    return CTL_FAILED;
  if (server.json)
    ctl_print_json(key);
  else
    printf("kid: %s\nkey: %s\nThe key is not shown again.\n", ctl_member(key, "kid"),
           ctl_member(key, "key"));
  json_decref(key);
  return CTL_DONE;
}

static void after(json_t *arguments, const json_t *row) {
  json_object_set(arguments, "after", json_object_get(row, "kid"));
}

static void print_key(const json_t *key) {
  g_autofree char *identifiers = ctl_list(key, "identifiers", "all");
  g_autofree char *profiles = ctl_list(key, "profiles", "all");
  const char *account = ctl_member(key, "account"), *revoked = ctl_member(key, "revoked");
  printf("%s\n", ctl_member(key, "kid"));
  printf("  note         %s\n", ctl_member(key, "note"));
  printf("  identifiers  %s\n", identifiers);
  printf("  profiles     %s\n", profiles);
  printf("  made         %s\n", ctl_member(key, "made"));
  printf("  account      %s\n", *account != '\0' ? account : "none yet");
  if (*revoked != '\0')
    printf("  revoked      %s\n", revoked);
}

int ctl_eab_list(int argc, char **argv) {
  g_auto(CtlServer) server = {NULL};
  const GOptionEntry options[] = {CTL_SERVER_OPTIONS(server), G_OPTION_ENTRY_NULL};
  json_t *key = NULL;
  size_t i = 0;
  if (!ctl_options("eab list", "Lists the keys for external account binding.", options, argc, argv))
    return CTL_USAGE;
  json_t *all = ctl_ask_all(&server, "eab list", NULL, "keys", after);
  if (all == NULL)
    return CTL_FAILED;
  if (server.json)
    ctl_print_json(all);
  else
    json_array_foreach(json_object_get(all, "keys"), i, key) print_key(key);
  json_decref(all);
  return CTL_DONE;
}

int ctl_eab_revoke(int argc, char **argv) {
  g_auto(CtlServer) server = {NULL};
  g_auto(GStrv) kid = NULL;
  const GOptionEntry options[] = {CTL_SERVER_OPTIONS(server), CTL_WORDS(kid, "KID"),
                                  G_OPTION_ENTRY_NULL};
  if (!ctl_options("eab revoke", "Revokes a key: no account can be bound with it any more.",
                   options, argc, argv) ||
      !ctl_count_words(kid, 1, "KID"))
    return CTL_USAGE;
  json_t *done = ctl_ask(&server, "eab revoke", json_pack("{s:s}", "kid", kid[0]));
  if (done == NULL)
    return CTL_FAILED;
  if (server.json)
    ctl_print_json(done);
  else
    printf("revoked %s\n", ctl_member(done, "kid"));
  json_decref(done);
  return CTL_DONE;
}
