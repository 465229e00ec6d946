/* SPDX-License-Identifier: Apache-2.0 */
/* The rules about subject and subjectAltName (ca-rules 26, 27). */
#include "ca/certificate.h"
#include "ca/lint_rules.h"
#include "ca/openssl_auto.h"
#include "ca/san.h"

#include <string.h>

void lint_name_free(LintName *name) {
  mailbox_free(name->mailbox);
  g_free(name->why);
  g_free(name);
}

/* The names of the subjectAltName; empty when it cannot be read. */
static const GPtrArray *read_names(Lint *lint) {
  const GENERAL_NAMES *names =
      lint_extension(lint, NID_subject_alt_name, ASN1_ITEM_rptr(GENERAL_NAMES), TRUE);
  if (lint->names != NULL)
    return lint->names;
  lint->names = g_ptr_array_new_with_free_func((GDestroyNotify)lint_name_free);
  for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
    LintName *name = g_new0(LintName, 1);
    name->mailbox = san_mailbox(sk_GENERAL_NAME_value(names, i), &name->why);
    g_ptr_array_add(lint->names, name);
  }
  return lint->names;
}

/* One or more, all rfc822Name or SmtpUTF8Mailbox with an address, none twice. */
void lint_names(Lint *lint) {
  if (lint_extension(lint, NID_subject_alt_name, ASN1_ITEM_rptr(GENERAL_NAMES), FALSE) == NULL)
    return;
  const GPtrArray *names = read_names(lint);
  g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
  if (names->len == 0)
    lint_add(lint, "it is empty");
  for (guint i = 0; i < names->len; i++) {
    const LintName *name = names->pdata[i];
    if (name->mailbox == NULL)
      lint_add(lint, "a name is refused: %s", name->why);
    else if (!g_hash_table_add(seen, name->mailbox->canonical))
      lint_add(lint, "%s stands there twice", name->mailbox->text);
  }
}

/* The domain in lower-case A-labels. */
void lint_names_form(Lint *lint) {
  const GPtrArray *names = read_names(lint);
  for (guint i = 0; i < names->len; i++) {
    const Mailbox *mailbox = ((const LintName *)names->pdata[i])->mailbox;
    if (mailbox != NULL && strcmp(mailbox->address, mailbox->text) != 0)
      lint_add(lint, "the domain of %s is not in lower-case A-labels", mailbox->text);
  }
}

/* Critical exactly when the subject is empty. */
void lint_names_critical(Lint *lint) {
  gboolean empty = X509_NAME_entry_count(X509_get_subject_name(lint->certificate)) == 0;
  lint_criticality(lint, NID_subject_alt_name, empty);
}

static gboolean is_certified(Lint *lint, const char *address) {
  const GPtrArray *names = read_names(lint);
  for (guint i = 0; i < names->len; i++) {
    const Mailbox *mailbox = ((const LintName *)names->pdata[i])->mailbox;
    if (mailbox != NULL && strcmp(mailbox->address, address) == 0)
      return TRUE;
  }
  return FALSE;
}

/* CN and emailAddress are names of the SAN. */
void lint_subject_mailbox(Lint *lint) {
  const X509_NAME *subject = X509_get_subject_name(lint->certificate);
  for (int i = 0; i < X509_NAME_entry_count(subject); i++) {
    const X509_NAME_ENTRY *entry = X509_NAME_get_entry(subject, i);
    int nid = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));
    if (nid != NID_commonName && nid != NID_pkcs9_emailAddress)
      continue;
    g_autofree char *text = san_text(X509_NAME_ENTRY_get_data(entry));
    if (text == NULL || !is_certified(lint, text))
      lint_add(lint, "%s is not in the subjectAltName", OBJ_nid2sn(nid));
  }
}

/* The attributes that subjects may have, their types and upper bounds (RFC 5280 appendix A). */
static const struct {
  int nid;
  gboolean subscriber;
  int type;
  glong max;
} attributes[] = {
    {NID_commonName, TRUE, V_ASN1_UTF8STRING, CERTIFICATE_MAX_COMMON_NAME},
    {NID_pkcs9_emailAddress, TRUE, V_ASN1_IA5STRING, 255},
    {NID_serialNumber, TRUE, V_ASN1_PRINTABLESTRING, 64},
    {NID_organizationName, FALSE, V_ASN1_UTF8STRING, 64},
    {NID_countryName, FALSE, V_ASN1_PRINTABLESTRING, 2},
};

/* What a mailbox-validated subject may have, each once and in an RDN of its own. */
void lint_subject(Lint *lint) {
  const X509_NAME *subject = X509_get_subject_name(lint->certificate);
  for (int i = 0; i < X509_NAME_entry_count(subject); i++) {
    const X509_NAME_ENTRY *entry = X509_NAME_get_entry(subject, i);
    const ASN1_OBJECT *type = X509_NAME_ENTRY_get_object(entry);
    char name[80];
    gboolean known = FALSE;
    OBJ_obj2txt(name, sizeof name, type, 0);
    for (gsize k = 0; k < G_N_ELEMENTS(attributes); k++)
      known = known || (attributes[k].subscriber && attributes[k].nid == OBJ_obj2nid(type));
    if (!known)
      lint_add(lint, "it has the attribute %s", name);
    if (X509_NAME_get_index_by_OBJ((X509_NAME *)subject, type, i) >= 0)
      lint_add(lint, "it has %s twice", name);
    if (X509_NAME_ENTRY_set(entry) != i)
      lint_add(lint, "an RDN has several attributes");
  }
}

/* X.680 section 41.4. */
static gboolean is_printable(const char *text) {
  while (g_ascii_isalnum(*text) || (*text != '\0' && strchr(" '()+,-./:=?", *text) != NULL))
    text++;
  return *text == '\0';
}

void lint_subject_form(Lint *lint) {
  const X509_NAME *subject = X509_get_subject_name(lint->certificate);
  for (int i = 0; i < X509_NAME_entry_count(subject); i++) {
    const X509_NAME_ENTRY *entry = X509_NAME_get_entry(subject, i);
    const ASN1_STRING *value = X509_NAME_ENTRY_get_data(entry);
    int nid = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));
    g_autofree char *text = san_text(value);
    for (gsize k = 0; k < G_N_ELEMENTS(attributes); k++) {
      if (attributes[k].nid != nid)
        continue;
      if (ASN1_STRING_type(value) != attributes[k].type)
        lint_add(lint, "%s is a %s", OBJ_nid2sn(nid), ASN1_tag2str(ASN1_STRING_type(value)));
      if (text == NULL)
        lint_add(lint, "%s cannot be read", OBJ_nid2sn(nid));
      else if (g_utf8_strlen(text, -1) > attributes[k].max)
        lint_add(lint, "%s is longer than %ld characters", OBJ_nid2sn(nid), attributes[k].max);
      else if (attributes[k].type == V_ASN1_PRINTABLESTRING && !is_printable(text))
        lint_add(lint, "%s has characters that no PrintableString has", OBJ_nid2sn(nid));
    }
  }
}

/* No attribute of '.', '-' and blanks alone, which stand for nothing. */
void lint_subject_meaning(Lint *lint) {
  const X509_NAME *subject = X509_get_subject_name(lint->certificate);
  for (int i = 0; i < X509_NAME_entry_count(subject); i++) {
    const X509_NAME_ENTRY *entry = X509_NAME_get_entry(subject, i);
    g_autofree char *text = san_text(X509_NAME_ENTRY_get_data(entry));
    if (text != NULL && text[strspn(text, ".- ")] == '\0')
      lint_add(lint, "an attribute says nothing");
  }
}
