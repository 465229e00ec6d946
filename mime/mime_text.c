/* SPDX-License-Identifier: Apache-2.0 */
#include "mime/mime_text.h"
#include "base/mailbox.h"
#include "mime/mailbox_scan.h"

#include <string.h>

void mime_init(void) {
  static gsize done;
  if (g_once_init_enter(&done)) {
    g_mime_init();
    g_once_init_leave(&done, 1);
  }
}

char *mime_text_clean(const char *text, gsize max) {
  g_autofree char *start = g_strndup(text, max);
  g_autofree char *valid = g_utf8_make_valid(start, -1);
  GString *clean = g_string_new(NULL);
  for (const char *p = valid; *p != '\0'; p = g_utf8_next_char(p)) {
    gunichar c = g_utf8_get_char(p);
    gsize before = clean->len;
    g_string_append_unichar(clean, g_unichar_iscntrl(c) ? '?' : c);
    if (clean->len > max)
      return g_string_truncate(clean, before), g_string_free(clean, FALSE);
  }
  return g_string_free(clean, FALSE);
}

gboolean mime_text_is_clean(const char *text, gsize max) {
  if (text == NULL)
    return TRUE;
  if (strlen(text) > max)
    return FALSE;
  for (const char *p = text; *p != '\0'; p = g_utf8_next_char(p))
    if (g_unichar_iscntrl(g_utf8_get_char(p)))
      return FALSE;
  return TRUE;
}

char *mime_text_decode(const RawField *field, gsize max) {
  if (field->length > max)
    return g_strdup("");
  mime_init();
  g_autofree char *value = raw_field_value(field);
  g_autofree char *decoded = g_mime_utils_header_decode_text(NULL, value);
  return g_utf8_make_valid(decoded == NULL ? "" : decoded, -1);
}

/* Also the members of groups within groups, which gmime reads though no RFC has them. */
static guint count(InternetAddressList *list, guint depth, guint max) {
  guint sum = 0;
  int length = list == NULL || depth == 0 ? 0 : internet_address_list_length(list);
  for (int i = 0; i < length && sum < max; i++) {
    InternetAddress *address = internet_address_list_get_address(list, i);
    if (INTERNET_ADDRESS_IS_GROUP(address))
      sum += count(internet_address_group_get_members(INTERNET_ADDRESS_GROUP(address)), depth - 1,
                   max - sum);
    else
      sum++;
  }
  return sum;
}

/* gmime's address reader calls itself for each ":" (groups in groups): many would exhaust the
 * stack. */
static gboolean is_shallow(const char *value) {
  guint colons = 0;
  for (const char *p = value; *p != '\0'; p++)
    colons += *p == ':' ? 1 : 0;
  return colons <= MIME_TEXT_MAX_COLONS;
}

guint mime_text_count_mailboxes(const RawField *field, gsize max_octets, guint max) {
  const guint groups_in_groups = 8;
  if (field->length > max_octets)
    return 0;
  mime_init();
  g_autofree char *value = raw_field_value(field);
  if (!is_shallow(value))
    return 0;
  InternetAddressList *list = internet_address_list_parse(NULL, value);
  guint sum = count(list, groups_in_groups, max);
  g_clear_object(&list);
  return sum;
}

/* gmime gives A-labels out as U-labels. */
static gboolean same_domain(const char *a, const char *b) {
  g_autofree char *first = mailbox_domain_to_ascii(a, NULL);
  g_autofree char *second = mailbox_domain_to_ascii(b, NULL);
  return strcmp(a, b) == 0 || (first != NULL && g_strcmp0(first, second) == 0);
}

static gboolean same_address(const char *a, const char *b) {
  const char *first = strrchr(a, '@'), *second = strrchr(b, '@');
  return first != NULL && second != NULL && first - a == second - b &&
         memcmp(a, b, (gsize)(first - a)) == 0 && same_domain(first + 1, second + 1);
}

/* Whether gmime reads exactly this one mailbox. */
static gboolean gmime_agrees(const char *value, const char *address) {
  InternetAddressList *list = internet_address_list_parse(NULL, value);
  gboolean same = FALSE;
  if (list != NULL && internet_address_list_length(list) == 1) {
    InternetAddress *first = internet_address_list_get_address(list, 0);
    if (INTERNET_ADDRESS_IS_MAILBOX(first)) {
      const char *read = internet_address_mailbox_get_addr(INTERNET_ADDRESS_MAILBOX(first));
      same = read != NULL && same_address(read, address);
    }
  }
  g_clear_object(&list);
  return same;
}

char *mime_text_mailbox(const RawField *field, gsize max_octets) {
  if (field->length > max_octets)
    return NULL;
  mime_init();
  g_autofree char *value = raw_field_value(field);
  g_autofree char *address = mailbox_scan(value);
  return address != NULL && is_shallow(value) && gmime_agrees(value, address)
             ? g_steal_pointer(&address)
             : NULL;
}
