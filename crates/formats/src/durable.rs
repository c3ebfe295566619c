//! Files that are replaced as a whole, or not at all.
//!
//! [`write_atomic`] writes a temporary file in the folder of the target, syncs it, renames it over
//! the target and syncs the folder. Whoever reads the path, at any time, also after a crash or a
//! loss of power, finds the old file or the new one.
//!
//! 1. The temporary file is `.<file>.<pid>-<counter>.tmp`, created only if no such file exists:
//!    neither a second process nor a planted link can share it.
//! 2. It gets the mode of the file it replaces before its first byte, so a private file stays
//!    private; a new file gets what the umask leaves.
//! 3. A failure at any step removes it. After a kill it stays; the next save of the same target
//!    removes those older than an hour, before it needs the space.
//! 4. A symbolic link is followed: the file it names is replaced, the link stays.
//! 5. Folders, devices and read-only files are refused, because a rename would replace them too.
//!
//! The steps go through a trait, `Storage`, so that a test can make each of them fail.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use crate::{reserved, Error, Limits};

/// Age at which a temporary file belongs to nobody any more: no write takes so long without
/// touching its file.
const LEFTOVER_AGE: Duration = Duration::from_secs(60 * 60);
/// Names tried for a temporary file. A process that is killed over and over with the same process
/// number (number 1 in a container) leaves one behind each time, until they are an hour old.
const NAME_ATTEMPTS: usize = 1000;

/// What the operating system refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Looking at what is at the target path.
    ReadTarget,
    /// Creating the temporary file.
    CreateTemporaryFile,
    /// Giving the temporary file the mode of the target.
    KeepMode,
    /// Writing the temporary file.
    Write,
    /// Syncing the temporary file.
    Sync,
    /// Renaming the temporary file to the target.
    Rename,
    /// Syncing the folder. The target is the new file already, but a loss of power may undo that.
    SyncFolder,
    /// Removing the temporary file of [`check_writable`].
    RemoveTemporaryFile,
    /// Opening or reading a file.
    Read,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Step::ReadTarget => "look at the target",
            Step::CreateTemporaryFile => "create temporary file",
            Step::KeepMode => "keep the mode",
            Step::Write => "write",
            Step::Sync => "sync",
            Step::Rename => "rename",
            Step::SyncFolder => "sync folder",
            Step::RemoveTemporaryFile => "remove temporary file",
            Step::Read => "read",
        })
    }
}

/// What is wrong with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathProblem {
    /// It does not end in the name of a file.
    NoFileName,
    /// Something to be read is there that is not a file: `a folder`.
    NotAFile(&'static str),
    /// Something is in the way that is not a file.
    Occupied(&'static str),
    /// The file to be replaced must not be written.
    ReadOnly,
    /// The file grows or shrinks while it is read.
    Changing,
}

impl fmt::Display for PathProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PathProblem::NoFileName => f.write_str("expected the path of a file, found none in it"),
            PathProblem::NotAFile(kind) => write!(f, "expected a file, found {kind}"),
            PathProblem::Occupied(kind) => write!(f, "expected a file or nothing, found {kind}"),
            PathProblem::ReadOnly => f.write_str("expected a writable file, found a read-only one"),
            PathProblem::Changing => f.write_str("expected a file at rest, found one that changes while it is read"),
        }
    }
}

/// Replaces the file at `path`, or creates it, with `bytes`.
///
/// On success the content survives a loss of power. On an error the old file is there as it was,
/// except after [`Step::SyncFolder`], where it is the new one.
///
/// # Errors
///
/// [`Error::Path`] if the path does not name a writable regular file or nothing, [`Error::Io`] with
/// the step that failed.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    save(&Disk, &follow_link(path)?, bytes)
}

/// Finds out whether [`write_atomic`] can work at `path`, for a check before hours of work: the
/// folder exists and takes new files, and the target is a writable regular file or nothing.
/// Creates and removes a temporary file.
///
/// # Errors
///
/// As [`write_atomic`].
pub fn check_writable(path: &Path) -> Result<(), Error> {
    probe(&Disk, &follow_link(path)?)
}

/// Reads the regular file at `path`. Memory is reserved once, for the length the file has.
///
/// # Errors
///
/// [`Error::Path`] for a folder, a pipe or a device and for a file that grows or shrinks meanwhile,
/// [`Error::TooLarge`] above `limits.file_bytes`, [`Error::OutOfMemory`], [`Error::Io`].
pub fn read_bounded(path: &Path, limits: &Limits) -> Result<Vec<u8>, Error> {
    let refused = |source| Error::Io { step: Step::Read, path: path.to_owned(), source };
    let wrong = |problem| Error::Path { path: path.to_owned(), problem };
    // Asked before opening: opening a pipe waits for a writer.
    let kind = fs::metadata(path).map_err(refused)?;
    if !kind.is_file() {
        return Err(wrong(PathProblem::NotAFile(kind_of(kind.file_type()))));
    }
    let file = fs::File::open(path).map_err(refused)?;
    let length = file.metadata().map_err(refused)?.len();
    let too_large = || Error::TooLarge {
        what: format!("size in bytes of {}", path.display()),
        found: length,
        limit: limits.file_bytes,
        limit_name: "file_bytes",
    };
    let size = usize::try_from(length).ok().filter(|_| length <= limits.file_bytes).ok_or_else(too_large)?;
    let mut bytes = reserved(size, "the file")?;
    file.take(length).read_to_end(&mut bytes).map_err(refused)?;
    let unchanged = bytes.len() == size && fs::metadata(path).is_ok_and(|now| now.len() == length);
    if !unchanged {
        return Err(wrong(PathProblem::Changing));
    }
    Ok(bytes)
}

