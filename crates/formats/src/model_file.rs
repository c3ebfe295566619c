//! The model file: what a cellstate model puts into a safetensors file.
//!
//! | in the model | in the file |
//! |---|---|
//! | a parameter | an F32 tensor of the same name and shape |
//! | a document: tokenizer, labels, scaling, training card | a U8 tensor `document.<name>` of rank 1: its JSON text |
//! | what a training keeps to go on: moments, best parameters | an F32 tensor `state:<name>`, in checkpoints only |
//! | the architecture | `__metadata__.config`: JSON text |
//! | – | `__metadata__.format` = `cellstate`, `.format_version`, `.created_by`, `.checksum` |
//!
//! Time, machine and thread count are no part of it: the same model is the same file.
//!
//! The format version grows by one whenever a file is written that this version could not read: a
//! field or a dtype more is enough. Every older version stays readable.

use std::collections::BTreeMap;

use crate::digest::parameters_sha256;
use crate::safetensors::{self, Dtype, Elements, Limits, Source, Tensor, CHECKSUM};
use crate::{json, quote, Error};

/// The format version that [`ModelFile::to_bytes`] writes, and the newest that
/// [`ModelFile::from_bytes`] reads.
pub const FORMAT_VERSION: u32 = 1;

/// What the tensor of a document is called before its name.
const DOCUMENT_PREFIX: &str = "document.";
/// What a tensor that training keeps is called before its name.
const STATE_PREFIX: &str = "state:";
/// Characters of a package version that are plausible.
const VERSION_CHARACTERS: usize = 64;
const FORMAT: &str = "format";
const FORMAT_VERSION_FIELD: &str = "format_version";
const CREATED_BY: &str = "created_by";
const CONFIG: &str = "config";

/// A trained array.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Stable name, unique in the model; it does not start with `document.` or `state:`.
    pub name: String,
    /// Length of each dimension, none of them 0.
    pub shape: Vec<usize>,
    /// The values in row-major order: as many as the product of `shape`.
    pub values: Vec<f32>,
}

/// The content of a model file.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelFile {
    /// Version of the format, from 1 to [`FORMAT_VERSION`]; only [`FORMAT_VERSION`] is written.
    pub format_version: u32,
    /// Version of the package that wrote the file, like `1.4.0`.
    pub created_by: String,
    /// The architecture as JSON text. It goes into the header: at most 16 MiB with its escapes.
    pub config: String,
    /// The parameters, in any order to write, sorted by the bytes of their names when read.
    pub parameters: Vec<Parameter>,
    /// JSON texts by name.
    pub documents: BTreeMap<String, String>,
    /// What a training keeps beside the parameters, in any order to write, sorted as these when read. Any values.
    pub state: Vec<Parameter>,
}

/// What [`ModelFile::from_bytes`] lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReadOptions {
    /// Accept parameters that are infinite or not a number. Default: false.
    pub allow_non_finite: bool,
}

impl ModelFile {
    /// The bytes of the file. The same model gives the same bytes.
    ///
    /// # Errors
    ///
    /// [`Error::NonFinite`] for the first value that is not finite, [`Error::Json`] for a
    /// configuration or a document that is not JSON, and what [`safetensors::write`] refuses.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        if self.format_version != FORMAT_VERSION {
            return Err(Error::Metadata {
                field: FORMAT_VERSION_FIELD.to_owned(),
                expected: format!("{FORMAT_VERSION}, the only one that is written"),
                found: self.format_version.to_string(),
            });
        }
        check_created_by(&self.created_by)?;
        let limits = Limits::default();
        json::check(CONFIG, &self.config, limits.json_depth)?;

        let documents: Vec<(String, &str)> =
            self.documents.iter().map(|(name, text)| (format!("{DOCUMENT_PREFIX}{name}"), text.as_str())).collect();
        let lengths: Vec<[usize; 1]> = documents.iter().map(|(_, text)| [text.len()]).collect();
        let mut sources = Vec::new();
        for ((name, text), length) in documents.iter().zip(&lengths) {
            check_document_name(name)?;
            json::check(&quote(name), text, limits.json_depth)?;
            let elements = Elements::Bytes(text.as_bytes());
            sources.push(Source { name, dtype: Dtype::U8, shape: length, elements });
        }
        let state_names: Vec<String> =
            self.state.iter().map(|tensor| format!("{STATE_PREFIX}{}", tensor.name)).collect();
        for (name, Parameter { shape, values, .. }) in state_names.iter().zip(&self.state) {
            sources.push(Source { name, dtype: Dtype::F32, shape, elements: Elements::Values(values) });
        }
        for parameter in &self.parameters {
            let reserved =
                [DOCUMENT_PREFIX, STATE_PREFIX].into_iter().find(|prefix| parameter.name.starts_with(prefix));
            if let Some(prefix) = reserved {
                return Err(Error::Tensor {
                    tensor: parameter.name.clone(),
                    problem: format!("is a parameter, expected a name that does not start with {prefix}"),
                });
            }
            check_finite(parameter)?;
            let elements = Elements::Values(&parameter.values);
            sources.push(Source { name: &parameter.name, dtype: Dtype::F32, shape: &parameter.shape, elements });
        }

        let format_version = self.format_version.to_string();
        let metadata = BTreeMap::from([
            (FORMAT, "cellstate"),
            (FORMAT_VERSION_FIELD, &format_version),
            (CREATED_BY, &self.created_by),
            (CONFIG, &self.config),
        ]);
        safetensors::write_sources(sources, metadata)
    }

    /// Reads the bytes of a file. Beside `bytes` it takes the memory of the model and at most
    /// 16 MiB.
    ///
    /// # Errors
    ///
    /// [`Error::NotCellstate`] for the safetensors file of another program, [`Error::NewerFormat`]
    /// for a later format, [`Error::NonFinite`] unless `options` allow it; otherwise the first
    /// thing that is wrong.
    pub fn from_bytes(bytes: &[u8], limits: &Limits, options: ReadOptions) -> Result<ModelFile, Error> {
        let mut format_version = 0;
        let file = safetensors::read_checked(bytes, limits, |metadata| {
            format_version = version(metadata)?;
            Ok(())
        })?;
        let mut metadata = file.metadata;
        metadata.remove(FORMAT);
        metadata.remove(CHECKSUM);
        metadata.remove(FORMAT_VERSION_FIELD);
        let created_by = metadata.remove(CREATED_BY).ok_or_else(|| missing(CREATED_BY))?;
        let config = metadata.remove(CONFIG).ok_or_else(|| missing(CONFIG))?;
        if let Some((field, value)) = metadata.first_key_value() {
            return Err(Error::Metadata {
                field: field.clone(),
                expected: "checksum, config, created_by, format and format_version only".to_owned(),
                found: quote(value),
            });
        }
        json::check(CONFIG, &config, limits.json_depth)?;

        let mut model = ModelFile {
            format_version,
            created_by,
            config,
            parameters: Vec::new(),
            documents: BTreeMap::new(),
            state: Vec::new(),
        };
        for tensor in file.tensors {
            match (tensor.dtype, tensor.name.strip_prefix(DOCUMENT_PREFIX)) {
                (Dtype::F32, None) => {
                    let values = tensor.values()?;
                    if let Some(name) = tensor.name.strip_prefix(STATE_PREFIX) {
                        model.state.push(Parameter { name: name.to_owned(), shape: tensor.shape, values });
                        continue;
                    }
                    let parameter = Parameter { name: tensor.name, shape: tensor.shape, values };
                    if !options.allow_non_finite {
                        check_finite(&parameter)?;
                    }
                    model.parameters.push(parameter);
                }
                (Dtype::U8, Some(name)) => {
                    check_document_name(&tensor.name)?;
                    model.documents.insert(name.to_owned(), document(&tensor, limits)?);
                }
                (dtype, _) => {
                    return Err(Error::Tensor {
                        tensor: tensor.name,
                        problem: format!(
                        "has dtype {}, expected F32 for a parameter or U8 for a document named {DOCUMENT_PREFIX}<name>",
                        dtype.name()
                    ),
                    })
                }
            }
        }
        Ok(model)
    }

    /// The digest of the parameters, see [`parameters_sha256`].
    pub fn parameters_sha256(&self) -> String {
        parameters_sha256(
            self.parameters
                .iter()
                .map(|parameter| (parameter.name.as_str(), parameter.shape.as_slice(), parameter.values.as_slice())),
        )
    }
}

