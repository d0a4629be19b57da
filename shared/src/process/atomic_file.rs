//! Atomic writes of files: a new file is written beside the old one, and then takes its name.
//!
//! So a full disk, or a process that dies, leaves the old file unchanged, or no file if there was none. Until it is
//! complete, the new file has no name, if the file system allows that: then a process that is killed leaves nothing
//! behind. A pipe or a device is written directly, and the write waits for its reader.

use std::fs::{self, File, Metadata};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, open};
use rustix::io::Errno;
use tempfile::NamedTempFile;

use crate::process::leftovers::{Leftover, Registered, register};
use crate::process::output::write_to_reader;

/// The mode that a plain create asks for, before the process's umask.
const NEW_FILE_MODE: u32 = 0o666;

/// The longest chain of symbolic links that is followed: the system's own limit.
const MOST_LINKS: usize = 40;

/// A path that can be written, and is not written yet.
#[derive(Debug)]
pub struct AtomicFile(Target);

#[derive(Debug)]
enum Target {
    /// A regular file that exists or not, with symbolic links resolved: the link at the path stays.
    Aside(PathBuf),
    /// A pipe or a device.
    Direct(File),
}

impl AtomicFile {
    /// Makes sure that `path` can be written later, and changes nothing.
    ///
    /// # Errors
    /// If it cannot be, because of the file or of its folder.
    pub fn open(path: &Path) -> io::Result<Self> {
        let Some(path) = resolve(path)? else { return direct(path) };
        match fs::metadata(&path) {
            Ok(found) if !found.is_file() => return direct(&path),
            // The user may own the folder but not the file, which must then not be replaced either.
            Ok(_) => drop(File::options().write(true).open(&path)?),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        if unnamed(&path).is_none() {
            // Fails with the reason if no file can be created there.
            aside(&path)?;
        }
        Ok(Self(Target::Aside(path)))
    }

    /// Whether a second write replaces the first one: not if the path is a pipe or a device.
    pub fn can_be_replaced(&self) -> bool {
        matches!(self.0, Target::Aside(_))
    }

    /// Calls `write` on the new file, which then replaces the old one if all of it could be written.
    ///
    /// # Errors
    /// If not; then a regular file is unchanged. The reader of a pipe may take nothing more after a signal: see
    /// [`is_unread`](crate::process::output::is_unread).
    pub fn write(&self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
        match &self.0 {
            Target::Direct(file) => {
                let mut bytes = Vec::new();
                write(&mut bytes)?;
                write_to_reader(file.try_clone()?, bytes)
            }
            Target::Aside(path) => {
                if let Some(file) = unnamed(path) {
                    fill(&file, path, write)?;
                    return place(&file, path);
                }
                let (temporary, _registered) = aside(path)?;
                fill(temporary.as_file(), path, write)?;
                temporary.persist(path).map_err(|failed| failed.error).map(drop)
            }
        }
    }
}

/// The path to which the symbolic links of `path` lead; `None` if one of them is a link of the kernel in `/proc`, as
/// behind `/dev/stdout`, which leads to an open file and not to a path.
fn resolve(path: &Path) -> io::Result<Option<PathBuf>> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        match path.symlink_metadata() {
            Ok(found) if found.is_symlink() => {
                let folder = folder_of(&path).canonicalize()?;
                if folder.starts_with("/proc") {
                    return Ok(None);
                }
                path = folder.join(fs::read_link(&path)?);
            }
            _ => return Ok(Some(path)),
        }
    }
    Err(io::Error::other("its symbolic links lead in a circle"))
}

fn direct(path: &Path) -> io::Result<AtomicFile> {
    Ok(AtomicFile(Target::Direct(File::options().append(true).open(path)?)))
}

/// An empty file without a name in the folder of `path`; `None` if the file system has no such files.
fn unnamed(path: &Path) -> Option<File> {
    path.file_name()?;
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    let file = File::from(open(folder_of(path), flags, Mode::from_raw_mode(NEW_FILE_MODE)).ok()?);
    // `linkat` needs /proc to give the file a name.
    fs::metadata(in_proc(&file)).is_ok().then_some(file)
}

