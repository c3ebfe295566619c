//! Failures with the code under which JavaScript knows them.

use napi::bindgen_prelude::*;
use napi::JsError;

/// The `code` of a JavaScript error.
pub struct Code(pub(crate) &'static str);

impl AsRef<str> for Code {
    fn as_ref(&self) -> &str {
        self.0
    }
}

pub(crate) struct Failure {
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Failure {
        Failure { code, message: message.into() }
    }

    /// The failure of a synchronous call.
    pub(crate) fn thrown(self) -> Error<Code> {
        Error::new(Code(self.code), self.message)
    }

    /// The failure of a promise; on the JavaScript thread only.
    pub(crate) fn rejected(self, env: Env) -> Error {
        Error::from(JsError::from(self.thrown()).into_unknown(env))
    }
}

impl From<cellstate_nn::Error> for Failure {
    fn from(error: cellstate_nn::Error) -> Failure {
        Failure::new(error.code(), error.to_string())
    }
}

impl From<cellstate_formats::Error> for Failure {
    fn from(error: cellstate_formats::Error) -> Failure {
        let code = match error {
            cellstate_formats::Error::Io { .. } | cellstate_formats::Error::Path { .. } => "ERR_FILE",
            cellstate_formats::Error::OutOfMemory { .. } => "ERR_OUT_OF_MEMORY",
            _ => "ERR_MODEL_FILE",
        };
        Failure::new(code, error.to_string())
    }
}
