//! Turns the errors of the crates below into failures that tell what came, what was expected and what mends it.

use crate::failure::Failure;
use cellstate_formats::{Error as FileError, PathProblem, Step};
use cellstate_nn::Error as ModelError;
use std::io::{self, ErrorKind};
use std::path::Path;

const OTHER_PLACE: &str = "or give another path";

impl From<ModelError> for Failure {
    fn from(error: ModelError) -> Failure {
        let failure = Failure::new(error.code(), error.to_string());
        match error {
            ModelError::Data(problem) | ModelError::NonFinite(problem) => Failure { problem, ..failure },
            ModelError::OutOfMemory(error) => {
                let failure = out_of_memory("the batch", error.bytes as u64).fix("smaller batches: batchSize: 8");
                failure.fix("or shorter sequences").fix("or end other programs")
            }
            ModelError::Aborted => failure
                .got("the end of the process, or of its worker")
                .needs("a process that lives until the run is over")
                .fix("await the run before the process or the worker ends"),
            ModelError::Argument(_) | ModelError::Unsupported(_) => failure,
        }
    }
}

/// No memory for `what`.
pub(crate) fn out_of_memory(what: &str, bytes: u64) -> Failure {
    Failure::new("ERR_OUT_OF_MEMORY", format!("there is no memory for {what}"))
        .got(format!("a request for {} that the system refused", size(bytes)))
        .needs(format!("{} of free memory", size(bytes)))
}

/// A model could not be made.
pub(crate) fn creating(error: ModelError) -> Failure {
    match error {
        ModelError::OutOfMemory(error) => out_of_memory("the weights", error.bytes as u64)
            .fix("fewer units, or a smaller vocabulary (inputDim)")
            .fix("or end other programs"),
        other => Failure::from(other),
    }
}

/// A disposed model was asked for something.
pub(crate) fn disposed() -> Failure {
    Failure::new("ERR_DISPOSED", "the model was disposed")
        .got("a call after dispose()")
        .needs("a model that is in use")
        .why("dispose() or the end of a `using` block freed its memory")
        .fix("dispose of it later")
        .fix("or load it again: loadModel(path)")
}

/// A call that does not wait came while others do.
pub(crate) fn busy(call: &str, instead: &str) -> Failure {
    Failure::new("ERR_BUSY", format!("{call}: the model has other work to do"))
        .place(call)
        .got("a model with a call under way")
        .needs("a model that does nothing else")
        .why("the call would have to wait, and the event loop with it")
        .fix("await the calls before")
        .fix(format!("or use {instead}, which waits its turn"))
}

/// A panic.
pub(crate) fn internal(text: &str) -> Failure {
    Failure::new("ERR_INTERNAL", format!("an internal check failed: {text}"))
        .got(text)
        .needs("calculations that keep their own rules")
        .why("this is a mistake in cellstate, not in your program")
        .fix("report it with the code that leads to it")
}

/// A file could not be written; `bytes` were to be.
pub(crate) fn writing(error: FileError, bytes: Option<usize>) -> Failure {
    match error {
        FileError::Path { path, problem } => path_to_write(&path, problem),
        FileError::Io { step, path, source } => {
            let failure = refused_write(&path, &source, bytes);
            match step {
                Step::Write | Step::Sync | Step::Rename => {
                    failure.why("nothing was changed: a file that was there before is still the same")
                }
                Step::SyncFolder => failure.why("the file is written, but a loss of power may undo that"),
                Step::ReadTarget if source.kind() == ErrorKind::NotFound => file(&path, "it is a link to nothing")
                    .got(format!("{}: {source}", errno(&source)))
                    .needs("a file, a link to one, or nothing")
                    .fix(format!("remove the link: rm {}", quoted(&path)))
                    .fix(OTHER_PLACE),
                _ => failure,
            }
        }
        FileError::OutOfMemory { what, bytes } => out_of_memory(&what, bytes).fix("end other programs"),
        FileError::NonFinite { tensor, index, value } => {
            Failure::new("ERR_NON_FINITE", format!("{tensor} is not saved: its value {index} is {value}"))
                .place(format!("{tensor}[{index}]"))
                .got(value.to_string())
                .needs("weights that are finite numbers")
                .why("a model with such weights gives no answers")
                .fix("train again with a smaller step: adam({ learningRate: 0.001, globalClipNorm: 1 })")
        }
        FileError::Json { place, offset, .. } => {
            let name = place.trim_matches('"').trim_start_matches("document.");
            Failure::new(
                "ERR_ARGUMENT",
                format!("documents.{name} must be JSON, got a text with an error at byte {offset}"),
            )
        }
        // All that can still be wrong came from the caller.
        other => Failure::new("ERR_ARGUMENT", format!("documents cannot be saved: {other}")),
    }
}