fn missing(field: &str) -> Error {
    Error::Metadata { field: field.to_owned(), expected: "a text".to_owned(), found: "missing".to_owned() }
}

/// The format version, if this version reads it.
fn version(metadata: &BTreeMap<String, String>) -> Result<u32, Error> {
    let text = metadata.get(FORMAT_VERSION_FIELD).ok_or_else(|| missing(FORMAT_VERSION_FIELD))?;
    let created_by = metadata.get(CREATED_BY).ok_or_else(|| missing(CREATED_BY))?;
    check_created_by(created_by)?;
    match text.parse::<u32>() {
        Ok(version) if version > 0 && version.to_string() == *text => {
            if version > FORMAT_VERSION {
                return Err(Error::NewerFormat {
                    file: version,
                    supported: FORMAT_VERSION,
                    created_by: created_by.clone(),
                });
            }
            Ok(version)
        }
        _ => Err(Error::Metadata {
            field: FORMAT_VERSION_FIELD.to_owned(),
            expected: "a whole number from 1".to_owned(),
            found: quote(text),
        }),
    }
}

fn check_created_by(text: &str) -> Result<(), Error> {
    let plausible = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'+');
    if text.is_empty() || text.len() > VERSION_CHARACTERS || !text.bytes().all(plausible) {
        return Err(Error::Metadata {
            field: CREATED_BY.to_owned(),
            expected: format!("a package version of at most {VERSION_CHARACTERS} characters, like 1.4.0"),
            found: quote(text),
        });
    }
    Ok(())
}

fn check_finite(parameter: &Parameter) -> Result<(), Error> {
    match parameter.values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(index) => Err(Error::NonFinite { tensor: parameter.name.clone(), index, value: parameter.values[index] }),
    }
}

fn check_document_name(tensor: &str) -> Result<(), Error> {
    if tensor == DOCUMENT_PREFIX {
        return Err(Error::Tensor {
            tensor: tensor.to_owned(),
            problem: "is a document without a name, expected one after the point".to_owned(),
        });
    }
    Ok(())
}

/// The JSON text of a document.
fn document(tensor: &Tensor<'_>, limits: &Limits) -> Result<String, Error> {
    if tensor.shape.len() != 1 {
        return Err(Error::Tensor {
            tensor: tensor.name.clone(),
            problem: format!("has shape {:?}, expected one dimension for a document", tensor.shape),
        });
    }
    let text = std::str::from_utf8(tensor.data).map_err(|error| Error::Json {
        place: quote(&tensor.name),
        offset: error.valid_up_to() as u64,
        problem: "expected UTF-8, found other bytes".to_owned(),
    })?;
    json::check(&quote(&tensor.name), text, limits.json_depth)?;
    let mut copy = String::new();
    copy.try_reserve_exact(text.len())
        .map_err(|_| Error::OutOfMemory { what: "a document".to_owned(), bytes: text.len() as u64 })?;
    copy.push_str(text);
    Ok(copy)
}
