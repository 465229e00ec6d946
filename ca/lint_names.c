/* SPDX-License-Identifier: Apache-2.0 */
/* The rules about subject and subjectAltName (ca-rules 26, 27). */
#include "ca/certificate.h"
#include "ca/lint_rules.h"
#include "ca/openssl_auto.h"
#include "ca/san.h"

#include <string.h>

static GENERAL_NAMES *get_names(Lint *lint, gboolean quiet) {
  return lint_extension(lint, NID_subject_alt_name, ASN1_ITEM_rptr(GENERAL_NAMES), quiet);
}

static void check_name(Lint *lint, const GENERAL_NAME *name, GHashTable *seen) {
  g_autofree char *why = NULL;
  g_autoptr(Mailbox) mailbox = san_mailbox(name, &why);
  if (mailbox == NULL)
    lint_add(lint, "a name is refused: %s", why);
  else if (strcmp(mailbox->address, mailbox->text) != 0)
    lint_add(lint, "the domain of %s is not in lower-case A-labels", mailbox->text);
  else if (!g_hash_table_add(seen, g_strdup(mailbox->canonical)))
    lint_add(lint, "%s stands there twice", mailbox->text);
}

void lint_names(Lint *lint) {
  g_autoptr(GENERAL_NAMES) names = get_names(lint, FALSE);
  g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  if (names == NULL)
    return;
  if (sk_GENERAL_NAME_num(names) == 0)
    lint_add(lint, "it is empty");
  for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
    check_name(lint, sk_GENERAL_NAME_value(names, i), seen);
}

/* Critical exactly when the subject is empty. */
void lint_names_critical(Lint *lint) {
  gboolean empty = X509_NAME_entry_count(X509_get_subject_name(lint->certificate)) == 0;
  lint_criticality(lint, NID_subject_alt_name, empty);
}

static gboolean is_certified(const GENERAL_NAMES *names, const char *address) {
  for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
    g_autofree char *why = NULL;
    g_autoptr(Mailbox) mailbox = san_mailbox(sk_GENERAL_NAME_value(names, i), &why);
    if (mailbox != NULL && strcmp(mailbox->address, address) == 0)
      return TRUE;
  }
  return FALSE;
}

/* CN and emailAddress are names of the SAN. */
void lint_subject_mailbox(Lint *lint) {
  const X509_NAME *subject = X509_get_subject_name(lint->certificate);
  g_autoptr(GENERAL_NAMES) names = get_names(lint, TRUE);
  for (int i = 0; i < X509_NAME_entry_count(subject); i++) {
    const X509_NAME_ENTRY *entry = X509_NAME_get_entry(subject, i);
    int nid = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));
    if (nid != NID_commonName && nid != NID_pkcs9_emailAddress)
      continue;
    g_autofree char *text = san_text(X509_NAME_ENTRY_get_data(entry));
    if (text == NULL || names == NULL || !is_certified(names, text))
      lint_add(lint, "%s is not in the subjectAltName", OBJ_nid2sn(nid));
  }
}

/* The attributes that a mailbox-validated subject may have, their types and upper bounds (RFC 5280
 * appendix A). */
static const struct {
  int nid;
  int type;
  glong max;
} attributes[] = {
    {NID_commonName, V_ASN1_UTF8STRING, CERTIFICATE_MAX_COMMON_NAME},
    {NID_pkcs9_emailAddress, V_ASN1_IA5STRING, 255},
    {NID_serialNumber, V_ASN1_PRINTABLESTRING, 64},
};

static void check_attribute(Lint *lint, const X509_NAME_ENTRY *entry) {
  int nid = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));
  const ASN1_STRING *value = X509_NAME_ENTRY_get_data(entry);
  g_autofree char *text = san_text(value);
  for (gsize i = 0; i < G_N_ELEMENTS(attributes); i++) {
    if (nid != attributes[i].nid)
      continue;
    if (ASN1_STRING_type(value) != attributes[i].type)
      lint_add(lint, "%s is a %s", OBJ_nid2sn(nid), ASN1_tag2str(ASN1_STRING_type(value)));
    if (text == NULL || text[strspn(text, ".- ")] == '\0')
      lint_add(lint, "%s says nothing", OBJ_nid2sn(nid));
    else if (g_utf8_strlen(text, -1) > attributes[i].max)
      lint_add(lint, "%s is longer than %ld characters", OBJ_nid2sn(nid), attributes[i].max);
    return;
  }
  lint_add(lint, "it has the attribute %s", OBJ_nid2sn(nid));
}

void lint_subject(Lint *lint) {
  const X509_NAME *subject = X509_get_subject_name(lint->certificate);
  for (int i = 0; i < X509_NAME_entry_count(subject); i++) {
    const X509_NAME_ENTRY *entry = X509_NAME_get_entry(subject, i);
    check_attribute(lint, entry);
    if (X509_NAME_get_index_by_OBJ(subject, X509_NAME_ENTRY_get_object(entry), i) >= 0)
      lint_add(lint, "it has an attribute twice");
    if (X509_NAME_ENTRY_set(entry) != i)
      lint_add(lint, "an RDN has several attributes");
  }
}
