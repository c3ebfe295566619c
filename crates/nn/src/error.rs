//! What can go wrong in a model, and the code under which callers know it.

use cellstate_kernels::OutOfMemory;

/// A failure told in parts; a part that is not known is empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Problem {
    /// What happened and where, in one line.
    pub message: String,
    /// Example, step and layer.
    pub place: String,
    /// What came.
    pub got: String,
    /// What was expected.
    pub needs: String,
    /// Why this cannot go on.
    pub why: String,
    /// What mends it, most likely first.
    pub fix: Vec<String>,
}

/// A failure of a model. The text says what was expected and what came.
#[derive(Debug, Clone, PartialEq)]
pub enum Error {
    /// An argument or a configuration that cannot be used; starts with its path.
    Argument(String),
    /// Values of a batch that cannot be used.
    Data(Box<Problem>),
    /// A loss, a gradient or an update overflowed; the weights are those before the step.
    NonFinite(Box<Problem>),
    /// A combination that is not offered.
    Unsupported(String),
    /// Memory could not be had.
    OutOfMemory(OutOfMemory),
    /// The caller cancelled.
    Aborted,
}

impl Error {
    /// The code of this error: `ERR_ARGUMENT`, `ERR_DATA`, …
    pub fn code(&self) -> &'static str {
        match self {
            Error::Argument(_) => "ERR_ARGUMENT",
            Error::Data(_) => "ERR_DATA",
            Error::NonFinite(_) => "ERR_NON_FINITE",
            Error::Unsupported(_) => "ERR_UNSUPPORTED",
            Error::OutOfMemory(_) => "ERR_OUT_OF_MEMORY",
            Error::Aborted => "ERR_ABORTED",
        }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Error::Argument(text) | Error::Unsupported(text) => f.write_str(text),
            Error::Data(problem) | Error::NonFinite(problem) => f.write_str(&problem.message),
            Error::OutOfMemory(error) => error.fmt(f),
            Error::Aborted => f.write_str("the run was aborted"),
        }
    }
}

impl std::error::Error for Error {}

impl From<OutOfMemory> for Error {
    fn from(error: OutOfMemory) -> Error {
        Error::OutOfMemory(error)
    }
}
