//! A Unix stream socket, which needs no shared memory, with frames written and read in batches.

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::Tally;

/// Frames in each write.
const BATCH: usize = 64;

/// Bytes of the receiver's buffer: more than a batch of the longest frames.
const BUFFER: usize = 256 * 1024;

/// Sends frames of `size` bytes to the socket at `path` for `time`, in batches.
///
/// # Errors
/// If the stream breaks.
pub fn source(path: &Path, size: usize, time: Duration) -> io::Result<()> {
    let mut stream = UnixStream::connect(path)?;
    let (batch, end) = (vec![0x5a; size * BATCH], Instant::now() + time);
    while Instant::now() < end {
        stream.write_all(&batch)?;
    }
    Ok(())
}

/// Listens in `folder`, prints the path of the socket, counts what arrives until the stream ends, and prints the tally.
///
/// # Errors
/// If the stream breaks, or ends within a frame.
#[expect(clippy::disallowed_methods, reason = "the program that started it reads the pipe")]
pub fn sink(folder: &Path, size: usize) -> io::Result<()> {
    let path = folder.join("stream");
    let listener = UnixListener::bind(&path)?;
    // The lab reads both lines; without it, there is nothing to measure, so an error ends the process.
    let mut out = io::stdout().lock();
    writeln!(out, "{}", path.display())?;
    let tally = count(listener.accept()?.0, size)?;
    writeln!(out, "{tally}")
}

/// Reads `stream` to its end and counts its frames of `size` bytes.
fn count(mut stream: impl Read, size: usize) -> io::Result<Tally> {
    let mut buffer = vec![0; BUFFER];
    let mut bytes = stream.read(&mut buffer)? as u64;
    let first = Instant::now();
    loop {
        match stream.read(&mut buffer)? as u64 {
            0 => break,
            more => bytes += more,
        }
    }
    let took = first.elapsed();
    if bytes.is_multiple_of(size as u64) {
        Ok(Tally { packets: bytes / size as u64, took })
    } else {
        Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the Unix stream ended within a frame"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]
mod tests {
    use super::*;

    #[test]
    fn whole_frames_are_counted_and_partial_ones_refused() {
        assert_eq!(count(&vec![0; 64 * 5000][..], 64).unwrap().packets, 5000);
        assert!(count(&vec![0; 65][..], 64).is_err());
    }

    #[test]
    fn the_sink_counts_what_the_source_sends() {
        let (near, far) = UnixStream::pair().unwrap();
        let sent = std::thread::scope(|scope| {
            let sender = scope.spawn(move || {
                let mut far = far;
                (0..50).map(|_| far.write_all(&[0; 1500 * BATCH])).filter(Result::is_ok).count()
            });
            assert_eq!(count(near, 1500).unwrap().packets, 50 * BATCH as u64);
            sender.join().unwrap()
        });
        assert_eq!(sent, 50);
    }
}
