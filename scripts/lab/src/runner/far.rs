//! The far host of a run in real time: two more processes, at the other end of a wire.

use std::fs::File;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use shared::process::signals::Signals;
use shared::report::{Ending, RunReport};
use tokio::time::{sleep, timeout};

use super::children::{END_TIMEOUT, LaunchError, RunFolder, ready, start, wait_for_driver};
use super::merge::{Merged, merge};
use crate::flags::spell;
use crate::launch::{Binaries, Process};
use crate::settings::RunSettings;

/// Time after the end of the near host for which the far one goes on: what is on the wire then arrives. As in virtual time.
const GRACE: Duration = Duration::from_millis(100);

/// The processes of the far host. They end with this value.
pub(super) struct FarHost {
    driver: Process,
    stack: Process,
    /// Whether its apps only receive: then it has no end of its own.
    only_receives: bool,
}

impl FarHost {
    /// Starts both, and waits until the driver is ready.
    ///
    /// # Errors
    /// [`LaunchError`] if they do not start.
    pub(super) async fn start(
        binaries: &Binaries,
        settings: &RunSettings,
        folder: &RunFolder,
        signals: &mut Signals,
    ) -> Result<Self, LaunchError> {
        let mut arguments = spell(&settings.driver)?;
        arguments.extend([
            folder.wire(),
            folder.flag("--socket", "far.socket"),
            folder.flag("--json", "far-driver.json"),
        ]);
        arguments.push("--once".into());
        let errors = File::create(folder.path("far-driver.err"))?;
        let mut driver = start(&binaries.driver, &arguments, Stdio::piped(), errors.into())?;
        ready(&mut driver, signals).await?;
        let mut arguments = spell(&settings.netstack)?;
        arguments.extend([folder.flag("--socket", "far.socket"), folder.flag("--json", "far.json"), "--quiet".into()]);
        let errors = File::create(folder.path("far.err"))?;
        let stack = start(&binaries.netstack, &arguments, Stdio::null(), errors.into())?;
        let only_receives = settings.apps().iter().all(|app| app.listens().is_some());
        Ok(Self { driver, stack, only_receives })
    }

    /// Ends both after the near host has ended. Returns the report of the far host, if there is one.
    ///
    /// # Errors
    /// If a process cannot be observed.
    pub(super) async fn end(mut self, folder: &RunFolder) -> Result<Option<Box<RunReport>>, LaunchError> {
        if self.only_receives {
            sleep(GRACE).await;
            self.stack.signal(Signal::INT);
        }
        if timeout(END_TIMEOUT, self.stack.exited()).await.is_err() {
            self.stack.signal(Signal::INT);
            // What is left is killed below.
            let _late = timeout(END_TIMEOUT, self.stack.exited()).await;
        }
        self.stack.kill().await;
        wait_for_driver(&mut self.driver, END_TIMEOUT).await?;
        self.driver.kill().await;
        let merged = merge(folder.report("far.json"), folder.report("far-driver.json"));
        let Merged::Run { mut report, .. } = merged else { return Ok(None) };
        // The signal is how its run ends.
        if self.only_receives && report.ending == Ending::Interrupted {
            report.ending = Ending::Finished;
        }
        Ok(Some(report))
    }
}
