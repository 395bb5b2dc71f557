//! Blocks of files and packed rows.

use half::f16;

use super::super::block::scale_and_min;
use super::super::{Format, Keep, KernelError, Packed};
use super::{Numbers, cpu, tiers};

const ALL: [Format; 11] = [
    Format::F32,
    Format::F16,
    Format::BF16,
    Format::Q4_0,
    Format::Q4_1,
    Format::Q5_0,
    Format::Q5_1,
    Format::Q8_0,
    Format::Q4_K,
    Format::Q5_K,
    Format::Q6_K,
];

/// Forms whose packed values are the file's exactly.
const EXACT: [Format; 7] = [
    Format::F32,
    Format::F16,
    Format::BF16,
    Format::Q4_0,
    Format::Q5_0,
    Format::Q8_0,
    Format::Q4_K,
];

#[test]
fn scales_of_the_upper_blocks_of_q4_k_take_their_high_bits_from_two_places() {
    // Scale j and minimum j written one by one into the twelve bytes as the format defines them.
    let scales = [1_u8, 2, 3, 63, 0b11_0101, 0b10_1111, 0b01_0000, 0b11_1111];
    let mins = [63_u8, 5, 0, 17, 0b01_1010, 0b11_0001, 0b10_0110, 0b00_1111];
    let mut packed = [0_u8; 12];
    for j in 0..4 {
        packed[j] = scales[j] | ((scales[j + 4] >> 4) << 6);
        packed[j + 4] = mins[j] | ((mins[j + 4] >> 4) << 6);
        packed[j + 8] = (scales[j + 4] & 15) | ((mins[j + 4] & 15) << 4);
    }
    for j in 0..8 {
        assert_eq!(scale_and_min(j, &packed), (scales[j], mins[j]), "block {j}");
    }
}

#[test]
fn a_q4_k_block_written_by_hand_has_the_values_of_its_formula() {
    let mut block = [0_u8; 144];
    block[..2].copy_from_slice(&f16::from_f32(0.5).to_le_bytes());
    block[2..4].copy_from_slice(&f16::from_f32(0.25).to_le_bytes());
    // Block 5: scale 0b110011 (51), minimum 0b100001 (33).
    block[4 + 1] = 0b11 << 6;
    block[4 + 5] = 0b10 << 6;
    block[4 + 9] = 0b0011 | (0b0001 << 4);
    // Values 160.. are the high nibbles of bytes 64..96 of the quants.
    block[16 + 64] = 9 << 4;
    let mut out = [0.0; 256];
    Format::Q4_K.dequantise(&block, &mut out);
    assert_eq!(
        out[160].to_bits(),
        (0.5_f32 * 51.0 * 9.0 - 0.25 * 33.0).to_bits()
    );
    assert_eq!(out[161].to_bits(), (-0.25_f32 * 33.0).to_bits());
    assert_eq!(out[0].to_bits(), 0.0_f32.to_bits());
}

#[test]
fn a_q6_k_block_written_by_hand_has_the_values_of_its_formula() {
    let mut block = [0_u8; 210];
    block[208..].copy_from_slice(&f16::from_f32(0.5).to_le_bytes());
    // Value 128 + 100: second half, quarter 3, column 4; low bits in byte 64 + 32 + 4 (high nibble), high bits 6–7.
    block[64 + 36] = 0b1010 << 4;
    block[128 + 32 + 4] = 0b11 << 6;
    block[192 + 8 + 6] = (-3_i8).cast_unsigned();
    let mut out = [0.0; 256];
    Format::Q6_K.dequantise(&block, &mut out);
    assert_eq!(
        out[228].to_bits(),
        (0.5_f32 * -3.0 * (58.0 - 32.0)).to_bits()
    );
}

