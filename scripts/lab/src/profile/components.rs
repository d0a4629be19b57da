//! Which component of the source tree the samples in a file count for.
//!
//! The report has the components under the key `rooms`.

/// What CPU time is spent on, in the order of the report: down the stack, then the driver, then what both use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Component {
    App,
    Socket,
    Udp,
    Ip,
    Ethernet,
    Device,
    Ledger,
    Session,
    Hardware,
    Backend,
    Ring,
    /// Copying bytes, in any function.
    Copy,
    Executor,
    /// Reading the clock, in any function.
    Clock,
    /// Everything around the data path: start, greeting, report.
    Process,
    Kernel,
    /// No function of this project was found.
    Other,
    /// Spinning while there is nothing to do; this is not work.
    Spin,
}

impl Component {
    /// All components except [`Component::Spin`].
    pub(crate) const WORK: [Self; 17] = [
        Self::App,
        Self::Socket,
        Self::Udp,
        Self::Ip,
        Self::Ethernet,
        Self::Device,
        Self::Ledger,
        Self::Session,
        Self::Hardware,
        Self::Backend,
        Self::Ring,
        Self::Copy,
        Self::Executor,
        Self::Clock,
        Self::Process,
        Self::Kernel,
        Self::Other,
    ];

    /// Its name in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Socket => "socket",
            Self::Udp => "udp",
            Self::Ip => "ip",
            Self::Ethernet => "ethernet",
            Self::Device => "device",
            Self::Ledger => "ledger",
            Self::Session => "session",
            Self::Hardware => "hardware",
            Self::Backend => "backend",
            Self::Ring => "ring",
            Self::Copy => "copy",
            Self::Executor => "executor",
            Self::Clock => "clock",
            Self::Process => "process",
            Self::Kernel => "kernel",
            Self::Other => "other",
            Self::Spin => "spin",
        }
    }
}

/// What the samples in a source file count for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CountsFor {
    /// A component.
    Component(Component),
    /// The component of the caller, because the file is used everywhere.
    Caller,
}

/// Every folder (with a slash at the end) and file of the source tree. A test checks that the list is complete, so that
/// no new file counts for the wrong component unnoticed.
const SOURCES: &[(&str, CountsFor)] = &[
    ("netstack/src/account/", CountsFor::Component(Component::Ledger)),
    ("netstack/src/app/", CountsFor::Component(Component::App)),
    ("netstack/src/device/", CountsFor::Component(Component::Device)),
    ("netstack/src/dispatch/", CountsFor::Component(Component::Socket)),
    ("netstack/src/error.rs", CountsFor::Caller),
    ("netstack/src/layer.rs", CountsFor::Caller),
    ("netstack/src/layers/answer.rs", CountsFor::Caller),
    ("netstack/src/layers/arp.rs", CountsFor::Component(Component::Ethernet)),
    ("netstack/src/layers/bounded.rs", CountsFor::Caller),
    ("netstack/src/layers/checksum.rs", CountsFor::Caller),
    ("netstack/src/layers/ethernet/", CountsFor::Component(Component::Ethernet)),
    ("netstack/src/layers/icmp.rs", CountsFor::Component(Component::Ip)),
    ("netstack/src/layers/ingress.rs", CountsFor::Caller),
    ("netstack/src/layers/ip/", CountsFor::Component(Component::Ip)),
    ("netstack/src/layers/local.rs", CountsFor::Component(Component::Ip)),
    ("netstack/src/layers/mod.rs", CountsFor::Caller),
    ("netstack/src/layers/ndp.rs", CountsFor::Component(Component::Ethernet)),
    ("netstack/src/layers/neighbours.rs", CountsFor::Component(Component::Ethernet)),
    ("netstack/src/layers/routes.rs", CountsFor::Component(Component::Ip)),
    ("netstack/src/layers/socket.rs", CountsFor::Component(Component::Socket)),
    ("netstack/src/layers/udp/", CountsFor::Component(Component::Udp)),
    ("netstack/src/packet/batch.rs", CountsFor::Caller),
    ("netstack/src/packet/mod.rs", CountsFor::Caller),
    ("netstack/src/packet/pending.rs", CountsFor::Component(Component::Device)),
    ("netstack/src/packet/reservation.rs", CountsFor::Component(Component::Device)),
    ("netstack/src/packet/waits.rs", CountsFor::Component(Component::Ledger)),
    ("netstack/src/receive/", CountsFor::Component(Component::Socket)),
    ("netstack/src/session/", CountsFor::Component(Component::Session)),
    ("netstack/src/lib.rs", CountsFor::Component(Component::Process)),
    ("netstack/src/main.rs", CountsFor::Component(Component::Process)),
    ("netstack/src/process.rs", CountsFor::Component(Component::Process)),
    ("netstack/src/settings.rs", CountsFor::Component(Component::Process)),
    ("driver/src/backend/", CountsFor::Component(Component::Backend)),
    ("driver/src/hardware/", CountsFor::Component(Component::Hardware)),
    ("driver/src/session/", CountsFor::Component(Component::Session)),
    ("driver/src/lib.rs", CountsFor::Component(Component::Process)),
    ("driver/src/listener/", CountsFor::Component(Component::Process)),
    ("driver/src/main.rs", CountsFor::Component(Component::Process)),
    ("driver/src/settings.rs", CountsFor::Component(Component::Process)),
    ("shared/src/connection/", CountsFor::Component(Component::Ring)),
    ("shared/src/control/", CountsFor::Component(Component::Ring)),
    ("shared/src/cpu.rs", CountsFor::Caller),
    ("shared/src/credits.rs", CountsFor::Component(Component::Ring)),
    ("shared/src/depth.rs", CountsFor::Component(Component::Ring)),
    ("shared/src/exec/", CountsFor::Component(Component::Executor)),
    ("shared/src/draw.rs", CountsFor::Component(Component::Hardware)),
    ("shared/src/fifo.rs", CountsFor::Caller),
    ("shared/src/frame.rs", CountsFor::Component(Component::Ring)),
    ("shared/src/ledger/", CountsFor::Component(Component::Ledger)),
    ("shared/src/lib.rs", CountsFor::Caller),
    ("shared/src/report/", CountsFor::Component(Component::Ledger)),
    ("shared/src/process/", CountsFor::Component(Component::Process)),
    ("shared/src/ring/", CountsFor::Component(Component::Ring)),
    ("shared/src/stalls/", CountsFor::Component(Component::Hardware)),
    ("shared/src/limits.rs", CountsFor::Component(Component::Process)),
    ("shared/src/liveness.rs", CountsFor::Component(Component::Session)),
    ("shared/src/testing/", CountsFor::Caller),
    ("shared/src/units/", CountsFor::Caller),
];

