//! Bytes in and out of cellstate.
//!
//! | module | job |
//! |---|---|
//! | [`safetensors`] | the container: a strict reader and a deterministic writer of safetensors bytes |
//! | [`model_file`] | what a cellstate model puts into the container |
//! | [`digest`] | the SHA-256 that names a set of parameters |
//! | [`durable`] | files that are replaced as a whole, or not at all |
//!
//! Every reader here takes bytes that nobody vouches for. Any bytes give a value or an [`Error`]:
//! no panic, no abort, no loop. A length is compared with the bytes that are there before
//! anything is allocated for it, and what a file sizes is reserved with `try_reserve`.
//!
//! ```
//! use std::collections::BTreeMap;
//! use cellstate_formats::{Limits, ModelFile, Parameter, ReadOptions, FORMAT_VERSION};
//!
//! let model = ModelFile {
//!     format_version: FORMAT_VERSION,
//!     created_by: "0.1.0".to_owned(),
//!     config: r#"{"layers":[]}"#.to_owned(),
//!     parameters: vec![Parameter { name: "bias".to_owned(), shape: vec![2], values: vec![0.5, -1.0] }],
//!     documents: BTreeMap::from([("labels".to_owned(), r#"["neg","pos"]"#.to_owned())]),
//!     state: Vec::new(),
//! };
//! let bytes = model.to_bytes()?;
//! let read = ModelFile::from_bytes(&bytes, &Limits::default(), ReadOptions::default())?;
//! assert_eq!(read, model);
//! # Ok::<(), cellstate_formats::Error>(())
//! ```

#![forbid(unsafe_code)]

use std::fmt;
use std::io;
use std::path::PathBuf;

pub mod digest;
pub mod durable;
mod json;
pub mod model_file;
pub mod safetensors;

pub use digest::parameters_sha256;
pub use durable::{check_writable, read_bounded, write_atomic, PathProblem, Step};
pub use model_file::{ModelFile, Parameter, ReadOptions, FORMAT_VERSION};
pub use safetensors::Limits;

