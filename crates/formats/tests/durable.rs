//! Saving and reading on the file system of the machine.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use cellstate_formats::{check_writable, read_bounded, write_atomic, Error, Limits, Step};

/// A new empty folder.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("durable-{name}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// The names of the files in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<String> = fs::read_dir(folder).unwrap().map(name).collect();
    names.sort();
    names
}

#[test]
fn a_file_is_created_and_replaced_and_nothing_else_stays() {
    let folder = folder("replace");
    let path = folder.join("modell größe.safetensors");
    for content in [&b"first"[..], b"second, longer", b"", &vec![7; 3 << 20]] {
        write_atomic(&path, content).unwrap();
        assert_eq!(fs::read(&path).unwrap(), content);
        assert_eq!(read_bounded(&path, &Limits::default()).unwrap(), content);
        assert_eq!(names(&folder), ["modell größe.safetensors"]);
    }
}

#[test]
fn a_path_without_a_folder_is_in_the_current_one() {
    check_writable(Path::new("cellstate-formats-test.safetensors")).unwrap();
    assert!(!Path::new("cellstate-formats-test.safetensors").exists());
}

#[test]
fn who_reads_the_old_file_keeps_reading_it() {
    let path = folder("reader").join("a");
    write_atomic(&path, b"old").unwrap();
    let mut reader = fs::File::open(&path).unwrap();
    write_atomic(&path, b"new").unwrap();
    let mut content = String::new();
    reader.read_to_string(&mut content).unwrap();
    assert_eq!(content, "old");
    assert_eq!(fs::read(&path).unwrap(), b"new");
}

#[test]
fn readers_beside_writers_see_one_content_as_a_whole() {
    let folder = folder("threads");
    let path = folder.join("a");
    let content = |writer: u8| vec![writer; 100_000 + usize::from(writer)];
    write_atomic(&path, &content(0)).unwrap();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let (path, content) = (&path, content(writer));
            scope.spawn(move || (0..25).for_each(|_| write_atomic(path, &content).unwrap()));
        }
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..200 {
                    let found = fs::read(&path).unwrap();
                    assert_eq!(found, content(found[0]));
                }
            });
        }
    });
    assert_eq!(names(&folder), ["a"]);
}

#[test]
fn a_leftover_of_an_hour_ago_is_removed() {
    let folder = folder("leftover");
    for (name, minutes) in [(".a.1-0.tmp", 61), (".a.1-1.tmp", 59), (".b.1-0.tmp", 61)] {
        let file = fs::File::create(folder.join(name)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(60 * minutes)).unwrap();
    }
    fs::create_dir(folder.join(".a.1-2.tmp")).unwrap();
    write_atomic(&folder.join("a"), b"new").unwrap();
    assert_eq!(names(&folder), [".a.1-1.tmp", ".a.1-2.tmp", ".b.1-0.tmp", "a"]);
}

#[test]
fn a_folder_in_the_way_is_refused_by_the_check_and_by_the_save() {
    let folder = folder("folder");
    let path = folder.join("model");
    fs::create_dir(&path).unwrap();
    for error in [check_writable(&path).unwrap_err(), write_atomic(&path, b"new").unwrap_err()] {
        assert!(matches!(error, Error::Path { .. }));
        assert_eq!(error.to_string(), format!("{}: expected a file or nothing, found a folder", path.display()));
    }
    assert_eq!(names(&folder), ["model"]);
}

#[test]
fn a_missing_folder_is_noticed_before_training() {
    let path = folder("missing").join("none").join("model");
    for error in [check_writable(&path).unwrap_err(), write_atomic(&path, b"new").unwrap_err()] {
        let Error::Io { step: Step::CreateTemporaryFile, source, .. } = &error else { panic!("{error}") };
        assert_eq!(source.kind(), io::ErrorKind::NotFound);
        assert!(error.to_string().starts_with(&format!("{}: could not create temporary file: ", path.display())));
    }
}

#[test]
fn a_file_used_as_a_folder_is_refused() {
    let path = folder("no-folder").join("file");
    fs::write(&path, b"").unwrap();
    for error in [check_writable(&path.join("model")).unwrap_err(), write_atomic(&path.join("model"), b"").unwrap_err()]
    {
        assert!(matches!(error, Error::Io { .. }), "{error}");
    }
}

