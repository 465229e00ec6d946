/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/restore_mark.h"
#include "base/clock.h"
#include "base/log.h"
#include "ca/certificate_check.h"
#include "ca/certificate_parts.h"
#include "ca/certificate_read.h"
#include "ca/checkpoint_file.h"
#include "ca/crl.h"
#include "store/audit.h"
#include "store/crl_shard.h"
#include "store/lock.h"

#include <fcntl.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define LIFE_MAX (825 * CLOCK_DAY) /* of a certificate (S/MIME BR 6.3.2) */
#define SOURCE_MAX 300

void restore_marked_clear(RestoreMarked *marked) {
  g_free(marked->gap);
  g_free(marked->not_taken);
}

/* --- lists
 * --------------------------------------------------------------------------------------------------
 */

/* One whose number and issuer are known, verified; NULL with the reason. */
static CrlShard *read_list(const char *path, GPtrArray *issuers, GError **error) {
  char *content = NULL;
  gsize length = 0;
  g_autofree char *name = g_path_get_basename(path);
  if (!g_file_get_contents(path, &content, &length, error))
    return NULL;
  g_autoptr(CrlShard) shard = g_new0(CrlShard, 1);
  shard->crl = g_bytes_new_take(content, length);
  shard->number = crl_file_shard(name);
  shard->issuer = crl_authority(shard->crl);
  shard->crl_number = crl_number_of(shard->crl);
  gboolean good = shard->number > 0 && shard->issuer != NULL &&
                  crl_times(shard->crl, &shard->this_update, &shard->next_update);
  for (guint i = 0; good && i < issuers->len; i++) {
    g_autoptr(GBytes) identifier = issuer_identifier(issuers->pdata[i]);
    if (g_bytes_equal(identifier, shard->issuer) &&
        crl_verify(shard->crl, issuers->pdata[i], shard->crl_number, NULL))
      return g_steal_pointer(&shard);
  }
  g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
              "%s: it is no revocation list crl-N.crl that a configured CA signed", path);
  return NULL;
}

static gboolean enter_list(Store *store, const CrlShard *shard, RestoreMarked *marked,
                           GError **error) {
  g_autoptr(GPtrArray) entries = crl_entries(shard->crl);
  StoreChange taken = crl_shard_take_list(store, shard, error);
  marked->lists += taken == STORE_CHANGED;
  gboolean good = taken != STORE_FAILED && entries != NULL;
  for (guint i = 0; good && i < entries->len; i++) {
    const CrlEntry *entry = entries->pdata[i];
    Listed listed = {.serial = entry->serial,
                     .shard = shard->number,
                     .revoked_at = entry->revoked_at,
                     .reason = entry->reason,
                     .not_after = shard->this_update + LIFE_MAX};
    good = listed_insert(store, &listed, error);
  }
  return good;
}

/* What lies in published/ without being a list of this CA is told and left alone. */
static gboolean enter_published(Store *store, const RestoreMark *mark, RestoreMarked *marked,
                                GError **error) {
  g_autofree char *folder = g_build_filename(mark->folder, "published", NULL);
  g_autoptr(GDir) names = g_dir_open(folder, 0, NULL);
  g_autoptr(GString) not_taken = g_string_new(NULL);
  gboolean good = TRUE;
  for (const char *name = NULL; good && names != NULL && (name = g_dir_read_name(names)) != NULL;) {
    g_autoptr(GError) reason = NULL;
    g_autofree char *path = g_build_filename(folder, name, NULL);
    if (crl_file_shard(name) == 0)
      continue;
    g_autoptr(CrlShard) shard = read_list(path, mark->issuers, &reason);
    if (shard == NULL)
      g_string_append_printf(not_taken, "%s\n", reason->message);
    good = shard == NULL || enter_list(store, shard, marked, error);
  }
  marked->not_taken = g_strdup(not_taken->str);
  return good;
}

static gboolean enter_lists(Store *store, const RestoreMark *mark, RestoreMarked *marked,
                            GError **error) {
  gboolean good = enter_published(store, mark, marked, error);
  for (const char *const *path = mark->more; good && path != NULL && *path != NULL; path++) {
    g_autoptr(CrlShard) shard = read_list(*path, mark->issuers, error);
    good = shard != NULL && enter_list(store, shard, marked, error);
  }
  return good && listed_count(store, &marked->listed, error);
}

/* --- the audit log
 * ------------------------------------------------------------------------------------------ */

static gboolean new_chain(gint64 now, Id *chain, GError **error) {
  guint8 random[10];
  if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "no random octets");
    return FALSE;
  }
  *chain = id_new(now, random);
  return TRUE;
}

