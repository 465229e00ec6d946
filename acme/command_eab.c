/* SPDX-License-Identifier: Apache-2.0 */
/* signetctl eab: keys that bind accounts to one outside (RFC 8555 section 7.3.4). */
#include "acme/command.h"
#include "acme/profile.h"
#include "acme/record.h"
#include "base/base64url.h"
#include "base/mailbox.h"
#include "store/external_account_key.h"

#include <stdlib.h>
#include <string.h>

#define MAC_KEY_OCTETS 32 /* of HMAC-SHA-256 */
#define BASE64URL_HYPHEN 62
#define NOTE_MAX 200 /* octets */
#define LIST_MAX 100 /* identifiers, and profiles, of one key */
#define IDENTIFIER_MAX 1000

/* --- eab add
 * -----------------------------------------------------------------------------------------------
 */

/* An address in canonical form, or a domain in A-labels; NULL and why. */
static char *canonical_identifier(const char *text, GError **error) {
  if (strchr(text, '@') == NULL)
    return mailbox_domain_to_ascii(text, error);
  g_autoptr(Mailbox) mailbox = mailbox_parse(text, error);
  return mailbox != NULL ? g_strdup(mailbox->canonical) : NULL;
}

static gboolean has_text(json_t *list, const char *text) {
  json_t *entry = NULL;
  size_t i = 0;
  json_array_foreach(list, i, entry) {
    if (strcmp(json_string_value(entry), text) == 0)
      return TRUE;
  }
  return FALSE;
}

static void add_once(json_t *list, const char *text) {
  if (!has_text(list, text))
    json_array_append_new(list, json_string(text));
}

static gboolean read_identifiers(Command *command, json_t *list) {
  g_autoptr(GPtrArray) given = command_texts(command, "identifiers", LIST_MAX, IDENTIFIER_MAX);
  for (guint i = 0; given != NULL && i < given->len; i++) {
    g_autoptr(GError) error = NULL;
    g_autofree char *canonical = canonical_identifier(given->pdata[i], &error);
    if (canonical == NULL)
      return command_refuse(command, "\"%s\" is no domain and no address: %s",
                            (const char *)given->pdata[i], error->message);
    add_once(list, canonical);
  }
  return given != NULL;
}

static gboolean read_profiles(Command *command, json_t *list) {
  g_autoptr(GPtrArray) given = command_texts(command, "profiles", LIST_MAX, IDENTIFIER_MAX);
  for (guint i = 0; given != NULL && i < given->len; i++) {
    if (!profile_exists(command->acme->config, given->pdata[i]))
      return command_refuse(command, "There is no profile \"%s\".", (const char *)given->pdata[i]);
    add_once(list, given->pdata[i]);
  }
  return given != NULL;
}

/* A list as the store keeps it: empty for an empty one. */
static char *list_text(const json_t *list) {
  char *dumped = json_array_size(list) > 0 ? json_dumps(list, JSON_COMPACT) : NULL;
  char *text = g_strdup(dumped != NULL ? dumped : "");
  free(dumped);
  return text;
}

/* In base64url it does not begin with "-": programs would take it for an option. */
static GBytes *new_mac_key(const Acme *acme) {
  guint8 *octets = g_malloc(MAC_KEY_OCTETS);
  do {
    acme->random(octets, MAC_KEY_OCTETS);
  } while (octets[0] >> 2 == BASE64URL_HYPHEN);
  return g_bytes_new_take(octets, MAC_KEY_OCTETS);
}

/* The record names everything but the MAC key, which only the answer holds. */
static gboolean keep(Command *command, const ExternalAccountKey *key, GError **error) {
  char kid[ID_TEXT];
  gsize size = 0;
  const guint8 *octets = g_bytes_get_data(key->mac_key, &size);
  g_autofree char *encoded = base64url_encode(octets, size);
  json_object_set_new(command->result, "kid", json_string(id_text(&key->id, kid)));
  json_object_set_new(command->result, "key", json_string(encoded));
  return external_account_key_insert(command->acme->store, key, error) &&
         record(command->acme, command->now, "external account key made", (About){NULL}, error,
                "kid", kid, "note", key->note, "identifiers", key->identifiers, "profiles",
                key->profiles, "uid", command->uid, NULL);
}

