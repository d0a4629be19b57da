//! All arms compute the same, whether they wait or not, and a cancelled call leaves the wait queue.

use dispatch_bench::arms::Arm;
use dispatch_bench::leaf::LeafKind;
use dispatch_bench::measure::{Cell, Checks, Mode, one_cell, wall_clock};
use dispatch_bench::ring::Ring;

#[test]
fn every_arm_computes_the_same_as_sync_with_and_without_a_wait() {
    for leaf in LeafKind::ALL {
        for mode in Mode::ALL {
            let of = |arm| one_cell(Cell { arm, mode, leaf }, 2);
            for arm in Arm::ALL {
                assert_eq!(of(arm), of(Arm::SyncGeneric), "{arm} {mode} {leaf}");
            }
        }
    }
}

#[test]
fn the_variants_and_the_body_show_in_the_result() {
    let of = |mode, leaf| one_cell(Cell { arm: Arm::Native, mode, leaf }, 1);
    assert_ne!(of(Mode::Hot, LeafKind::Ready), of(Mode::Cold, LeafKind::Ready));
    assert_ne!(of(Mode::Hot, LeafKind::Ready), of(Mode::Hot, LeafKind::Body));
    assert_eq!(of(Mode::Hot, LeafKind::Ready), of(Mode::Hot, LeafKind::Waits), "waiting changes no result");
}

#[test]
fn a_cancelled_call_leaves_the_wait_queue_and_the_next_call_is_served() {
    let order = Mode::Cold.orders().swap_remove(0);
    for arm in Arm::ALL {
        let ring = Ring::full();
        let table = arm.build(LeafKind::Waits, ring);
        let whole = table.pass(&order, ring);
        assert!(table.cancel(ring), "{arm}: there is no room, so it has to wait");
        assert_eq!(ring.waiting(), 0, "{arm}");
        assert_eq!(table.pass(&order, ring), whole, "{arm}");
    }
}

#[test]
fn only_the_leaf_that_waits_waits() {
    for arm in Arm::ALL {
        for leaf in [LeafKind::Ready, LeafKind::Body] {
            let ring = Ring::full();
            assert!(!arm.build(leaf, ring).cancel(ring), "{arm} {leaf}");
        }
    }
}

#[test]
fn each_variant_has_its_own_code() {
    for arm in Arm::ALL {
        for leaf in LeafKind::ALL {
            let (found, expected) = arm.build(leaf, Ring::full()).functions();
            assert_eq!(found, expected, "{arm} {leaf}");
        }
    }
}

#[test]
fn every_cell_is_timed_once_per_repetition() {
    let timed = wall_clock(3, &mut Checks::default()).unwrap();
    assert_eq!(timed.iter().map(|timed| timed.cell).collect::<Vec<_>>(), Cell::all().collect::<Vec<_>>());
    for timed in timed {
        assert_eq!(timed.repetitions.len(), 3, "{}", timed.cell);
        assert!(timed.repetitions.iter().all(|ns| *ns > 0.0), "{}: {:?}", timed.cell, timed.repetitions);
    }
}
