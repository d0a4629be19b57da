//! Assigns each sample to a component of the source tree.

use super::components::{Component, CountsFor, counts_for};
use super::lines::Function;
use super::samples::Frame;

// On x86-64 and arm64 the addresses of the kernel have their highest bit set.
const KERNEL: u64 = 1 << 63;

/// One call of a sample, innermost first, with inlined functions separated where line tables allow it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Call<'a> {
    /// A function of a program whose line tables were read.
    Known(&'a Function),
    /// Any other function, as far as symbols identify it.
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

/// The component that a sample counts for: that of the innermost function of this project, unless what it called copies
/// bytes, reads the clock, or is the kernel. Everything that the executor's spin calls counts as spinning.
pub(super) fn charge(calls: &[Call<'_>]) -> Component {
    if calls.iter().any(spins) {
        return Component::Spin;
    }
    if let Some(Call::Foreign(frame)) = calls.first()
        && frame.address & KERNEL != 0
    {
        return Component::Kernel;
    }
    calls.iter().find_map(component).unwrap_or(Component::Other)
}

fn spins(call: &Call<'_>) -> bool {
    last_name(call.name()) == "spin" && counts_for(call.file()) == Some(CountsFor::Component(Component::Executor))
}

/// The component of `call`; `None` if its caller decides.
fn component(call: &Call<'_>) -> Option<Component> {
    let name = last_name(call.name());
    match counts_for(call.file()) {
        // The only functions that read the system's clock.
        Some(CountsFor::Component(Component::Executor)) if matches!(&*name, "monotonic_now" | "process_cpu_time") => {
            Some(Component::Clock)
        }
        Some(CountsFor::Component(component)) => Some(component),
        Some(CountsFor::Caller) => None,
        None if copies(&name) => Some(Component::Copy),
        None if name.contains("clock_gettime") => Some(Component::Clock),
        // Only the ring uses this crate. A sample holds so little of the call stack that the caller may be missing.
        None if call.file().contains("/vm-memory-") => Some(Component::Ring),
        None => None,
    }
}

/// Whether a function outside this project moves bytes: `memmove`, `copy_from_slice`, `copy_to`, ...
fn copies(name: &str) -> bool {
    name.contains("memcpy") || name.contains("memmove") || name == "copy" || name.starts_with("copy_")
}

/// The last part of a function's path: `spin` of `shared::exec::real::RealPark::spin`, as symbols have it, and of
/// `spin<S>`, as line tables have it. For a closure it is the name of the function around it.
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
    const UDP: &str = "/b/netstack/src/layers/udp/egress.rs";
    const SLOT: &str = "/b/shared/src/ring/shm/slot.rs";
    const PARK: &str = "/b/shared/src/exec/real.rs";

    #[test]
    fn shared_memory_counts_for_the_ring_and_copies_of_it_as_copies() {
        let file = "/r/vm-memory-0.18.0/src/volatile_memory.rs";
        let [offset, copy] = [known("compute_offset", file), known("copy_slice", file)];
        assert_eq!(charge(&[Call::Known(&offset)]), Component::Ring);
        assert_eq!(charge(&[Call::Known(&copy), Call::Known(&offset)]), Component::Copy);
    }

    #[test]
    fn the_innermost_function_of_this_project_decides() {
        let [add, nanos, udp, app] = [
            known("wrapping_add", CORE),
            known("since", "/b/shared/src/units/nanos.rs"),
            known("encapsulate<L>", UDP),
            known("send", "/b/netstack/src/app/run/outlet.rs"),
        ];
        let calls = [&add, &nanos, &udp, &app].map(Call::Known);
        assert_eq!(charge(&calls), Component::Udp);
        assert_eq!(charge(&calls[3..]), Component::App);
        assert_eq!((charge(&calls[..2]), charge(&[])), (Component::Other, Component::Other));
    }

    #[test]
    fn copies_the_clock_and_the_kernel_are_components() {
        let (slot, park) = (known("write", SLOT), known("shared::exec::real::monotonic_now", PARK));
        let inlined = known("copy_from_slice<u8>", CORE);
        let [memmove, vdso] = [foreign(7, "__memmove_avx_unaligned_erms"), foreign(8, "__vdso_clock_gettime")];
        let (kernel, alloc) = (foreign(0xffff_ffff_8000_0000, "do_syscall_64"), foreign(9, "malloc"));
        assert_eq!(charge(&[Call::Foreign(&memmove), Call::Known(&slot)]), Component::Copy);
        assert_eq!(charge(&[Call::Known(&inlined), Call::Known(&slot)]), Component::Copy);
        assert_eq!(charge(&[Call::Known(&slot), Call::Foreign(&memmove)]), Component::Ring);
        assert_eq!(charge(&[Call::Foreign(&vdso), Call::Known(&slot)]), Component::Clock);
        assert_eq!(charge(&[Call::Known(&park)]), Component::Clock);
        assert_eq!(charge(&[Call::Foreign(&kernel), Call::Known(&slot)]), Component::Kernel);
        assert_eq!(charge(&[Call::Foreign(&alloc), Call::Known(&slot)]), Component::Ring);
    }

    #[test]
    fn everything_that_the_spin_calls_counts_as_spinning() {
        let (spin, slot) = (known("spin<S>", PARK), known("look", SLOT));
        let (vdso, kernel) = (foreign(8, "__vdso_clock_gettime"), foreign(u64::MAX - 1, "fdget"));
        for inner in [Call::Known(&slot), Call::Foreign(&vdso), Call::Foreign(&kernel)] {
            assert_eq!(charge(&[inner, Call::Known(&spin)]), Component::Spin);
        }
        assert_eq!(charge(&[Call::Known(&known("spin", SLOT))]), Component::Ring);
    }

    /// If these functions are renamed, spinning would count as work, and reading the clock as the executor's.
    #[test]
    fn the_functions_that_are_matched_by_name_exist() {
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
            ("shared::exec::real::RealPark::spin", "spin"),
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
