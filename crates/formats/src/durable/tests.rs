//! Saving on a storage in memory whose k-th operation fails, or that loses what was not synced.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::*;

const OLD: &[u8] = b"the old model";
const NEW: &[u8] = b"the new model, which is longer";
const TARGET: &str = "/models/play.safetensors";
const MODE: u32 = 0o600;
/// Largest write that the storage takes at once, so that a save consists of several.
const WRITE_BYTES: usize = 8;

/// What an operation does instead of its work.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    /// Fails with an error number, having done nothing.
    Errno(i32),
    /// A write takes half of its bytes before it fails.
    HalfThenErrno(i32),
    /// A write takes one byte and succeeds.
    ShortWrite,
    /// A write is interrupted by a signal.
    Interrupted,
}

const ENOENT: i32 = 2;
const EIO: i32 = 5;
const EACCES: i32 = 13;
const ENOSPC: i32 = 28;

const FAILURES: [Fault; 5] = [
    Fault::Errno(ENOSPC),
    Fault::Errno(EIO),
    Fault::Errno(EACCES),
    Fault::HalfThenErrno(ENOSPC),
    Fault::HalfThenErrno(EIO),
];

/// Which operations fail.
#[derive(Debug, Clone, Copy)]
struct Plan {
    fault: Fault,
    /// The first operation that fails, counted from 0.
    first: usize,
    /// Whether all later ones fail too.
    forever: bool,
}

#[derive(Debug, Clone)]
struct Inode {
    content: Vec<u8>,
    /// The content that a loss of power leaves.
    synced: Vec<u8>,
    mode: u32,
    age: Duration,
}

#[derive(Debug, Default, Clone)]
struct State {
    inodes: Vec<Inode>,
    names: BTreeMap<PathBuf, usize>,
    /// The names that a loss of power leaves.
    synced_names: BTreeMap<PathBuf, usize>,
    operations: usize,
    removals_refused: usize,
    /// The state after each operation.
    history: Vec<State>,
}

#[derive(Debug)]
struct FaultStorage {
    plan: Option<Plan>,
    state: RefCell<State>,
}

impl FaultStorage {
    fn new(old: Option<&[u8]>, plan: Option<Plan>) -> Self {
        let storage = FaultStorage { plan, state: RefCell::default() };
        if let Some(old) = old {
            storage.put(TARGET, old, Duration::from_secs(1_000_000));
        }
        storage
    }

    fn put(&self, path: &str, content: &[u8], age: Duration) {
        let mut state = self.state.borrow_mut();
        let (content, synced) = (content.to_vec(), content.to_vec());
        state.inodes.push(Inode { content, synced, mode: MODE, age });
        let inode = state.inodes.len() - 1;
        state.names.insert(path.into(), inode);
        state.synced_names.insert(path.into(), inode);
    }

    /// Counts an operation and says whether it fails.
    fn fault(&self) -> Option<Fault> {
        let mut state = self.state.borrow_mut();
        let now = state.operations;
        state.operations += 1;
        let plan = self.plan?;
        (now == plan.first || plan.forever && now > plan.first).then_some(plan.fault)
    }

    /// An operation that is no write: it fails or it is done as a whole.
    fn operation<T>(&self, work: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        match self.fault() {
            Some(Fault::Errno(number) | Fault::HalfThenErrno(number)) => Err(io::Error::from_raw_os_error(number)),
            Some(Fault::ShortWrite | Fault::Interrupted) | None => {
                let result = work(&mut self.state.borrow_mut());
                self.remember();
                result
            }
        }
    }

    fn remember(&self) {
        let mut state = self.state.borrow_mut();
        let now = State { history: Vec::new(), ..state.clone() };
        state.history.push(now);
    }

    fn content(&self, path: &str) -> Option<Vec<u8>> {
        let state = self.state.borrow();
        let inode = state.names.get(Path::new(path))?;
        Some(state.inodes[*inode].content.clone())
    }

