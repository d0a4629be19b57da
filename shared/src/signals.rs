//! The signals that end a process in good order.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

/// Ready when somebody interrupts this process, by Ctrl-C or by asking it to terminate.
///
/// # Errors
/// If the system does not let signals be received.
pub async fn interrupted() -> io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}
