//! The safetensors container, strictly.
//!
//! ```text
//! 8 bytes   length of the header, little endian
//! header    {"__metadata__":{…},"name":{"data_offsets":[begin,end],"dtype":"F32","shape":[2,3]},…}
//! payload   the tensors' little-endian bytes; offsets count from its start
//! ```
//!
//! The format is Hugging Face's (<https://github.com/huggingface/safetensors>). Two things are
//! narrower here, so that one content has one file and no two parsers read a file differently:
//!
//! 1. The writer is deterministic: `__metadata__` first, then every key sorted by its bytes, no
//!    white space; tensors lie sorted by descending alignment (F32 before U8), then by name. Spaces
//!    fill the header to a multiple of 8, so F32 values start at a multiple of 4 in the file.
//! 2. The reader wants every byte of the payload in exactly one tensor, and refuses duplicate keys,
//!    unknown fields, empty tensors, unknown dtypes and whatever exceeds [`Limits`].
//!
//! The writer adds `"checksum":"sha256:…"` to the metadata: the SHA-256 of the whole file with the
//! 64 digits of the checksum itself replaced by zeros. [`read`] requires it; [`read_plain`] also
//! takes the files of other programs, which have none.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::digest::hexadecimal;
use crate::{quote, reserved, Error};

mod reader;
mod writer;

use reader::Header;
pub(crate) use writer::{write_sources, Elements, Source};

/// Bytes before the header: its length.
const LENGTH_BYTES: usize = 8;
const METADATA: &str = "__metadata__";
pub(crate) const CHECKSUM: &str = "checksum";
const CHECKSUM_PREFIX: &str = "sha256:";
/// The field while the checksum is computed.
const NO_CHECKSUM: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
/// Hexadecimal digits of a SHA-256.
const CHECKSUM_DIGITS: usize = 64;

/// What a file may ask for. Every reader takes the limits; the writer keeps the defaults, except
/// for the size of the file, so that what was trained can always be saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the file: 4 GiB.
    pub file_bytes: u64,
    /// Bytes of the header: 16 MiB. (The reference implementation allows 100 MB, for models of a
    /// thousand times more tensors.)
    pub header_bytes: u64,
    /// Tensors: 4,096.
    pub tensors: usize,
    /// Dimensions of a tensor: 8.
    pub rank: usize,
    /// Bytes of the name of a tensor or of a metadata field: 256.
    pub name_bytes: usize,
    /// Fields of `__metadata__`: 1,024. (Millions of empty fields fit in a header and need many
    /// times its size in memory.)
    pub metadata_fields: usize,
    /// Brackets open at once in a JSON text: 64.
    pub json_depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            file_bytes: 4 << 30,
            header_bytes: 16 << 20,
            tensors: 4096,
            rank: 8,
            name_bytes: 256,
            metadata_fields: 1024,
            json_depth: 64,
        }
    }
}

/// The type of a tensor's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dtype {
    /// IEEE single precision, little endian.
    F32,
    /// Bytes.
    U8,
}

impl Dtype {
    /// The name in the header.
    pub fn name(self) -> &'static str {
        match self {
            Dtype::F32 => "F32",
            Dtype::U8 => "U8",
        }
    }

    /// Bytes of one element.
    pub fn bytes(self) -> usize {
        match self {
            Dtype::F32 => 4,
            Dtype::U8 => 1,
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Dtype::F32, Dtype::U8].into_iter().find(|dtype| dtype.name() == name)
    }
}

/// A named array whose bytes are borrowed: from the file when read, from the caller when written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor<'a> {
    /// Unique name, 1 to 256 bytes, not `__metadata__`.
    pub name: String,
    /// Type of the elements.
    pub dtype: Dtype,
    /// Length of each dimension, none of them 0; empty for a single element.
    pub shape: Vec<usize>,
    /// The elements in row-major order, little endian: product of `shape` × `dtype.bytes()` bytes.
    pub data: &'a [u8],
}

impl Tensor<'_> {
    /// The values of an F32 tensor.
    ///
    /// # Errors
    ///
    /// [`Error::Tensor`] for another dtype, [`Error::OutOfMemory`].
    pub fn values(&self) -> Result<Vec<f32>, Error> {
        if self.dtype != Dtype::F32 {
            return Err(Error::Tensor {
                tensor: self.name.clone(),
                problem: format!("has dtype {}, expected F32", self.dtype.name()),
            });
        }
        let mut values = reserved(self.data.len() / 4, "a tensor")?;
        values.extend(
            self.data.chunks_exact(4).map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])),
        );
        Ok(values)
    }
}

/// The content of a safetensors file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File<'a> {
    /// `__metadata__`, with the checksum if there is one.
    pub metadata: BTreeMap<String, String>,
    /// The tensors, sorted by the bytes of their names.
    pub tensors: Vec<Tensor<'a>>,
}

