//! Sends signals to the processes at random moments, and checks what must hold afterwards.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use shared::process::exit::Status;
use shared::process::signals::Signals;
use shared::report::{DriverFile, DriverReport, Ending, RunReport, Totals};

use super::cases::{Action, Case, Setting, Who, may_end, orphan_may_end};
use super::{Printer, StressError, Tally, TestProcess, TestSetup, children_of, ends_within, orphans, status_text};
use crate::launch::Binaries;
use crate::progress::Progress;

/// Traffic of each run: some tens of milliseconds of more than the link carries, so that each policy waits or drops.
const RUN: [&str; 4] = ["--packets", "200", "--app", "cbr:load=1.5"];
const LINK: [&str; 2] = ["--link", "100Mbit"];

/// The shortest run.
const SHORT: [&str; 2] = ["--packets", "1"];

/// Runs from which the duration of an undisturbed one is measured.
const UNDISTURBED: usize = 5;

/// Interval at which the children of the lab are listed.
const LIST_INTERVAL: Duration = Duration::from_micros(200);

/// Reports of the run and of the driver.
const REPORTS: [&str; 2] = ["run.json", "driver.json"];

/// Sends a signal during each of `count` runs, whose cases are numbered from `first` on. Prints each violation and a
/// table, and returns whether there was no violation.
///
/// # Errors
/// [`StressError`] if a case cannot be run.
pub(crate) fn kills(
    binaries: &Binaries,
    seed: u64,
    (first, count): (u32, u32),
    printer: Printer,
) -> Result<Status, StressError> {
    let (signals, progress) = (Signals::new()?, Progress::new());
    let mut test = KillTest::new(binaries)?;
    let began = Instant::now();
    printer.result(format_args!("seed {seed}: {count} runs, from number {first} on"));
    let (mut violations, mut hit, mut tried) = (0, 0, 0);
    for number in first..first.saturating_add(count) {
        if signals.have_come() {
            break;
        }
        progress.now(&format!("{tried} of {count} runs, {violations} violations ..."));
        let case = Case::draw(seed, number);
        let found = test.run(&case)?;
        for what in &found.violations {
            printer.violation(format_args!(
                "{case} after {:?}: {what}; again with --seed {seed} --first {number} --count 1",
                found.after
            ));
        }
        violations += found.violations.len();
        hit += u32::from(found.hit);
        tried += 1;
    }
    for what in test.close()? {
        printer.violation(format_args!("after all runs: {what}; again with --seed {seed}"));
        violations += 1;
    }
    drop(progress);
    let seconds = began.elapsed().as_secs();
    printer.result(&test.tally);
    printer
        .result(format_args!("{tried} runs, {hit} signals in time, {violations} violations, {seconds} s, seed {seed}"));
    Ok(match (violations, signals.have_come()) {
        (0, false) => Status::Fine,
        (0, true) => Status::Interrupted,
        _ => Status::Failed,
    })
}

/// The result of one case.
#[derive(Default)]
struct CaseResult {
    violations: Vec<String>,
    /// From the start of the run to the signal.
    after: Duration,
    /// Whether the target was running when the signal was sent.
    hit: bool,
}

struct KillTest {
    setup: TestSetup,
    /// The driver of the runs by hand. It is replaced when a signal has ended it.
    driver: TestProcess,
    tally: Tally,
    /// Duration of an undisturbed run by the lab, and of one by hand.
    durations: [Duration; 2],
}

impl KillTest {
    fn new(binaries: &Binaries) -> Result<Self, StressError> {
        let setup = TestSetup::new(binaries)?;
        let driver = long_lived(&setup)?;
        let durations = [Duration::ZERO; 2];
        let mut test = Self { setup, driver, tally: Tally::default(), durations };
        let undisturbed = Case { depth: 64, ..Case::draw(0, 0) };
        for (at, setting) in [Setting::Lab, Setting::Hand].into_iter().enumerate() {
            let mut times = Vec::new();
            for _ in 0..UNDISTURBED {
                let began = Instant::now();
                test.start(&Case { setting, ..undisturbed.clone() })?.end()?;
                times.push(began.elapsed());
            }
            times.sort_unstable();
            test.durations[at] = times[UNDISTURBED / 2];
        }
        Ok(test)
    }

    /// Runs `case` and checks exit statuses, reports, and what is left behind.
    fn run(&mut self, case: &Case) -> Result<CaseResult, StressError> {
        for report in REPORTS {
            let _ = fs::remove_file(self.setup.files().join(report));
        }
        let mut found = CaseResult::default();
        let mut run = self.start(case)?;
        self.send_signal(case, &run, &mut found);
        let status = run.end()?;
        let who = if case.setting == Setting::Lab { Who::Lab } else { Who::Stack };
        if status.is_none() {
            run.kill()?;
        }
        let finished = self.read_report(&mut found.violations);
        self.judge(case, who, status, finished, &run, &mut found.violations);
        match case.setting {
            Setting::Lab => self.after_lab(case, &mut found.violations)?,
            Setting::Hand => self.after_hand(case, &mut found.violations)?,
        }
        Ok(found)
    }