gboolean command_eab_add(Command *command, GError **error) {
  const char *note = NULL;
  g_autoptr(ExternalAccountKey) key = g_new0(ExternalAccountKey, 1);
  json_t *identifiers = json_array(), *profiles = json_array();
  gboolean good = command_text(command, "note", NOTE_MAX, &note) &&
                  read_identifiers(command, identifiers) && read_profiles(command, profiles);
  key->id = acme_id(command->acme, command->now);
  key->mac_key = new_mac_key(command->acme);
  key->note = g_strdup(note != NULL ? note : "");
  key->identifiers = list_text(identifiers);
  key->profiles = list_text(profiles);
  key->created_at = command->now;
  json_decref(identifiers);
  json_decref(profiles);
  return good && keep(command, key, error);
}

/* --- eab list
 * ---------------------------------------------------------------------------------------------- */

static void set_list(json_t *object, const char *member, const char *text) {
  json_t *list = json_loads(text != NULL ? text : "", 0, NULL);
  json_object_set_new(object, member, list != NULL ? list : json_array());
}

static json_t *row_of(const Acme *acme, const ExternalAccountKey *key) {
  char kid[ID_TEXT];
  json_t *row = json_pack("{s:s, s:s}", "kid", id_text(&key->id, kid), "note", key->note);
  set_list(row, "identifiers", key->identifiers);
  set_list(row, "profiles", key->profiles);
  command_set_time(row, "made", key->created_at);
  command_set_time(row, "revoked", key->revoked_at);
  if (key->bound) {
    g_autofree char *url = acme_url(acme, "account", &key->account_id, "");
    json_object_set_new(row, "account", json_string(url));
  }
  return row;
}

static gboolean read_kid(Command *command, const char *argument, const char *text, Id *id) {
  return id_from_text(text, id) || command_refuse(command, "%s is no key identifier.", argument);
}

gboolean command_eab_list(Command *command, GError **error) {
  const char *after = NULL;
  Id id;
  gsize octets = 0;
  if (!command_text(command, "after", ID_TEXT, &after) ||
      (after != NULL && !read_kid(command, "after", after, &id)))
    return FALSE;
  g_autoptr(GPtrArray) keys = external_account_key_list(
      command->acme->store, after != NULL ? &id : NULL, COMMAND_PAGE, error);
  if (keys == NULL)
    return FALSE;
  json_t *rows = json_array();
  gboolean all = keys->len < COMMAND_PAGE;
  for (guint i = 0; i < keys->len; i++)
    if (!command_add_row(rows, &octets, row_of(command->acme, keys->pdata[i]))) {
      all = FALSE;
      break;
    }
  json_object_set_new(command->result, "keys", rows);
  json_object_set_new(command->result, "more", json_boolean(!all));
  return TRUE;
}

/* --- eab revoke
 * -------------------------------------------------------------------------------------------- */

static gboolean refuse_revocation(Command *command, const Id *id, GError **error) {
  g_autoptr(ExternalAccountKey) key = NULL;
  StoreFind found = external_account_key_find(command->acme->store, id, &key, error);
  if (found == STORE_LOOKUP_FAILED)
    return FALSE;
  return command_refuse(command, found == STORE_FOUND ? "The key is revoked already."
                                                      : "There is no key of this identifier.");
}

gboolean command_eab_revoke(Command *command, GError **error) {
  const char *kid = NULL;
  Id id;
  if (!command_needs_text(command, "kid", IDENTIFIER_MAX, &kid) ||
      !read_kid(command, "kid", kid, &id))
    return FALSE;
  StoreChange revoked = external_account_key_revoke(command->acme->store, &id, command->now, error);
  if (revoked == STORE_UNCHANGED)
    return refuse_revocation(command, &id, error);
  json_object_set_new(command->result, "kid", json_string(kid));
  return revoked == STORE_CHANGED &&
         record(command->acme, command->now, "external account key revoked", (About){NULL}, error,
                "kid", kid, "uid", command->uid, NULL);
}
