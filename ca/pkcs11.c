/* SPDX-License-Identifier: Apache-2.0 */
#define OPENSSL_SUPPRESS_DEPRECATED /* engines; Debian 12 has no provider for PKCS#11 */
#include "ca/pkcs11.h"

#include "ca/openssl_auto.h"

#include <dlfcn.h>
#include <openssl/engine.h>
#include <openssl/err.h>
#include <openssl/ui.h>
#include <string.h>

#define SCHEME "pkcs11:"

struct Pkcs11 {
  ENGINE *engine;
};

/* --- the URI
 * --------------------------------------------------------------------------------------- */

gboolean pkcs11_is_uri(const char *text) {
  return g_ascii_strncasecmp(text, SCHEME, strlen(SCHEME)) == 0;
}

static gboolean refuse_uri(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);
static gboolean refuse_uri(GError **error, const char *format, ...) {
  va_list values;
  va_start(values, format);
  g_propagate_error(error, g_error_new_valist(CA_ERROR, CA_ERROR_FILE, format, values));
  va_end(values);
  return FALSE;
}

/* RFC 7512 section 2.3: what may stand in a value as it is. */
static gboolean is_value(const char *value) {
  for (const char *p = value; *p != '\0'; p++) {
    if (*p == '%' && (!g_ascii_isxdigit(p[1]) || !g_ascii_isxdigit(p[2])))
      return FALSE;
    if (!g_ascii_isalnum(*p) && strchr("%-._~:[]@!$'()*+,=&", *p) == NULL)
      return FALSE;
  }
  return *value != '\0';
}

/* One "name=value" of the path. */
static gboolean check_attribute(const char *attribute, gboolean *names_key, GError **error) {
  static const char *const known[] = {
      "token",           "manufacturer",        "serial",           "model", "library-manufacturer",
      "library-version", "library-description", "object",           "type",  "id",
      "slot-id",         "slot-manufacturer",   "slot-description", NULL};
  const char *equals = strchr(attribute, '=');
  g_autofree char *name =
      equals != NULL ? g_strndup(attribute, (gsize)(equals - attribute)) : g_strdup(attribute);
  if (!g_strv_contains(known, name))
    return refuse_uri(error, "\"%s\" is no attribute of a pkcs11: URI (RFC 7512)", name);
  if (equals == NULL || !is_value(equals + 1))
    return refuse_uri(error,
                      "the attribute \"%s\" of the pkcs11: URI has no value, or one with "
                      "characters that must be written as %%HH",
                      name);
  if (strcmp(name, "type") == 0 && strcmp(equals + 1, "private") != 0)
    return refuse_uri(error, "the pkcs11: URI names no private key: type=%s", equals + 1);
  *names_key = *names_key || strcmp(name, "object") == 0 || strcmp(name, "id") == 0;
  return TRUE;
}

gboolean pkcs11_check_uri(const char *uri, GError **error) {
  gboolean names_key = FALSE;
  if (strchr(uri, '?') != NULL)
    return refuse_uri(error, "the pkcs11: URI has a query (behind \"?\"); the PIN belongs into "
                             "passphrase-file, the module's path into pkcs11-module");
  g_auto(GStrv) attributes = g_strsplit(uri + strlen(SCHEME), ";", -1);
  for (char **attribute = attributes; *attribute != NULL; attribute++)
    if (!check_attribute(*attribute, &names_key, error))
      return FALSE;
  return names_key ? TRUE
                   : refuse_uri(error, "the pkcs11: URI names no key: neither \"object\" nor "
                                       "\"id\" is in it");
}

/* The same URI without what names the key: its token. */
static char *token_uri(const char *uri) {
  g_autoptr(GString) token = g_string_new(SCHEME);
  g_auto(GStrv) attributes = g_strsplit(uri + strlen(SCHEME), ";", -1);
  for (char **attribute = attributes; *attribute != NULL; attribute++)
    if (!g_str_has_prefix(*attribute, "object=") && !g_str_has_prefix(*attribute, "id="))
      g_string_append_printf(token, "%s%s", token->len > strlen(SCHEME) ? ";" : "", *attribute);
  return g_strdup(token->str);
}

/* --- the module
 * ------------------------------------------------------------------------------------ */

static Pkcs11 *refuse_module(GError **error, const char *module, const char *why) {
  g_set_error(error, CA_ERROR, CA_ERROR_MODULE, "the PKCS#11 module %s cannot be used: %s", module,
              why != NULL ? why : "unknown reason");
  ERR_clear_error();
  return NULL;
}

