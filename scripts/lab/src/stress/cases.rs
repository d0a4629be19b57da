//! The cases of `lab stress kills`, drawn from a seed, and the exit statuses that each of them allows.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use rustix::process::Signal;
use shared::process::exit::Status;

/// How the processes are started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Setting {
    /// By `lab run`, which starts a driver and a stack for one run.
    Lab,
    /// By this process: a stack that connects to a driver which serves one stack after another.
    Hand,
}

/// One of the processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    Driver,
    Stack,
    Lab,
}

/// The signal that the target gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Action {
    Kill,
    Terminate,
    Interrupt,
    Quit,
    /// SIGSTOP, then SIGCONT.
    Halt,
}

/// One run during which a process gets a signal.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) setting: Setting,
    pub(super) target: Who,
    pub(super) action: Action,
    pub(super) transport: &'static str,
    pub(super) policy: &'static str,
    pub(super) depth: u32,
    /// When the signal is sent, as a share of the duration of a run without one.
    pub(super) moment: f64,
    /// Time between SIGSTOP and SIGCONT.
    pub(super) halt: Duration,
}

const TRANSPORTS: [&str; 2] = ["shm", "socket"];
const POLICIES: [&str; 4] = ["wait", "drop-newest", "drop-oldest", "deadline=5ms"];
const DEPTHS: [u32; 4] = [1, 3, 64, 1024];
const ACTIONS: [Action; 5] = [Action::Kill, Action::Terminate, Action::Interrupt, Action::Quit, Action::Halt];
/// The stack is twice in the list, so that both settings have half of the cases.
const TARGETS: [(Setting, Who); 6] = [
    (Setting::Lab, Who::Driver),
    (Setting::Lab, Who::Stack),
    (Setting::Lab, Who::Lab),
    (Setting::Hand, Who::Driver),
    (Setting::Hand, Who::Stack),
    (Setting::Hand, Who::Stack),
];

/// The latest moment: some signals are sent when the run may have ended.
const LATEST: f64 = 1.1;

