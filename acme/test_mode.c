/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/test_mode.h"

#include <string.h>

static guint32 random_below(const Acme *acme, guint32 limit) {
  guint32 number = 0;
  acme->random(&number, sizeof(number));
  return number % limit;
}

gboolean test_mode_rejects_nonce(const Acme *acme) {
  gint64 percent = config_number(acme->config, "test.reject-nonces");
  return percent > 0 && random_below(acme, 100) < percent;
}

void test_mode_shuffle(const Acme *acme, json_t *list) {
  if (!config_is(acme->config, "test.random-order", "on"))
    return;
  /* Each entry in turn goes to the end, drawn from those not yet moved. */
  for (size_t left = json_array_size(list); left > 0; left--) {
    size_t drawn = random_below(acme, (guint32)left);
    json_t *entry = json_incref(json_array_get(list, drawn));
    json_array_remove(list, drawn);
    json_array_append_new(list, entry);
  }
}

Problem *test_mode_fails(const Acme *acme, const char *canonical) {
  for (const char *const *entry = config_list(acme->config, "test.fail-addresses"); *entry != NULL;
       entry++) {
    g_autoptr(Mailbox) mailbox = mailbox_parse(*entry, NULL);
    if (mailbox != NULL && strcmp(mailbox->canonical, canonical) == 0)
      return problem_new(PROBLEM_UNAUTHORIZED, 0,
                         "The challenge for %s fails because [test] fail-addresses says so.",
                         canonical);
  }
  return NULL;
}
