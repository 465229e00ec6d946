/* SPDX-License-Identifier: Apache-2.0 */
/* Prints the route table, for scenario/test_ownership.py: one route a line, its fields apart by
   tabs. */
#include "acme/route.h"

#include <stdio.h>

int main(void) {
  static const char *const access[] = {
      [ROUTE_GET] = "get", [ROUTE_OPEN] = "open",       [ROUTE_EDGE] = "edge",
      [ROUTE_KEY] = "key", [ROUTE_ACCOUNT] = "account", [ROUTE_EITHER] = "either"};
  for (gsize i = 0; i < routes_count; i++)
    printf("%s\t%s\t%s\t%s\t%s\n", routes[i].prefix, routes[i].has_id ? "id" : "",
           routes[i].suffix != NULL ? routes[i].suffix : "", access[routes[i].access],
           route_methods(&routes[i]));
  return 0;
}
