//! Which room of the source tree a file belongs to.

/// Where CPU time goes. In the order of the report: down the stack, then the driver, then what both use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Room {
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
    /// Bytes moved, whoever moves them.
    Copy,
    Executor,
    /// The time of day, whoever asks for it.
    Clock,
    /// What surrounds the data path: start, greeting, report.
    Process,
    Kernel,
    /// No frame of ours was found.
    Other,
    /// Spinning for want of work: not work.
    Spin,
}

impl Room {
    /// The rooms of work: all but [`Room::Spin`].
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

/// What a source file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Part of a room.
    Room(Room),
    /// At everybody's service: its time is its caller's.
    Helper,
}

/// Folders (which end with a slash) and files. Complete: a test holds it against the tree, so nothing
/// new is charged to the wrong room in silence.
const PLACES: &[(&str, Place)] = &[
    ("netstack/src/app/", Place::Room(Room::App)),
    ("netstack/src/dispatch/", Place::Room(Room::Socket)),
    ("netstack/src/flow/", Place::Room(Room::Ledger)),
    ("netstack/src/session/", Place::Room(Room::Session)),
    ("netstack/src/stack/burst.rs", Place::Helper),
    ("netstack/src/stack/checksum.rs", Place::Room(Room::Udp)),
    ("netstack/src/stack/cost.rs", Place::Room(Room::Socket)),
    ("netstack/src/stack/device/", Place::Room(Room::Device)),
    ("netstack/src/stack/error.rs", Place::Helper),
    ("netstack/src/stack/ethernet.rs", Place::Room(Room::Ethernet)),
    ("netstack/src/stack/ip.rs", Place::Room(Room::Ip)),
    ("netstack/src/stack/mod.rs", Place::Helper),
    ("netstack/src/stack/neighbour.rs", Place::Room(Room::Ethernet)),
    ("netstack/src/stack/packet.rs", Place::Helper),
    ("netstack/src/stack/place.rs", Place::Room(Room::Device)),
    ("netstack/src/stack/route.rs", Place::Room(Room::Ip)),
    ("netstack/src/stack/socket.rs", Place::Room(Room::Socket)),
    ("netstack/src/stack/udp.rs", Place::Room(Room::Udp)),
    ("netstack/src/lib.rs", Place::Room(Room::Process)),
    ("netstack/src/main.rs", Place::Room(Room::Process)),
    ("netstack/src/process.rs", Place::Room(Room::Process)),
    ("netstack/src/settings.rs", Place::Room(Room::Process)),
    ("driver/src/backend/", Place::Room(Room::Backend)),
    ("driver/src/hardware/", Place::Room(Room::Hardware)),
    ("driver/src/session/", Place::Room(Room::Session)),
    ("driver/src/lib.rs", Place::Room(Room::Process)),
    ("driver/src/listener/", Place::Room(Room::Process)),
    ("driver/src/main.rs", Place::Room(Room::Process)),
    ("driver/src/pairs.rs", Place::Room(Room::Process)),
    ("driver/src/settings.rs", Place::Room(Room::Process)),
    ("shared/src/cpu.rs", Place::Helper),
    ("shared/src/exec/", Place::Room(Room::Executor)),
    ("shared/src/exit.rs", Place::Room(Room::Process)),
    ("shared/src/flags.rs", Place::Room(Room::Process)),
    ("shared/src/ledger/", Place::Room(Room::Ledger)),
    ("shared/src/lib.rs", Place::Helper),
    ("shared/src/parent.rs", Place::Room(Room::Process)),
    ("shared/src/peers.rs", Place::Room(Room::Process)),
    ("shared/src/report/", Place::Room(Room::Ledger)),
    ("shared/src/ring/", Place::Room(Room::Ring)),
    ("shared/src/settings.rs", Place::Room(Room::Process)),
    ("shared/src/leftovers.rs", Place::Room(Room::Process)),
    ("shared/src/limits.rs", Place::Room(Room::Process)),
    ("shared/src/liveness.rs", Place::Room(Room::Session)),
    ("shared/src/output.rs", Place::Room(Room::Process)),
    ("shared/src/signals.rs", Place::Room(Room::Process)),
    ("shared/src/whole.rs", Place::Room(Room::Process)),
    ("shared/src/testing/", Place::Helper),
    ("shared/src/units/", Place::Helper),
    ("shared/src/wire/", Place::Room(Room::Ring)),
];

/// What the file at `path` is, if it is one of ours. Line tables tell whole paths, of whatever machine
/// the program was built on.
pub(crate) fn place(path: &str) -> Option<Place> {
    let (_, place) = PLACES.iter().find(|(known, _)| lies_in(path, known))?;
    Some(*place)
}

/// Whether `path` has the components of `known`, and ends with them if that is a file.
fn lies_in(path: &str, known: &str) -> bool {
    let found = path.rmatch_indices(known).any(|(at, _)| {
        let whole = at == 0 || path.as_bytes()[at - 1] == b'/';
        whole && (known.ends_with('/') || at + known.len() == path.len())
    });
    // A crate of somebody else's may have folders of the same names.
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
        let homeless: Vec<_> = files.iter().filter(|file| place(file).is_none()).collect();
        assert!(homeless.is_empty(), "add these to PLACES: {homeless:?}");
        let empty = PLACES.iter().filter(|(known, _)| !files.iter().any(|file| lies_in(file, known)));
        let empty: Vec<_> = empty.map(|(known, _)| known).collect();
        assert!(empty.is_empty(), "these are gone, remove them from PLACES: {empty:?}");
    }

    #[test]
    fn files_are_known_by_whole_components_and_others_are_not_ours() {
        let room = |path| match place(path) {
            Some(Place::Room(room)) => Some(room),
            _ => None,
        };
        assert_eq!(room("/build/pushback/netstack/src/stack/device/ring.rs"), Some(Room::Device));
        assert_eq!(room("shared/src/ring/shm/end.rs"), Some(Room::Ring));
        assert_eq!(place("/x/shared/src/units/nanos.rs"), Some(Place::Helper));
        for foreign in [
            "/rustc/0123/library/core/src/ptr/mod.rs",
            "/home/x/.cargo/registry/src/index/some-1.0.0/driver/src/hardware/mod.rs",
            "/x/mydriver/src/session/mod.rs",
            "/x/shared/src/exit.rs.old",
        ] {
            assert_eq!(place(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn every_room_has_a_name_of_its_own() {
        let names: BTreeSet<_> = Room::WORK.iter().chain([&Room::Spin]).map(|room| room.name()).collect();
        assert_eq!(names.len(), Room::WORK.len() + 1);
    }
}