    fn start(&self, case: &Case) -> io::Result<TestProcess> {
        let json = format!("--json={}", self.setup.files().join(REPORTS[0]).display());
        let depth = case.depth.to_string();
        let flags = ["--depth", &depth, "--policy", case.policy, "--transport", case.transport, &json];
        match case.setting {
            Setting::Lab => self.lab(&[&LINK[..], &flags, &RUN].concat()),
            Setting::Hand => self.setup.stack(&[&flags[..], &RUN].concat()),
        }
    }

    fn lab(&self, flags: &[&str]) -> io::Result<TestProcess> {
        let words = ["run", "--quiet"].iter().chain(flags).map(OsString::from);
        self.setup.start(&env::current_exe()?, words, Stdio::null())
    }

    /// Waits for the moment, then sends the signal to the target as soon as that runs.
    fn send_signal(&self, case: &Case, run: &TestProcess, found: &mut CaseResult) {
        let began = Instant::now();
        let span = self.durations[usize::from(case.setting == Setting::Hand)];
        sleep(span.mul_f64(case.moment));
        let end = match (case.setting, case.target) {
            (Setting::Lab, Who::Lab) | (Setting::Hand, Who::Stack) => run.end.try_clone().ok(),
            (Setting::Hand, _) => self.driver.end.try_clone().ok(),
            (Setting::Lab, target) => loop {
                let name = if target == Who::Driver { "driver" } else { "netstack" };
                let child = children_of(Pid::from_child(&run.child)).into_iter().find(|(_, found)| found == name);
                if let Some((child, _)) = child {
                    break pidfd_open(child, PidfdFlags::empty()).ok();
                }
                if ends_within(&run.end, LIST_INTERVAL) {
                    break None;
                }
            },
        };
        found.after = began.elapsed();
        // A zombie accepts a signal too, and ignores it.
        let Some(end) = end.filter(|end| !ends_within(end, Duration::ZERO)) else { return };
        found.hit = pidfd_send_signal(&end, case.action.signal()).is_ok();
        if case.action == Action::Halt {
            sleep(case.halt);
            let _ = pidfd_send_signal(&end, Signal::CONT);
        }
    }

    fn judge(
        &mut self,
        case: &Case,
        who: Who,
        status: Option<ExitStatus>,
        finished: bool,
        process: &TestProcess,
        violations: &mut Vec<String>,
    ) {
        let kind = format!("{}: {} to the {}", case.setting, case.action, case.target);
        let Some(status) = status else {
            self.tally.add(kind, who, "hangs");
            violations.push(format!("the {who} hangs"));
            return;
        };
        self.tally.add(kind, who, &status_text(status));
        if !may_end(case, who, status, finished) {
            violations.push(format!("the {who} ended with {}: {}", status_text(status), process.last_error()));
        }
        if process.panicked() {
            violations.push(format!("the {who} panicked: {}", process.last_error()));
        }
    }

    /// Checks that a run by the lab leaves nothing behind, except what a killed lab could not remove.
    fn after_lab(&mut self, case: &Case, violations: &mut Vec<String>) -> Result<(), StressError> {
        // The driver of the runs by hand is not an orphan.
        for orphan in orphans(&[self.driver.child.id()])? {
            let how = orphan.status.map_or("hangs".to_owned(), status_text);
            self.tally.add(
                format!("{}: {} to the {}", case.setting, case.action, case.target),
                format_args!("orphaned {}", orphan.name),
                &how,
            );
            if !orphan.status.is_some_and(|status| orphan_may_end(case, status)) {
                violations.push(format!("{} was left behind: {how}", orphan.name));
            }
        }
        self.no_file_is_left(violations);
        let lab_died = case.target == Who::Lab && case.action != Action::Halt;
        let before = self.setup.strays("temporary", &[]);
        if !lab_died && !before.is_empty() {
            violations.push(format!("{} is left among temporary files", before.join(", ")));
        }
        let mut next = self.lab(&SHORT)?;
        self.next(&mut next, violations)?;
        let after = self.setup.strays("temporary", &[]);
        if !after.is_empty() {
            violations.push(format!("the next lab leaves {} among temporary files", after.join(", ")));
            self.setup.clear("temporary")?;
        }
        Ok(())
    }

    /// Checks that the driver serves the next stack, or replaces it if the signal was sent to it.
    fn after_hand(&mut self, case: &Case, violations: &mut Vec<String>) -> Result<(), StressError> {
        if case.target == Who::Driver && case.action != Action::Halt {
            let status = self.driver.end()?;
            if status.is_none() {
                self.driver.kill()?;
            }
            self.driver_ended(case, status, violations);
            self.driver = long_lived(&self.setup)?;
        } else if let Some(status) = self.driver.child.try_wait()? {
            violations.push(format!("the driver ended with {}: {}", status_text(status), self.driver.last_error()));
            self.driver = long_lived(&self.setup)?;
        }
        self.no_file_is_left(violations);
        let mut next = self.setup.stack(&SHORT)?;
        self.next(&mut next, violations)
    }

