/* SPDX-License-Identifier: Apache-2.0 */
#include "client/renewal_plan.h"

#include "base/mailbox.h"
#include "client/failure.h"
#include "client/renewal_info.h"
#include "client/renewal_list.h"

#include <string.h>

/* --- what is there ------------------------------------------------------------------------------
 */

Renewal *renewal_new_faulty(const char *name, GError *fault) {
  Renewal *renewal = g_new0(Renewal, 1);
  renewal->name = g_strdup(name);
  renewal->fault = fault;
  return renewal;
}

void renewal_reload(Renewal *renewal) {
  const CertificateFiles files = request_options_files(renewal->record->options);
  g_clear_pointer(&renewal->chain, certificate_stack_free);
  g_clear_pointer(&renewal->identifier, g_free);
  renewal->subject = (RenewalSubject){renewal->name, 0, 0};
  renewal->chain = certificate_files_load(&files, &renewal->fault);
  if (renewal->chain == NULL)
    return;
  renewal->identifier = certificate_chain_renewal_id(renewal->chain);
  renewal->subject.identifier = renewal->identifier != NULL ? renewal->identifier : renewal->name;
  certificate_chain_validity(renewal->chain, &renewal->subject.from, &renewal->subject.to);
  renewal_record_turn_to(renewal->record, renewal->subject.identifier);
}

Renewal *renewal_new(RenewalRecord *record) {
  Renewal *renewal = renewal_new_faulty(record->options->name, NULL);
  renewal->record = record;
  renewal_reload(renewal);
  return renewal;
}

void renewal_free(Renewal *renewal) {
  if (renewal == NULL)
    return;
  g_free(renewal->name);
  g_clear_error(&renewal->fault);
  renewal_record_free(renewal->record);
  certificate_stack_free(renewal->chain);
  g_free(renewal->identifier);
  g_free(renewal);
}

static void free_renewal(gpointer renewal) {
  renewal_free(renewal);
}

GPtrArray *renewal_list_new(void) {
  return g_ptr_array_new_with_free_func(free_renewal);
}

static int by_name(gconstpointer a, gconstpointer b) {
  return strcmp((*(const Renewal *const *)a)->name, (*(const Renewal *const *)b)->name);
}

static Renewal *load(const char *folder, const char *name, const RequestOptions *given) {
  GError *fault = NULL;
  RenewalRecord *record = renewal_record_load(folder, name, given, &fault);
  return record != NULL ? renewal_new(record) : renewal_new_faulty(name, fault);
}

GPtrArray *renewal_plan_folder(const char *folder, const RequestOptions *given, GError **error) {
  g_autoptr(GPtrArray) renewals = renewal_list_new();
  g_autoptr(GError) reason = NULL;
  g_autoptr(GDir) entries = g_dir_open(folder, 0, &reason);
  if (entries == NULL) {
    g_set_error(error, CLIENT_ERROR, CLIENT_LOCAL, "%s", reason->message);
    return NULL;
  }
  for (const char *file = NULL; (file = g_dir_read_name(entries)) != NULL;) {
    if (!g_str_has_suffix(file, RENEWAL_RECORD_ENDING))
      continue;
    g_autofree char *name = g_strndup(file, strlen(file) - strlen(RENEWAL_RECORD_ENDING));
    g_ptr_array_add(renewals, load(folder, name, given));
  }
  g_ptr_array_sort(renewals, by_name);
  return g_steal_pointer(&renewals);
}

/* The certificate of a line: that which is there, or one to be. */
static Renewal *from_entry(const RenewalEntry *entry, const char *folder,
                           const RequestOptions *given) {
  g_autoptr(GError) fault = NULL;
  if (entry->fault != NULL)
    return renewal_new_faulty(entry->name,
                              g_error_new_literal(CLIENT_ERROR, CLIENT_LOCAL, entry->fault));
  g_autofree char *file = g_strconcat(entry->name, RENEWAL_RECORD_ENDING, NULL);
  g_autofree char *path = g_build_filename(folder, file, NULL);
  g_autoptr(RequestOptions) options = request_options_for(
      given, folder, entry->name, (const char *const *)entry->addresses, &fault);
  if (options == NULL)
    return renewal_new_faulty(entry->name, g_steal_pointer(&fault));
  if (!g_file_test(path, G_FILE_TEST_EXISTS))
    return renewal_new(renewal_record_new(g_steal_pointer(&options)));
  RenewalRecord *record = renewal_record_load(folder, entry->name, given, &fault);
  if (record == NULL)
    return renewal_new_faulty(entry->name, g_steal_pointer(&fault));
  g_strfreev(record->options->addresses);
  record->options->addresses = g_steal_pointer(&options->addresses);
  return renewal_new(record);
}

