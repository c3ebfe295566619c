//! The SHA-256 that names a set of parameters: the `sha256` that `train` prints and `inspect`
//! shows. It depends on the parameters alone, so the same weights have the same digest in whatever
//! file they lie.

use sha2::{Digest, Sha256};

use crate::safetensors::{shape_as_json, Dtype};

/// Bytes converted at once: small enough for the first-level cache.
const BLOCK_BYTES: usize = 16 * 1024;

/// The SHA-256, as 64 lower-case hexadecimal digits, over the parameters sorted by the bytes of
/// their names; for each one, without separators: the name, `F32`, the shape as compact JSON
/// (`[2500,128]`), the values in row-major order as little-endian bytes.
///
/// `parameters` yields name, shape and values in any order.
pub fn parameters_sha256<'a>(parameters: impl IntoIterator<Item = (&'a str, &'a [usize], &'a [f32])>) -> String {
    let mut sorted: Vec<_> = parameters.into_iter().collect();
    sorted.sort_by(|left, right| left.0.cmp(right.0));
    let mut hash = Sha256::new();
    let mut block = [0; BLOCK_BYTES];
    for (name, shape, values) in sorted {
        hash.update(name);
        hash.update(Dtype::F32.name());
        hash.update(shape_as_json(shape));
        for values in values.chunks(BLOCK_BYTES / 4) {
            let block = &mut block[..size_of_val(values)];
            for (bytes, value) in block.chunks_exact_mut(4).zip(values) {
                bytes.copy_from_slice(&value.to_le_bytes());
            }
            hash.update(block);
        }
    }
    hexadecimal(&hash.finalize())
}

/// Lower-case hexadecimal digits of `bytes`.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