/* A core that goes on would go on with its old chain. */
static gboolean is_stopped(Store *store, const char *owner, GError **error) {
  gboolean free = FALSE;
  if (!store_lock_owner(store, owner, &free, error))
    return FALSE;
  if (!free)
    g_set_error(error, STORE_ERROR, STORE_ERROR_BUSY,
                "\"%s\" works on this database: stop every signetd", owner);
  return free;
}

/* Every owner's chain ends where the restored state ends. */
static gboolean begin_chains(Store *store, gint64 now, RestoreMarked *marked, GError **error) {
  g_autoptr(GPtrArray) owners = audit_owners(store, error);
  gboolean good = owners != NULL;
  Id chain;
  for (guint i = 0; good && i < owners->len; i++) {
    AuditHead before;
    good = is_stopped(store, owners->pdata[i], error) && new_chain(now, &chain, error) &&
           audit_begin_anew(store, owners->pdata[i], now, &chain, &before, error) !=
               STORE_LOOKUP_FAILED;
    if (good && strcmp(owners->pdata[i], store_owner(store)) == 0)
      marked->head = before;
  }
  return good && new_chain(now, &chain, error) && audit_begin(store, now, &chain, error);
}

/* The signer's last checkpoint of that chain, else of any; number 0: there is none. */
static AuditCheckpoint last_signed(const char *folder, const AuditHead *head) {
  g_auto(CheckpointFile) file = {0};
  AuditCheckpoint last = {.number = 0};
  g_autofree char *path = g_build_filename(folder, "signer.checkpoint", NULL);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd >= 0 && checkpoint_file_open(&file, fd, NULL)) {
    if (head->chain.given)
      last = checkpoint_file_last(&file, &head->chain.id);
    if (last.number == 0)
      last = checkpoint_file_newest(&file);
  }
  if (fd >= 0)
    close(fd);
  return last;
}

/* What the signer signed last says how much is lost at least. */
static char *gap_of(const char *folder, const AuditHead *head) {
  const AuditCheckpoint last = last_signed(folder, head);
  if (last.number == 0)
    return g_strdup("there is no checkpoint of the signer to tell how many audit records are lost");
  g_autofree char *at = clock_rfc3339(last.at);
  if (!head->chain.given || !id_equal(&head->chain.id, &last.chain))
    return g_strdup_printf("the signer's last checkpoint, of %s, is of another chain of audit "
                           "records than the one that the backup ends with: all of that chain is "
                           "lost, up to record %" G_GINT64_FORMAT " at least",
                           at, last.number);
  if (last.number <= head->number)
    return g_strdup_printf("the signer's last checkpoint, of %s, is of record %" G_GINT64_FORMAT
                           ", which the backup has",
                           at, last.number);
  return g_strdup_printf("the audit log of the backup ends with record %" G_GINT64_FORMAT
                         "; the signer's last checkpoint, of %s, is of record %" G_GINT64_FORMAT
                         ": at least %" G_GINT64_FORMAT " records are lost",
                         head->number, at, last.number, last.number - head->number);
}

static gboolean record_restore(Store *store, const RestoreMark *mark, const RestoreMarked *marked,
                               GError **error) {
  g_autofree char *source = log_escape(mark->restored.source, SOURCE_MAX);
  g_autofree char *state =
      mark->restored.taken_at != 0 ? clock_rfc3339(mark->restored.taken_at) : g_strdup("not known");
  g_autofree char *detail = g_strdup_printf(
      "source=\"%s\" state-of=\"%s\" record=\"%" G_GINT64_FORMAT
      "\" signer-log=\"%s\" lists=\"%" G_GINT64_FORMAT "\" revocations=\"%" G_GINT64_FORMAT
      "\" gap=\"%s\" uid=\"%u\"",
      source, state, marked->head.number, mark->restored.log_lost ? "of the backup" : "kept",
      marked->lists, marked->listed, marked->gap, (guint)getuid());
  return audit_append(store, mark->restored.at, "store restored", "", detail, error);
}

static gboolean write_mark(Store *store, const RestoreMark *mark, RestoreMarked *marked,
                           GError **error) {
  g_autofree char *uid = g_strdup_printf("%u", (guint)getuid());
  if (!begin_chains(store, mark->restored.at, marked, error) ||
      !enter_lists(store, mark, marked, error))
    return FALSE;
  marked->gap = gap_of(mark->folder, &marked->head);
  return restored_insert(store, &mark->restored, mark->stop, uid, error) &&
         record_restore(store, mark, marked, error);
}

gboolean restore_mark(Store *store, const RestoreMark *mark, RestoreMarked *marked,
                      GError **error) {
  if (!store_begin(store, error))
    return FALSE;
  if (write_mark(store, mark, marked, error))
    return store_commit(store, error);
  store_rollback(store);
  return FALSE;
}
