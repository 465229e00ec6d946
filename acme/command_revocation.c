/* SPDX-License-Identifier: Apache-2.0 */
/* signetctl certificate revoke and signetctl key: revocation by the operator (S/MIME BR 4.9.1), and
   keys that are not to be certified. */
#include "acme/command.h"
#include "acme/record.h"
#include "acme/revocation.h"
#include "acme/revocation_job.h"
#include "base/hex.h"
#include "base/mailbox.h"
#include "store/certificate.h"
#include "store/lock.h"

#include <string.h>

#define TEXT_MAX 1000 /* octets of an argument */
#define SERIALS_MAX 100
#define DIGEST_OCTETS 32

/* RFC 5280 section 5.3.1: what a CA may say of a subscriber's certificate (S/MIME BR 7.2.2). */
static const struct {
  const char *name;
  int reason;
} reasons[] = {{"unspecified", 0},          {"keyCompromise", REVOCATION_KEY_COMPROMISE},
               {"affiliationChanged", 3},   {"superseded", 4},
               {"cessationOfOperation", 5}, {"privilegeWithdrawn", 9}};

static gboolean read_reason(Command *command, int *reason) {
  const char *name = NULL;
  g_autoptr(GString) known = g_string_new(NULL);
  if (!command_needs_text(command, "reason", TEXT_MAX, &name))
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS(reasons); i++) {
    g_string_append_printf(known, "%s%s", i > 0 ? ", " : "", reasons[i].name);
    if (strcmp(name, reasons[i].name) == 0) {
      *reason = reasons[i].reason;
      return TRUE;
    }
  }
  return command_refuse(command, "There is no reason \"%s\"; there are: %s.", name, known->str);
}

/* The name that records have for an operator. */
static char *operator_name(const Command *command) {
  return g_strconcat("operator ", command->uid, NULL);
}

/* --- single certificates
 * ----------------------------------------------------------------------------------- */

static gboolean block(Command *command, GBytes *digest, const char *why, GError **error) {
  g_autofree char *text = hex_encode(digest);
  return store_lock_key(command->acme->store, digest, error) &&
         key_block(command->acme->store, digest, command->now, why, error) &&
         record(command->acme, command->now, "key blocked", (About){NULL}, error, "key", text,
                "why", why, "uid", command->uid, NULL);
}

/* already: it was revoked before, which is no fault in a list. */
static gboolean revoke_one(Command *command, const char *text, int reason, gint64 *already,
                           GError **error) {
  g_autoptr(GBytes) serial = command_serial(text);
  g_autoptr(Certificate) certificate = NULL;
  g_autofree char *by = operator_name(command);
  if (serial == NULL)
    return command_refuse(command, "\"%s\" is no serial number in hexadecimal digits.", text);
  StoreFind found = certificate_find_by_serial(command->acme->store, serial, &certificate, error);
  if (found == STORE_LOOKUP_FAILED)
    return FALSE;
  if (found == STORE_MISSING || certificate->der == NULL)
    return command_refuse(command, "No certificate with the serial number %s was issued here.",
                          text);
  if (reason == REVOCATION_KEY_COMPROMISE &&
      !block(command, certificate->key_digest, "reported compromised to the operator", error))
    return FALSE;
  StoreChange revoked =
      revocation_enter(command->acme, command->now, certificate, reason, by, error);
  *already += revoked == STORE_UNCHANGED;
  return revoked != STORE_FAILED;
}

gboolean command_certificate_revoke(Command *command, GError **error) {
  int reason = 0;
  gint64 already = 0;
  g_autoptr(GPtrArray) serials = command_texts(command, "serials", SERIALS_MAX, TEXT_MAX);
  if (serials == NULL || !read_reason(command, &reason))
    return FALSE;
  if (serials->len == 0)
    return command_refuse(command, "serials is missing.");
  for (guint i = 0; i < serials->len; i++)
    if (!revoke_one(command, serials->pdata[i], reason, &already, error))
      return FALSE;
  json_object_set_new(command->result, "revoked", json_integer(serials->len - already));
  json_object_set_new(command->result, "already", json_integer(already));
  return TRUE;
}

/* --- of a key, a mailbox, a domain
 * ------------------------------------------------------------------------- */

static gboolean read_digest(Command *command, const char *text, GBytes **digest) {
  *digest = hex_decode(text, DIGEST_OCTETS);
  return (*digest != NULL && g_bytes_get_size(*digest) == DIGEST_OCTETS) ||
         command_refuse(command, "\"%s\" is no SHA-256 of a public key in hexadecimal digits.",
                        text);
}

