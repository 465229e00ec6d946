/* SPDX-License-Identifier: Apache-2.0 */
/* signetctl issuance: the stop switch. */
#include "acme/command.h"
#include "acme/issuance.h"
#include "acme/record.h"
#include "store/issuance_stop.h"
#include "store/restored.h"

#define REASON_MAX 300 /* octets */

gboolean command_issuance_stop(Command *command, GError **error) {
  const char *reason = NULL;
  if (!command_needs_text(command, "reason", REASON_MAX, &reason))
    return FALSE;
  IssuanceStop stop = {command->now, (char *)reason, (char *)command->uid};
  StoreChange set = issuance_stop_set(command->acme->store, &stop, error);
  if (set == STORE_UNCHANGED)
    return command_refuse(command,
                          "Issuance is stopped already; signetctl issuance show says why.");
  return set == STORE_CHANGED &&
         record(command->acme, command->now, "issuance stopped", (About){NULL}, error, "reason",
                reason, "uid", command->uid, NULL);
}

gboolean command_issuance_start(Command *command, GError **error) {
  g_autoptr(Restored) restored = NULL;
  StoreFind open = restored_find_open(command->acme->store, &restored, error);
  if (open == STORE_LOOKUP_FAILED)
    return FALSE;
  if (open == STORE_FOUND)
    return command_refuse(command,
                          "The store was put back (%s), and what was issued and revoked since that "
                          "state is not entered yet: run signetctl store reconcile first.",
                          restored->source);
  StoreChange cleared = issuance_stop_clear(command->acme->store, error);
  if (cleared == STORE_UNCHANGED)
    return command_refuse(command, "Issuance is not stopped by an operator.");
  return cleared == STORE_CHANGED && record(command->acme, command->now, "issuance started",
                                            (About){NULL}, error, "uid", command->uid, NULL);
}

gboolean command_issuance_show(Command *command, GError **error) {
  g_autoptr(IssuanceStop) stop = NULL;
  g_autofree char *why = NULL;
  if (issuance_stop_find(command->acme->store, &stop, error) == STORE_LOOKUP_FAILED ||
      !issuance_held(command->acme, command->now, &why, error))
    return FALSE;
  json_object_set_new(command->result, "held", json_boolean(why != NULL));
  if (why != NULL)
    json_object_set_new(command->result, "why", json_string(why));
  if (stop != NULL) {
    command_set_time(command->result, "stopped", stop->at);
    json_object_set_new(command->result, "uid", json_string(stop->uid));
  }
  return TRUE;
}