/// A failure to write `path`.
fn file(path: &Path, reason: &str) -> Failure {
    let shown = path.display();
    Failure::new("ERR_FILE", format!("cannot write {shown}: {reason}")).place(shown.to_string())
}

fn path_to_write(path: &Path, problem: PathProblem) -> Failure {
    match problem {
        PathProblem::ReadOnly => file(path, "the file is read-only")
            .got("a file that may not be written")
            .needs("a file that may be written, or none")
            .fix(format!("allow it: chmod u+w {}", quoted(path)))
            .fix(OTHER_PLACE),
        PathProblem::Occupied(kind) => {
            let failure = file(path, &format!("{kind} is there")).got(kind).needs("the path of a file, or of nothing");
            match kind {
                "a folder" => failure
                    .errno("EISDIR")
                    .fix(format!("give a file in it: {}", quoted(&path.join("model.safetensors")))),
                _ => failure.fix("give another path"),
            }
        }
        _ => file(path, "this is no path of a file")
            .got(format!("{:?}", path.display().to_string()))
            .needs("a path that ends in the name of a file")
            .fix(format!("add a name: {}", quoted(&path.join("model.safetensors")))),
    }
}

fn refused_write(path: &Path, source: &io::Error, bytes: Option<usize>) -> Failure {
    let there = quoted(folder_of(path));
    let amount = bytes.map_or("room for the file".into(), |bytes| format!("{} of free space", size(bytes as u64)));
    let (reason, needs, fix) = match source.kind() {
        ErrorKind::NotFound => {
            ("there is no such folder", "a folder that exists".into(), format!("make the folder: mkdir -p {there}"))
        }
        ErrorKind::NotADirectory => (
            "a part of the path is a file",
            "a path through folders only".into(),
            format!("see what is there: ls -ld {there}"),
        ),
        ErrorKind::PermissionDenied => {
            ("no permission to write there", "the right to write".into(), format!("allow it: chmod u+w {there}"))
        }
        ErrorKind::StorageFull => {
            ("the disk is full", amount, format!("make room: df -h {there} tells how much there is"))
        }
        ErrorKind::QuotaExceeded => {
            ("your share of the disk is used up", amount, format!("make room: du -sh {there} tells how much is used"))
        }
        ErrorKind::FileTooLarge => ("the file system takes no file of this size", amount, "use another disk".into()),
        ErrorKind::ReadOnlyFilesystem => {
            ("the file system is read-only", "a disk that can be written".into(), "give a path on another disk".into())
        }
        ErrorKind::InvalidFilename => {
            ("the name is too long, or not allowed", "a name of at most 255 bytes".into(), "give a shorter name".into())
        }
        ErrorKind::InvalidInput => {
            ("the path has a zero byte in it", "a path without zero bytes".into(), "give another path".into())
        }
        _ => ("the system refused it", "a place that can be written".into(), "give another path".into()),
    };
    let failure = file(path, reason).got(format!("{}: {source}", errno(source))).needs(needs).errno(errno(source));
    if fix.starts_with("give") {
        failure.fix(fix)
    } else {
        failure.fix(fix).fix(OTHER_PLACE)
    }
}

