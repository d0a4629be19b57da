//! The far host of a run in real time: two more processes, at the other end of a wire.

use std::fs::{self, File};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use shared::process::signals::Signals;
use shared::report::{Ending, RunReport};
use shared::units::Nanos;
use tokio::time::{sleep, timeout};

use super::children::{END_TIMEOUT, FAR_SOCKET, LaunchError, RunFolder, ready, start, wait_for_driver};
use super::merge::{Merged, merge};
use crate::flags::spell;
use crate::launch::{Binaries, Process};
use crate::settings::RunSettings;

/// Time after the end of the near host for which the far one goes on: what is on the wire then arrives. As in virtual time.
const GRACE: Duration = Duration::from_millis(100);

/// How long the stack of a host that only receives may run: until the lab ends it.
const UNTIL_IT_IS_ENDED: Nanos = Nanos::from_secs(365 * 86_400);

/// The processes of the far host. They end with this value.
pub(super) struct FarHost {
    driver: Process,
    stack: Process,
    /// Whether its apps only receive, and no length of its run is set: then the end of the near host is its end.
    ends_with_near: bool,
}

/// What is left of the far host.
pub(super) struct FarEnd {
    /// Its report, if there is one.
    pub(super) report: Option<Box<RunReport>>,
    /// What its processes said, if there is no report.
    pub(super) said: String,
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
        let mut settings = settings.clone();
        let only_receives = settings.apps().iter().all(|app| app.listens().is_some());
        let length = &settings.stack().length;
        let ends_with_near = only_receives && length.duration.is_none() && length.packets.is_none();
        if ends_with_near {
            settings.set_duration(UNTIL_IT_IS_ENDED);
        }
        settings.driver.backend.backend = folder.wire();
        let mut arguments = spell(&settings.driver)?;
        arguments.extend([folder.flag("--socket", FAR_SOCKET), folder.flag("--json", "far-driver.json")]);
        arguments.push("--once".into());
        let errors = File::create(folder.path("far-driver.err"))?;
        let mut driver = start(&binaries.driver, &arguments, Stdio::piped(), errors.into())?;
        ready(&mut driver, signals).await.map_err(|error| match error {
            LaunchError::DriverEnded { exit, .. } => LaunchError::DriverEnded { exit, said: said(folder) },
            other => other,
        })?;
        let mut arguments = spell(&settings.netstack)?;
        arguments.extend([folder.flag("--socket", FAR_SOCKET), folder.flag("--json", "far.json"), "--quiet".into()]);
        let errors = File::create(folder.path("far.err"))?;
        let stack = start(&binaries.netstack, &arguments, Stdio::null(), errors.into())?;
        Ok(Self { driver, stack, ends_with_near })
    }

    /// Ends both after the near host has ended: a host that sends may go on for `END_TIMEOUT`, unless the lab is
    /// `interrupted`.
    ///
    /// # Errors
    /// If a process cannot be observed.
    pub(super) async fn end(mut self, folder: &RunFolder, interrupted: bool) -> Result<FarEnd, LaunchError> {
        if self.ends_with_near {
            sleep(GRACE).await;
        }
        if self.ends_with_near || interrupted || timeout(END_TIMEOUT, self.stack.exited()).await.is_err() {
            self.stack.signal(Signal::INT);
            // What is left is killed below.
            let _late = timeout(END_TIMEOUT, self.stack.exited()).await;
        }
        self.stack.kill().await;
        wait_for_driver(&mut self.driver, END_TIMEOUT).await?;
        self.driver.kill().await;
        let merged = merge(folder.report("far.json"), folder.report("far-driver.json"));
        let Merged::Run { mut report, .. } = merged else { return Ok(FarEnd { report: None, said: said(folder) }) };
        // The signal is how its run ends.
        if self.ends_with_near && !interrupted && report.ending == Ending::Interrupted {
            report.ending = Ending::Finished;
        }
        Ok(FarEnd { report: Some(report), said: String::new() })
    }
}

/// What both processes wrote to standard error.
fn said(folder: &RunFolder) -> String {
    let files = ["far-driver.err", "far.err"].map(|name| fs::read_to_string(folder.path(name)).unwrap_or_default());
    files.concat().trim().to_owned()
}