    fn no_file_is_left(&self, violations: &mut Vec<String>) {
        for name in self.setup.strays("files", &[&REPORTS[..], &["socket"]].concat()) {
            // The next case would find it again.
            let _ = fs::remove_file(self.setup.files().join(&name));
            violations.push(format!("the file {name} is left"));
        }
    }

    /// Checks that the next start works.
    fn next(&self, next: &mut TestProcess, violations: &mut Vec<String>) -> Result<(), StressError> {
        let status = next.end()?;
        if status.is_none() {
            next.kill()?;
        }
        if status.is_none_or(|status| status.code() != Some(0)) {
            let how = status.map_or("hangs".to_owned(), |status| format!("ended with {}", status_text(status)));
            violations.push(format!("the next {} {how}: {}", next.name, next.last_error()));
        }
        Ok(())
    }

    fn driver_ended(&mut self, case: &Case, status: Option<ExitStatus>, violations: &mut Vec<String>) {
        let kind = format!("{}: {} to the {}", case.setting, case.action, case.target);
        self.tally.add(kind, Who::Driver, &status.map_or("hangs".to_owned(), status_text));
        match status {
            None => violations.push("the driver hangs".to_owned()),
            Some(status) if !may_end(case, Who::Driver, status, false) => {
                violations.push(format!("the driver ended with {}: {}", status_text(status), self.driver.last_error()));
            }
            Some(_) => {}
        }
        if self.driver.panicked() {
            violations.push(format!("the driver panicked: {}", self.driver.last_error()));
        }
        if case.action != Action::Kill && self.setup.files().join("socket").exists() {
            violations.push("the driver left its socket".to_owned());
        }
        // After SIGQUIT there is no report.
        if matches!(case.action, Action::Terminate | Action::Interrupt) {
            self.read_driver(violations);
        }
    }

    /// Checks the report of the run, if there is one. Returns whether the run finished, according to the report.
    fn read_report(&self, violations: &mut Vec<String>) -> bool {
        let Ok(text) = fs::read(self.setup.files().join(REPORTS[0])) else { return false };
        if let Ok(run) = serde_json::from_slice::<RunReport>(&text) {
            violations.extend(wrong_totals(&run));
            violations.extend(run.driver.iter().filter_map(wrong_session));
            return run.ending == Ending::Finished;
        }
        match serde_json::from_slice::<DriverFile>(&text) {
            Ok(file) => violations.extend(file.sessions.iter().filter_map(wrong_session)),
            Err(error) => violations.push(format!("the report cannot be parsed: {error}")),
        }
        false
    }

    fn read_driver(&self, violations: &mut Vec<String>) {
        match fs::read(self.setup.files().join(REPORTS[1])).map(|text| serde_json::from_slice::<DriverFile>(&text)) {
            Ok(Ok(file)) => violations.extend(file.sessions.iter().filter_map(wrong_session)),
            Ok(Err(error)) => violations.push(format!("the driver's report cannot be parsed: {error}")),
            Err(error) => violations.push(format!("the driver left no report: {error}")),
        }
    }

    /// Ends the driver of the runs by hand.
    fn close(&mut self) -> Result<Vec<String>, StressError> {
        let mut violations = Vec::new();
        self.driver.signal(Signal::INT);
        match self.driver.end()? {
            Some(status) if status.code() == Some(i32::from(Status::Interrupted as u8)) => {}
            status => {
                let how = status.map_or("hangs".to_owned(), |status| format!("ended with {}", status_text(status)));
                violations.push(format!("the driver {how}: {}", self.driver.last_error()));
            }
        }
        self.read_driver(&mut violations);
        violations
            .extend(self.setup.strays("files", &REPORTS).into_iter().map(|name| format!("the file {name} is left")));
        Ok(violations)
    }
}

/// A driver that serves one stack after another.
fn long_lived(setup: &TestSetup) -> Result<TestProcess, StressError> {
    let json = format!("--json={}", setup.files().join(REPORTS[1]).display());
    setup.driver(&[LINK[0], LINK[1], &json])
}

fn wrong_totals(run: &RunReport) -> Vec<String> {
    let Totals { offered, accepted, refused, delivered, dropped, in_flight, lost, .. } = run.totals;
    let mut wrong =
        run.ledger.violations.iter().map(|violation| format!("the ledger: {violation}")).collect::<Vec<_>>();
    if !run.ledger.balanced || offered != accepted + refused || accepted != delivered + dropped + in_flight + lost {
        wrong.push(format!("the ledger does not balance: {:?}", run.totals));
    }
    wrong
}

fn wrong_session(session: &DriverReport) -> Option<String> {
    let bad = session.bad_length + session.bad_header + session.bad_checksum;
    let balanced = session.received == session.sent + bad + session.discarded;
    (!balanced || bad > 0).then(|| format!("the driver's session does not balance: {session:?}"))
}
