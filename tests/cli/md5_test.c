/* MD5 against the vectors of RFC 1321, whole and byte by byte. */
#include "cli/fetch.h"

#include "check.h"

static void digests_are_those_of_the_rfc(void **state)
{
    static const char *const vector[][2] = {
        {"", "d41d8cd98f00b204e9800998ecf8427e"},
        {"a", "0cc175b9c0f1b6a831c399e269772661"},
        {"abc", "900150983cd24fb0d6963f7d28e17f72"},
        {"message digest", "f96b697d7cb7938d525a2f31aaf161d0"},
        {"abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"},
        {"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
         "d174ab98d277d9f5a5611c2c9f419d9f"},
        {"12345678901234567890123456789012345678901234567890123456789012345678901234567890",
         "57edf4a22be3c955ac49da2e2107b67a"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof vector / sizeof *vector; i++) {
        qn_md5 whole, bytes;
        char digest[33];

        qn_md5_init(&whole);
        qn_md5_add(&whole, vector[i][0], strlen(vector[i][0]));
        qn_md5_end(&whole, digest);
        CHECK_TEXT(digest, vector[i][1]);
        qn_md5_init(&bytes);
        for (const char *c = vector[i][0]; *c; c++)
            qn_md5_add(&bytes, c, 1);
        qn_md5_end(&bytes, digest);
        CHECK_TEXT(digest, vector[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(digests_are_those_of_the_rfc)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
