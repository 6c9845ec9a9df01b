/* SPDX-License-Identifier: MIT */
/* Room bus: the proof that a peer knows the secret. A proof names its side, so that none can be
 * sent back to whom it came from, and covers both nonces, so that none is good twice. */
#include "bus_room.h"

#include "log.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

void bus__proof(const struct link *link, bool own, uint8_t proof_out[PROOF_SIZE])
{
    uint8_t text[1 + 2 * HELLO_SIZE];
    unsigned size = PROOF_SIZE;
    bool dialler = own == (link->target != NULL);
    text[0] = dialler ? 'D' : 'A';
    memcpy(text + 1, own ? link->hello : link->peer_hello, HELLO_SIZE);
    memcpy(text + 1 + HELLO_SIZE, own ? link->peer_hello : link->hello, HELLO_SIZE);
    if (HMAC(EVP_sha256(), link->bus->secret, (int)strlen(link->bus->secret), text, sizeof(text),
            proof_out, &size) == NULL || size != PROOF_SIZE)
        log_fatal("bus_failed", "call=hmac");
}

bool bus__proof_equal(const uint8_t *a, const uint8_t *b)
{
    return CRYPTO_memcmp(a, b, PROOF_SIZE) == 0;
}
