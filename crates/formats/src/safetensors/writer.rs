//! From tensors to bytes.

use std::collections::BTreeMap;

use super::{
    at_most, check_name, checksum, shape_as_json, size_in_bytes, Dtype, Limits, CHECKSUM, CHECKSUM_DIGITS,
    CHECKSUM_PREFIX, LENGTH_BYTES, METADATA, NO_CHECKSUM,
};
use crate::{quote, reserved, Error};

/// The header is filled with spaces to a multiple of this.
const HEADER_ALIGNMENT: usize = 8;

/// The elements of a tensor to write.
pub(crate) enum Elements<'a> {
    /// Little-endian bytes.
    Bytes(&'a [u8]),
    /// F32 values.
    Values(&'a [f32]),
}

/// A tensor to write.
pub(crate) struct Source<'a> {
    pub(crate) name: &'a str,
    pub(crate) dtype: Dtype,
    pub(crate) shape: &'a [usize],
    pub(crate) elements: Elements<'a>,
}

impl Source<'_> {
    /// Bytes of the elements that are there.
    fn len(&self) -> usize {
        match self.elements {
            Elements::Bytes(bytes) => bytes.len(),
            Elements::Values(values) => size_of_val(values),
        }
    }

    /// Writes the elements to `out`, which is as long as they are.
    fn copy_to(&self, out: &mut [u8]) {
        match self.elements {
            Elements::Bytes(bytes) => out.copy_from_slice(bytes),
            Elements::Values(values) => {
                for (out, value) in out.chunks_exact_mut(4).zip(values) {
                    out.copy_from_slice(&value.to_le_bytes());
                }
            }
        }
    }
}

/// [`super::write`] for tensors that may also be given as values.
pub(crate) fn write_sources(
    mut sources: Vec<Source<'_>>,
    mut metadata: BTreeMap<&str, &str>,
) -> Result<Vec<u8>, Error> {
    sources.sort_by(|left, right| left.name.cmp(right.name));
    let limits = Limits::default();
    check_sources(&sources, &limits)?;

    metadata.insert(CHECKSUM, NO_CHECKSUM);
    let fields = metadata.len() as u64;
    at_most(|| "number of metadata fields".to_owned(), fields, limits.metadata_fields as u64, "metadata_fields")?;
    // Compared before the text is built: a value of any size can come from the caller.
    let text: u64 = metadata.iter().map(|(field, value)| (field.len() + value.len()) as u64).sum();
    at_most(|| "length of the metadata in bytes".to_owned(), text, limits.header_bytes, "header_bytes")?;

    let mut order: Vec<usize> = (0..sources.len()).collect();
    // Stable: by name within a dtype.
    order.sort_by_key(|&index| std::cmp::Reverse(sources[index].dtype.bytes()));
    let mut begins = vec![0; sources.len()];
    let mut payload = 0usize;
    for &index in &order {
        begins[index] = payload;
        payload = payload.checked_add(sources[index].len()).ok_or_else(|| out_of_memory(u64::MAX))?;
    }

    // The length comes last.
    let mut header = vec![0; LENGTH_BYTES];
    header.extend_from_slice(b"{\"__metadata__\":{");
    let mut digits = 0;
    for (index, (field, value)) in metadata.iter().enumerate() {
        check_name("metadata field", field, &limits, None)?;
        if index > 0 {
            header.push(b',');
        }
        push_string(&mut header, field);
        header.push(b':');
        if *field == CHECKSUM {
            digits = header.len() + 1 + CHECKSUM_PREFIX.len();
        }
        push_string(&mut header, value);
    }
    header.push(b'}');
    for (source, begin) in sources.iter().zip(&begins) {
        header.push(b',');
        push_string(&mut header, source.name);
        let shape = shape_as_json(source.shape);
        let (end, dtype) = (begin + source.len(), source.dtype.name());
        let entry = format!(":{{\"data_offsets\":[{begin},{end}],\"dtype\":\"{dtype}\",\"shape\":{shape}}}");
        header.extend_from_slice(entry.as_bytes());
    }
    header.push(b'}');
    header.resize(header.len().next_multiple_of(HEADER_ALIGNMENT), b' ');
    let length = (header.len() - LENGTH_BYTES) as u64;
    at_most(|| "length of the header in bytes".to_owned(), length, limits.header_bytes, "header_bytes")?;
    header[..LENGTH_BYTES].copy_from_slice(&length.to_le_bytes());

    let size = header.len().checked_add(payload).ok_or_else(|| out_of_memory(u64::MAX))?;
    let mut bytes = reserved(size, "the file")?;
    bytes.extend_from_slice(&header);
    bytes.resize(size, 0);
    for (source, begin) in sources.iter().zip(&begins) {
        let begin = header.len() + begin;
        source.copy_to(&mut bytes[begin..begin + source.len()]);
    }
    let sum = checksum(&bytes, digits);
    bytes[digits..digits + CHECKSUM_DIGITS].copy_from_slice(sum.as_bytes());
    Ok(bytes)
}

fn out_of_memory(bytes: u64) -> Error {
    Error::OutOfMemory { what: "the file".to_owned(), bytes }
}

/// Refuses what [`super::read`] would refuse; `sources` are sorted by name.
fn check_sources(sources: &[Source<'_>], limits: &Limits) -> Result<(), Error> {
    at_most(|| "number of tensors".to_owned(), sources.len() as u64, limits.tensors as u64, "tensors")?;
    for (index, source) in sources.iter().enumerate() {
        let wrong = |problem: String| Error::Tensor { tensor: source.name.to_owned(), problem };
        check_name("tensor", source.name, limits, None)?;
        if source.name == METADATA {
            return Err(wrong("has the name of the metadata, expected another one".to_owned()));
        }
        if index > 0 && sources[index - 1].name == source.name {
            return Err(Error::Duplicate { what: "tensor", name: source.name.to_owned(), offset: None });
        }
        let what = || format!("rank of tensor {}", quote(source.name));
        at_most(what, source.shape.len() as u64, limits.rank as u64, "rank")?;
        let shape: Vec<u64> = source.shape.iter().map(|&dimension| dimension as u64).collect();
        let size = size_in_bytes(&shape, source.dtype).map_err(wrong)?;
        if source.len() as u64 != size {
            let (found, dtype) = (source.len(), source.dtype.name());
            return Err(wrong(format!("has {found} bytes of data, expected {size} for {dtype} {shape:?}")));
        }
    }
    Ok(())
}

/// Appends `text` as a JSON string.
fn push_string(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("a string can be written to memory");
}
