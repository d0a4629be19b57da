//! Which room one sample is charged to.

use super::lines::Function;
use super::rooms::{Place, Room, place};
use super::samples::Frame;

/// Addresses of the kernel have their highest bit set.
const KERNEL: u64 = 1 << 63;

/// What a thread was doing, innermost first, with inlined functions told apart where they are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Call<'a> {
    /// A function of a program whose line tables were read.
    Known(&'a Function),
    /// Something else, as far as symbols tell.
    Foreign(&'a Frame),
}

impl Call<'_> {
    fn name(&self) -> &str {
        match self {
            Self::Known(function) => &function.name,
            Self::Foreign(frame) => &frame.symbol,
        }
    }

    fn file(&self) -> &str {
        match self {
            Self::Known(function) => &function.file,
            Self::Foreign(_) => "",
        }
    }
}

/// The innermost function of ours decides, unless what it called copies bytes, asks for the time or is
/// the kernel. Whatever the executor's spin calls is spinning.
pub(super) fn charge(calls: &[Call<'_>]) -> Room {
    if calls.iter().any(spins) {
        return Room::Spin;
    }
    if let Some(Call::Foreign(frame)) = calls.first()
        && frame.address & KERNEL != 0
    {
        return Room::Kernel;
    }
    calls.iter().find_map(room).unwrap_or(Room::Other)
}

fn spins(call: &Call<'_>) -> bool {
    last_name(call.name()) == "spin" && place(call.file()) == Some(Place::Room(Room::Executor))
}

/// What `call` says about the room; `None` if that is for its caller to say.
fn room(call: &Call<'_>) -> Option<Room> {
    let name = last_name(call.name());
    match place(call.file()) {
        // The one place that reads the system's clock.
        Some(Place::Room(Room::Executor)) if matches!(&*name, "monotonic_now" | "process_cpu_time") => {
            Some(Room::Clock)
        }
        Some(Place::Room(room)) => Some(room),
        Some(Place::Helper) => None,
        None if copies(&name) => Some(Room::Copy),
        None if name.contains("clock_gettime") => Some(Room::Clock),
        // Only the ring uses this crate. A sample holds so little of the stack that its caller may be out of sight.
        None if call.file().contains("/vm-memory-") => Some(Room::Ring),
        None => None,
    }
}

/// Whether a function of somebody else's moves bytes: `memmove`, `copy_from_slice`, `copy_to`, ...
fn copies(name: &str) -> bool {
    name.contains("memcpy") || name.contains("memmove") || name == "copy" || name.starts_with("copy_")
}

/// The function's own name: `spin` of `shared::exec::real::RealPark<S>::spin`, as symbols have it, and of
/// `spin<S>`, as line tables have it. A closure's is that of the function around it.
fn last_name(path: &str) -> String {
    let mut depth = 0i32;
    let mut plain = path.replace("->", "");
    plain.retain(|c| {
        depth += i32::from(c == '<') - i32::from(c == '>');
        depth == 0 && c != '>'
    });
    plain.rsplit("::").find(|name| !name.is_empty() && !name.starts_with('{')).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    fn known(name: &str, file: &str) -> Function {
        Function { name: name.to_owned(), file: file.to_owned() }
    }

    fn foreign(address: u64, symbol: &str) -> Frame {
        Frame { address, symbol: symbol.to_owned(), object: String::new() }
    }

    const CORE: &str = "/rustc/0/library/core/src/num/mod.rs";
    const UDP: &str = "/b/netstack/src/stack/udp.rs";
    const SLOT: &str = "/b/shared/src/ring/shm/slot.rs";
    const PARK: &str = "/b/shared/src/exec/real.rs";

    #[test]
    fn shared_memory_is_the_rings_and_copies_of_it_are_copies() {
        let file = "/r/vm-memory-0.18.0/src/volatile_memory.rs";
        let [offset, copy] = [known("compute_offset", file), known("copy_slice", file)];
        assert_eq!(charge(&[Call::Known(&offset)]), Room::Ring);
        assert_eq!(charge(&[Call::Known(&copy), Call::Known(&offset)]), Room::Copy);
    }

    #[test]
    fn the_innermost_function_of_ours_decides() {
        let [add, nanos, udp, app] = [
            known("wrapping_add", CORE),
            known("since", "/b/shared/src/units/nanos.rs"),
            known("encapsulate<L>", UDP),
            known("send", "/b/netstack/src/app/run/outlet.rs"),
        ];
        let calls = [&add, &nanos, &udp, &app].map(Call::Known);
        assert_eq!(charge(&calls), Room::Udp);
        assert_eq!(charge(&calls[3..]), Room::App);
        assert_eq!((charge(&calls[..2]), charge(&[])), (Room::Other, Room::Other));
    }

    #[test]
    fn copying_the_clock_and_the_kernel_are_rooms_of_their_own() {
        let (slot, park) = (known("write", SLOT), known("shared::exec::real::monotonic_now", PARK));
        let inlined = known("copy_from_slice<u8>", CORE);
        let [memmove, vdso] = [foreign(7, "__memmove_avx_unaligned_erms"), foreign(8, "__vdso_clock_gettime")];
        let (kernel, alloc) = (foreign(0xffff_ffff_8000_0000, "do_syscall_64"), foreign(9, "malloc"));
        assert_eq!(charge(&[Call::Foreign(&memmove), Call::Known(&slot)]), Room::Copy);
        assert_eq!(charge(&[Call::Known(&inlined), Call::Known(&slot)]), Room::Copy);
        assert_eq!(charge(&[Call::Known(&slot), Call::Foreign(&memmove)]), Room::Ring);
        assert_eq!(charge(&[Call::Foreign(&vdso), Call::Known(&slot)]), Room::Clock);
        assert_eq!(charge(&[Call::Known(&park)]), Room::Clock);
        assert_eq!(charge(&[Call::Foreign(&kernel), Call::Known(&slot)]), Room::Kernel);
        assert_eq!(charge(&[Call::Foreign(&alloc), Call::Known(&slot)]), Room::Ring);
    }

    #[test]
    fn whatever_the_spin_calls_is_spinning() {
        let (spin, slot) = (known("spin<S>", PARK), known("look", SLOT));
        let (vdso, kernel) = (foreign(8, "__vdso_clock_gettime"), foreign(u64::MAX - 1, "fdget"));
        for inner in [Call::Known(&slot), Call::Foreign(&vdso), Call::Foreign(&kernel)] {
            assert_eq!(charge(&[inner, Call::Known(&spin)]), Room::Spin);
        }
        assert_eq!(charge(&[Call::Known(&known("spin", SLOT))]), Room::Ring);
    }

    /// If these are renamed, spinning would count as work and the clock as the executor's.
    #[test]
    fn the_functions_that_are_known_by_name_are_there() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/src/exec");
        let files = fs::read_dir(folder).unwrap().map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
        let source: String = files.collect();
        for name in ["spin", "monotonic_now", "process_cpu_time"] {
            assert!(source.contains(&format!("fn {name}(")), "{name}");
        }
    }

    #[test]
    fn names_are_found_behind_paths_and_before_generics() {
        for (path, name) in [
            ("spin<shared::ring::shm::ShmProducer>", "spin"),
            ("shared::exec::real::RealPark<S>::spin", "spin"),
            ("<alloc::rc::Rc<T> as shared::ring::port::ProducerPort>::submit", "submit"),
            ("netstack::app::Outlet<D>::send::{{closure}}", "send"),
            ("core::ops::FnOnce<fn(u8) -> u8>::call_once", "call_once"),
            ("{async_fn#0}<a::B>", ""),
            ("__memmove_avx_unaligned_erms", "__memmove_avx_unaligned_erms"),
        ] {
            assert_eq!(last_name(path), name, "{path}");
        }
    }
}
