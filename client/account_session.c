/* SPDX-License-Identifier: Apache-2.0 */
#include "client/account_session.h"

#include "client/failure.h"
#include "client/local_file.h"
#include "client/output.h"
#include "client/private_key.h"

#include <glib/gstdio.h>

void account_session_free(AccountSession *session) {
  if (session == NULL)
    return;
  acme_client_free(session->acme);
  account_key_free(session->key);
  g_free(session->path);
  g_free(session);
}

static AccountKey *load_key(const char *path, GError **error) {
  g_autoptr(EVP_PKEY) key = private_key_load(path, error);
  return key != NULL ? account_key_new(key, error) : NULL;
}

static char *fresh_path(const AccountSession *session) {
  return g_strconcat(session->path, ".new", NULL);
}

/* The new key is the account's: it takes the old one's place. */
static gboolean take_fresh(AccountSession *session, AccountKey *key, AcmeClient *acme,
                           GError **error) {
  g_autofree char *path = fresh_path(session);
  if (acme != session->acme) {
    acme_client_free(session->acme);
    session->acme = acme;
  }
  account_key_free(session->key);
  session->key = key;
  if (!local_file_rename(path, session->path, error))
    return FALSE;
  output_step("key", "the account's new key is in %s", session->path);
  return TRUE;
}

gboolean account_session_settle(AccountSession *session, GError **error) {
  g_autofree char *path = fresh_path(session);
  g_autoptr(GError) reason = NULL;
  if (!g_file_test(path, G_FILE_TEST_EXISTS))
    return TRUE;
  g_autoptr(AccountKey) key = load_key(path, error);
  g_autoptr(AcmeClient) acme = key != NULL ? acme_client_new(&session->where, key, error) : NULL;
  if (acme == NULL)
    return FALSE;
  if (acme_client_find_account(acme, &reason))
    return take_fresh(session, g_steal_pointer(&key), g_steal_pointer(&acme), error);
  if (acme_client_refused_as(reason, "accountDoesNotExist"))
    return TRUE;
  g_propagate_prefixed_error(
      error, g_steal_pointer(&reason),
      "a change of the account's key was cut off (%s is still there): ", path);
  return FALSE;
}

AccountSession *account_session_new(const ProveOptions *o, gint64 deadline) {
  AccountSession *session = g_new0(AccountSession, 1);
  session->path = account_key_path(o->account_key, o->directory);
  session->where = (AcmeClientOptions){o->directory, o->ca_file, deadline};
  return session;
}

AccountSession *account_session_open(const ProveOptions *o, gint64 deadline, GError **error) {
  g_autoptr(AccountSession) session = account_session_new(o, deadline);
  session->key = load_key(session->path, error);
  session->acme =
      session->key != NULL ? acme_client_new(&session->where, session->key, error) : NULL;
  if (session->acme == NULL || !account_session_settle(session, error))
    return NULL;
  if (acme_client_account(session->acme) == NULL && !acme_client_find_account(session->acme, error))
    return NULL;
  return g_steal_pointer(&session);
}

/* One that was left by a roll-over that came to nothing is taken again, but for another type. */
static AccountKey *make_fresh(const AccountSession *session, const char *type, GError **error) {
  g_autofree char *path = fresh_path(session);
  g_autoptr(EVP_PKEY) left =
      g_file_test(path, G_FILE_TEST_EXISTS) ? private_key_load(path, NULL) : NULL;
  g_autofree char *found = left != NULL ? private_key_type(left) : NULL;
  if (type != NULL && found != NULL && g_strcmp0(found, type) != 0)
    g_unlink(path);
  g_autoptr(EVP_PKEY) key = private_key_load_or_make(path, type, NULL, error);
  return key != NULL ? account_key_new(key, error) : NULL;
}

gboolean account_session_roll_over(AccountSession *session, const char *type, GError **error) {
  g_autoptr(GError) reason = NULL;
  g_autoptr(GError) trouble = NULL;
  g_autoptr(AccountKey) fresh = make_fresh(session, type, error);
  if (fresh == NULL)
    return FALSE;
  if (acme_client_change_key(session->acme, fresh, &reason))
    return take_fresh(session, g_steal_pointer(&fresh), session->acme, error);
  /* A refusal may be the answer to a second try, the first of which was heard and its answer lost.
   */
  const AccountKey *before = session->key;
  if (!account_session_settle(session, &trouble) || session->key == before) {
    g_propagate_error(error, g_steal_pointer(&reason));
    return FALSE;
  }
  return TRUE;
}