/* libp11 takes any library for a module without tokens. */
static gboolean is_module(const char *module, char **why) {
  void *library = dlopen(module, RTLD_NOW | RTLD_LOCAL);
  gboolean good = library != NULL && dlsym(library, "C_GetFunctionList") != NULL;
  if (library == NULL)
    *why = g_strdup(dlerror());
  else if (!good)
    *why = g_strdup("it is no PKCS#11 module (it has no C_GetFunctionList)");
  if (library != NULL)
    dlclose(library);
  return good;
}

Pkcs11 *pkcs11_open(const char *module, GError **error) {
  g_autofree char *why = NULL;
  if (!is_module(module, &why))
    return refuse_module(error, module, why);
  ENGINE *engine = ENGINE_by_id("pkcs11");
  if (engine == NULL)
    return refuse_module(error, module,
                         "OpenSSL has no engine \"pkcs11\"; install libengine-pkcs11-openssl");
  if (ENGINE_ctrl_cmd_string(engine, "QUIET", NULL, 0) != 1 ||
      ENGINE_ctrl_cmd_string(engine, "MODULE_PATH", module, 0) != 1 || ENGINE_init(engine) != 1) {
    ENGINE_free(engine);
    return refuse_module(error, module, ERR_reason_error_string(ERR_peek_error()));
  }
  Pkcs11 *pkcs11 = g_new0(Pkcs11, 1);
  pkcs11->engine = engine;
  return pkcs11;
}

void pkcs11_close(Pkcs11 *pkcs11) {
  if (pkcs11 == NULL)
    return;
  ENGINE_finish(pkcs11->engine);
  ENGINE_free(pkcs11->engine);
  g_free(pkcs11);
}

/* --- the key
 * ------------------------------------------------------------------------------------------ */

/* The first error of the engine or of the module behind it: modules that use OpenSSL themselves
   leave others before it. The queue is empty then. */
static unsigned long take_error(void) {
  static const char *const ours[] = {"PKCS#11 module", "libp11", "pkcs11 engine", NULL};
  unsigned long found = 0;
  for (unsigned long code = ERR_get_error(); code != 0; code = ERR_get_error()) {
    const char *library = ERR_lib_error_string(code);
    if (found == 0 && library != NULL && g_strv_contains(ours, library))
      found = code;
  }
  return found;
}

/* CKR_PIN_INCORRECT to CKR_PIN_LOCKED, of which the engine keeps the numbers; CKR_FUNCTION_FAILED
   and others are no verdict over the PIN. */
static gboolean is_pin_refused(unsigned long code) {
  int reason = ERR_GET_REASON(code);
  return g_strcmp0(ERR_lib_error_string(code), "PKCS#11 module") == 0 && reason >= 0xa0 &&
         reason <= 0xa4;
}

/* UI_null: nothing is ever asked on a terminal. */
static EVP_PKEY *load(Pkcs11 *pkcs11, const char *uri) {
  ERR_clear_error();
  return ENGINE_load_private_key(pkcs11->engine, uri, (UI_METHOD *)UI_null(), NULL);
}

static EVP_PKEY *not_found(Pkcs11 *pkcs11, const char *uri, GError **error) {
  g_autofree char *token = token_uri(uri);
  g_autoptr(EVP_PKEY) any = load(pkcs11, token);
  ERR_clear_error();
  if (any != NULL)
    g_set_error(error, CA_ERROR, CA_ERROR_TOKEN, "the token has no private key %s", uri);
  else
    g_set_error(error, CA_ERROR, CA_ERROR_TOKEN,
                "there is no token %s, or it has no private key at all", token);
  return NULL;
}

EVP_PKEY *pkcs11_private_key(Pkcs11 *pkcs11, const char *uri, const char *pin, GError **error) {
  if (!pkcs11_check_uri(uri, error))
    return NULL;
  if (pin != NULL && ENGINE_ctrl_cmd_string(pkcs11->engine, "PIN", pin, 0) != 1)
    return openssl_fail(error, CA_ERROR_TOKEN, "the PIN cannot be handed to the module"), NULL;
  EVP_PKEY *key = load(pkcs11, uri);
  if (key != NULL)
    return key;
  unsigned long code = take_error();
  const char *reason = ERR_reason_error_string(code);
  if (g_strcmp0(reason, "object not found") == 0)
    return not_found(pkcs11, uri, error);
  g_set_error(error, CA_ERROR, is_pin_refused(code) ? CA_ERROR_PIN : CA_ERROR_TOKEN, "%s (%s)",
              is_pin_refused(code) ? "the token refuses the PIN" : "the token cannot be opened",
              reason != NULL ? reason : "unknown reason");
  return NULL;
}
