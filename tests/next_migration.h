/* SPDX-License-Identifier: Apache-2.0 */
/* One more row of store/schema.c:migrations. */
"ALTER TABLE orders ADD COLUMN next @text;"
    "CREATE INDEX orders_next ON orders(next) WHERE next IS NOT NULL;"
    "CREATE TABLE next (id @blob PRIMARY KEY);",