#[test]
fn a_packed_row_gives_back_what_the_file_said() {
    let mut numbers = Numbers::new(1);
    let processor = cpu(tiers()[0], 2);
    for format in ALL {
        for rows in [1, 16, 37] {
            let columns = if format.block_len() == 1 {
                35
            } else {
                3 * format.block_len()
            };
            let columns = if format == Format::Q8_0 { 224 } else { columns };
            let bytes = numbers.blocks(format, rows, columns);
            if matches!(format, Format::F32 | Format::F16 | Format::BF16)
                || EXACT.contains(&format)
                || columns % 32 == 0
            {
                let packed =
                    Packed::from_bytes(format, rows, columns, &bytes, Keep::Stored, &processor)
                        .unwrap();
                let mut expected = vec![0.0; rows * columns];
                format.dequantise(&bytes, &mut expected);
                let mut row = vec![0.0; columns];
                for (r, expected) in expected.chunks(columns).enumerate() {
                    packed.row(r, &mut row).unwrap();
                    for (block, (got, want)) in row.chunks(32).zip(expected.chunks(32)).enumerate()
                    {
                        let most = want.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
                        let allowed = if EXACT.contains(&format) {
                            0.0
                        } else {
                            most / 250.0
                        };
                        for (got, want) in got.iter().zip(want) {
                            assert!(
                                (got - want).abs() <= allowed,
                                "{format:?} row {r} block {block}: {got} {want}"
                            );
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn quantising_on_request_stays_within_half_a_step() {
    let mut numbers = Numbers::new(2);
    let processor = cpu(tiers()[0], 1);
    let w = numbers.normals(3 * 96);
    for (keep, part) in [
        (Keep::Q8_0, 1.0 / 250.0),
        (Keep::Q4_0, 1.0 / 7.9),
        (Keep::BF16, 1.0 / 256.0),
    ] {
        let packed = Packed::from_f32(3, 96, &w, keep, &processor).unwrap();
        let mut row = vec![0.0; 96];
        for (r, w) in w.chunks(96).enumerate() {
            packed.row(r, &mut row).unwrap();
            for (got, want) in row.chunks(32).zip(w.chunks(32)) {
                let most = want.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
                assert!(
                    got.iter()
                        .zip(want)
                        .all(|(a, b)| (a - b).abs() <= part * most),
                    "{keep:?}"
                );
            }
        }
    }
}

#[test]
fn huge_and_tiny_weights_are_quantised_to_finite_values() {
    let processor = cpu(tiers()[0], 1);
    let mut w = vec![1e38_f32; 32];
    w.extend([1e-38; 32]);
    w.extend([0.0; 32]);
    for keep in [Keep::Q8_0, Keep::Q4_0] {
        let packed = Packed::from_f32(1, 96, &w, keep, &processor).unwrap();
        let mut row = vec![0.0; 96];
        packed.row(0, &mut row).unwrap();
        assert!(row.iter().all(|v| v.is_finite()));
        assert!(row[32..].iter().all(|v| v.abs() < 1e-6));
    }
}

#[test]
fn sizes_that_do_not_fit_are_refused() {
    let processor = cpu(tiers()[0], 1);
    let new = |rows, columns, bytes: usize| {
        Packed::from_bytes(
            Format::Q8_0,
            rows,
            columns,
            &vec![0; bytes],
            Keep::Stored,
            &processor,
        )
    };
    assert!(matches!(new(1, 33, 34), Err(KernelError::Block { .. })));
    assert!(matches!(new(1, 32, 33), Err(KernelError::Shape { .. })));
    assert!(matches!(
        new(usize::MAX, 64, 34),
        Err(KernelError::TooLarge)
    ));
    assert!(matches!(new(0, 32, 0), Err(KernelError::Shape { .. })));
    assert!(matches!(
        Packed::from_f32(1, 33, &[0.0; 33], Keep::Q8_0, &processor),
        Err(KernelError::Block { .. })
    ));
    let packed = new(2, 32, 68).unwrap();
    assert!(packed.row(2, &mut [0.0; 32]).is_err());
    assert!(packed.row(0, &mut [0.0; 31]).is_err());
}

#[test]
fn memory_is_what_the_layouts_say() {
    let processor = cpu(tiers()[0], 1);
    let zeros = vec![0.0; 33 * 256];
    let bytes = |keep| {
        Packed::from_f32(33, 256, &zeros, keep, &processor)
            .unwrap()
            .bytes()
    };
    assert_eq!(bytes(Keep::Q8_0), 3 * 4 * 1088);
    assert_eq!(bytes(Keep::Q4_0), 3 * 4 * 576);
    assert_eq!(bytes(Keep::F32), 64 * 256 * 4);
    assert_eq!(bytes(Keep::BF16), 64 * 256 * 2);
    let four = Packed::from_bytes(
        Format::Q4_K,
        33,
        256,
        &vec![0; 33 * 144],
        Keep::Stored,
        &processor,
    )
    .unwrap();
    assert_eq!(four.bytes(), 3 * 2368);
}
