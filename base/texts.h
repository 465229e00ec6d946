/* SPDX-License-Identifier: Apache-2.0 */
/* Texts in one octet string of a message ("ay"), each with its NUL. GVariant makes, looks at and
   frees each string of an array ("as") by itself, which costs more than what is done with them. */
#ifndef SIGNET_BASE_TEXTS_H
#define SIGNET_BASE_TEXTS_H

#include "base/normal_form.h"

GBytes *texts_join(const char *const *texts, guint count);
/* Adds them to an array; they live as long as octets. FALSE: the last has no NUL, or one is not
   UTF-8. */
gboolean texts_read(NormalFormPart octets, GPtrArray *to);

#endif
