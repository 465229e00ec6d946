/* SPDX-License-Identifier: Apache-2.0 */
#include "acme/profile.h"
#include "ca/key.h"

#include <string.h>

static const struct {
  const char *name, *description;
  ProfileUsage usage;
} built_in[] = {
    {"smime", "S/MIME signing and encryption, as the request's key usage says", PROFILE_USAGE_CSR},
    {"smime-sign", "S/MIME signing", PROFILE_USAGE_SIGN},
    {"smime-encrypt", "S/MIME encryption", PROFILE_USAGE_ENCRYPT},
};

static const char *const usages[] = {[PROFILE_USAGE_CSR] = "csr",
                                     [PROFILE_USAGE_SIGN] = "sign",
                                     [PROFILE_USAGE_ENCRYPT] = "encrypt",
                                     [PROFILE_USAGE_BOTH] = "both"};

static gboolean find_built_in(const char *name, Profile *profile) {
  for (gsize i = 0; i < G_N_ELEMENTS(built_in); i++)
    if (strcmp(name, built_in[i].name) == 0) {
      profile->description = built_in[i].description;
      profile->usage = built_in[i].usage;
      return TRUE;
    }
  return FALSE;
}

static ProfileUsage read_usage(const char *word) {
  ProfileUsage usage = PROFILE_USAGE_CSR;
  while (strcmp(usages[usage], word) != 0)
    usage++;
  return usage;
}

/* What the group [profile NAME] says. The key usage of the built-in ones stays as their names say.
 */
static void read_group(const Config *config, const char *name, gboolean is_built_in,
                       Profile *profile) {
  g_autofree char *description = g_strdup_printf("profile %s.description", name);
  g_autofree char *validity = g_strdup_printf("profile %s.validity", name);
  g_autofree char *keys = g_strdup_printf("profile %s.keys", name);
  g_autofree char *usage = g_strdup_printf("profile %s.usage", name);
  if (config_given(config, description) || !is_built_in)
    profile->description = config_text(config, description);
  if (config_number(config, validity) != 0)
    profile->days = config_number(config, validity);
  profile->keys = config_list(config, keys);
  if (!is_built_in)
    profile->usage = read_usage(config_text(config, usage));
}

gboolean profile_exists(const Config *config, const char *name) {
  Profile ignored;
  return find_built_in(name, &ignored) || g_strv_contains(config_names(config, "profile"), name);
}

gboolean profile_find(const Acme *acme, const char *name, Profile *profile) {
  static const char *const all[] = {NULL};
  *profile = (Profile){"", config_number(acme->config, "ca.validity"), all, PROFILE_USAGE_CSR};
  if (name == NULL)
    return TRUE;
  gboolean is_built_in = find_built_in(name, profile);
  gboolean configured = g_strv_contains(config_names(acme->config, "profile"), name);
  if (configured)
    read_group(acme->config, name, is_built_in, profile);
  return is_built_in || configured;
}

static void add(const Acme *acme, json_t *profiles, const char *name) {
  Profile profile;
  profile_find(acme, name, &profile);
  json_object_set_new(profiles, name, json_string(profile.description));
}

json_t *profiles_json(const Acme *acme) {
  json_t *profiles = json_object();
  for (gsize i = 0; i < G_N_ELEMENTS(built_in); i++)
    add(acme, profiles, built_in[i].name);
  for (const char *const *name = config_names(acme->config, "profile"); *name != NULL; name++)
    add(acme, profiles, *name);
  return profiles;
}

static Problem *check_key_type(const Profile *profile, const Csr *csr) {
  const Algorithm *algorithm = key_algorithm(csr->spki);
  if (*profile->keys == NULL ||
      (algorithm != NULL && g_strv_contains(profile->keys, algorithm->name)))
    return NULL;
  g_autofree char *wanted = g_strjoinv(", ", (char **)profile->keys);
  return problem_new(PROBLEM_BAD_CSR, 0, "The order's profile takes keys of these types only: %s.",
                     wanted);
}

Problem *profile_usage(const Profile *profile, const Csr *csr, gint64 *usage) {
  gboolean sign = profile->usage == PROFILE_USAGE_CSR ? csr->want_sign
                                                      : profile->usage != PROFILE_USAGE_ENCRYPT;
  gboolean encrypt = profile->usage == PROFILE_USAGE_CSR ? csr->want_encrypt
                                                         : profile->usage != PROFILE_USAGE_SIGN;
  Problem *problem = check_key_type(profile, csr);
  if (problem != NULL)
    return problem;
  if (csr->has_usage && (csr->want_sign != sign || csr->want_encrypt != encrypt))
    return problem_new(PROBLEM_BAD_CSR, 0,
                       "The order's profile gives a key for %s, the request's keyUsage asks for "
                       "another; leave it out or change it.",
                       !encrypt ? "signing"
                       : !sign  ? "encryption"
                                : "signing and encryption");
  *usage = (sign ? ORDER_USAGE_SIGN : 0) | (encrypt ? ORDER_USAGE_ENCRYPT : 0) |
           (sign && csr->want_non_repudiation ? ORDER_USAGE_NON_REPUDIATION : 0);
  return NULL;
}
