/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/san.h"

#include "ca/openssl_auto.h"

#include <openssl/err.h>
#include <string.h>

static GENERAL_NAME *ascii_name(const char *address) {
  GENERAL_NAME *name = openssl_must(GENERAL_NAME_new());
  ASN1_IA5STRING *text = openssl_must(ASN1_IA5STRING_new());
  openssl_check(ASN1_STRING_set(text, address, (int)strlen(address)) == 1);
  GENERAL_NAME_set0_value(name, GEN_EMAIL, text);
  return name;
}

static GENERAL_NAME *utf8_name(const char *address) {
  GENERAL_NAME *name = openssl_must(GENERAL_NAME_new());
  ASN1_UTF8STRING *text = openssl_must(ASN1_UTF8STRING_new());
  ASN1_TYPE *value = openssl_must(ASN1_TYPE_new());
  openssl_check(ASN1_STRING_set(text, address, (int)strlen(address)) == 1);
  ASN1_TYPE_set(value, V_ASN1_UTF8STRING, text);
  openssl_check(GENERAL_NAME_set0_othername(name, OBJ_nid2obj(NID_id_on_SmtpUTF8Mailbox), value) ==
                1);
  return name;
}

GENERAL_NAME *san_name(const Mailbox *mailbox) {
  return mailbox->ascii ? ascii_name(mailbox->address) : utf8_name(mailbox->address);
}

char *san_text(const ASN1_STRING *string) {
  guint8 *utf8 = NULL;
  int length = ASN1_STRING_to_UTF8(&utf8, string);
  if (length < 0) {
    ERR_clear_error();
    return NULL;
  }
  char *text = memchr(utf8, '\0', (gsize)length) == NULL
                   ? g_strndup((const char *)utf8, (gsize)length)
                   : NULL;
  OPENSSL_free(utf8);
  return text;
}

/* The string that holds an address, and whether it is the UTF-8 form; NULL for any other name. */
static const ASN1_STRING *address_string(const GENERAL_NAME *name, gboolean *utf8) {
  int type;
  void *value = GENERAL_NAME_get0_value(name, &type);
  *utf8 = type == GEN_OTHERNAME;
  if (type == GEN_EMAIL)
    return value;
  if (type != GEN_OTHERNAME)
    return NULL;
  const OTHERNAME *other = value;
  return OBJ_obj2nid(other->type_id) == NID_id_on_SmtpUTF8Mailbox &&
                 ASN1_TYPE_get(other->value) == V_ASN1_UTF8STRING
             ? other->value->value.utf8string
             : NULL;
}

static Mailbox *refuse(char **why, char *text) {
  *why = text;
  return NULL;
}

static Mailbox *read_mailbox(const ASN1_STRING *string, gboolean utf8, char **why) {
  const guint8 *octets = ASN1_STRING_get0_data(string);
  gsize length = (gsize)ASN1_STRING_length(string);
  if (memchr(octets, '\0', length) != NULL)
    return refuse(why, g_strdup("it has a NUL"));
  g_autofree char *text = g_strndup((const char *)octets, length);
  g_autoptr(GError) error = NULL;
  g_autoptr(Mailbox) mailbox = mailbox_parse(text, &error);
  if (mailbox == NULL)
    return refuse(why, g_strdup(error->message));
  if (!utf8 && !g_str_is_ascii(text))
    return refuse(why, g_strdup("an rfc822Name or dNSName is ASCII"));
  if (utf8 && mailbox->ascii)
    return refuse(why, g_strdup("a SmtpUTF8Mailbox is for local parts that are not ASCII"));
  return g_steal_pointer(&mailbox);
}

Mailbox *san_mailbox(const GENERAL_NAME *name, char **why) {
  gboolean utf8;
  const ASN1_STRING *string = address_string(name, &utf8);
  return string != NULL
             ? read_mailbox(string, utf8, why)
             : refuse(why, g_strdup("it is neither an rfc822Name nor a SmtpUTF8Mailbox"));
}

Mailbox *san_dns_mailbox(const GENERAL_NAME *name, char **why) {
  return read_mailbox(name->d.dNSName, FALSE, why);
}