/* Exactly one of the three. */
static gboolean read_whose(Command *command, RevocationRun *run) {
  const char *key = NULL, *address = NULL, *domain = NULL;
  if (!command_text(command, "key", TEXT_MAX, &key) ||
      !command_text(command, "address", TEXT_MAX, &address) ||
      !command_text(command, "domain", TEXT_MAX, &domain))
    return FALSE;
  if ((key != NULL) + (address != NULL) + (domain != NULL) != 1)
    return command_refuse(command, "Give one of key, address and domain.");
  if (key != NULL)
    return read_digest(command, key, &run->key_digest);
  if (address != NULL) {
    g_autoptr(Mailbox) mailbox = mailbox_parse(address, NULL);
    run->canonical = mailbox != NULL ? g_strdup(mailbox->canonical) : NULL;
    return run->canonical != NULL || command_refuse(command, "\"%s\" is no address.", address);
  }
  run->domain = mailbox_domain_to_ascii(domain, NULL);
  return run->domain != NULL || command_refuse(command, "\"%s\" is no domain.", domain);
}

gboolean command_certificate_revoke_all(Command *command, GError **error) {
  g_autoptr(RevocationRun) run = g_new0(RevocationRun, 1);
  int reason = 0;
  if (!read_reason(command, &reason) || !read_whose(command, run))
    return FALSE;
  run->reason = reason;
  run->by = operator_name(command);
  g_autofree char *key = run->key_digest != NULL ? hex_encode(run->key_digest) : NULL;
  if (reason == REVOCATION_KEY_COMPROMISE && run->key_digest != NULL &&
      !block(command, run->key_digest, "reported compromised to the operator", error))
    return FALSE;
  if (!revocation_run_start(command->acme, command->now, run, error))
    return FALSE;
  char id[ID_TEXT];
  json_object_set_new(command->result, "run", json_string(id_text(&run->id, id)));
  return record(command->acme, command->now, "revocation of many asked", (About){NULL}, error,
                "key", key, "mailbox", run->canonical, "domain", run->domain, "uid", command->uid,
                NULL);
}

gboolean command_certificate_revoked(Command *command, GError **error) {
  const char *text = NULL;
  g_autoptr(RevocationRun) run = NULL;
  Id id;
  if (!command_needs_text(command, "run", TEXT_MAX, &text))
    return FALSE;
  StoreFind found = id_from_text(text, &id)
                        ? revocation_run_find(command->acme->store, &id, &run, error)
                        : STORE_MISSING;
  if (found == STORE_MISSING)
    return command_refuse(command, "There is no revocation \"%s\".", text);
  if (found == STORE_LOOKUP_FAILED)
    return FALSE;
  json_object_set_new(command->result, "revoked", json_integer(run->revoked));
  command_set_time(command->result, "done", run->done_at);
  return TRUE;
}

/* --- blocked keys
 * ------------------------------------------------------------------------------------------ */

gboolean command_key_block(Command *command, GError **error) {
  const char *key = NULL, *why = NULL;
  g_autoptr(GBytes) digest = NULL;
  if (!command_needs_text(command, "key", TEXT_MAX, &key) ||
      !command_needs_text(command, "why", TEXT_MAX, &why) || !read_digest(command, key, &digest))
    return FALSE;
  if (!store_lock_key(command->acme->store, digest, error))
    return FALSE;
  StoreFind blocked = key_blocked(command->acme->store, digest, error);
  if (blocked == STORE_FOUND)
    return command_refuse(command, "The key is blocked already.");
  if (blocked == STORE_LOOKUP_FAILED)
    return FALSE;
  g_autoptr(GPtrArray) certificates =
      certificate_list_by_key(command->acme->store, digest, SERIALS_MAX, error);
  if (certificates == NULL)
    return FALSE;
  json_object_set_new(command->result, "key", json_string(key));
  json_object_set_new(command->result, "certificates", json_integer(certificates->len));
  return block(command, digest, why, error);
}

gboolean command_key_list(Command *command, GError **error) {
  const char *after = NULL;
  g_autoptr(GBytes) digest = NULL;
  gsize octets = 0;
  if (!command_text(command, "after", TEXT_MAX, &after) ||
      (after != NULL && !read_digest(command, after, &digest)))
    return FALSE;
  g_autoptr(GPtrArray) keys = key_list_blocked(command->acme->store, digest, COMMAND_PAGE, error);
  if (keys == NULL)
    return FALSE;
  json_t *rows = json_array();
  gboolean all = keys->len < COMMAND_PAGE;
  for (guint i = 0; i < keys->len; i++) {
    const BlockedKey *key = keys->pdata[i];
    g_autofree char *text = hex_encode(key->digest);
    json_t *row = json_pack("{s:s, s:s}", "key", text, "why", key->why);
    command_set_time(row, "blocked", key->at);
    if (!command_add_row(rows, &octets, row)) {
      all = FALSE;
      break;
    }
  }
  json_object_set_new(command->result, "keys", rows);
  json_object_set_new(command->result, "more", json_boolean(!all));
  return TRUE;
}
