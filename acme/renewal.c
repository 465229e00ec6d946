/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/renewal.h"
#include "acme/identifier.h"
#include "acme/resources.h"
#include "base/base64url.h"
#include "store/authorization.h"
#include "store/crl_shard.h"

#include <string.h>

/* A window that lies in the past asks for renewal at once. */
#define PAST_WINDOW CLOCK_HOUR
#define WINDOW_SHARE 30 /* the window's part of a certificate's life */

static char *encode(GBytes *octets) {
  return base64url_encode(g_bytes_get_data(octets, NULL), g_bytes_get_size(octets));
}

char *renewal_identifier(GBytes *authority, GBytes *serial) {
  g_autofree char *issuer = encode(authority);
  g_autofree char *number = encode(serial);
  return g_strconcat(issuer, ".", number, NULL);
}

static Problem *read_parts(const char *identifier, GBytes **issuer, GBytes **serial) {
  g_auto(GStrv) parts = g_strsplit(identifier, ".", 3);
  if (g_strv_length(parts) == 2) {
    *issuer = base64url_decode(parts[0]);
    *serial = base64url_decode(parts[1]);
  }
  return *issuer != NULL && *serial != NULL
             ? NULL
             : problem_new(PROBLEM_MALFORMED, 0,
                           "A certificate's identifier is its authority key identifier and its "
                           "serial number, each in base64url, joined by a dot.");
}

Problem *renewal_find(Acme *acme, const char *identifier, Certificate **certificate) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) issuer = NULL, serial = NULL;
  Problem *problem = read_parts(identifier, &issuer, &serial);
  if (problem != NULL)
    return problem;
  StoreFind found = certificate_find_by_serial(acme->store, serial, certificate, &error);
  g_autoptr(GBytes) own = NULL;
  if (found == STORE_FOUND)
    found = crl_shard_issuer(acme->store, (*certificate)->shard, &own, &error);
  if (found == STORE_LOOKUP_FAILED)
    return problem_internal(&error);
  if (found == STORE_FOUND && !g_bytes_equal(own, issuer))
    found = STORE_MISSING;
  return found == STORE_FOUND && (*certificate)->der != NULL
             ? NULL
             : problem_new(PROBLEM_MALFORMED, 404, "That names no certificate of this server.");
}

/* --- replaces
 * ------------------------------------------------------------------------------------------- */

Problem *renewal_already_replaced(void) {
  return problem_new(PROBLEM_ALREADY_REPLACED, 0,
                     "Another order replaces that certificate already; order without replaces.");
}

static gboolean shares_mailbox(GPtrArray *authorizations, GPtrArray *mailboxes) {
  for (guint i = 0; i < authorizations->len; i++)
    for (guint j = 0; j < mailboxes->len; j++)
      if (strcmp(((Authorization *)authorizations->pdata[i])->canonical,
                 ((OrderedMailbox *)mailboxes->pdata[j])->mailbox->canonical) == 0)
        return TRUE;
  return FALSE;
}

/* Whose order was lost is renewed by whoever proves its mailboxes. */
static gboolean may_replace(const Certificate *certificate, const Account *account) {
  return id_equal(&certificate->account_id, &account->id) ||
         id_equal(&certificate->account_id, &account_unknown);
}

Problem *renewal_read_replaces(Call *call, const char *identifier, GPtrArray *mailboxes,
                               Certificate **certificate) {
  g_autoptr(GError) error = NULL;
  Problem *problem = renewal_find(call->acme, identifier, certificate);
  if (problem != NULL && problem->status != 404)
    return problem;
  if (problem != NULL || !may_replace(*certificate, call->account)) {
    problem_free(problem);
    return problem_new(PROBLEM_MALFORMED, 0, "replaces names no certificate of this account.");
  }
  g_autoptr(GPtrArray) authorizations =
      authorization_list(call->acme->store, &(*certificate)->order_id, &error);
  if (authorizations == NULL)
    return problem_internal(&error);
  return shares_mailbox(authorizations, mailboxes)
             ? NULL
             : problem_new(PROBLEM_MALFORMED, 0,
                           "The certificate that the order replaces has none of its mailboxes.");
}

/* --- renewalInfo
 * ---------------------------------------------------------------------------------------- */

typedef struct {
  gint64 start, end;
  char *why; /* URL, or NULL */
} Window;

static void window_clear(Window *window) {
  g_free(window->why);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Window, window_clear)

static Window window_before(gint64 end, char *why) {
  return (Window){end - PAST_WINDOW, end, why};
}

/* From two thirds of the certificate's life; at once when it was revoked or an operator says so. */
static gboolean choose_window(const Acme *acme, const Certificate *certificate, Window *window,
                              GError **error) {
  gint64 life = certificate->not_after - certificate->not_before + CLOCK_SECOND, at = 0;
  char *why = NULL;
  *window = (Window){certificate->not_before + life / 3 * 2, 0, NULL};
  window->end = window->start + MAX(life / WINDOW_SHARE, CLOCK_SECOND);
  if (certificate->revoked_at != 0) {
    *window = window_before(certificate->revoked_at, NULL);
    return TRUE;
  }
  if (certificate->renew_at != 0) {
    *window = window_before(certificate->renew_at, g_strdup(certificate->renew_why));
    return TRUE;
  }
  StoreFind asked =
      certificate_renewal_asked(acme->store, certificate->issued_at, &at, &why, error);
  if (asked == STORE_FOUND)
    *window = window_before(at, why);
  return asked != STORE_LOOKUP_FAILED;
}

static json_t *window_json(const Window *window) {
  g_autofree char *start = clock_rfc3339(window->start);
  g_autofree char *end = clock_rfc3339(window->end);
  json_t *document = json_pack("{s:{s:s, s:s}}", "suggestedWindow", "start", start, "end", end);
  if (window->why != NULL && *window->why != '\0')
    json_object_set_new(document, "explanationURL", json_string(window->why));
  return document;
}

Problem *renewal_info_get(Call *call) {
  g_autoptr(GError) error = NULL;
  g_autoptr(Certificate) certificate = NULL;
  g_auto(Window) window = {0};
  Problem *problem = renewal_find(call->acme, call->tail, &certificate);
  if (problem != NULL)
    return problem;
  if (!choose_window(call->acme, certificate, &window, &error))
    return problem_internal(&error);
  response_header(call->response, "Retry-After", "%" G_GINT64_FORMAT,
                  config_number(call->acme->config, "acme.renewal-retry") / CLOCK_SECOND);
  response_header(call->response, "Cache-Control", "public, max-age=300");
  response_json(call->response, 200, "application/json", window_json(&window));
  return NULL;
}