fn in_proc(file: &File) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

/// Gives the unnamed `file` the name `path`.
fn place(file: &File, path: &Path) -> io::Result<()> {
    let link = |path: &Path| linkat(CWD, in_proc(file), CWD, path, AtFlags::SYMLINK_FOLLOW);
    match link(path) {
        Err(Errno::EXIST) => {}
        linked => return Ok(linked?),
    }
    // `linkat` cannot replace a file, and `rename` needs a file that has a name: give this one a temporary name first.
    let (named, _registered) = beside(path, |made, folder| made.make_in(folder, |name| Ok(link(name)?)))?;
    named.persist(path).map_err(|failed| failed.error).map(drop)
}

/// An empty file in the folder of `path`, which is removed when it is dropped.
fn aside(path: &Path) -> io::Result<(NamedTempFile, Registered)> {
    beside(path, |made, folder| made.tempfile_in(folder))
}

/// Calls `make` with a temporary name in the folder of `path`.
fn beside<F>(
    path: &Path,
    make: impl FnOnce(&tempfile::Builder<'_, '_>, &Path) -> io::Result<NamedTempFile<F>>,
) -> io::Result<(NamedTempFile<F>, Registered)> {
    let mut prefix = std::ffi::OsString::from(".");
    prefix.push(path.file_name().ok_or(ErrorKind::IsADirectory)?);
    register(|| {
        let mut made = tempfile::Builder::new();
        made.prefix(&prefix).suffix(".new").permissions(fs::Permissions::from_mode(NEW_FILE_MODE));
        let made = make(&made, folder_of(path))?;
        let leftover = Leftover::File(made.path().to_owned());
        Ok((made, leftover))
    })
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Gives `file` the owner and the permissions of the `old` file.
fn take_after(file: &File, old: &Metadata) -> io::Result<()> {
    let new = file.metadata()?;
    if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
        // Only root may change the owner; the files of other users are their own.
        let _ = fchown(file, Some(old.uid()), Some(old.gid()));
    }
    if new.mode() == old.mode() { Ok(()) } else { file.set_permissions(old.permissions()) }
}

