/* SPDX-License-Identifier: Apache-2.0 */
#include "ca/pem.h"

#include "ca/der.h"
#include "ca/openssl_auto.h"

#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <string.h>

char *pem_certificate(GBytes *der) {
  g_autoptr(X509) certificate = openssl_must(der_decode(der, ASN1_ITEM_rptr(X509)));
  g_autoptr(BIO) bio = openssl_must(BIO_new(BIO_s_mem()));
  openssl_check(PEM_write_bio_X509(bio, certificate) == 1);
  return openssl_bio_text(bio);
}

/* By hand, since OpenSSL's own PEM writer takes 2048 iterations. */
static void write_encrypted(BIO *bio, PKCS8_PRIV_KEY_INFO *plain, const char *passphrase) {
  X509_ALGOR *scheme = openssl_must(
      PKCS5_pbe2_set_iv(EVP_aes_256_cbc(), PEM_KEY_ITERATIONS, NULL, 0, NULL, NID_hmacWithSHA256));
  g_autoptr(X509_SIG) sealed =
      openssl_must(PKCS8_set0_pbe(passphrase, (int)strlen(passphrase), plain, scheme));
  openssl_check(PEM_write_bio_PKCS8(bio, sealed) == 1);
}

char *pem_write_private_key(EVP_PKEY *key, const char *passphrase) {
  g_autoptr(BIO) bio = openssl_must(BIO_new(BIO_s_secmem()));
  g_autoptr(PKCS8_PRIV_KEY_INFO) plain = openssl_must(EVP_PKEY2PKCS8(key));
  if (passphrase != NULL)
    write_encrypted(bio, plain, passphrase);
  else
    openssl_check(PEM_write_bio_PKCS8_PRIV_KEY_INFO(bio, plain) == 1);
  return openssl_bio_text(bio);
}
