import Digests

/// What XXH3 gives for `count` bytes of which number i is `(131 i + 7) mod 256`: with the default secret, and with `seed` beside it.
///
/// Computed by python's xxhash 4.1.0 (libxxhash 0.8.4): `xxh3_64_intdigest` and `xxh3_128_intdigest`.
struct XXH3Vector: Sendable {
    let count: Int
    let plain: UInt64
    let seeded: UInt64
    let wide: UInt128
    let wideSeeded: UInt128

    static let seed: UInt64 = 0x9e37_79b1_85eb_ca87

    /// XXH3 takes another path for 0, up to 3, 8, 16, 128, 240 and more bytes, and for more than one block of 1,024.
    static let all = [
        XXH3Vector(
            count: 0, plain: 0x2d06_8005_38d3_94c2, seeded: 0x07f7_0f81_9703_314d,
            wide: 0x99aa_06d3_0147_98d8_6001_c324_468d_497f, wideSeeded: 0x45ef_6ddc_7afb_225a_f9ec_e103_6ecb_b2ed),
        XXH3Vector(
            count: 1, plain: 0x4c5c_ca45_d0f4_811f, seeded: 0x69f3_7fe5_02a5_ce84,
            wide: 0x495b_6207_3ef7_0ca4_4c5c_ca45_d0f4_811f, wideSeeded: 0x0a5c_f80e_1396_19eb_69f3_7fe5_02a5_ce84),
        XXH3Vector(
            count: 3, plain: 0x6e3e_2670_e611_06ac, seeded: 0x82ee_0d8c_3a49_1c38,
            wide: 0x390c_dc5b_4a89_5dd7_6e3e_2670_e611_06ac, wideSeeded: 0xbcbf_4bdf_f464_f81e_82ee_0d8c_3a49_1c38),
        XXH3Vector(
            count: 4, plain: 0x5c4c_6313_3443_d03f, seeded: 0xcaf8_afa7_ba97_cb0e,
            wide: 0xaa6e_2f27_4640_a3f4_3d66_8af6_f2a4_4d77, wideSeeded: 0x7765_8e15_6c5e_b04e_cdee_dfa8_6633_5572),
        XXH3Vector(
            count: 8, plain: 0xf9fd_4dd0_b04d_78f5, seeded: 0x3b4c_70cb_e3eb_c00d,
            wide: 0x6a86_a3bd_a6af_4e3d_61dd_be7f_31a6_100d, wideSeeded: 0x07e8_0027_444d_0d76_48e7_7b40_3a83_6797),
        XXH3Vector(
            count: 9, plain: 0x7c20_df97_12c2_6edf, seeded: 0x99fd_9784_f4ef_df49,
            wide: 0x664c_7ca1_8afd_6255_8c7b_67fd_458a_936b, wideSeeded: 0x3703_bb54_4699_7dbb_86a7_ff58_815e_ff5c),
        XXH3Vector(
            count: 16, plain: 0x86ab_f6ba_ccea_0858, seeded: 0xfde0_4540_eae2_7b52,
            wide: 0x7f9a_218b_0425_449a_e2ce_54a7_c19c_730d, wideSeeded: 0x8022_4cf5_30fb_9fa4_b2fa_7c53_879d_9cc5),
        XXH3Vector(
            count: 17, plain: 0xb58b_f5dc_5022_d071, seeded: 0xc985_3074_0c07_e43b,
            wide: 0x66fc_23f6_439d_bd77_8d96_ef11_0fcd_ebb4, wideSeeded: 0x91ad_11ec_4c50_a863_728a_12b1_1263_d007),
        XXH3Vector(
            count: 128, plain: 0x10d1_7f72_c0cc_ba41, seeded: 0xd6b2_87b4_34c3_eac1,
            wide: 0xaec7_3075_1478_556c_ff36_1dec_1385_710a, wideSeeded: 0x0a40_d412_abbf_3f3d_09ae_600c_c223_38b4),
        XXH3Vector(
            count: 129, plain: 0x1648_bdc3_db49_d1a2, seeded: 0xefcb_0a61_1944_c6e1,
            wide: 0x98cd_36cc_bb55_7926_4545_b3a0_9738_e31a, wideSeeded: 0xd0bb_bdab_5145_636a_d497_b453_1f96_51aa),
        XXH3Vector(
            count: 240, plain: 0xb6cf_af34_3fab_81e6, seeded: 0xc587_312c_2ec9_d377,
            wide: 0x5293_e17b_f553_903d_3f2c_53e7_2293_711f, wideSeeded: 0xeecc_8fd9_675e_d8f7_f330_2d90_f1b6_9291),
        XXH3Vector(
            count: 241, plain: 0x956c_ae59_2c67_279e, seeded: 0x033c_6361_af37_452e,
            wide: 0xb538_40fe_3fed_f161_956c_ae59_2c67_279e, wideSeeded: 0x167f_d51a_2ffd_5ae4_033c_6361_af37_452e),
        XXH3Vector(
            count: 1_000, plain: 0x571d_5cbf_ef44_331b, seeded: 0x2915_db20_d1f8_7e42,
            wide: 0x6222_39c5_c47a_6910_571d_5cbf_ef44_331b, wideSeeded: 0x19c6_f9bf_1585_d906_2915_db20_d1f8_7e42),
        XXH3Vector(
            count: 2_048, plain: 0x8b46_caa6_7dab_3a30, seeded: 0x5d1e_a6aa_0478_2779,
            wide: 0x56b7_7f20_7158_a2ba_8b46_caa6_7dab_3a30, wideSeeded: 0x7bfa_20a9_93e8_ca00_5d1e_a6aa_0478_2779),
    ]