impl<'a> File<'a> {
    /// The tensor of that name.
    pub fn tensor(&self, name: &str) -> Option<&Tensor<'a>> {
        let index = self.tensors.binary_search_by(|tensor| tensor.name.as_str().cmp(name)).ok()?;
        Some(&self.tensors[index])
    }
}

/// Reads a file that says `"format":"cellstate"` in its metadata and verifies its checksum.
///
/// # Errors
///
/// [`Error::NotCellstate`] with a list of the content for a file of another program; otherwise the
/// first thing that is wrong.
pub fn read<'a>(bytes: &'a [u8], limits: &Limits) -> Result<File<'a>, Error> {
    read_checked(bytes, limits, |_| Ok(()))
}

/// [`read`], with a look at the metadata before anything that depends on the format's version.
pub(crate) fn read_checked<'a>(
    bytes: &'a [u8],
    limits: &Limits,
    look: impl FnOnce(&BTreeMap<String, String>) -> Result<(), Error>,
) -> Result<File<'a>, Error> {
    let header = Header::parse(bytes, limits)?;
    if !header.is_cellstate() {
        return Err(Error::NotCellstate { contents: header.contents() });
    }
    look(&header.metadata)?;
    header.into_verified_file(bytes)
}

/// Reads any safetensors file of F32 and U8 tensors. The checksum is verified if the file says
/// `"format":"cellstate"`.
///
/// # Errors
///
/// The first thing that is wrong.
pub fn read_plain<'a>(bytes: &'a [u8], limits: &Limits) -> Result<File<'a>, Error> {
    let header = Header::parse(bytes, limits)?;
    if header.is_cellstate() {
        header.into_verified_file(bytes)
    } else {
        header.into_file(bytes)
    }
}

/// Writes tensors, in any order, and metadata to the bytes of a file.
///
/// The same tensors and metadata give the same bytes. The metadata field `checksum` is set here.
///
/// # Errors
///
/// A tensor whose data do not fit its shape, an empty or repeated one, a name that cannot be used,
/// anything above the default [`Limits`] but the size of the file; [`Error::OutOfMemory`].
pub fn write(tensors: &[Tensor<'_>], metadata: &BTreeMap<String, String>) -> Result<Vec<u8>, Error> {
    let sources = tensors
        .iter()
        .map(|tensor| Source {
            name: &tensor.name,
            dtype: tensor.dtype,
            shape: &tensor.shape,
            elements: Elements::Bytes(tensor.data),
        })
        .collect();
    let fields = metadata.iter().map(|(field, value)| (field.as_str(), value.as_str())).collect();
    write_sources(sources, fields)
}

/// `Err` if `found` is above `limit`.
fn at_most(what: impl FnOnce() -> String, found: u64, limit: u64, limit_name: &'static str) -> Result<(), Error> {
    if found > limit {
        return Err(Error::TooLarge { what: what(), found, limit, limit_name });
    }
    Ok(())
}

/// Bytes of a tensor of that shape, or what is wrong with the shape.
fn size_in_bytes(shape: &[u64], dtype: Dtype) -> Result<u64, String> {
    if shape.contains(&0) {
        return Err(format!("has shape {shape:?}, expected no dimension of 0"));
    }
    shape
        .iter()
        .try_fold(dtype.bytes() as u64, |size, &dimension| size.checked_mul(dimension))
        .ok_or_else(|| format!("has shape {shape:?}, expected less than 2^64 bytes of {}", dtype.name()))
}

/// SHA-256 of `bytes` with the digits at `digits..digits + 64` read as zeros.
fn checksum(bytes: &[u8], digits: usize) -> String {
    let mut hash = Sha256::new();
    hash.update(&bytes[..digits]);
    hash.update(&NO_CHECKSUM[CHECKSUM_PREFIX.len()..]);
    hash.update(&bytes[digits + CHECKSUM_DIGITS..]);
    hexadecimal(&hash.finalize())
}

/// The name of a tensor or of a metadata field (`what`) has 1 to `limits.name_bytes` bytes.
fn check_name(what: &'static str, name: &str, limits: &Limits, offset: Option<u64>) -> Result<(), Error> {
    if name.is_empty() {
        return Err(Error::NoName { what, offset });
    }
    at_most(
        || format!("length in bytes of the name {}", quote(name)),
        name.len() as u64,
        limits.name_bytes as u64,
        "name_bytes",
    )
}

/// A shape as compact JSON: `[2500,128]`.
pub(crate) fn shape_as_json(shape: &[usize]) -> String {
    let dimensions: Vec<String> = shape.iter().map(usize::to_string).collect();
    format!("[{}]", dimensions.join(","))
}