/// Everything that can be wrong with a file, with what was to be written into one, or with the
/// storage below.
///
/// Offsets count bytes from the start of the file. Texts taken from a file are shortened and
/// escaped when they are shown.
#[derive(Debug)]
pub enum Error {
    /// A count or a length is above one of the [`Limits`].
    TooLarge {
        /// What was counted, as in `rank of tensor "a"`.
        what: String,
        /// The count that came.
        found: u64,
        /// The largest count allowed.
        limit: u64,
        /// The field of [`Limits`] to raise.
        limit_name: &'static str,
    },
    /// The file ends before what its first bytes announce.
    Truncated {
        /// Length of the file.
        found: u64,
        /// Length the file should have at least.
        expected: u64,
        /// The first tensor that is cut, where the header is whole.
        tensor: Option<String>,
    },
    /// Bytes follow the last tensor.
    TrailingBytes {
        /// Length of the file.
        found: u64,
        /// Where the last tensor ends.
        expected: u64,
    },
    /// Text that should be JSON of a certain form is not.
    Json {
        /// `header`, `config` or the name of a document.
        place: String,
        /// Where: in the file for the header, in the text itself otherwise.
        offset: u64,
        /// What was expected and what came.
        problem: String,
    },
    /// A name appears twice.
    Duplicate {
        /// What has the name, as in `tensor` or `metadata field`.
        what: &'static str,
        /// The name.
        name: String,
        /// Where the second one starts, if it came from a file.
        offset: Option<u64>,
    },
    /// A name is empty.
    NoName {
        /// What should have a name, as in [`Error::Duplicate`].
        what: &'static str,
        /// Where it is, if it came from a file.
        offset: Option<u64>,
    },
    /// A tensor has a dtype that this crate does not read.
    Dtype {
        /// The tensor.
        tensor: String,
        /// Its dtype.
        found: String,
    },
    /// A tensor cannot be what it says or what it is used for.
    Tensor {
        /// The tensor.
        tensor: String,
        /// What was expected and what came.
        problem: String,
    },
    /// Bytes between two tensors belong to neither.
    Gap {
        /// The tensor after the gap.
        tensor: String,
        /// Where it starts.
        found: u64,
        /// Where the tensor before it ends.
        expected: u64,
    },
    /// Two tensors share bytes.
    Overlap {
        /// The tensor that starts inside the other.
        tensor: String,
        /// The tensor that starts first.
        other: String,
        /// Where `tensor` starts.
        found: u64,
        /// Where `other` ends.
        expected: u64,
    },
    /// A field of `__metadata__` is missing, unknown or malformed.
    Metadata {
        /// The field.
        field: String,
        /// What was expected.
        expected: String,
        /// What came.
        found: String,
    },
    /// The content does not have the checksum that the file states.
    Checksum {
        /// The SHA-256 the file states, in hexadecimal digits.
        stated: String,
        /// The SHA-256 of the content.
        computed: String,
    },
    /// The safetensors file of another program.
    NotCellstate {
        /// Its tensors and metadata in short.
        contents: String,
    },
    /// The file was written by a later version in a format that this one does not know.
    NewerFormat {
        /// Format version of the file.
        file: u32,
        /// Newest format version that this version reads.
        supported: u32,
        /// Package version that wrote the file.
        created_by: String,
    },
    /// A parameter is not a finite number.
    NonFinite {
        /// The parameter tensor.
        tensor: String,
        /// Position in the tensor's values.
        index: usize,
        /// The value: an infinity or not a number.
        value: f32,
    },
    /// Memory for a length that is valid was not available.
    OutOfMemory {
        /// What the memory was for.
        what: String,
        /// How much was asked for.
        bytes: u64,
    },
    /// The path is not one that can be read from or written to.
    Path {
        /// The path.
        path: PathBuf,
        /// What is wrong with it.
        problem: PathProblem,
    },
    /// The operating system refused a step of reading or writing a file.
    Io {
        /// The step.
        step: Step,
        /// The file, or the folder for steps on the folder.
        path: PathBuf,
        /// The refusal.
        source: io::Error,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::TooLarge { what, found, limit, limit_name } => {
                write!(f, "{what} is {found}, expected at most {limit} (limit {limit_name})")
            }
            Error::Truncated { found, expected, tensor } => {
                write!(f, "the file has {found} bytes, expected {expected}: its end is missing")?;
                match tensor {
                    Some(tensor) => write!(f, ", from tensor {} on", quote(tensor)),
                    None => Ok(()),
                }
            }
            Error::TrailingBytes { found, expected } => write!(
                f,
                "the file has {found} bytes, expected {expected}: something follows the last tensor"
            ),
            Error::Json { place, offset, problem } => {
                write!(f, "{place} is not valid at byte {offset}: {problem}")
            }
            Error::Duplicate { what, name, offset } => {
                write!(f, "{what} {} appears twice", quote(name))?;
                match offset {
                    Some(offset) => write!(f, ", again at byte {offset}"),
                    None => Ok(()),
                }
            }
            Error::NoName { what, offset } => {
                write!(f, "{what} with an empty name")?;
                if let Some(offset) = offset {
                    write!(f, " at byte {offset}")?;
                }
                f.write_str(", expected 1 byte or more")
            }
            Error::Dtype { tensor, found } => write!(
                f,
                "tensor {} has dtype {}, supported are F32 and U8",
                quote(tensor),
                quote(found)
            ),
            Error::Tensor { tensor, problem } => write!(f, "tensor {} {problem}", quote(tensor)),
            Error::Gap { tensor, found, expected } => write!(
                f,
                "tensor {} starts at byte {found}, expected {expected}: the bytes between belong to no tensor",
                quote(tensor)
            ),
            Error::Overlap { tensor, other, found, expected } => write!(
                f,
                "tensor {} starts at byte {found}, expected {expected}: tensor {} occupies the bytes before",
                quote(tensor),
                quote(other)
            ),
            Error::Metadata { field, expected, found } => {
                write!(f, "metadata field {} is {found}, expected {expected}", quote(field))
            }
            Error::Checksum { stated, computed } => write!(
                f,
                "the file states checksum {stated}, its content has {computed}: it is damaged or was changed by another program"
            ),
            Error::NotCellstate { contents } => {
                write!(f, "expected a cellstate model, found a safetensors file with {contents}")
            }
            Error::NewerFormat { file, supported, created_by } => write!(
                f,
                "made by cellstate {created_by} with format {file}, this version reads up to format {supported}"
            ),
            Error::NonFinite { tensor, index, value } => {
                write!(f, "tensor {} has {value} at index {index}, expected a finite number", quote(tensor))
            }
            Error::OutOfMemory { what, bytes } => {
                write!(f, "{bytes} bytes of memory for {what} are not available")
            }
            Error::Path { path, problem } => write!(f, "{}: {problem}", path.display()),
            Error::Io { step, path, source } => {
                write!(f, "{}: could not {step}: {source}", path.display())
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// Characters of a foreign text that an error keeps.
const SHOWN_CHARACTERS: usize = 80;

/// `text`, cut to [`SHOWN_CHARACTERS`].
fn clip(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARACTERS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// `text` in quotation marks, cut, with control characters escaped.
fn quote(text: &str) -> String {
    format!("{:?}", clip(text))
}

/// An empty vector with room for exactly `length` elements.
fn reserved<T>(length: usize, what: &str) -> Result<Vec<T>, Error> {
    let mut vector = Vec::new();
    vector.try_reserve_exact(length).map_err(|_| Error::OutOfMemory {
        what: what.to_owned(),
        bytes: (length as u64).saturating_mul(size_of::<T>() as u64),
    })?;
    Ok(vector)
}