/// What samples in the file at `path` count for; `None` for files outside this project. Line tables hold absolute paths
/// of the machine on which the program was built.
pub(crate) fn counts_for(path: &str) -> Option<CountsFor> {
    let (_, counts_for) = SOURCES.iter().find(|(known, _)| lies_in(path, known))?;
    Some(*counts_for)
}

/// Whether `path` contains all names of the path `known`, and ends with them if `known` is a file.
fn lies_in(path: &str, known: &str) -> bool {
    let found = path.rmatch_indices(known).any(|(at, _)| {
        let whole = at == 0 || path.as_bytes()[at - 1] == b'/';
        whole && (known.ends_with('/') || at + known.len() == path.len())
    });
    // Another crate may have folders of the same names.
    found && !path.contains("/registry/src/")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use super::*;

    /// Every source file below `folder`.
    fn sources(folder: &Path) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
        let files = files.into_iter().filter(|path| path.extension().is_some_and(|kind| kind == "rs"));
        files.chain(folders.iter().flat_map(|folder| sources(folder))).collect()
    }

    #[test]
    fn every_source_file_of_both_programs_is_listed_and_every_listed_path_exists() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let files: Vec<_> = ["netstack/src", "driver/src", "shared/src"].map(|of| sources(&root.join(of))).concat();
        let files: Vec<_> = files.iter().map(|file| file.to_str().unwrap()).collect();
        assert!(files.len() > 100, "{files:?}");
        let missing: Vec<_> = files.iter().filter(|file| counts_for(file).is_none()).collect();
        assert!(missing.is_empty(), "add these to SOURCES: {missing:?}");
        let stale = SOURCES.iter().filter(|(known, _)| !files.iter().any(|file| lies_in(file, known)));
        let stale: Vec<_> = stale.map(|(known, _)| known).collect();
        assert!(stale.is_empty(), "these are gone, remove them from SOURCES: {stale:?}");
    }

    #[test]
    fn files_match_by_whole_path_components_and_other_projects_do_not_match() {
        let component = |path| match counts_for(path) {
            Some(CountsFor::Component(component)) => Some(component),
            _ => None,
        };
        assert_eq!(component("/build/pushback/netstack/src/device/ring.rs"), Some(Component::Device));
        assert_eq!(component("shared/src/ring/shm/end.rs"), Some(Component::Ring));
        assert_eq!(counts_for("/x/shared/src/units/nanos.rs"), Some(CountsFor::Caller));
        for foreign in [
            "/rustc/0123/library/core/src/ptr/mod.rs",
            "/home/x/.cargo/registry/src/index/some-1.0.0/driver/src/hardware/mod.rs",
            "/x/mydriver/src/session/mod.rs",
            "/x/shared/src/lib.rs.old",
        ] {
            assert_eq!(counts_for(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn every_component_has_a_unique_name() {
        let names: BTreeSet<_> =
            Component::WORK.iter().chain([&Component::Spin]).map(|component| component.name()).collect();
        assert_eq!(names.len(), Component::WORK.len() + 1);
    }
}
