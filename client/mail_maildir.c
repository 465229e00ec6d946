/* SPDX-License-Identifier: Apache-2.0 */
/* --mail maildir: what arrives in new/ or cur/ of a maildir. Nothing in it is changed. */
#include "client/failure.h"
#include "client/mail_way.h"
#include "client/output.h"

#include <string.h>

#define LOOK_MILLISECONDS 500

typedef struct {
  MailWay way;
  const MailReplier *replier;
  char *folder;
  GHashTable *seen; /* unique names, the part before ":2," */
} MailMaildir;

static const char *const subfolders[] = {"new", "cur"};

static char *unique_name(const char *name) {
  return g_strndup(name, strcspn(name, ":"));
}

/* The path of one message that was not seen before, now marked as seen; NULL when there is none. */
static char *next_path(MailMaildir *maildir, const char *subfolder) {
  g_autofree char *folder = g_build_filename(maildir->folder, subfolder, NULL);
  g_autoptr(GDir) entries = g_dir_open(folder, 0, NULL);
  const char *name = NULL;
  while (entries != NULL && (name = g_dir_read_name(entries)) != NULL) {
    if (name[0] == '.')
      continue;
    if (g_hash_table_add(maildir->seen, unique_name(name)))
      return g_build_filename(folder, name, NULL);
  }
  return NULL;
}

static char *next_message(MailMaildir *maildir) {
  for (gsize i = 0; i < G_N_ELEMENTS(subfolders); i++) {
    char *path = next_path(maildir, subfolders[i]);
    if (path != NULL)
      return path;
  }
  return NULL;
}

/* A message may be moved from new/ to cur/ between the look and the reading: it is looked for once
 * more. */
static ReceivedChallenge *read_message(MailMaildir *maildir, const char *path) {
  g_autofree char *data = NULL;
  gsize length = 0;
  g_autoptr(GError) reason = NULL;
  if (g_file_get_contents(path, &data, &length, &reason))
    return mail_way_read(data, length);
  if (!g_error_matches(reason, G_FILE_ERROR, G_FILE_ERROR_NOENT)) {
    output_step("ignored", "%s", reason->message);
    return NULL;
  }
  g_autofree char *base = g_path_get_basename(path);
  g_autofree char *unique = unique_name(base);
  g_hash_table_remove(maildir->seen, unique);
  return NULL;
}

static gboolean mail_maildir_receive(MailWay *way, const GPtrArray *proofs, gint64 milliseconds,
                                     ReceivedChallenge **mail, GError **error) {
  MailMaildir *maildir = (MailMaildir *)way;
  gint64 until = g_get_monotonic_time() + milliseconds * 1000;
  (void)proofs, (void)error;
  *mail = NULL;
  while (*mail == NULL) {
    g_autofree char *path = next_message(maildir);
    if (path != NULL) {
      *mail = read_message(maildir, path);
      continue;
    }
    gint64 left = (until - g_get_monotonic_time()) / 1000;
    if (left <= 0)
      break;
    g_usleep((gulong)MIN(left, LOOK_MILLISECONDS) * 1000);
  }
  return TRUE;
}

static gboolean mail_maildir_reply(MailWay *way, const Proof *proof, const ReceivedChallenge *mail,
                                   const char *digest, GError **error) {
  return mail_replier_send(((MailMaildir *)way)->replier, proof->address, mail, digest, error);
}

static void mail_maildir_free(MailWay *way) {
  MailMaildir *maildir = (MailMaildir *)way;
  g_hash_table_unref(maildir->seen);
  g_free(maildir->folder);
  g_free(maildir);
}

static const MailWayKind mail_maildir_kind = {
    .receive = mail_maildir_receive,
    .reply = mail_maildir_reply,
    .free = mail_maildir_free,
};

/* In one pass: there may be very many. */
static void mark_all_seen(MailMaildir *maildir) {
  for (gsize i = 0; i < G_N_ELEMENTS(subfolders); i++) {
    g_autofree char *folder = g_build_filename(maildir->folder, subfolders[i], NULL);
    g_autoptr(GDir) entries = g_dir_open(folder, 0, NULL);
    const char *name = NULL;
    while (entries != NULL && (name = g_dir_read_name(entries)) != NULL)
      if (name[0] != '.')
        g_hash_table_add(maildir->seen, unique_name(name));
  }
}

MailWay *mail_maildir_new(const char *folder, const MailReplier *replier, GError **error) {
  for (gsize i = 0; i < G_N_ELEMENTS(subfolders); i++) {
    g_autofree char *path = g_build_filename(folder, subfolders[i], NULL);
    if (!g_file_test(path, G_FILE_TEST_IS_DIR)) {
      g_set_error(error, CLIENT_ERROR, CLIENT_LOCAL, "%s: no maildir: there is no folder %s in it",
                  folder, subfolders[i]);
      return NULL;
    }
  }
  MailMaildir *maildir = g_new0(MailMaildir, 1);
  maildir->way.kind = &mail_maildir_kind;
  maildir->replier = replier;
  maildir->folder = g_strdup(folder);
  maildir->seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  mark_all_seen(maildir);
  return &maildir->way;
}