/// What is at a path.
#[derive(Debug)]
enum Target<Mode> {
    Nothing,
    File { mode: Mode, read_only: bool },
    Other(&'static str),
}

/// The operations on files that a save consists of.
trait Storage {
    /// A file open for writing.
    type File;
    /// The permissions of a file.
    type Mode;

    /// What is at `path`.
    fn target(&self, path: &Path) -> io::Result<Target<Self::Mode>>;
    /// Creates a file; fails with `AlreadyExists` if anything is at `path`.
    fn create(&self, path: &Path) -> io::Result<Self::File>;
    fn set_mode(&self, file: &mut Self::File, mode: Self::Mode) -> io::Result<()>;
    /// Writes a part of `bytes` and returns its length.
    fn write(&self, file: &mut Self::File, bytes: &[u8]) -> io::Result<usize>;
    fn sync(&self, file: &mut Self::File) -> io::Result<()>;
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove(&self, path: &Path) -> io::Result<()>;
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
    /// Regular files in `folder` whose name passes `wanted`, with the time since they were written.
    fn ages(&self, folder: &Path, wanted: &dyn Fn(&OsStr) -> bool) -> io::Result<Vec<(PathBuf, Duration)>>;
}

/// The file system.
struct Disk;

impl Storage for Disk {
    type File = fs::File;
    type Mode = fs::Permissions;

    fn target(&self, path: &Path) -> io::Result<Target<fs::Permissions>> {
        match fs::symlink_metadata(path) {
            Ok(metadata) if metadata.is_file() => {
                let mode = metadata.permissions();
                Ok(Target::File { read_only: mode.readonly(), mode })
            }
            Ok(metadata) => Ok(Target::Other(kind_of(metadata.file_type()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Target::Nothing),
            Err(error) => Err(error),
        }
    }

    fn create(&self, path: &Path) -> io::Result<fs::File> {
        fs::OpenOptions::new().write(true).create_new(true).open(path)
    }

    fn set_mode(&self, file: &mut fs::File, mode: fs::Permissions) -> io::Result<()> {
        // Some file systems have no modes and refuse to set one, also the one they show.
        if file.metadata()?.permissions() == mode {
            return Ok(());
        }
        file.set_permissions(mode)
    }

    fn write(&self, file: &mut fs::File, bytes: &[u8]) -> io::Result<usize> {
        file.write(bytes)
    }

    fn sync(&self, file: &mut fs::File) -> io::Result<()> {
        file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    #[cfg(unix)]
    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        match fs::File::open(folder)?.sync_all() {
            // Network file systems that cannot sync a folder say so like this.
            Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
            result => result,
        }
    }

    /// Windows has no such operation; its file systems log renames.
    #[cfg(not(unix))]
    fn sync_folder(&self, _folder: &Path) -> io::Result<()> {
        Ok(())
    }

    fn ages(&self, folder: &Path, wanted: &dyn Fn(&OsStr) -> bool) -> io::Result<Vec<(PathBuf, Duration)>> {
        let now = SystemTime::now();
        let mut ages = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if !wanted(&entry.file_name()) {
                continue;
            }
            // Of an entry, not followed: a link is no regular file. One that vanishes is gone.
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            let Ok(age) = metadata.modified().map(|then| now.duration_since(then).unwrap_or_default()) else {
                continue;
            };
            if metadata.is_file() {
                ages.push((entry.path(), age));
            }
        }
        Ok(ages)
    }
}

fn kind_of(kind: fs::FileType) -> &'static str {
    if kind.is_dir() {
        "a folder"
    } else if kind.is_symlink() {
        "a symbolic link"
    } else {
        "a device, pipe or socket"
    }
}

/// The file that `path` names, if it is a symbolic link; `path` otherwise.
fn follow_link(path: &Path) -> Result<PathBuf, Error> {
    if fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink()) {
        return fs::canonicalize(path).map_err(|source| Error::Io {
            step: Step::ReadTarget,
            path: path.to_owned(),
            source,
        });
    }
    Ok(path.to_owned())
}

/// A target path in its parts.
struct Place<'a> {
    path: &'a Path,
    folder: &'a Path,
    name: &'a OsStr,
}