    var bytes: [UInt8] { (0..<self.count).map { UInt8(truncatingIfNeeded: $0 * 131 + 7) } }
}

/// XXH3's default secret (xxhash.h, `XXH3_kSecret`), with which a keyed hash equals the plain one.
let defaultSecret: [UInt8] = [
    0xb8, 0xfe, 0x6c, 0x39, 0x23, 0xa4, 0x4b, 0xbe, 0x7c, 0x01, 0x81, 0x2c, 0xf7, 0x21, 0xad, 0x1c,
    0xde, 0xd4, 0x6d, 0xe9, 0x83, 0x90, 0x97, 0xdb, 0x72, 0x40, 0xa4, 0xa4, 0xb7, 0xb3, 0x67, 0x1f,
    0xcb, 0x79, 0xe6, 0x4e, 0xcc, 0xc0, 0xe5, 0x78, 0x82, 0x5a, 0xd0, 0x7d, 0xcc, 0xff, 0x72, 0x21,
    0xb8, 0x08, 0x46, 0x74, 0xf7, 0x43, 0x24, 0x8e, 0xe0, 0x35, 0x90, 0xe6, 0x81, 0x3a, 0x26, 0x4c,
    0x3c, 0x28, 0x52, 0xbb, 0x91, 0xc3, 0x00, 0xcb, 0x88, 0xd0, 0x65, 0x8b, 0x1b, 0x53, 0x2e, 0xa3,
    0x71, 0x64, 0x48, 0x97, 0xa2, 0x0d, 0xf9, 0x4e, 0x38, 0x19, 0xef, 0x46, 0xa9, 0xde, 0xac, 0xd8,
    0xa8, 0xfa, 0x76, 0x3f, 0xe3, 0x9c, 0x34, 0x3f, 0xf9, 0xdc, 0xbb, 0xc7, 0xc7, 0x0b, 0x4f, 0x1d,
    0x8a, 0x51, 0xe0, 0x4b, 0xcd, 0xb4, 0x59, 0x31, 0xc8, 0x9f, 0x7e, 0xc9, 0xd9, 0x78, 0x73, 0x64,
    0xea, 0xc5, 0xac, 0x83, 0x34, 0xd3, 0xeb, 0xc3, 0xc5, 0x81, 0xa0, 0xff, 0xfa, 0x13, 0x63, 0xeb,
    0x17, 0x0d, 0xdd, 0x51, 0xb7, 0xf0, 0xda, 0x49, 0xd3, 0x16, 0x55, 0x26, 0x29, 0xd4, 0x68, 0x9e,
    0x2b, 0x16, 0xbe, 0x58, 0x7d, 0x47, 0xa1, 0xfc, 0x8f, 0xf8, 0xb8, 0xd1, 0x7a, 0xd0, 0x31, 0xce,
    0x45, 0xcb, 0x3a, 0x8f, 0x95, 0x16, 0x04, 0x28, 0xaf, 0xd7, 0xfb, 0xca, 0xbb, 0x4b, 0x40, 0x7e,
]

/// The secret that XXH3 derives from the default one and a seed for inputs of more than 240 bytes: the seed is added to every even word of 64 bits
/// and taken from every odd one.
func secret(derivedFrom seed: UInt64) -> [UInt8] {
    stride(from: 0, to: defaultSecret.count, by: 8).flatMap { offset -> [UInt8] in
        let word = defaultSecret.withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: UInt64.self)) }
        let derived = (offset / 8).isMultiple(of: 2) ? word &+ seed : word &- seed
        return withUnsafeBytes(of: derived.littleEndian, Array.init)
    }
}