    fn names(&self) -> Vec<String> {
        let state = self.state.borrow();
        state.names.keys().map(|path| path.display().to_string()).collect()
    }
}

impl Storage for FaultStorage {
    type File = usize;
    type Mode = u32;

    fn target(&self, path: &Path) -> io::Result<Target<u32>> {
        self.operation(|state| {
            Ok(match state.names.get(path) {
                None => Target::Nothing,
                Some(&inode) => Target::File { mode: state.inodes[inode].mode, read_only: false },
            })
        })
    }

    fn create(&self, path: &Path) -> io::Result<usize> {
        self.operation(|state| {
            if state.names.contains_key(path) {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            state.inodes.push(Inode { content: Vec::new(), synced: Vec::new(), mode: 0o644, age: Duration::ZERO });
            state.names.insert(path.to_owned(), state.inodes.len() - 1);
            Ok(state.inodes.len() - 1)
        })
    }

    fn set_mode(&self, file: &mut usize, mode: u32) -> io::Result<()> {
        self.operation(|state| {
            let inode = &mut state.inodes[*file];
            assert!(inode.content.is_empty(), "the content was readable before the mode was kept");
            inode.mode = mode;
            Ok(())
        })
    }

    fn write(&self, file: &mut usize, bytes: &[u8]) -> io::Result<usize> {
        let fault = self.fault();
        let taken = match fault {
            None => bytes.len().min(WRITE_BYTES),
            Some(Fault::Errno(_) | Fault::Interrupted) => 0,
            Some(Fault::HalfThenErrno(_)) => bytes.len() / 2,
            Some(Fault::ShortWrite) => 1,
        };
        self.state.borrow_mut().inodes[*file].content.extend_from_slice(&bytes[..taken]);
        self.remember();
        match fault {
            None | Some(Fault::ShortWrite) => Ok(taken),
            Some(Fault::Interrupted) => Err(io::ErrorKind::Interrupted.into()),
            Some(Fault::Errno(number) | Fault::HalfThenErrno(number)) => Err(io::Error::from_raw_os_error(number)),
        }
    }

    fn sync(&self, file: &mut usize) -> io::Result<()> {
        self.operation(|state| {
            let inode = &mut state.inodes[*file];
            inode.synced.clone_from(&inode.content);
            Ok(())
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.operation(|state| {
            let inode = state.names.remove(from).ok_or(io::Error::from_raw_os_error(ENOENT))?;
            state.names.insert(to.to_owned(), inode);
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let result = self.operation(|state| {
            state.names.remove(path);
            Ok(())
        });
        self.state.borrow_mut().removals_refused += usize::from(result.is_err());
        result
    }

    fn sync_folder(&self, _folder: &Path) -> io::Result<()> {
        self.operation(|state| {
            state.synced_names = state.names.clone();
            Ok(())
        })
    }

    fn ages(&self, folder: &Path, wanted: &dyn Fn(&OsStr) -> bool) -> io::Result<Vec<(PathBuf, Duration)>> {
        self.operation(|state| {
            let names = state
                .names
                .iter()
                .filter(|(path, _)| path.parent() == Some(folder) && path.file_name().is_some_and(wanted));
            Ok(names.map(|(path, &inode)| (path.clone(), state.inodes[inode].age)).collect())
        })
    }
}

fn save_to(storage: &FaultStorage) -> Result<(), Error> {
    save(storage, Path::new(TARGET), NEW)
}

#[test]
fn every_failure_leaves_the_old_or_the_new_file_and_no_temporary_file() {
    let mut saves = 0;
    for old in [None, Some(OLD)] {
        for fault in FAILURES {
            for forever in [false, true] {
                for first in 0.. {
                    let plan = Plan { fault, first, forever };
                    let storage = FaultStorage::new(old, Some(plan));
                    let result = save_to(&storage);
                    saves += 1;

                    let content = storage.content(TARGET);
                    let kept = content.as_deref() == old;
                    let replaced = content.as_deref() == Some(NEW);
                    assert!(kept || replaced, "{plan:?} left {content:?}");
                    match &result {
                        Ok(()) => assert!(replaced, "{plan:?}"),
                        Err(Error::Io { step, source, .. }) => {
                            let expected = *step == Step::SyncFolder;
                            assert_eq!(replaced, expected, "{plan:?} failed at {step:?}");
                            assert!(
                                matches!(fault, Fault::Errno(n) | Fault::HalfThenErrno(n) if source.raw_os_error() == Some(n))
                            );
                        }
                        Err(error) => panic!("{plan:?} gave {error}"),
                    }
                    // A storage that refuses removals for good keeps the temporary file; only then
                    // may it stay.
                    let expected = usize::from(content.is_some());
                    let refused = storage.state.borrow().removals_refused;
                    assert!(refused <= 1 && (refused == 0 || forever), "{plan:?} refused {refused}");
                    assert_eq!(storage.names().len(), expected + refused, "{plan:?} left {:?}", storage.names());

                    if storage.state.borrow().operations <= first {
                        assert!(result.is_ok());
                        break;
                    }
                }
            }
        }
    }
    assert!(saves > 200, "only {saves} saves");
}

#[test]
fn losing_power_after_any_operation_leaves_the_old_or_the_new_file() {
    for old in [None, Some(OLD)] {
        let storage = FaultStorage::new(old, None);
        save_to(&storage).unwrap();
        let state = storage.state.into_inner();
        assert!(state.history.len() > 7);
        for moment in &state.history {
            // A rename may or may not have reached the disk before the folder was synced.
            for names in [&moment.names, &moment.synced_names] {
                let content = names.get(Path::new(TARGET)).map(|&inode| &moment.inodes[inode]);
                if let Some(inode) = content {
                    assert_eq!(inode.content, inode.synced, "the target may hold anything");
                }
                let content = content.map(|inode| inode.synced.as_slice());
                assert!(content == old || content == Some(NEW));
            }
        }
        let inode = state.synced_names[Path::new(TARGET)];
        assert_eq!(state.inodes[inode].synced, NEW, "a finished save can be lost");
    }
}

#[test]
fn short_and_interrupted_writes_are_continued() {
    for fault in [Fault::ShortWrite, Fault::Interrupted] {
        for first in 0..12 {
            for forever in [false, true] {
                if forever && fault == Fault::Interrupted {
                    continue;
                }
                let plan = Plan { fault, first, forever };
                let storage = FaultStorage::new(Some(OLD), Some(plan));
                save_to(&storage).unwrap();
                assert_eq!(storage.content(TARGET).as_deref(), Some(NEW), "{plan:?}");
                assert_eq!(storage.names(), [TARGET]);
            }
        }
    }
}

#[test]
fn the_mode_of_the_old_file_is_kept() {
    let storage = FaultStorage::new(Some(OLD), None);
    save_to(&storage).unwrap();
    let state = storage.state.into_inner();
    assert_eq!(state.inodes[state.names[Path::new(TARGET)]].mode, MODE);
}

#[test]
fn leftovers_of_the_same_target_are_removed_after_an_hour() {
    let storage = FaultStorage::new(Some(OLD), None);
    let (old, young) = (LEFTOVER_AGE + Duration::from_secs(1), LEFTOVER_AGE - Duration::from_secs(1));
    let kept = [
        ("/models/.play.safetensors.1-1.tmp", young),
        ("/models/.other.safetensors.1-0.tmp", old),
        ("/models/.play.safetensors.notes.tmp", old),
        ("/models/.play.safetensors.1-0.tmp.txt", old),
        ("/models/.play.safetensors.-0.tmp", old),
        ("/models/play.safetensors.1-0.tmp", old),
        ("/other/.play.safetensors.1-0.tmp", old),
    ];
    for (path, age) in kept {
        storage.put(path, b"", age);
    }
    storage.put("/models/.play.safetensors.1-0.tmp", b"", old);
    storage.put("/models/.play.safetensors.4194304-17.tmp", b"", old);
    save_to(&storage).unwrap();
    let mut expected: Vec<_> = kept.iter().map(|(path, _)| (*path).to_owned()).collect();
    expected.push(TARGET.to_owned());
    expected.sort();
    assert_eq!(storage.names(), expected);
}

#[test]
fn a_leftover_that_cannot_be_removed_does_not_prevent_a_save() {
    for first in [1, 2] {
        let plan = Plan { fault: Fault::Errno(EACCES), first, forever: false };
        let storage = FaultStorage::new(Some(OLD), Some(plan));
        storage.put("/models/.play.safetensors.1-0.tmp", b"", LEFTOVER_AGE * 2);
        save_to(&storage).unwrap();
        assert_eq!(storage.content(TARGET).as_deref(), Some(NEW));
    }
}

/// A storage on which every temporary name is taken, up to a number of attempts.
struct Crowded {
    taken: RefCell<usize>,
    below: FaultStorage,
}

impl Storage for Crowded {
    type File = usize;
    type Mode = u32;
    fn target(&self, path: &Path) -> io::Result<Target<u32>> {
        self.below.target(path)
    }
    fn create(&self, path: &Path) -> io::Result<usize> {
        let mut taken = self.taken.borrow_mut();
        if *taken > 0 {
            *taken -= 1;
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.below.create(path)
    }
    fn set_mode(&self, file: &mut usize, mode: u32) -> io::Result<()> {
        self.below.set_mode(file, mode)
    }
    fn write(&self, file: &mut usize, bytes: &[u8]) -> io::Result<usize> {
        self.below.write(file, bytes)
    }
    fn sync(&self, file: &mut usize) -> io::Result<()> {
        self.below.sync(file)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.below.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.below.remove(path)
    }
    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.below.sync_folder(folder)
    }
    fn ages(&self, folder: &Path, wanted: &dyn Fn(&OsStr) -> bool) -> io::Result<Vec<(PathBuf, Duration)>> {
        self.below.ages(folder, wanted)
    }
}

#[test]
fn temporary_names_that_are_taken_are_skipped_but_not_for_ever() {
    let crowded = |taken| Crowded { taken: RefCell::new(taken), below: FaultStorage::new(Some(OLD), None) };
    assert!(save(&crowded(NAME_ATTEMPTS - 1), Path::new(TARGET), NEW).is_ok());
    let error = save(&crowded(NAME_ATTEMPTS), Path::new(TARGET), NEW).unwrap_err();
    assert!(
        matches!(&error, Error::Io { step: Step::CreateTemporaryFile, source, .. } if source.kind() == io::ErrorKind::AlreadyExists)
    );
}

#[test]
fn every_failure_of_a_probe_is_reported_and_changes_nothing() {
    for old in [None, Some(OLD)] {
        for forever in [false, true] {
            for first in 0.. {
                let plan = Plan { fault: Fault::Errno(EACCES), first, forever };
                let storage = FaultStorage::new(old, Some(plan));
                let result = probe(&storage, Path::new(TARGET));
                assert_eq!(storage.content(TARGET).as_deref(), old);
                if storage.state.borrow().operations <= first {
                    assert!(result.is_ok());
                    break;
                }
                assert!(matches!(&result, Err(Error::Io { .. })), "{plan:?} gave {result:?}");
                let refused = storage.state.borrow().removals_refused;
                assert_eq!(storage.names().len(), usize::from(old.is_some()) + refused, "{plan:?}");
            }
        }
    }
}

#[test]
fn paths_without_a_file_name_are_refused() {
    for path in ["", "/", "..", "models/..", "models/"] {
        let storage = FaultStorage::new(None, None);
        let error = save(&storage, Path::new(path), NEW).unwrap_err();
        assert!(matches!(error, Error::Path { .. }), "{path:?} gave {error}");
        assert_eq!(storage.state.borrow().operations, 0, "{path:?} touched the storage");
    }
}