impl<'a> Place<'a> {
    fn new(path: &'a Path) -> Result<Self, Error> {
        let ends_in_separator =
            path.as_os_str().as_encoded_bytes().last().is_some_and(|&byte| std::path::is_separator(char::from(byte)));
        let (Some(name), Some(folder), false) = (path.file_name(), path.parent(), ends_in_separator) else {
            return Err(Error::Path { path: path.to_owned(), problem: PathProblem::NoFileName });
        };
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        Ok(Place { path, folder, name })
    }

    /// Adds the step and the path to a refusal.
    fn refused(&self, step: Step) -> impl FnOnce(io::Error) -> Error + '_ {
        let path = if step == Step::SyncFolder { self.folder } else { self.path };
        move |source| Error::Io { step, path: path.to_owned(), source }
    }

    /// `.<file>.`, which the names of its temporary files start with.
    fn prefix(&self) -> OsString {
        let mut prefix = OsString::from(".");
        prefix.push(self.name);
        prefix.push(".");
        prefix
    }

    /// The mode of the file at the target, nothing if there is none.
    fn mode<S: Storage>(&self, storage: &S) -> Result<Option<S::Mode>, Error> {
        let problem = match storage.target(self.path).map_err(self.refused(Step::ReadTarget))? {
            Target::Nothing => return Ok(None),
            Target::File { mode, read_only: false } => return Ok(Some(mode)),
            Target::File { read_only: true, .. } => PathProblem::ReadOnly,
            Target::Other(kind) => PathProblem::Occupied(kind),
        };
        Err(Error::Path { path: self.path.to_owned(), problem })
    }

    /// A new temporary file.
    fn create<S: Storage>(&self, storage: &S) -> Result<(S::File, PathBuf), Error> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let prefix = self.prefix();
        let mut attempts = 0;
        loop {
            attempts += 1;
            let mut name = prefix.clone();
            name.push(format!("{}-{}.tmp", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed)));
            let path = self.folder.join(name);
            match storage.create(&path) {
                Ok(file) => return Ok((file, path)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempts < NAME_ATTEMPTS => {}
                Err(error) => return Err(self.refused(Step::CreateTemporaryFile)(error)),
            }
        }
    }

    /// Removes old temporary files of this target. What cannot be removed is left for another time:
    /// it is no reason not to save.
    fn remove_leftovers<S: Storage>(&self, storage: &S) {
        let prefix = self.prefix();
        let wanted = |name: &OsStr| is_temporary(name, &prefix);
        for (path, age) in storage.ages(self.folder, &wanted).unwrap_or_default() {
            if age > LEFTOVER_AGE {
                let _ = storage.remove(&path);
            }
        }
    }
}

/// Whether `name` is `prefix`, digits, a hyphen, digits and `.tmp`.
fn is_temporary(name: &OsStr, prefix: &OsStr) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    name.as_encoded_bytes()
        .strip_prefix(prefix.as_encoded_bytes())
        .and_then(|rest| std::str::from_utf8(rest).ok())
        .and_then(|rest| rest.strip_suffix(".tmp"))
        .and_then(|rest| rest.split_once('-'))
        .is_some_and(|(process, counter)| number(process) && number(counter))
}

/// [`write_atomic`] on any storage.
fn save<S: Storage>(storage: &S, path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let place = Place::new(path)?;
    let mode = place.mode(storage)?;
    place.remove_leftovers(storage);
    let (file, temporary) = place.create(storage)?;
    let renamed = fill(storage, &place, file, mode, bytes)
        .and_then(|()| storage.rename(&temporary, path).map_err(place.refused(Step::Rename)));
    if let Err(error) = renamed {
        // The first failure is the one to report.
        let _ = storage.remove(&temporary);
        return Err(error);
    }
    storage.sync_folder(place.folder).map_err(place.refused(Step::SyncFolder))
}

/// Writes the temporary file and closes it.
fn fill<S: Storage>(
    storage: &S,
    place: &Place<'_>,
    mut file: S::File,
    mode: Option<S::Mode>,
    bytes: &[u8],
) -> Result<(), Error> {
    if let Some(mode) = mode {
        storage.set_mode(&mut file, mode).map_err(place.refused(Step::KeepMode))?;
    }
    let mut rest = bytes;
    while !rest.is_empty() {
        match storage.write(&mut file, rest) {
            Ok(0) => return Err(place.refused(Step::Write)(io::ErrorKind::WriteZero.into())),
            Ok(written) => rest = &rest[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(place.refused(Step::Write)(error)),
        }
    }
    storage.sync(&mut file).map_err(place.refused(Step::Sync))
}

/// [`check_writable`] on any storage.
fn probe<S: Storage>(storage: &S, path: &Path) -> Result<(), Error> {
    let place = Place::new(path)?;
    place.mode(storage)?;
    let (file, temporary) = place.create(storage)?;
    drop(file);
    storage.remove(&temporary).map_err(place.refused(Step::RemoveTemporaryFile))?;
    storage.sync_folder(place.folder).map_err(place.refused(Step::SyncFolder))
}

#[cfg(test)]
mod tests;
