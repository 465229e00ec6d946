/* SPDX-License-Identifier: Apache-2.0 */
/* What servers send: Retry-After, problem documents, orders, authorizations. */
#include "client/account_key.h"
#include "client/failure.h"
#include "client/proof.h"
#include "client/retry_after.h"
#include "client/server_problem.h"

#include <string.h>

static const struct {
  const char *field;
  gint64 seconds;
} waits[] = {
    {NULL, 5},
    {"", 5},
    {"7", 7},
    {"0", 1},
    {"31", 30},
    {"99999999999999999999999", 30},
    {"-3", 5},
    {"7 s", 5},
    {"soon", 5},
    {"Sun, 06 Nov 1994 08:49:49 GMT", 12},
    {"Sun, 06 Nov 1994 08:49:00 GMT", 1},
    {"Mon, 07 Nov 1994 08:49:00 GMT", 30},
};

static void test_retry_after(void) {
  for (gsize i = 0; i < G_N_ELEMENTS(waits); i++)
    g_assert_cmpint(retry_after_seconds(waits[i].field, 784111777, 5), ==, waits[i].seconds);
}

static json_t *parse(const char *text) {
  json_t *value = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
  g_assert_nonnull(value);
  return value;
}

static void test_problem(void) {
  g_autoptr(json_t) problem = parse(
      "{\"type\":\"urn:ietf:params:acme:error:rejectedIdentifier\",\"detail\":\"No\\n\\u001b[2J\","
      "\"subproblems\":[{\"type\":\"urn:ietf:params:acme:error:dns\",\"detail\":\"gone\","
      "\"identifier\":{\"type\":\"email\",\"value\":\"a@b.example\"}},17]}");
  g_assert_true(server_problem_is(problem, "rejectedIdentifier"));
  g_assert_false(server_problem_is(problem, "rejected"));
  g_assert_false(server_problem_is(NULL, "badNonce"));
  g_autofree char *text = server_problem_text(problem);
  g_assert_nonnull(strstr(text, "urn:ietf:params:acme:error:rejectedIdentifier: No"));
  g_assert_nonnull(strstr(text, "\n  - a@b.example: urn:ietf:params:acme:error:dns: gone"));
  g_assert_null(strchr(text, 0x1b));
  g_autofree char *none = server_problem_text(NULL);
  g_assert_cmpstr(none, ==, "the server gave no reason");
}

static void test_order(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(json_t) json = parse("{\"status\":\"processing\",\"finalize\":\"https://a/f\","
                                 "\"authorizations\":[\"https://a/1\",\"https://a/2\"]}");
  g_autoptr(ServerOrder) order = server_order_read(json, &error);
  g_assert_no_error(error);
  g_assert_cmpint(order->status, ==, SERVER_PROCESSING);
  g_assert_cmpuint(order->authorizations->len, ==, 2);
  g_assert_null(order->certificate);
  json_object_del(json, "finalize");
  g_assert_null(server_order_read(json, &error));
  g_assert_error(error, CLIENT_ERROR, CLIENT_NETWORK);
  g_clear_error(&error);
  g_assert_null(server_order_read(NULL, &error));
  g_assert_nonnull(error);
}

#define AUTHORIZATION                                                                              \
  "{\"status\":\"%s\",\"identifier\":{\"type\":\"email\",\"value\":\"%s\"},\"challenges\":["       \
  "{\"type\":\"other-00\",\"url\":\"https://a/x\"},{\"type\":\"%s\",\"url\":\"https://a/c\","      \
  "\"from\":\"acme-challenge+a1@ca.example\",\"token\":\"DGyRejmCefe7v4NfDGDKfA\"}]}"

static Proof *make_proof(const char *status, const char *address, const char *type,
                         GError **error) {
  static const char *const ordered[] = {"ann@example.org", "bob@example.org", NULL};
  g_autofree char *text = g_strdup_printf(AUTHORIZATION, status, address, type);
  g_autoptr(json_t) json = parse(text);
  g_autoptr(ServerAuthorization) authorization = server_authorization_read(json, error);
  g_assert_nonnull(authorization);
  return proof_new("https://a/1", authorization, ordered, error);
}

static const struct {
  const char *status, *address, *type;
  int code; /* 0: good */
} proofs[] = {
    {"pending", "ann@example.org", "email-reply-00", 0},
    {"valid", "BOB@example.org", "email-reply-00", 0},
    {"valid", "bob@example.org", "http-01", 0},
    {"pending", "eve@example.org", "email-reply-00", CLIENT_NETWORK},
    {"pending", "ann@example.org", "http-01", CLIENT_REFUSED},
    {"invalid", "ann@example.org", "email-reply-00", CLIENT_REFUSED},
    {"nonsense", "ann@example.org", "email-reply-00", CLIENT_REFUSED},
};

static void test_proofs(void) {
  for (gsize i = 0; i < G_N_ELEMENTS(proofs); i++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(Proof) proof =
        make_proof(proofs[i].status, proofs[i].address, proofs[i].type, &error);
    g_assert_cmpint(client_exit_status(error), ==, proofs[i].code);
    g_assert_true((proof != NULL) == (proofs[i].code == 0));
  }
}

static void test_match(void) {
  const char *why = NULL;
  g_autoptr(GPtrArray) list = proof_list_new();
  Proof *ann = make_proof("pending", "ann@example.org", "email-reply-00", NULL);
  g_ptr_array_add(list, ann);
  ReceivedChallenge mail = {.from = (char *)"ACME-Challenge+A1@CA.example",
                            .to = (char *)"Ann@Example.org"};
  g_assert_true(proof_awaited(list) == ann);
  g_assert_true(proof_match(list, &mail, &why) == ann);
  mail.from = (char *)"acme-challenge+a2@ca.example";
  g_assert_null(proof_match(list, &mail, &why));
  g_assert_nonnull(strstr(why, "not from"));
  mail.to = (char *)"bob@example.org";
  g_assert_null(proof_match(list, &mail, &why));
  g_assert_nonnull(strstr(why, "not to be proven"));
  mail.from = ann->from;
  mail.to = ann->address;
  ann->replied = TRUE;
  g_assert_null(proof_match(list, &mail, &why));
  g_assert_nonnull(strstr(why, "before"));
  g_assert_null(proof_awaited(list));
  g_assert_false(proof_all_valid(list));
  mail.to = NULL;
  g_assert_null(proof_match(list, &mail, &why));
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/server_answers/retry_after", test_retry_after);
  g_test_add_func("/server_answers/problem", test_problem);
  g_test_add_func("/server_answers/order", test_order);
  g_test_add_func("/server_answers/proofs", test_proofs);
  g_test_add_func("/server_answers/match", test_match);
  return g_test_run();
}
