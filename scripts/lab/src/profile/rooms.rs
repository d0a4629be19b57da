//! Which component of the source tree a file belongs to (`rooms` in the report).

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

/// How the samples in a source file are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// For a component.
    Component(Component),
    /// For the caller: the file is used everywhere.
    Helper,
}

/// Folders (with a slash at the end) and files. A test checks that the list is complete, so a new file cannot be
/// counted for the wrong component unnoticed.
const PLACES: &[(&str, Place)] = &[
    ("netstack/src/account/", Place::Component(Component::Ledger)),
    ("netstack/src/app/", Place::Component(Component::App)),
    ("netstack/src/device/", Place::Component(Component::Device)),
    ("netstack/src/dispatch/", Place::Component(Component::Socket)),
    ("netstack/src/error.rs", Place::Helper),
    ("netstack/src/layer.rs", Place::Helper),
    ("netstack/src/layers/ethernet.rs", Place::Component(Component::Ethernet)),
    ("netstack/src/layers/ip.rs", Place::Component(Component::Ip)),
    ("netstack/src/layers/mod.rs", Place::Helper),
    ("netstack/src/layers/neighbours.rs", Place::Component(Component::Ethernet)),
    ("netstack/src/layers/routes.rs", Place::Component(Component::Ip)),
    ("netstack/src/layers/socket.rs", Place::Component(Component::Socket)),
    ("netstack/src/layers/udp.rs", Place::Component(Component::Udp)),
    ("netstack/src/packet/batch.rs", Place::Helper),
    ("netstack/src/packet/mod.rs", Place::Helper),
    ("netstack/src/packet/pending.rs", Place::Component(Component::Device)),
    ("netstack/src/session/", Place::Component(Component::Session)),
    ("netstack/src/lib.rs", Place::Component(Component::Process)),
    ("netstack/src/main.rs", Place::Component(Component::Process)),
    ("netstack/src/process.rs", Place::Component(Component::Process)),
    ("netstack/src/settings.rs", Place::Component(Component::Process)),
    ("driver/src/backend/", Place::Component(Component::Backend)),
    ("driver/src/hardware/", Place::Component(Component::Hardware)),
    ("driver/src/session/", Place::Component(Component::Session)),
    ("driver/src/lib.rs", Place::Component(Component::Process)),
    ("driver/src/listener/", Place::Component(Component::Process)),
    ("driver/src/main.rs", Place::Component(Component::Process)),
    ("driver/src/pairs.rs", Place::Component(Component::Process)),
    ("driver/src/settings.rs", Place::Component(Component::Process)),
    ("shared/src/connection/", Place::Component(Component::Ring)),
    ("shared/src/control/", Place::Component(Component::Ring)),
    ("shared/src/cpu.rs", Place::Helper),
    ("shared/src/credits.rs", Place::Component(Component::Ring)),
    ("shared/src/depth.rs", Place::Component(Component::Ring)),
    ("shared/src/exec/", Place::Component(Component::Executor)),
    ("shared/src/frame.rs", Place::Component(Component::Ring)),
    ("shared/src/ledger/", Place::Component(Component::Ledger)),
    ("shared/src/lib.rs", Place::Helper),
    ("shared/src/report/", Place::Component(Component::Ledger)),
    ("shared/src/process/", Place::Component(Component::Process)),
    ("shared/src/ring/", Place::Component(Component::Ring)),
    ("shared/src/liveness.rs", Place::Component(Component::Session)),
    ("shared/src/testing/", Place::Helper),
    ("shared/src/units/", Place::Helper),
];

/// The place of the file at `path`; `None` for files outside this project. Line tables hold absolute paths of the
/// machine on which the program was built.
pub(crate) fn place(path: &str) -> Option<Place> {
    let (_, place) = PLACES.iter().find(|(known, _)| lies_in(path, known))?;
    Some(*place)
}

/// Whether `path` contains the components of `known`, and ends with them if `known` is a file.
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
    fn every_source_file_of_both_programs_has_a_place_and_every_place_has_a_file() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let files: Vec<_> = ["netstack/src", "driver/src", "shared/src"].map(|of| sources(&root.join(of))).concat();
        let files: Vec<_> = files.iter().map(|file| file.to_str().unwrap()).collect();
        assert!(files.len() > 100, "{files:?}");
        let missing: Vec<_> = files.iter().filter(|file| place(file).is_none()).collect();
        assert!(missing.is_empty(), "add these to PLACES: {missing:?}");
        let stale = PLACES.iter().filter(|(known, _)| !files.iter().any(|file| lies_in(file, known)));
        let stale: Vec<_> = stale.map(|(known, _)| known).collect();
        assert!(stale.is_empty(), "these are gone, remove them from PLACES: {stale:?}");
    }

    #[test]
    fn files_match_by_whole_path_components_and_other_projects_do_not_match() {
        let component = |path| match place(path) {
            Some(Place::Component(component)) => Some(component),
            _ => None,
        };
        assert_eq!(component("/build/pushback/netstack/src/device/ring.rs"), Some(Component::Device));
        assert_eq!(component("shared/src/ring/shm/end.rs"), Some(Component::Ring));
        assert_eq!(place("/x/shared/src/units/nanos.rs"), Some(Place::Helper));
        for foreign in [
            "/rustc/0123/library/core/src/ptr/mod.rs",
            "/home/x/.cargo/registry/src/index/some-1.0.0/driver/src/hardware/mod.rs",
            "/x/mydriver/src/session/mod.rs",
            "/x/shared/src/lib.rs.old",
        ] {
            assert_eq!(place(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn every_component_has_a_unique_name() {
        let names: BTreeSet<_> =
            Component::WORK.iter().chain([&Component::Spin]).map(|component| component.name()).collect();
        assert_eq!(names.len(), Component::WORK.len() + 1);
    }
}
