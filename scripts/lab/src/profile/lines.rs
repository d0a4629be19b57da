//! Finds the functions at an offset in a program's file, through its line tables.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use addr2line::Loader;
use object::{Object, ObjectSegment};

/// A function and its source file. Several functions share an address if they were inlined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) file: String,
}

/// A program without the line tables that a profile needs.
#[derive(Debug, thiserror::Error)]
#[error(
    "--profile {}: {problem}; build it with `cargo build --release`, whose profile includes line tables",
    program.display()
)]
pub(crate) struct LinesError {
    program: PathBuf,
    problem: String,
}

/// The line tables of one program.
pub(super) struct Lines {
    loader: Loader,
    segments: Vec<Segment>,
    /// The functions found so far: samples hit few addresses, many times each.
    known: HashMap<u64, Vec<Function>>,
}

/// A part of the file, and its address in memory relative to the start of the program.
#[derive(Debug, Clone, Copy)]
struct Segment {
    offset: u64,
    size: u64,
    address: u64,
}

impl Lines {
    /// Opens the line tables of `program`.
    ///
    /// # Errors
    /// If it is not a program, or has no line tables.
    pub(super) fn of(program: &Path) -> Result<Self, LinesError> {
        let refuse = |problem: String| LinesError { program: program.to_owned(), problem };
        let data = fs::read(program).map_err(|error| refuse(format!("cannot be read ({error})")))?;
        let file = object::File::parse(&*data).map_err(|error| refuse(format!("is not a program ({error})")))?;
        if file.section_by_name(".debug_line").is_none() {
            return Err(refuse("has no line tables".to_owned()));
        }
        let segment = |part: object::Segment<'_, '_>| {
            let (offset, size) = part.file_range();
            Segment { offset, size, address: part.address() }
        };
        let segments = file.segments().map(segment).collect();
        let loader = Loader::new(program).map_err(|error| refuse(format!("has no line tables ({error})")))?;
        Ok(Self { loader, segments, known: HashMap::new() })
    }

    /// Looks up the functions at `offset` and keeps them for [`Lines::at`].
    pub(super) fn learn(&mut self, offset: u64) {
        let (loader, segments) = (&self.loader, &self.segments);
        self.known.entry(offset).or_insert_with(|| {
            let address = address(segments, offset);
            address.and_then(|address| functions(loader, address)).unwrap_or_default()
        });
    }

    /// The functions at `offset`, innermost first; empty if none were found.
    pub(super) fn at(&self, offset: u64) -> &[Function] {
        self.known.get(&offset).map_or(&[], Vec::as_slice)
    }
}

/// The address in memory of the byte at `offset` of the file.
fn address(segments: &[Segment], offset: u64) -> Option<u64> {
    let segment = segments.iter().find(|part| (part.offset..part.offset + part.size).contains(&offset))?;
    Some(segment.address + (offset - segment.offset))
}

fn functions(loader: &Loader, address: u64) -> Option<Vec<Function>> {
    let mut frames = loader.find_frames(address).ok()?;
    let mut found = Vec::new();
    while let Some(frame) = frames.next().ok()? {
        let name = frame.function.as_ref().and_then(|name| Some(name.demangle().ok()?.into_owned()));
        let file = frame.location.and_then(|location| location.file).unwrap_or_default().to_owned();
        found.push(Function { name: name.unwrap_or_default(), file });
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_moved_to_where_their_segment_lies() {
        let segments =
            [Segment { offset: 0, size: 0x100, address: 0 }, Segment { offset: 0x100, size: 0x80, address: 0x1100 }];
        assert_eq!(address(&segments, 0xff), Some(0xff));
        assert_eq!(address(&segments, 0x110), Some(0x1110));
        assert_eq!(address(&segments, 0x180), None);
    }

    /// The test's own program has line tables, and begins at offset 0.
    #[test]
    fn a_program_without_line_tables_is_refused_with_the_remedy() {
        assert!(Lines::of(&std::env::current_exe().unwrap()).is_ok());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("driver");
        for content in [None, Some("#!/bin/sh\n")] {
            if let Some(content) = content {
                fs::write(&path, content).unwrap();
            }
            let refusal = Lines::of(&path).err().unwrap().to_string();
            assert!(refusal.contains("--profile") && refusal.contains("cargo build --release"), "{refusal}");
        }
    }
}