impl Case {
    /// Returns case `number` of `seed`: always the same one.
    pub(super) fn draw(seed: u64, number: u32) -> Self {
        let mut generator = SplitMix64::seed_from_u64(seed ^ (u64::from(number) << 32));
        let mut share = move || (generator.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        let (setting, target) = one_of(&TARGETS, share());
        Self {
            setting,
            target,
            action: one_of(&ACTIONS, share()),
            transport: one_of(&TRANSPORTS, share()),
            policy: one_of(&POLICIES, share()),
            depth: one_of(&DEPTHS, share()),
            moment: share() * LATEST,
            halt: Duration::from_micros((share() * 50_000.0) as u64),
        }
    }
}

fn one_of<T: Copy>(all: &[T], share: f64) -> T {
    all[(share * all.len() as f64) as usize]
}

impl Action {
    pub(super) fn signal(self) -> Signal {
        match self {
            Self::Kill => Signal::KILL,
            Self::Terminate => Signal::TERM,
            Self::Interrupt => Signal::INT,
            Self::Quit => Signal::QUIT,
            Self::Halt => Signal::STOP,
        }
    }
}

/// Returns whether `who` may end with `status` in this case. `finished` means that the run has a complete report: the
/// signal came too late to interrupt it.
pub(super) fn may_end(case: &Case, who: Who, status: ExitStatus, finished: bool) -> bool {
    use Status::{Fine, Interrupted, PeerFailed};
    if let Some(signal) = status.signal() {
        // A process that has just started has no signal handlers yet, and there is none for SIGKILL.
        return who == case.target && case.action != Action::Halt && signal == case.action.signal().as_raw();
    }
    let one_of = |allowed: &[Status]| allowed.iter().any(|allowed| status.code() == Some(i32::from(*allowed as u8)));
    if one_of(&[Fine]) {
        return finished;
    }
    match (case.action, case.setting, who == case.target) {
        (Action::Halt, ..) => false,
        // The lab reports how its child ended.
        (Action::Kill, Setting::Lab, false) => who == Who::Lab && one_of(&[PeerFailed]),
        (Action::Kill, Setting::Hand, false) => one_of(&[PeerFailed]),
        (Action::Kill, _, true) => false,
        (_, _, true) => one_of(&[Interrupted]),
        // After SIGQUIT there is no farewell, so the peer may count as failed.
        (Action::Quit, ..) => one_of(&[Interrupted, PeerFailed]),
        // A driver that is about to end refuses stacks.
        (_, Setting::Hand, false) => one_of(&[Interrupted, PeerFailed]),
        (_, Setting::Lab, false) => one_of(&[Interrupted]),
    }
}

/// Returns whether a process that outlives its lab may end with `status`: it ends as on SIGTERM, or because its peer
/// has ended first.
pub(super) fn orphan_may_end(case: &Case, status: ExitStatus) -> bool {
    let alone = case.setting == Setting::Lab && case.target == Who::Lab && case.action != Action::Halt;
    // On SIGQUIT the lab kills its children.
    let killed = case.action == Action::Quit && status.signal() == Some(Signal::KILL.as_raw());
    let allowed = [Status::Fine, Status::PeerFailed, Status::Interrupted];
    alone && (killed || allowed.iter().any(|allowed| status.code() == Some(i32::from(*allowed as u8))))
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { setting, policy, transport, depth, .. } = self;
        write!(f, "{setting}, {policy} over {transport}, depth {depth}, {} to the {}", self.action, self.target)
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lab => "lab run",
            Self::Hand => "by hand",
        })
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Driver => "driver",
            Self::Stack => "stack",
            Self::Lab => "lab",
        })
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kill => "KILL",
            Self::Terminate => "TERM",
            Self::Interrupt => "INT",
            Self::Quit => "QUIT",
            Self::Halt => "STOP and CONT",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(setting: Setting, target: Who, action: Action) -> Case {
        Case { setting, target, action, ..Case::draw(1, 1) }
    }

    #[test]
    fn the_same_seed_draws_the_same_cases_and_all_kinds_of_them() {
        let drawn = |seed| (0..500).map(|number| format!("{:?}", Case::draw(seed, number))).collect::<Vec<_>>();
        assert_eq!(drawn(7), drawn(7));
        assert_ne!(drawn(7), drawn(8));
        let all = drawn(7).concat();
        for kind in TRANSPORTS.iter().chain(&POLICIES) {
            assert!(all.contains(kind), "{kind}");
        }
        for (setting, target) in TARGETS {
            for action in ACTIONS {
                let same = |case: &Case| (case.setting, case.target, case.action) == (setting, target, action);
                assert!((0..500).any(|number| same(&Case::draw(7, number))), "{setting} {action} to {target}");
            }
        }
    }

    #[test]
    fn statuses_are_those_of_the_table() {
        use Setting::{Hand, Lab};
        let code = |code: i32| ExitStatus::from_raw(code << 8);
        let signal = ExitStatus::from_raw;
        for (setting, target, action, who, allowed, refused) in [
            (Lab, Who::Driver, Action::Kill, Who::Lab, vec![code(3)], vec![code(130), code(4), code(101), signal(9)]),
            (Lab, Who::Stack, Action::Terminate, Who::Lab, vec![code(130)], vec![code(3), code(1), signal(15)]),
            (Lab, Who::Lab, Action::Interrupt, Who::Lab, vec![code(130), signal(2)], vec![code(3), signal(15)]),
            (Lab, Who::Lab, Action::Kill, Who::Lab, vec![signal(9)], vec![code(130)]),
            (Lab, Who::Stack, Action::Quit, Who::Lab, vec![code(130), code(3)], vec![code(4), signal(3)]),
            (Hand, Who::Driver, Action::Kill, Who::Stack, vec![code(3)], vec![code(130), code(2)]),
            (Hand, Who::Stack, Action::Interrupt, Who::Stack, vec![code(130), signal(2)], vec![code(3), code(101)]),
            (Lab, Who::Lab, Action::Halt, Who::Lab, vec![], vec![code(1), code(3), code(130), signal(19)]),
        ] {
            let case = case(setting, target, action);
            for status in allowed {
                assert!(may_end(&case, who, status, false), "{case}: {who} {status}");
            }
            for status in refused {
                assert!(!may_end(&case, who, status, false), "{case}: {who} {status}");
            }
            assert!(may_end(&case, who, code(0), true) && !may_end(&case, who, code(0), false));
        }
    }

    #[test]
    fn only_a_lab_that_was_ended_leaves_processes_behind() {
        let interrupted = ExitStatus::from_raw(130 << 8);
        let killed = ExitStatus::from_raw(9);
        let alone = case(Setting::Lab, Who::Lab, Action::Kill);
        assert!(orphan_may_end(&alone, interrupted) && !orphan_may_end(&alone, killed));
        assert!(orphan_may_end(&case(Setting::Lab, Who::Lab, Action::Quit), killed));
        assert!(!orphan_may_end(&case(Setting::Lab, Who::Stack, Action::Kill), interrupted));
    }
}
