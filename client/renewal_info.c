/* SPDX-License-Identifier: Apache-2.0 */
#include "client/renewal_info.h"

#include "base/clock.h"
#include "client/failure.h"

void renewal_info_free(RenewalInfo *info) {
  if (info == NULL)
    return;
  g_free(info->explanation);
  g_free(info);
}

static gboolean read_time(const json_t *window, const char *name, gint64 *seconds) {
  const char *text = json_string_value(json_object_get(window, name));
  gint64 milliseconds = 0;
  if (text == NULL || !clock_read_rfc3339(text, &milliseconds))
    return FALSE;
  *seconds = milliseconds / 1000;
  return TRUE;
}

RenewalInfo *renewal_info_read(const json_t *json) {
  const json_t *window = json_object_get(json, "suggestedWindow");
  g_autoptr(RenewalInfo) info = g_new0(RenewalInfo, 1);
  if (!read_time(window, "start", &info->start) || !read_time(window, "end", &info->end) ||
      info->end <= info->start)
    return NULL;
  info->explanation = g_strdup(json_string_value(json_object_get(json, "explanationURL")));
  return g_steal_pointer(&info);
}

RenewalInfo *renewal_info_fetch(AcmeClient *acme, const char *identifier, GError **error) {
  const char *base = acme_client_resource(acme, "renewalInfo", error);
  if (base == NULL)
    return NULL;
  g_autofree char *url =
      g_strconcat(base, g_str_has_suffix(base, "/") ? "" : "/", identifier, NULL);
  g_autoptr(AcmeAnswer) answer = acme_client_get(acme, url, error);
  if (answer == NULL)
    return NULL;
  RenewalInfo *info = renewal_info_read(answer->json);
  if (info != NULL)
    info->retry_after = answer->retry_after;
  else
    g_set_error(error, CLIENT_ERROR, CLIENT_NETWORK,
                "the server's renewal information is of no use");
  return info;
}