#[test]
fn a_read_only_file_is_not_replaced() {
    let path = folder("read-only").join("model");
    fs::write(&path, b"old").unwrap();
    let writable = fs::metadata(&path).unwrap().permissions();
    let mut read_only = writable.clone();
    read_only.set_readonly(true);
    fs::set_permissions(&path, read_only).unwrap();
    for error in [check_writable(&path).unwrap_err(), write_atomic(&path, b"new").unwrap_err()] {
        assert_eq!(error.to_string(), format!("{}: expected a writable file, found a read-only one", path.display()));
    }
    assert_eq!(fs::read(&path).unwrap(), b"old");
    fs::set_permissions(&path, writable).unwrap();
}

#[test]
fn the_check_changes_nothing() {
    let folder = folder("check");
    let path = folder.join("model");
    check_writable(&path).unwrap();
    assert!(names(&folder).is_empty());
    fs::write(&path, b"old").unwrap();
    check_writable(&path).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(names(&folder), ["model"]);
}

#[test]
fn reading_is_bounded() {
    let folder = folder("bounded");
    let path = folder.join("model");
    fs::write(&path, b"12345").unwrap();
    let limits = |file_bytes| Limits { file_bytes, ..Limits::default() };
    assert_eq!(read_bounded(&path, &limits(5)).unwrap(), b"12345");
    let error = read_bounded(&path, &limits(4)).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("size in bytes of {} is 5, expected at most 4 (limit file_bytes)", path.display())
    );
    let error = read_bounded(&folder, &limits(5)).unwrap_err();
    assert_eq!(error.to_string(), format!("{}: expected a file, found a folder", folder.display()));
    let error = read_bounded(&folder.join("none"), &limits(5)).unwrap_err();
    assert!(matches!(error, Error::Io { step: Step::Read, .. }));
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{symlink, MetadataExt, PermissionsExt};
    use std::process::Command;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn the_mode_of_the_old_file_is_kept() {
        let path = folder("mode").join("model");
        for bits in [0o600, 0o640, 0o666, 0o664] {
            fs::write(&path, b"old").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(bits)).unwrap();
            write_atomic(&path, b"new").unwrap();
            assert_eq!(mode(&path), bits);
        }
    }

    #[test]
    fn a_new_file_has_the_mode_that_the_umask_leaves() {
        let folder = folder("umask");
        fs::write(folder.join("ordinary"), b"").unwrap();
        write_atomic(&folder.join("model"), b"new").unwrap();
        assert_eq!(mode(&folder.join("model")), mode(&folder.join("ordinary")));
    }

    #[test]
    fn a_symbolic_link_stays_and_its_file_is_replaced() {
        let folder = folder("link");
        fs::create_dir(folder.join("store")).unwrap();
        let file = folder.join("store").join("model");
        fs::write(&file, b"old").unwrap();
        symlink("store/model", folder.join("latest")).unwrap();
        check_writable(&folder.join("latest")).unwrap();
        write_atomic(&folder.join("latest"), b"new").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert!(folder.join("latest").is_symlink());
        assert_eq!(names(&folder), ["latest", "store"]);
        assert_eq!(names(&folder.join("store")), ["model"]);

        fs::remove_file(&file).unwrap();
        for error in [
            check_writable(&folder.join("latest")).unwrap_err(),
            write_atomic(&folder.join("latest"), b"new").unwrap_err(),
        ] {
            assert!(matches!(error, Error::Io { step: Step::ReadTarget, .. }), "{error}");
        }
    }

    #[test]
    fn devices_and_pipes_are_neither_replaced_nor_read() {
        let pipe = folder("pipe").join("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for path in [Path::new("/dev/null"), &pipe] {
            for error in [check_writable(path).unwrap_err(), write_atomic(path, b"new").unwrap_err()] {
                assert_eq!(
                    error.to_string(),
                    format!("{}: expected a file or nothing, found a device, pipe or socket", path.display())
                );
            }
            let error = read_bounded(path, &Limits::default()).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("{}: expected a file, found a device, pipe or socket", path.display())
            );
        }
    }

    #[test]
    fn a_folder_without_write_permission_is_refused() {
        let folder = folder("locked");
        let path = folder.join("model");
        fs::write(&path, b"old").unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o555)).unwrap();
        let results = [check_writable(&path), write_atomic(&path, b"new")];
        // The superuser may write everywhere.
        let superuser = fs::write(folder.join("probe"), b"").is_ok();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        if !superuser {
            for result in results {
                let error = result.unwrap_err();
                assert!(matches!(error, Error::Io { step: Step::CreateTemporaryFile, .. }), "{error}");
            }
            assert_eq!(fs::read(&path).unwrap(), b"old");
        }
    }
}