/// A model file could not be read.
pub(crate) fn reading(error: FileError, path: &str) -> Failure {
    let model = |message: String| Failure::new("ERR_MODEL_FILE", format!("{path}: {message}")).place(path);
    let again = "copy or download the file again";
    let save = "or write it again: model.save(path), cellstate train … --out";
    match error {
        FileError::Io { source, .. } => Failure::new("ERR_FILE", format!("cannot read {path}: {source}"))
            .place(path)
            .got(errno(&source))
            .needs("a file that can be read")
            .fix("give the path of a model file")
            .errno(errno(&source)),
        FileError::Path { problem: PathProblem::NotAFile(kind), .. } => {
            let failure = Failure::new("ERR_FILE", format!("cannot read {path}: it is {kind}")).place(path);
            let errno = if kind == "a folder" { "EISDIR" } else { "" };
            failure.got(kind).needs("a model file").fix("give the path of a model file").errno(errno)
        }
        FileError::Path { problem, .. } => Failure::new("ERR_FILE", format!("cannot read {path}: {problem}"))
            .place(path)
            .got("a file that another program is writing")
            .needs("a file at rest")
            .fix("wait until it is written, then load it"),
        FileError::OutOfMemory { what, bytes } => out_of_memory(&what, bytes).place(path).fix("end other programs"),
        FileError::Truncated { found: 0, .. } => model("the file is empty".into())
            .got("0 bytes")
            .needs("a model file")
            .why("it was made, but never written")
            .fix(again)
            .fix(save),
        FileError::Truncated { found, expected, tensor } => {
            let from = tensor.as_ref().map(|tensor| format!(", from tensor {tensor:?} on")).unwrap_or_default();
            let least = if tensor.is_none() { "at least " } else { "" };
            model(format!("its end is missing{from}"))
                .got(format!("{} bytes", grouped(found)))
                .needs(format!("{least}{} bytes", grouped(expected)))
                .why("a copy or a download was cut short, or this is not a model file")
                .fix(again)
                .fix(save)
        }
        FileError::TrailingBytes { found, expected } => model("something follows the last tensor".into())
            .got(format!("{} bytes", grouped(found)))
            .needs(format!("{} bytes", grouped(expected)))
            .why("something was added after the file was written")
            .fix(again)
            .fix(format!("or cut it: truncate -s {expected} {}", quoted(Path::new(path)))),
        FileError::Checksum { stated, computed } => model("the checksum differs".into())
            .got(format!("content with SHA-256 {computed}"))
            .needs(format!("SHA-256 {stated}"))
            .why("the file was damaged, or another program changed it")
            .fix(again)
            .fix(save),
        FileError::NotCellstate { contents } => model("this is a safetensors file of another program".into())
            .got(contents)
            .needs("a file that cellstate wrote")
            .fix("give the path of a cellstate model")
            .fix("or train one: cellstate train reviews.csv --out model.safetensors"),
        FileError::NewerFormat { file, supported, created_by } => {
            model(format!("the file was made by cellstate {created_by}, which is newer"))
                .got(format!("format {file}"))
                .needs(format!("format {supported} or older"))
                .why(format!("this is cellstate {}", env!("CARGO_PKG_VERSION")))
                .fix(format!("npm install cellstate@{created_by}"))
        }
        FileError::NonFinite { tensor, index, value } => {
            model(format!("tensor {tensor:?} has {value} at index {index}"))
                .got(value.to_string())
                .needs("finite numbers")
                .why("the model overflowed while it was trained, or another program wrote the file")
                .fix("to look at it nevertheless: loadModel(path, { allowNonFinite: true })")
        }
        FileError::TooLarge { limit_name: "header_bytes", found, limit, .. } => {
            model("this is not a model file".into())
                .got(format!("a header of {} bytes", grouped(found)))
                .needs(format!("at most {}", grouped(limit)))
                .why("the file does not begin as a safetensors file does")
                .fix("give the path of a file that cellstate wrote")
        }
        FileError::TooLarge { what, found, limit, .. } => model(format!("{what} is too large for a model file"))
            .got(grouped(found))
            .needs(format!("at most {}", grouped(limit)))
            .why("such a size comes from a damaged or a hostile file")
            .fix("give the path of a file that cellstate wrote"),
        other => {
            let text = other.to_string();
            let (message, got, needs) = match other {
                FileError::Tensor { tensor, problem } => {
                    let (got, needs) = halves(problem.trim_start_matches("has "));
                    (format!("tensor {tensor:?} is not valid"), got, needs)
                }
                FileError::Dtype { tensor, found } => {
                    (format!("tensor {tensor:?} is of an unknown type"), found, "F32 or U8".into())
                }
                FileError::Gap { tensor, found, expected } | FileError::Overlap { tensor, found, expected, .. } => {
                    let byte = |at| format!("byte {}", grouped(at));
                    (format!("tensor {tensor:?} is in a wrong place"), byte(found), byte(expected))
                }
                FileError::Json { place, offset, problem } => {
                    let (got, needs) = halves(&problem);
                    (format!("its {place} is not valid at byte {}", grouped(offset)), got, needs)
                }
                FileError::Metadata { field, expected, found } => {
                    (format!("its metadata field {field:?} is not valid"), found, expected)
                }
                _ => ("its header is not valid".into(), text, "what cellstate writes".into()),
            };
            model(message).got(got).needs(needs).why("this is not what cellstate writes").fix(again).fix(save)
        }
    }
}

/// A file whose configuration and parameters do not fit; `fit` is the text of both.
pub(crate) fn unfit(path: &str, message: String, got: String, needs: String) -> Failure {
    Failure::new("ERR_MODEL_FILE", format!("{path}: {message}"))
        .place(path)
        .got(got)
        .needs(needs)
        .why("the file was changed after it was written")
        .fix("copy or download the file again")
        .fix("or write it again: model.save(path), cellstate train … --out")
}

