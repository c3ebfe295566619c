//! Failures with the code under which JavaScript knows them, and the parts that its error shows.

use cellstate_nn::Problem;
use napi::bindgen_prelude::*;
use napi::JsError;

/// The `code` of a JavaScript error.
pub(crate) struct Code(&'static str);

impl AsRef<str> for Code {
    fn as_ref(&self) -> &str {
        self.0
    }
}

/// What went wrong; `errno` is the system's word for it, as `ENOENT`, or empty.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: &'static str,
    pub(crate) problem: Box<Problem>,
    pub(crate) errno: String,
}

impl Failure {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Failure {
        let problem = Box::new(Problem { message: message.into(), ..Problem::default() });
        Failure { code, problem, errno: String::new() }
    }

    pub(crate) fn place(mut self, place: impl Into<String>) -> Failure {
        self.problem.place = place.into();
        self
    }

    pub(crate) fn got(mut self, got: impl Into<String>) -> Failure {
        self.problem.got = got.into();
        self
    }

    pub(crate) fn needs(mut self, needs: impl Into<String>) -> Failure {
        self.problem.needs = needs.into();
        self
    }

    pub(crate) fn why(mut self, why: impl Into<String>) -> Failure {
        self.problem.why = why.into();
        self
    }

    /// Adds a line to what mends it.
    pub(crate) fn fix(mut self, line: impl Into<String>) -> Failure {
        self.problem.fix.push(line.into());
        self
    }

    pub(crate) fn errno(mut self, errno: impl Into<String>) -> Failure {
        self.errno = errno.into();
        self
    }

    /// The error that JavaScript sees; on the JavaScript thread only.
    pub(crate) fn into_error(self, env: Env) -> Error {
        let Problem { message, place, got, needs, why, fix } = *self.problem;
        let error = JsError::from(Error::new(Code(self.code), message)).into_unknown(env);
        let Ok(mut object) = error.coerce_to_object() else { return Error::from(error) };
        let parts = [("where", place), ("got", got), ("needs", needs), ("why", why), ("errno", self.errno)];
        // Parts that cannot be set, because the environment ends, are left out.
        for (name, text) in parts.into_iter().filter(|(_, text)| !text.is_empty()) {
            let _ = object.set(name, text);
        }
        if !fix.is_empty() {
            let _ = object.set("fix", fix);
        }
        Error::from(error)
    }
}