GPtrArray *renewal_plan_list(const char *list, const char *folder, const RequestOptions *given,
                             GError **error) {
  g_autoptr(GPtrArray) entries = renewal_list_read(list, error);
  if (entries == NULL)
    return NULL;
  GPtrArray *renewals = renewal_list_new();
  for (guint i = 0; i < entries->len; i++)
    g_ptr_array_add(renewals, from_entry(g_ptr_array_index(entries, i), folder, given));
  return renewals;
}

/* --- when ---------------------------------------------------------------------------------------
 */

gboolean renewal_plan_asks(const Renewal *renewal, gint64 now) {
  return renewal->fault == NULL && renewal->identifier != NULL &&
         renewal_time_asks(&renewal->record->state, &renewal->subject, now);
}

gboolean renewal_plan_ask(RenewalRecord *record, const char *identifier, AcmeClient *acme,
                          gint64 now, GError **error) {
  g_autoptr(RenewalInfo) info = renewal_info_fetch(acme, identifier, error);
  if (info == NULL) {
    renewal_time_no_answer(&record->state, now);
    return FALSE;
  }
  renewal_time_suggest(&record->state, info->start, info->end, info->retry_after, now);
  g_free(record->explanation);
  record->explanation = g_steal_pointer(&info->explanation);
  return TRUE;
}

static GHashTable *mailbox_set(char **addresses) {
  GHashTable *set = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (; *addresses != NULL; addresses++) {
    g_autoptr(Mailbox) mailbox = mailbox_parse(*addresses, NULL);
    g_hash_table_add(set, g_strdup(mailbox != NULL ? mailbox->canonical : *addresses));
  }
  return set;
}

/* Whether the certificate is for the addresses that it is to be for. */
static gboolean names_all(const Renewal *renewal) {
  g_auto(GStrv) certified = certificate_chain_addresses(renewal->chain, NULL);
  if (certified == NULL)
    return FALSE;
  g_autoptr(GHashTable) there = mailbox_set(certified);
  g_autoptr(GHashTable) wanted = mailbox_set(renewal->record->options->addresses);
  GHashTableIter each;
  gpointer mailbox = NULL;
  g_hash_table_iter_init(&each, wanted);
  while (g_hash_table_iter_next(&each, &mailbox, NULL))
    if (!g_hash_table_contains(there, mailbox))
      return FALSE;
  return g_hash_table_size(there) == g_hash_table_size(wanted);
}

void renewal_plan_decide(Renewal *renewal, gint64 now, gint64 interval) {
  const RenewalState *state = &renewal->record->state;
  const RenewalSubject anew = {renewal->subject.identifier, 0, 0};
  gboolean fits = renewal->chain != NULL && names_all(renewal);
  renewal->due = renewal_time_due(state, fits ? &renewal->subject : &anew, now, interval);
  if (renewal->chain == NULL)
    renewal->why = "there is no certificate yet";
  else if (!fits)
    renewal->why = "the certificate is for other addresses";
  else if (state->failures > 0)
    renewal->why = "it failed before";
  else if (state->end > state->start && state->start < renewal->subject.to)
    renewal->why = "the server suggests it";
  else
    renewal->why = "by its lifetime";
}

static int by_end(gconstpointer a, gconstpointer b) {
  const Renewal *first = *(const Renewal *const *)a, *second = *(const Renewal *const *)b;
  gint64 left = first->chain != NULL ? first->subject.to : G_MAXINT64;
  gint64 right = second->chain != NULL ? second->subject.to : G_MAXINT64;
  return left != right ? (left > right) - (left < right) : strcmp(first->name, second->name);
}

GPtrArray *renewal_plan_choose(const GPtrArray *renewals, gint64 now, guint most) {
  GPtrArray *due = g_ptr_array_new();
  for (guint i = 0; i < renewals->len; i++) {
    Renewal *renewal = g_ptr_array_index(renewals, i);
    if (renewal->fault == NULL && renewal->due <= now)
      g_ptr_array_add(due, renewal);
  }
  g_ptr_array_sort(due, by_end);
  g_ptr_array_set_size(due, (int)MIN(due->len, most));
  return due;
}