/// What came and what was expected, of a text that says both.
fn halves(text: &str) -> (String, String) {
    if let Some((got, needs)) = text.split_once(", expected ") {
        return (got.into(), needs.into());
    }
    if let Some((needs, got)) = text.split_once(", found ") {
        return (got.into(), needs.rsplit("expected ").next().unwrap_or(needs).into());
    }
    (text.into(), "a model file as cellstate writes it".into())
}

/// `ENOENT` and so on; the number where there is no name.
fn errno(error: &io::Error) -> String {
    let name = match error.kind() {
        ErrorKind::NotFound => "ENOENT",
        ErrorKind::PermissionDenied => "EACCES",
        ErrorKind::NotADirectory => "ENOTDIR",
        ErrorKind::IsADirectory => "EISDIR",
        ErrorKind::StorageFull => "ENOSPC",
        ErrorKind::QuotaExceeded => "EDQUOT",
        ErrorKind::FileTooLarge => "EFBIG",
        ErrorKind::ReadOnlyFilesystem => "EROFS",
        ErrorKind::InvalidFilename => "ENAMETOOLONG",
        ErrorKind::InvalidInput => "EINVAL",
        _ => return error.raw_os_error().map_or_else(|| error.kind().to_string(), |number| format!("error {number}")),
    };
    name.to_owned()
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+@:\\".contains(c);
    if text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// `10,523,001`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits.as_bytes().rchunks(3).rev().map(|g| std::str::from_utf8(g).unwrap_or("")).collect();
    groups.join(",")
}

/// `512 bytes`, `2.2 MB`.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KB", "MB", "GB", "TB"];
    let mut unit = None;
    let mut value = bytes as f64;
    for name in UNITS {
        if value < 1000.0 {
            break;
        }
        (value, unit) = (value / 1000.0, Some(name));
    }
    unit.map_or_else(|| format!("{bytes} bytes"), |unit| format!("{value:.1} {unit}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(kind: ErrorKind) -> Failure {
        writing(
            FileError::Io { step: Step::Write, path: "my models/a.safetensors".into(), source: kind.into() },
            Some(2_334_872),
        )
    }

    #[test]
    fn every_refusal_of_the_system_has_a_code_a_place_and_a_fix() {
        let table = [
            (ErrorKind::NotFound, "ENOENT", "make the folder: mkdir -p 'my models'"),
            (ErrorKind::PermissionDenied, "EACCES", "allow it: chmod u+w 'my models'"),
            (ErrorKind::NotADirectory, "ENOTDIR", "see what is there: ls -ld 'my models'"),
            (ErrorKind::StorageFull, "ENOSPC", "make room: df -h 'my models' tells how much there is"),
            (ErrorKind::QuotaExceeded, "EDQUOT", "make room: du -sh 'my models' tells how much is used"),
            (ErrorKind::FileTooLarge, "EFBIG", "use another disk"),
            (ErrorKind::ReadOnlyFilesystem, "EROFS", "give a path on another disk"),
            (ErrorKind::InvalidFilename, "ENAMETOOLONG", "give a shorter name"),
            (ErrorKind::InvalidInput, "EINVAL", "give another path"),
            (ErrorKind::Other, "other error", "give another path"),
        ];
        for (kind, name, fix) in table {
            let failure = refusal(kind);
            assert_eq!((failure.code, &*failure.errno), ("ERR_FILE", name));
            assert_eq!(failure.problem.fix[0], fix);
            assert_eq!(failure.problem.place, "my models/a.safetensors");
            assert!(failure.problem.message.starts_with("cannot write my models/a.safetensors: "));
            assert!(failure.problem.got.starts_with(name) && !failure.problem.needs.is_empty());
        }
    }

    #[test]
    fn a_full_disk_tells_how_much_is_needed() {
        assert_eq!(refusal(ErrorKind::StorageFull).problem.needs, "2.3 MB of free space");
        assert_eq!(size(999), "999 bytes");
        assert_eq!(size(8 << 30), "8.6 GB");
    }

    #[test]
    fn a_damaged_file_tells_how_many_bytes_are_missing() {
        let cut = FileError::Truncated { found: 999, expected: 10_523_001, tensor: Some("lstm.kernel".into()) };
        let failure = reading(cut, "a");
        assert_eq!(failure.code, "ERR_MODEL_FILE");
        assert_eq!(failure.problem.message, "a: its end is missing, from tensor \"lstm.kernel\" on");
        assert_eq!((&*failure.problem.got, &*failure.problem.needs), ("999 bytes", "10,523,001 bytes"));
    }

    #[test]
    fn what_came_and_what_was_expected_are_told_apart() {
        assert_eq!(halves("a has x, expected y"), ("a has x".into(), "y".into()));
        assert_eq!(halves("byte 8: expected '{', found \"a\""), ("\"a\"".into(), "'{'".into()));
    }
}