/// Calls `write` on `file`, which will replace the file at `path`.
fn fill(file: &File, path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut out = BufWriter::new(file);
    write(&mut out)?;
    out.flush()?;
    fs::metadata(path).map_or(Ok(()), |old| take_after(file, &old))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn put(path: &Path, text: &str) -> io::Result<()> {
        AtomicFile::open(path)?.write(|out| out.write_all(text.as_bytes()))
    }

    #[test]
    fn a_write_that_fails_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (folder.path().join("old"), folder.path().join("new"));
        fs::write(&old, "as it was").unwrap();
        for path in [&old, &new] {
            let written = AtomicFile::open(path).unwrap().write(|out| {
                out.write_all(&[b'x'; 100_000])?;
                Err(ErrorKind::StorageFull.into())
            });
            assert_eq!(written.unwrap_err().kind(), ErrorKind::StorageFull);
        }
        assert_eq!((names(folder.path()), fs::read_to_string(&old).unwrap()), (vec!["old".into()], "as it was".into()));
    }

    #[test]
    fn no_file_exists_before_the_write_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let file = AtomicFile::open(&path).unwrap();
        assert!(names(folder.path()).is_empty());
        file.write(|out| {
            assert!(!path.exists());
            out.write_all(b"all of it")
        })
        .unwrap();
        assert_eq!(
            (names(folder.path()), fs::read_to_string(&path).unwrap()),
            (vec!["file".into()], "all of it".into())
        );
    }

    /// A process that is killed while it writes leaves no part of a file, whether or not there is an old one.
    #[test]
    fn an_incomplete_file_has_no_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        if unnamed(&path).is_none() {
            return crate::testing::skipped("this file system has no unnamed files");
        }
        let complete = |before: &[&str], text: &str| {
            let written = AtomicFile::open(&path).unwrap().write(|out| {
                out.write_all(text.as_bytes())?;
                assert_eq!(names(folder.path()), before);
                Ok(())
            });
            written.unwrap();
            assert_eq!((names(folder.path()), fs::read_to_string(&path).unwrap()), (vec!["file".into()], text.into()));
        };
        complete(&[], "the first");
        complete(&["file"], "the second");
    }

    #[test]
    fn a_named_file_is_used_where_the_file_system_has_no_unnamed_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let (temporary, _registered) = aside(&path).unwrap();
        fill(temporary.as_file(), &path, |out| out.write_all(b"all of it")).unwrap();
        temporary.persist(&path).unwrap();
        assert_eq!(
            (names(folder.path()), fs::read_to_string(&path).unwrap()),
            (vec!["file".into()], "all of it".into())
        );
    }

    #[test]
    fn permissions_are_those_of_a_plain_create_or_of_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let (plain, whole) = (folder.path().join("plain"), folder.path().join("whole"));
        let mode = |path: &Path| fs::metadata(path).unwrap().mode();
        fs::write(&plain, "").unwrap();
        put(&whole, "1").unwrap();
        assert_eq!(mode(&whole), mode(&plain));
        fs::set_permissions(&whole, fs::Permissions::from_mode(0o640)).unwrap();
        put(&whole, "2").unwrap();
        assert_eq!((mode(&whole) & 0o7777, fs::read_to_string(&whole).unwrap().as_str()), (0o640, "2"));
    }

    #[test]
    fn a_symbolic_link_stays_and_its_target_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("there")).unwrap();
        symlink("there/file", path("link")).unwrap();
        symlink("link", path("second")).unwrap();
        for text in ["new", "replaced"] {
            put(&path("second"), text).unwrap();
            assert_eq!(fs::read_to_string(path("there/file")).unwrap(), text);
        }
        assert!(path("link").is_symlink() && path("second").is_symlink());
        symlink("circle", path("circle")).unwrap();
        assert!(put(&path("circle"), "").unwrap_err().to_string().contains("circle"));
    }

    #[test]
    fn a_file_that_is_not_regular_is_written_directly() {
        put(Path::new("/dev/null"), "gone").unwrap();
        assert_eq!(put(Path::new("/dev/full"), "x").unwrap_err().kind(), ErrorKind::StorageFull);
        let (mut reader, writer) = io::pipe().unwrap();
        let descriptor = std::os::fd::AsRawFd::as_raw_fd(&writer);
        put(Path::new(&format!("/proc/self/fd/{descriptor}")), "through a pipe").unwrap();
        drop(writer);
        let mut read = String::new();
        io::Read::read_to_string(&mut reader, &mut read).unwrap();
        assert_eq!(read, "through a pipe");
        // An open file keeps its content: other processes write there too.
        let open = tempfile::NamedTempFile::new().unwrap();
        fs::write(open.path(), "before ").unwrap();
        let descriptor = std::os::fd::AsRawFd::as_raw_fd(open.as_file());
        put(Path::new(&format!("/proc/self/fd/{descriptor}")), "and after").unwrap();
        assert_eq!(fs::read_to_string(open.path()).unwrap(), "before and after");
    }

    #[test]
    fn a_path_that_cannot_be_written_is_an_error_of_open() {
        let folder = tempfile::tempdir().unwrap();
        for (path, kind) in [
            (folder.path().join("missing/file"), ErrorKind::NotFound),
            (folder.path().to_owned(), ErrorKind::IsADirectory),
            ("/proc/none".into(), ErrorKind::NotFound),
        ] {
            assert_eq!(AtomicFile::open(&path).unwrap_err().kind(), kind, "{}", path.display());
        }
        assert!(names(folder.path()).is_empty());
    }
}
