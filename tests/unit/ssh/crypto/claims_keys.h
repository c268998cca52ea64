#ifndef TESTS_UNIT_SSH_CRYPTO_CLAIMS_KEYS_H
#define TESTS_UNIT_SSH_CRYPTO_CLAIMS_KEYS_H

/* claims_keys - keys that signatures are checked under, in hexadecimal; tests/fuzz/make_peer_corpus.py reads them, too. */

/* RFC 8032 7.1, test 1 */
static const char claims_ed25519[] =
    "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
/* RFC 8032 7.4, 1 octet */
static const char claims_ed448[] =
    "43ba28f430cdff456ae531545f7ecd0ac834a55d9358c0372bfa0c6c6798c0866aea01eb00742802b8438ea4cb82169c2351"
    "60627b4c3a9480";
/* RFC 6979 A.2.1 */
static const char claims_dsa_p[] =
    "86f5ca03dcfeb225063ff830a0c769b9dd9d6153ad91d7ce27f787c43278b447e6533b86b18bed6e8a48b784a14c252c5be0"
    "dbf60b86d6385bd2f12fb763ed8873abfd3f5ba2e0a8c0a59082eac056935e529daf7c610467899c77adedfc846c881870b7"
    "b19b2b58f9be0521a17002e3bdd6b86685ee90b3d9a1b02b782b1779";
/* The order */
static const char claims_dsa_q[] =
    "996f967f6c8e388d9e28d01e205fba957a5698b1";
/* The generator */
static const char claims_dsa_g[] =
    "07b0f92546150b62514bb771e2a0c0ce387f03bda6c56b505209ff25fd3c133d89bbcd97e904e09114d9a7defdeadfc9078e"
    "a544d2e401aeecc40bb9fbbf78fd87995a10a1c27cb7789b594ba7efb5c4326a9fe59a070e136db77175464adca417be5dce"
    "2f40d10a46a3a3943f26ab7fd9c0398ff8c76ee0a56826a8a88f1dbd";
/* The public key */
static const char claims_dsa_y[] =
    "5df5e01ded31d0297e274e1691c192fe5868fef9e19a84776454b100cf16f65392195a38b90523e2542ee61871c0440cb87c"
    "322fc4b4d2ec5e1e7ec766e1be8d4ce935437dc11c3c8fd426338933ebfe739cb3465f4d3668c5e473508253b1e682f65cbd"
    "c4fae93c2ea212390e54905a86e2223170b44eaa7da5dd9ffcfb7f3b";
/* 2048 bits of SHA-256, made odd: nobody has its factors */
static const char claims_rsa_n[] =
    "81530709fb20bb5503e0f8e4454b9ffb21c05e32213133bbf10fdc3d24d65bb3f4b8409fffa665b75d2bbaf14f05424f593d"
    "9c33181617d08e58ca6bac74c4b82ea2421514af2f9e90d1ce4d04832f929d2aba3deeb52684fc01b77d7230ae45ff61cf16"
    "82c843926137edb555218bf6a9b68801ce02c1aeb6943077bab93cd574f95920b6bbf6c046a8129e980b23118cca0fdae2a3"
    "afaf20e381492c462e52dd77323bdd70e78e765cf553694c4fc345bcc46780dd6d42d075181e1450e5b34620cfdf4e21e955"
    "cc79dd8bc2603f5634ef3163b716dbeb5a6b608a8b930b2ce99f7739c429d7ebfe9215b9552e8843f9ce02a45dcc0b64fcfb"
    "67d1846e9ee5";
/* The base points of P-256, P-384 and P-521 (FIPS 186-4 D.1.2) */
static const char *const claims_points[] = {
    "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162b"
    "ce33576b315ececbb6406837bf51f5",
    "04aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab736"
    "17de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5f",
    "0400c6858e06b70404e9cd9e3ecb662395b4429c648139053fb521f828af606b4d3dbaa14b5e77efe75928fe1dc127a2ffa8"
    "de3348b3c1856a429bf97e7e31c2e5bd66011839296a789a3bc0045c8a5fb42c7d1bd998f54449579b446817afbd17273e66"
    "2c97ee72995ef42640c550b9013fad0761353c7086a272c24088be94769fd16650",
};

#endif
