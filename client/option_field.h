/* SPDX-License-Identifier: Apache-2.0 */
/* Options of a command as a table: read from the command line, kept in a key file, freed. */
#ifndef SIGNET_CLIENT_OPTION_FIELD_H
#define SIGNET_CLIENT_OPTION_FIELD_H

#include <glib.h>

/* What a field of the options' struct holds: char * (text, file), char ** (texts), gboolean. */
typedef enum { OPTION_TEXT, OPTION_FILE, OPTION_TEXTS, OPTION_FLAG } OptionKind;

/* What an option is for, in bits. */
enum {
  OPTION_PROVES = 1, /* the proof of mailboxes alone */
  OPTION_ONCE = 2    /* one run: it is not kept for the next */
};

/* One option; a table of them ends with one without name. */
typedef struct {
  const char *name; /* without "--" */
  char letter;      /* for "-q"; '\0': none */
  OptionKind kind;
  guint use;
  gsize offset; /* in the options' struct */
  const char *meaning;
  const char *value; /* as --help calls it; NULL for a flag */
} OptionField;

/* Fields that are given are not NULL, not FALSE. */
void option_fields_add(GOptionContext *context, const OptionField *fields, gpointer options);
void option_fields_clear(const OptionField *fields, gpointer options);

/* "--NAME" of the first option given whose use has one of these bits (0: of any use); NULL when
   there is none. The caller frees it. */
char *option_fields_given(const OptionField *fields, gconstpointer options, guint use);

/* What is given in over takes the place of what options has. */
void option_fields_overlay(const OptionField *fields, gpointer options, gconstpointer over);

/* As words of a command line, "--NAME=VALUE" or "--NAME", behind words (of char *, owned). */
void option_fields_words(const OptionField *fields, gconstpointer options, GPtrArray *words);

/* Into a group of a key file, those of OPTION_ONCE excepted; file names as whole paths. */
void option_fields_keep(const OptionField *fields, gconstpointer options, GKeyFile *file,
                        const char *group);
void option_fields_load(const OptionField *fields, gpointer options, GKeyFile *file,
                        const char *group);

#endif
